// Keeps everything in maps: for tests, simulations and `--store memory:`. The reference that other stores must equal.
// A submitted commit waits and becomes visible, whole, at the next poll. Used by one thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "pipeline/ports.h"

namespace finpipe {

class MemoryStore final : public Store, public Query {
 public:
  [[nodiscard]] Ticket submit(Commit commit) override;
  [[nodiscard]] Result<Ticket> poll() override;

  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) override;
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t partition) override;
  [[nodiscard]] Result<std::vector<VoidRow>> load_voids(std::int32_t partition) override;
  [[nodiscard]] Result<void> load_ticks(const TickRange& range, const std::function<void(const Tick&)>& visit) override;
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view hash) override;

  [[nodiscard]] Result<std::vector<SymbolRow>> symbols() override;
  [[nodiscard]] Result<std::vector<CheckpointRow>> checkpoints() override;
  [[nodiscard]] Result<void> bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit,
                                  Order order = Order::kAscending) override;
  [[nodiscard]] Result<void> revisions(const BarRange& range,
                                       const std::function<bool(const RevisionRow&)>& visit) override;
  [[nodiscard]] Result<void> ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit,
                                   Order order = Order::kAscending) override;
  [[nodiscard]] Result<std::vector<SpanRow>> spans() override;
  [[nodiscard]] Result<std::vector<VoidRow>> voids() override;
  [[nodiscard]] Result<std::optional<PolicyRow>> policy(std::string_view hash) override;

 private:
  struct StoredTick {
    Tick tick;  // without symbol and codes
    std::string codes;
  };
  using TickKey = std::tuple<std::string, std::int64_t, std::int64_t>;          // symbol, event_time, seq
  using RevisionKey = std::tuple<BarKey, std::int64_t, std::int32_t>;           // bar, generation, revision
  using SpanKey = std::tuple<std::int32_t, LogId, std::int64_t, std::int32_t>;  // partition, log, offset, index
  using VoidKey = std::tuple<std::int32_t, LogId, std::int64_t>;                // partition, log, offset

  void apply(Commit commit);
  [[nodiscard]] static bool visit_tick(const std::pair<const TickKey, StoredTick>& stored,
                                       const std::function<bool(const Tick&)>& visit);

  std::deque<Commit> submitted_;
  Ticket next_ticket_ = 1;
  std::map<TickKey, StoredTick> ticks_;
  std::map<BarKey, Bar> bars_;
  std::map<RevisionKey, Bar> revisions_;
  std::map<SpanKey, SpanRow> spans_;
  std::map<VoidKey, VoidRow> voids_;
  std::map<std::string, std::int32_t> symbols_;
  std::map<std::string, PolicyRow, std::less<>> policies_;
  std::map<std::int32_t, CheckpointRow> checkpoints_;
};

}  // namespace finpipe
