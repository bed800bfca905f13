// What the tests of the embedded store share: a directory of their own, and commits whose content follows from their
// place, so that what must be stored can be said without having kept it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "pipeline/ports.h"

namespace finpipe {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "finpipe-stores-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "no temporary directory " << name;
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

constexpr std::int64_t kCommitTicks = 500;
constexpr std::string_view kCommitSymbols[] = {"A", "AB"};

inline Trade trade_at(std::int64_t offset) {
  Trade trade;
  trade.event_time_ms = offset * 997;
  trade.seq = offset + 1;
  trade.price_e9 = offset * 3;
  trade.volume_e8 = 1;
  return trade;
}

// Ticks of the offsets from `begin` on, the bar that they made, and a checkpoint behind them.
inline Commit commit_at(std::int64_t begin) {
  Commit commit;
  const std::int64_t end = begin + kCommitTicks;
  for (std::int64_t offset = begin; offset < end; ++offset)
    commit.add_tick(trade_at(offset), kCommitSymbols[offset % 2], offset, LogId{});
  BarRow bar{{"A", Interval::k1d, 0}, {}};
  bar.bar.version = bar.bar.trades = end;
  commit.bars.push_back(bar);
  commit.symbols.push_back({"A", 0});
  commit.checkpoints.push_back({0, 0, end, std::string(1'000, 'c')});
  return commit;
}

// Expects exactly the commits below the checkpoint, whole; returns the checkpoint's offset.
template <typename AnyStore>
std::int64_t expect_whole_commits(AnyStore& store) {
  const auto checkpoint = store.load_checkpoint(0);
  EXPECT_TRUE(checkpoint) << checkpoint.error().message();
  const std::int64_t end = checkpoint && *checkpoint ? (*checkpoint)->offset : 0;
  EXPECT_EQ(end % kCommitTicks, 0);
  for (std::int64_t first = 0; first < 2; ++first) {
    std::int64_t expected = first;
    const auto done = store.ticks({kCommitSymbols[first]}, [&expected](const Tick& tick) {
      const Trade trade = trade_at(expected);
      const bool same = tick.offset == expected && tick.trade.seq == trade.seq &&
                        tick.trade.event_time_ms == trade.event_time_ms && tick.trade.price_e9 == trade.price_e9;
      EXPECT_TRUE(same) << "offset " << tick.offset << " where " << expected << " should be";
      expected += 2;
      return same;
    });
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_EQ(expected, end + first);
  }
  const BarRange day{"A", Interval::k1d, 0, 0};
  const auto bars = store.load_bars({&day, 1});
  EXPECT_TRUE(bars && bars->size() == (end > 0 ? 1U : 0U));
  if (bars && !bars->empty()) {
    EXPECT_EQ(bars->front().bar.version, end);
  }
  return end;
}

}  // namespace finpipe
