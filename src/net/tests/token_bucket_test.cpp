#include "net/token_bucket.h"

#include <gtest/gtest.h>

namespace finpipe::net {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

TEST(TokenBucket, GivesABurstAndThenTheRate) {
  TokenBucket bucket(2, 3, 0);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(bucket.try_take(0)) << i;
  EXPECT_FALSE(bucket.try_take(0));
  EXPECT_FALSE(bucket.try_take(kSecond / 2 - 1'000));
  EXPECT_TRUE(bucket.try_take(kSecond / 2));
  EXPECT_FALSE(bucket.try_take(kSecond / 2));
}

TEST(TokenBucket, SavesNoMoreThanTheBurst) {
  TokenBucket bucket(10, 2, 0);
  EXPECT_TRUE(bucket.try_take(100 * kSecond));
  EXPECT_TRUE(bucket.try_take(100 * kSecond));
  EXPECT_FALSE(bucket.try_take(100 * kSecond));
}

TEST(TokenBucket, TheWaitItTellsIsEnough) {
  for (const double rate : {0.3, 1.0, 7.0, 30.0, 1'000.0}) {
    TokenBucket bucket(rate, 1, 0);
    std::int64_t now = 0;
    for (int i = 0; i < 100; ++i) {
      now += bucket.wait_ns(now);
      ASSERT_TRUE(bucket.try_take(now)) << rate << " " << i;
      EXPECT_GT(bucket.wait_ns(now), 0);
    }
    EXPECT_NEAR(static_cast<double>(now), 99 / rate * 1e9, 1'000);
  }
}

TEST(TokenBucket, NothingIsGivenBeforeARetryAfter) {
  TokenBucket bucket(10, 5, 0);
  bucket.block_until(3 * kSecond);
  bucket.block_until(kSecond);  // the later one counts
  EXPECT_EQ(bucket.wait_ns(kSecond), 2 * kSecond);
  EXPECT_FALSE(bucket.try_take(3 * kSecond - 1));
  EXPECT_TRUE(bucket.try_take(3 * kSecond));
}

TEST(TokenBucket, AClockThatGoesBackGivesNothingTwice) {
  TokenBucket bucket(1, 1, 10 * kSecond);
  EXPECT_TRUE(bucket.try_take(10 * kSecond));
  EXPECT_FALSE(bucket.try_take(5 * kSecond));
  EXPECT_EQ(bucket.wait_ns(5 * kSecond), 6 * kSecond);
  EXPECT_TRUE(bucket.try_take(11 * kSecond));
}

}  // namespace
}  // namespace finpipe::net
