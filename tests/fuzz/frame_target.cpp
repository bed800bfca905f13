// Finnhub frame -> trades, against the simple reader of src/codec/tests: once as it is, and once with spaces in it,
// which takes the parser's long way. The bytes of each trade must be found again (codec/raw_trade.h).
#include "codec/raw_trade.h"
#include "codec/tests/simple_frame_reader.h"
#include "harness.h"

namespace finpipe {
namespace {

std::string text_of(const Outcome& outcome) {
  std::string text = fmt::format("kind {}, {} bad", static_cast<int>(outcome.kind), outcome.bad);
  for (const SimpleTrade& trade : outcome.trades) {
    text +=
        fmt::format("; {} t {} p {} v {} c {}", trade.symbol, trade.time, trade.price, trade.volume, trade.conditions);
  }
  return text;
}

Outcome told_by(FrameParser& parser, const std::string& frame) {
  Outcome outcome = outcome_of(parser.parse(frame));
  if (fuzz::canary() != 0 && outcome.trades.size() > 1) outcome.trades.pop_back();
  return outcome;
}

void check_bytes(const ParsedFrame& parsed, std::string_view frame) {
  const std::vector<std::string_view> raw = raw_trades(frame);
  const std::size_t count = parsed.trades.size() + parsed.bad.size();
  if (raw.size() != count) fuzz::differ(fmt::format("{} elements, the bytes of {}", count, raw.size()));
  for (const BadElement& bad : parsed.bad) {
    if (raw[bad.position] != bad.raw) {
      fuzz::differ(fmt::format("element {} is '{}' or '{}'", bad.position, bad.raw, raw[bad.position]));
    }
  }
}

}  // namespace
}  // namespace finpipe

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace finpipe;
  static FrameParser parser;
  const std::string frame(reinterpret_cast<const char*>(data), size);
  const Outcome told = told_by(parser, frame);
  if (const auto expected = SimpleReader::read(frame); expected && told != *expected) {
    fuzz::differ(fmt::format("parser: {}\nsimple reader: {}", text_of(told), text_of(*expected)));
  }
  const std::string longer = spaced(frame);
  const Outcome again = told_by(parser, longer);
  if (again != told) fuzz::differ(fmt::format("parser: {}\nwith spaces: {}", text_of(told), text_of(again)));
  const ParsedFrame& parsed = parser.parse(frame);
  if (parsed.kind == ParsedFrame::Kind::kTrades) check_bytes(parsed, frame);
  return 0;
}
