#include "app/csv.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

BarRow sample_bar() {
  BarRow row;
  row.key = {"BINANCE:BTCUSDT", Interval::k1m, 1'723'161'255'000};
  Bar& bar = row.bar;
  bar.first = {1'723'161'255'342, 1, 61'234'100'000'000};
  bar.last = {1'723'161'256'000, 2, 61'235'500'000'000};
  bar.high_e9 = 61'236'000'000'000;
  bar.low_e9 = 61'234'000'000'000;
  bar.has_high_low = true;
  bar.volume_e8 = 3'00000000;
  bar.vwap_volume_e8 = 3'00000000;
  bar.notional_e17 = int128{100'000'000'000} * 1'00000000;  // 100 paid for 3
  bar.trades = 2;
  bar.state = BarState::kFinal;
  return row;
}

std::string bar_line(const BarRow& row) {
  std::string out;
  csv::append_bar(out, row, row.key.interval, {});
  return out;
}

std::string trade_line(const Trade& trade) {
  std::string out;
  csv::append_trade(out, trade);
  return out;
}

Trade sample_trade() {
  Trade trade;
  trade.symbol = "AAPL";
  trade.event_time_ms = 1'680'286'537'580;
  trade.price_e9 = 164'060'100'000;
  trade.volume_e8 = 5'00000000;
  trade.received_at_ns = 1'680'286'537'581'000'002;
  trade.seq = 7;
  return trade;
}

TEST(Csv, ABarHasExactDecimalsAndItsVwapNinePlaces) {
  EXPECT_EQ(bar_line(sample_bar()),
            "BINANCE:BTCUSDT,1m,2024-08-08T23:54:15.000Z,61234.1,61236,61234,61235.5,3,33.333333333,2,final,,0,0\n");
}

TEST(Csv, WhatABarDoesNotHaveIsEmpty) {
  BarRow row = sample_bar();
  row.bar.first = row.bar.last = {};
  row.bar.has_high_low = false;
  row.bar.vwap_volume_e8 = 0;
  EXPECT_EQ(bar_line(row), "BINANCE:BTCUSDT,1m,2024-08-08T23:54:15.000Z,,,,,3,,2,final,,0,0\n");
}

TEST(Csv, PricesOfTradesThatCountOnlyAloneStandInForMissingOnes) {
  BarRow row = sample_bar();
  row.bar.first_if_alone = {1, 1, 5'000'000'000};
  row.bar.last_if_alone = {2, 2, 6'000'000'000};
  EXPECT_NE(bar_line(row).find(",61234.1,61236,61234,61235.5,"), std::string::npos);
  row.bar.first = row.bar.last = {};
  EXPECT_NE(bar_line(row).find(",5,61236,61234,6,"), std::string::npos);
}

TEST(Csv, FlagsComeInOneOrder) {
  Bar bar;
  EXPECT_EQ(csv::flags_of(bar), "");
  bar.backfilled = true;
  EXPECT_EQ(csv::flags_of(bar), "backfilled");
  bar.partial = true;
  bar.missing_ms = 1;
  EXPECT_EQ(csv::flags_of(bar), "gap+partial+backfilled");
  EXPECT_EQ(csv::flags_of(bar, {.filled = true, .adjusted = true}), "gap+partial+backfilled+filled+adjusted");
}

TEST(Csv, ARevisionAddsReasonAndTheTimeItClosed) {
  BarRow row = sample_bar();
  row.bar.state = BarState::kRevised;
  row.bar.revision = 1;
  row.bar.reason = RevisionReason::kLate;
  row.bar.closed_at_ns = 1'723'161'262'087'896'568;
  std::string out;
  csv::append_revision(out, row);
  EXPECT_TRUE(out.ends_with(",2,revised,,0,1,late,2024-08-08T23:54:22.087896568Z\n")) << out;
}

TEST(Csv, NullEmptyAndAbsentConditionsAreToldApart) {
  Trade trade = sample_trade();
  const std::string before = "AAPL,2023-03-31T18:15:37.580Z,7,164.0601,5,";
  const std::string after = ",2023-03-31T18:15:37.581000002Z,live,\n";
  EXPECT_EQ(trade_line(trade), before + "-" + after);
  trade.conditions.form = Conditions::Form::kNull;
  EXPECT_EQ(trade_line(trade), before + after);
  trade.conditions.form = Conditions::Form::kList;
  EXPECT_EQ(trade_line(trade), before + "[]" + after);
  trade.conditions.codes = "1 12";
  EXPECT_EQ(trade_line(trade), before + "1 12" + after);
}

TEST(Csv, WhatNeedsQuotesIsQuoted) {
  Trade trade = sample_trade();
  trade.symbol = "A,\"B\"";
  trade.suspect = Suspect::kRepeatedRun;
  const std::string line = trade_line(trade);
  EXPECT_EQ(line.find("\"A,\"\"B\"\"\","), 0U) << line;
  EXPECT_TRUE(line.ends_with(",live,repeated_run\n")) << line;
}

TEST(Csv, AGapSaysWhetherItIsFilled) {
  SpanRow gap;
  gap.from_ms = 1'723'161'255'000;
  gap.to_ms = 1'723'161'256'500;
  gap.reason = "disconnected, twice";
  std::string out;
  csv::append_gap(out, "AAPL", gap, false);
  csv::append_gap(out, "AAPL", gap, true);
  EXPECT_EQ(out,
            "AAPL,2024-08-08T23:54:15.000Z,2024-08-08T23:54:16.500Z,\"disconnected, twice\",false\n"
            "AAPL,2024-08-08T23:54:15.000Z,2024-08-08T23:54:16.500Z,\"disconnected, twice\",true\n");
}

TEST(Csv, ADeadLetterKeepsItsBytesAsBase64) {
  // The vectors of RFC 4648, section 10.
  const std::pair<std::string, std::string> vectors[] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                                                         {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [raw, encoded] : vectors) {
    DeadLetter letter;
    letter.received_at_ns = 1'723'161'262'087'896'568;
    letter.reason = ErrorCode::kBadPrice;
    letter.raw = raw;
    std::string out;
    csv::append_dead_letter(out, letter);
    EXPECT_EQ(out, "2024-08-08T23:54:22.087896568Z,bad_price,ingest," + encoded + "\n");
  }
}

}  // namespace
}  // namespace finpipe
