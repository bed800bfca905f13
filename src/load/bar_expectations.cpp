#include "load/bar_expectations.h"

#include <algorithm>

namespace finpipe {

BarExpectations::BarExpectations(std::span<const std::string> symbols) : bars_(symbols.size()) {
  for (const std::string& symbol : symbols) numbers_.emplace(symbol, numbers_.size());
}

void BarExpectations::expect(std::size_t symbol, std::int64_t event_time_ms, std::int64_t due_ns) {
  const std::lock_guard lock(mutex_);
  auto& bars = bars_[symbol];
  bars[event_time_ms / kBarMs * kBarMs].due_ns.push_back(due_ns);
  if (bars.size() > kKeptBars) bars.erase(bars.begin());
}

void BarExpectations::arrive(std::string_view symbol, std::int64_t bar_start_ms, std::int64_t trades,
                             std::vector<std::int64_t>& due_ns) {
  const std::lock_guard lock(mutex_);
  const auto number = numbers_.find(symbol);
  if (number == numbers_.end()) return;
  const auto found = bars_[number->second].find(bar_start_ms);
  if (found == bars_[number->second].end()) return;
  Bar& bar = found->second;
  const std::size_t shown = std::min(static_cast<std::size_t>(std::max<std::int64_t>(trades, 0)), bar.due_ns.size());
  for (; bar.arrived < shown; ++bar.arrived) due_ns.push_back(bar.due_ns[bar.arrived]);
}

}  // namespace finpipe
