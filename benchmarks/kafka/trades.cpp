#include "kafka/trades.h"

#include <fmt/format.h>

#include <limits>
#include <map>

#include "base/time.h"
#include "codec/finnhub_frame.h"
#include "feeds/tape.h"
#include "kafka/measure.h"

namespace finpipe::kafka_bench {
namespace {

constexpr std::int64_t kPerMs = 5;
constexpr std::int64_t kSpread = 250;  // symbols for each of the tape's

}  // namespace

Trades::Trades() {
  const auto feed = must(TapeFeed::open(FINPIPE_SOURCE_DIR "/data/binance.tape"));
  FrameParser parser;
  std::map<std::string, std::size_t, std::less<>> first_names;
  for (bool end = false; !end;) {
    const FeedBatch batch = must(feed->poll(256));
    end = batch.end;
    for (const FeedFrame& frame : batch.frames) {
      for (Trade trade : parser.parse(frame.bytes).trades) {
        const auto [first, is_new] = first_names.emplace(trade.symbol, names_.size());
        for (std::int64_t i = 0; is_new && i < kSpread; ++i) names_.push_back(fmt::format("{}{}", trade.symbol, i));
        first_name_.push_back(first->second);
        trade.symbol = {};
        trade.conditions.codes = {};
        tape_.push_back(trade);
      }
    }
  }
}

Trade Trades::at(std::int64_t number) const {
  const std::size_t place = static_cast<std::size_t>(number) % tape_.size();
  Trade trade = tape_[place];
  trade.symbol = names_[first_name_[place] + static_cast<std::size_t>(number % kSpread)];
  trade.event_time_ms = kStartMs + number / kPerMs;
  trade.received_at_ns = (trade.event_time_ms + kLagMs) * kNsPerMs;
  trade.seq = trade.received_at_ns + number % kPerMs;
  trade.session = 1;
  return trade;
}

}  // namespace finpipe::kafka_bench
