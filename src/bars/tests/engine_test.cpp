#include "bars/engine.h"

#include <gtest/gtest.h>

#include "bars/tests/desk.h"

namespace finpipe {
namespace {

constexpr std::int64_t kPrice = 1'000'000'000;
constexpr std::int64_t kVolume = 100'000'000;

// ---- Numbers -------------------------------------------------------------------------------------------------------

TEST(BarEngine, OneTradeOpensABarInEachOfSixIntervals) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510, {.price = 42, .volume = 3});
  for (const Interval interval : kIntervals) {
    const std::int64_t start_ms = interval == Interval::k1s ? 10'000 : 0;
    const auto bar = desk.bar(kCoin, interval, start_ms);
    ASSERT_TRUE(bar.has_value()) << to_string(interval);
    EXPECT_EQ(bar->open_e9(), 42 * kPrice);
    EXPECT_EQ(bar->close_e9(), 42 * kPrice);
    EXPECT_EQ(bar->volume_e8, 3 * kVolume);
    EXPECT_EQ(bar->trades, 1);
    EXPECT_EQ(bar->state, BarState::kProvisional);
    EXPECT_EQ(bar->version, 1);
  }
}

TEST(BarEngine, OpenAndCloseFollowEventTimeAndNotReceipt) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'600, {.price = 5});
  desk.trade(kCoin, 10'900, 10'910, {.price = 9});
  desk.trade(kCoin, 10'100, 10'920, {.price = 1});
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->open_e9(), 1 * kPrice);
  EXPECT_EQ(bar->close_e9(), 9 * kPrice);
}

TEST(BarEngine, TradesOfOneMillisecondKeepTheOrderOfReceipt) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'600, {.price = 5});
  desk.trade(kCoin, 10'500, 10'600, {.price = 6});
  desk.trade(kCoin, 10'500, 10'600, {.price = 7});
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->open_e9(), 5 * kPrice);
  EXPECT_EQ(bar->close_e9(), 7 * kPrice);
}

TEST(BarEngine, HighLowVolumeAndNotionalAreExact) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'000, 10'010, {.price = 10, .volume = 2});
  desk.trade(kCoin, 10'100, 10'110, {.price = 30, .volume = 1});
  desk.trade(kCoin, 10'200, 10'210, {.price = 5, .volume = 4});
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->high_e9, 30 * kPrice);
  EXPECT_EQ(bar->low_e9, 5 * kPrice);
  EXPECT_TRUE(bar->volume_e8 == int128{7} * kVolume);
  EXPECT_TRUE(bar->notional_e17 == int128{70} * kPrice * kVolume);
}

TEST(BarEngine, TradesBetweenTwoCommitsAreCountedOnce) {
  Desk desk = quiet_desk();
  for (int i = 0; i < 10; ++i) {
    desk.trade(kCoin, 10'000 + i * 10, 10'000 + i * 10, {.price = 10 + i});
    if (i % 3 == 0) desk.commit();
  }
  const auto bar = desk.bar(kCoin, Interval::k1m, 0);
  EXPECT_EQ(bar->trades, 10);
  EXPECT_EQ(bar->version, 10);
  EXPECT_EQ(bar->applied_through, desk.next_offset() - 1);
  EXPECT_EQ(bar->close_e9(), 19 * kPrice);
}

TEST(BarEngine, SuspectIsLeftOutAndCounted) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'000, 10'010, {.price = 10});
  desk.trade(kCoin, 10'100, 10'110, {.price = 99, .suspect = Suspect::kRepeatedRun});
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->close_e9(), 10 * kPrice);
  EXPECT_EQ(bar->trades, 1);
  EXPECT_EQ(bar->excluded, 1);
  EXPECT_EQ(bar->version, 2);
}

// ---- Sale conditions -----------------------------------------------------------------------------------------------

