// Rows that leave the engine's memory and come back: look-ups, eviction, going on from a checkpoint, generations.
#include <gtest/gtest.h>

#include "bars/engine.h"
#include "bars/tests/desk.h"

namespace finpipe {
namespace {

// Found by the pipeline simulation: a checkpoint taken in between must not forget the row.
TEST(BarEngineRows, RowThatIsDueButWasWrittenFurtherAheadStaysListedAsUnclosed) {
  BarEngine engine({});
  BarRow row{{std::string(kCoin), Interval::k1s, 10'000}, {}};
  row.bar.state = BarState::kRevised;
  row.bar.pending_deadline_ns = 20'000 * kNsPerMs;
  row.bar.applied_through = 10;
  engine.admit(row);
  ASSERT_EQ(engine.state().unclosed.size(), 1U);
  engine.apply_clock({8, 30'000 * kNsPerMs, true});
  ASSERT_EQ(engine.state().unclosed.size(), 1U);
  EXPECT_EQ(engine.state().unclosed.front(), row.key);
}

TEST(BarEngineRows, ClosedBarLeavesMemoryOnceItIsStored) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(14'000);
  EXPECT_EQ(desk.engine().windows_in_memory(), kIntervalCount);
  desk.commit();
  EXPECT_EQ(desk.engine().windows_in_memory(), kIntervalCount - 1);
}

TEST(BarEngineRows, BarWithAGatheredRevisionStaysInMemory) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(14'000);
  desk.trade(kCoin, 10'600, 14'100);
  desk.commit();
  desk.commit();
  EXPECT_EQ(desk.engine().windows_in_memory(), kIntervalCount);
}

TEST(BarEngineRows, LateTradeGoesOnFromTheRowThatLeftMemory) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(14'000);
  desk.commit();
  desk.trade(kCoin, 10'600, 14'100);
  EXPECT_EQ(desk.asked(), 1U);
  desk.heartbeat(20'000);
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->trades, 2);
  EXPECT_EQ(bar->revision, 1);
  EXPECT_EQ(bar->version, 4);  // two trades, one closing, one revision
}

TEST(BarEngineRows, NewWindowsOfTheLivePathAskForNothing) {
  Desk desk = quiet_desk();
  for (int second = 10; second < 200; ++second) {
    desk.trade(kCoin, second * 1'000, second * 1'000 + 10);
    desk.commit();
    EXPECT_EQ(desk.asked(), 0U) << second;
  }
}

TEST(BarEngineRows, NothingChangesBeforeTheRowsThatWereAskedForAreThere) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(14'000);
  desk.commit();
  Trade late;
  late.symbol = kCoin;
  late.event_time_ms = at_ms(10'600);
  late.price_e9 = late.volume_e8 = 1;
  late.received_at_ns = late.seq = at_ms(90'000) * kNsPerMs;
  const std::int64_t clock_ns = desk.engine().clock_ns();
  EXPECT_EQ(desk.engine().apply_trade(desk.engine().symbol(kCoin), late, desk.next_offset()),
            BarEngine::Apply::kNeedsRows);
  EXPECT_EQ(desk.engine().clock_ns(), clock_ns);
  EXPECT_EQ(desk.engine().dirty_rows(), 0U);
}

TEST(BarEngineRows, RestartGoesOnWithOpenRows) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.commit();
  desk.restart();
  desk.trade(kCoin, 10'600, 10'610);
  desk.heartbeat(14'000);
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->state, BarState::kFinal);
  EXPECT_EQ(bar->trades, 2);
}

TEST(BarEngineRows, RestartWithNothingLoadedLosesClosings) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.commit();
  desk.restart(false);
  desk.heartbeat(14'000);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kProvisional) << "the rows must be loaded";
}

TEST(BarEngineRows, RestartClosesAnOldRevisionThatWasBeingGathered) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(kMsPerHour * 30);
  desk.trade(kCoin, 10'600, kMsPerHour * 30 + 100);
  desk.commit();
  desk.restart();
  desk.heartbeat(kMsPerHour * 30 + 10'000);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->revision, 1);
}

TEST(BarEngineRows, RecordsThatAreReadAgainChangeNothing) {
  Desk desk = quiet_desk();
  desk.commit();
  const std::int64_t checkpoint = desk.next_offset();
  BarEngine::State state = desk.engine().state();
  desk.trade(kCoin, 10'500, 10'510, {.price = 7});
  desk.heartbeat(14'000);
  desk.trade(kCoin, 10'600, 14'100, {.price = 8});
  desk.heartbeat(20'000);
  const auto before = desk.bar(kCoin, Interval::k1s, 10'000);
  const auto minute_before = desk.bar(kCoin, Interval::k1m, 0);
  // The rows are stored, the checkpoint is not: another engine reads the same records again.
  desk.engine() = BarEngine({});
  desk.engine().set_policy(crypto_policy());
  (void)desk.engine().symbol(kCoin);
  desk.engine().restore(state, {});
  desk.go_back_to(checkpoint);
  desk.trade(kCoin, 10'500, 10'510, {.price = 7});
  desk.heartbeat(14'000);
  desk.trade(kCoin, 10'600, 14'100, {.price = 8});
  desk.heartbeat(20'000);
  EXPECT_EQ(*desk.bar(kCoin, Interval::k1s, 10'000), *before);
  EXPECT_EQ(*desk.bar(kCoin, Interval::k1m, 0), *minute_before);
}

TEST(BarEngineRows, GapReachesClosedBarsThatLeftMemory) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(14'000);
  desk.commit();
  desk.gap(15'000, 10'200, 10'700);
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->missing_ms, 500);
  desk.heartbeat(20'000);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->reason, RevisionReason::kGap);
}

TEST(BarEngineRows, GapReachesAClosedDayThatBeganBeforeItsLabel) {
  MarketPolicy forex = crypto_policy();
  std::vector<TradingDay> days;
  for (std::int64_t day = -1; day < 3; ++day) {
    const TimeSpan window{at_ms(day * kMsPerDay - 3 * kMsPerHour), at_ms((day + 1) * kMsPerDay - 3 * kMsPerHour)};
    days.push_back({at_ms(day * kMsPerDay), window, window, window, 0});
  }
  forex.calendar = Calendar(std::move(days));
  Desk desk = quiet_desk();
  desk.policy(0, std::move(forex));
  desk.trade(kCoin, kMsPerHour, kMsPerHour);
  desk.heartbeat(2 * kMsPerDay);
  desk.commit();
  desk.gap(2 * kMsPerDay, -2 * kMsPerHour, -kMsPerHour);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1d, 0)->missing_ms, kMsPerHour);
}

TEST(BarEngineRows, GapLeavesBarsBesideItAloneWhetherInMemoryOrNot) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(14'000);
  desk.silence(14'500, 10'100);  // learned after [10, 11) was closed
  desk.gap(15'000, 12'000, 13'000, std::string(kCoin));
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->missing_ms, 0);
  EXPECT_EQ(bar->version, 2);
}

TEST(BarEngineRows, RowsOfAnOlderGenerationCountUpToTheFloorOnly) {
  const BarEngine::Identity next{LogId{}, 1, at_ms(60'000)};
  Desk desk(next);
  desk.session(0);
  const auto row = [](std::int64_t start_ms) {
    BarRow old{{std::string(kCoin), Interval::k1s, at_ms(start_ms)}, {}};
    old.bar.trades = 5;
    old.bar.version = 5;
    old.bar.generation = 0;
    return old;
  };
  desk.engine().admit(row(59'000));
  desk.engine().admit(row(60'000));
  desk.trade(kCoin, 59'500, 59'510);
  desk.trade(kCoin, 60'500, 60'510);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 59'000)->trades, 6);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 60'000)->trades, 1);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 59'000)->generation, 1);
}

TEST(BarEngineRows, OffsetsOfAnotherLogAreNotCompared) {
  LogId log{};
  log[0] = std::byte{1};
  Desk desk({log, 0, kBeginningOfTime});
  BarRow old{{std::string(kCoin), Interval::k1s, at_ms(10'000)}, {}};
  old.bar.trades = old.bar.version = 5;
  old.bar.applied_through = 1'000'000;
  desk.engine().admit(old);
  desk.trade(kCoin, 10'500, 10'510);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->trades, 6);
}

}  // namespace
}  // namespace finpipe
