#include "load/run.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "base/time.h"
#include "load/bar_expectations.h"

namespace finpipe {
namespace {

constexpr std::int64_t kStartNs = 50 * kNsPerSecond;
constexpr std::int64_t kMeasuredNs = kStartNs + kNsPerSecond;
constexpr std::int64_t kEndNs = kStartNs + 5 * kNsPerSecond;

LoadRun a_run(bool awaits_bars = false, LoadMarket market = LoadMarket::kCrypto) {
  FlowOptions options;
  options.trades_per_second = 1'000;
  options.max_trades_per_frame = 1;
  options.market = market;
  PolicySet policies;
  MarketPolicy policy;
  policy.us_tickers = true;
  policy.has_rules = true;
  policy.rules[16].known = true;
  policy.rules[16].effect.volume = false;
  policies.put(policy);
  return LoadRun(Flow(options, policies, 5'000, 0), {.start_ns = kStartNs,
                                                     .measured_from_ns = kMeasuredNs,
                                                     .end_ns = kEndNs,
                                                     .awaits_bars = awaits_bars,
                                                     .trades_per_second = 1'000});
}

// Sends all that is due, and has it arrive so much after its time, as a system without queues does.
void play(LoadRun& run, std::int64_t until_ns, std::int64_t latency_ns) {
  while (!run.all_sent() && run.next_due_ns() < until_ns) {
    const std::int64_t due_ns = run.next_due_ns();
    (void)run.send(due_ns);
    run.arrived(std::array{due_ns}, due_ns + latency_ns);
  }
}

TEST(LoadRun, LatencyIsFromTheScheduleWithoutTheWarmUp) {
  LoadRun run = a_run();
  play(run, kEndNs, 3 * kNsPerMs);
  const LoadRun::Counts counts = run.counts(kEndNs);
  EXPECT_TRUE(run.all_sent());
  EXPECT_EQ(counts.due, 5'000);
  EXPECT_EQ(counts.sent, 5'000);
  EXPECT_EQ(counts.arrived, 5'000);
  EXPECT_EQ(counts.backlog(), 0);
  const LatencyHistogram latency = run.latency();
  EXPECT_EQ(latency.count(), 4'000);
  EXPECT_EQ(latency.max_ns(), 3 * kNsPerMs);
}

// The omission that the open loop prevents: a sender that could not send for a second says so in every latency.
TEST(LoadRun, ASenderThatStoodStillMakesLatenciesLongAndNotRare) {
  LoadRun run = a_run();
  const std::int64_t still_ns = kStartNs + 2 * kNsPerSecond;
  play(run, still_ns, kNsPerMs);
  EXPECT_EQ(run.counts(still_ns + kNsPerSecond).backlog(), 1'001);  // nothing was sent, but was due
  for (int i = 0; i <= 1'000; ++i) {
    const std::int64_t due_ns = run.next_due_ns();
    (void)run.send(still_ns + kNsPerSecond);
    run.arrived(std::array{due_ns}, still_ns + kNsPerSecond);
  }
  const LatencyHistogram latency = run.latency();
  EXPECT_EQ(latency.max_ns(), kNsPerSecond);
  EXPECT_NEAR(static_cast<double>(latency.count() - latency.count_up_to(kNsPerSecond / 2)), 500, 2);
  EXPECT_EQ(run.sent_late().max_ns(), kNsPerSecond);
}

TEST(LoadRun, OnlyWhatCountsInBarsIsAwaitedThere) {
  LoadRun of_log = a_run(false, LoadMarket::kUsEquities), of_bars = a_run(true, LoadMarket::kUsEquities);
  while (!of_log.all_sent()) (void)of_log.send(kEndNs);
  while (!of_bars.all_sent()) (void)of_bars.send(kEndNs);
  EXPECT_EQ(of_log.counts(kEndNs).awaited, 5'000);
  EXPECT_LT(of_bars.counts(kEndNs).awaited, 4'990);
  EXPECT_GT(of_bars.counts(kEndNs).awaited, 4'900);
}

TEST(LoadRun, TradesOfAnEarlierRunArePassedOver) {
  LoadRun run = a_run();
  run.arrived(std::array{kStartNs - 1}, kMeasuredNs);
  EXPECT_EQ(run.counts(kStartNs).arrived, 0);
}

TEST(LoadRun, TheBacklogOfTheSecondAndTheLastQuarterTellWhetherItGrows) {
  LoadRun run = a_run();
  // A system that takes 900 a second: the backlog grows by 100 a second.
  std::int64_t arrived = 0;
  for (std::int64_t now_ns = kStartNs; now_ns < kEndNs; now_ns += 10 * kNsPerMs) {
    while (!run.all_sent() && run.next_due_ns() <= now_ns) (void)run.send(now_ns);
    const std::int64_t taken = (now_ns - kStartNs) * 900 / kNsPerSecond;
    for (; arrived < taken; ++arrived) run.arrived(std::array{kStartNs + arrived * kNsPerMs}, now_ns);
    run.note_backlog(now_ns);
  }
  const RunFigures figures = run.figures(kEndNs, 0);
  EXPECT_NEAR(static_cast<double>(figures.measured), 3'500, 10);  // without the warm-up
  EXPECT_NEAR(figures.backlog_early, 250, 3);                     // around 2.5 s after the start
  EXPECT_NEAR(figures.backlog_late, 450, 3);                      // around 4.5 s
  EXPECT_NEAR(static_cast<double>(run.largest_backlog()), 500, 3);
  EXPECT_NEAR(static_cast<double>(figures.missing), 500, 10);
}

TEST(LoadRun, RecentLatenciesAreToldOnce) {
  LoadRun run = a_run();
  play(run, kMeasuredNs + kNsPerSecond, kNsPerMs);
  EXPECT_EQ(run.take_recent().count(), 1'000);
  EXPECT_EQ(run.take_recent().count(), 0);
}

// ---- Bars ----------------------------------------------------------------------------------------------------------

using Due = std::vector<std::int64_t>;

class Bars : public testing::Test {
 protected:
  Due arrive(std::string_view symbol, std::int64_t start_ms, std::int64_t trades) {
    Due due;
    expected_.arrive(symbol, start_ms, trades, due);
    return due;
  }

  std::vector<std::string> symbols_ = {"A", "B"};
  BarExpectations expected_{symbols_};
};

TEST_F(Bars, AnUpdateBringsTheTradesThatItCountsFirst) {
  for (std::int64_t i = 0; i < 5; ++i) expected_.expect(0, 1'000 + i, 10 * i);
  expected_.expect(0, 2'000, 90);
  expected_.expect(1, 1'000, 70);
  EXPECT_EQ(arrive("A", 1'000, 2), (Due{0, 10}));
  EXPECT_EQ(arrive("A", 1'000, 2), Due{});
  EXPECT_EQ(arrive("A", 1'000, 5), (Due{20, 30, 40}));
  EXPECT_EQ(arrive("B", 1'000, 1), Due{70});
  EXPECT_EQ(arrive("A", 2'000, 1), Due{90});
}

TEST_F(Bars, WhatWasNotSentIsNotCounted) {
  expected_.expect(0, 1'000, 10);
  EXPECT_EQ(arrive("A", 1'000, 4), Due{10});
  EXPECT_EQ(arrive("A", 3'000, 1), Due{});
  EXPECT_EQ(arrive("C", 1'000, 1), Due{});
  EXPECT_EQ(arrive("A", 1'000, -1), Due{});
}

TEST_F(Bars, OldBarsAreForgotten) {
  for (std::size_t i = 0; i <= BarExpectations::kKeptBars; ++i) {
    expected_.expect(0, static_cast<std::int64_t>(i) * 1'000, static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(arrive("A", 0, 1), Due{});
  EXPECT_EQ(arrive("A", 1'000, 1), Due{1});
}

}  // namespace
}  // namespace finpipe
