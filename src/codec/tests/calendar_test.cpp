#include "codec/calendar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "codec/policy_file.h"

namespace finpipe {
namespace {

std::int64_t at(std::string_view text) { return *parse_time_ms(text); }

const Calendar& calendar_of(std::string_view market) {
  static const std::vector<MarketPolicy> kPolicies = *bundled_policies();
  return std::ranges::find(kPolicies, market, &MarketPolicy::market)->calendar;
}

std::string text_of(TimeSpan span) {
  return span.from_ms == span.to_ms ? "closed" : format_time_ms(span.from_ms) + " " + format_time_ms(span.to_ms);
}

class UsCalendar : public testing::Test {
 protected:
  TradingDay day(std::string_view date) { return calendar_.day_labelled(at(date)); }
  const Calendar& calendar_ = calendar_of("us_equities");
};

TEST_F(UsCalendar, AnOrdinarySummerDay) {
  const TradingDay friday = day("2024-08-09");
  EXPECT_EQ(text_of(friday.window), "2024-08-09T00:00:00.000Z 2024-08-10T00:00:00.000Z");
  EXPECT_EQ(text_of(friday.session), "2024-08-09T08:00:00.000Z 2024-08-10T00:00:00.000Z");
  EXPECT_EQ(text_of(friday.regular), "2024-08-09T13:30:00.000Z 2024-08-09T20:00:00.000Z");
  EXPECT_EQ(friday.utc_offset_ms, -4 * kMsPerHour);
}

TEST_F(UsCalendar, TheDaysOnWhichTheClocksChange) {
  const TradingDay spring = day("2024-03-10");
  EXPECT_EQ(text_of(spring.window), "2024-03-10T01:00:00.000Z 2024-03-11T00:00:00.000Z");
  EXPECT_EQ(text_of(spring.session), "closed");
  EXPECT_EQ(spring.utc_offset_ms, -4 * kMsPerHour);
  EXPECT_EQ(text_of(day("2024-03-08").regular), "2024-03-08T14:30:00.000Z 2024-03-08T21:00:00.000Z");
  EXPECT_EQ(text_of(day("2024-03-11").regular), "2024-03-11T13:30:00.000Z 2024-03-11T20:00:00.000Z");
  const TradingDay autumn = day("2024-11-03");
  EXPECT_EQ(text_of(autumn.window), "2024-11-03T00:00:00.000Z 2024-11-04T01:00:00.000Z");
  EXPECT_EQ(autumn.utc_offset_ms, -5 * kMsPerHour);
  EXPECT_EQ(text_of(day("2024-11-04").session), "2024-11-04T09:00:00.000Z 2024-11-05T01:00:00.000Z");
}

TEST_F(UsCalendar, DaylightSavingFollowsTheLawOfItsYear) {
  EXPECT_EQ(day("2006-03-20").utc_offset_ms, -5 * kMsPerHour);  // before 2007 it began in April
  EXPECT_EQ(day("2007-03-20").utc_offset_ms, -4 * kMsPerHour);
  EXPECT_EQ(day("2037-07-01").utc_offset_ms, -4 * kMsPerHour);
}

TEST_F(UsCalendar, AHalfDayEndsEarly) {
  const TradingDay half = day("2026-11-27");
  EXPECT_EQ(text_of(half.session), "2026-11-27T09:00:00.000Z 2026-11-27T22:00:00.000Z");
  EXPECT_EQ(text_of(half.regular), "2026-11-27T14:30:00.000Z 2026-11-27T18:00:00.000Z");
  EXPECT_EQ(text_of(half.window), "2026-11-27T01:00:00.000Z 2026-11-28T01:00:00.000Z");
}

TEST_F(UsCalendar, HolidaysAndWeekendsHaveAWindowAndNoSession) {
  for (const char* date : {"2026-07-03", "2026-07-04", "2026-07-05", "2025-01-09", "2027-06-18", "2027-12-24"}) {
    EXPECT_EQ(text_of(day(date).session), "closed") << date;
    EXPECT_EQ(text_of(day(date).regular), "closed") << date;
    EXPECT_LT(day(date).window.from_ms, day(date).window.to_ms) << date;
  }
  EXPECT_NE(text_of(day("2026-07-06").session), "closed");
}

TEST_F(UsCalendar, ATradeOnFridayEveningBelongsToSaturdaysDate) {
  EXPECT_EQ(calendar_.day_of(at("2024-08-09T23:59:59Z")).label_ms, at("2024-08-09"));
  EXPECT_EQ(calendar_.day_of(at("2024-08-10T00:00:00Z")).label_ms, at("2024-08-10"));
}

class ForexCalendar : public testing::Test {
 protected:
  std::string session(std::string_view date) { return text_of(calendar_.day_labelled(at(date)).session); }
  const Calendar& calendar_ = calendar_of("forex");
};

TEST_F(ForexCalendar, TheWeekOpensOnSundayAndClosesOnFriday) {
  EXPECT_EQ(session("2024-08-11"), "closed");  // Sunday's date ends where the week opens
  EXPECT_EQ(session("2024-08-12"), "2024-08-11T21:00:00.000Z 2024-08-12T21:00:00.000Z");
  EXPECT_EQ(session("2024-08-16"), "2024-08-15T21:00:00.000Z 2024-08-16T21:00:00.000Z");
  EXPECT_EQ(session("2024-08-17"), "closed");
  EXPECT_EQ(calendar_.day_of(at("2024-08-11T21:00Z")).label_ms, at("2024-08-12"));
  EXPECT_EQ(calendar_.session_ms({at("2024-08-16T20:00Z"), at("2024-08-18T22:00Z")}), 2 * kMsPerHour);
}

TEST_F(ForexCalendar, ClockChangesMoveTheHourInUtc) {
  EXPECT_EQ(session("2024-03-08"), "2024-03-07T22:00:00.000Z 2024-03-08T22:00:00.000Z");
  EXPECT_EQ(session("2024-03-11"), "2024-03-10T21:00:00.000Z 2024-03-11T21:00:00.000Z");
}

TEST(Calendars, WindowsAreContiguousAndOneForEachDate) {
  for (const char* market : {"us_equities", "forex"}) {
    const auto days = calendar_of(market).days();
    EXPECT_EQ(days.front().label_ms, at("1999-12-31"));
    EXPECT_EQ(days.back().label_ms, at("2037-12-31"));
    for (std::size_t i = 0; i < days.size(); ++i) {
      const TradingDay& day = days[i];
      if (i > 0) {
        ASSERT_EQ(day.label_ms, days[i - 1].label_ms + kMsPerDay);
        ASSERT_EQ(day.window.from_ms, days[i - 1].window.to_ms);
      }
      ASSERT_LE(day.window.from_ms, day.session.from_ms);
      ASSERT_LE(day.session.from_ms, day.regular.from_ms);
      ASSERT_LE(day.regular.from_ms, day.regular.to_ms);
      ASSERT_LE(day.regular.to_ms, day.session.to_ms);
      ASSERT_LE(day.session.to_ms, day.window.to_ms);
      const std::int64_t hours = (day.window.to_ms - day.window.from_ms) / kMsPerHour;
      ASSERT_TRUE(hours >= 23 && hours <= 25) << format_time_ms(day.label_ms);
    }
  }
}

TEST(Calendars, CryptoAndOtherNeverClose) {
  EXPECT_TRUE(calendar_of("crypto").always_open());
  EXPECT_TRUE(calendar_of("other").always_open());
}

TEST(Calendars, AlwaysOpenInAnotherZoneCutsItsDaysThere) {
  SessionRules rules;
  rules.timezone = "Asia/Tokyo";
  const auto calendar = compile_calendar(rules);
  ASSERT_TRUE(calendar);
  const TradingDay day = calendar->day_of(at("2024-08-08T15:00Z"));
  EXPECT_EQ(day.label_ms, at("2024-08-09"));
  EXPECT_EQ(day.session, day.window);
}

TEST(Calendars, AWeekWithoutABreakIsOpenEveryDay) {
  SessionRules rules;
  rules.timezone = "America/New_York";
  rules.kind = SessionRules::Kind::kWeekly;
  rules.trading_day_start_s = rules.open_s = rules.close_s = 17 * 3600;
  const auto calendar = compile_calendar(rules);
  ASSERT_TRUE(calendar);
  for (const TradingDay& day : calendar->days()) ASSERT_EQ(day.session, day.window);
}

TEST(Calendars, TwoWeeklySpansOnOneDateAreRefused) {
  SessionRules rules;
  rules.timezone = "UTC";
  rules.kind = SessionRules::Kind::kWeekly;
  rules.open_s = 12 * 3600, rules.close_s = 11 * 3600;  // from Sunday noon to the next Sunday at eleven
  EXPECT_EQ(compile_calendar(rules).error().code, ErrorCode::kBadPolicy);
}

TEST(Calendars, AnUnknownZoneIsRefused) {
  SessionRules rules;
  rules.timezone = "America/New_Yorck";
  const auto calendar = compile_calendar(rules);
  ASSERT_FALSE(calendar);
  EXPECT_NE(calendar.error().detail.find("America/New_Yorck"), std::string::npos);
}

TEST(Calendars, TheTimeZoneDataSaysItsRelease) { EXPECT_EQ(tzdata_version().substr(0, 2), "20") << tzdata_version(); }

}  // namespace
}  // namespace finpipe
