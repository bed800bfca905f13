// What a bar says of interruptions: missing_ms, partial, and the revisions that they cause.
#include <gtest/gtest.h>

#include "bars/engine.h"
#include "bars/tests/desk.h"

namespace finpipe {
namespace {

TEST(BarEngineTrust, UndisturbedBarHasNoFlag) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 70'500, 70'510);
  const auto bar = desk.bar(kCoin, Interval::k1s, 70'000);
  EXPECT_FALSE(bar->gap() || bar->partial || bar->backfilled);
}

TEST(BarEngineTrust, GapMarksTheOpenBarsItOverlaps) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.gap(10'600, 9'000, 10'400);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->missing_ms, 400);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1m, 0)->missing_ms, 1'400);
}

TEST(BarEngineTrust, GapsOfAllAndOfOneSymbolAreOneUnion) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 30'500, 30'510);
  desk.gap(40'000, 10'000, 20'000);
  desk.gap(40'000, 15'000, 25'000, std::string(kCoin));
  desk.gap(40'000, 40'000, 41'000, std::string(kCoin));
  desk.gap(40'000, 50'000, 60'000, std::string(kStock));
  EXPECT_EQ(desk.bar(kCoin, Interval::k1m, 0)->missing_ms, 16'000);
}

TEST(BarEngineTrust, FilledClearsTheGapOfItsSymbolOnly) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'500, 10'510);
  desk.trade(kStock, 10'500, 10'510);
  desk.gap(10'600, 5'000, 10'000);
  desk.filled(10'700, std::string(kCoin), 5'000, 10'000);
  EXPECT_FALSE(desk.bar(kCoin, Interval::k1m, 0)->gap());
  EXPECT_EQ(desk.bar(kStock, Interval::k1m, 0)->missing_ms, 5'000);
}

TEST(BarEngineTrust, OpenSilenceCountsInABarThatClosesDuringIt) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'100, 10'110);
  desk.silence(10'600, 10'300);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->missing_ms, 0);
  desk.heartbeat(14'000);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->missing_ms, 700);
}

TEST(BarEngineTrust, OpenSilenceCountsInABarThatIsOpenedLate) {
  Desk desk = quiet_desk();
  desk.silence(60'000, 10'300);
  desk.trade(kCoin, 10'100, 60'500);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->missing_ms, 700);
}

TEST(BarEngineTrust, GapStatesExactlyWhatTheSilenceWas) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'100, 10'110);
  desk.trade(kCoin, 11'100, 11'110);
  desk.silence(11'200, 10'300);
  desk.heartbeat(30'000);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 11'000)->missing_ms, 1'000);
  desk.gap(31'000, 10'300, 10'900);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->missing_ms, 600);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 11'000)->missing_ms, 0) << "the gap ended before it";
  desk.heartbeat(40'000);
  EXPECT_EQ(desk.revisions(kCoin, Interval::k1s, 11'000).back().reason, RevisionReason::kGap);
}

TEST(BarEngineTrust, SessionAfterSilenceOpensTheGapBeforeItsClockCloses) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 10'100, 10'110);
  desk.session(60'000, 10'500);
  EXPECT_EQ(desk.bar(kCoin, Interval::k1s, 10'000)->missing_ms, 500);
}

TEST(BarEngineTrust, BarInWhichTheSubscriptionBeganIsPartial) {
  Desk desk;
  desk.session(0);
  desk.subscribed(10'500);
  desk.trade(kCoin, 10'700, 10'710);
  desk.trade(kCoin, 11'700, 11'710);
  EXPECT_TRUE(desk.bar(kCoin, Interval::k1s, 10'000)->partial);
  EXPECT_TRUE(desk.bar(kCoin, Interval::k1m, 0)->partial);
  EXPECT_FALSE(desk.bar(kCoin, Interval::k1s, 11'000)->partial);
}

TEST(BarEngineTrust, BarBeforeAnyControlRecordIsPartial) {
  Desk desk;
  desk.trade(kCoin, 10'700, 10'710);
  EXPECT_TRUE(desk.bar(kCoin, Interval::k1s, 10'000)->partial);
}

TEST(BarEngineTrust, BarInWhichTheSubscriptionEndedIsPartial) {
  Desk desk = quiet_desk();
  desk.trade(kCoin, 70'100, 70'110);
  EXPECT_FALSE(desk.bar(kCoin, Interval::k1m, 60'000)->partial);
  desk.unsubscribed(70'500);
  EXPECT_TRUE(desk.bar(kCoin, Interval::k1m, 60'000)->partial);
}

TEST(BarEngineTrust, OneSymbolsSubscriptionIsItsOwn) {
  Desk desk;
  desk.session(0);
  desk.subscribed(0, {std::string(kCoin)});
  desk.trade(kCoin, 70'100, 70'110);
  desk.trade(kStock, 70'100, 70'110);
  EXPECT_FALSE(desk.bar(kCoin, Interval::k1m, 60'000)->partial);
  EXPECT_TRUE(desk.bar(kStock, Interval::k1m, 60'000)->partial);
}

}  // namespace
}  // namespace finpipe
