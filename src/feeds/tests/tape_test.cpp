#include "feeds/tape.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

// A frame that outlives its batch.
struct Line {
  std::string bytes;
  std::optional<std::int64_t> received_ns;
  std::int64_t position;
  std::optional<ErrorCode> damage;
};

class TapeFeedTest : public testing::Test {
 protected:
  TapeFeedTest() {
    std::string name = (fs::temp_directory_path() / "finpipe-tape-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~TapeFeedTest() override { fs::remove_all(directory_); }

  std::string write(const std::string& text) {
    const std::string path = (directory_ / "test.tape").string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  static std::vector<Line> read(TapeFeed& feed, std::size_t max_frames) {
    std::vector<Line> lines;
    for (bool end = false; !end;) {
      const auto batch = feed.poll(max_frames);
      EXPECT_TRUE(batch) << batch.error().message();
      if (!batch) break;
      EXPECT_LE(batch->frames.size(), max_frames);
      for (const FeedFrame& frame : batch->frames) {
        lines.push_back({std::string(frame.bytes), frame.received_ns, frame.position, frame.damage});
      }
      end = batch->end;
    }
    return lines;
  }

  std::vector<Line> play(const std::string& text, std::size_t max_frames = 100) {
    auto feed = TapeFeed::open(write(text));
    EXPECT_TRUE(feed);
    return read(**feed, max_frames);
  }

  fs::path directory_;
};

constexpr std::int64_t kStamp = 1'723'161'254'087'896'568;
constexpr const char* kStampText = "1723161254087896568";
const std::string kPing = R"({"type":"ping"})";

TEST_F(TapeFeedTest, LinesComeWithAndWithoutReceiveTime) {
  const auto lines = play(std::string(kStampText) + " " + kPing + "\n" + kPing + "\n");
  ASSERT_EQ(lines.size(), 2);
  EXPECT_EQ(lines[0].bytes, kPing);
  EXPECT_EQ(lines[0].received_ns, kStamp);
  EXPECT_EQ(lines[0].position, 1);
  EXPECT_EQ(lines[1].bytes, kPing);
  EXPECT_EQ(lines[1].received_ns, std::nullopt);
  EXPECT_EQ(lines[1].position, 2);
  EXPECT_EQ(lines[1].damage, std::nullopt);
}

TEST_F(TapeFeedTest, EmptyLinesArePassedOverAndCounted) {
  const auto lines = play("\n\r\n" + kPing + "\r\n\n" + kPing + "\n\n");
  ASSERT_EQ(lines.size(), 2);
  EXPECT_EQ(lines[0].bytes, kPing);
  EXPECT_EQ(lines[0].position, 3);
  EXPECT_EQ(lines[1].position, 5);
}

TEST_F(TapeFeedTest, AnEmptyTapeEndsAtOnce) {
  EXPECT_TRUE(play("").empty());
  EXPECT_TRUE(play("\n").empty());
}

TEST_F(TapeFeedTest, ATornLastLineIsDamage) {
  const auto lines = play(kPing + "\n" + R"({"data":[{"c":null,"p":6183)");
  ASSERT_EQ(lines.size(), 2);
  EXPECT_EQ(lines[0].damage, std::nullopt);
  EXPECT_EQ(lines[1].damage, ErrorCode::kTornTapeLine);
  EXPECT_EQ(lines[1].bytes, R"({"data":[{"c":null,"p":6183)");
  EXPECT_EQ(lines[1].position, 2);
}

TEST_F(TapeFeedTest, ALineTornInsideItsReceiveTimeIsDamage) {
  const auto lines = play(kPing + "\n17231612540878");
  ASSERT_EQ(lines.size(), 2);
  EXPECT_EQ(lines[1].damage, ErrorCode::kTornTapeLine);
}

TEST_F(TapeFeedTest, ATornLineHasTheReceiveTimeInFrontOfIt) {
  const auto lines = play(std::string(kStampText) + " {\"data\":[");
  ASSERT_EQ(lines.size(), 1);
  EXPECT_EQ(lines[0].damage, ErrorCode::kTornTapeLine);
  EXPECT_EQ(lines[0].received_ns, kStamp);
  EXPECT_EQ(lines[0].bytes, "{\"data\":[");
}

TEST_F(TapeFeedTest, ACompleteLastFrameNeedsNoNewline) {
  const auto lines = play(kPing + "\n" + kPing);
  ASSERT_EQ(lines.size(), 2);
  EXPECT_EQ(lines[1].damage, std::nullopt);
  EXPECT_EQ(lines[1].bytes, kPing);
}

TEST_F(TapeFeedTest, ABadReceiveTimeIsDamageAndTheRestGoesOn) {
  for (const std::string& bad : {"-5 " + kPing, "+5 " + kPing, "12x " + kPing, "99999999999999999999 " + kPing,
                                 std::string(kStampText), std::string(kStampText) + " ", kStampText + kPing,
                                 "1723161254087 " + kPing, "9223372036854775807 " + kPing, "1723161254.5 " + kPing}) {
    const auto lines = play(bad + "\n" + kPing + "\n");
    ASSERT_EQ(lines.size(), 2) << bad;
    EXPECT_EQ(lines[0].damage, ErrorCode::kBadTapeLine) << bad;
    EXPECT_EQ(lines[0].bytes, bad);
    EXPECT_EQ(lines[0].received_ns, std::nullopt) << bad;
    EXPECT_EQ(lines[1].damage, std::nullopt);
  }
}

TEST_F(TapeFeedTest, WhatIsNoJsonIsLeftToTheFrameParser) {
  const auto lines = play("garbage\n");
  ASSERT_EQ(lines.size(), 1);
  EXPECT_EQ(lines[0].bytes, "garbage");
  EXPECT_EQ(lines[0].damage, std::nullopt);
}

TEST_F(TapeFeedTest, ALineOfExactlyOneMebibyteIsAFrame) {
  const std::string frame = "{" + std::string((1 << 20) - 2, ' ') + "}";
  const auto lines = play(std::string(kStampText) + " " + frame + "\n");
  ASSERT_EQ(lines.size(), 1);
  EXPECT_EQ(lines[0].damage, std::nullopt);
  EXPECT_EQ(lines[0].bytes.size(), std::size_t{1} << 20);
}

TEST_F(TapeFeedTest, ALargerFrameIsDamageOfWhichTheBeginningIsKept) {
  // Just above the limit, larger than the reader's buffer, and several times the buffer.
  for (const std::size_t size : {(std::size_t{1} << 20) + 1, (std::size_t{4} << 20) + 1, (std::size_t{13} << 20)}) {
    const std::string frame = "{\"type\":\"" + std::string(size - 10, 'x') + "}";
    ASSERT_EQ(frame.size(), size);
    const auto lines = play(kPing + "\n" + frame + "\n" + kPing + "\n");
    ASSERT_EQ(lines.size(), 3) << size;
    EXPECT_EQ(lines[1].damage, ErrorCode::kFrameTooLarge);
    EXPECT_EQ(lines[1].bytes, frame.substr(0, 64 << 10));
    EXPECT_EQ(lines[1].position, 2);
    EXPECT_EQ(lines[2].bytes, kPing);
    EXPECT_EQ(lines[2].position, 3);
  }
}

// Found by the fuzz target `tape`.
TEST_F(TapeFeedTest, ATornFrameThatIsTooLargeIsTheSameBelowAndAboveTheSizeOfTheBuffer) {
  for (const std::size_t size : {std::size_t{2} << 20, std::size_t{5} << 20}) {
    const std::string frame = "{\"type\":\"" + std::string(size, 'x');
    const auto lines = play(std::string(kStampText) + " " + frame);
    ASSERT_EQ(lines.size(), 1) << size;
    EXPECT_EQ(lines[0].damage, ErrorCode::kFrameTooLarge) << size;
    EXPECT_EQ(lines[0].received_ns, kStamp) << size;
    EXPECT_EQ(lines[0].bytes, frame.substr(0, 64 << 10)) << size;
  }
}

TEST_F(TapeFeedTest, AMissingTapeIsNotFoundAndADirectoryIsNoFile) {
  EXPECT_EQ(TapeFeed::open((directory_ / "missing").string()).error().code, ErrorCode::kNotFound);
  const auto opened = TapeFeed::open(directory_.string());
  EXPECT_EQ(opened.error().code, ErrorCode::kIo);
  EXPECT_NE(opened.error().detail.find(directory_.string()), std::string::npos);
}

TEST_F(TapeFeedTest, TheIdentityIsThatOfTheFirst64Kibibytes) {
  const std::string text(100'000, '\n');
  auto feed = TapeFeed::open(write(text));
  EXPECT_EQ((*feed)->source_id(), sha256_hex(text.substr(0, 65'536)));
  EXPECT_EQ((*feed)->origin(), "tape");
  auto small = TapeFeed::open(write(kPing));
  EXPECT_EQ((*small)->source_id(), sha256_hex(kPing));
}

TEST_F(TapeFeedTest, ProgressRisesFromZeroToOne) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += kPing + "\n";
  auto feed = TapeFeed::open(write(text));
  EXPECT_EQ((*feed)->progress(), 0.0);
  ASSERT_TRUE((*feed)->poll(500));
  EXPECT_DOUBLE_EQ(*(*feed)->progress(), 0.5);
  read(**feed, 7);
  EXPECT_EQ((*feed)->progress(), 1.0);
}

TEST_F(TapeFeedTest, AnyBatchSizeGivesTheSameLines) {
  Random random(3);
  std::string text;
  std::vector<std::string> expected;
  for (int i = 0; i < 3000; ++i) {
    const std::string frame = "{" + std::string(random.below(6000), static_cast<char>('a' + i % 26)) + "}";
    expected.push_back(frame);
    text += frame + "\n";
  }
  ASSERT_GT(text.size(), std::size_t{8} << 20) << "must not fit the reader's buffer";
  for (const std::size_t max_frames : {1, 64, 1'000'000}) {
    const auto lines = play(text, max_frames);
    ASSERT_EQ(lines.size(), expected.size()) << max_frames;
    for (std::size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(lines[i].bytes, expected[i]) << i;
    EXPECT_EQ(lines.back().position, 3000);
  }
}

TEST_F(TapeFeedTest, TheBundledTapeIsWhole) {
  auto feed = TapeFeed::open(std::string(FINPIPE_SOURCE_DIR) + "/data/binance.tape");
  ASSERT_TRUE(feed);
  const auto lines = read(**feed, 256);
  EXPECT_EQ(lines.size(), 6281);
  EXPECT_TRUE(std::ranges::all_of(lines, [](const Line& line) { return !line.damage && line.received_ns; }));
}

}  // namespace
}  // namespace finpipe
