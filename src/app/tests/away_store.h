// A store whose server can go away: then polls bring nothing, and what reads waits until it is back.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/ports.h"
#include "stores/cassandra/cassandra_store.h"
#include "stores/memory_store.h"

namespace finpipe {

class AwayStore final : public Store, public Query {
 public:
  void go_away() {
    const std::lock_guard lock(mutex_);
    away_ = true;
  }
  void go_away_at_submit() {
    const std::lock_guard lock(mutex_);
    away_at_submit_ = true;
  }
  void come_back() {
    const std::lock_guard lock(mutex_);
    away_ = false;
    changed_.notify_all();
  }
  // Readers that wait now.
  [[nodiscard]] int waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }
  [[nodiscard]] bool interrupted() const {
    const std::lock_guard lock(mutex_);
    return interrupted_;
  }
  [[nodiscard]] MemoryStore& rows() { return rows_; }
  [[nodiscard]] CassandraStatistics statistics() const { return {.nodes = 3, .nodes_up = 2}; }

  [[nodiscard]] Ticket submit(Commit commit) override {
    const std::lock_guard lock(mutex_);
    if (std::exchange(away_at_submit_, false)) away_ = true;
    return rows_.submit(std::move(commit));
  }
  [[nodiscard]] Result<Ticket> poll() override {
    const std::lock_guard lock(mutex_);
    if (away_) return done_;
    auto done = rows_.poll();
    if (done) done_ = *done;
    return done;
  }
  [[nodiscard]] std::optional<std::string> trouble() const override {
    const std::lock_guard lock(mutex_);
    return away_ ? std::optional<std::string>("0 of 3 nodes answer") : std::nullopt;
  }
  void interrupt() override {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
    changed_.notify_all();
  }

  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) override {
    return read([&] { return rows_.load_checkpoint(partition); });
  }
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t partition) override {
    return read([&] { return rows_.load_symbols(partition); });
  }
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) override {
    return read([&] { return rows_.load_bars(ranges); });
  }
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t partition) override {
    return read([&] { return rows_.load_spans(partition); });
  }
  [[nodiscard]] Result<std::vector<VoidRow>> load_voids(std::int32_t partition) override {
    return read([&] { return rows_.load_voids(partition); });
  }
  [[nodiscard]] Result<void> load_ticks(const TickRange& range,
                                        const std::function<void(const Tick&)>& visit) override {
    return read([&] { return rows_.load_ticks(range, visit); });
  }
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view hash) override {
    return read([&] { return rows_.load_policy(hash); });
  }
  [[nodiscard]] Result<std::vector<SymbolRow>> symbols() override {
    return read([&] { return rows_.symbols(); });
  }
  [[nodiscard]] Result<std::vector<CheckpointRow>> checkpoints() override {
    return read([&] { return rows_.checkpoints(); });
  }
  // Goes on after a wait where it was: a visitor must not be called for one who no longer waits.
  [[nodiscard]] Result<void> bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit,
                                  Order order) override {
    std::vector<BarRow> found;
    FINPIPE_TRY(
        read([&] { return rows_.bars(range, [&](const BarRow& row) { return found.push_back(row), true; }, order); }));
    for (const BarRow& row : found) {
      if (!visit(row)) break;
      FINPIPE_TRY(read([] { return Result<void>(); }));
    }
    return {};
  }
  [[nodiscard]] Result<void> revisions(const BarRange& range,
                                       const std::function<bool(const RevisionRow&)>& visit) override {
    return read([&] { return rows_.revisions(range, visit); });
  }
  [[nodiscard]] Result<void> ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit,
                                   Order order) override {
    return read([&] { return rows_.ticks(range, visit, order); });
  }
  [[nodiscard]] Result<std::vector<SpanRow>> spans() override {
    return read([&] { return rows_.spans(); });
  }
  [[nodiscard]] Result<std::vector<VoidRow>> voids() override {
    return read([&] { return rows_.voids(); });
  }
  [[nodiscard]] Result<std::optional<PolicyRow>> policy(std::string_view hash) override {
    return read([&] { return rows_.policy(hash); });
  }

 private:
  template <typename Read>
  auto read(Read rows) -> decltype(rows()) {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.wait(lock, [this] { return !away_ || interrupted_; });
    --waiting_;
    if (interrupted_) return fail(ErrorCode::kInterrupted);
    return rows();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  MemoryStore rows_;
  Ticket done_ = 0;
  int waiting_ = 0;
  bool away_ = false;
  bool away_at_submit_ = false;
  bool interrupted_ = false;
};

}  // namespace finpipe
