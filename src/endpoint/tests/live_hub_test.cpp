#include "endpoint/live_hub.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace finpipe {
namespace {

using Channel = LiveHub::Channel;

BarRow bar(std::string symbol, std::int64_t start_ms, std::int64_t version) {
  BarRow row{{std::move(symbol), Interval::k1m, start_ms}, {}};
  row.bar.version = version;
  return row;
}

Trade trade(std::string_view symbol, std::int64_t seq) {
  Trade trade;
  trade.symbol = symbol;
  trade.seq = seq;
  return trade;
}

TEST(LiveHub, InterestRisesWhenASymbolIsWatchedFirstAndNoLonger) {
  LiveHub hub(1);
  const auto nobody = hub.interest();
  EXPECT_FALSE(hub.wants_bars("A"));
  const auto first = hub.watch("A", Channel::kBars);
  EXPECT_GT(hub.interest(), nobody);
  EXPECT_TRUE(hub.wants_bars("A"));
  EXPECT_FALSE(hub.wants_trades("A"));
  const auto once = hub.interest();
  const auto second = hub.watch("A", Channel::kBars);
  EXPECT_EQ(hub.interest(), once);
  hub.unwatch(first);
  EXPECT_TRUE(hub.wants_bars("A"));
  hub.unwatch(second);
  hub.unwatch(second);
  EXPECT_GT(hub.interest(), once);
  EXPECT_FALSE(hub.wants_bars("A"));
}

TEST(LiveHub, ABarThatChangesTwiceBetweenTwoTakesIsToldOnceInItsNewestVersion) {
  LiveHub hub(1);
  static_cast<void>(hub.watch("A", Channel::kBars));
  hub.on_bar(bar("A", 0, 1));
  hub.on_bar(bar("A", 60'000, 1));
  hub.on_round(0, 1, 0);
  hub.on_bar(bar("A", 0, 2));
  EXPECT_EQ(hub.take().bars.at(0).bar.version, 1) << "the round of version 2 has not ended";
  hub.on_round(0, 2, 0);
  const auto updates = hub.take();
  ASSERT_EQ(updates.bars.size(), 1U);
  EXPECT_EQ(updates.bars[0], bar("A", 0, 2));
  EXPECT_TRUE(hub.take().bars.empty());
}

TEST(LiveHub, ANewGenerationOfABarIsNewerThanAnyVersionBefore) {
  LiveHub hub(1);
  BarRow newer = bar("A", 0, 3);
  newer.bar.generation = 1;
  hub.on_bar(newer);
  hub.on_bar(bar("A", 0, 900));
  hub.on_round(0, 1, 0);
  EXPECT_EQ(hub.take().bars.at(0), newer);
}

TEST(LiveHub, TradesKeepTheirOrderAndTheirText) {
  LiveHub hub(1);
  std::string symbol = "A";
  std::string codes = "1 12";
  Trade borrowed = trade(symbol, 7);
  borrowed.conditions = {Conditions::Form::kList, codes};
  hub.on_trade(borrowed);
  symbol = codes = "?";
  hub.on_trade(trade("B", 3));
  hub.on_round(0, 2, 0);
  const auto updates = hub.take();
  ASSERT_EQ(updates.trades.size(), 2U);
  EXPECT_EQ(updates.trades[0].view().symbol, "A");
  EXPECT_EQ(updates.trades[0].view().conditions.codes, "1 12");
  EXPECT_EQ(updates.trades[0].view().seq, 7);
  EXPECT_EQ(updates.trades[1].view().symbol, "B");
}

TEST(LiveHub, TradesBeyondTheBoundDropTheOldestAndAreCounted) {
  LiveHub hub(1, {.bars = 10, .trades = 3});
  for (std::int64_t seq = 1; seq <= 4; ++seq) hub.on_trade(trade(seq == 1 ? "A" : "B", seq));
  hub.on_round(0, 4, 0);
  hub.on_trade(trade("A", 5));
  hub.on_round(0, 5, 0);
  const auto updates = hub.take();
  ASSERT_EQ(updates.trades.size(), 3U);
  EXPECT_EQ(updates.trades.front().view().seq, 3);
  EXPECT_EQ(updates.dropped, (std::map<std::string, std::int64_t, std::less<>>{{"A", 1}, {"B", 1}}));
  EXPECT_TRUE(hub.take().dropped.empty());
}

TEST(LiveHub, TooManyBarsAreLetGoAndThatIsTold) {
  LiveHub hub(1, {.bars = 2, .trades = 3});
  for (std::int64_t i = 0; i < 3; ++i) hub.on_bar(bar("A", i * 60'000, 1));
  hub.on_round(0, 3, 0);
  const auto updates = hub.take();
  EXPECT_TRUE(updates.overflowed);
  EXPECT_TRUE(updates.bars.empty());
  EXPECT_FALSE(hub.take().overflowed);
}

TEST(LiveHub, ABurstWakesTheReaderOnce) {
  LiveHub hub(1);
  int wakes = 0;
  hub.set_wake([&wakes] { ++wakes; });
  hub.on_round(0, 0, 0);
  EXPECT_EQ(wakes, 0) << "nothing to take";
  for (std::int64_t i = 0; i < 10; ++i) {
    hub.on_bar(bar("A", 0, i));
    hub.on_round(0, i, 0);
  }
  EXPECT_EQ(wakes, 1);
  static_cast<void>(hub.take());
  hub.on_round(0, 10, 0);
  EXPECT_EQ(wakes, 1);
  hub.on_bar(bar("A", 0, 11));
  hub.on_round(0, 11, 0);
  EXPECT_EQ(wakes, 2);
  hub.set_wake(nullptr);
  static_cast<void>(hub.take());
  hub.on_bar(bar("A", 0, 12));
  hub.on_round(0, 12, 0);
  EXPECT_EQ(wakes, 2);
}

TEST(LiveHub, AWatchIsCoveredWhenWhatWasAppliedBeforeItsFirstWholeRoundIsStored) {
  LiveHub hub(1);
  hub.on_round(0, 100, 90);
  const auto watch = hub.watch("A", Channel::kBars);
  hub.on_round(0, 110, 100);  // may have begun before the watch
  EXPECT_TRUE(hub.take().covered.empty());
  hub.on_round(0, 120, 109);
  EXPECT_TRUE(hub.take().covered.empty());
  hub.on_round(0, 130, 110);
  EXPECT_EQ(hub.take().covered, std::vector{watch});
  hub.on_round(0, 140, 140);
  EXPECT_TRUE(hub.take().covered.empty()) << "once";
}

TEST(LiveHub, AnIdleRoundCoversAWatchAtOnce) {
  LiveHub hub(1);
  const auto watch = hub.watch("A", Channel::kTrades);
  hub.on_round(0, 100, 100);
  EXPECT_EQ(hub.take().covered, std::vector{watch});
}

TEST(LiveHub, ARoundOfAnotherPartitionCoversNothing) {
  LiveHub hub(2);
  const std::int32_t home = partition_of("A", 2);
  const auto watch = hub.watch("A", Channel::kTrades);
  hub.on_round(1 - home, 100, 100);
  EXPECT_TRUE(hub.take().covered.empty());
  hub.on_round(home, 100, 100);
  EXPECT_EQ(hub.take().covered, std::vector{watch});
}

TEST(LiveHub, WithoutRoundsToComeEveryWatchIsCovered) {
  LiveHub hub(1);
  int wakes = 0;
  hub.set_wake([&wakes] { ++wakes; });
  const auto before = hub.watch("A", Channel::kBars);
  hub.end_rounds();
  EXPECT_EQ(hub.take().covered, std::vector{before});
  const auto after = hub.watch("A", Channel::kBars);
  EXPECT_EQ(hub.take().covered, std::vector{after});
  EXPECT_EQ(wakes, 2);
}

TEST(LiveHub, AnEndedWatchIsNeverCovered) {
  LiveHub hub(1);
  const auto waiting = hub.watch("A", Channel::kBars);
  const auto covered = hub.watch("A", Channel::kBars);
  hub.unwatch(waiting);
  hub.on_round(0, 1, 1);
  hub.unwatch(covered);
  EXPECT_TRUE(hub.take().covered.empty());
}

TEST(LiveHub, TwoThreadsMayUseIt) {
  LiveHub hub(1);
  std::atomic<bool> stop = false;
  std::int64_t told = 0;
  std::atomic<std::int64_t> seen = 0;
  std::thread processor([&] {
    std::uint64_t interest = 0;
    bool wanted = false;
    for (std::int64_t offset = 0; !stop; ++offset) {
      // Never so far ahead that the hub lets trades go.
      while (told - seen > 1'000 && !stop) std::this_thread::yield();
      if (hub.interest() != interest) {
        interest = hub.interest();
        wanted = hub.wants_trades("A");
      }
      if (wanted) hub.on_trade(trade("A", ++told));
      hub.on_bar(bar("A", 0, offset + 1));
      hub.on_round(0, offset + 1, offset);
    }
  });
  const auto count = [&seen](const LiveHub::Updates& updates) {
    for (const LiveTrade& one : updates.trades) EXPECT_EQ(one.trade.seq, ++seen);
  };
  for (int i = 0; i < 200; ++i) {
    const auto watch = hub.watch("A", Channel::kTrades);
    bool covered = false;
    while (!covered) {
      const auto updates = hub.take();
      count(updates);
      covered = std::ranges::find(updates.covered, watch) != updates.covered.end();
      std::this_thread::yield();
    }
    hub.unwatch(watch);
  }
  stop = true;
  processor.join();
  count(hub.take());
  EXPECT_EQ(seen, told);
}

}  // namespace
}  // namespace finpipe
