// Keeps everything in memory: for tests, simulations and benchmarks. The reference that other stores must equal.
// A submitted commit waits and becomes visible, whole, at the next poll. Used by one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pipeline/ports.h"

namespace finpipe {

class MemoryStore final : public Store, public Query {
 public:
  MemoryStore() = default;
  MemoryStore(MemoryStore&&) noexcept = default;  // not copied: ticks refer to texts that are kept beside them
  MemoryStore& operator=(MemoryStore&&) noexcept = default;

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
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using TickKey = std::pair<std::int64_t, std::int64_t>;                        // event_time, seq
  using RevisionKey = std::tuple<std::int64_t, std::int64_t, std::int32_t>;     // start, generation, revision
  using SpanKey = std::tuple<std::int32_t, LogId, std::int64_t, std::int32_t>;  // partition, log, offset, index
  using VoidKey = std::tuple<std::int32_t, LogId, std::int64_t>;                // partition, log, offset
  struct OfInterval {
    std::map<std::int64_t, Bar> bars;  // by start
    std::map<RevisionKey, Bar> revisions;
  };
  // Most rows come in order, and so go to the end of what there is.
  struct OfSymbol {
    std::vector<Tick> ticks;  // by TickKey
    std::array<OfInterval, kIntervalCount> intervals;
  };
  // The texts of a tick are a key of it, and one of `codes_`.
  using Symbols = std::unordered_map<std::string, OfSymbol, TextHash, std::equal_to<>>;

  void apply(Commit commit);
  void keep(Tick tick);
  void keep(const BarRow& row);
  [[nodiscard]] static TickKey key_of(const Tick& tick) { return {tick.trade.event_time_ms, tick.trade.seq}; }
  [[nodiscard]] Symbols::value_type& of(std::string_view symbol);
  [[nodiscard]] const OfInterval* find(const BarRange& range) const;

  std::deque<Commit> submitted_;
  Ticket next_ticket_ = 1;
  Symbols by_symbol_;
  std::set<std::string, std::less<>> codes_;
  std::map<SpanKey, SpanRow> spans_;
  std::map<VoidKey, VoidRow> voids_;
  std::map<std::string, std::int32_t> symbols_;
  std::map<std::string, PolicyRow, std::less<>> policies_;
  std::map<std::int32_t, CheckpointRow> checkpoints_;
};

}  // namespace finpipe
