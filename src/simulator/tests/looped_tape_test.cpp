#include "simulator/looped_tape.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/time.h"
#include "codec/finnhub_frame.h"
#include "codec/tape_line.h"
#include "simulator/player.h"
#include "simulator/rebased_history.h"

namespace finpipe {
namespace {

constexpr std::int64_t kT = 1'723'161'255'000;  // ms
const std::string kPing = R"({"type":"ping"})";

std::string trade(std::string_view symbol, std::int64_t time_ms, std::string_view price = "1.5") {
  return R"({"c":null,"p":)" + std::string(price) + R"(,"s":")" + std::string(symbol) + R"(","t":)" +
         std::to_string(time_ms) + R"(,"v":2})";
}
std::string frame(const std::string& trades) { return R"({"data":[)" + trades + R"(],"type":"trade"})"; }
std::string line(std::int64_t received_ms, const std::string& text) {
  return std::to_string(received_ms * kNsPerMs) + " " + text + "\n";
}
std::shared_ptr<const LoopedTape> tape_of(std::string text) {
  auto tape = LoopedTape::parse(std::move(text));
  EXPECT_TRUE(tape);
  return *tape;
}
std::string rendered(const LoopedTape& tape, std::size_t index, std::int64_t shift_ms) {
  LoopedTape::Rendered out;
  tape.render(index, shift_ms, out);
  return out.text;
}
const std::string kBundled = std::string(FINPIPE_SOURCE_DIR) + "/data/binance.tape";

TEST(LoopedTape, OnlyTheNumberBehindTMoves) {
  const std::string tricky =
      R"({ "x":{"t":5,"data":[{"t":6}]}, "data" : [ {"s":"\"t\":1","n":{"t":7},"p":0.10,"v":1e2,"t" : )";
  const std::string tail = R"( , "c":["t","12"]},{"c":[],"p":2,"s":"B","t":999,"v":1}] , "type":"trade"})";
  const auto tape = tape_of(line(kT, tricky + std::to_string(kT) + tail));
  ASSERT_EQ(tape->trades(), 2);
  // The second trade is too old to be good: it goes along, and its time grows by a digit.
  std::string expected = tricky + std::to_string(kT + 5'000) + tail;
  expected.replace(expected.find("999"), 3, "5999");
  EXPECT_EQ(rendered(*tape, 0, 5'000), expected);
  EXPECT_EQ(rendered(*tape, 0, 0), tricky + std::to_string(kT) + tail);
}

TEST(LoopedTape, EachTradeComesWithItsSymbolAndItsOwnText) {
  const auto tape = tape_of(line(kT, frame(trade("A", kT) + "," + trade("IC MARKETS:1", kT - 3))));
  LoopedTape::Rendered out;
  tape->render(0, 10, out);
  ASSERT_EQ(out.trades.size(), 2);
  EXPECT_EQ(out.trades[0].symbol, "A");
  EXPECT_EQ(out.trades[0].json, trade("A", kT + 10));
  EXPECT_EQ(out.trades[1].symbol, "IC MARKETS:1");
  EXPECT_EQ(out.trades[1].json, trade("IC MARKETS:1", kT + 7));
}

TEST(LoopedTape, ATimeInAnotherNotationMovesToo) {
  const auto tape = tape_of(line(kT, frame(R"({"p":1,"s":"A","t":1.723161255e12,"v":1})")));
  EXPECT_EQ(rendered(*tape, 0, 7), frame(R"({"p":1,"s":"A","t":1723161255007,"v":1})"));
}

TEST(LoopedTape, ADamagedTradeKeepsItsPlaceBesideGoodOnes) {
  const auto tape = tape_of(line(kT, frame(trade("A", kT) + R"(,{"s":"B","t":"x"},{"p":1},)" + trade("C", kT))));
  LoopedTape::Rendered out;
  tape->render(0, 1, out);
  ASSERT_EQ(out.trades.size(), 4);
  EXPECT_EQ(out.trades[1].symbol, "B");
  EXPECT_EQ(out.trades[1].json, R"({"s":"B","t":"x"})");
  EXPECT_EQ(out.trades[2].symbol, "B");
  EXPECT_EQ(out.trades[3].json, trade("C", kT + 1));
}

TEST(LoopedTape, WhatIsNoTradeFramePassesThroughUnchanged) {
  const std::vector<std::string> texts{kPing,
                                       R"({"msg":"t","type":"error"})",
                                       R"({"data":[{"p":1,"s":"A","t":1723161255000)",
                                       R"({"data":[],"type":"trade"})",
                                       R"({"data":[{"p":NaN,"s":"A","t":1723161255000,"v":1}],"type":"trade"})",
                                       R"({"data":[5,{"t":1}],"type":"trade"})",
                                       "no json \xff"};
  std::string text;
  for (const std::string& each : texts) text += line(kT, each);
  const auto tape = tape_of(text);
  ASSERT_EQ(tape->frames(), texts.size());
  EXPECT_EQ(tape->trades(), 0);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(rendered(*tape, i, 1'000), texts[i]);
}

TEST(LoopedTape, LoopsFollowOneTypicalGapAfterTheEnd) {
  const auto tape = tape_of(line(kT, kPing) + line(kT + 10, kPing) + line(kT + 20, kPing) + line(kT + 1'000, kPing));
  EXPECT_EQ(tape->loop_ns(), 1'010 * kNsPerMs);
  EXPECT_EQ(tape->due_ns({0, 0}), 0);
  EXPECT_EQ(tape->due_ns({0, 3}), 1'000 * kNsPerMs);
  EXPECT_EQ(tape->next({0, 3}), (LoopedTape::Position{1, 0}));
  EXPECT_EQ(tape->due_ns({1, 0}), 1'010 * kNsPerMs);
  EXPECT_EQ(tape->due_ns({-1, 0}), -1'010 * kNsPerMs);
}

TEST(LoopedTape, LoopsOverlapNeitherInEventTime) {
  // Delivered within 10 ms, but a minute apart as events.
  const auto tape = tape_of(line(kT, frame(trade("A", kT - 60'000))) + line(kT + 10, frame(trade("A", kT))));
  EXPECT_GT(kT - 60'000 + tape->recorded_shift_ms({1, 0}), kT + tape->recorded_shift_ms({0, 1}));
  EXPECT_EQ(tape->recorded_shift_ms({1, 0}) * kNsPerMs, tape->loop_ns());
}

TEST(LoopedTape, ThePositionAtAnInstantIsTheFirstFrameDueThenOrLater) {
  const auto tape = tape_of(line(kT, kPing) + line(kT + 10, kPing) + line(kT + 20, kPing));  // a loop of 30 ms
  const auto at = [&](std::int64_t ns) { return tape->at(ns); };
  using Position = LoopedTape::Position;
  EXPECT_EQ(at(0), (Position{0, 0}));
  EXPECT_EQ(at(1), (Position{0, 1}));
  EXPECT_EQ(at(10 * kNsPerMs), (Position{0, 1}));
  EXPECT_EQ(at(20 * kNsPerMs + 1), (Position{1, 0}));
  EXPECT_EQ(at(30 * kNsPerMs), (Position{1, 0}));
  EXPECT_EQ(at(-1), (Position{0, 0}));
  EXPECT_EQ(at(-10 * kNsPerMs), (Position{-1, 2}));
  EXPECT_EQ(at(-30 * kNsPerMs), (Position{-1, 0}));
  EXPECT_EQ(at(-30 * kNsPerMs - 1), (Position{-1, 0}));
}

TEST(LoopedTape, LinesWithoutReceiveTimeAreTimedAsTapesAre) {
  const auto tape = tape_of(kPing + "\n" + frame(trade("A", kT)) + "\n" + kPing + "\r\n\n" + frame(trade("A", kT + 3)) +
                            "\n" + line(kT, kPing));
  ASSERT_EQ(tape->frames(), 5);
  EXPECT_EQ(tape->due_ns({0, 1}), 0);
  EXPECT_EQ(tape->due_ns({0, 2}), 1);
  EXPECT_EQ(tape->due_ns({0, 3}), 3 * kNsPerMs);
  EXPECT_EQ(tape->due_ns({0, 4}), 3 * kNsPerMs + 1);  // a step back is none
}

TEST(LoopedTape, RebasedTheSmallestDistanceFromDeliveryIsZero) {
  // Delivered 100 ms before they happened, by the recorder's clock, and 50 ms after.
  const auto tape = tape_of(line(kT, frame(trade("A", kT + 100))) + line(kT + 10, frame(trade("A", kT - 40))));
  constexpr std::int64_t kNow = 1'800'000'000'000'000'000;
  EXPECT_EQ(rendered(*tape, 0, tape->rebased_shift_ms({0, 0}, kNow)), frame(trade("A", kNow / kNsPerMs)));
  const std::int64_t second_ns = kNow + 10 * kNsPerMs;
  EXPECT_EQ(rendered(*tape, 1, tape->rebased_shift_ms({0, 1}, second_ns)),
            frame(trade("A", second_ns / kNsPerMs - 150)));
}

TEST(LoopedTape, AnEmptyTapeIsRefused) {
  for (const char* text : {"", "\n\n\r\n"}) {
    const auto tape = LoopedTape::parse(text);
    ASSERT_FALSE(tape);
    EXPECT_EQ(tape.error().code, ErrorCode::kBadSetting);
  }
}

TEST(LoopedTape, AFileThatCannotBePlayedIsNamed) {
  EXPECT_EQ(LoopedTape::read("/none/such.tape").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(LoopedTape::read("/").error().code, ErrorCode::kIo);
  const auto path = std::filesystem::temp_directory_path() / "finpipe-large.tape";
  std::ofstream(path).put('\n');
  std::filesystem::resize_file(path, LoopedTape::kMaxBytes + 1);  // a hole: takes no space
  const auto tape = LoopedTape::read(path);
  std::filesystem::remove(path);
  ASSERT_FALSE(tape);
  EXPECT_EQ(tape.error().code, ErrorCode::kBadSetting);
  EXPECT_NE(tape.error().detail.find("256 MiB"), std::string::npos) << tape.error().detail;
}

// What a reader of the frames sees, without the times.
struct Seen {
  std::int64_t trades = 0;
  std::map<std::string, std::int64_t> volume_e8;
  std::vector<std::int64_t> prices_e9;
};
void see(FrameParser& parser, std::string_view text, Seen& seen) {
  for (const Trade& each : parser.parse(text).trades) {
    ++seen.trades;
    seen.volume_e8[std::string(each.symbol)] += each.volume_e8;
    seen.prices_e9.push_back(each.price_e9);
  }
}

TEST(BundledTape, EachLoopHasAllItsTradesUnchangedAndNoneInTheFuture) {
  auto read = LoopedTape::read(kBundled);
  ASSERT_TRUE(read);
  const LoopedTape& tape = **read;
  EXPECT_EQ(tape.trades(), 34'419);
  FrameParser parser;
  Seen recorded;
  std::ifstream file(kBundled);
  for (std::string text; std::getline(file, text);) see(parser, read_tape_line(text).frame, recorded);
  ASSERT_EQ(recorded.trades, 34'419);

  constexpr std::int64_t kStart = 1'800'000'000'123'456'789;
  LoopedTape::Rendered out;
  std::int64_t newest_of_loop_ms = 0;
  for (LoopedTape::Position position{}; position.loop < 3;) {
    Seen seen;
    std::int64_t smallest_lag_ns = std::numeric_limits<std::int64_t>::max();
    std::int64_t oldest_ms = std::numeric_limits<std::int64_t>::max();
    std::int64_t newest_ms = 0;
    for (const std::int64_t loop = position.loop; position.loop == loop; position = tape.next(position)) {
      const std::int64_t due_ns = kStart + tape.due_ns(position);
      tape.render(position.frame, tape.rebased_shift_ms(position, due_ns), out);
      for (const Trade& each : parser.parse(out.text).trades) {
        smallest_lag_ns = std::min(smallest_lag_ns, due_ns - each.event_time_ms * kNsPerMs);
        oldest_ms = std::min(oldest_ms, each.event_time_ms);
        newest_ms = std::max(newest_ms, each.event_time_ms);
      }
      see(parser, out.text, seen);
    }
    EXPECT_EQ(seen.trades, 34'419);
    EXPECT_EQ(seen.prices_e9, recorded.prices_e9);
    EXPECT_EQ(seen.volume_e8, recorded.volume_e8);
    EXPECT_GE(smallest_lag_ns, 0);
    EXPECT_LT(smallest_lag_ns, kNsPerMs);
    EXPECT_GT(oldest_ms, newest_of_loop_ms);
    newest_of_loop_ms = newest_ms;
  }
}

// Everything of a feed that has not ended, with times.
std::vector<std::pair<std::int64_t, std::string>> drain(RebasedHistory& history, std::size_t max_frames) {
  std::vector<std::pair<std::int64_t, std::string>> frames;
  while (!history.exhausted()) {
    const auto batch = history.poll(max_frames);
    EXPECT_TRUE(batch);
    EXPECT_FALSE(batch->end);
    for (const FeedFrame& each : batch->frames) frames.emplace_back(*each.received_ns, each.bytes);
  }
  EXPECT_TRUE(history.poll(max_frames)->frames.empty());
  EXPECT_EQ(history.progress(), 1.0);
  return frames;
}

TEST(RebasedHistory, JoinsTheLivePlayWithoutAHoleOrAJump) {
  const auto tape = LoopedTape::read(kBundled);
  ASSERT_TRUE(tape);
  constexpr std::int64_t kStart = 1'800'000'000'123'456'789;
  const std::int64_t from_ns = kStart - 2 * (*tape)->loop_ns() - 77 * kNsPerSecond;
  const std::int64_t to_ns = kStart + 5 * kNsPerSecond;
  RebasedHistory history(*tape, {kStart, from_ns, kStart});
  RebasedHistory live(*tape, {kStart, kStart, to_ns});
  RebasedHistory whole(*tape, {kStart, from_ns, to_ns});
  auto joined = drain(history, 1'000);
  const std::int64_t last_ns = joined.back().first;
  for (auto& each : drain(live, 7)) joined.push_back(std::move(each));
  EXPECT_EQ(joined, drain(whole, 100'000));
  EXPECT_LT(last_ns, kStart);
  EXPECT_GE(joined.front().first, from_ns);
  for (std::size_t i = 1; i < joined.size(); ++i) ASSERT_GT(joined[i].first, joined[i - 1].first);
  EXPECT_EQ(history.origin(), "demo");
  EXPECT_EQ(history.source_id(), "demo-history");
  EXPECT_FALSE(history.live());
}

TEST(RebasedHistory, IsWhatAPlayerOfTheSameStartDelivers) {
  const auto tape = LoopedTape::read(kBundled);
  ASSERT_TRUE(tape);
  constexpr std::int64_t kStart = 1'800'000'000'123'456'789;
  const std::int64_t to_ns = kStart + 700 * kNsPerSecond;
  RebasedHistory history(*tape, {kStart, kStart, to_ns + 1});
  std::vector<std::string> expected;
  for (auto& each : drain(history, 1'000)) expected.push_back(std::move(each.second));
  TapePlayer player(*tape, {.speed = 1, .loop = true, .rebase = true}, kStart, kStart);
  std::vector<std::string> played;
  for (std::int64_t now_ns = kStart; now_ns <= to_ns; now_ns += kNsPerSecond) {
    EXPECT_FALSE(player.play(now_ns, 10'000, [&](const auto& frame) { played.push_back(frame.text); }));
  }
  EXPECT_EQ(played, expected);
}

}  // namespace
}  // namespace finpipe