TEST(BarEngine, BarOfOnlyFTradesTakesOpenAndCloseFromThem) {
  Desk desk = quiet_desk();
  desk.trade(kStock, 10'000, 10'010, {.price = 10, .codes = "2"});
  desk.trade(kStock, 10'100, 10'110, {.price = 11, .codes = "2"});
  const auto bar = desk.bar(kStock, Interval::k1s, 10'000);
  EXPECT_EQ(bar->open_e9(), 10 * kPrice);
  EXPECT_EQ(bar->close_e9(), 11 * kPrice);
}

TEST(BarEngine, OnePlainTradeTakesOpenAndCloseFromFTradesWhateverTheirOrder) {
  Desk desk = quiet_desk();
  desk.trade(kStock, 10'000, 10'010, {.price = 10, .codes = "2"});
  desk.trade(kStock, 10'050, 10'060, {.price = 20, .codes = "1"});
  desk.trade(kStock, 10'100, 10'110, {.price = 11, .codes = "2"});
  const auto bar = desk.bar(kStock, Interval::k1s, 10'000);
  EXPECT_EQ(bar->open_e9(), 20 * kPrice);
  EXPECT_EQ(bar->close_e9(), 20 * kPrice);
  EXPECT_EQ(bar->high_e9, 20 * kPrice);
  EXPECT_EQ(bar->low_e9, 10 * kPrice);
}

TEST(BarEngine, VolumeWithoutAPriceMakesABarWithNullPrices) {
  Desk desk = quiet_desk();
  desk.trade(kStock, 10'000, 10'010, {.price = 10, .volume = 7, .codes = "3"});
  const auto bar = desk.bar(kStock, Interval::k1s, 10'000);
  ASSERT_TRUE(bar.has_value());
  EXPECT_EQ(bar->open_e9(), std::nullopt);
  EXPECT_EQ(bar->close_e9(), std::nullopt);
  EXPECT_FALSE(bar->has_high_low);
  EXPECT_EQ(bar->volume_e8, 7 * kVolume);
  EXPECT_EQ(bar->vwap_volume_e8, 0);
}

// ---- Closing -------------------------------------------------------------------------------------------------------

TEST(BarEngine, BarIsFinalWhenTheClockReachesItsEndAndTheDelay) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(12'999);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kProvisional);
  desk.heartbeat(13'000);
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->state, BarState::kFinal);
  EXPECT_EQ(bar->closed_at_ns, at_ms(13'000) * kNsPerMs);
  EXPECT_EQ(desk.revisions(kCoin, Interval::k1s, 10'000).size(), 1U);
}

TEST(BarEngine, LagDelaysClosing) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(11'000, {{"crypto", 3'000}});
  desk.heartbeat(15'999);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kProvisional);
  desk.heartbeat(16'000);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kFinal);
}

TEST(BarEngine, SmallerLagClosesAtOnceWhatItNoLongerHolds) {
  Desk desk = quiet_desk();
  desk.heartbeat(10'000, {{"crypto", 60'000}});
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(20'000);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kProvisional);
  desk.heartbeat(20'000, {{"crypto", 100}});
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kFinal);
}

TEST(BarEngine, ClosingWaitsAnHourWhileTheLagIsUnknown) {
  Desk desk;
  desk.session(0);
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(kMsPerHour);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kProvisional);
  desk.heartbeat(kMsPerHour + 13'000);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kFinal);
}

TEST(BarEngine, ShorterDelayOfANewPolicyClosesAtOnce) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(12'000);
  desk.policy(12'000, crypto_policy(500));
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kFinal);
}

TEST(BarEngine, TradeThatClosesAWindowStillCountsInItsOwn) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510, {.price = 10});
  // Its receipt closes [10, 11), and it belongs there too.
  desk.trade(kCoin, 10'700, 13'500, {.price = 11});
  desk.heartbeat(20'000);
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->trades, 2);
  EXPECT_EQ(bar->close_e9(), 11 * kPrice);
  EXPECT_EQ(bar->revision, 1);
}

TEST(BarEngine, EndClosesWhatIsOverAndLeavesTheRestProvisional) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.end(11'000);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kFinal);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1m, 0)->state, BarState::kProvisional);
}

TEST(BarEngine, EndFlushesGatheredRevisions) {
  Desk desk = quiet_desk();
  desk.policy(0, crypto_policy(60'000));
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(80'000);
  desk.trade(kCoin, 10'600, 80'100);
  desk.end(81'000);
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->state, BarState::kRevised);
  EXPECT_EQ(bar->revision, 1);
}

// ---- Revisions -----------------------------------------------------------------------------------------------------

TEST(BarEngine, LateTradeRevisesAFinalBar) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510, {.price = 10});
  desk.heartbeat(14'000);
  desk.trade(kCoin, 10'900, 15'000, {.price = 12});
  desk.heartbeat(16'999);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->revision, 0);
  desk.heartbeat(17'000);
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->state, BarState::kRevised);
  EXPECT_EQ(bar->revision, 1);
  EXPECT_EQ(bar->reason, RevisionReason::kLate);
  const auto revisions = desk.revisions(kCoin, Interval::k1s, 10'000);
  ASSERT_EQ(revisions.size(), 2U);
  EXPECT_EQ(revisions[0].close_e9(), 10 * kPrice);
  EXPECT_EQ(revisions[1].close_e9(), 12 * kPrice);
}

TEST(BarEngine, LateTradesWithinTheDelayMakeOneRevision) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(14'000);
  desk.trade(kCoin, 10'600, 15'000);
  desk.trade(kCoin, 10'700, 15'500);
  desk.trade(kCoin, 10'800, 16'500);
  desk.heartbeat(30'000);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->revision, 1);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->trades, 4);
}

TEST(BarEngine, SuspectDoesNotReviseAFinalBar) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(14'000);
  desk.trade(kCoin, 10'600, 15'000, {.suspect = Suspect::kRepeatedRun});
  desk.heartbeat(30'000);
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->state, BarState::kFinal);
  EXPECT_EQ(bar->excluded, 1);
}

TEST(BarEngine, WindowFirstOpenedAfterItsBoundStartsRevised) {
  Desk desk = quiet_desk();
  desk.heartbeat(60'000);
  desk.trade(kCoin, 10'500, 60'100);
  auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->state, BarState::kRevised);
  EXPECT_EQ(bar->revision, 0);
  desk.heartbeat(62'100);
  bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_EQ(bar->revision, 1);
  EXPECT_EQ(bar->reason, RevisionReason::kLate);
}

TEST(BarEngine, LateSecondOfAnOpenMinuteIsOneRevisionEvenWithoutADelay) {
  Desk desk = quiet_desk();
  desk.policy(0, crypto_policy(0));
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(14'000);
  desk.trade(kCoin, 11'500, 15'000);
  desk.heartbeat(16'000);
  const auto revisions = desk.revisions(kCoin, Interval::k1s, 11'000);
  ASSERT_EQ(revisions.size(), 1U);
  EXPECT_EQ(revisions[0].revision, 1);
  EXPECT_EQ(revisions[0].trades, 1);
}

TEST(BarEngine, BackfillMarksTheBarAndIsTheRevisionsReason) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(14'000);
  desk.trade(kCoin, 10'600, 15'000, {.writer = Writer::kBackfill});
  desk.heartbeat(30'000);
  const auto bar = desk.bar(kCoin, Interval::k1s, 10'000);
  EXPECT_TRUE(bar->backfilled);
  EXPECT_EQ(bar->reason, RevisionReason::kBackfill);
}

TEST(BarEngine, BackfillDoesNotMoveTheClock) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.trade(kCoin, 10'600, 500'000, {.writer = Writer::kBackfill});
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kProvisional);
}

// ---- Sessions ------------------------------------------------------------------------------------------------------

TEST(BarEngine, NewSessionSetsTheClockBackAndFinalsStay) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.heartbeat(60'000);
  desk.session(20'000);
  EXPECT_EQ(desk.engine().clock_ns(), at_ms(20'000) * kNsPerMs);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->state, BarState::kFinal);
  desk.trade(kCoin, 20'500, 20'510);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 20'000)->state, BarState::kProvisional);
}

TEST(BarEngine, RepeatedSessionLeavesTheClock) {
  Desk desk = quiet_desk();
  desk.heartbeat(60'000);
  desk.session(20'000, std::nullopt, false);
  EXPECT_EQ(desk.engine().clock_ns(), at_ms(60'000) * kNsPerMs);
}

}  // namespace
}  // namespace finpipe
