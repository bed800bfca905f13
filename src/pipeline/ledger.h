// The account of trades, per session and partition. Two equations must hold:
//   received = already in the log + appended + dead-lettered before the log      (what its heartbeats say)
//   records in the log = stored + skipped by the seq rule + dead-lettered after  (what the processor did)
#pragma once

#include <cstdint>
#include <map>
#include <utility>

#include "market/trade.h"

namespace finpipe {

struct LedgerRow {
  std::int64_t received = 0;              // by the session's last heartbeat in this partition
  std::int64_t already_in_log = 0;        // likewise
  std::int64_t appended = 0;              // likewise
  std::int64_t dead_lettered_before = 0;  // likewise
  std::int64_t in_log = 0;                // trade records found in the log
  std::int64_t stored = 0;
  std::int64_t skipped = 0;
  std::int64_t dead_lettered_after = 0;

  // What the heartbeat said was appended is in the log; more may have followed it.
  [[nodiscard]] bool balanced() const {
    return received == already_in_log + appended + dead_lettered_before &&
           in_log == stored + skipped + dead_lettered_after && appended <= in_log;
  }
  LedgerRow& operator+=(const LedgerRow& other) {
    received += other.received, already_in_log += other.already_in_log, appended += other.appended;
    dead_lettered_before += other.dead_lettered_before, in_log += other.in_log, stored += other.stored;
    skipped += other.skipped, dead_lettered_after += other.dead_lettered_after;
    return *this;
  }
  bool operator==(const LedgerRow&) const = default;
};

using SessionKey = std::pair<Writer, std::int64_t>;  // writer and session id
using Ledger = std::map<SessionKey, LedgerRow>;

}  // namespace finpipe
