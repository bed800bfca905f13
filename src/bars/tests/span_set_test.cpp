#include "bars/span_set.h"

#include <gtest/gtest.h>

#include <bitset>

#include "base/random.h"

namespace finpipe {
namespace {

constexpr std::size_t kMoments = 64;
using Moments = std::bitset<kMoments>;

Moments moments_of(const SpanSet& set) {
  Moments moments;
  for (const TimeSpan& span : set.spans()) {
    for (std::int64_t at = span.from_ms; at < span.to_ms; ++at) moments.set(static_cast<std::size_t>(at));
  }
  return moments;
}

TimeSpan random_span(Random& random) {
  const std::int64_t from = random.between(0, kMoments - 1);
  return {from, std::min<std::int64_t>(kMoments, from + random.between(-2, 12))};
}

// Sorted, none empty, and none touches the next.
bool is_merged(const SpanSet& set) {
  const auto spans = set.spans();
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (spans[i].from_ms >= spans[i].to_ms) return false;
    if (i > 0 && spans[i - 1].to_ms >= spans[i].from_ms) return false;
  }
  return true;
}

TEST(SpanSet, EqualsASetOfMomentsWhateverIsDone) {
  Random random(7);
  for (int round = 0; round < 2'000; ++round) {
    SpanSet a, b;
    Moments a_moments, b_moments;
    for (std::int64_t i = random.between(0, 8); i > 0; --i) {
      for (auto* each : {&a, &b}) {
        const TimeSpan span = random_span(random);
        each->add(span);
        for (std::int64_t at = span.from_ms; at < span.to_ms; ++at) {
          (each == &a ? a_moments : b_moments).set(static_cast<std::size_t>(at));
        }
      }
    }
    ASSERT_TRUE(is_merged(a));
    ASSERT_EQ(moments_of(a), a_moments);
    ASSERT_EQ(a.empty(), a_moments.none());
    ASSERT_EQ(moments_of(a.minus(b)), a_moments & ~b_moments);
    ASSERT_TRUE(is_merged(a.minus(b)));
    ASSERT_EQ(a.overlaps(b), (a_moments & b_moments).any());
    const TimeSpan window = random_span(random);
    Moments inside;
    for (std::int64_t at = window.from_ms; at < window.to_ms; ++at) inside.set(static_cast<std::size_t>(at));
    ASSERT_EQ(moments_of(a.clipped(window)), a_moments & inside);
  }
}

}  // namespace
}  // namespace finpipe
