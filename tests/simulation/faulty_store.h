// Stores as a cluster of processes sees them: one shared store, and per process a queue in front of it that applies
// what was submitted later, in pieces, in an order that the contract allows: those of several commits mix. A process
// that crashed takes its queue with it; one that was replaced without noticing goes on applying its own.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/random.h"
#include "mortal_ports.h"
#include "pipeline/ports.h"
#include "stores/memory_store.h"

namespace finpipe::simulation {

// What all processes share, with a memory of everything that was ever written under one version.
class SharedStore {
 public:
  void apply(Commit piece);
  // Contents of older ones are no longer looked at.
  void begin_generation(std::int64_t generation) { generation_ = generation; }
  [[nodiscard]] MemoryStore& rows() { return rows_; }
  // The first two contents that were written under one version of a bar or one revision.
  [[nodiscard]] const std::optional<std::string>& impurity() const { return impurity_; }

 private:
  struct HashKey {
    std::size_t operator()(const BarKey& key) const {
      const auto place = static_cast<std::size_t>(key.start_ms) * kIntervalCount + index_of(key.interval);
      return std::hash<std::string>{}(key.symbol) ^ (place * 0x9e3779b97f4a7c15U);
    }
  };
  using Versions = std::map<std::pair<std::int64_t, std::int64_t>, Bar>;  // by generation and number
  using Written = std::unordered_map<BarKey, Versions, HashKey>;

  void remember(Written& written, const BarRow& row, std::int64_t number, std::string_view what);

  MemoryStore rows_;
  std::int64_t generation_ = 0;
  Written bars_, revisions_;
  std::optional<std::string> impurity_;
};

class FaultyStore final : public Store {
 public:
  FaultyStore(SharedStore& shared, Fuse& fuse, std::uint64_t seed) : shared_(shared), fuse_(fuse), random_(seed) {}

  // Applies so many pieces of what is queued.
  void work(std::size_t pieces);
  [[nodiscard]] std::size_t queued() const { return queued_; }

  // What waits will never be written, and the process that polls is told.
  void fail_writes() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }

  [[nodiscard]] Ticket submit(Commit commit) override;
  [[nodiscard]] Result<Ticket> poll() override;
  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) override;
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<VoidRow>> load_voids(std::int32_t partition) override;
  [[nodiscard]] Result<void> load_ticks(const TickRange& range, const std::function<void(const Tick&)>& visit) override;
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view hash) override;

 private:
  // A commit on its way, in steps: what a bar's row says is there; bars, once all commits before have done their first
  // step too; the checkpoint, once they are whole.
  struct Waiting {
    Ticket ticket;
    std::vector<Commit> first;
    std::vector<BarRow> bars;
    std::vector<CheckpointRow> checkpoints;

    [[nodiscard]] std::size_t step() const { return !first.empty() ? 0 : !bars.empty() ? 1 : 2; }
    [[nodiscard]] std::size_t pieces() const { return first.size() + bars.size() + checkpoints.size(); }
  };

  [[nodiscard]] bool can_go_on(std::size_t index) const;
  template <typename Piece>
  [[nodiscard]] Piece take_any(std::vector<Piece>& pieces);

  SharedStore& shared_;
  Fuse& fuse_;
  Random random_;
  bool failed_ = false;
  std::deque<Waiting> waiting_;
  std::size_t queued_ = 0;  // pieces
  Ticket next_ticket_ = 1;
  Ticket done_ = 0;
};

}  // namespace finpipe::simulation
