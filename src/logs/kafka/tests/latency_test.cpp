#include "logs/kafka/latency.h"

#include <gtest/gtest.h>

namespace finpipe::kafka {
namespace {

constexpr std::int64_t kBegin = 100 * Latency::kPeriodNs;
constexpr std::int64_t kEnd = kBegin + Latency::kPeriodNs;

TEST(KafkaLatency, PercentilesAreWithinAFifthOfWhatWasAdded) {
  for (const std::int64_t us : {5LL, 100LL, 1'000LL, 123'456LL, 3'600'000'000LL}) {
    Latency latency;
    for (int i = 0; i < 98; ++i) latency.add(us);
    for (int i = 0; i < 2; ++i) latency.add(us * 10);
    latency.roll(kBegin);
    EXPECT_EQ(latency.p99_us(kBegin), 0) << "not over yet";
    latency.roll(kEnd);
    EXPECT_GE(latency.p50_us(kEnd), us);
    EXPECT_LE(latency.p50_us(kEnd), us + us / 5 + 1);
    EXPECT_GE(latency.p99_us(kEnd), us * 10);
    EXPECT_LE(latency.p99_us(kEnd), us * 12 + 1);
  }
}

TEST(KafkaLatency, APeriodForgetsTheOneBefore) {
  Latency latency;
  latency.add(1'000'000);
  latency.roll(kBegin);
  latency.roll(kEnd);
  latency.add(100);
  latency.roll(kEnd + 1);
  EXPECT_GE(latency.p99_us(kEnd + 1), 1'000'000) << "not over yet";
  latency.roll(kEnd + 1 + Latency::kPeriodNs);
  EXPECT_LE(latency.p99_us(kEnd + 1 + Latency::kPeriodNs), 200);
}

TEST(KafkaLatency, WhatIsLongOverIsNotTold) {
  Latency latency;
  latency.add(1'000'000);
  latency.roll(kBegin);
  latency.roll(kEnd);
  EXPECT_GE(latency.p99_us(kEnd + 3 * Latency::kPeriodNs), 1'000'000);
  EXPECT_EQ(latency.p99_us(kEnd + 3 * Latency::kPeriodNs + 1), 0);
  EXPECT_EQ(latency.p50_us(kEnd + 3 * Latency::kPeriodNs + 1), 0);
}

}  // namespace
}  // namespace finpipe::kafka
