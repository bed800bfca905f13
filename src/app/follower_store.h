// The store of a process that follows a log which others process: it makes the same bars from the same log, and stores
// nothing. What it loads is in the store that they write; a commit of its own is done once theirs have come as far.
#pragma once

#include <cstdint>
#include <deque>
#include <map>

#include "base/clock.h"
#include "base/time.h"
#include "pipeline/ports.h"

namespace finpipe {

class FollowerStore final : public Store {
 public:
  FollowerStore(Store& store, Clock& clock) : store_(store), clock_(clock) {}

  [[nodiscard]] Ticket submit(Commit commit) override;
  // Looks at the checkpoints every kLookNs. kCheckpointMismatch: a new generation has begun, start anew.
  [[nodiscard]] Result<Ticket> poll() override;
  [[nodiscard]] std::optional<std::string> trouble() const override { return store_.trouble(); }
  void interrupt() override { store_.interrupt(); }

  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) override {
    return store_.load_checkpoint(partition);
  }
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t partition) override {
    return store_.load_symbols(partition);
  }
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) override {
    return store_.load_bars(ranges);
  }
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t partition) override {
    return store_.load_spans(partition);
  }
  [[nodiscard]] Result<std::vector<VoidRow>> load_voids(std::int32_t partition) override {
    return store_.load_voids(partition);
  }
  [[nodiscard]] Result<void> load_ticks(const TickRange& range,
                                        const std::function<void(const Tick&)>& visit) override {
    return store_.load_ticks(range, visit);
  }
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view hash) override {
    return store_.load_policy(hash);
  }

 private:
  static constexpr std::int64_t kLookNs = 200 * kNsPerMs;
  struct Waiting {
    Ticket ticket;
    CheckpointRow checkpoint;  // without its body
  };

  Store& store_;
  Clock& clock_;
  std::deque<Waiting> waiting_;
  std::map<std::int32_t, CheckpointRow> known_;  // by partition, as last looked at
  Ticket submitted_ = 0;
  Ticket done_ = 0;
  std::int64_t looked_ns_ = 0;
};

}  // namespace finpipe
