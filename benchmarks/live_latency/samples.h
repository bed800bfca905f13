// Durations that were measured, and what to say of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace finpipe::live_latency {

class Samples {
 public:
  void add(std::int64_t ns) { values_.push_back(ns); }
  void add(const Samples& other) { values_.insert(values_.end(), other.values_.begin(), other.values_.end()); }
  // Once, after the last add and before the first question.
  void sort() { std::ranges::sort(values_); }

  [[nodiscard]] std::size_t count() const { return values_.size(); }
  // Nearest rank, in milliseconds; q in (0, 1]. 0 without samples.
  [[nodiscard]] double quantile_ms(double q) const {
    if (values_.empty()) return 0;
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values_.size())));
    return static_cast<double>(values_[std::max<std::size_t>(rank, 1) - 1]) / 1e6;
  }
  [[nodiscard]] double max_ms() const { return quantile_ms(1); }

 private:
  std::vector<std::int64_t> values_;
};

}  // namespace finpipe::live_latency
