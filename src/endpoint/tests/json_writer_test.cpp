#include "endpoint/json_writer.h"

#include <gtest/gtest.h>

#include <limits>

namespace finpipe {
namespace {

std::string text_of(const BarRow& row) {
  std::string out;
  json::append_bar(out, row);
  return out;
}

std::string text_of(const Trade& trade) {
  std::string out;
  json::append_trade(out, trade);
  return out;
}

TEST(JsonWriter, ABarIsWrittenAsTheContractShowsIt) {
  BarRow row{{"BINANCE:BTCUSDT", Interval::k1m, 1'723'161'240'000}, {}};
  Bar& bar = row.bar;
  bar.first = {1, 1, 61'837'630'000'000};
  bar.last = {2, 2, 61'838'000'000'000};
  bar.high_e9 = 61'840'000'000'000;
  bar.low_e9 = 61'830'010'000'000;
  bar.has_high_low = true;
  bar.volume_e8 = 1'250'000'000;
  bar.vwap_volume_e8 = 1'250'000'000;
  bar.notional_e17 = static_cast<int128>(61'835'200'000'000) * 1'250'000'000;
  bar.trades = 104;
  bar.missing_ms = 1'200;
  bar.partial = true;
  bar.version = 104;
  bar.policy = 0xab;
  EXPECT_EQ(
      text_of(row),
      R"({"start":1723161240000,"open":"61837.63","high":"61840","low":"61830.01","close":"61838","volume":"12.5",)"
      R"("vwap":"61835.2","trades":104,"state":"provisional","flags":["gap","partial"],"missing_ms":1200,)"
      R"("revision":0,"version":104,"policy":"00000000000000ab"})");
}

TEST(JsonWriter, ABarWithoutPricesHasNulls) {
  BarRow row{{"A", Interval::k1d, -86'400'000}, {}};
  row.bar.volume_e8 = 1;
  row.bar.trades = 1;
  row.bar.state = BarState::kRevised;
  row.bar.backfilled = true;
  row.bar.revision = 2;
  EXPECT_EQ(
      text_of(row),
      R"({"start":-86400000,"open":null,"high":null,"low":null,"close":null,"volume":"0.00000001","vwap":null,)"
      R"("trades":1,"state":"revised","flags":["backfilled"],"missing_ms":0,"revision":2,"version":0,"policy":null})");
}

TEST(JsonWriter, WhatReadingDidToABarIsAFlag) {
  BarRow row{{"A", Interval::k1m, 0}, {}};
  row.bar.missing_ms = 1;
  std::string out;
  json::append_bar(out, row, {.filled = true, .adjusted = true});
  EXPECT_NE(out.find(R"("flags":["gap","filled","adjusted"])"), std::string::npos);
}

TEST(JsonWriter, ARevisionTellsWhyAndWhen) {
  BarRow row{{"A", Interval::k1m, 0}, {}};
  row.bar.reason = RevisionReason::kLate;
  row.bar.closed_at_ns = 1'723'161'300'000'000'001;
  std::string out;
  json::append_revision(out, row);
  EXPECT_TRUE(out.ends_with(R"("policy":null,"reason":"late","closed_at":1723161300001})")) << out;
}

TEST(JsonWriter, VersionsOfANewerGenerationAreHigherAndStillExactInADouble) {
  Bar older;
  older.version = 86'400'000'000;  // as many events as a day has microseconds
  Bar newer;
  newer.generation = 1;
  EXPECT_GT(json::version_of(newer), json::version_of(older));
  newer.generation = 8'000;
  EXPECT_LT(json::version_of(newer), std::int64_t{1} << 53);
}

TEST(JsonWriter, ATradeKeepsEveryDigit) {
  Trade trade;
  trade.event_time_ms = 1'723'161'255'617;
  trade.seq = 1'723'161'254'347'673'567;
  trade.price_e9 = std::numeric_limits<std::int64_t>::max();
  trade.volume_e8 = 4'800'000;
  trade.conditions = {Conditions::Form::kList, "1 12"};
  EXPECT_EQ(text_of(trade),
            R"({"time":1723161255617,"seq":1723161254347673567,"price":"9223372036.854775807","volume":"0.048",)"
            R"("conditions":["1","12"],"suspect":false})");
}

TEST(JsonWriter, ConditionsTellNoneFromAnEmptyList) {
  Trade trade;
  trade.suspect = Suspect::kRepeatedRun;
  EXPECT_EQ(text_of(trade), R"({"time":0,"seq":0,"price":"0","volume":"0","conditions":null,"suspect":true})");
  trade.conditions.form = Conditions::Form::kNull;
  EXPECT_NE(text_of(trade).find(R"("conditions":null)"), std::string::npos);
  trade.conditions.form = Conditions::Form::kList;
  EXPECT_NE(text_of(trade).find(R"("conditions":[])"), std::string::npos);
  trade.conditions.codes = R"(" \)";
  EXPECT_NE(text_of(trade).find(R"("conditions":["\"","\\"])"), std::string::npos);
}

TEST(JsonWriter, AnErrorSaysWhatWasWrong) {
  EXPECT_EQ(json::error_body({ErrorCode::kBadRequest, "limit must be \"small\""}),
            R"({"error":{"code":"E800","name":"bad_request","message":"limit must be \"small\""}})");
  EXPECT_EQ(json::error_body({ErrorCode::kUpgradeRequired, {}}),
            R"({"error":{"code":"E805","name":"upgrade_required","message":"The path serves a WebSocket"}})");
}

}  // namespace
}  // namespace finpipe
