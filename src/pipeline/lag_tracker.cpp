#include "pipeline/lag_tracker.h"

#include <algorithm>

#include "base/time.h"

namespace finpipe {

std::uint32_t& LagTracker::count_of(std::int64_t lag_ms) {
  const auto slot = static_cast<std::size_t>(lag_ms + kLimitMs);
  auto& block = blocks_[slot / kBlockMs];
  if (!block) block = std::make_unique<std::array<std::uint32_t, kBlockMs>>();
  return (*block)[slot % kBlockMs];
}

void LagTracker::add(std::int64_t received_at_ns, std::int64_t event_time_ms) {
  const std::int64_t lag_ms = std::clamp(floor_div(received_at_ns, kNsPerMs) - event_time_ms, -kLimitMs, kLimitMs);
  if (samples_.size() == kMaxSamples) drop_oldest();
  samples_.push_back({received_at_ns, static_cast<std::int32_t>(lag_ms)});
  ++count_of(lag_ms);
  ++block_counts_[static_cast<std::size_t>(lag_ms + kLimitMs) / kBlockMs];
}

void LagTracker::drop_oldest() {
  const std::int64_t lag_ms = samples_.front().lag_ms;
  --count_of(lag_ms);
  --block_counts_[static_cast<std::size_t>(lag_ms + kLimitMs) / kBlockMs];
  samples_.pop_front();
}

std::optional<std::int64_t> LagTracker::percentile_ms(std::size_t percent, std::int64_t now_ns) {
  while (!samples_.empty() && samples_.front().received_at_ns <= now_ns - window_ns_) drop_oldest();
  if (samples_.empty()) return std::nullopt;
  // Rank ceil(p n) from below is rank n - ceil(p n) + 1 from above.
  const std::size_t n = samples_.size();
  std::size_t from_above = n - (percent * n + 99) / 100 + 1;
  std::size_t block = kBlocks;
  while (block_counts_[--block] < from_above) from_above -= block_counts_[block];
  std::size_t slot = kBlockMs;
  while ((*blocks_[block])[--slot] < from_above) from_above -= (*blocks_[block])[slot];
  return static_cast<std::int64_t>(block * kBlockMs + slot) - kLimitMs;
}

}  // namespace finpipe
