// Durations counted in log-linear buckets, as HdrHistogram does it: constant memory, constant time, and each value is
// told with a relative error below 2^-10 (0.1 %). What is said of a bucket is its highest value, so that no percentile
// is told too low; the largest value of all is exact.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace finpipe {

class LatencyHistogram {
 public:
  // 73 minutes; what is longer counts as that, what is below 0 as 0.
  static constexpr std::int64_t kMaxNs = (std::int64_t{1} << 42) - 1;

  LatencyHistogram();

  void add(std::int64_t ns, std::int64_t times = 1);

  [[nodiscard]] std::int64_t count() const { return count_; }
  // 0 without values, likewise what follows.
  [[nodiscard]] std::int64_t max_ns() const { return max_ns_; }
  [[nodiscard]] double mean_ns() const;
  [[nodiscard]] double deviation_ns() const;
  // Nearest rank; quantile in (0, 1].
  [[nodiscard]] std::int64_t quantile_ns(double quantile) const;
  // Values up to the end of the bucket of `ns`.
  [[nodiscard]] std::int64_t count_up_to(std::int64_t ns) const;

  // The percentile distribution as HdrHistogram's tools print, read and plot it, in ms.
  [[nodiscard]] std::string percentile_table() const;

 private:
  static constexpr int kLinearBits = 11;  // values below 2^11 ns have buckets of their own, of larger ones half as many
  [[nodiscard]] static std::size_t bucket_of(std::int64_t ns);
  [[nodiscard]] static std::int64_t last_of(std::size_t bucket);

  std::vector<std::int64_t> counts_;  // by bucket
  std::int64_t count_ = 0;
  std::int64_t max_ns_ = 0;
  double sum_ = 0, sum_of_squares_ = 0;
};

}  // namespace finpipe
