#include "market/market_policy.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace finpipe {
namespace {

constexpr std::int64_t kDay0 = 1'700'006'400'000;  // 2023-11-15T00:00:00Z
constexpr std::int64_t kOffset = -5 * kMsPerHour;

// Three days whose windows begin at 20:00 the day before, five hours behind UTC; the middle one is closed.
Calendar three_days() {
  std::vector<TradingDay> days;
  for (std::int64_t i = 0; i < 3; ++i) {
    const std::int64_t label = kDay0 + i * kMsPerDay;
    const std::int64_t midnight = label - kOffset;
    TradingDay& day = days.emplace_back();
    day.label_ms = label;
    day.window = {midnight - 4 * kMsPerHour, midnight + 20 * kMsPerHour};
    day.session = {midnight + 4 * kMsPerHour, midnight + 20 * kMsPerHour};
    day.regular = {midnight + 9 * kMsPerHour + 30 * kMsPerMinute, midnight + 16 * kMsPerHour};
    day.utc_offset_ms = kOffset;
    if (i == 1) day.session = day.regular = {day.window.from_ms, day.window.from_ms};
  }
  return Calendar(std::move(days));
}

std::int64_t local(std::int64_t day, std::int64_t hour, std::int64_t minute = 0, std::int64_t second = 0) {
  return kDay0 + day * kMsPerDay - kOffset + hour * kMsPerHour + minute * kMsPerMinute + second * kMsPerSecond;
}

MarketPolicy stocks() {
  MarketPolicy policy;
  policy.market = "us_equities";
  policy.us_tickers = true;
  policy.has_rules = true;
  policy.calendar = three_days();
  const auto rule = [&](std::size_t code, Effect effect) -> ConditionRule& {
    policy.rules[code].known = true;
    policy.rules[code].effect = effect;
    return policy.rules[code];
  };
  rule(1, {});
  rule(12, {LastRule::kNo, false, true, true});
  rule(15, {}).first_after_ms = 16 * kMsPerHour + 10 * kMsPerSecond;
  rule(24, {LastRule::kNo, false, true, false}).extended_hours = true;
  rule(30, {LastRule::kFirst, true, true, true});
  rule(39, {LastRule::kYes, true, false, false}).daily_only = true;
  return policy;
}

Trade trade_with(std::string_view codes, std::int64_t time_ms) {
  Trade trade;
  trade.symbol = "AAPL";
  trade.event_time_ms = time_ms;
  trade.price_e9 = trade.volume_e8 = 1;
  trade.conditions = {Conditions::Form::kList, codes};
  return trade;
}

constexpr Effect kAll{};
constexpr Effect kNothing{LastRule::kNo, false, false, false};

TEST(Calendar, WithoutATableEveryUtcDayIsOpenAllDay) {
  const Calendar calendar;
  EXPECT_TRUE(calendar.always_open());
  const TradingDay day = calendar.day_of(kDay0 + 5);
  EXPECT_EQ(day.label_ms, kDay0);
  EXPECT_EQ(day.window, (TimeSpan{kDay0, kDay0 + kMsPerDay}));
  EXPECT_EQ(calendar.day_of(-1).label_ms, -kMsPerDay);
  EXPECT_EQ(calendar.session_ms({5, 905}), 900);
}

TEST(Calendar, AWindowHoldsItsStartAndNotItsEnd) {
  const Calendar calendar = three_days();
  EXPECT_EQ(calendar.day_of(local(0, 20) - 1).label_ms, kDay0);
  EXPECT_EQ(calendar.day_of(local(0, 20)).label_ms, kDay0 + kMsPerDay);
  EXPECT_EQ(calendar.day_labelled(kDay0).window, (TimeSpan{local(-1, 20), local(0, 20)}));
}

TEST(Calendar, OutsideTheTableUtcDaysCount) {
  const Calendar calendar = three_days();
  EXPECT_EQ(calendar.day_of(local(-1, 20) - 1).label_ms, kDay0);
  EXPECT_EQ(calendar.day_of(local(2, 20)).label_ms, kDay0 + 3 * kMsPerDay);
  EXPECT_EQ(calendar.day_labelled(kDay0 + 30 * kMsPerDay).window,
            (TimeSpan{kDay0 + 30 * kMsPerDay, kDay0 + 31 * kMsPerDay}));
}

TEST(Calendar, SessionTimeLeavesOutNightsAndClosedDays) {
  const Calendar calendar = three_days();
  EXPECT_EQ(calendar.session_ms({local(0, 0), local(0, 5)}), kMsPerHour);
  EXPECT_EQ(calendar.session_ms({local(0, 19), local(1, 6)}), kMsPerHour);
  EXPECT_EQ(calendar.session_ms({local(1, 0), local(1, 23)}), 0);
  EXPECT_EQ(calendar.session_ms({local(-1, 20), local(2, 20)}), 32 * kMsPerHour);
  EXPECT_EQ(calendar.session_ms({local(0, 10), local(0, 10)}), 0);
}

TEST(Intervals, WindowsAreAlignedAndLabelledByTheirStart) {
  const MarketPolicy policy;
  const std::int64_t time = 1'723'161'255'342;  // 23:54:15.342
  const auto start = [&](Interval interval) { return policy.window_of(interval, time).start_ms; };
  EXPECT_EQ(start(Interval::k1s), 1'723'161'255'000);
  EXPECT_EQ(start(Interval::k1m), 1'723'161'240'000);
  EXPECT_EQ(start(Interval::k5m), 1'723'161'000'000);
  EXPECT_EQ(start(Interval::k15m), 1'723'160'700'000);
  EXPECT_EQ(start(Interval::k1h), 1'723'158'000'000);
  EXPECT_EQ(start(Interval::k1d), 1'723'075'200'000);
  for (const Interval interval : kIntervals) {
    const MarketPolicy::Window window = policy.window_of(interval, time);
    EXPECT_EQ(window.span.to_ms - window.span.from_ms, length_ms(interval));
    EXPECT_EQ(policy.span_of(interval, window.start_ms), window.span);
    EXPECT_EQ(policy.window_of(interval, window.span.to_ms - 1).start_ms, window.start_ms);
    EXPECT_EQ(policy.window_of(interval, window.span.to_ms).start_ms, window.span.to_ms);
    EXPECT_EQ(interval_from(to_string(interval)), interval);
  }
  EXPECT_EQ(interval_from("2m"), std::nullopt);
}

TEST(Intervals, TimesBefore1970FallIntoTheRightWindow) {
  const MarketPolicy policy;
  EXPECT_EQ(policy.window_of(Interval::k1m, -1).start_ms, -kMsPerMinute);
  EXPECT_EQ(policy.window_of(Interval::k1m, -kMsPerMinute).start_ms, -kMsPerMinute);
}

TEST(Intervals, ADayIsTheTradingDate) {
  const MarketPolicy policy = stocks();
  const MarketPolicy::Window window = policy.window_of(Interval::k1d, local(0, 21));
  EXPECT_EQ(window.start_ms, kDay0 + kMsPerDay);
  EXPECT_EQ(window.span, (TimeSpan{local(0, 20), local(1, 20)}));
  EXPECT_EQ(policy.span_of(Interval::k1d, window.start_ms), window.span);
}

TEST(Conditions, CodesWithoutARuleAreNamed) {
  const auto unknown = [](const MarketPolicy& policy, std::string_view codes) {
    return policy.unknown_codes({Conditions::Form::kList, codes});
  };
  for (const char* code : {"0", "2", "63", "64", "x", "@", "-1", "99999999999"}) {
    EXPECT_EQ(unknown(stocks(), code), std::vector<std::string_view>{code}) << code;
    EXPECT_TRUE(unknown(MarketPolicy(), code).empty()) << "a market without rules knows no code, and needs none";
  }
  EXPECT_EQ(unknown(stocks(), "1 55 12 X"), (std::vector<std::string_view>{"55", "X"}));
  EXPECT_TRUE(unknown(stocks(), "1 12 15 24 30 39").empty());
  EXPECT_TRUE(stocks().unknown_codes({}).empty());
}

TEST(TradeEffect, WithoutCodesATradeDoesEverything) {
  const auto effect = stocks().effect_of(trade_with("", local(0, 10)));
  EXPECT_EQ(effect.intraday, kAll);
  EXPECT_EQ(effect.daily, kAll);
}

TEST(TradeEffect, OneNoWins) {
  const auto effect = stocks().effect_of(trade_with("1 12", local(0, 10)));
  EXPECT_EQ(effect.intraday, (Effect{LastRule::kNo, false, true, true}));
  EXPECT_EQ(effect.daily, effect.intraday);
  EXPECT_EQ(stocks().effect_of(trade_with("30 12", local(0, 10))).daily.last, LastRule::kNo);
  EXPECT_EQ(stocks().effect_of(trade_with("30 1", local(0, 10))).daily.last, LastRule::kFirst);
}

TEST(TradeEffect, AnUnknownCodeIsRegular) {
  for (const char* codes : {"0", "55", "64", "1 X", "-1"}) {
    EXPECT_EQ(stocks().effect_of(trade_with(codes, local(0, 10))).intraday, kAll) << codes;
  }
  EXPECT_EQ(stocks().effect_of(trade_with("55 12", local(0, 10))).intraday.last, LastRule::kNo);
}

TEST(TradeEffect, ExtendedHoursTradesMoveIntradayPricesOutsideRegularHoursOnly) {
  const MarketPolicy policy = stocks();
  const Effect as_written{LastRule::kNo, false, true, false};
  for (const std::int64_t time : {local(0, 4), local(0, 9, 29), local(0, 16), local(0, 19, 59)}) {
    EXPECT_EQ(policy.effect_of(trade_with("24", time)).intraday, kAll) << time;
    EXPECT_EQ(policy.effect_of(trade_with("24", time)).daily, as_written) << time;
  }
  for (const std::int64_t time : {local(0, 9, 30), local(0, 15, 59), local(0, 3, 59), local(0, 21), local(1, 10)}) {
    EXPECT_EQ(policy.effect_of(trade_with("24", time)).intraday, as_written) << time;
  }
  EXPECT_EQ(policy.effect_of(trade_with("24 12", local(0, 18))).intraday, (Effect{LastRule::kNo, false, true, true}));
}

TEST(TradeEffect, SoldLastIsOnlyIfFirstFromItsTimeOn) {
  const MarketPolicy policy = stocks();
  EXPECT_EQ(policy.effect_of(trade_with("15", local(0, 16, 0, 10) - 1)).daily.last, LastRule::kYes);
  EXPECT_EQ(policy.effect_of(trade_with("15", local(0, 16, 0, 10))).daily.last, LastRule::kFirst);
  EXPECT_EQ(policy.effect_of(trade_with("15", local(0, 16, 0, 10))).intraday.last, LastRule::kFirst);
}

TEST(TradeEffect, ADailyCorrectionMovesNoIntradayPrice) {
  const auto effect = stocks().effect_of(trade_with("39", local(0, 16, 30)));
  EXPECT_EQ(effect.daily, (Effect{LastRule::kYes, true, false, false}));
  EXPECT_EQ(effect.intraday, kNothing);
}

TEST(TradeEffect, ZeroVolumeMovesThePriceOnlyWhereItMeansAPriceUpdate) {
  MarketPolicy policy;
  Trade trade = trade_with("", kDay0);
  trade.volume_e8 = 0;
  EXPECT_EQ(policy.effect_of(trade).intraday, kNothing);
  EXPECT_EQ(policy.effect_of(trade).daily, kNothing);
  policy.zero_volume_moves_price = true;
  EXPECT_EQ(policy.effect_of(trade).intraday, kAll);
}

TEST(TradeEffect, AMarketWithoutRulesIgnoresConditions) {
  EXPECT_EQ(MarketPolicy().effect_of(trade_with("16 20", kDay0)).intraday, kAll);
}

class PolicySetTest : public testing::Test {
 protected:
  PolicySetTest() {
    set_.put(stocks());
    put("crypto", {"BINANCE:", "BINANCEUS:"});
    put("forex", {"FOREX:", "FOREX.COM:", "IC MARKETS:", "OANDA:"});
    put("other", {});
  }
  void put(const std::string& market, std::vector<std::string> prefixes) {
    MarketPolicy policy;
    policy.market = market;
    policy.prefixes = std::move(prefixes);
    set_.put(std::move(policy));
  }
  std::string market_of(std::string_view symbol) { return set_.policy_for(symbol).market; }

