#include "market/splits.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/decimal.h"
#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::int64_t kDay = kMsPerDay;

Bar bar_of(std::int64_t price_e9, std::int64_t volume_e8) {
  Bar bar;
  bar.first = bar.last = {1, 1, price_e9};
  bar.high_e9 = bar.low_e9 = price_e9;
  bar.has_high_low = true;
  bar.volume_e8 = bar.vwap_volume_e8 = volume_e8;
  bar.notional_e17 = static_cast<int128>(price_e9) * volume_e8;
  return bar;
}

Bar adjusted(const SplitTable& table, std::string_view symbol, Bar bar, std::int64_t label_ms) {
  EXPECT_TRUE(table.of(symbol).adjust(bar, label_ms));
  table.of(symbol).round_sums(bar);
  return bar;
}

TEST(Splits, PricesBeforeTheDateAreDividedAndVolumesMultiplied) {
  const auto table = SplitTable::make({{"A", 10 * kDay, 1, 4}});
  ASSERT_TRUE(table);
  const Bar before = adjusted(*table, "A", bar_of(500'000'000'001, 3), 9 * kDay);
  EXPECT_EQ(before.open_e9(), 125'000'000'000) << "half to even";
  EXPECT_EQ(before.high_e9, 125'000'000'000);
  EXPECT_EQ(before.volume_e8, 12);
  EXPECT_EQ(vwap_e9(before.notional_e17, before.vwap_volume_e8), 125'000'000'000);
  EXPECT_EQ(adjusted(*table, "A", bar_of(7, 3), 10 * kDay), bar_of(7, 3)) << "on the date it is the new share";
  EXPECT_EQ(adjusted(*table, "B", bar_of(7, 3), 9 * kDay), bar_of(7, 3));
}

TEST(Splits, HalvesAreRoundedToTheEvenNeighbour) {
  const auto table = SplitTable::make({{"A", 10 * kDay, 1, 2}, {"R", 10 * kDay, 2, 1}});
  ASSERT_TRUE(table);
  for (const auto& [price, half] : {std::pair(1, 0), {2, 1}, {3, 2}, {5, 2}, {7, 4}})
    EXPECT_EQ(adjusted(*table, "A", bar_of(price, 1), 0).high_e9, half) << price;
  for (const auto& [volume, half] : {std::pair(1, 0), {2, 1}, {3, 2}, {5, 2}, {7, 4}})
    EXPECT_EQ(adjusted(*table, "R", bar_of(8, volume), 0).volume_e8, half) << volume;
}

TEST(Splits, SeveralMultiplyAndSumsAreRoundedOnce) {
  // 3:1 reverse, then 7:2 reverse: prices of the oldest days times 10.5, volumes by 10.5.
  const auto table = SplitTable::make({{"A", 10 * kDay, 3, 1}, {"A", 20 * kDay, 7, 2}});
  ASSERT_TRUE(table);
  EXPECT_EQ(adjusted(*table, "A", bar_of(2'000'000'000, 21), 0).high_e9, 21'000'000'000);
  EXPECT_EQ(adjusted(*table, "A", bar_of(2'000'000'000, 21), 0).volume_e8, 2);
  EXPECT_EQ(adjusted(*table, "A", bar_of(2'000'000'000, 7), 10 * kDay).high_e9, 7'000'000'000);
  EXPECT_EQ(adjusted(*table, "A", bar_of(2'000'000'000, 7), 10 * kDay).volume_e8, 2);
  EXPECT_EQ(adjusted(*table, "A", bar_of(2'000'000'000, 7), 20 * kDay).high_e9, 2'000'000'000);
  EXPECT_EQ(adjusted(*table, "A", bar_of(2'000'000'000, 7), 20 * kDay).volume_e8, 7);
  // One share each of three dates: 2/21 + 2/7 + 1 = 29/21, and no third is lost on the way.
  const auto& series = table->of("A");
  Bar sum;
  for (const std::int64_t date : {0, 10, 20}) {
    Bar part = bar_of(1'000'000'000, 21);
    ASSERT_TRUE(series.adjust(part, date * kDay));
    sum.volume_e8 += part.volume_e8;
  }
  series.round_sums(sum);
  EXPECT_EQ(sum.volume_e8, 29);
}

TEST(Splits, AVwapIsRoundedOnceOnly) {
  const auto table = SplitTable::make({{"A", 10 * kDay, 3, 1}});
  ASSERT_TRUE(table);
  // 1e-8 of a share is a third of it now; its price is exactly three times the old one.
  const Bar bar = adjusted(*table, "A", bar_of(1'000'000'000, 1), 0);
  EXPECT_EQ(bar.volume_e8, 0);
  EXPECT_EQ(vwap_e9(bar.notional_e17, bar.vwap_volume_e8), 3'000'000'000);
}

TEST(Splits, WhatDoesNotFitIsAnError) {
  EXPECT_FALSE(SplitTable::make({{"A", kDay, 1, 2}, {"A", kDay, 1, 2}}));
  EXPECT_TRUE(SplitTable::make({{"A", kDay, 1, kMaxFactor}}));
  EXPECT_FALSE(SplitTable::make({{"A", kDay, 1, kMaxFactor}, {"A", 2 * kDay, 1, 2}}));
  EXPECT_FALSE(SplitTable::make({{"A", kDay, kMaxFactor, 1}, {"A", 2 * kDay, 3, 1}}));
  const auto table = SplitTable::make({{"A", kDay, 1'000, 1}, {"B", kDay, 1, kMaxFactor}});
  ASSERT_TRUE(table);
  Bar bar = bar_of(std::numeric_limits<std::int64_t>::max() / 1'000 + 1, 1);
  const auto high = table->of("A").adjust(bar, 0);
  ASSERT_FALSE(high);
  EXPECT_EQ(high.error().code, ErrorCode::kBadPolicy);
  bar = bar_of(1, 1);
  bar.volume_e8 = static_cast<int128>(1) << 100;
  EXPECT_FALSE(table->of("B").adjust(bar, 0));
}

}  // namespace
}  // namespace finpipe
