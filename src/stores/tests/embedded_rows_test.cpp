#include "stores/embedded_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace finpipe::rows {
namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

Tick tick_at(std::int64_t event_time_ms, std::int64_t seq, std::int64_t price_e9 = 0) {
  Tick tick;
  tick.trade.event_time_ms = event_time_ms;
  tick.trade.seq = seq;
  tick.trade.price_e9 = price_e9;
  return tick;
}

std::string block_of(const std::vector<Tick>& ticks) {
  TickCodec codec;
  std::string block;
  for (const Tick& tick : ticks) append_tick(tick, codec, block);
  return block;
}

std::string merged(const std::vector<std::string_view>& blocks) {
  std::string out = "what was there before";
  merge_tick_blocks(blocks, out);
  return out;
}

TEST(EmbeddedRows, KeysSortAsTheirRowsDo) {
  std::vector<std::string> keys;
  std::string key;
  for (const char* symbol : {"A", "A B", "AB", "B"}) {
    for (const Interval interval : {Interval::k1s, Interval::k1d}) {
      for (const std::int64_t start_ms : {kLowest, std::int64_t{-256}, std::int64_t{-1}, std::int64_t{0},
                                          std::int64_t{1}, std::int64_t{256}, kHighest}) {
        set_bar_key(symbol, interval, start_ms, key);
        keys.push_back(key);
        BarKey parsed;
        ASSERT_TRUE(parse_bar_key(key, parsed));
        EXPECT_EQ(parsed, (BarKey{symbol, interval, start_ms}));
      }
    }
  }
  EXPECT_TRUE(std::ranges::is_sorted(keys));
}

TEST(EmbeddedRows, ATickKeepsItsTimeInTheFirstAndLastBucketOfTime) {
  for (const std::int64_t time_ms : {kLowest, std::int64_t{-300'001}, std::int64_t{-300'000}, std::int64_t{-1},
                                     std::int64_t{0}, std::int64_t{299'999}, std::int64_t{300'000}, kHighest}) {
    const std::string block = block_of({tick_at(time_ms, 9)});
    std::string_view rest = block;
    TickEntry entry;
    ASSERT_TRUE(take_tick(rest, entry));
    EXPECT_TRUE(rest.empty());
    EXPECT_EQ(event_time_ms(tick_bucket(time_ms), entry), time_ms);
    EXPECT_EQ(entry.seq, 9);
  }
}

TEST(EmbeddedRows, MergedBlocksAreOrderedAndTheNewestOfEqualTicksStays) {
  const std::string first = block_of({tick_at(10, 1, 1), tick_at(30, 5, 1), tick_at(20, 7, 1)});
  const std::string second = block_of({tick_at(30, 5, 2), tick_at(20, 6, 2), tick_at(10, 1, 2)});
  const std::string third = block_of({tick_at(10, 1, 3), tick_at(10, 1, 4)});
  const std::string expected = block_of({tick_at(10, 1, 4), tick_at(20, 6, 2), tick_at(20, 7, 1), tick_at(30, 5, 2)});
  EXPECT_EQ(merged({first, second, third}), expected);
  EXPECT_EQ(merged({merged({first, second}), third}), expected);
  EXPECT_EQ(merged({first + second + third}), expected) << "blocks that were only put one behind the other";
  EXPECT_EQ(merged({expected}), expected);
  EXPECT_EQ(merged({}), "");
}

TEST(EmbeddedRows, ADamagedBlockIsKeptForItsReaderToFind) {
  const std::string good = block_of({tick_at(10, 1)});
  const std::string bad = good.substr(0, good.size() - 1);
  EXPECT_EQ(merged({good, bad}), good + bad);
  EXPECT_EQ(merged({bad, good}), bad + good);
}

TEST(EmbeddedRows, ABlockCutAnywhereInATickIsRefused) {
  const std::string block = block_of({tick_at(10, 1)});
  for (std::size_t size = 1; size < block.size(); ++size) {
    std::string_view rest = std::string_view(block).substr(0, size);
    TickEntry entry;
    EXPECT_FALSE(take_tick(rest, entry)) << size;
  }
}

TEST(EmbeddedRows, RanksCompareByGenerationAndThenByVersion) {
  const auto rank = [](std::int64_t generation, std::int64_t version) {
    Bar bar;
    bar.generation = generation;
    bar.version = version;
    std::string value;
    set_bar_value(bar, value);
    return std::string(rank_of(value));
  };
  EXPECT_LT(rank(0, 255), rank(0, 256));
  EXPECT_LT(rank(0, kHighest), rank(1, 0));
  EXPECT_LT(rank(255, 0), rank(256, 0));
  EXPECT_EQ(rank(3, 4), rank(3, 4));
}

}  // namespace
}  // namespace finpipe::rows
