// Finds trades that a feed seems to have sent twice. Finnhub has no trade ids, and single equal trades are routine, so
// only runs count: a run of at least three different trades that equals, trade for trade and in all five fields, an
// earlier run of the last 64 frames, inside or across frames. Marked are the trade that completes or extends a run and
// that run's trades in the same frame; those of earlier frames were taken already and stay counted.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "market/trade.h"

namespace finpipe {

class SuspectFinder {
 public:
  static constexpr std::size_t kFrames = 64;
  static constexpr std::size_t kMaxTrades = 4'096;  // of history; older ones are forgotten even inside 64 frames
  static constexpr std::size_t kRunTrades = 3;      // different ones

  // Sets `suspect` of the trades of one frame.
  void mark(std::span<Trade> frame);

 private:
  struct Seen {
    std::uint64_t hash = 0;
    std::int64_t event_time_ms = 0, price_e9 = 0, volume_e8 = 0;
    std::string symbol, codes;
    Conditions::Form form = Conditions::Form::kAbsent;
    std::uint64_t frame = 0;
    std::uint64_t older = kNone;  // the next older trade with the same hash slot
  };
  // A run that equals the one `distance` trades earlier.
  struct Run {
    std::uint64_t last = kNone;  // number of its newest trade
    std::uint32_t length = 0;
    std::uint32_t different = 0;  // counted up to kRunTrades
    std::uint64_t hashes[kRunTrades - 1] = {};
  };
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  [[nodiscard]] bool equal(const Seen& seen, const Trade& trade, std::uint64_t hash) const;
  void extend(Run& run, std::uint64_t number, std::uint64_t hash);

  std::vector<Seen> ring_ = std::vector<Seen>(kMaxTrades);
  std::vector<std::uint64_t> heads_ = std::vector<std::uint64_t>(2 * kMaxTrades, kNone);  // newest trade per hash slot
  std::vector<Run> runs_ = std::vector<Run>(kMaxTrades);                                  // by distance
  std::uint64_t next_ = 0;                                                                // number of the next trade
  std::uint64_t frame_ = 0;                                                               // number of the current frame
};

}  // namespace finpipe
