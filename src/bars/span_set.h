// A set of event time: sorted, disjoint, merged spans [from, to).
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "market/market_policy.h"

namespace finpipe {

class SpanSet {
 public:
  void add(TimeSpan span);
  [[nodiscard]] bool empty() const { return spans_.empty(); }
  // The parts of the set inside `window`.
  [[nodiscard]] SpanSet clipped(TimeSpan window) const;
  [[nodiscard]] SpanSet minus(const SpanSet& other) const;
  [[nodiscard]] bool overlaps(const SpanSet& other) const;
  [[nodiscard]] std::span<const TimeSpan> spans() const { return spans_; }

 private:
  std::vector<TimeSpan> spans_;
};

}  // namespace finpipe
