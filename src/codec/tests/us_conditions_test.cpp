// The bundled policy of US stocks against the published rules, stated a second time and in another notation here: the
// table of the consolidated tapes by code, the names and times of sessions as local wall clock times, and a model of
// two lines for codes that come together.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "codec/policy_file.h"

namespace finpipe {
namespace {

const MarketPolicy& us_policy() {
  static const std::vector<MarketPolicy> kPolicies = *bundled_policies();
  return *std::ranges::find(kPolicies, "us_equities", &MarketPolicy::market);
}

// What a trade of one condition updates: High/low, Last, Volume. Y, N, F (last only if it is the first qualifying
// trade) or D (sold last: Y before 16:00:10, F from then on). Codes 11 and 38, on which the sources conflict, count as
// regular.
struct Row {
  int code;
  const char* hlv;
};
constexpr Row kTable[] = {
    {1, "YYY"},   // Regular
    {2, "YYY"},   // Acquisition
    {3, "NNY"},   // Average Price
    {4, "YYY"},   // Bunched
    {5, "NNY"},   // Cash
    {6, "YYY"},   // Distribution
    {7, "YYY"},   // Automatic Execution
    {8, "YYY"},   // Intermarket Sweep
    {9, "YFY"},   // Bunched Sold
    {10, "NNY"},  // Price Variation
    {11, "YYY"},  // Cap Election
    {12, "NNY"},  // Odd Lot
    {13, "YYY"},  // Rule 127
    {14, "YYY"},  // Rule 155
    {15, "YDY"},  // Sold Last
    {16, "NNN"},  // Market Center Official Close
    {17, "NNY"},  // Next Day
    {18, "YYY"},  // Market Center Opening
    {19, "YYY"},  // Opening Prints
    {20, "NNN"},  // Market Center Official Open
    {21, "YFY"},  // Prior Reference
    {22, "NNY"},  // Seller
    {23, "YYY"},  // Split Trade
    {24, "NNY"},  // Form T (extended hours)
    {25, "NNY"},  // Extended hours, sold out of sequence
    {26, "NNY"},  // Contingent
    {27, "NNY"},  // Stock Option
    {28, "YYY"},  // Cross
    {29, "YYY"},  // Yellow Flag
    {30, "YFY"},  // Sold (out of sequence)
    {31, "YYY"},  // Stopped Stock
    {32, "YFY"},  // Derivatively Priced
    {33, "YYY"},  // Market Center Reopening
    {34, "YYY"},  // Re-opening Prints
    {35, "YYY"},  // Market Center Closing
    {36, "YYY"},  // Closing Prints
    {37, "NNY"},  // Qualified Contingent
    {38, "YYY"},  // 611-exempt placeholder
    {39, "YYN"},  // Corrected Consolidated Close
    {40, "YYY"},  // Opened
    {41, "YYY"},  // Trade-Through Exempt
};
constexpr int kCodes = 41;

// Moments of one day in each part of it.
enum class Hours { kNone, kPre, kRegular, kPost };
struct Moment {
  const char* utc;
  Hours hours;
  bool after_1600_10;  // local time
};
constexpr Moment kMoments[] = {
    {"2024-08-08T04:30:00.000Z", Hours::kNone, false},     // 00:30 Eastern
    {"2024-08-08T12:00:00.000Z", Hours::kPre, false},      // 08:00
    {"2024-08-08T15:00:00.000Z", Hours::kRegular, false},  // 11:00
    {"2024-08-08T20:00:05.000Z", Hours::kPost, false},     // 16:00:05
    {"2024-08-08T22:00:00.000Z", Hours::kPost, true},      // 18:00
    {"2024-08-10T15:00:00.000Z", Hours::kNone, false},     // a Saturday, 11:00
};

MarketPolicy::TradeEffect effect_of(const Conditions& conditions, std::string_view time) {
  Trade trade;
  trade.symbol = "AAPL";
  trade.event_time_ms = *parse_time_ms(time);
  trade.price_e9 = trade.volume_e8 = 1;
  trade.conditions = conditions;
  return us_policy().effect_of(trade);
}

MarketPolicy::TradeEffect effect_of(std::string_view codes, std::string_view time) {
  return effect_of({Conditions::Form::kList, codes}, time);
}

// "HLVW": what the trade may do, W for the VWAP.
std::string text_of(const Effect& effect) {
  const char last = effect.last == LastRule::kYes ? 'Y' : effect.last == LastRule::kFirst ? 'F' : 'N';
  return {effect.high_low ? 'Y' : 'N', last, effect.volume ? 'Y' : 'N', effect.vwap ? 'Y' : 'N'};
}

// The same by the table, for one code.
std::string daily(int code, const Moment& moment) {
  std::string text = kTable[code - 1].hlv;
  if (text[1] == 'D') text[1] = moment.after_1600_10 ? 'F' : 'Y';
  // The VWAP takes what may set high and low and has a volume, and odd lots.
  return text + (code == 12 || (text[0] == 'Y' && text[2] == 'Y') ? 'Y' : 'N');
}
std::string intraday(int code, const Moment& moment) {
  const bool extended = moment.hours == Hours::kPre || moment.hours == Hours::kPost;
  if (code == 24 && extended) return "YYYY";
  if (code == 39) return "NNNN";
  return daily(code, moment);
}

TEST(UsConditions, EveryCodeDoesWhatTheTableSaysInEveryPartOfADay) {
  for (int code = 1; code <= kCodes; ++code) {
    ASSERT_EQ(kTable[code - 1].code, code);
    for (const Moment& moment : kMoments) {
      const auto effect = effect_of(std::to_string(code), moment.utc);
      EXPECT_EQ(text_of(effect.daily), daily(code, moment)) << code << " at " << moment.utc;
      EXPECT_EQ(text_of(effect.intraday), intraday(code, moment)) << code << " at " << moment.utc;
    }
    EXPECT_TRUE(us_policy().unknown_codes({Conditions::Form::kList, std::to_string(code)}).empty()) << code;
  }
}

TEST(UsConditions, TwoCodesDoWhatBothAllow) {
  for (int a = 1; a <= kCodes; ++a) {
    for (int b = 1; b <= kCodes; ++b) {
      for (const Moment& moment : kMoments) {
        const auto effect = effect_of(fmt::format("{} {}", a, b), moment.utc);
        // N wins, then F.
        const auto both = [](char x, char y) { return x == 'N' || y == 'N' ? 'N' : std::min(x, y); };
        const auto combined = [&](std::string x, const std::string& y) {
          std::ranges::transform(x, y, x.begin(), both);
          return x;
        };
        ASSERT_EQ(text_of(effect.daily), combined(daily(a, moment), daily(b, moment))) << a << " " << b;
        ASSERT_EQ(text_of(effect.intraday), combined(intraday(a, moment), intraday(b, moment))) << a << " " << b;
      }
    }
  }
}

TEST(UsConditions, ThreeAndMoreCodesDoWhatAllAllow) {
  constexpr const char* kPost = "2024-08-08T22:00:00.000Z";
  EXPECT_EQ(text_of(effect_of("1 8 41", kPost).intraday), "YYYY");
  EXPECT_EQ(text_of(effect_of("1 30 41", kPost).intraday), "YFYY");
  EXPECT_EQ(text_of(effect_of("1 30 12", kPost).intraday), "NNYY");
  EXPECT_EQ(text_of(effect_of("1 24 12", kPost).intraday), "NNYY");  // an odd lot in extended hours: in the VWAP
  EXPECT_EQ(text_of(effect_of("1 24 12", kPost).daily), "NNYN");
  EXPECT_EQ(text_of(effect_of("1 24 12 37", kPost).intraday), "NNYN");
  EXPECT_EQ(text_of(effect_of("24 41 16", kPost).intraday), "NNNN");
  EXPECT_EQ(text_of(effect_of("24 24 24", kPost).intraday), "YYYY");
}

TEST(UsConditions, WhatHasNoRowIsRegular) {
  for (const Moment& moment : kMoments) {
    for (const char* code : {"0", "42", "50", "63", "64", "100", "X", "@", "-1", "18446744073709551617"}) {
      EXPECT_EQ(text_of(effect_of(code, moment.utc).daily), "YYYY") << code;
      EXPECT_EQ(text_of(effect_of(code, moment.utc).intraday), "YYYY") << code;
      EXPECT_EQ(us_policy().unknown_codes({Conditions::Form::kList, code}), std::vector<std::string_view>{code});
      EXPECT_EQ(text_of(effect_of(fmt::format("{} 12", code), moment.utc).daily), "NNYY") << code;
    }
    const Conditions plain[] = {
        {Conditions::Form::kList, ""}, {Conditions::Form::kNull, ""}, {Conditions::Form::kAbsent, ""}};
    for (const Conditions& conditions : plain) {
      EXPECT_EQ(text_of(effect_of(conditions, moment.utc).daily), "YYYY");
      EXPECT_EQ(text_of(effect_of(conditions, moment.utc).intraday), "YYYY");
      EXPECT_TRUE(us_policy().unknown_codes(conditions).empty());
    }
  }
}

TEST(UsConditions, SoldLastIsOnlyIfFirstFromTenSecondsAfterFourInEasternTime) {
  struct Day {
    const char* before;
    const char* at;
  };
  for (const auto& [before, at] : {
           Day{"2026-07-08T20:00:09.999Z", "2026-07-08T20:00:10.000Z"},  // summer
           Day{"2026-01-07T21:00:09.999Z", "2026-01-07T21:00:10.000Z"},  // winter
           Day{"2026-03-06T21:00:09.999Z", "2026-03-06T21:00:10.000Z"},  // the Friday before the clocks go ahead
           Day{"2026-03-08T20:00:09.999Z", "2026-03-08T20:00:10.000Z"},  // the Sunday on which they do
           Day{"2026-03-09T20:00:09.999Z", "2026-03-09T20:00:10.000Z"},
           Day{"2026-10-30T20:00:09.999Z", "2026-10-30T20:00:10.000Z"},
           Day{"2026-11-01T21:00:09.999Z", "2026-11-01T21:00:10.000Z"},  // the Sunday on which they go back
           Day{"2026-11-02T21:00:09.999Z", "2026-11-02T21:00:10.000Z"},
           Day{"2026-11-27T21:00:09.999Z", "2026-11-27T21:00:10.000Z"},  // a half day: the same time of day
       }) {
    EXPECT_EQ(text_of(effect_of("15", before).daily), "YYYY") << before;
    EXPECT_EQ(text_of(effect_of("15", before).intraday), "YYYY") << before;
    EXPECT_EQ(text_of(effect_of("15", at).daily), "YFYY") << at;
    EXPECT_EQ(text_of(effect_of("15", at).intraday), "YFYY") << at;
    EXPECT_EQ(text_of(effect_of("15 9", before).daily), "YFYY") << before;
    EXPECT_EQ(text_of(effect_of("15 12", at).daily), "NNYY") << at;
  }
  // The evening belongs to the next trading date, whose 16:00:10 is to come.
  EXPECT_EQ(text_of(effect_of("15", "2026-07-08T23:59:59.999Z").daily), "YFYY");
  EXPECT_EQ(text_of(effect_of("15", "2026-07-09T00:00:00.000Z").daily), "YYYY");
}

// To the ms: code 24 sets prices of intraday bars in [04:00, 09:30) and [16:00, 20:00) Eastern time, and there only.
TEST(UsConditions, FormTSetsPricesInTheExtendedSessionsOnly) {
  struct Edge {
    const char* last_ms;  // the last ms of one part
    const char* first_ms;
    bool before, from;  // whether Form T sets prices
  };
  for (const auto& [last_ms, first_ms, before, from] : {
           Edge{"2026-07-08T07:59:59.999Z", "2026-07-08T08:00:00.000Z", false, true},  // summer
           Edge{"2026-07-08T13:29:59.999Z", "2026-07-08T13:30:00.000Z", true, false},
           Edge{"2026-07-08T19:59:59.999Z", "2026-07-08T20:00:00.000Z", false, true},
           Edge{"2026-07-08T23:59:59.999Z", "2026-07-09T00:00:00.000Z", true, false},
           Edge{"2026-01-07T08:59:59.999Z", "2026-01-07T09:00:00.000Z", false, true},  // winter
           Edge{"2026-01-07T14:29:59.999Z", "2026-01-07T14:30:00.000Z", true, false},
           Edge{"2026-01-07T20:59:59.999Z", "2026-01-07T21:00:00.000Z", false, true},
           Edge{"2026-01-08T00:59:59.999Z", "2026-01-08T01:00:00.000Z", true, false},
           Edge{"2026-03-09T07:59:59.999Z", "2026-03-09T08:00:00.000Z", false, true},   // after the clocks went ahead
           Edge{"2026-11-02T08:59:59.999Z", "2026-11-02T09:00:00.000Z", false, true},   // after they went back
           Edge{"2026-11-27T17:59:59.999Z", "2026-11-27T18:00:00.000Z", false, true},   // a half day closes at 13:00
           Edge{"2026-11-27T21:59:59.999Z", "2026-11-27T22:00:00.000Z", true, false},   // and its evening at 17:00
           Edge{"2026-12-25T14:29:59.999Z", "2026-12-25T14:30:00.000Z", false, false},  // a holiday
           Edge{"2026-12-25T20:59:59.999Z", "2026-12-25T21:00:00.000Z", false, false},
           Edge{"2026-03-08T12:00:00.000Z", "2026-11-01T12:00:00.000Z", false, false},  // Sundays
       }) {
    EXPECT_EQ(text_of(effect_of("24", last_ms).intraday), before ? "YYYY" : "NNYN") << last_ms;
    EXPECT_EQ(text_of(effect_of("24", first_ms).intraday), from ? "YYYY" : "NNYN") << first_ms;
    for (const char* time : {last_ms, first_ms}) {
      EXPECT_EQ(text_of(effect_of("24", time).daily), "NNYN") << time;
      EXPECT_EQ(text_of(effect_of("25", time).intraday), "NNYN") << time;
      EXPECT_EQ(text_of(effect_of("25", time).daily), "NNYN") << time;
      EXPECT_EQ(text_of(effect_of("24 25", time).intraday), "NNYN") << time;
    }
  }
}

TEST(UsConditions, ATradeWithoutVolumeDoesNothing) {
  Trade trade;
  trade.symbol = "AAPL";
  trade.event_time_ms = *parse_time_ms("2024-08-08T15:00Z");
  trade.price_e9 = 1;
  EXPECT_EQ(text_of(us_policy().effect_of(trade).daily), "NNNN");
}

}  // namespace
}  // namespace finpipe
