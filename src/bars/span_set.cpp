#include "bars/span_set.h"

namespace finpipe {

void SpanSet::add(TimeSpan span) {
  if (span.from_ms >= span.to_ms) return;
  // The run of spans that touch the new one becomes one with it.
  const auto first = std::ranges::lower_bound(spans_, span.from_ms, {}, &TimeSpan::to_ms);
  auto last = first;
  for (; last != spans_.end() && last->from_ms <= span.to_ms; ++last) {
    span.from_ms = std::min(span.from_ms, last->from_ms);
    span.to_ms = std::max(span.to_ms, last->to_ms);
  }
  spans_.insert(spans_.erase(first, last), span);
}

SpanSet SpanSet::clipped(TimeSpan window) const {
  SpanSet result;
  for (auto it = std::ranges::upper_bound(spans_, window.from_ms, {}, &TimeSpan::to_ms);
       it != spans_.end() && it->from_ms < window.to_ms; ++it) {
    result.spans_.push_back({std::max(it->from_ms, window.from_ms), std::min(it->to_ms, window.to_ms)});
  }
  return result;
}

SpanSet SpanSet::minus(const SpanSet& other) const {
  SpanSet result;
  for (TimeSpan rest : spans_) {
    for (const TimeSpan& hole : other.clipped(rest).spans_) {
      if (hole.from_ms > rest.from_ms) result.spans_.push_back({rest.from_ms, hole.from_ms});
      rest.from_ms = hole.to_ms;
    }
    if (rest.from_ms < rest.to_ms) result.spans_.push_back(rest);
  }
  return result;
}

bool SpanSet::overlaps(const SpanSet& other) const {
  return std::ranges::any_of(spans_, [&](const TimeSpan& span) { return !other.clipped(span).empty(); });
}

}  // namespace finpipe
