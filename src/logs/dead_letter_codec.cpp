#include "logs/dead_letter_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "codec/confluent.h"
#include "codec/dead_letter_avro.h"

namespace finpipe {
namespace {

// The enums of ports.h and of the schema are numbered alike.
static_assert(static_cast<int>(DeadLetter::Stage::kProcess) == static_cast<int>(avro::Stage::kProcess));
static_assert(static_cast<int>(Writer::kOperator) == static_cast<int>(avro::Writer::kOperator));

}  // namespace

void encode_dead_letter(const DeadLetter& letter, std::string& out) {
  frame_header(avro::DeadLetter::kSchemaId, out);
  encode(avro::DeadLetter{.id = letter.id,
                          .received_at = letter.received_at_ns,
                          .reason = error_info(letter.reason).name,
                          .detail = letter.detail,
                          .stage = static_cast<avro::Stage>(letter.stage),
                          .raw = letter.raw,
                          .writer = static_cast<avro::Writer>(letter.writer),
                          .session = letter.session,
                          .partition = letter.partition,
                          .offset = letter.offset},
         out);
}

Result<DeadLetter> decode_dead_letter(std::string_view bytes) {
  FINPIPE_TRY_ASSIGN(framed, unframe(std::as_bytes(std::span(bytes))));
  if (framed.id != avro::DeadLetter::kSchemaId) {
    return fail(ErrorCode::kUnknownSchemaId, fmt::format("schema id {} of a dead letter", framed.id));
  }
  FINPIPE_TRY_ASSIGN(stored, avro::decode_dead_letter(framed.payload));
  const auto reason = std::ranges::find(error_table(), stored.reason, &ErrorInfo::name);
  if (reason == error_table().end()) {
    return fail(ErrorCode::kCorrupt, fmt::format("dead letter with the unknown reason '{}'", stored.reason));
  }
  return DeadLetter{.id = std::string(stored.id),
                    .received_at_ns = stored.received_at,
                    .reason = reason->code,
                    .detail = std::string(stored.detail),
                    .stage = static_cast<DeadLetter::Stage>(stored.stage),
                    .raw = std::string(stored.raw),
                    .writer = static_cast<Writer>(stored.writer),
                    .session = stored.session,
                    .partition = stored.partition,
                    .offset = stored.offset};
}

}  // namespace finpipe
