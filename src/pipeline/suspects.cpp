#include "pipeline/suspects.h"

#include <algorithm>
#include <functional>

namespace finpipe {
namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9e3779b97f4a7c15ULL + (hash << 12) + (hash >> 4);
  return hash * 0xff51afd7ed558ccdULL;
}

std::uint64_t hash_of(const Trade& trade) {
  std::uint64_t hash = std::hash<std::string_view>{}(trade.symbol);
  hash = mix(hash, static_cast<std::uint64_t>(trade.event_time_ms));
  hash = mix(hash, static_cast<std::uint64_t>(trade.price_e9));
  hash = mix(hash, static_cast<std::uint64_t>(trade.volume_e8));
  hash = mix(hash, static_cast<std::uint64_t>(trade.conditions.form));
  if (!trade.conditions.codes.empty()) hash = mix(hash, std::hash<std::string_view>{}(trade.conditions.codes));
  return hash ^ (hash >> 32);
}

}  // namespace

bool SuspectFinder::equal(const Seen& seen, const Trade& trade, std::uint64_t hash) const {
  return seen.hash == hash && seen.event_time_ms == trade.event_time_ms && seen.price_e9 == trade.price_e9 &&
         seen.volume_e8 == trade.volume_e8 && seen.form == trade.conditions.form && seen.symbol == trade.symbol &&
         seen.codes == trade.conditions.codes;
}

void SuspectFinder::extend(Run& run, std::uint64_t number, std::uint64_t hash) {
  if (number == 0 || run.last != number - 1) run = {};
  run.last = number;
  ++run.length;
  if (run.different == kRunTrades) return;
  const auto known = std::span(run.hashes).first(std::min<std::size_t>(run.different, kRunTrades - 1));
  if (std::ranges::find(known, hash) != known.end()) return;
  if (run.different < kRunTrades - 1) run.hashes[run.different] = hash;
  ++run.different;
}

void SuspectFinder::mark(std::span<Trade> frame) {
  ++frame_;
  const std::uint64_t frame_begin = next_;
  for (std::size_t i = 0; i < frame.size(); ++i) {
    Trade& trade = frame[i];
    const std::uint64_t number = next_++;
    const std::uint64_t hash = hash_of(trade);
    std::uint64_t& head = heads_[hash % heads_.size()];
    std::size_t marked = 0;  // trades of this frame, the current one last
    // Numbers fall along a chain, so it ends where the history does.
    for (std::uint64_t earlier = head; earlier != kNone && number - earlier < kMaxTrades;) {
      const Seen& seen = ring_[earlier % kMaxTrades];
      if (seen.frame + kFrames < frame_) break;
      if (equal(seen, trade, hash)) {
        Run& run = runs_[number - earlier];
        extend(run, number, hash);
        if (run.different == kRunTrades) {
          marked = std::max(marked, std::min<std::size_t>(run.length, number - frame_begin + 1));
        }
      }
      earlier = seen.older;
    }
    for (std::size_t back = 0; back < marked; ++back) frame[i - back].suspect = Suspect::kRepeatedRun;
    Seen& slot = ring_[number % kMaxTrades];
    slot.hash = hash;
    slot.event_time_ms = trade.event_time_ms;
    slot.price_e9 = trade.price_e9;
    slot.volume_e8 = trade.volume_e8;
    slot.symbol.assign(trade.symbol);
    slot.codes.assign(trade.conditions.codes);
    slot.form = trade.conditions.form;
    slot.frame = frame_;
    slot.older = head;
    head = number;
  }
}

}  // namespace finpipe
