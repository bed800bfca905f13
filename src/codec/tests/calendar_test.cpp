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

// What a moment is, by name.
std::string part_of(const Calendar& calendar, std::int64_t time_ms) {
  const TradingDay day = calendar.day_of(time_ms);
  const auto inside = [&](TimeSpan span) { return time_ms >= span.from_ms && time_ms < span.to_ms; };
  if (!inside(day.session)) return "closed";
  if (inside(day.regular)) return "regular";
  return time_ms < day.regular.from_ms ? "pre" : "post";
}

// One ms before the time and at it: "closed pre".
std::string edge(const Calendar& calendar, std::string_view time) {
  return part_of(calendar, at(time) - 1) + " " + part_of(calendar, at(time));
}

TEST_F(UsCalendar, SessionsBeginAndEndToTheMillisecond) {
  struct Day {
    const char *pre, *regular, *post, *end;  // first ms of each in UTC
  };
  for (const auto& [pre, regular, post, end] : {
           // Summer and winter, and the days before and after the clocks change.
           Day{"2026-07-08T08:00Z", "2026-07-08T13:30Z", "2026-07-08T20:00Z", "2026-07-09T00:00Z"},
           Day{"2026-01-07T09:00Z", "2026-01-07T14:30Z", "2026-01-07T21:00Z", "2026-01-08T01:00Z"},
           Day{"2026-03-06T09:00Z", "2026-03-06T14:30Z", "2026-03-06T21:00Z", "2026-03-07T01:00Z"},
           Day{"2026-03-09T08:00Z", "2026-03-09T13:30Z", "2026-03-09T20:00Z", "2026-03-10T00:00Z"},
           Day{"2026-10-30T08:00Z", "2026-10-30T13:30Z", "2026-10-30T20:00Z", "2026-10-31T00:00Z"},
           Day{"2026-11-02T09:00Z", "2026-11-02T14:30Z", "2026-11-02T21:00Z", "2026-11-03T01:00Z"},
           // Half days: 13:00 and 17:00 Eastern.
           Day{"2026-11-27T09:00Z", "2026-11-27T14:30Z", "2026-11-27T18:00Z", "2026-11-27T22:00Z"},
           Day{"2026-12-24T09:00Z", "2026-12-24T14:30Z", "2026-12-24T18:00Z", "2026-12-24T22:00Z"},
       }) {
    EXPECT_EQ(edge(calendar_, pre), "closed pre") << pre;
    EXPECT_EQ(edge(calendar_, regular), "pre regular") << regular;
    EXPECT_EQ(edge(calendar_, post), "regular post") << post;
    EXPECT_EQ(edge(calendar_, end), "post closed") << end;
  }
  // The same hours on a holiday, a Sunday on which the clocks change, and a Saturday.
  for (const char* date : {"2026-11-26", "2026-03-08", "2026-11-01", "2026-07-04"}) {
    for (const char* time : {"09:00Z", "14:30Z", "16:00Z", "20:00Z"}) {
      EXPECT_EQ(edge(calendar_, std::string(date) + "T" + time), "closed closed") << date;
    }
  }
}

TEST_F(UsCalendar, ATradingDateBeginsAtEightInTheEveningToTheMillisecond) {
  struct Change {
    const char* at;
    const char* date;  // that begins there
  };
  for (const auto& [time, date] : {
           Change{"2026-07-08T00:00Z", "2026-07-08"}, Change{"2026-01-08T01:00Z", "2026-01-08"},
           Change{"2026-03-08T01:00Z", "2026-03-08"},  // still winter time on the evening before
           Change{"2026-03-09T00:00Z", "2026-03-09"}, Change{"2026-11-01T00:00Z", "2026-11-01"},
           Change{"2026-11-02T01:00Z", "2026-11-02"},
           Change{"2026-11-27T01:00Z", "2026-11-27"},  // a half day has its whole date
           Change{"2026-11-28T01:00Z", "2026-11-28"},
           Change{"2026-12-25T01:00Z", "2026-12-25"},  // and so has a holiday
       }) {
    EXPECT_EQ(calendar_.day_of(at(time)).label_ms, at(date)) << time;
    EXPECT_EQ(calendar_.day_of(at(time) - 1).label_ms, at(date) - kMsPerDay) << time;
  }
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

TEST_F(ForexCalendar, TheWeekBeginsAndEndsAtFiveInNewYorkToTheMillisecond) {
  struct Week {
    const char *sunday, *friday;
  };
  for (const auto& [sunday, friday] : {
           Week{"2026-07-05T21:00Z", "2026-07-10T21:00Z"}, Week{"2026-01-04T22:00Z", "2026-01-09T22:00Z"},
           Week{"2026-03-01T22:00Z", "2026-03-06T22:00Z"}, Week{"2026-03-08T21:00Z", "2026-03-13T21:00Z"},
           Week{"2026-10-25T21:00Z", "2026-10-30T21:00Z"}, Week{"2026-11-01T22:00Z", "2026-11-06T22:00Z"},
           Week{"2026-12-20T22:00Z", "2026-12-25T22:00Z"},  // no holiday is known here
       }) {
    EXPECT_EQ(edge(calendar_, sunday), "closed regular") << sunday;
    EXPECT_EQ(edge(calendar_, friday), "regular closed") << friday;
    // Sunday evening is Monday's date, and each evening begins the next one.
    for (std::int64_t day = 0; day < 5; ++day) {
      const std::int64_t begin = at(sunday) + day * kMsPerDay;
      const std::int64_t monday = at(sunday) / kMsPerDay * kMsPerDay + kMsPerDay;
      EXPECT_EQ(calendar_.day_of(begin).label_ms, monday + day * kMsPerDay) << sunday;
      EXPECT_EQ(calendar_.day_of(begin - 1).label_ms, monday + (day - 1) * kMsPerDay) << sunday;
    }
    EXPECT_EQ(calendar_.session_ms({at(sunday) - kMsPerDay, at(friday) + kMsPerDay}), 5 * kMsPerDay) << sunday;
  }
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
  EXPECT_EQ(calendar_of("crypto").day_of(at("2026-03-08T00:00Z")).label_ms, at("2026-03-08"));
  EXPECT_EQ(calendar_of("crypto").day_of(at("2026-03-08T00:00Z") - 1).label_ms, at("2026-03-07"));
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
  EXPECT_FALSE(is_time_zone("America/New_Yorck"));
  EXPECT_TRUE(is_time_zone("America/New_York"));
}

TEST(Calendars, TheTimeZoneDataSaysItsRelease) { EXPECT_EQ(tzdata_version().substr(0, 2), "20") << tzdata_version(); }

}  // namespace
}  // namespace finpipe
