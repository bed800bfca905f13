// The example of gaps in docs/semantics.md, played record by record.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "base/time.h"
#include "hand_made_log.h"

namespace finpipe {
namespace {

class GapExample : public HandMadeLog {
 protected:
  // "15:00:58.500" of the example's day, as ms after the start of the log.
  static std::int64_t ms_of(const std::string& time) {
    const auto parsed = parse_time_ms("2023-11-15T" + time + "Z");
    EXPECT_TRUE(parsed) << time;
    return parsed.value_or(0) - kStartMs;
  }
  std::int64_t missing(Interval interval, std::int64_t ms) {
    std::int64_t missing_ms = -1;
    const BarRange range{kSymbol, interval, kStartMs + ms, kStartMs + ms};
    EXPECT_TRUE(run_.store.bars(range, [&](const BarRow& row) { return missing_ms = row.bar.missing_ms, true; }));
    return missing_ms;
  }
};

TEST_F(GapExample, IsWhatTheEngineSays) {
  std::ifstream page(FINPIPE_SOURCE_DIR "/docs/semantics.md");
  int expectations = 0;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("```")) inside = line == "```gap";
    if (!inside || line.starts_with("```")) continue;
    std::istringstream words(line);
    std::string what, from, to, word;
    words >> what >> from >> to;
    if (what == "trade") {
      put(trade(ms_of(from), std::stoll(to)));
    } else if (what == "gap") {
      control(kStartNs + ms_of(to) * kNsPerMs,
              avro::Gap{kStartMs + ms_of(from), kStartMs + ms_of(to), std::nullopt, "lost"});
    } else if (what == "filled") {
      control(next_seq_ + 1, avro::Filled{kSymbol, kStartMs + ms_of(from), kStartMs + ms_of(to)});
    } else {
      ASSERT_EQ(what, "expect") << line;
      std::int64_t expected = -1;
      words >> word >> expected;
      const VerifyReport report = verify();
      EXPECT_EQ(report.differences, 0) << text_of(report);
      const auto interval = interval_from(from);
      ASSERT_TRUE(interval) << line;
      EXPECT_EQ(missing(*interval, ms_of(to)), expected) << line;
      ++expectations;
    }
  }
  EXPECT_GE(expectations, 7);
}

}  // namespace
}  // namespace finpipe
