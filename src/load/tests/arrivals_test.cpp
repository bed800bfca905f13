#include "load/arrivals.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "base/time.h"

namespace finpipe {
namespace {

// Counted one by one.
std::int64_t count_before(const Arrivals& arrivals, std::int64_t from_ns, std::int64_t to_ns) {
  std::int64_t count = 0;
  for (std::int64_t n = 0; arrivals.due_ns(n) < to_ns; ++n) count += arrivals.due_ns(n) >= from_ns ? 1 : 0;
  return count;
}

TEST(Arrivals, EverySecondHasExactlyTheRate) {
  for (const std::int64_t rate : {1, 3, 999, 1'000, 12'345}) {
    const Arrivals arrivals(rate);
    for (std::int64_t second = 0; second < 3; ++second) {
      EXPECT_EQ(count_before(arrivals, second * kNsPerSecond, (second + 1) * kNsPerSecond), rate);
    }
  }
}

TEST(Arrivals, NothingDriftsAfterADayAtTheHighestRate) {
  const Arrivals arrivals(1'000'000);
  const std::int64_t seconds = 86'400;
  EXPECT_EQ(arrivals.due_ns(seconds * 1'000'000), seconds * kNsPerSecond);
  EXPECT_EQ(arrivals.due_by(seconds * kNsPerSecond), seconds * 1'000'000 + 1);
}

TEST(Arrivals, ABurstRunsAtItsFactorAndTheMeanStays) {
  // 5 times for 100 ms of each second: 500 of 1,000, and the other 500 in the 900 ms that are left.
  const Arrivals arrivals(1'000, {.factor = 5, .every_ms = 1'000, .length_ms = 100});
  for (std::int64_t second = 0; second < 3; ++second) {
    const std::int64_t begin_ns = second * kNsPerSecond;
    EXPECT_EQ(count_before(arrivals, begin_ns, begin_ns + 100 * kNsPerMs), 500);
    EXPECT_EQ(count_before(arrivals, begin_ns, begin_ns + 50 * kNsPerMs), 250);
    EXPECT_EQ(count_before(arrivals, begin_ns, begin_ns + kNsPerSecond), 1'000);
  }
}

TEST(Arrivals, BurstsMayTakeAllOfTheRate) {
  const Arrivals arrivals(1'000, {.factor = 10, .every_ms = 1'000, .length_ms = 100});
  EXPECT_EQ(count_before(arrivals, 0, 100 * kNsPerMs), 1'000);
  EXPECT_EQ(count_before(arrivals, 100 * kNsPerMs, kNsPerSecond), 0);
}

TEST(Arrivals, ATapeKeepsItsShapeAtAnotherRate) {
  // Three trades at once, one after a quarter of the loop, none in its second half.
  auto shape = std::make_shared<ArrivalShape>();
  shape->offsets_ns = {0, 0, 0, 25};
  shape->loop_ns = 100;
  const Arrivals arrivals(4, {}, shape);  // so a loop takes a second
  for (std::int64_t loop = 0; loop < 3; ++loop) {
    EXPECT_EQ(arrivals.due_ns(4 * loop), loop * kNsPerSecond);
    EXPECT_EQ(arrivals.due_ns(4 * loop + 2), loop * kNsPerSecond);
    EXPECT_EQ(arrivals.due_ns(4 * loop + 3), loop * kNsPerSecond + 250 * kNsPerMs);
  }
}

TEST(Arrivals, WhatIsDueByATimeIsWhatIsDueOneByOne) {
  auto shape = std::make_shared<ArrivalShape>();
  shape->offsets_ns = {0, 5, 5, 70};
  shape->loop_ns = 100;
  const std::vector<Arrivals> all = {Arrivals(777), Arrivals(50, {.factor = 3, .every_ms = 300, .length_ms = 50}),
                                     Arrivals(60, {}, shape)};
  for (const Arrivals& arrivals : all) {
    EXPECT_EQ(arrivals.due_by(-1), 0);
    for (std::int64_t at_ns = 0; at_ns < 2 * kNsPerSecond; at_ns += 7 * kNsPerMs) {
      ASSERT_EQ(arrivals.due_by(at_ns), count_before(arrivals, 0, at_ns + 1)) << at_ns;
    }
    for (std::int64_t n = 1; n < 1'000; ++n) ASSERT_GE(arrivals.due_ns(n), arrivals.due_ns(n - 1));
  }
}

}  // namespace
}  // namespace finpipe
