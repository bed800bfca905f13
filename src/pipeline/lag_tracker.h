// Lag of one market: received_at - event_time over a window of stamps, five minutes unless told otherwise. Exact
// nearest-rank percentiles in constant time per sample: lags are clamped to one hour either way, so that counting by
// milliseconds is enough. At most kMaxSamples are kept (16 bytes each); beyond that the oldest leave before their time.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace finpipe {

class LagTracker {
 public:
  static constexpr std::size_t kMaxSamples = 4'000'000;

  static constexpr std::int64_t kFiveMinutesNs = 300'000'000'000;

  explicit LagTracker(std::int64_t window_ns = kFiveMinutesNs) : window_ns_(window_ns) {}

  void add(std::int64_t received_at_ns, std::int64_t event_time_ms);
  // Nearest-rank percentile (1 to 100) of the samples stamped after now - window, in ms; nullopt without samples.
  [[nodiscard]] std::optional<std::int64_t> percentile_ms(std::size_t percent, std::int64_t now_ns);
  [[nodiscard]] std::optional<std::int64_t> p99_ms(std::int64_t now_ns) { return percentile_ms(99, now_ns); }

 private:
  struct Sample {
    std::int64_t received_at_ns;
    std::int32_t lag_ms;
  };
  static constexpr std::int64_t kLimitMs = 3'600'000;
  static constexpr std::int64_t kBlockMs = 1'000;
  static constexpr std::size_t kBlocks = 2 * kLimitMs / kBlockMs + 1;

  std::uint32_t& count_of(std::int64_t lag_ms);
  void drop_oldest();

  std::int64_t window_ns_;
  std::deque<Sample> samples_;
  std::array<std::uint32_t, kBlocks> block_counts_{};
  std::array<std::unique_ptr<std::array<std::uint32_t, kBlockMs>>, kBlocks> blocks_;  // made when first used
};

}  // namespace finpipe
