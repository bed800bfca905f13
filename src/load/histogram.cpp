#include "load/histogram.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>

namespace finpipe {
namespace {

constexpr double kNsPerMillisecond = 1e6;

}  // namespace

LatencyHistogram::LatencyHistogram() : counts_(bucket_of(kMaxNs) + 1) {}

std::size_t LatencyHistogram::bucket_of(std::int64_t ns) {
  const auto value = static_cast<std::uint64_t>(ns);
  const int shift = std::max(static_cast<int>(std::bit_width(value)) - kLinearBits, 0);
  // From the second power of two on only the upper half of a row is used: the lower one is the row before.
  return (static_cast<std::size_t>(shift) << (kLinearBits - 1)) + static_cast<std::size_t>(value >> shift);
}

std::int64_t LatencyHistogram::last_of(std::size_t bucket) {
  constexpr std::size_t kHalf = std::size_t{1} << (kLinearBits - 1);
  if (bucket < 2 * kHalf) return static_cast<std::int64_t>(bucket);
  const std::size_t shift = bucket / kHalf - 1;
  return static_cast<std::int64_t>(((bucket - shift * kHalf + 1) << shift) - 1);
}

void LatencyHistogram::add(std::int64_t ns, std::int64_t times) {
  const std::int64_t value = std::clamp<std::int64_t>(ns, 0, kMaxNs);
  counts_[bucket_of(value)] += times;
  count_ += times;
  max_ns_ = std::max(max_ns_, value);
  const auto as_real = static_cast<double>(value);
  const auto weight = static_cast<double>(times);
  sum_ += as_real * weight;
  sum_of_squares_ += as_real * as_real * weight;
}

double LatencyHistogram::mean_ns() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

double LatencyHistogram::deviation_ns() const {
  if (count_ == 0) return 0;
  const double mean = mean_ns();
  return std::sqrt(std::max(sum_of_squares_ / static_cast<double>(count_) - mean * mean, 0.0));
}

std::int64_t LatencyHistogram::quantile_ns(double quantile) const {
  const auto rank =
      std::max<std::int64_t>(static_cast<std::int64_t>(std::ceil(quantile * static_cast<double>(count_))), 1);
  std::int64_t below = 0;
  for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    below += counts_[bucket];
    if (below >= rank) return std::min(last_of(bucket), max_ns_);
  }
  return max_ns_;
}

std::int64_t LatencyHistogram::count_up_to(std::int64_t ns) const {
  const auto end = counts_.begin() + static_cast<std::ptrdiff_t>(bucket_of(std::clamp<std::int64_t>(ns, 0, kMaxNs)));
  std::int64_t count = 0;
  for (auto at = counts_.begin(); at <= end; ++at) count += *at;
  return count;
}

std::string LatencyHistogram::percentile_table() const {
  constexpr double kStepsPerHalving = 5;  // of the distance to 100 %
  std::string out =
      fmt::format("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
  double quantile = 0;
  for (bool last = count_ == 0; !last;) {
    const std::int64_t value = quantile_ns(quantile);
    const std::int64_t up_to = count_up_to(value);
    last = up_to == count_;
    const double shown = last ? 1 : quantile;
    fmt::format_to(std::back_inserter(out), "{:12.3f} {:14.12f} {:10}", static_cast<double>(value) / kNsPerMillisecond,
                   shown, up_to);
    if (!last) fmt::format_to(std::back_inserter(out), " {:14.2f}", 1 / (1 - shown));
    out += '\n';
    const double halvings = std::floor(std::log2(1 / (1 - quantile))) + 1;
    quantile += 1 / (kStepsPerHalving * std::exp2(halvings));
  }
  fmt::format_to(std::back_inserter(out), "#[Mean    = {:12.3f}, StdDeviation   = {:12.3f}]\n",
                 mean_ns() / kNsPerMillisecond, deviation_ns() / kNsPerMillisecond);
  fmt::format_to(std::back_inserter(out), "#[Max     = {:12.3f}, Total count    = {:12}]\n",
                 static_cast<double>(max_ns_) / kNsPerMillisecond, count_);
  fmt::format_to(std::back_inserter(out), "#[Buckets = {:12}, SubBuckets     = {:12}]\n",
                 static_cast<int>(std::bit_width(static_cast<std::uint64_t>(kMaxNs))) - kLinearBits + 1,
                 1 << kLinearBits);
  return out;
}

}  // namespace finpipe
