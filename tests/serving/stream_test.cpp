#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "documents.h"
#include "rows.h"
#include "stream_bench.h"

namespace finpipe {
namespace {

using Numbers = std::vector<std::int64_t>;

class StreamTest : public testing::Test {
 protected:
  static StreamLimits small() {
    StreamLimits limits;
    limits.queued_bytes = 200;
    limits.held_trades = 3;
    limits.held_rows = 8;
    return limits;
  }

  // What a client is sent now.
  static std::vector<rapidjson::Document> read(ScriptedConnection& client) {
    std::vector<rapidjson::Document> documents;
    for (const auto& text : client.read()) documents.push_back(parse_json(*text));
    return documents;
  }
  // The single message that a client is sent now.
  static rapidjson::Document read_one(ScriptedConnection& client) {
    auto documents = read(client);
    EXPECT_EQ(documents.size(), 1U);
    return documents.empty() ? parse_json("{}") : std::move(documents.front());
  }
  static std::string error_of(ScriptedConnection& client) {
    const auto document = read_one(client);
    return document.HasMember("message") ? text_of(document["message"]) : "no error";
  }
  static void subscribe(ScriptedConnection& client, const std::string& members) {
    client.say(R"({"type":"subscribe",)" + members + "}");
  }
  // A round in which nothing was applied: every watch is covered.
  static void idle_round(StreamBench& bench) {
    bench.hub.on_round(0, 10, 10);
    bench.run();
  }
  static void tell_bars(StreamBench& bench, const std::vector<BarRow>& rows) {
    for (const BarRow& row : rows) bench.hub.on_bar(row);
    idle_round(bench);
  }
  static void tell_trades(StreamBench& bench, std::int64_t first_seq, std::int64_t last_seq) {
    for (std::int64_t seq = first_seq; seq <= last_seq; ++seq) {
      Trade trade;
      trade.symbol = "A";
      trade.event_time_ms = seq;
      trade.seq = seq;
      bench.hub.on_trade(trade);
    }
    idle_round(bench);
  }
};

TEST_F(StreamTest, ASubscriptionGetsTheNewestRowsAndThenUpdates) {
  StreamBench bench;
  store_bars(bench.store, {bar_row("A", Interval::k1m, 0, 1), bar_row("A", Interval::k1m, 60'000, 1),
                           bar_row("A", Interval::k1m, 120'000, 4), bar_row("A", Interval::k5m, 0, 9)});
  const auto client = bench.connect();
  subscribe(*client, R"("channel":"bars","symbol":"A","interval":"1m","snapshot":2)");
  bench.run();
  EXPECT_TRUE(read(*client).empty()) << "not before a round has ended";
  idle_round(bench);
  const auto snapshot = read_one(*client);
  EXPECT_EQ(text_of(snapshot["type"]), "snapshot");
  EXPECT_EQ(text_of(snapshot["channel"]), "bars");
  EXPECT_EQ(text_of(snapshot["symbol"]), "A");
  EXPECT_EQ(text_of(snapshot["interval"]), "1m");
  EXPECT_EQ(numbers(snapshot["bars"], "start"), (Numbers{60'000, 120'000}));
  tell_bars(bench, {bar_row("A", Interval::k1m, 180'000, 1), bar_row("A", Interval::k1m, 120'000, 5),
                    bar_row("A", Interval::k1s, 0, 1), bar_row("B", Interval::k1m, 0, 1)});
  const auto update = read_one(*client);
  EXPECT_EQ(text_of(update["type"]), "update");
  EXPECT_EQ(numbers(update["bars"], "start"), (Numbers{120'000, 180'000}));
  EXPECT_EQ(numbers(update["bars"], "version"), (Numbers{5, 1}));
}

TEST_F(StreamTest, ASnapshotFromATimeOnHoldsAllBarsSince) {
  StreamBench bench;
  store_bars(bench.store, {bar_row("A", Interval::k1m, 0), bar_row("A", Interval::k1m, 60'000),
                           bar_row("A", Interval::k1m, 120'000)});
  const auto client = bench.connect();
  subscribe(*client, R"("channel":"bars","symbol":"A","interval":"1m","from":60000)");
  idle_round(bench);
  EXPECT_EQ(numbers(read_one(*client)["bars"], "start"), (Numbers{60'000, 120'000}));
}

TEST_F(StreamTest, ASymbolThatNobodyKnowsYetHasAnEmptySnapshotAndUpdatesOnceItTrades) {
  StreamBench bench;
  const auto client = bench.connect();
  subscribe(*client, R"("channel":"trades","symbol":"A")");
  subscribe(*client, R"("channel":"bars","symbol":"A","interval":"1d")");
  idle_round(bench);
  const auto snapshots = read(*client);
  ASSERT_EQ(snapshots.size(), 2U);
  EXPECT_EQ(snapshots[0]["trades"].Size(), 0U);
  EXPECT_EQ(snapshots[1]["bars"].Size(), 0U);
  tell_trades(bench, 1, 2);
  const auto update = read_one(*client);
  EXPECT_EQ(numbers(update["trades"], "seq"), (Numbers{1, 2}));
  EXPECT_EQ(update["dropped"].GetInt64(), 0);
}

TEST_F(StreamTest, WhatTheSnapshotHasIsNotSentAgain) {
  StreamBench bench;
  store_symbols(bench.store, {{"A", 0}});
  const auto client = bench.connect();
  subscribe(*client, R"("channel":"trades","symbol":"A","snapshot":2)");
  subscribe(*client, R"("channel":"bars","symbol":"A","interval":"1m")");
  // Told while both wait for their snapshots; all but the newest are stored by then.
  for (std::int64_t seq = 1; seq <= 5; ++seq) {
    Trade trade;
    trade.symbol = "A";
    trade.event_time_ms = trade.seq = seq;
    bench.hub.on_trade(trade);
  }
  bench.hub.on_bar(bar_row("A", Interval::k1m, 0, 3));
  bench.hub.on_bar(bar_row("A", Interval::k1m, 60'000, 1));
  store_trades(bench.store, "A", {{1, 1}, {2, 2}, {3, 3}, {4, 4}});
  store_bars(bench.store, {bar_row("A", Interval::k1m, 0, 3)});
  idle_round(bench);
  const auto messages = read(*client);
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(numbers(messages[0]["trades"], "seq"), (Numbers{3, 4}));
  EXPECT_EQ(numbers(messages[1]["trades"], "seq"), (Numbers{5})) << "1 and 2 are older than what was asked for";
  EXPECT_EQ(numbers(messages[2]["bars"], "start"), (Numbers{0}));
  EXPECT_EQ(numbers(messages[3]["bars"], "start"), (Numbers{60'000}));
}

TEST_F(StreamTest, AnUpdateIsWrittenOnceForAllWhoGetIt) {
  StreamBench bench;
  const auto one = bench.connect();
  const auto other = bench.connect();
  for (const auto* client : {&one, &other}) subscribe(**client, R"("channel":"bars","symbol":"A","interval":"1m")");
  idle_round(bench);
  static_cast<void>(one->read()), static_cast<void>(other->read());
  tell_bars(bench, {bar_row("A", Interval::k1m, 0)});
  const auto first = one->read();
  const auto second = other->read();
  ASSERT_EQ(first.size(), 1U);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(first[0].get(), second[0].get());
}

TEST_F(StreamTest, ASlowClientGetsTheNewestVersionOfEachBarWhenItReads) {
  StreamBench bench(1, small());
  const auto slow = bench.connect();
  const auto quick = bench.connect();
  for (const auto* client : {&slow, &quick})
    subscribe(**client, R"("channel":"bars","symbol":"A","interval":"1m","snapshot":0)");
  idle_round(bench);
  static_cast<void>(read(*slow)), static_cast<void>(read(*quick));
  for (std::int64_t version = 1; version <= 5; ++version) {
    tell_bars(bench, {bar_row("A", Interval::k1m, 0, version), bar_row("A", Interval::k1m, 60'000 * version, version)});
    EXPECT_EQ(read(*quick).size(), 1U);
  }
  EXPECT_LT(slow->queued_bytes(), 1'000U);
  const auto messages = read(*slow);
  ASSERT_EQ(messages.size(), 2U) << "the first before it was slow, and one with all the rest";
  EXPECT_EQ(numbers(messages[1]["bars"], "start"), (Numbers{0, 120'000, 180'000, 240'000, 300'000}));
  EXPECT_EQ(numbers(messages[1]["bars"], "version"), (Numbers{5, 2, 3, 4, 5}));
  EXPECT_EQ(bench.metrics.value(Metric::kStreamConflatedBars), 3);
  tell_bars(bench, {bar_row("A", Interval::k1m, 0, 6)});
  EXPECT_EQ(numbers(read_one(*slow)["bars"], "version"), (Numbers{6}));
}

TEST_F(StreamTest, ASlowClientIsToldHowManyTradesItWasNotSent) {
  StreamBench bench(1, small());
  const auto slow = bench.connect();
  subscribe(*slow, R"("channel":"trades","symbol":"A","snapshot":0)");
  idle_round(bench);
  static_cast<void>(read(*slow));
  tell_trades(bench, 1, 3);
  tell_trades(bench, 4, 5);
  tell_trades(bench, 6, 9);
  const auto messages = read(*slow);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(numbers(messages[0]["trades"], "seq"), (Numbers{1, 2, 3}));
  EXPECT_EQ(numbers(messages[1]["trades"], "seq"), (Numbers{7, 8, 9}));
  EXPECT_EQ(messages[1]["dropped"].GetInt64(), 3);
  EXPECT_EQ(bench.metrics.value(Metric::kStreamDroppedTrades), 3);
}

TEST_F(StreamTest, OfTheTradesThatComeBeforeASnapshotTheNewestAreKept) {
  StreamLimits limits;
  limits.waiting_trades = 3;
  StreamBench bench(1, limits);
  const auto client = bench.connect();
  subscribe(*client, R"("channel":"trades","symbol":"A","snapshot":0)");
  tell_trades(bench, 1, 5);
  const auto messages = read(*client);
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(text_of(messages[0]["type"]), "snapshot");
  EXPECT_EQ(numbers(messages[1]["trades"], "seq"), (Numbers{3, 4, 5}));
  EXPECT_EQ(messages[1]["dropped"].GetInt64(), 2);
}

TEST_F(StreamTest, TradesThatTheHubLetGoAreCountedForTheirReaders) {
  StreamBench bench(1, {}, {.bars = 10, .trades = 2});
  const auto client = bench.connect();
  subscribe(*client, R"("channel":"trades","symbol":"A","snapshot":0)");
  idle_round(bench);
  static_cast<void>(read(*client));
  tell_trades(bench, 1, 5);
  const auto update = read_one(*client);
  EXPECT_EQ(numbers(update["trades"], "seq"), (Numbers{4, 5}));
  EXPECT_EQ(update["dropped"].GetInt64(), 3);
}

TEST_F(StreamTest, AClientThatFallsTooFarBehindIsDisconnected) {
  StreamBench bench(1, small());
  const auto client = bench.connect();
  subscribe(*client, R"("channel":"bars","symbol":"A","interval":"1m","snapshot":0)");
  idle_round(bench);
  for (std::int64_t i = 0; i < 20; ++i) tell_bars(bench, {bar_row("A", Interval::k1m, i * 60'000)});
  EXPECT_EQ(client->close_code, 1008);
  EXPECT_EQ(bench.metrics.value(Metric::kStreamClientsClosed, {"too_far_behind"}), 1);
  client->leave();
  EXPECT_EQ(bench.metrics.value(Metric::kStreamClients), 0);
  EXPECT_EQ(bench.metrics.value(Metric::kStreamSubscriptions), 0);
  tell_bars(bench, {bar_row("A", Interval::k1m, 0, 2)});
}

TEST_F(StreamTest, AClientThatCatchesUpEachTimeStays) {
  StreamBench bench(1, small());
  const auto client = bench.connect();
  subscribe(*client, R"("channel":"bars","symbol":"A","interval":"1m","snapshot":0)");
  subscribe(*client, R"("channel":"trades","symbol":"A","snapshot":0)");
  idle_round(bench);
  EXPECT_EQ(read(*client).size(), 2U);
  for (std::int64_t i = 0; i < 50; ++i) {
    tell_bars(bench, {bar_row("A", Interval::k1m, i * 60'000)});
    tell_trades(bench, i * 5, i * 5 + 3);
    if (i % 3 == 2) static_cast<void>(read(*client));
  }
  EXPECT_EQ(client->close_code, 0);
}

TEST_F(StreamTest, WhenTheHubHadToLetBarsGoEveryClientBeginsAnew) {
  StreamBench bench(1, {}, {.bars = 2, .trades = 10});
  const auto client = bench.connect();
  subscribe(*client, R"("channel":"bars","symbol":"A","interval":"1m")");
  idle_round(bench);
  tell_bars(bench, {bar_row("A", Interval::k1m, 0), bar_row("A", Interval::k1m, 60'000),
                    bar_row("A", Interval::k1m, 120'000)});
  EXPECT_EQ(client->close_code, 1013);
}

TEST_F(StreamTest, SnapshotsWaitUntilASlowClientHasReadAndOthersDoNotWaitForThem) {
  StreamBench bench(1, small());
  std::vector<BarRow> rows;
  for (std::int64_t i = 0; i < 20; ++i) {
    rows.push_back(bar_row("A", Interval::k1m, i * 60'000));
    rows.push_back(bar_row("A", Interval::k5m, i * 300'000));
  }
  store_bars(bench.store, rows);
  const auto slow = bench.connect();
  const auto other = bench.connect();
  subscribe(*slow, R"("channel":"bars","symbol":"A","interval":"1m")");
  subscribe(*slow, R"("channel":"bars","symbol":"A","interval":"5m")");
  subscribe(*other, R"("channel":"bars","symbol":"A","interval":"5m")");
  idle_round(bench);
  EXPECT_EQ(read_one(*other)["bars"].Size(), 20U);
  const auto first = slow->read();
  ASSERT_EQ(first.size(), 1U) << "the second is read when there is room for it";
  bench.run();
  EXPECT_EQ(text_of(read_one(*slow)["interval"]), "5m");
}

TEST_F(StreamTest, OneSnapshotIsReadATurnAndClientsTakeTurns) {
  StreamBench bench;
  const auto greedy = bench.connect();
  const auto modest = bench.connect();
  for (const char* interval : {"1s", "1m", "5m", "15m"})
    subscribe(*greedy, fmt::format(R"("channel":"bars","symbol":"A","interval":"{}")", interval));
  subscribe(*modest, R"("channel":"bars","symbol":"A","interval":"1h")");
  bench.hub.on_round(0, 0, 0);
  ASSERT_TRUE(bench.turn()) << "the hub's wake-up";
  ASSERT_TRUE(bench.turn() && bench.turn());
  EXPECT_EQ(greedy->read().size(), 1U);
  EXPECT_EQ(modest->read().size(), 1U);
  bench.run();
  EXPECT_EQ(greedy->read().size(), 3U);
}

TEST_F(StreamTest, TheStatusIsSentAtOnceAndThenEachSecondToThoseWhoAsked) {
  StreamBench bench;
  bench.status = R"({"stale":false})";
  const auto asks = bench.connect();
  const auto silent = bench.connect();
  subscribe(*asks, R"("channel":"status")");
  const auto status = read_one(*asks);
  EXPECT_EQ(text_of(status["type"]), "update");
  EXPECT_EQ(text_of(status["channel"]), "status");
  EXPECT_FALSE(status["status"]["stale"].GetBool());
  bench.streams.push_status();
  EXPECT_EQ(read(*asks).size(), 1U);
  asks->say(R"({"type":"unsubscribe","channel":"status"})");
  bench.streams.push_status();
  EXPECT_TRUE(read(*asks).empty());
  EXPECT_TRUE(read(*silent).empty());
}

TEST_F(StreamTest, AfterUnsubscribingNothingComes) {
  StreamBench bench;
  const auto client = bench.connect();
  subscribe(*client, R"("channel":"bars","symbol":"A","interval":"1m")");
  client->say(R"({"type":"unsubscribe","channel":"bars","symbol":"A","interval":"1m"})");
  idle_round(bench);
  tell_bars(bench, {bar_row("A", Interval::k1m, 0)});
  EXPECT_TRUE(read(*client).empty());
  EXPECT_FALSE(bench.hub.wants_bars("A"));
  client->say(R"({"type":"unsubscribe","channel":"bars","symbol":"A","interval":"1m"})");
  EXPECT_EQ(error_of(*client), "there is no such subscription");
}

TEST_F(StreamTest, SubscribingAgainGivesANewSnapshot) {
  StreamBench bench;
  const auto client = bench.connect();
  for (int i = 0; i < 2; ++i) {
    subscribe(*client, R"("channel":"bars","symbol":"A","interval":"1m")");
    idle_round(bench);
    EXPECT_EQ(text_of(read_one(*client)["type"]), "snapshot");
  }
  EXPECT_EQ(bench.metrics.value(Metric::kStreamSubscriptions), 1);
}

TEST_F(StreamTest, MessagesThatBreakTheRulesAreAnsweredWithErrors) {
  StreamLimits limits;
  limits.subscriptions = 2;
  StreamBench bench(1, limits);
  const auto client = bench.connect();
  client->say("no JSON");
  EXPECT_EQ(error_of(*client), "a message must be one JSON object");
  client->say(R"({"type":"subscribe","channel":"bars","symbol":"A","interval":"2m"})");
  EXPECT_EQ(error_of(*client), "interval must be 1s, 1m, 5m, 15m, 1h or 1d");
  client->say(std::string(4'097, ' '));
  EXPECT_EQ(error_of(*client), "a message must have at most 4 KiB");
  subscribe(*client, R"("channel":"trades","symbol":"A")");
  subscribe(*client, R"("channel":"trades","symbol":"B")");
  EXPECT_TRUE(read(*client).empty());
  subscribe(*client, R"("channel":"trades","symbol":"C")");
  EXPECT_EQ(error_of(*client), "a connection has at most 2 subscriptions");
  subscribe(*client, R"("channel":"trades","symbol":"B")");
  EXPECT_TRUE(read(*client).empty()) << "one that is there already may be renewed";
  EXPECT_EQ(client->close_code, 0);
}

TEST_F(StreamTest, AFloodOfMessagesEndsTheConnection) {
  StreamBench bench;
  const auto client = bench.connect();
  int taken = 0;
  for (; client->close_code == 0 && taken < 1'000; ++taken) client->say("x");
  EXPECT_EQ(client->close_code, 1008);
  EXPECT_EQ(taken, 401);
  const auto patient = bench.connect();
  for (int i = 0; i < 1'000; ++i) {
    patient->say("x");
    bench.clock.advance_ns(kNsPerSecond / 20);
  }
  EXPECT_EQ(patient->close_code, 0);
}

TEST_F(StreamTest, AClientThatLeavesInTheMiddleLeavesNothingBehind) {
  StreamBench bench;
  auto client = bench.connect();
  auto stays = bench.connect();
  for (const auto* one : {&client, &stays}) {
    subscribe(**one, R"("channel":"bars","symbol":"A","interval":"1m")");
    subscribe(**one, R"("channel":"trades","symbol":"A")");
  }
  bench.hub.on_round(0, 0, 0);
  ASSERT_TRUE(bench.turn());
  client.reset();
  bench.run();
  EXPECT_EQ(read(*stays).size(), 2U);
  EXPECT_EQ(bench.metrics.value(Metric::kStreamSubscriptions), 2);
  EXPECT_EQ(bench.metrics.value(Metric::kStreamClients), 1);
}

TEST_F(StreamTest, AHandlerWhoseConnectionNeverOpenedIsJustDestroyed) {
  StreamBench bench;
  bench.streams.new_client().reset();
  EXPECT_EQ(bench.metrics.value(Metric::kStreamClients), 0);
}

}  // namespace
}  // namespace finpipe
