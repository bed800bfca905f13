#include "bars/recount.h"

#include <algorithm>

#include "bars/merge.h"

namespace finpipe {

Recount::Recount(const MarketPolicy& policy, std::int64_t event_time_ms) : policy_(policy) {
  for (std::size_t i = 0; i < kIntervalCount; ++i) {
    windows_[i] = policy.window_of(kIntervals[i], event_time_ms);
    bars_[i].policy = policy.id;
  }
}

TimeSpan Recount::span() const {
  TimeSpan all = windows_.front().span;
  for (const MarketPolicy::Window& window : windows_) {
    all = {std::min(all.from_ms, window.span.from_ms), std::max(all.to_ms, window.span.to_ms)};
  }
  return all;
}

void Recount::add(const Trade& trade, bool voided, std::int64_t before_ms) {
  MarketPolicy::TradeEffect effect = policy_.effect_of(trade);
  if (voided || trade.suspect != Suspect::kNone) effect.intraday = effect.daily = kNoEffect;
  const int128 notional_e17 = notional_of(trade);
  for (std::size_t i = 0; i < kIntervalCount; ++i) {
    const auto& [start_ms, span] = windows_[i];
    if (trade.event_time_ms < span.from_ms || trade.event_time_ms >= span.to_ms || start_ms >= before_ms) continue;
    const bool daily = kIntervals[i] == Interval::k1d;
    overflowed_ |= !merge_values(bars_[i], trade, daily ? effect.daily : effect.intraday, notional_e17);
  }
}

}  // namespace finpipe
