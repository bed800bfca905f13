#include "pipeline/recent_trades.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

TEST(RecentTrades, ManyInAShortTimeAreBusy) {
  RecentTrades recent;
  for (std::int64_t i = 0; i < 19; ++i) recent.add(i * kNsPerSecond, i * 1'000);
  EXPECT_FALSE(recent.busy());
  recent.add(19 * kNsPerSecond, 19'000);
  EXPECT_TRUE(recent.busy());
  EXPECT_EQ(recent.newest_event_ms(), 19'000);
}

TEST(RecentTrades, FewInALongTimeAreNot) {
  RecentTrades recent;
  for (std::int64_t i = 0; i < 40; ++i) recent.add(i * 20 * kNsPerSecond, i * 20'000);
  EXPECT_FALSE(recent.busy());
}

// Found by the pipeline simulation: an ingest that takes over reads receipts of both clocks from the log.
TEST(RecentTrades, AClockThatWasSetInBetweenChangesNothing) {
  RecentTrades recent;
  for (std::int64_t i = 0; i < 10; ++i) recent.add(i * kNsPerSecond, i * 1'000);
  for (std::int64_t i = 10; i < 20; ++i) recent.add((i + 3'600) * kNsPerSecond, i * 1'000);
  EXPECT_TRUE(recent.busy());
}

TEST(RecentTrades, AnEventOfLongAgoChangesNothing) {
  RecentTrades recent;
  for (std::int64_t i = 0; i < 20; ++i) recent.add(i * kNsPerSecond, i == 7 ? -1'000'000 : i * 1'000);
  EXPECT_TRUE(recent.busy());
}

}  // namespace
}  // namespace finpipe