  PolicySet set_;
};

TEST_F(PolicySetTest, ASymbolsFormDecidesItsMarket) {
  EXPECT_EQ(market_of("AAPL"), "us_equities");
  EXPECT_EQ(market_of("A"), "us_equities");
  EXPECT_EQ(market_of("GOOGL"), "us_equities");
  EXPECT_EQ(market_of("BRK.B"), "us_equities");
  EXPECT_EQ(market_of("BINANCE:BTCUSDT"), "crypto");
  EXPECT_EQ(market_of("BINANCEUS:BTCUSD"), "crypto");
  EXPECT_EQ(market_of("OANDA:EUR_USD"), "forex");
  EXPECT_EQ(market_of("IC MARKETS:1"), "forex");
  EXPECT_EQ(market_of("FOREX.COM:EURUSD"), "forex");
}

TEST_F(PolicySetTest, WhatNobodyClaimsIsOther) {
  for (const char* symbol : {"2788.T", "TOOLONG", "aapl", "BRK.BB", "BRK.", ".B", "", "BINANCE", "NOBODY:X", "A.B.C"}) {
    EXPECT_EQ(market_of(symbol), "other") << symbol;
  }
}

TEST_F(PolicySetTest, TheLongestPrefixWins) {
  put("special", {"BINANCE:BTC"});
  EXPECT_EQ(market_of("BINANCE:BTCUSDT"), "special");
  EXPECT_EQ(market_of("BINANCE:ETHUSDT"), "crypto");
}

TEST_F(PolicySetTest, PuttingAMarketAgainReplacesIt) {
  const std::size_t before = set_.all().size();
  put("crypto", {"KRAKEN:"});
  EXPECT_EQ(set_.all().size(), before);
  EXPECT_EQ(market_of("KRAKEN:X"), "crypto");
  EXPECT_EQ(market_of("BINANCE:BTCUSDT"), "other");
}

TEST(PolicySet, WithoutPoliciesEverySymbolIsOther) {
  const PolicySet set;
  EXPECT_EQ(set.policy_for("AAPL").market, kOtherMarket);
  EXPECT_EQ(set.find("crypto"), nullptr);
}

}  // namespace
}  // namespace finpipe
