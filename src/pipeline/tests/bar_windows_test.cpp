#include "pipeline/bar_windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "codec/policy_file.h"

namespace finpipe {
namespace {

std::int64_t at(std::string_view time) { return *parse_time_ms(time); }
std::string text(std::int64_t time_ms) { return format_time_ms(time_ms).substr(5, 11); }  // 03-08T14:30

class BarWindowsTest : public testing::Test {
 protected:
  static const Calendar& calendar(std::string_view market) {
    static const auto policies = bundled_policies();
    return std::ranges::find(*policies, market, &MarketPolicy::market)->calendar;
  }
  static BarWindows windows(std::string_view interval, std::string_view market, bool regular = false) {
    return {*read_interval_from(interval), regular, calendar(market)};
  }
  // Starts and ends of the windows with session time in a range; the way back must agree.
  static std::vector<std::string> open(const BarWindows& windows, std::string_view from, std::string_view to) {
    std::vector<std::string> there, back;
    const auto add = [](std::vector<std::string>& list, const BarWindows::Window& window) {
      list.push_back(text(window.start_ms) + " " + text(window.span.to_ms));
      return window.start_ms;
    };
    for (auto window = windows.next_open(at(from) - 1, at(to)); window;)
      window = windows.next_open(add(there, *window), at(to));
    for (auto window = windows.previous_open(at(to), at(from) - 1); window;)
      window = windows.previous_open(add(back, *window), at(from) - 1);
    std::ranges::reverse(back);
    EXPECT_EQ(there, back);
    return there;
  }
};

using Texts = std::vector<std::string>;

TEST_F(BarWindowsTest, RegularHoursBeginAtTheOpeningAlsoWhenTheClocksChange) {
  const BarWindows hours = windows("2h", "us_equities", true);
  EXPECT_EQ(open(hours, "2024-03-08", "2024-03-12"),
            (Texts{"03-08T14:30 03-08T16:30", "03-08T16:30 03-08T18:30", "03-08T18:30 03-08T20:30",
                   "03-08T20:30 03-08T21:00", "03-11T13:30 03-11T15:30", "03-11T15:30 03-11T17:30",
                   "03-11T17:30 03-11T19:30", "03-11T19:30 03-11T20:00"}));
  EXPECT_EQ(open(hours, "2024-11-01", "2024-11-05"),
            (Texts{"11-01T13:30 11-01T15:30", "11-01T15:30 11-01T17:30", "11-01T17:30 11-01T19:30",
                   "11-01T19:30 11-01T20:00", "11-04T14:30 11-04T16:30", "11-04T16:30 11-04T18:30",
                   "11-04T18:30 11-04T20:30", "11-04T20:30 11-04T21:00"}));
}

TEST_F(BarWindowsTest, RegularHoursEndEarlyOnAHalfDayAndAreNoneOnAHoliday) {
  EXPECT_EQ(open(windows("1h", "us_equities", true), "2024-11-28", "2024-12-02"),
            (Texts{"11-29T14:30 11-29T15:30", "11-29T15:30 11-29T16:30", "11-29T16:30 11-29T17:30",
                   "11-29T17:30 11-29T18:00"}));
  EXPECT_EQ(open(windows("23h", "us_equities", true), "2024-11-27", "2024-12-03"),
            (Texts{"11-27T14:30 11-27T21:00", "11-29T14:30 11-29T18:00", "12-02T14:30 12-02T21:00"}));
}

TEST_F(BarWindowsTest, AStoredBarIsPartOfTheWindowItLiesIn) {
  const BarWindows half_hours = windows("30m", "us_equities", true);
  EXPECT_EQ(half_hours.part(), Interval::k15m);
  EXPECT_FALSE(half_hours.holding(at("2024-03-08T14:15:00Z"))) << "before the opening";
  EXPECT_EQ(half_hours.holding(at("2024-03-08T14:30:00Z"))->start_ms, at("2024-03-08T14:30:00Z"));
  EXPECT_EQ(half_hours.holding(at("2024-03-08T14:45:00Z"))->start_ms, at("2024-03-08T14:30:00Z"));
  EXPECT_EQ(half_hours.holding(at("2024-03-08T20:45:00Z"))->start_ms, at("2024-03-08T20:30:00Z"));
  EXPECT_FALSE(half_hours.holding(at("2024-03-08T21:00:00Z"))) << "at the close";
  EXPECT_FALSE(half_hours.holding(at("2024-11-29T18:00:00Z"))) << "at the close of a half day";
  EXPECT_EQ(windows("1h", "us_equities", true).part(), Interval::k15m);
  EXPECT_EQ(windows("5m", "us_equities", true).part(), Interval::k5m);
  EXPECT_EQ(windows("7m", "us_equities", true).part(), Interval::k1m);
  EXPECT_EQ(windows("45s", "us_equities", true).part(), Interval::k1s);
}

TEST_F(BarWindowsTest, WhereAllHoursAreRegularTheyChangeNothing) {
  for (const char* market : {"crypto", "forex", "other"}) {
    const BarWindows regular = windows("4h", market, true);
    EXPECT_EQ(regular.part(), Interval::k1h) << market;
    EXPECT_EQ(open(regular, "2024-03-08", "2024-03-12"), open(windows("4h", market), "2024-03-08", "2024-03-12"));
  }
}

TEST_F(BarWindowsTest, OnlyWindowsWithSessionTimeAreOpen) {
  // Winter: the extended session of Friday ends at 01:00 UTC on Saturday, that of Monday begins at 09:00.
  EXPECT_EQ(open(windows("4h", "us_equities"), "2024-01-19T20:00:00Z", "2024-01-22T16:00:00Z"),
            (Texts{"01-19T20:00 01-20T00:00", "01-20T00:00 01-20T04:00", "01-22T08:00 01-22T12:00",
                   "01-22T12:00 01-22T16:00"}));
  EXPECT_EQ(open(windows("1m", "us_equities"), "2024-01-20T00:58:00Z", "2024-01-22T09:01:00Z"),
            (Texts{"01-20T00:58 01-20T00:59", "01-20T00:59 01-20T01:00", "01-22T09:00 01-22T09:01"}));
  // Forex closes on Friday at 17:00 in New York and opens on Sunday at 17:00; the clocks change in between.
  EXPECT_EQ(open(windows("1h", "forex"), "2024-03-08T20:00:00Z", "2024-03-10T23:00:00Z"),
            (Texts{"03-08T20:00 03-08T21:00", "03-08T21:00 03-08T22:00", "03-10T21:00 03-10T22:00",
                   "03-10T22:00 03-10T23:00"}));
  EXPECT_EQ(open(windows("12h", "crypto"), "2024-01-20", "2024-01-21"),
            (Texts{"01-20T00:00 01-20T12:00", "01-20T12:00 01-21T00:00"}));
}

TEST_F(BarWindowsTest, DaysWithoutASessionAreLeftOut) {
  const auto labels = [](const std::vector<std::string>& windows) {
    Texts starts;
    for (const std::string& window : windows) starts.push_back(window.substr(0, 5));
    return starts;
  };
  EXPECT_EQ(labels(open(windows("1d", "us_equities"), "2024-11-27", "2024-12-04")),
            (Texts{"11-27", "11-29", "12-02", "12-03"}));
  EXPECT_EQ(labels(open(windows("1d", "crypto"), "2024-01-20", "2024-01-23")), (Texts{"01-20", "01-21", "01-22"}));
}

TEST_F(BarWindowsTest, WeeksBeginOnMondays) {
  const BarWindows weeks = windows("7d", "us_equities");
  const auto week = weeks.holding(at("2024-03-15"));
  ASSERT_TRUE(week);
  EXPECT_EQ(week->start_ms, at("2024-03-11"));
  EXPECT_EQ(text(week->span.from_ms), "03-11T00:00") << "20:00 of the Sunday in New York";
  EXPECT_EQ(text(week->span.to_ms), "03-18T00:00");
  EXPECT_EQ(weeks.holding(at("2024-03-17"))->start_ms, at("2024-03-11"));
  EXPECT_EQ(weeks.holding(at("2024-03-18"))->start_ms, at("2024-03-18"));
  EXPECT_EQ(weeks.holding(at("1969-12-31"))->start_ms, at("1969-12-29"));
}

TEST_F(BarWindowsTest, AnyMomentMayBeAskedFrom) {
  const BarWindows hours = windows("1h", "us_equities", true);
  const auto start = [](const auto& window) { return window ? text(window->start_ms) : "none"; };
  EXPECT_EQ(start(hours.next_open(at("2024-03-08T15:00:00Z"), at("2024-03-09"))), "03-08T15:30");
  EXPECT_EQ(start(hours.next_open(at("2024-03-08T20:45:00Z"), at("2024-03-12"))), "03-11T13:30");
  EXPECT_EQ(start(hours.next_open(at("2024-03-08T20:45:00Z"), at("2024-03-11T13:30:00Z"))), "none");
  EXPECT_EQ(start(hours.previous_open(at("2024-03-08T15:00:00Z"), at("2024-03-08"))), "03-08T14:30");
  EXPECT_EQ(start(hours.previous_open(at("2024-03-11T13:30:00Z"), at("2024-03-08"))), "03-08T20:30");
  EXPECT_EQ(start(hours.previous_open(at("2024-03-11T13:30:00Z"), at("2024-03-08T20:30:00Z"))), "none");
}

}  // namespace
}  // namespace finpipe
