#include "logs/wire_schemas.h"

#include <algorithm>

#include "codec/dead_letter_avro.h"
#include "codec/feed_status_avro.h"
#include "codec/stock_bar_avro.h"
#include "codec/stock_quote_avro.h"
#include "codec/stock_tick_avro.h"
#include "logs/released_schemas.h"

namespace finpipe {
namespace {

template <typename Record>
constexpr WireSchema kFixed = {Record::kSchemaId, Record::kSchemaId, Record::kSchema};

std::optional<Result<std::string>> released_schema(std::uint32_t fixed_id) {
  const auto found = std::ranges::find(kReleasedSchemas, fixed_id, &ReleasedSchema::fixed_id);
  if (found == kReleasedSchemas.end()) return fail(ErrorCode::kUnknownSchemaId, "no finpipe has it");
  return std::string(found->schema);
}

}  // namespace

WireSchemas fixed_wire_schemas() {
  return {.ours = {kFixed<avro::StockTick>, kFixed<avro::FeedStatus>, kFixed<avro::DeadLetter>,
                   kFixed<avro::StockQuote>, kFixed<avro::StockBar>},
          .look_up = released_schema,
          .poll = [] { return Result<void>(); },
          .trouble = [] { return std::nullopt; }};
}

}  // namespace finpipe
