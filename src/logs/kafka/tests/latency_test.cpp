#include "logs/kafka/latency.h"

#include <gtest/gtest.h>

namespace finpipe::kafka {
namespace {

TEST(KafkaLatency, PercentilesAreWithinAFifthOfWhatWasAdded) {
  for (const std::int64_t us : {5LL, 100LL, 1'000LL, 123'456LL, 3'600'000'000LL}) {
    Latency latency;
    for (int i = 0; i < 98; ++i) latency.add(us);
    for (int i = 0; i < 2; ++i) latency.add(us * 10);
    latency.roll(Latency::kPeriodNs);
    EXPECT_GE(latency.p50_us(), us);
    EXPECT_LE(latency.p50_us(), us + us / 5 + 1);
    EXPECT_GE(latency.p99_us(), us * 10);
    EXPECT_LE(latency.p99_us(), us * 12 + 1);
  }
}

TEST(KafkaLatency, APeriodForgetsTheOneBefore) {
  Latency latency;
  latency.add(1'000'000);
  latency.roll(Latency::kPeriodNs);
  latency.add(100);
  latency.roll(Latency::kPeriodNs + 1);
  EXPECT_GE(latency.p99_us(), 1'000'000) << "not over yet";
  latency.roll(2 * Latency::kPeriodNs);
  EXPECT_LE(latency.p99_us(), 200);
}

}  // namespace
}  // namespace finpipe::kafka
