// The durable log of a single machine: one RocksDB directory that belongs to one process.
// A record is readable only after the sync that made it durable, so a reader never sees what a crash can take back.
// Offsets of a partition begin at 0 and have no holes; the log keeps everything. One writing thread, any number of
// reading threads and of threads that put dead letters may use it at the same time. Readers and dead letters borrow
// the log and must not outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/ports.h"

namespace finpipe {

struct EmbeddedLogOptions {
  std::int32_t partitions = 0;  // of a new log, and to be checked on an old one; 0: 1 when new, else what is there
  std::size_t max_pending_bytes = std::size_t{8} << 20;
  bool read_only = false;  // may stand beside the owner; sees the log as it was when opened
};

class EmbeddedLog {
 public:
  // Creates the directory (with its parents) and the log when there is none, unless read_only.
  // Errors, each naming the path: kDirectoryInUse (another process, or this one, has it open), kReadOnly, kNotFound
  // (read_only), kDiskFull, kIo, kWrongFormat (other files, another database, another version), kBadSetting and
  // kPartitionCountChanged (partitions), kCorrupt, kLogIncomplete (a partition does not begin at 0).
  [[nodiscard]] static Result<std::unique_ptr<EmbeddedLog>> open(const std::string& path,
                                                                 const EmbeddedLogOptions& options);
  ~EmbeddedLog();

  [[nodiscard]] const LogId& log_id() const;
  [[nodiscard]] std::int32_t partitions() const;

  // One past the last readable record of each partition; any thread.
  [[nodiscard]] std::vector<std::int64_t> ends() const;

  // The one writer. Its poll answers kReadOnly when the log was opened so.
  [[nodiscard]] LogWriter& writer();
  // A reader of all partitions. Its poll answers kLogIncomplete at a hole and kCorrupt at a record that cannot be taken
  // apart, naming partition and offset; everything below that offset comes first.
  [[nodiscard]] std::unique_ptr<LogReader> reader();
  // Writes early, unsynced, when more than 1 MiB is waiting for flush. The same id replaces.
  [[nodiscard]] std::unique_ptr<DeadLetters> dead_letters();
  // `received_since_ms`: only of those, since 1970; 0: all.
  [[nodiscard]] std::unique_ptr<DeadLetterQuery> dead_letter_query(std::int64_t received_since_ms = 0);

 private:
  struct Parts;
  explicit EmbeddedLog(std::unique_ptr<Parts> parts);

  std::unique_ptr<Parts> parts_;
};

}  // namespace finpipe
