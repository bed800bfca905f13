// The six bars that hold one moment of a symbol, made anew from stored trades under one policy: what a bar says once a
// trade in it was voided.
#pragma once

#include <array>
#include <cstdint>

#include "market/bar.h"
#include "market/market_policy.h"
#include "market/trade.h"

namespace finpipe {

class Recount {
 public:
  // `policy` must outlive it.
  Recount(const MarketPolicy& policy, std::int64_t event_time_ms);

  // All trades of the symbol with these event times are wanted, in any order.
  [[nodiscard]] TimeSpan span() const;
  // Windows that start at `before_ms` or later do not take it. A voided trade is only counted.
  void add(const Trade& trade, bool voided, std::int64_t before_ms);

  [[nodiscard]] const MarketPolicy::Window& window(std::size_t interval) const { return windows_[interval]; }
  // Only the values: state, trust and order are not set.
  [[nodiscard]] const Bar& bar(std::size_t interval) const { return bars_[interval]; }
  // A sum left its 128 bits.
  [[nodiscard]] bool overflowed() const { return overflowed_; }

 private:
  const MarketPolicy& policy_;
  std::array<MarketPolicy::Window, kIntervalCount> windows_;
  std::array<Bar, kIntervalCount> bars_;
  bool overflowed_ = false;
};

}  // namespace finpipe
