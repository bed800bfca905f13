// Whatever happens to a live feed, what was lost is stated.
#include "live_feed.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace finpipe::simulation {
namespace {

TEST(LiveFeed, EveryTradeThatIsNotStoredLiesInAGapAndEveryBarThatLacksOneSaysSo) {
  std::uint64_t first = 0;
  std::uint64_t count = 25;
  if (const char* seed = std::getenv("FINPIPE_SEED")) first = std::strtoull(seed, nullptr, 10), count = 1;
  if (const char* seeds = std::getenv("FINPIPE_SEEDS")) count = std::strtoull(seeds, nullptr, 10);
  LiveFeedResult all;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const LiveFeedResult result = run_live_feed(seed);
    ASSERT_FALSE(result.fault) << "seed " << seed << ": " << *result.fault;
    all.sent += result.sent, all.lost += result.lost, all.outages += result.outages;
  }
  // The search has found something to judge, and much of what was sent came through.
  EXPECT_GT(all.outages, static_cast<std::int64_t>(count));
  EXPECT_GT(all.lost, 100 * static_cast<std::int64_t>(count));
  EXPECT_LT(all.lost, all.sent * 2 / 3);
  RecordProperty("sent", std::to_string(all.sent));
  RecordProperty("lost", std::to_string(all.lost));
  RecordProperty("outages", std::to_string(all.outages));
}

}  // namespace
}  // namespace finpipe::simulation
