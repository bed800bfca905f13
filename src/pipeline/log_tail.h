// What an ingest must know of a partition before it may append: how its writer ended there, and what is in force.
// Read from the end backwards, as far as the last hourly repeat of the control records.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/error.h"
#include "pipeline/ports.h"

namespace finpipe {

struct LogTail {
  std::int64_t end = 0;                         // offset after the last record that was read
  std::int64_t last_stamp_ns = 0;               // highest stamp of a live record; 0: none
  std::int64_t session = 0;                     // newest live session
  std::int64_t seq = 0;                         // highest seq of a live trade
  std::int64_t heartbeat = 0;                   // highest ordinal of a heartbeat of this source
  std::int64_t heartbeat_received = 0;          // the trades it had received
  bool subscribed = false;                      // by this source
  bool ended = false;                           // an `end` of this source, with nothing after it
  std::string origin;                           // of the newest session; empty: none
  std::string source_id;                        // likewise
  std::map<std::string, std::string> policies;  // market to hash, as the newest records say

  [[nodiscard]] bool empty() const { return last_stamp_ns == 0; }
};

// Reads what follows `tail.end` up to the end of the partition into `tail`.
[[nodiscard]] Result<void> read_on(LogReader& log, std::int32_t partition, LogTail& tail);

// Looks back from the end until a session record and a heartbeat are found, or the log begins.
[[nodiscard]] Result<LogTail> read_tail(LogReader& log, std::int32_t partition);

}  // namespace finpipe
