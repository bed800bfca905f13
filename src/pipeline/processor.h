// Log to store: reads the assigned partitions, applies each record and commits by count and time. Poll-driven: `step`
// does one bounded round and never waits. Memory is bounded: with two commits of a partition under way it reads no
// further there, and with so much under way of all together nowhere.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/clock.h"
#include "pipeline/partition_processor.h"
#include "pipeline/ports.h"

namespace finpipe {

struct ProcessorOptions {
  std::size_t read_bytes = std::size_t{256} * 1024;  // at most in one round
  std::int64_t commit_records = 20'000;              // a partition commits after so many, and at least
  std::int64_t records_per_row = 8;                  // so many for each row that the commit would write,
  std::int64_t commit_interval_ms = 250;             // or after so long
  std::int64_t unstored_records = 200'000;           // of all partitions; with more it waits for the store
};

class Processor {
 public:
  // `listener` may be null; else it hears every round, also those without records, so that it learns what was
  // committed.
  Processor(LogReader& log, Store& store, DeadLetters& dead_letters, Clock& clock, ProcessorOptions options = {},
            BarListener* listener = nullptr)
      : log_(log), store_(store), dead_letters_(dead_letters), clock_(clock), options_(options), listener_(listener) {}

  // One round. Returns the number of records applied; 0 means that there was nothing to read.
  [[nodiscard]] Result<std::int64_t> step();
  // Commits what was applied and tells whether everything is durable; call again until it is.
  [[nodiscard]] Result<bool> finish();

  // Whether every record below the ends of the log has been applied.
  [[nodiscard]] Result<bool> caught_up();
  // Whether commits are under way: the store wants to be polled.
  [[nodiscard]] bool committing() const { return !in_flight_.empty(); }
  // When the oldest record was applied that is not in the store yet, on the boot clock; nullopt: all are.
  [[nodiscard]] std::optional<std::int64_t> oldest_unstored_ns() const;
  [[nodiscard]] std::int64_t records_applied() const { return records_applied_; }
  [[nodiscard]] const std::map<std::int32_t, PartitionProcessor>& partitions() const { return partitions_; }

 private:
  struct InFlight {
    Store::Ticket ticket;
    std::int32_t partition;
    std::int64_t number;
    std::int64_t offset;
    std::int64_t records;
    std::int64_t applied_ns;  // its oldest record was, on the boot clock
  };
  static constexpr std::size_t kMaxInFlight = 2;  // commits of one partition

  [[nodiscard]] Result<void> assign(const LogReader::Assignment& assignment);
  [[nodiscard]] Result<void> commit(std::int32_t partition, PartitionProcessor& processor);
  [[nodiscard]] Result<void> commit_due();
  [[nodiscard]] Result<void> await_store(std::int32_t partition);
  [[nodiscard]] Result<void> acknowledge();
  [[nodiscard]] std::size_t in_flight_of(std::int32_t partition) const;
  [[nodiscard]] bool is_full() const;
  void resume_paused();

  LogReader& log_;
  Store& store_;
  DeadLetters& dead_letters_;
  Clock& clock_;
  ProcessorOptions options_;
  BarListener* listener_;
  PolicyReader policies_;
  std::map<std::int32_t, PartitionProcessor> partitions_;
  std::map<std::int32_t, std::int64_t> committed_;             // offset below which all is in the store, by partition
  std::map<std::int32_t, std::int64_t> uncommitted_since_ns_;  // boot clock, by partition that has such records
  std::deque<InFlight> in_flight_;
  std::set<std::int32_t> paused_;
  std::int64_t next_number_ = 1;
  std::int64_t last_commit_ns_ = 0;
  std::int64_t records_applied_ = 0;
};

}  // namespace finpipe
