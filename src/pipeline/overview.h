// What several partitions say together of the feed and of the account of trades, whether their checkpoints are in a
// store or at work.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "codec/feed_status_avro.h"
#include "pipeline/checkpoint.h"
#include "pipeline/ledger.h"

namespace finpipe {

struct Overview {
  // As the newest heartbeat says.
  std::int64_t newest_heartbeat_ns = 0;  // its stamp; 0: there was none, and the rest of this says nothing
  avro::ConnectionState feed_state = avro::ConnectionState::kDisconnected;
  std::int64_t feed_since_ms = 0;
  std::string origin;

  std::optional<std::int64_t> oldest_heartbeat_ns;  // of the partition that is furthest behind; 0: it has none
  std::int64_t last_frame_at_ns = 0;                // 0: none
  struct Lag {
    std::int64_t lag_ms = 0;
    std::int64_t heartbeat_ns = 0;
  };
  std::map<std::string, Lag> lags;  // by market, of the newest heartbeat that knows it
  LedgerRow trades;                 // with what the log has of sessions since their last heartbeat
  bool balanced = true;

  void add(const Checkpoint& checkpoint);
};

}  // namespace finpipe
