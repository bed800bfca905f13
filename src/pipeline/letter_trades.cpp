#include "pipeline/letter_trades.h"

#include <fmt/format.h>

#include <utility>

#include "codec/finnhub_frame.h"

namespace finpipe {
namespace {

Error error_of(const BadElement& bad) { return {bad.reason, bad.detail}; }

Result<LetterTrades> take(const ParsedFrame& frame) {
  if (!frame.bad.empty()) return fail(error_of(frame.bad.front()));
  if (frame.trades.empty()) return fail(ErrorCode::kNotReplayable, "there is no trade in it");
  LetterTrades trades;
  for (const Trade& trade : frame.trades) trades.add(trade);
  return trades;
}

}  // namespace

void LetterTrades::add(const Trade& trade) {
  Trade& added = trades_.emplace_back(trade);
  added.symbol = text_.emplace_back(trade.symbol);
  if (!trade.conditions.codes.empty()) added.conditions.codes = text_.emplace_back(trade.conditions.codes);
}

bool say_the_same(const Trade& a, const Trade& b) {
  return a.symbol == b.symbol && a.event_time_ms == b.event_time_ms && a.price_e9 == b.price_e9 &&
         a.volume_e8 == b.volume_e8 && a.conditions == b.conditions;
}

Result<LetterTrades> read_letter_trades(std::string_view bytes) {
  FrameParser parser;
  const ParsedFrame& frame = parser.parse(bytes);
  if (frame.kind != ParsedFrame::Kind::kBad) return take(frame);
  const Error as_frame = error_of(frame.bad.front());
  // What is JSON, but no frame, may be one of its trades.
  if (as_frame.code != ErrorCode::kUnknownFrame) return fail(as_frame);
  auto trades = take(parser.parse(fmt::format(R"({{"data":[{}],"type":"trade"}})", bytes)));
  if (trades) return trades;
  const Error& as_trade = trades.error();
  return fail(as_trade.code, fmt::format("read as a trade: {}; as a frame: {}", as_trade.detail, as_frame.detail));
}

}  // namespace finpipe
