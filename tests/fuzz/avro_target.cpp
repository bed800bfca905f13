// What decodes as a record or row must encode and decode again to the same value: trades, control records, dead
// letters, and what an embedded store keeps. The first byte says which.
#include <fmt/format.h>

#include "codec/records.h"
#include "codec/store_codec.h"
#include "harness.h"
#include "logs/dead_letter_codec.h"
#include "pipeline/checkpoint.h"

namespace finpipe {
namespace {

bool same(const Trade& a, const Trade& b) {
  return a.symbol == b.symbol && a.event_time_ms == b.event_time_ms && a.price_e9 == b.price_e9 &&
         a.volume_e8 == b.volume_e8 && a.conditions == b.conditions && a.received_at_ns == b.received_at_ns &&
         a.seq == b.seq && a.session == b.session && a.writer == b.writer && a.suspect == b.suspect;
}

void check_trade(std::string_view bytes) {
  TradeDecoder decoder;
  Trade trade;
  if (!decoder.decode(bytes, trade)) return;
  Trade sent = trade;
  if (fuzz::canary() != 0 && sent.conditions.form == Conditions::Form::kNull)
    sent.conditions.form = Conditions::Form::kAbsent;
  std::string again;
  encode_trade(sent, again);
  TradeDecoder second;
  Trade back;
  fuzz::require(second.decode(again, back).has_value(), "an encoded trade does not decode");
  fuzz::require(same(trade, back), "a trade came back as another one");
}

// Values are the same when they encode to the same bytes.
template <typename Decode, typename Encode>
void check_bytes(std::string_view what, std::string_view bytes, Decode decode, Encode encode) {
  const auto value = decode(bytes);
  if (!value) return;
  const std::string first = encode(*value);
  const auto back = decode(first);
  if (!back) fuzz::differ(fmt::format("{}: what was encoded does not decode: {}", what, back.error().message()));
  if (encode(*back) != first) fuzz::differ(fmt::format("{}: it came back as another one", what));
}

void check_bar(std::string_view bytes) {
  Bar bar;
  if (!decode_bar(bytes, bar)) return;
  std::string again;
  encode_bar(bar, again);
  Bar back;
  fuzz::require(decode_bar(again, back).has_value(), "an encoded bar does not decode");
  fuzz::require(bar == back, "a bar came back as another one");
}

void check_tick(std::string_view bytes) {
  static TickCodec codec;
  static TickCodec second;
  Trade trade, back;
  std::int64_t offset = 0, offset_back = 0;
  LogId log_id{}, log_id_back{};
  if (!codec.decode(bytes, trade, offset, log_id)) return;
  std::string again;
  second.encode(trade, offset, log_id, again);
  fuzz::require(second.decode(again, back, offset_back, log_id_back).has_value(), "an encoded tick does not decode");
  fuzz::require(same(trade, back) && offset == offset_back && log_id == log_id_back, "a tick came back as another one");
}

}  // namespace
}  // namespace finpipe

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace finpipe;
  fuzz::Script script({data, size});
  const std::size_t kind = script.below(6);
  const std::string_view bytes = script.rest();
  switch (kind) {
    case 0: check_trade(bytes); break;
    case 1:
      check_bytes("control record", bytes, decode_control, [](const avro::FeedStatus& status) {
        std::string out;
        encode_control(status, out);
        return out;
      });
      break;
    case 2:
      check_bytes("dead letter", bytes, decode_dead_letter, [](const DeadLetter& letter) {
        std::string out;
        encode_dead_letter(letter, out);
        return out;
      });
      break;
    case 3: check_bar(bytes); break;
    case 4: check_tick(bytes); break;
    default: {
      const auto decode = [](std::string_view body) {
        return decode_checkpoint({.partition = 0, .generation = 0, .offset = 0, .body = std::string(body)});
      };
      check_bytes("checkpoint", bytes, decode,
                  [](const Checkpoint& checkpoint) { return encode_checkpoint(checkpoint).body; });
    }
  }
  return 0;
}
