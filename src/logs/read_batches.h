// What a poll of a reader hands out: records of one partition after the other, beginning with the one where the poll
// before ended, as many as a bound in bytes allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/ports.h"

namespace finpipe {

class ReadBatches {
 public:
  void begin(std::size_t max_bytes) {
    max_bytes_ = max_bytes;
    bytes_ = 0;
    records_.clear();
    batches_.clear();
  }

  // There is always room for one.
  [[nodiscard]] bool has_room(std::size_t bytes) const { return records_.empty() || bytes_ + bytes <= max_bytes_; }
  void add(const LogRecord& record, std::size_t bytes) {
    bytes_ += bytes;
    records_.push_back(record);
  }

  // `next(partition)` is the offset that is read next, and `read(partition)` adds the records from there on: a
  // Result<bool>, false when there was no room. An error is told when there is nothing else to hand out: the next poll
  // comes to the same place again.
  template <typename Next, typename ReadPartition>
  [[nodiscard]] Result<void> gather(std::int32_t partitions, Next next, ReadPartition read) {
    const std::int32_t first = first_;
    for (std::int32_t i = 0; i < partitions; ++i) {
      const std::int32_t partition = (first + i) % partitions;
      const std::size_t before = records_.size();
      const std::int64_t first_offset = next(partition);
      const Result<bool> complete = read(partition);
      const std::span<const LogRecord> added = std::span(records_).subspan(before);
      if (!added.empty()) batches_.push_back({partition, first_offset, added});
      if (complete && *complete) continue;
      if (!complete && batches_.empty()) return fail(complete.error());
      first_ = complete ? (partition + 1) % partitions : partition;
      break;
    }
    // The records may have moved while they were gathered.
    std::size_t begin = 0;
    for (LogReader::Batch& batch : batches_) {
      batch.records = std::span(records_).subspan(begin, batch.records.size());
      begin += batch.records.size();
    }
    return {};
  }

  [[nodiscard]] bool empty() const { return batches_.empty(); }
  [[nodiscard]] std::span<const LogReader::Batch> all() const { return batches_; }
  [[nodiscard]] std::size_t record_count() const { return records_.size(); }

 private:
  std::size_t max_bytes_ = 0;
  std::size_t bytes_ = 0;
  std::int32_t first_ = 0;  // partition that the next poll begins with
  std::vector<LogRecord> records_;
  std::vector<LogReader::Batch> batches_;
};

}  // namespace finpipe
