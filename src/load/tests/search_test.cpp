#include "load/search.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "base/random.h"

namespace finpipe {
namespace {

struct Searched {
  std::optional<std::int64_t> found;
  int tries = 0;
  int confirmations = 0;
};

Searched search(const RateSearch::Options& options, const std::function<bool(std::int64_t)>& holds) {
  RateSearch search(options);
  Searched searched;
  while (const auto next = search.next()) {
    if (++searched.tries > 200) ADD_FAILURE() << "does not end";
    if (searched.tries > 200) break;
    if (next->confirms) ++searched.confirmations;
    EXPECT_GE(next->trades_per_second, 1);
    EXPECT_LE(next->trades_per_second, options.highest);
    search.tell(holds(next->trades_per_second));
  }
  searched.found = search.found();
  return searched;
}

TEST(RateSearch, FindsTheCapacityOfAModelSystemWithinThePrecision) {
  for (const std::int64_t capacity : {1, 2, 7, 90, 1'000, 1'001, 31'415, 271'828, 999'999}) {
    for (const std::int64_t first : {1, 1'000, 400'000}) {
      const auto searched = search({.first = first}, [&](std::int64_t rate) { return rate <= capacity; });
      ASSERT_TRUE(searched.found) << capacity << ' ' << first;
      EXPECT_LE(*searched.found, capacity);
      EXPECT_GE(static_cast<double>(*searched.found), static_cast<double>(capacity) * 0.95 - 1) << capacity;
      EXPECT_EQ(searched.confirmations, 1);
      EXPECT_LT(searched.tries, 45);
    }
  }
}

TEST(RateSearch, TriesNothingAboveTheHighestRate) {
  const auto searched = search({.first = 1'000, .highest = 50'000}, [](std::int64_t) { return true; });
  EXPECT_EQ(searched.found, 50'000);
}

TEST(RateSearch, EndsWhenNotEvenOneTradeASecondHolds) {
  const auto searched = search({.first = 1'000}, [](std::int64_t) { return false; });
  EXPECT_FALSE(searched.found);
}

TEST(RateSearch, ARateThatFailsOnceIsTriedAgain) {
  int failures = 0;
  const auto searched = search({.first = 1'000, .highest = 8'000}, [&](std::int64_t rate) {
    return rate != 4'000 || ++failures > 1;  // an accident
  });
  EXPECT_EQ(searched.found, 8'000);
}

TEST(RateSearch, WhatDoesNotHoldForAsLongAsAReportGivesWayToLess) {
  RateSearch search({.first = 1'000, .highest = 1'000, .precision = 0.1});
  search.tell(true);
  int told = 0;
  while (const auto next = search.next()) {
    ASSERT_TRUE(next->confirms);
    ASSERT_LT(++told, 20);
    search.tell(next->trades_per_second <= 850);  // below 1,000, 900
  }
  EXPECT_EQ(search.found(), 810);
}

// A queue that takes so many a second.
RunFigures run_on(std::int64_t capacity, std::int64_t rate) {
  constexpr double kSeconds = 5;
  constexpr double kServiceNs = 2e6;
  const double excess = std::max(0.0, static_cast<double>(rate - capacity));
  return {.trades_per_second = rate,
          .measured = rate,
          .p99_ns = static_cast<std::int64_t>(kServiceNs + excess * kSeconds / static_cast<double>(capacity) * 1e9),
          .backlog_early = excess * kSeconds * 0.375,
          .backlog_late = excess * kSeconds * 0.875};
}

TEST(WhyNotHeld, AQueueHoldsUpToItsCapacity) {
  constexpr std::int64_t kLimitNs = 100'000'000;
  EXPECT_EQ(why_not_held(run_on(10'000, 10'000), kLimitNs), "");
  EXPECT_EQ(why_not_held(run_on(10'000, 11'000), kLimitNs), "p99 is 502.0 ms, above 100.0 ms");
  // Latency is within the limit yet: after five seconds more it would not be.
  EXPECT_EQ(why_not_held(run_on(10'000, 10'150), kLimitNs), "the backlog grows, from 281 to 656 trades");
}

TEST(WhyNotHeld, NothingMayBeLost) {
  EXPECT_EQ(why_not_held({.trades_per_second = 1, .missing = 3}, 1), "3 trades did not arrive");
  EXPECT_EQ(why_not_held({.trades_per_second = 1, .dropped = 1}, 1), "1 connections were dropped");
}

TEST(WhyNotHeld, SomethingMustHaveBeenMeasured) {
  EXPECT_TRUE(why_not_held({.trades_per_second = 1}, 1).starts_with("nothing was measured"));
  EXPECT_EQ(why_not_held({.trades_per_second = 1, .measured = 1}, 1), "");
}

TEST(WhyNotHeld, ThePercentileMayBeTheLimit) {
  EXPECT_EQ(why_not_held({.trades_per_second = 1, .measured = 1, .p99_ns = 5'000'000}, 5'000'000), "");
  EXPECT_NE(why_not_held({.trades_per_second = 1, .measured = 1, .p99_ns = 5'000'001}, 5'000'000), "");
}

}  // namespace
}  // namespace finpipe
