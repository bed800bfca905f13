// A store whose server was away when the run began. What loads from it waits until it can be opened, so that nothing is
// processed meanwhile; queries answer kStoreUnreachable until then.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/parts.h"
#include "pipeline/ports.h"

namespace finpipe {

class LateStore final : public Store, public Query {
 public:
  using Open = std::function<Result<StorePart>()>;

  // `open` is called by the thread that loads, `pause_ms` after it failed with kStoreUnreachable, as it did with `why`.
  // Its other errors are those of the load.
  LateStore(Open open, const Error& why, std::int64_t pause_ms = 1'000);

  // Something must have been loaded before.
  [[nodiscard]] Ticket submit(Commit commit) override { return part_->store().submit(std::move(commit)); }
  [[nodiscard]] Result<Ticket> poll() override { return is_open_ ? part_->store().poll() : Result<Ticket>(0); }
  [[nodiscard]] std::optional<std::string> trouble() const override;
  void interrupt() override;
  // Of a Cassandra store; zeros until it is open.
  [[nodiscard]] CassandraStatistics statistics() const;

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
                                  Order order) override;
  [[nodiscard]] Result<void> revisions(const BarRange& range,
                                       const std::function<bool(const RevisionRow&)>& visit) override;
  [[nodiscard]] Result<void> ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit,
                                   Order order) override;
  [[nodiscard]] Result<std::vector<SpanRow>> spans() override;
  [[nodiscard]] Result<std::vector<VoidRow>> voids() override;
  [[nodiscard]] Result<std::optional<PolicyRow>> policy(std::string_view hash) override;

 private:
  // Opens it, or waits until it can be.
  [[nodiscard]] Result<void> opened();
  [[nodiscard]] Result<void> already_open() const;

  const Open open_;
  const std::int64_t pause_ms_;
  mutable std::mutex mutex_;  // of what follows, up to is_open_
  std::condition_variable interruption_;
  bool interrupted_ = false;
  std::string why_;  // it could not be opened the last time
  std::atomic<bool> is_open_ = false;
  std::optional<StorePart> part_;  // unchanged once it is open
};

}  // namespace finpipe
