// A log in memory, for tests and simulations: what the other logs promise, without a disk, plus the accidents of a real
// cluster on demand (retention, a lost tail, rebalances, a second writer). Used by one thread.
// Writers, readers and dead letters borrow the log and must not outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/ports.h"

namespace finpipe {

class MemoryLogReader;

class MemoryLog {
 public:
  MemoryLog(std::int32_t partitions, const LogId& log_id) : log_id_(log_id), partitions_(checked_count(partitions)) {}

  [[nodiscard]] const LogId& log_id() const { return log_id_; }
  [[nodiscard]] std::int32_t partitions() const { return static_cast<std::int32_t>(partitions_.size()); }

  // Any number of writers may append; records get their offsets when their writer polls.
  [[nodiscard]] std::unique_ptr<LogWriter> writer(std::size_t max_pending_bytes);
  // A reader whose first poll reports these partitions as assigned.
  [[nodiscard]] std::unique_ptr<MemoryLogReader> reader(const std::vector<std::int32_t>& partitions);
  [[nodiscard]] std::unique_ptr<DeadLetters> dead_letters();
  [[nodiscard]] std::unique_ptr<DeadLetterQuery> dead_letter_query();

  // Retention: records below `offset` are gone.
  void truncate_before(std::int32_t partition, std::int64_t offset);
  // An unclean failover: records from `end` on are gone, and their offsets will be given again.
  void drop_tail(std::int32_t partition, std::int64_t end);

 private:
  friend class MemoryLogWriter;
  friend class MemoryLogReader;
  friend class MemoryDeadLetters;
  friend class MemoryDeadLetterQuery;

  struct StoredRecord {
    RecordType type;
    std::optional<std::string> key;
    std::string value;

    [[nodiscard]] LogRecord view() const {
      return {type, key ? std::optional<std::string_view>(*key) : std::nullopt, value};
    }
  };
  struct Partition {
    std::int64_t begin = 0;
    std::deque<StoredRecord> records;

    [[nodiscard]] std::int64_t end() const { return begin + static_cast<std::int64_t>(records.size()); }
  };

  [[nodiscard]] static std::size_t checked_count(std::int32_t partitions);
  [[nodiscard]] Partition& partition(std::int32_t index) { return partitions_.at(static_cast<std::size_t>(index)); }

  LogId log_id_;
  std::vector<Partition> partitions_;
  std::map<std::string, DeadLetter> dead_letters_;
};

class MemoryLogReader final : public LogReader {
 public:
  MemoryLogReader(MemoryLog& log, const std::vector<std::int32_t>& partitions);

  [[nodiscard]] const LogId& log_id() const override { return log_.log_id(); }
  [[nodiscard]] std::int32_t partitions() const override { return log_.partitions(); }
  [[nodiscard]] Result<OffsetRange> range(std::int32_t partition) override;
  [[nodiscard]] Result<void> seek(std::int32_t partition, std::int64_t offset) override;
  [[nodiscard]] Result<Read> poll(std::size_t max_bytes) override;
  void pause(std::int32_t partition) override { cursor(partition).paused = true; }
  void resume(std::int32_t partition) override { cursor(partition).paused = false; }
  void commit_hint(std::int32_t /*partition*/, std::int64_t /*offset*/) override {}

  // A rebalance: the next poll reports it. What was sought and paused is forgotten.
  void assign(std::int32_t partition);
  void revoke(std::int32_t partition);

 private:
  struct Cursor {
    bool assigned = false;
    bool paused = false;
    std::optional<std::int64_t> next;  // offset; nullopt until sought
  };

  [[nodiscard]] Cursor& cursor(std::int32_t partition) { return cursors_.at(static_cast<std::size_t>(partition)); }
  // Appends a batch of the partition to the answer; false when the byte bound ended it.
  [[nodiscard]] bool read_partition(std::int32_t partition, std::size_t max_bytes, std::size_t& bytes);

  MemoryLog& log_;
  std::vector<Cursor> cursors_;
  std::vector<Assignment> changes_;  // to be reported by the next poll
  std::size_t first_ = 0;            // partition that the next poll begins with

  std::vector<Assignment> assignments_;
  std::vector<Batch> batches_;
  std::vector<std::vector<LogRecord>> records_;  // by partition
};

}  // namespace finpipe
