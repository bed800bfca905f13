// The snapshot of one partition's processor at one offset: with the rows in the store, all that is needed to go on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "bars/engine.h"
#include "base/error.h"
#include "codec/feed_status_avro.h"
#include "pipeline/admission.h"
#include "pipeline/ledger.h"
#include "pipeline/ports.h"

namespace finpipe {

struct Checkpoint {
  std::int32_t partition = 0;
  std::int64_t generation = 0;
  std::int64_t offset = 0;    // next record to apply
  std::int64_t previous = 0;  // mark of the record before it (record_mark), 0: none
  LogId log_id{};
  std::int32_t partitions = 0;  // of the log
  std::string fingerprint;
  std::int64_t floor_ms = kBeginningOfTime;
  std::int64_t policies_from = 0;
  BarEngine::State engine;
  std::map<std::string, std::string> policies;  // market to hash
  Admission admission;
  Ledger ledger;
  avro::ConnectionState feed_state = avro::ConnectionState::kDisconnected;
  std::int64_t feed_since_ms = 0;
  std::string origin;                 // of the newest live session
  std::int64_t heartbeat_at_ns = 0;   // stamp of the newest heartbeat, 0: none yet
  std::int64_t last_frame_at_ns = 0;  // as that heartbeat says, 0: none yet
};

[[nodiscard]] CheckpointRow encode_checkpoint(const Checkpoint& checkpoint);
[[nodiscard]] Result<Checkpoint> decode_checkpoint(const CheckpointRow& row);

// The engine rules in force in this program; rows made under others are not continued.
[[nodiscard]] std::string engine_fingerprint();

// What identifies a record at its offset: the seq of a trade, the stamp of a control record, or that it is unreadable.
constexpr std::int64_t kUnreadableMark = 1;
[[nodiscard]] std::int64_t record_mark(const LogRecord& record);
// The bytes as the log holds them.
[[nodiscard]] std::string value_in_log(const LogRecord& record);

}  // namespace finpipe
