// A brute-force search for holes between a snapshot and the updates that follow it.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "endpoint/live_hub.h"
#include "scripted_processor.h"

namespace finpipe {
namespace {

using Channel = LiveHub::Channel;

// Somebody who watches one symbol and keeps everything that he is told.
struct Reader {
  std::string symbol;
  Channel channel;
  LiveHub::Watch watch;
  bool covered = false;
  std::map<std::int64_t, std::int64_t> versions{};
  std::set<std::int64_t> seqs{};

  void see(const BarRow& row) {
    std::int64_t& version = versions[row.key.start_ms];
    version = std::max(version, row.bar.version);
  }
  void read(MemoryStore& store) {
    covered = true;
    if (channel == Channel::kBars) {
      ASSERT_TRUE(store.bars({symbol, Interval::k1s}, [this](const BarRow& row) {
        see(row);
        return true;
      }));
    } else {
      ASSERT_TRUE(store.ticks({symbol}, [this](const Tick& tick) {
        seqs.insert(tick.trade.seq);
        return true;
      }));
    }
  }
  void see(const LiveHub::Updates& updates) {
    for (const BarRow& row : updates.bars)
      if (channel == Channel::kBars && row.key.symbol == symbol) see(row);
    for (const LiveTrade& told : updates.trades)
      if (channel == Channel::kTrades && told.symbol == symbol) seqs.insert(told.trade.seq);
  }
};

// Watches begin and end, snapshots are read and updates taken between any two steps of a processor; whoever stays must
// end up with everything.
class HubHistory {
 public:
  explicit HubHistory(std::uint64_t seed)
      : random_(seed),
        options_{.partitions = static_cast<std::int32_t>(random_.between(1, 3)),
                 .symbols = {"A", "B", "IC MARKETS:1"},
                 .max_records_per_round = static_cast<int>(random_.between(1, 6)),
                 .record_chance = random_.chance(0.3) ? 0.1 : 0.7,
                 .commit_chance = random_.chance(0.3) ? 0.05 : 0.5},
        hub_(options_.partitions),
        processor_(options_, hub_, store_, random_.next()) {}

  void run() {
    for (int i = 0; i < 300; ++i) {
      processor_.step();
      while (random_.chance(0.3)) act();
    }
    processor_.finish();
    take();
    for (const Reader& reader : readers_) {
      EXPECT_TRUE(reader.covered);
      if (reader.channel == Channel::kBars) {
        EXPECT_EQ(reader.versions, processor_.versions(reader.symbol));
      } else {
        const auto all = processor_.seqs(reader.symbol);
        EXPECT_EQ(reader.seqs, std::set<std::int64_t>(all.begin(), all.end()));
      }
    }
  }

 private:
  void act() {
    if (random_.chance(0.6)) return take();
    if (!readers_.empty() && random_.chance(0.3)) {
      const auto leaving = readers_.begin() + static_cast<std::ptrdiff_t>(random_.below(readers_.size()));
      hub_.unwatch(leaving->watch);
      readers_.erase(leaving);
    } else if (readers_.size() < 6) {
      const std::string& symbol = options_.symbols[random_.below(options_.symbols.size())];
      const Channel channel = random_.chance(0.5) ? Channel::kBars : Channel::kTrades;
      readers_.push_back({symbol, channel, hub_.watch(symbol, channel)});
    }
  }
  void take() {
    const auto updates = hub_.take();
    for (Reader& reader : readers_) reader.see(updates);
    for (const LiveHub::Watch watch : updates.covered) {
      const auto reader = std::ranges::find(readers_, watch, &Reader::watch);
      ASSERT_NE(reader, readers_.end());
      reader->read(store_);
    }
  }

  Random random_;
  ScriptedProcessor::Options options_;
  MemoryStore store_;
  LiveHub hub_;
  ScriptedProcessor processor_;
  std::deque<Reader> readers_;
};

TEST(LiveHubHoles, NoInterleavingLeavesAHoleBetweenSnapshotAndUpdates) {
  for (std::uint64_t seed = 1; seed <= 2'000 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    HubHistory(seed).run();
  }
}

}  // namespace
}  // namespace finpipe
