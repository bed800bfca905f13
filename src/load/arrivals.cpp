#include "load/arrivals.h"

#include <utility>

#include "base/int128.h"
#include "base/time.h"

namespace finpipe {

Arrivals::Arrivals(std::int64_t trades_per_second, Bursts bursts, std::shared_ptr<const ArrivalShape> shape)
    : rate_(trades_per_second), bursts_(bursts), shape_(std::move(shape)) {}

std::int64_t Arrivals::even_ns(std::int64_t n) const {
  return static_cast<std::int64_t>(int128{n} * kNsPerSecond / rate_);
}

std::int64_t Arrivals::due_ns(std::int64_t n) const {
  std::int64_t due_ns = even_ns(n);
  if (shape_) {
    const auto in_loop = static_cast<std::int64_t>(shape_->offsets_ns.size());
    const std::int64_t offset_ns = shape_->offsets_ns[static_cast<std::size_t>(n % in_loop)];
    const auto share = int128{offset_ns} * even_ns(in_loop) / shape_->loop_ns;
    due_ns = even_ns(n / in_loop * in_loop) + static_cast<std::int64_t>(share);
  }
  if (bursts_.factor == 1) return due_ns;
  // Time within a period runs `factor` times as fast at its beginning, and slower afterwards.
  const std::int64_t every_ns = bursts_.every_ms * kNsPerMs;
  const std::int64_t length_ns = bursts_.length_ms * kNsPerMs;
  const std::int64_t in_period_ns = due_ns % every_ns;
  const std::int64_t burst_ns = bursts_.factor * length_ns;  // of even time that the burst takes
  const std::int64_t begin_ns = due_ns - in_period_ns;
  if (in_period_ns < burst_ns) return begin_ns + in_period_ns / bursts_.factor;
  const auto rest = int128{in_period_ns - burst_ns} * (every_ns - length_ns) / (every_ns - burst_ns);
  return begin_ns + length_ns + static_cast<std::int64_t>(rest);
}

std::int64_t Arrivals::due_by(std::int64_t offset_ns) const {
  if (offset_ns < 0) return 0;
  std::int64_t low = 0, high = 1;  // trade low - 1 is due, trade high is not
  while (due_ns(high) <= offset_ns) high *= 2;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (due_ns(middle) <= offset_ns) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace finpipe
