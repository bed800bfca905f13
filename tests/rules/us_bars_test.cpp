// What the sale conditions and sessions of the bundled policies do to bars.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "partition.h"

namespace finpipe {
namespace {

// Bars are compared as "open high low close volume trades".
class UsBars : public testing::Test {
 protected:
  void trade(const Partition::Print& print) { partition_.trade("AAPL", print); }
  std::string minute(std::string_view start) { return text_of(partition_.bar("AAPL", Interval::k1m, start)); }
  std::string day(std::string_view start) { return text_of(partition_.bar("AAPL", Interval::k1d, start)); }
  // volume-weighted average of the bar in 1e-4, and the volume it is made of
  std::string vwap(Interval interval, std::string_view start) {
    const Bar bar = partition_.bar("AAPL", interval, start).value();
    if (bar.vwap_volume_e8 == 0) return "- of 0";
    return fmt::format("{} of {}", static_cast<std::int64_t>(bar.notional_e17 / bar.vwap_volume_e8 / 100'000),
                       static_cast<std::int64_t>(bar.vwap_volume_e8 / 100'000'000));
  }

  Partition partition_{at("2026-07-07T00:00Z")};
};

TEST_F(UsBars, AFullyEligibleTradeBeatsEveryFWhateverTheOrderOfArrival) {
  const std::array<Partition::Print, 4> prints = {{{"2026-07-08T15:00:01Z", 10, "30"},
                                                   {"2026-07-08T15:00:02Z", 11, ""},
                                                   {"2026-07-08T15:00:03Z", 12, "1"},
                                                   {"2026-07-08T15:00:04Z", 9, "9"}}};
  std::array<std::size_t, 4> order = {0, 1, 2, 3};
  do {
    Partition partition(at("2026-07-08T14:00Z"));
    for (const std::size_t i : order) partition.trade("AAPL", prints[i]);
    // Open and close are of the middle two; high and low of all.
    EXPECT_EQ(text_of(partition.bar("AAPL", Interval::k1m, "2026-07-08T15:00Z")), "11 12 9 12 4 4");
    EXPECT_EQ(text_of(partition.bar("AAPL", Interval::k1d, "2026-07-08")), "11 12 9 12 4 4");
    EXPECT_EQ(text_of(partition.bar("AAPL", Interval::k1s, "2026-07-08T15:00:01Z")), "10 10 10 10 1 1");
  } while (std::ranges::next_permutation(order).found);
}

TEST_F(UsBars, WithFTradesAloneTheFirstAndLastOfThemCount) {
  for (const auto& [code, price] : {std::pair("32", 10), std::pair("21", 12), std::pair("9", 8), std::pair("30", 11)}) {
    trade({"2026-07-08T15:00:01Z", price, code});
  }
  EXPECT_EQ(minute("2026-07-08T15:00Z"), "10 12 8 11 4 4");
  // Codes without any price do not end that.
  trade({"2026-07-08T15:00:02Z", 20, "12"});
  EXPECT_EQ(minute("2026-07-08T15:00Z"), "10 12 8 11 5 5");
  trade({"2026-07-08T15:00:03Z", 13, "1 8"});
  EXPECT_EQ(minute("2026-07-08T15:00Z"), "13 13 8 13 6 6");
}

TEST_F(UsBars, SoldLastClosesTheDayBeforeTenSecondsPastFourAndNotAfter) {
  trade({"2026-07-08T19:59:59Z", 100, ""});
  trade({"2026-07-08T20:00:09.999Z", 101, "15"});
  EXPECT_EQ(day("2026-07-08"), "100 101 100 101 2 2");
  trade({"2026-07-08T20:00:10.000Z", 102, "15"});
  EXPECT_EQ(day("2026-07-08"), "100 102 100 101 3 3");  // high, but no close
  // In a minute that has nothing else it is the close.
  trade({"2026-07-08T20:05:00Z", 103, "15"});
  EXPECT_EQ(minute("2026-07-08T20:05Z"), "103 103 103 103 1 1");
  EXPECT_EQ(minute("2026-07-08T20:00Z"), "101 102 101 101 2 2");
}

TEST_F(UsBars, TheClosingAuctionAfterFourIsTheClose) {
  trade({"2026-07-08T13:30:00.250Z", 100, "19"});  // the opening print
  trade({"2026-07-08T19:59:59.999Z", 105, ""});
  trade({"2026-07-08T20:01:00Z", 90, "24"});          // extended hours
  trade({"2026-07-08T20:01:26Z", 104, "36", 5'000});  // 16:01:26 Eastern
  trade({"2026-07-08T20:01:27Z", 91, "24"});
  trade({"2026-07-08T20:01:30Z", 104, "16", 5'000});  // the venue's own official close: nothing
  EXPECT_EQ(day("2026-07-08"), "100 105 100 104 5004 5");
  EXPECT_EQ(minute("2026-07-08T20:01Z"), "90 104 90 91 5002 3");
  EXPECT_EQ(partition_.bar("AAPL", Interval::k1d, "2026-07-08")->excluded, 1);
  EXPECT_EQ(minute("2026-07-08T19:59Z"), "105 105 105 105 1 1");
}

TEST_F(UsBars, ALateDailyCorrectionSetsTheDailyCloseAlone) {
  trade({"2026-07-08T19:59:59Z", 105, ""});
  trade({"2026-07-08T21:00:00Z", 106, "39", 700});
  EXPECT_EQ(day("2026-07-08"), "105 106 105 106 1 1");
  EXPECT_EQ(minute("2026-07-08T21:00Z"), "- - - - 0 0");
  EXPECT_EQ(vwap(Interval::k1d, "2026-07-08"), "1050000 of 1");
}

TEST_F(UsBars, OfficialOpenAndCloseOfAVenueAreNothing) {
  trade({"2026-07-08T13:30:00Z", 99, "20", 10'000});
  trade({"2026-07-08T20:00:00Z", 98, "16", 10'000});
  EXPECT_EQ(day("2026-07-08"), "- - - - 0 0");
  const Bar bar = partition_.bar("AAPL", Interval::k1d, "2026-07-08").value();
  EXPECT_EQ(bar.excluded, 2);
  EXPECT_EQ(bar.vwap_volume_e8, 0);
}

TEST_F(UsBars, ExtendedHoursMoveTheirOwnMinutesAndNoDailyPrice) {
  trade({"2026-07-08T11:59:00Z", 90, "24"});      // 07:59, pre
  trade({"2026-07-08T15:00:00Z", 100, ""});       // 11:00, regular
  trade({"2026-07-08T15:00:30Z", 150, "24"});     // 11:00:30: extended-hours code in regular hours
  trade({"2026-07-08T22:00:00Z", 110, "24"});     // 18:00, post
  trade({"2026-07-08T22:01:00Z", 111, "25"});     // sold out of sequence: volume alone
  trade({"2026-07-08T22:02:00Z", 112, "24 37"});  // contingent too
  EXPECT_EQ(minute("2026-07-08T11:59Z"), "90 90 90 90 1 1");
  EXPECT_EQ(minute("2026-07-08T15:00Z"), "100 100 100 100 2 2");
  EXPECT_EQ(minute("2026-07-08T22:00Z"), "110 110 110 110 1 1");
  EXPECT_EQ(minute("2026-07-08T22:01Z"), "- - - - 1 1");
  EXPECT_EQ(minute("2026-07-08T22:02Z"), "- - - - 1 1");
  EXPECT_EQ(day("2026-07-08"), "100 100 100 100 6 6");
  EXPECT_EQ(vwap(Interval::k1m, "2026-07-08T11:59Z"), "900000 of 1");
  EXPECT_EQ(vwap(Interval::k1m, "2026-07-08T15:00Z"), "1000000 of 1");
  EXPECT_EQ(vwap(Interval::k1m, "2026-07-08T22:01Z"), "- of 0");
  EXPECT_EQ(vwap(Interval::k1d, "2026-07-08"), "1000000 of 1");
}

TEST_F(UsBars, OddLotsCountInVolumeAndVwapAndSetNoPrice) {
  trade({"2026-07-08T15:00:01Z", 100, "", 300});
  trade({"2026-07-08T15:00:02Z", 104, "12", 100});
  EXPECT_EQ(minute("2026-07-08T15:00Z"), "100 100 100 100 400 2");
  EXPECT_EQ(vwap(Interval::k1m, "2026-07-08T15:00Z"), "1010000 of 400");
  // A volume that has no price counts in the volume alone, and the row keeps both.
  trade({"2026-07-08T15:00:03Z", 500, "3", 600});
  EXPECT_EQ(minute("2026-07-08T15:00Z"), "100 100 100 100 1000 3");
  EXPECT_EQ(vwap(Interval::k1m, "2026-07-08T15:00Z"), "1010000 of 400");
  // In the evening: an odd lot of extended hours counts in the VWAP of its minute, not of the day.
  trade({"2026-07-08T22:00:00Z", 200, "24 12", 50});
  EXPECT_EQ(vwap(Interval::k1m, "2026-07-08T22:00Z"), "2000000 of 50");
  EXPECT_EQ(minute("2026-07-08T22:00Z"), "- - - - 50 1");
  EXPECT_EQ(vwap(Interval::k1d, "2026-07-08"), "1010000 of 400");
}

TEST_F(UsBars, AHalfDaysEveningIsExtendedAndItsNightIsNot) {
  trade({"2026-11-27T17:59:59.999Z", 100, ""});
  trade({"2026-11-27T18:00:00.000Z", 101, "24"});  // 13:00, post
  trade({"2026-11-27T21:59:59.999Z", 102, "24"});
  trade({"2026-11-27T22:00:00.000Z", 103, "24"});  // 17:00: over
  EXPECT_EQ(minute("2026-11-27T18:00Z"), "101 101 101 101 1 1");
  EXPECT_EQ(minute("2026-11-27T21:59Z"), "102 102 102 102 1 1");
  EXPECT_EQ(minute("2026-11-27T22:00Z"), "- - - - 1 1");
  EXPECT_EQ(day("2026-11-27"), "100 100 100 100 4 4");
}

TEST_F(UsBars, ATradingDateGoesFromEightToEightInTheEvening) {
  trade({"2026-07-07T23:59:59.999Z", 1, ""});
  trade({"2026-07-08T00:00:00.000Z", 2, ""});
  trade({"2026-07-08T23:59:59.999Z", 3, ""});
  trade({"2026-07-09T00:00:00.000Z", 4, ""});
  EXPECT_EQ(day("2026-07-07"), "1 1 1 1 1 1");
  EXPECT_EQ(day("2026-07-08"), "2 3 2 3 2 2");
  EXPECT_EQ(day("2026-07-09"), "4 4 4 4 1 1");
}

TEST_F(UsBars, AHolidaysTradeMakesItsBars) {
  trade({"2026-12-25T15:00:00Z", 7, ""});
  EXPECT_EQ(minute("2026-12-25T15:00Z"), "7 7 7 7 1 1");
  EXPECT_EQ(day("2026-12-25"), "7 7 7 7 1 1");
}

TEST_F(UsBars, UnknownCodesAndNoCodesAreRegular) {
  trade({"2026-07-08T15:00:01Z", 100, "50"});
  trade({"2026-07-08T15:00:02Z", 101, "X 1"});
  trade({"2026-07-08T15:00:03Z", 102, ""});
  EXPECT_EQ(minute("2026-07-08T15:00Z"), "100 102 100 102 3 3");
}

TEST(OtherBars, AForexDayGoesFromFiveToFiveAndZeroVolumeMovesItsPrice) {
  Partition partition(at("2026-07-05T20:00Z"));
  partition.trade("OANDA:EUR_USD", {"2026-07-05T21:00:00.000Z", 5, "", 0});  // Sunday 17:00 in New York
  partition.trade("OANDA:EUR_USD", {"2026-07-06T20:59:59.999Z", 6, "", 0});
  partition.trade("OANDA:EUR_USD", {"2026-07-06T21:00:00.000Z", 7, "", 0});
  partition.trade("OANDA:EUR_USD", {"2026-07-10T20:59:59.999Z", 8, "", 0});  // Friday
  partition.trade("OANDA:EUR_USD", {"2026-07-10T21:00:00.000Z", 9, "", 0});  // after the week
  EXPECT_EQ(text_of(partition.bar("OANDA:EUR_USD", Interval::k1d, "2026-07-06")), "5 6 5 6 0 2");
  EXPECT_EQ(text_of(partition.bar("OANDA:EUR_USD", Interval::k1d, "2026-07-07")), "7 7 7 7 0 1");
  EXPECT_EQ(text_of(partition.bar("OANDA:EUR_USD", Interval::k1d, "2026-07-10")), "8 8 8 8 0 1");
  EXPECT_EQ(text_of(partition.bar("OANDA:EUR_USD", Interval::k1d, "2026-07-11")), "9 9 9 9 0 1");
}

TEST(OtherBars, CryptoDaysAreUtcDaysAndConditionsMeanNothingThere) {
  Partition partition(at("2026-03-07T23:00Z"));
  partition.trade("BINANCE:BTCUSDT", {"2026-03-07T23:59:59.999Z", 5, "16"});
  partition.trade("BINANCE:BTCUSDT", {"2026-03-08T00:00:00.000Z", 6, "20"});
  partition.trade("BINANCE:BTCUSDT", {"2026-03-08T00:00:00.000Z", 7, "", 0});  // no volume: nothing
  EXPECT_EQ(text_of(partition.bar("BINANCE:BTCUSDT", Interval::k1d, "2026-03-07")), "5 5 5 5 1 1");
  EXPECT_EQ(text_of(partition.bar("BINANCE:BTCUSDT", Interval::k1d, "2026-03-08")), "6 6 6 6 1 1");
}

TEST(OtherBars, AFormThatNoMarketClaimsRunsAroundTheClock) {
  Partition partition(at("2026-07-04T02:00Z"));
  partition.trade("2788.T", {"2026-07-04T03:00:00Z", 5, "24"});
  EXPECT_EQ(text_of(partition.bar("2788.T", Interval::k1d, "2026-07-04")), "5 5 5 5 1 1");
}

}  // namespace
}  // namespace finpipe
