// The frame parser against a simple reader of the same rules, on real frames with random changes. Frames in their plain
// form go the parser's short way, so each is also read with spaces in it, which go the long way: both must tell the
// same.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "codec/finnhub_frame.h"
#include "codec/tests/simple_frame_reader.h"

namespace finpipe {
namespace {

std::vector<std::string> real_frames() {
  std::vector<std::string> frames;
  for (const char* name : {"finnhub.tape", "binance.tape"}) {
    std::ifstream file(std::string(FINPIPE_SOURCE_DIR) + "/data/" + name);
    std::size_t taken = 0;
    for (std::string line; taken < 200 && std::getline(file, line); ++taken)
      frames.push_back(line.substr(line.find('{')));
  }
  frames.emplace_back(R"({"data":[{"p":280.235,"s":"SPY","t":1587739079469,"v":100}],"type":"trade"})");
  frames.emplace_back(R"({"msg":"Invalid symbol OANDA:EUR_USD","type":"error"})");
  return frames;
}

// Pieces that are likely to matter when they turn up in the wrong place.
const std::vector<std::string> kPieces = {"null",
                                          "true",
                                          "[",
                                          "]",
                                          "{",
                                          "}",
                                          ",",
                                          ":",
                                          "\"",
                                          "\\",
                                          "\\u0041",
                                          "\\ud83d",
                                          "\\ude00",
                                          "-",
                                          "0",
                                          "00",
                                          "1e3",
                                          "1e-3",
                                          ".",
                                          ".5",
                                          "e",
                                          "E+",
                                          " ",
                                          "\n",
                                          "\t",
                                          "\x7f",
                                          "\xc3\xa9",
                                          "\xff",
                                          "\"c\"",
                                          "\"p\":",
                                          "\"v\":-1",
                                          "\"s\":\" A\"",
                                          "99999999999",
                                          "NaN",
                                          "[]",
                                          "{}",
                                          "\"x\":[{}],",
                                          "0.0000000005",
                                          "123456789.123456789123",
                                          "\"type\":\"ping\",",
                                          "\"data\":5,",
                                          "[\"\"]",
                                          "1 ",
                                          "nul"};

std::string mutate(std::string frame, Random& random) {
  for (std::uint64_t changes = 1 + random.below(3); changes > 0 && !frame.empty(); --changes) {
    const std::size_t at = random.below(frame.size());
    switch (random.below(5)) {
      case 0: frame.erase(at, 1 + random.below(4)); break;
      case 1: frame[at] = static_cast<char>(random.between(1, 255)); break;
      case 2: frame.insert(at, kPieces[random.below(kPieces.size())]); break;
      case 3:
        frame.replace(at, std::min<std::size_t>(1 + random.below(6), frame.size() - at),
                      kPieces[random.below(kPieces.size())]);
        break;
      default: frame.insert(at, frame.substr(random.below(frame.size()), random.below(40))); break;
    }
  }
  return frame;
}

TEST(FrameParserAgainstASimpleReader, TellsTheSameOfRealAndDamagedFrames) {
  Random random(41);
  const std::vector<std::string> frames = real_frames();
  FrameParser parser;
  std::size_t bad_frames = 0, bad_trades = 0, good_trades = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string& original = frames[random.below(frames.size())];
    const std::string frame = i % 10 == 0 ? original : mutate(original, random);
    const Outcome told = outcome_of(parser.parse(frame));
    ASSERT_EQ(outcome_of(parser.parse(spaced(frame))), told) << spaced(frame);
    const auto expected = SimpleReader::read(frame);
    ASSERT_EQ(told, expected.value_or(told)) << frame;
    bad_frames += told.kind == ParsedFrame::Kind::kBad ? 1U : 0U;
    bad_trades += told.bad;
    good_trades += told.trades.size();
  }
  EXPECT_GT(bad_frames, 10'000);
  EXPECT_GT(bad_trades, 1'000);
  EXPECT_GT(good_trades, 40'000);
}

}  // namespace
}  // namespace finpipe
