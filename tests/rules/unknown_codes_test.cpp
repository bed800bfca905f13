// A sale condition that no policy knows counts as regular, is counted, and warned about once.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "codec/policy_file.h"
#include "logs/memory_log.h"
#include "pipeline/ingest.h"

namespace finpipe {
namespace {

class Frames final : public Feed {
 public:
  explicit Frames(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  [[nodiscard]] std::string_view origin() const override { return "tape"; }
  [[nodiscard]] std::string_view source_id() const override { return "frames"; }
  [[nodiscard]] std::optional<double> progress() const override { return std::nullopt; }
  [[nodiscard]] Result<FeedBatch> poll(std::size_t /*max_frames*/) override {
    frames_.clear();
    for (const std::string& text : texts_) {
      const auto position = static_cast<std::int64_t>(frames_.size()) + 1;
      frames_.push_back({.bytes = text, .received_ns = std::nullopt, .position = position, .damage = {}});
    }
    return FeedBatch{frames_, true};
  }

 private:
  std::vector<std::string> texts_;
  std::vector<FeedFrame> frames_;
};

std::string frame(const std::string& symbol, const std::string& codes, int second) {
  return R"({"data":[{"c":)" + codes + R"(,"p":100,"s":")" + symbol + R"(","t":17000000)" +
         std::to_string(10 + second) + R"(000,"v":1}],"type":"trade"})";
}

TEST(UnknownCodes, AreCountedAndEachIsToldOnceWithItsFirstSymbol) {
  Frames feed({frame("AAPL", R"(["1","12"])", 0), frame("AAPL", R"(["55"])", 1), frame("MSFT", R"(["1","55"])", 2),
               frame("MSFT", R"(["X","77"])", 3), frame("AAPL", "[]", 4), frame("AAPL", "null", 5),
               frame("BINANCE:BTCUSDT", R"(["55"])", 6)});  // a market without rules knows none and needs none
  MemoryLog log(1, LogId{std::byte{1}});
  const auto letters = log.dead_letters();
  const auto play = [&] {
    const auto reader = log.reader({0});
    const auto writer = log.writer(1 << 20);
    IngestOptions options;
    options.policies = bundled_policies().value();
    Ingest ingest(feed, *reader, *writer, *letters, options);
    EXPECT_TRUE(ingest.start());
    testing::internal::CaptureStderr();
    while (ingest.step().value()) {
    }
    return std::tuple(ingest.counts(), ingest.unknown_codes(), testing::internal::GetCapturedStderr());
  };
  const auto [counts, codes, warnings] = play();
  EXPECT_EQ(counts.received, 7);
  EXPECT_EQ(counts.appended, 7);
  EXPECT_EQ(counts.unknown_codes, 3);
  EXPECT_EQ(codes, (std::map<std::string, std::string, std::less<>>{{"55", "AAPL"}, {"X", "MSFT"}, {"77", "MSFT"}}));
  EXPECT_EQ(std::ranges::count(warnings, '\n'), 3) << warnings;
  EXPECT_NE(warnings.find("code=55 market=us_equities symbol=AAPL"), std::string::npos) << warnings;

  // What the log has already is not counted again.
  EXPECT_EQ(std::get<0>(play()).unknown_codes, 0);
}

}  // namespace
}  // namespace finpipe
