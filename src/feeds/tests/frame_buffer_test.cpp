#include "feeds/frame_buffer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "codec/finnhub_frame.h"

namespace finpipe {
namespace {

constexpr std::size_t kEveryFrame = 1'000'000;

FeedEvent event(std::string detail) {
  FeedEvent made;
  made.kind = FeedEvent::Kind::kSubscribed;
  made.detail = std::move(detail);
  return made;
}

TEST(FrameBuffer, FramesComeOutInOrderWithStampsAndRunningNumbers) {
  FrameBuffer buffer;
  buffer.add_frame("one", 100);
  buffer.add_frame("", 101);
  buffer.add_frame("three", 102);
  FeedBatch batch = buffer.take(2, 999);
  ASSERT_EQ(batch.frames.size(), 2);
  EXPECT_EQ(batch.frames[0].bytes, "one");
  EXPECT_EQ(batch.frames[0].received_ns, 100);
  EXPECT_EQ(batch.frames[0].position, 1);
  EXPECT_EQ(batch.frames[1].bytes, "");
  EXPECT_EQ(batch.frames[1].position, 2);
  EXPECT_EQ(batch.now_ns, 102) << "what was received at 102 is still to come";
  batch = buffer.take(2, 999);
  ASSERT_EQ(batch.frames.size(), 1);
  EXPECT_EQ(batch.frames[0].bytes, "three");
  EXPECT_EQ(batch.frames[0].position, 3);
  EXPECT_EQ(batch.now_ns, 999);
  EXPECT_TRUE(buffer.empty());
}

TEST(FrameBuffer, AnEventStaysBetweenItsFrames) {
  FrameBuffer buffer;
  buffer.add_event(event("first"));
  buffer.add_frame("1", 1);
  buffer.add_frame("2", 2);
  buffer.add_event(event("after 2"));
  buffer.add_frame("3", 3);
  buffer.add_event(event("last"));
  EXPECT_FALSE(buffer.empty());

  FeedBatch batch = buffer.take(1, 9);
  ASSERT_EQ(batch.events.size(), 1);
  EXPECT_EQ(batch.events[0].detail, "first");
  EXPECT_EQ(batch.events[0].before, 0);
  batch = buffer.take(1, 9);
  ASSERT_EQ(batch.events.size(), 1);
  EXPECT_EQ(batch.events[0].detail, "after 2");
  EXPECT_EQ(batch.events[0].before, 1);
  batch = buffer.take(0, 9);
  EXPECT_TRUE(batch.events.empty());
  batch = buffer.take(5, 9);
  ASSERT_EQ(batch.events.size(), 1);
  EXPECT_EQ(batch.events[0].detail, "last");
  EXPECT_EQ(batch.events[0].before, 1);
  EXPECT_TRUE(buffer.empty());
}

TEST(FrameBuffer, AFrameThatIsTooLargeIsKeptAsItsBeginning) {
  FrameBuffer buffer;
  buffer.add_frame(std::string(kMaxFrameBytes, 'a'), 1);
  buffer.add_frame(std::string(kMaxFrameBytes + 1, 'b'), 2);
  const FeedBatch batch = buffer.take(kEveryFrame, 9);
  ASSERT_EQ(batch.frames.size(), 2);
  EXPECT_EQ(batch.frames[0].damage, std::nullopt);
  EXPECT_EQ(batch.frames[0].bytes.size(), kMaxFrameBytes);
  EXPECT_EQ(batch.frames[1].damage, ErrorCode::kFrameTooLarge);
  EXPECT_EQ(batch.frames[1].bytes, std::string(std::size_t{64} << 10, 'b'));
}

TEST(FrameBuffer, WhatFramesCostBesidesTheirTextCounts) {
  FrameBuffer buffer;
  for (int i = 0; i < 1'000; ++i) buffer.add_frame("", i);
  EXPECT_GE(buffer.bytes(), 1'000 * 40);
  (void)buffer.take(kEveryFrame, 9);
  EXPECT_EQ(buffer.bytes(), 0);
}

TEST(FrameBuffer, ItsMemoryIsUsedAgainAlsoWhenSomethingAlwaysWaits) {
  constexpr std::size_t kFrame = 1'000;
  FrameBuffer buffer;
  for (int i = 0; i < 10; ++i) buffer.add_frame(std::string(kFrame, 'x'), i);
  for (int i = 0; i < 1'000; ++i) {
    buffer.add_frame(std::string(kFrame, 'x'), i);
    ASSERT_EQ(buffer.take(1, 0).frames.size(), 1);
  }
  // Where the frames lie, once there is room for those that wait.
  const char* low = nullptr;
  const char* high = nullptr;
  for (int i = 0; i < 10'000; ++i) {
    buffer.add_frame(std::string(kFrame, 'x'), i);
    const char* const at = buffer.take(1, 0).frames.front().bytes.data();
    low = low == nullptr ? at : std::min(low, at);
    high = high == nullptr ? at : std::max(high, at);
  }
  EXPECT_LE(high - low, static_cast<std::ptrdiff_t>(30 * kFrame));
}

// Against a list of strings: whatever is added, taken and released, nothing is lost, changed or out of order.
TEST(FrameBuffer, ManySmallStepsGiveWhatWasAdded) {
  Random random(3);
  FrameBuffer buffer;
  std::vector<std::string> added;
  std::size_t taken = 0;
  for (int step = 0; step < 5'000; ++step) {
    for (std::uint64_t n = random.below(6); n > 0; --n) {
      added.push_back(fmt::format("{}:{}", added.size(), std::string(random.below(300), 'x')));
      buffer.add_frame(added.back(), static_cast<std::int64_t>(added.size()));
      if (random.chance(0.1)) buffer.add_event(event(fmt::format("{}", added.size())));
    }
    const FeedBatch batch = buffer.take(random.below(7), -1);
    for (const FeedEvent& told : batch.events) EXPECT_EQ(told.detail, fmt::format("{}", taken + told.before));
    for (const FeedFrame& frame : batch.frames) {
      ASSERT_EQ(frame.bytes, added.at(taken));
      EXPECT_EQ(frame.position, static_cast<std::int64_t>(++taken));
    }
  }
  EXPECT_EQ(buffer.take(kEveryFrame, -1).frames.size(), added.size() - taken);
}

}  // namespace
}  // namespace finpipe
