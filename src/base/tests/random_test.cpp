#include "base/random.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>

#include "base/clock.h"

namespace finpipe {
namespace {

TEST(Random, TheSameSeedGivesTheSameNumbers) {
  Random a(5), b(5), c(6);
  EXPECT_EQ(a.next(), b.next());
  EXPECT_NE(a.next(), c.next());
}

TEST(Random, BoundsAreKeptAndReached) {
  Random random(1);
  std::set<std::int64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.between(-2, 2));
  EXPECT_EQ(seen, (std::set<std::int64_t>{-2, -1, 0, 1, 2}));
  EXPECT_FALSE(random.chance(0.0));
  EXPECT_TRUE(random.chance(1.0));
}

TEST(Random, IdsAreDrawnAnew) { EXPECT_NE(random_id(), random_id()); }

TEST(ManualClock, AdvancesBothClocksByTheSame) {
  ManualClock clock(1'000);
  clock.advance_ns(5);
  EXPECT_EQ(clock.wall_ns(), 1'005);
  EXPECT_EQ(clock.boot_ns(), 5);
}

TEST(SystemClock, BootTimeNeverStepsBack) {
  SystemClock clock;
  const std::int64_t before = clock.boot_ns();
  EXPECT_GE(clock.boot_ns(), before);
  EXPECT_GT(clock.wall_ns(), 0);
}

}  // namespace
}  // namespace finpipe
