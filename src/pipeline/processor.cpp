#include "pipeline/processor.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/planted_fault.h"
#include "base/time.h"

namespace finpipe {

Result<void> Processor::assign(const LogReader::Assignment& assignment) {
  const std::int32_t partition = assignment.partition;
  if (const auto kept = partitions_.find(partition); planted(PlantedFault::kStateKept) && kept != partitions_.end()) {
    return assignment.change == LogReader::Change::kRevoked ? Result<void>()
                                                            : log_.seek(partition, kept->second.next_offset());
  }
  // Whatever an earlier assignment left in memory may be older than the store: it is always dropped.
  partitions_.erase(partition);
  uncommitted_since_ns_.erase(partition);
  paused_.erase(partition);
  std::erase_if(in_flight_, [&](const InFlight& commit) { return commit.partition == partition; });
  if (assignment.change == LogReader::Change::kRevoked) return {};
  FINPIPE_TRY_ASSIGN(processor,
                     PartitionProcessor::start(partition, log_, store_, dead_letters_, policies_, listener_));
  FINPIPE_TRY(log_.seek(partition, processor.first_offset()));
  committed_[partition] = processor.next_offset();
  partitions_.emplace(partition, std::move(processor));
  return {};
}

std::size_t Processor::in_flight_of(std::int32_t partition) const {
  return static_cast<std::size_t>(std::ranges::count(in_flight_, partition, &InFlight::partition));
}

Result<void> Processor::acknowledge() {
  FINPIPE_TRY_ASSIGN(done, store_.poll());
  while (!in_flight_.empty() && in_flight_.front().ticket <= done) {
    const InFlight commit = in_flight_.front();
    in_flight_.pop_front();
    partitions_.at(commit.partition).acknowledge(commit.number);
    committed_[commit.partition] = commit.offset;
    log_.commit_hint(commit.partition, commit.offset);
  }
  if (!paused_.empty() && !is_full()) resume_paused();
  return {};
}

bool Processor::is_full() const {
  std::int64_t records = 0;
  for (const InFlight& commit : in_flight_) records += commit.records;
  for (const auto& [partition, processor] : partitions_) records += processor.uncommitted();
  return records >= options_.unstored_records;
}

void Processor::resume_paused() {
  std::erase_if(paused_, [this](std::int32_t partition) {
    if (in_flight_of(partition) >= kMaxInFlight) return false;
    log_.resume(partition);
    return true;
  });
}

Result<void> Processor::commit(std::int32_t partition, PartitionProcessor& processor) {
  FINPIPE_TRY(dead_letters_.flush());
  const std::int64_t number = next_number_++;
  const std::int64_t offset = processor.next_offset();
  const std::int64_t records = processor.uncommitted();
  Commit commit = processor.take(number);
  // Taking merges what was gathered, and that may be the sum that does not fit.
  if (processor.engine().overflowed()) return fail(ErrorCode::kSumOverflow, fmt::format("partition {}", partition));
  if (planted(PlantedFault::kCheckpointFirst)) {
    Commit early;
    early.checkpoints = std::exchange(commit.checkpoints, {});
    (void)store_.submit(std::move(early));
  }
  const Store::Ticket ticket = store_.submit(std::move(commit));
  const auto since = uncommitted_since_ns_.try_emplace(partition, clock_.boot_ns()).first;
  in_flight_.push_back({ticket, partition, number, offset, records, since->second});
  uncommitted_since_ns_.erase(since);
  if ((in_flight_of(partition) >= kMaxInFlight || is_full()) && paused_.insert(partition).second) log_.pause(partition);
  return {};
}

Result<void> Processor::commit_due() {
  const std::int64_t now_ns = clock_.boot_ns();
  const bool interval_over = now_ns - last_commit_ns_ >= options_.commit_interval_ms * kNsPerMs;
  if (interval_over) last_commit_ns_ = now_ns;
  const bool full = is_full();
  for (auto& [partition, processor] : partitions_) {
    const auto rows = static_cast<std::int64_t>(processor.engine().dirty_rows());
    const std::int64_t enough = std::max(options_.commit_records, options_.records_per_row * rows);
    const bool due = processor.uncommitted() >= enough || ((interval_over || full) && processor.uncommitted() > 0);
    if (due && in_flight_of(partition) < kMaxInFlight) FINPIPE_TRY(commit(partition, processor));
  }
  return {};
}

// The next record needs what came before it in the store: that is committed, and the record read again.
Result<void> Processor::await_store(std::int32_t partition) {
  PartitionProcessor& processor = partitions_.at(partition);
  if (processor.uncommitted() > 0 && in_flight_of(partition) < kMaxInFlight) FINPIPE_TRY(commit(partition, processor));
  return log_.seek(partition, processor.next_offset());
}

Result<std::int64_t> Processor::step() {
  FINPIPE_TRY(acknowledge());
  FINPIPE_TRY_ASSIGN(read, log_.poll(options_.read_bytes));
  for (const LogReader::Assignment& assignment : read.assignments) FINPIPE_TRY(assign(assignment));
  if (listener_ != nullptr) {
    for (auto& [partition, processor] : partitions_) processor.begin_round();
  }
  std::int64_t applied = 0;
  std::set<std::int32_t> waiting;
  for (const LogReader::Batch& batch : read.batches) {
    if (waiting.contains(batch.partition)) continue;
    PartitionProcessor& processor = partitions_.at(batch.partition);
    for (std::size_t i = 0; i < batch.records.size(); ++i) {
      FINPIPE_TRY_ASSIGN(result, processor.apply(batch.first_offset + static_cast<std::int64_t>(i), batch.records[i]));
      if (result == PartitionProcessor::Applied::kNeedsStore) {
        waiting.insert(batch.partition);
        break;
      }
      ++applied;
    }
    if (processor.uncommitted() > 0) uncommitted_since_ns_.try_emplace(batch.partition, clock_.boot_ns());
  }
  for (const std::int32_t partition : waiting) FINPIPE_TRY(await_store(partition));
  records_applied_ += applied;
  if (listener_ != nullptr) {
    for (auto& [partition, processor] : partitions_) processor.end_round(committed_.at(partition));
  }
  FINPIPE_TRY(commit_due());
  return applied;
}

Result<bool> Processor::finish() {
  for (auto& [partition, processor] : partitions_) {
    if (processor.uncommitted() > 0 && in_flight_of(partition) < kMaxInFlight)
      FINPIPE_TRY(commit(partition, processor));
  }
  FINPIPE_TRY(acknowledge());
  return in_flight_.empty() &&
         std::ranges::none_of(partitions_, [](const auto& entry) { return entry.second.uncommitted() > 0; });
}

std::optional<std::int64_t> Processor::oldest_unstored_ns() const {
  std::optional<std::int64_t> oldest_ns;
  const auto consider = [&](std::int64_t at_ns) { oldest_ns = std::min(oldest_ns.value_or(at_ns), at_ns); };
  for (const InFlight& commit : in_flight_) consider(commit.applied_ns);
  for (const auto& [partition, at_ns] : uncommitted_since_ns_) consider(at_ns);
  return oldest_ns;
}

Result<bool> Processor::caught_up() {
  if (partitions_.empty()) return false;
  for (const auto& [partition, processor] : partitions_) {
    FINPIPE_TRY_ASSIGN(range, log_.range(partition));
    if (processor.next_offset() < range.end) return false;
  }
  return true;
}

}  // namespace finpipe
