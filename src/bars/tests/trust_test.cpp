#include "bars/trust.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

const Calendar kAlways;

TEST(TrustBook, NobodyIsSubscribedInTheBeginning) {
  const TrustBook book;
  EXPECT_TRUE(book.partial("A", {0, 10}));
}

TEST(TrustBook, SubscribingToAllCoversEverySymbol) {
  TrustBook book;
  const auto absence = book.subscribed("", 5);
  ASSERT_TRUE(absence.has_value());
  EXPECT_EQ(absence->span, (TimeSpan{kBeginningOfTime, 5}));
  EXPECT_TRUE(book.partial("A", {0, 10}));
  EXPECT_FALSE(book.partial("A", {5, 10}));
}

TEST(TrustBook, RepeatedSubscriptionSaysNothingNew) {
  TrustBook book;
  (void)book.subscribed("", 5);
  EXPECT_EQ(book.subscribed("", 100), std::nullopt);
  EXPECT_FALSE(book.partial("A", {90, 110}));
}

TEST(TrustBook, ASymbolIsThereWhileEitherSubscriptionIs) {
  TrustBook book;
  (void)book.subscribed("", 0);
  (void)book.subscribed("A", 50);
  book.unsubscribed("", 60);
  EXPECT_FALSE(book.partial("A", {40, 80}));
  EXPECT_TRUE(book.partial("B", {40, 80}));
  book.unsubscribed("A", 70);
  EXPECT_TRUE(book.partial("A", {40, 80}));
}

TEST(TrustBook, EndOfASubscriptionThatNeverBeganIsNotItsBeginning) {
  TrustBook book;
  (void)book.subscribed("", 50);
  book.unsubscribed("A", 60);
  EXPECT_TRUE(book.partial("A", {40, 55})) << "nobody was subscribed before 50";
  EXPECT_FALSE(book.partial("A", {50, 100}));
}

TEST(TrustBook, MissingTimeIsTheUnionOfGapsLessWhatWasFilled) {
  TrustBook book;
  book.add({TrustSpan::Kind::kGap, "", {10, 30}});
  book.add({TrustSpan::Kind::kGap, "A", {20, 40}});
  book.add({TrustSpan::Kind::kGap, "A", {60, 65}});
  book.add({TrustSpan::Kind::kFilled, "A", {25, 62}});
  EXPECT_EQ(book.missing_ms("A", {0, 100}, kAlways, false), 15 + 3);
  EXPECT_EQ(book.missing_ms("B", {0, 100}, kAlways, false), 20);
  EXPECT_EQ(book.missing_ms("A", {12, 20}, kAlways, false), 8);
}

TEST(TrustBook, SilenceCountsOnlyWhenAskedFor) {
  TrustBook book;
  book.silent_since(50);
  book.silent_since(70);
  EXPECT_EQ(book.missing_ms("A", {0, 100}, kAlways, false), 0);
  EXPECT_EQ(book.missing_ms("A", {0, 100}, kAlways, true), 50);
  book.end_silence();
  EXPECT_EQ(book.missing_ms("A", {0, 100}, kAlways, true), 0);
}

TEST(TrustBook, OnlySessionTimeIsMissing) {
  const TradingDay day{0, {0, kMsPerDay}, {100, 200}, {100, 200}, 0};
  const Calendar calendar({day});
  TrustBook book;
  book.add({TrustSpan::Kind::kGap, "", {50, 150}});
  EXPECT_EQ(book.missing_ms("A", {0, 1'000}, calendar, false), 50);
}

TEST(TrustBook, AnotherBookGoesOnFromSpansAndOpenEnds) {
  TrustBook book;
  std::vector<TrustSpan> spans;
  if (auto absence = book.subscribed("", 5)) spans.push_back(*absence);
  book.unsubscribed("", 50);
  book.silent_since(70);
  TrustBook next;
  for (const TrustSpan& span : spans) next.add(span);
  next.restore(book.open());
  EXPECT_FALSE(next.partial("A", {5, 50}));
  EXPECT_TRUE(next.partial("A", {5, 51}));
  EXPECT_EQ(next.missing_ms("A", {0, 100}, kAlways, true), 30);
}

}  // namespace
}  // namespace finpipe
