#include "market/read_interval.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

TEST(ReadInterval, IsMadeOfTheLargestStoredOneThatDividesIt) {
  EXPECT_EQ(read_interval_from("1s"), ReadInterval(Interval::k1s));
  EXPECT_EQ(read_interval_from("45s"), ReadInterval(Interval::k1s, 45));
  EXPECT_EQ(read_interval_from("2m"), ReadInterval(Interval::k1m, 2));
  EXPECT_EQ(read_interval_from("10m"), ReadInterval(Interval::k5m, 2));
  EXPECT_EQ(read_interval_from("30m"), ReadInterval(Interval::k15m, 2));
  EXPECT_EQ(read_interval_from("4h"), ReadInterval(Interval::k1h, 4));
  EXPECT_EQ(read_interval_from("7d"), ReadInterval(Interval::k1d, 7));
  EXPECT_EQ(read_interval_from("60m"), ReadInterval(Interval::k1h));
}

TEST(ReadInterval, HasOneName) {
  for (const char* name : {"1s", "45s", "1m", "2m", "90m", "1h", "4h", "23h", "86399s", "1d", "7d", "366d"}) {
    const auto interval = read_interval_from(name);
    ASSERT_TRUE(interval) << name;
    EXPECT_EQ(to_string(*interval), name);
  }
  EXPECT_EQ(to_string(*read_interval_from("120m")), "2h");
  for (const Interval stored : kIntervals) EXPECT_EQ(to_string(ReadInterval(stored)), to_string(stored));
}

TEST(ReadInterval, WhatIsNoneIsRefused) {
  for (const char* text : {"", "m", "1", "0m", "02m", "-1m", "+1m", "1.5h", "1w", "1M", "1 m", "m1", "24h", "1440m",
                           "86400s", "367d", "99999999999999999999s", "4294967297s"})
    EXPECT_FALSE(read_interval_from(text)) << text;
}

}  // namespace
}  // namespace finpipe
