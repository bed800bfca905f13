#include "app/late_store.h"

#include <chrono>

namespace finpipe {

LateStore::LateStore(Open open, const Error& why, std::int64_t pause_ms)
    : open_(std::move(open)), pause_ms_(pause_ms), why_(why.detail) {}

Result<void> LateStore::opened() {
  while (!is_open_) {
    {
      std::unique_lock lock(mutex_);
      interruption_.wait_for(lock, std::chrono::milliseconds(pause_ms_), [this] { return interrupted_; });
      if (interrupted_) return fail(ErrorCode::kInterrupted);
    }
    auto part = open_();
    const std::lock_guard lock(mutex_);
    if (part) {
      part_.emplace(*std::move(part));
      if (interrupted_) part_->store().interrupt();
      is_open_ = true;
    } else if (part.error().code == ErrorCode::kStoreUnreachable) {
      why_ = part.error().detail;
    } else {
      return fail(part.error());
    }
  }
  return {};
}

Result<void> LateStore::already_open() const {
  if (is_open_) return {};
  const std::lock_guard lock(mutex_);
  return fail(ErrorCode::kStoreUnreachable, why_);
}

std::optional<std::string> LateStore::trouble() const {
  if (is_open_) return part_->store().trouble();
  const std::lock_guard lock(mutex_);
  return "it cannot be opened: " + why_;
}

void LateStore::interrupt() {
  const std::lock_guard lock(mutex_);
  interrupted_ = true;
  interruption_.notify_all();
  if (is_open_) part_->store().interrupt();
}

CassandraStatistics LateStore::statistics() const {
  return is_open_ ? part_->statistics().value_or(CassandraStatistics()) : CassandraStatistics();
}

Result<std::optional<CheckpointRow>> LateStore::load_checkpoint(std::int32_t partition) {
  FINPIPE_TRY(opened());
  return part_->store().load_checkpoint(partition);
}
Result<std::vector<SymbolRow>> LateStore::load_symbols(std::int32_t partition) {
  FINPIPE_TRY(opened());
  return part_->store().load_symbols(partition);
}
Result<std::vector<BarRow>> LateStore::load_bars(std::span<const BarRange> ranges) {
  FINPIPE_TRY(opened());
  return part_->store().load_bars(ranges);
}
Result<std::vector<SpanRow>> LateStore::load_spans(std::int32_t partition) {
  FINPIPE_TRY(opened());
  return part_->store().load_spans(partition);
}
Result<std::vector<VoidRow>> LateStore::load_voids(std::int32_t partition) {
  FINPIPE_TRY(opened());
  return part_->store().load_voids(partition);
}
Result<void> LateStore::load_ticks(const TickRange& range, const std::function<void(const Tick&)>& visit) {
  FINPIPE_TRY(opened());
  return part_->store().load_ticks(range, visit);
}
Result<std::optional<PolicyRow>> LateStore::load_policy(std::string_view hash) {
  FINPIPE_TRY(opened());
  return part_->store().load_policy(hash);
}

Result<std::vector<SymbolRow>> LateStore::symbols() {
  FINPIPE_TRY(already_open());
  return part_->query().symbols();
}
Result<std::vector<CheckpointRow>> LateStore::checkpoints() {
  FINPIPE_TRY(already_open());
  return part_->query().checkpoints();
}
Result<void> LateStore::bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit, Order order) {
  FINPIPE_TRY(already_open());
  return part_->query().bars(range, visit, order);
}
Result<void> LateStore::revisions(const BarRange& range, const std::function<bool(const RevisionRow&)>& visit) {
  FINPIPE_TRY(already_open());
  return part_->query().revisions(range, visit);
}
Result<void> LateStore::ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit, Order order) {
  FINPIPE_TRY(already_open());
  return part_->query().ticks(range, visit, order);
}
Result<std::vector<SpanRow>> LateStore::spans() {
  FINPIPE_TRY(already_open());
  return part_->query().spans();
}
Result<std::vector<VoidRow>> LateStore::voids() {
  FINPIPE_TRY(already_open());
  return part_->query().voids();
}
Result<std::optional<PolicyRow>> LateStore::policy(std::string_view hash) {
  FINPIPE_TRY(already_open());
  return part_->query().policy(hash);
}

}  // namespace finpipe
