// What an ingest must know of a partition before it may append: how its writer ended there, and what is in force.
// Read from the end backwards, as far as the last hourly repeat of the control records.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "pipeline/ports.h"
#include "pipeline/recent_trades.h"

namespace finpipe {

struct LogTail {
  std::int64_t end = 0;                 // offset after the last record that was read
  std::int64_t last_stamp_ns = 0;       // highest stamp of a live record; 0: none
  std::int64_t session = 0;             // newest live session
  std::int64_t begun_session = 0;       // newest that has a session record, and when it says that it began
  std::int64_t begun_at_ns = 0;         //
  std::int64_t seq = 0;                 // highest seq of a live trade
  std::int64_t heartbeat = 0;           // highest ordinal of a heartbeat of this source
  std::int64_t heartbeat_received = 0;  // the trades it had received
  bool subscribed = false;              // by this source
  // Symbols whose trades are expected, as far as records say; nullopt: all.
  std::optional<std::set<std::string>> symbols = std::set<std::string>();
  std::int64_t last_frame_ns = 0;               // all that was received until then is here; 0: unknown
  std::int64_t frame_session = 0;               // on whose clock that is: another session may have another one
  std::map<std::string, std::int64_t> lags_ms;  // last known, by market
  RecentTrades recent;                          // of the live writer
  // Event time since which trades may be missing, when no gap has said until when.
  std::optional<std::int64_t> silent_since_ms;
  bool ended = false;                           // an `end` of this source, with nothing after it
  std::string origin;                           // of the newest session; empty: none
  std::string source_id;                        // likewise
  std::map<std::string, std::string> policies;  // market to hash, as the newest records say

  [[nodiscard]] bool empty() const { return last_stamp_ns == 0; }
};

// Reads what follows `tail.end`, of what is retained, up to the end of the partition into `tail`.
[[nodiscard]] Result<void> read_on(LogReader& log, std::int32_t partition, LogTail& tail);

// Looks back from the end until a session record and a heartbeat are found (of a live feed also a subscription), or the
// log begins.
[[nodiscard]] Result<LogTail> read_tail(LogReader& log, std::int32_t partition);

}  // namespace finpipe
