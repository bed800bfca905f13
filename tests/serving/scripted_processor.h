// A processor as the hub and the store see it, cut into steps so small that a test can do anything between two of them:
// per partition begin a round, apply a record, end the round; then commit, which a later round knows. Bars that are
// committed leave its memory at random, so that a change of theirs is told or not as the real engine would.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "endpoint/live_hub.h"
#include "stores/memory_store.h"

namespace finpipe {

class ScriptedProcessor {
 public:
  struct Options {
    std::int32_t partitions = 2;
    std::vector<std::string> symbols;
    int max_records_per_round = 4;
    double record_chance = 0.6;  // that a round of a partition goes on
    double commit_chance = 0.5;
    std::int64_t lateness_ms = 3'000;  // of a trade, at most
  };

  ScriptedProcessor(Options options, LiveHub& hub, MemoryStore& store, std::uint64_t seed);

  // The next small step.
  void step();
  // Applies nothing more, commits everything and tells it.
  void finish();

  // What a reader must end up with.
  [[nodiscard]] std::map<std::int64_t, std::int64_t> versions(std::string_view symbol) const;  // of bars, by start
  [[nodiscard]] std::vector<std::int64_t> seqs(std::string_view symbol) const;                 // of trades

 private:
  enum class Phase : std::uint8_t { kBegin, kApply, kEnd, kCommit };
  struct Row {
    Bar bar;
    std::int64_t told = -1;
    bool dirty = false;
  };
  struct Series {
    std::int32_t partition = 0;
    bool wants_bars = false;
    bool wants_trades = false;
    std::map<std::int64_t, Row> rows;
    std::vector<std::int64_t> seqs;
  };
  struct Partition {
    std::vector<std::string> symbols;
    std::uint64_t interest = 0;
    std::int64_t applied = 0;
    std::int64_t committed = 0;
  };

  void begin_round(Partition& partition);
  void apply(Partition& partition);
  void end_round(std::int32_t number);
  void commit();
  void acknowledge();

  Options options_;
  LiveHub& hub_;
  MemoryStore& store_;
  Random random_;
  std::vector<Partition> partitions_;
  std::map<std::string, Series, std::less<>> series_;
  Phase phase_ = Phase::kBegin;
  std::size_t at_ = 0;  // partition whose turn it is
  int records_ = 0;     // of this partition in this round
  bool finishing_ = false;
  std::vector<Tick> ticks_;              // not committed yet
  std::vector<std::int64_t> in_flight_;  // applied offsets, by partition, of a commit that the next round knows
  std::int64_t next_seq_ = 1;
};

}  // namespace finpipe
