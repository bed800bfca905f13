// Percentiles of durations of the last seconds: counted in buckets a quarter of a power of two wide.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace finpipe::kafka {

// One thread adds and rolls; any may read the percentiles, which are those of the last whole period in which something
// was added; 0 when that is long over.
class Latency {
 public:
  static constexpr std::int64_t kPeriodNs = 5 * kNsPerSecond;

  void add(std::int64_t us) { ++counts_[bucket(us)], ++total_; }
  void roll(std::int64_t now_ns) {
    if (total_ == 0) {
      period_begun_ns_.reset();
      return;
    }
    if (!period_begun_ns_) period_begun_ns_ = now_ns;
    if (now_ns - *period_begun_ns_ < kPeriodNs) return;
    period_begun_ns_.reset();
    p50_us_ = percentile(50);
    p99_us_ = percentile(99);
    rolled_ns_ = now_ns;
    counts_.fill(0);
    total_ = 0;
  }
  [[nodiscard]] std::int64_t p50_us(std::int64_t now_ns) const { return is_fresh(now_ns) ? p50_us_.load() : 0; }
  [[nodiscard]] std::int64_t p99_us(std::int64_t now_ns) const { return is_fresh(now_ns) ? p99_us_.load() : 0; }

 private:
  static constexpr std::size_t kBuckets = 160;  // up to 2^40 us

  [[nodiscard]] bool is_fresh(std::int64_t now_ns) const { return now_ns - rolled_ns_ <= 3 * kPeriodNs; }
  [[nodiscard]] static std::size_t bucket(std::int64_t us) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(us, 4));
    const auto width = static_cast<std::size_t>(std::bit_width(value));
    return std::min(width * 4 + ((value >> (width - 3)) & 3), kBuckets - 1);
  }
  // Upper end of a bucket.
  [[nodiscard]] static std::int64_t end_us(std::size_t bucket) {
    return static_cast<std::int64_t>(((bucket & 3) + 5) << (bucket / 4 - 3));
  }
  [[nodiscard]] std::int64_t percentile(std::uint64_t percent) const {
    std::uint64_t left = (total_ * percent + 99) / 100;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      if (counts_[i] >= left) return end_us(i);
      left -= counts_[i];
    }
    return end_us(kBuckets - 1);
  }

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t total_ = 0;
  std::optional<std::int64_t> period_begun_ns_;
  std::atomic<std::int64_t> p50_us_ = 0, p99_us_ = 0, rolled_ns_ = 0;
};

}  // namespace finpipe::kafka
