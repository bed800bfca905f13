// Lag of one market: received_at - event_time over the last five minutes of stamps. Exact nearest-rank percentile in
// constant time per sample: lags are clamped to one hour either way, so that counting by milliseconds is enough. At
// most kMaxSamples are kept (16 bytes each); beyond that the oldest leave before their five minutes are over.
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

  void add(std::int64_t received_at_ns, std::int64_t event_time_ms);
  // Nearest-rank p99 of the samples stamped after now - 5 min, in ms; nullopt without samples.
  [[nodiscard]] std::optional<std::int64_t> p99_ms(std::int64_t now_ns);

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

  std::deque<Sample> samples_;
  std::array<std::uint32_t, kBlocks> block_counts_{};
  std::array<std::unique_ptr<std::array<std::uint32_t, kBlockMs>>, kBlocks> blocks_;  // made when first used
};

}  // namespace finpipe
