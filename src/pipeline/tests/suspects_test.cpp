#include "pipeline/suspects.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "codec/finnhub_frame.h"

namespace finpipe {
namespace {

using Frame = std::vector<Trade>;

// A trade told apart by its letter.
Trade print(char letter) {
  Trade trade;
  trade.symbol = "BINANCE:BTCUSDT";
  trade.event_time_ms = 1'700'000'000'000 + letter;
  trade.price_e9 = letter * 1'000'000'000LL;
  trade.volume_e8 = 100;
  return trade;
}

Frame frame_of(std::string_view letters) {
  Frame frame;
  for (const char letter : letters) frame.push_back(print(letter));
  return frame;
}

// One mark per trade: "..SS".
std::string marks(SuspectFinder& finder, Frame frame) {
  finder.mark(frame);
  std::string text;
  for (const Trade& trade : frame) text += trade.suspect == Suspect::kNone ? '.' : 'S';
  return text;
}

std::string marks(SuspectFinder& finder, std::string_view letters) { return marks(finder, frame_of(letters)); }

TEST(SuspectFinder, ARepeatedWholeFrameIsMarked) {
  SuspectFinder finder;
  EXPECT_EQ(marks(finder, "abcd"), "....");
  EXPECT_EQ(marks(finder, "xy"), "..");
  EXPECT_EQ(marks(finder, "abcd"), "SSSS");
}

TEST(SuspectFinder, RepeatedSinglePrintsAndPairsAreNot) {
  SuspectFinder finder;
  EXPECT_EQ(marks(finder, "aab"), "...");
  EXPECT_EQ(marks(finder, "a"), ".");
  EXPECT_EQ(marks(finder, "b"), ".");
  EXPECT_EQ(marks(finder, "xab"), "...");
  EXPECT_EQ(marks(finder, "aaaaaaaaaa"), "..........");
}

TEST(SuspectFinder, ARunNeedsThreeDifferentTrades) {
  SuspectFinder finder;
  EXPECT_EQ(marks(finder, "ababab"), "......");
  EXPECT_EQ(marks(finder, "ababab"), "......");
  EXPECT_EQ(marks(finder, "ababc"), ".....");
  EXPECT_EQ(marks(finder, "ababc"), "SSSSS");
}

TEST(SuspectFinder, ARunAcrossFramesMarksOnlyItsLaterFrames) {
  SuspectFinder finder;
  EXPECT_EQ(marks(finder, "abcde"), ".....");
  EXPECT_EQ(marks(finder, "ab"), "..");  // two are not enough yet, and were taken
  EXPECT_EQ(marks(finder, "cd"), "SS");
  EXPECT_EQ(marks(finder, "ez"), "S.");
}

TEST(SuspectFinder, ARunEndsWhereTheTradesDiffer) {
  SuspectFinder finder;
  EXPECT_EQ(marks(finder, "abcde"), ".....");
  EXPECT_EQ(marks(finder, "abXde"), ".....");
  EXPECT_EQ(marks(finder, "zabcq"), ".SSS.");
}

TEST(SuspectFinder, EqualMeansAllFiveFields) {
  const std::vector<std::pair<const char*, void (*)(Trade&)>> changes = {
      {"symbol", [](Trade& trade) { trade.symbol = "BINANCE:ETHUSDT"; }},
      {"event time", [](Trade& trade) { ++trade.event_time_ms; }},
      {"price", [](Trade& trade) { ++trade.price_e9; }},
      {"volume", [](Trade& trade) { ++trade.volume_e8; }},
      {"conditions", [](Trade& trade) { trade.conditions = {Conditions::Form::kList, "1"}; }},
      {"form of no conditions", [](Trade& trade) { trade.conditions.form = Conditions::Form::kNull; }},
  };
  for (const auto& [field, change] : changes) {
    SuspectFinder finder;
    EXPECT_EQ(marks(finder, "abc"), "...");
    Frame frame = frame_of("abc");
    change(frame[1]);
    EXPECT_EQ(marks(finder, frame), "...") << field;
  }
}

TEST(SuspectFinder, ForgetsWhatIsMoreThan64FramesBack) {
  for (const std::size_t between : {62U, 63U, 64U, 100U}) {
    SuspectFinder finder;
    EXPECT_EQ(marks(finder, "abc"), "...");
    for (std::size_t i = 0; i < between; ++i) (void)marks(finder, Frame{});
    // The frame itself is not one of the 64 before it.
    EXPECT_EQ(marks(finder, "abc"), between < SuspectFinder::kFrames ? "SSS" : "...") << between;
  }
}

TEST(SuspectFinder, RealTradesAreNotSuspectHoweverTheyAreCut) {
  std::ifstream tape(FINPIPE_SOURCE_DIR "/data/binance.tape");
  std::string line;
  std::vector<std::string> lines;
  while (std::getline(tape, line)) lines.push_back(line.substr(line.find(' ') + 1));
  for (const std::size_t most : {10U, 5U, 3U, 2U}) {
    SuspectFinder finder;
    FrameParser parser;
    std::size_t trades = 0, suspects = 0;
    for (const std::string& text : lines) {
      const auto parsed = parser.parse(text).trades;
      Frame frame(parsed.begin(), parsed.end());
      for (std::size_t at = 0; at < frame.size(); at += most) {
        const std::span<Trade> cut = std::span(frame).subspan(at, std::min(most, frame.size() - at));
        finder.mark(cut);
        trades += cut.size();
        for (const Trade& trade : cut) suspects += trade.suspect != Suspect::kNone ? 1 : 0;
      }
    }
    EXPECT_EQ(trades, 34'419U);
    EXPECT_EQ(suspects, 0U) << "frames of at most " << most;
  }
}

// The rule as it is written, with nothing remembered: every trade is compared with every earlier one.
class NaiveFinder {
 public:
  std::string mark(const std::string& frame) {
    ++frame_;
    const std::size_t begin = letters_.size();
    std::string marks;
    for (const char letter : frame) {
      letters_ += letter;
      frames_.push_back(frame_);
      marks += '.';
      const std::size_t end = letters_.size();
      std::size_t longest = 0;
      for (std::size_t back = 1; back < end; ++back) longest = std::max(longest, run_ending_here(back));
      for (std::size_t i = 0; i < std::min(longest, end - begin); ++i) marks[marks.size() - 1 - i] = 'S';
    }
    return marks;
  }

 private:
  // Length of the run that ends with the newest trade and equals the one `back` trades earlier; 0 when it has fewer
  // than three different trades. Its trades were each within 64 frames of the ones they repeat.
  std::size_t run_ending_here(std::size_t back) const {
    std::size_t length = 0;
    std::string different;
    for (std::size_t at = letters_.size(); at-- > back; ++length) {
      if (letters_[at] != letters_[at - back] || frames_[at - back] + SuspectFinder::kFrames < frames_[at]) break;
      if (!different.contains(letters_[at])) different += letters_[at];
    }
    return different.size() >= SuspectFinder::kRunTrades ? length : 0;
  }

  std::string letters_;
  std::vector<std::size_t> frames_;
  std::size_t frame_ = 0;
};

TEST(SuspectFinder, AgreesWithANaiveModelOnRandomFrames) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed);
    SuspectFinder finder;
    NaiveFinder naive;
    std::vector<std::string> sent;
    const std::uint64_t alphabet = 2 + random.below(6);
    for (int i = 0; i < 150; ++i) {
      std::string frame;
      if (!sent.empty() && random.chance(0.2)) {
        frame = sent[random.below(sent.size())];  // sent again
      } else {
        const std::uint64_t length = random.below(8);
        for (std::uint64_t k = 0; k < length; ++k) frame += static_cast<char>('a' + random.below(alphabet));
      }
      sent.push_back(frame);
      ASSERT_EQ(marks(finder, frame), naive.mark(frame)) << "seed " << seed << ", frame " << i;
    }
  }
}

TEST(SuspectFinder, RemembersNoMoreThanItsBoundInOneHugeFrame) {
  SuspectFinder finder;
  Frame frame;
  for (int i = 0; i < 3; ++i) frame.push_back(print(static_cast<char>('a' + i)));
  for (std::size_t i = 0; i < SuspectFinder::kMaxTrades; ++i) {
    frame.push_back(print('x'));
    frame.back().event_time_ms += static_cast<std::int64_t>(i) + 1'000;
  }
  for (int i = 0; i < 3; ++i) frame.push_back(print(static_cast<char>('a' + i)));
  EXPECT_EQ(marks(finder, frame), std::string(frame.size(), '.'));
}

}  // namespace
}  // namespace finpipe
