#include "load/zipf.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace finpipe {
namespace {

constexpr int kDraws = 200'000;

std::vector<double> counts_of(const Zipf& zipf, std::size_t ranks, std::uint64_t seed) {
  Random random(seed);
  std::vector<double> counts(ranks);
  for (int i = 0; i < kDraws; ++i) ++counts[zipf.draw(random)];
  return counts;
}

// Pearson's statistic against shares computed here from the law.
double chi_square(const std::vector<double>& counts, double exponent) {
  double sum = 0;
  for (std::size_t rank = 1; rank <= counts.size(); ++rank) sum += std::pow(1.0 / static_cast<double>(rank), exponent);
  double statistic = 0;
  for (std::size_t rank = 1; rank <= counts.size(); ++rank) {
    const double expected = kDraws * std::pow(1.0 / static_cast<double>(rank), exponent) / sum;
    statistic += (counts[rank - 1] - expected) * (counts[rank - 1] - expected) / expected;
  }
  return statistic;
}

TEST(Zipf, DrawsAreDistributedByTheLaw) {
  constexpr std::size_t kRanks = 50;
  constexpr double kCritical = 85.35;  // of chi-square with 49 degrees of freedom, at 0.001
  for (const double exponent : {0.0, 0.7, 1.0, 1.5}) {
    const std::vector<double> counts = counts_of(Zipf(kRanks, exponent), kRanks, 11);
    EXPECT_LT(chi_square(counts, exponent), kCritical) << exponent;
    // What this test can tell apart.
    EXPECT_GT(chi_square(counts, exponent + 0.1), kCritical) << exponent;
  }
}

TEST(Zipf, OneRankTakesAll) {
  Random random(1);
  const Zipf zipf(1, 1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(zipf.draw(random), 0U);
}

TEST(Zipf, TheSameSeedDrawsTheSame) {
  const Zipf zipf(1'000, 1);
  EXPECT_EQ(counts_of(zipf, 1'000, 3), counts_of(zipf, 1'000, 3));
  EXPECT_NE(counts_of(zipf, 1'000, 3), counts_of(zipf, 1'000, 4));
}

}  // namespace
}  // namespace finpipe
