// What a trade, or another bar of the symbol, adds to the values of a bar. Exact, and the same in any order.
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

// Merges prices, sums and counts of `part` into `bar`; state, trust and order are the caller's. False: a sum left its
// 128 bits.
[[nodiscard]] inline bool merge_values(Bar& bar, const Bar& part) {
  const auto take_first = [](PricePoint& first, const PricePoint& other) {
    if (other.present() && (!first.present() || other.before(first))) first = other;
  };
  const auto take_last = [](PricePoint& last, const PricePoint& other) {
    if (other.present() && (!last.present() || last.before(other))) last = other;
  };
  take_first(bar.first, part.first);
  take_last(bar.last, part.last);
  take_first(bar.first_if_alone, part.first_if_alone);
  take_last(bar.last_if_alone, part.last_if_alone);
  if (part.has_high_low) {
    bar.high_e9 = bar.has_high_low ? std::max(bar.high_e9, part.high_e9) : part.high_e9;
    bar.low_e9 = bar.has_high_low ? std::min(bar.low_e9, part.low_e9) : part.low_e9;
    bar.has_high_low = true;
  }
  bar.trades += part.trades;
  bar.excluded += part.excluded;
  bar.backfilled = bar.backfilled || part.backfilled;
  bool fits = !__builtin_add_overflow(bar.volume_e8, part.volume_e8, &bar.volume_e8);
  fits &= !__builtin_add_overflow(bar.vwap_volume_e8, part.vwap_volume_e8, &bar.vwap_volume_e8);
  fits &= !__builtin_add_overflow(bar.notional_e17, part.notional_e17, &bar.notional_e17);
  return fits;
}

}  // namespace finpipe
