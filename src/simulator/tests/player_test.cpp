#include "simulator/player.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::int64_t kStart = 1'800'000'000'000'000'000;
constexpr std::int64_t kStartMs = 1'723'161'255'000;

// Four frames 10 ms apart, whose trades happened as they were received; a loop takes 40 ms.
std::shared_ptr<const LoopedTape> tape() {
  std::string text;
  for (std::int64_t i = 0; i < 4; ++i) {
    text += std::to_string((kStartMs + 10 * i) * kNsPerMs) + R"( {"data":[{"p":)" + std::to_string(i) +
            R"(,"s":"A","t":)" + std::to_string(kStartMs + 10 * i) + R"(,"v":1}],"type":"trade"})" + "\n";
  }
  return *LoopedTape::parse(text);
}

class Played {
 public:
  Played(PlayOptions options, std::int64_t now_ns = kStart) : player(tape(), options, kStart, now_ns) {}

  // "p@t" of each trade that is played; t in ms from `zero_ms`.
  std::vector<std::string> until(std::int64_t now_ns, std::int64_t zero_ms, std::size_t max_frames = 100) {
    std::vector<std::string> played;
    more = player.play(now_ns, max_frames, [&](const LoopedTape::Rendered& frame) {
      const std::string& text = frame.text;
      const std::size_t p = text.find("\"p\":") + 4;
      const std::size_t t = text.find("\"t\":") + 4;
      played.push_back(text.substr(p, 1) + "@" + std::to_string(std::stoll(text.substr(t)) - zero_ms));
    });
    return played;
  }

  TapePlayer player;
  bool more = false;
};
using Frames = std::vector<std::string>;
constexpr std::int64_t at(std::int64_t ms) { return kStart + ms * kNsPerMs; }

TEST(TapePlayer, FramesComeWhenTheyAreDueAndTheTapeEnds) {
  Played played({});
  EXPECT_EQ(played.player.next_due_ns(), at(0));
  EXPECT_EQ(played.until(at(-1), kStartMs), Frames{});
  EXPECT_EQ(played.until(at(10), kStartMs), (Frames{"0@0", "1@10"}));
  EXPECT_EQ(played.until(at(19), kStartMs), Frames{});
  EXPECT_EQ(played.player.next_due_ns(), at(20));
  EXPECT_FALSE(played.player.ended());
  EXPECT_EQ(played.until(at(500), kStartMs), (Frames{"2@20", "3@30"}));
  EXPECT_TRUE(played.player.ended());
  EXPECT_EQ(played.player.next_due_ns(), std::nullopt);
  EXPECT_EQ(played.until(at(1'000), kStartMs), Frames{});
}

TEST(TapePlayer, LoopsGoOnWithLaterTimes) {
  Played played({.loop = true});
  EXPECT_EQ(played.until(at(85), kStartMs),
            (Frames{"0@0", "1@10", "2@20", "3@30", "0@40", "1@50", "2@60", "3@70", "0@80"}));
  EXPECT_EQ(played.player.next_due_ns(), at(90));
}

TEST(TapePlayer, RebasedTradesHappenWhenTheyAreDelivered) {
  Played played({.loop = true, .rebase = true});
  EXPECT_EQ(played.until(at(45), kStart / kNsPerMs), (Frames{"0@0", "1@10", "2@20", "3@30", "0@40"}));
}

TEST(TapePlayer, ScaledPlayIsFasterAndNeverInTheFuture) {
  Played fast({.speed = 10, .loop = true, .rebase = true});
  EXPECT_EQ(fast.until(at(4), kStart / kNsPerMs), (Frames{"0@0", "1@1", "2@2", "3@3", "0@4"}));
  Played recorded({.speed = 10, .loop = true});
  EXPECT_EQ(recorded.until(at(4), kStartMs), (Frames{"0@0", "1@10", "2@20", "3@30", "0@40"}));
}

TEST(TapePlayer, FullSpeedGivesAsManyAsAreAskedFor) {
  Played played({.speed = 0});
  EXPECT_EQ(played.until(at(0), kStartMs, 3), (Frames{"0@0", "1@10", "2@20"}));
  EXPECT_TRUE(played.more);
  EXPECT_EQ(played.until(at(0), kStartMs, 3), (Frames{"3@30"}));
  EXPECT_FALSE(played.more);
  EXPECT_TRUE(played.player.ended());
}

TEST(TapePlayer, ALoopedTapeThatBeganEarlierGoesOnWhereItWouldBe) {
  Played played({.loop = true}, at(4'015));
  EXPECT_EQ(played.until(at(4'035), kStartMs), (Frames{"2@4020", "3@4030"}));
}

TEST(TapePlayer, WhatIsFarTooLateIsPassedOver) {
  Played played({.loop = true});
  EXPECT_EQ(played.until(at(0), kStartMs), (Frames{"0@0"}));
  const std::int64_t hour = kMsPerHour;
  EXPECT_EQ(played.until(at(hour), kStartMs), (Frames{"0@3600000"}));
  EXPECT_EQ(played.player.skipped_frames(), 4 * 90'000 - 1);
  Played once({});
  EXPECT_EQ(once.until(at(hour), kStartMs), Frames{});
  EXPECT_TRUE(once.player.ended());
  EXPECT_EQ(once.player.skipped_frames(), 4);
}

}  // namespace
}  // namespace finpipe
