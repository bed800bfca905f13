#include "codec/split_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::string_view kHeader = "symbol,date,fromFactor,toFactor\n";

// What a price of 1,000 of a date has become; -1 where reading fails.
std::int64_t price_now(const Result<SplitTable>& table, std::string_view symbol, std::string_view date) {
  if (!table) return -1;
  Bar bar;
  bar.high_e9 = 1'000'000'000'000;
  EXPECT_TRUE(table->of(symbol).adjust(bar, *parse_time_ms(date)));
  return bar.high_e9;
}

std::string refusal(std::string_view text) {
  const auto table = parse_splits(text, "file");
  if (table) return "accepted";
  EXPECT_EQ(table.error().code, ErrorCode::kBadPolicy);
  return table.error().detail;
}

TEST(SplitFile, TheBundledOneKnowsWellKnownSplits) {
  const auto table = bundled_splits();
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ(price_now(table, "AAPL", "2014-06-06"), 35'714'285'714);
  EXPECT_EQ(price_now(table, "AAPL", "2014-06-09"), 250'000'000'000);
  EXPECT_EQ(price_now(table, "AAPL", "2020-08-28"), 250'000'000'000);
  EXPECT_EQ(price_now(table, "AAPL", "2020-08-31"), 1'000'000'000'000);
  EXPECT_EQ(price_now(table, "NVDA", "2021-07-19"), 25'000'000'000);
  EXPECT_EQ(price_now(table, "GE", "2021-07-30"), 8'000'000'000'000);
  EXPECT_EQ(price_now(table, "MSFT", "2000-01-03"), 1'000'000'000'000);
}

TEST(SplitFile, CommentsEmptyLinesAndFractionsAreUnderstood) {
  const auto table =
      parse_splits("# why\r\n\r\nsymbol,date,fromFactor,toFactor\r\n# x\r\nA B,2024-01-02,1,1.5\r\n", "file");
  EXPECT_EQ(price_now(table, "A B", "2024-01-01"), 666'666'666'667);
  EXPECT_TRUE(parse_splits(kHeader, "file"));
}

TEST(SplitFile, EachRefusalNamesTheLine) {
  const std::string header(kHeader);
  EXPECT_EQ(refusal(""), "file:1: the first line must be symbol,date,fromFactor,toFactor");
  EXPECT_EQ(refusal("# all of it\n"), "file:1: the first line must be symbol,date,fromFactor,toFactor");
  EXPECT_EQ(refusal("A,2024-01-02,1,4\n"), "file:1: the first line must be symbol,date,fromFactor,toFactor");
  EXPECT_EQ(refusal(header + "A,2024-01-02,1\n"), "file:2: must have the fields symbol,date,fromFactor,toFactor");
  EXPECT_EQ(refusal(header + "A,2024-01-02,1,4,5"), "file:2: must have the fields symbol,date,fromFactor,toFactor");
  EXPECT_EQ(refusal(header + ",2024-01-02,1,4"), "file:2: symbol must be 1 to 64 printable ASCII characters");
  EXPECT_EQ(refusal(header + " A,2024-01-02,1,4"), "file:2: symbol must be 1 to 64 printable ASCII characters");
  EXPECT_EQ(refusal(header + "\nA,2024-02-30,1,4"), "file:3: date must be a date, YYYY-MM-DD");
  EXPECT_EQ(refusal(header + "A,1704153600000,1,4"), "file:2: date must be a date, YYYY-MM-DD");
  for (const char* factor : {"0", "-1", "", "x", "1000001", "0.0000001", "1.0000001"}) {
    EXPECT_EQ(refusal(header + "A,2024-01-02," + factor + ",4"),
              "file:2: fromFactor must be a number above 0 and up to 1000000 with at most 6 decimals");
    EXPECT_TRUE(refusal(header + "A,2024-01-02,4," + factor).starts_with("file:2: toFactor must be")) << factor;
  }
  EXPECT_EQ(refusal(header + "A,2024-01-02,1,4\nA,2024-01-02,1,4"), "file: two splits of A on 2024-01-02");
}

TEST(SplitFile, ADirectoryWithoutOneHasTheBundledSplits) {
  const auto directory = std::filesystem::path(testing::TempDir()) / "split_file_test";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  EXPECT_EQ(price_now(load_splits(directory), "AAPL", "2020-08-28"), 250'000'000'000);
  std::ofstream(directory / kSplitFile) << kHeader << "X,2024-01-02,1,2\n";
  EXPECT_EQ(price_now(load_splits(directory), "AAPL", "2020-08-28"), 1'000'000'000'000);
  EXPECT_EQ(price_now(load_splits(directory), "X", "2024-01-01"), 500'000'000'000);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace finpipe
