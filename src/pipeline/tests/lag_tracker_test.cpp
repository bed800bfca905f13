#include "pipeline/lag_tracker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"
#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::int64_t kNowNs = 1'700'000'000'000'000'000;
constexpr std::int64_t kNowMs = kNowNs / kNsPerMs;
constexpr std::int64_t kFiveMinutesNs = 300 * kNsPerSecond;

TEST(LagTracker, KnowsNothingWithoutSamples) {
  LagTracker tracker;
  EXPECT_EQ(tracker.p99_ms(kNowNs), std::nullopt);
}

TEST(LagTracker, IsTheLargestOfUpToOneHundredSamplesAndTheSecondLargestOfMore) {
  LagTracker tracker;
  for (std::int64_t lag = 1; lag <= 99; ++lag) tracker.add(kNowNs, kNowMs - lag);
  EXPECT_EQ(tracker.p99_ms(kNowNs), 99);
  tracker.add(kNowNs, kNowMs - 100);
  EXPECT_EQ(tracker.p99_ms(kNowNs), 99);  // rank 99 of 100
  tracker.add(kNowNs, kNowMs - 101);
  EXPECT_EQ(tracker.p99_ms(kNowNs), 100);  // rank 100 of 101
}

TEST(LagTracker, MayBeNegativeAndRoundsTheReceiptDown) {
  LagTracker tracker;
  tracker.add(kNowNs + 999'999, kNowMs + 1'270);
  EXPECT_EQ(tracker.p99_ms(kNowNs + 999'999), -1'270);
}

TEST(LagTracker, IsClampedToOneHourEitherWay) {
  LagTracker early;
  early.add(kNowNs, kNowMs + 10 * kMsPerHour);
  EXPECT_EQ(early.p99_ms(kNowNs), -kMsPerHour);
  LagTracker late;
  late.add(kNowNs, kNowMs - 10 * kMsPerHour);
  EXPECT_EQ(late.p99_ms(kNowNs), kMsPerHour);
}

TEST(LagTracker, ForgetsASampleAfterFiveMinutes) {
  LagTracker tracker;
  tracker.add(kNowNs, kNowMs - 5);
  EXPECT_EQ(tracker.p99_ms(kNowNs + kFiveMinutesNs - 1), 5);
  EXPECT_EQ(tracker.p99_ms(kNowNs + kFiveMinutesNs), std::nullopt);
}

TEST(LagTracker, AgreesWithSortingOnRandomSamples) {
  struct Sample {
    std::int64_t received_at_ns;
    std::int64_t lag_ms;
  };
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Random random(seed);
    LagTracker tracker;
    std::vector<Sample> samples;
    std::int64_t now_ns = kNowNs;
    const std::int64_t spread_ms = random.chance(0.3) ? 2 * kMsPerHour : random.between(1, 5'000);
    for (int i = 0; i < 2'000; ++i) {
      now_ns += random.between(0, 600 * kNsPerMs);
      const std::int64_t event_ms = floor_div(now_ns, kNsPerMs) + random.between(-spread_ms, spread_ms);
      tracker.add(now_ns, event_ms);
      samples.push_back({now_ns, std::clamp(floor_div(now_ns, kNsPerMs) - event_ms, -kMsPerHour, kMsPerHour)});
      if (!random.chance(0.05)) continue;
      std::vector<std::int64_t> lags;
      for (const Sample& sample : samples) {
        if (sample.received_at_ns > now_ns - kFiveMinutesNs) lags.push_back(sample.lag_ms);
      }
      std::ranges::sort(lags);
      for (const std::size_t percent : {1U, 50U, 99U, 100U}) {
        ASSERT_EQ(tracker.percentile_ms(percent, now_ns), lags[(lags.size() * percent + 99) / 100 - 1])
            << "seed " << seed << ", sample " << i << ", p" << percent;
      }
    }
  }
}

}  // namespace
}  // namespace finpipe
