#include "app/bar_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "app/progress.h"
#include "stores/memory_store.h"

namespace finpipe {
namespace {

constexpr std::int64_t kMinute = 1'723'161'240'000;  // 2024-08-08T23:54:00Z

BarRow bar(std::string symbol, Interval interval, std::int64_t start_ms) {
  BarRow row;
  row.key = {std::move(symbol), interval, start_ms};
  Bar& bar = row.bar;
  bar.first = bar.last = {start_ms, 1, 2'500'500'000'000};
  bar.high_e9 = bar.low_e9 = 2'500'500'000'000;
  bar.has_high_low = true;
  bar.volume_e8 = bar.vwap_volume_e8 = 12'34567890;
  bar.notional_e17 = int128{bar.volume_e8} * 2'500'123'456'789;
  bar.trades = 7;
  bar.version = 1;
  return row;
}

TEST(BarTable, ShowsTheNewestBarsOfEachSymbolAligned) {
  MemoryStore store;
  Commit commit;
  commit.symbols = {{"A", 0}};
  commit.bars.push_back(bar("A", Interval::k1d, kMinute - kMinute % kMsPerDay));
  for (int i = 0; i < 7; ++i) commit.bars.push_back(bar("A", Interval::k1m, kMinute - i * kMsPerHour * 24 * 40));
  (void)store.submit(std::move(commit));
  ASSERT_TRUE(store.poll());
  const auto table = bar_table(store, {.max_symbols = 10, .bars = 2});
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_EQ(*table,
            "\nA, 1m bars\n"
            "  start (UTC)            open    high     low   close   volume       vwap  trades  state        flags\n"
            "  2024-06-29 23:54:00  2500.5  2500.5  2500.5  2500.5  12.3457  2500.1235       7  provisional\n"
            "  2024-08-08 23:54:00  2500.5  2500.5  2500.5  2500.5  12.3457  2500.1235       7  provisional\n");
}

TEST(BarTable, SaysHowManySymbolsItLeavesOut) {
  MemoryStore store;
  Commit commit;
  commit.symbols = {{"A", 0}, {"B", 0}, {"C", 0}};
  (void)store.submit(std::move(commit));
  ASSERT_TRUE(store.poll());
  const auto table = bar_table(store, {.max_symbols = 1});
  ASSERT_TRUE(table);
  EXPECT_NE(table->find("\nA, 1m bars\n"), std::string::npos);
  EXPECT_EQ(table->find("\nB, 1m bars\n"), std::string::npos);
  EXPECT_NE(table->find("and 2 more symbols"), std::string::npos);
}

TEST(BarTable, RoundsHalfToEven) {
  EXPECT_EQ(rounded_decimal(12'345'650'000, 9, 4), "12.3456");
  EXPECT_EQ(rounded_decimal(12'345'750'000, 9, 4), "12.3458");
  EXPECT_EQ(rounded_decimal(-5, 1, 0), "0");
  EXPECT_EQ(rounded_decimal(123, 2, 4), "1.23");
}

TEST(Progress, CountsHaveSeparators) {
  EXPECT_EQ(with_separators(0), "0");
  EXPECT_EQ(with_separators(999), "999");
  EXPECT_EQ(with_separators(1'000), "1,000");
  EXPECT_EQ(with_separators(-1'234'567), "-1,234,567");
  EXPECT_EQ(with_separators(-999), "-999");
}

}  // namespace
}  // namespace finpipe
