#include "load/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"

namespace finpipe {
namespace {

// Of sorted values, by nearest rank.
std::int64_t exact_quantile(const std::vector<std::int64_t>& sorted, double quantile) {
  const auto rank = static_cast<std::size_t>(std::ceil(quantile * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

// From single nanoseconds to minutes, as many of each magnitude.
std::vector<std::int64_t> spread_values(std::size_t count) {
  Random random(7);
  std::vector<std::int64_t> values;
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(static_cast<std::int64_t>(random.below(std::uint64_t{1} << (1 + random.below(40)))));
  }
  return values;
}

TEST(LatencyHistogram, QuantilesAreThoseOfSortedValuesWithinATenthOfAPercent) {
  std::vector<std::int64_t> values = spread_values(20'000);
  LatencyHistogram histogram;
  for (const std::int64_t value : values) histogram.add(value);
  std::ranges::sort(values);
  for (const double quantile : {0.0001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    const std::int64_t exact = exact_quantile(values, quantile);
    const std::int64_t told = histogram.quantile_ns(quantile);
    EXPECT_GE(told, exact) << quantile;
    EXPECT_LE(static_cast<double>(told), static_cast<double>(exact) * (1 + 1.0 / 1'024)) << quantile;
  }
  EXPECT_EQ(histogram.max_ns(), values.back());
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (std::int64_t value = 0; value < 2'048; ++value) histogram.add(value);
  for (std::int64_t value = 0; value < 2'048; ++value) {
    ASSERT_EQ(histogram.count_up_to(value), value + 1);
    ASSERT_EQ(histogram.quantile_ns(static_cast<double>(value + 1) / 2'048), value);
  }
}

TEST(LatencyHistogram, BeyondItsRangeValuesCountAtItsEnds) {
  LatencyHistogram histogram;
  histogram.add(-1);
  histogram.add(std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(histogram.quantile_ns(0.5), 0);
  EXPECT_EQ(histogram.quantile_ns(1), LatencyHistogram::kMaxNs);
  EXPECT_EQ(histogram.count(), 2);
}

TEST(LatencyHistogram, MeanAndDeviationAreThoseOfTheValues) {
  LatencyHistogram histogram;
  histogram.add(1'000'000);
  histogram.add(3'000'000, 3);
  EXPECT_DOUBLE_EQ(histogram.mean_ns(), 2'500'000);
  EXPECT_NEAR(histogram.deviation_ns(), 866'025.4, 0.1);
}

// Rows as HdrHistogram's plotter reads them: value, percentile and count never fall, and the last row is everything.
TEST(LatencyHistogram, TheTableIsOneThatPlottersRead) {
  LatencyHistogram histogram;
  for (int ms = 1; ms <= 1'000; ++ms) histogram.add(std::int64_t{ms} * 1'000'000);
  std::istringstream table(histogram.percentile_table());
  std::string line;
  std::getline(table, line);
  EXPECT_EQ(line, "       Value     Percentile TotalCount 1/(1-Percentile)");
  double last_value = 0, last_percentile = 0;
  std::int64_t last_count = 0;
  int rows = 0;
  while (std::getline(table, line) && (line.empty() || line[0] != '#')) {
    if (line.empty()) continue;
    std::istringstream row(line);
    double value = 0, percentile = 0;
    std::int64_t count = 0;
    ASSERT_TRUE(row >> value >> percentile >> count) << line;
    EXPECT_GE(value, last_value);
    EXPECT_GE(percentile, last_percentile);
    EXPECT_GE(static_cast<double>(count), percentile * 1'000);
    last_value = value, last_percentile = percentile, last_count = count;
    ++rows;
  }
  EXPECT_GT(rows, 30);
  EXPECT_EQ(last_count, 1'000);
  EXPECT_EQ(last_percentile, 1);
  EXPECT_EQ(last_value, 1'000);
  EXPECT_EQ(line, "#[Mean    =      500.500, StdDeviation   =      288.675]");
}

}  // namespace
}  // namespace finpipe
