// What one trade does to the values of a bar. Private to bars.
#pragma once

#include <algorithm>

#include "market/bar.h"
#include "market/market_policy.h"
#include "market/trade.h"

namespace finpipe {

[[nodiscard]] inline int128 notional_of(const Trade& trade) {
  return static_cast<int128>(trade.price_e9) * trade.volume_e8;
}

// `effect` says what the trade may set; nothing but a count for kNoEffect. False when a sum left its 128 bits.
[[nodiscard]] inline bool merge_values(Bar& bar, const Trade& trade, const Effect& effect, int128 notional_e17) {
  if (effect == kNoEffect) [[unlikely]] {
    ++bar.excluded;
    return true;
  }
  bool fits = true;
  if (effect.volume) {
    bar.volume_e8 += trade.volume_e8;
    ++bar.trades;
  }
  if (effect.vwap) {
    bar.vwap_volume_e8 += trade.volume_e8;
    fits = !__builtin_add_overflow(bar.notional_e17, notional_e17, &bar.notional_e17);
  }
  if (effect.high_low) {
    bar.high_e9 = bar.has_high_low ? std::max(bar.high_e9, trade.price_e9) : trade.price_e9;
    bar.low_e9 = bar.has_high_low ? std::min(bar.low_e9, trade.price_e9) : trade.price_e9;
    bar.has_high_low = true;
  }
  if (effect.last != LastRule::kNo) {
    const PricePoint point{trade.event_time_ms, trade.seq, trade.price_e9};
    PricePoint& first = effect.last == LastRule::kYes ? bar.first : bar.first_if_alone;
    PricePoint& last = effect.last == LastRule::kYes ? bar.last : bar.last_if_alone;
    if (!first.present() || point.before(first)) first = point;
    if (!last.present() || last.before(point)) last = point;
  }
  if (trade.writer == Writer::kBackfill) [[unlikely]]
    bar.backfilled = true;
  return fits;
}

}  // namespace finpipe
