#include "base/time.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"

namespace finpipe {
namespace {

TEST(Time, FloorDivisionRoundsDown) {
  EXPECT_EQ(floor_div(7, 2), 3);
  EXPECT_EQ(floor_div(-7, 2), -4);
  EXPECT_EQ(floor_div(-8, 2), -4);
  EXPECT_EQ(floor_div(0, 5), 0);
}

TEST(Time, WritesIso8601InUtc) {
  EXPECT_EQ(format_time_ms(1'723'161'255'342), "2024-08-08T23:54:15.342Z");
  EXPECT_EQ(format_time_ns(1'723'161'254'087'896'568), "2024-08-08T23:54:14.087896568Z");
  EXPECT_EQ(format_time_ms(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(format_time_ns(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(format_time_ms(kMaxTimeMs), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(format_time_ns(std::numeric_limits<std::int64_t>::max()), "2262-04-11T23:47:16.854775807Z");
}

TEST(Time, ReadsDatesTimesAndPlainMilliseconds) {
  EXPECT_EQ(parse_time_ms("2000-01-01"), kYear2000Ms);
  EXPECT_EQ(parse_time_ms("2024-08-08T23:54Z"), 1'723'161'240'000);
  EXPECT_EQ(parse_time_ms("2024-08-08T23:54:15Z"), 1'723'161'255'000);
  EXPECT_EQ(parse_time_ms("2024-08-08T23:54:15.342Z"), 1'723'161'255'342);
  EXPECT_EQ(parse_time_ms("1723161255342"), 1'723'161'255'342);
  EXPECT_EQ(parse_time_ms("-1000"), -1000);
  EXPECT_EQ(parse_time_ms("2024-02-29"), 1'709'164'800'000);
}

TEST(Time, RefusesWhatIsNoTime) {
  for (const char* text : {"", "yesterday", "2023-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "2024-08-08T24:00Z",
                           "2024-08-08T23:60Z", "2024-08-08T23:54:60Z", "2024-08-08T23:54", "2024-08-08T23:54:15.3Z",
                           "2024-08-08T23:54:15.342", "2024-08-08T23:54:15.342Zx", "2024-08-08 23:54Z",
                           "9999999999999999", "99999999999999999999", "12x", "2024--1-01"}) {
    EXPECT_FALSE(parse_time_ms(text)) << text;
  }
}

TEST(Time, WhatIsWrittenIsReadBack) {
  Random random(11);
  for (int i = 0; i < 10'000; ++i) {
    const std::int64_t time = random.between(0, kMaxTimeMs);
    ASSERT_EQ(parse_time_ms(format_time_ms(time)), time);
  }
}

TEST(Time, CountsDaysFromTheEpoch) {
  EXPECT_EQ(days_from_date(1970, 1, 1), 0);
  EXPECT_EQ(days_from_date(2000, 3, 1), 11'017);
  EXPECT_EQ(days_from_date(1969, 12, 31), -1);
  EXPECT_EQ(days_from_date(1900, 2, 29), std::nullopt);
}

}  // namespace
}  // namespace finpipe
