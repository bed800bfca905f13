#include "pipeline/overview.h"

#include <algorithm>

namespace finpipe {

void Overview::add(const Checkpoint& checkpoint) {
  const std::int64_t heartbeat_ns = checkpoint.heartbeat_at_ns;
  if (heartbeat_ns > newest_heartbeat_ns) {
    newest_heartbeat_ns = heartbeat_ns;
    feed_state = checkpoint.feed_state;
    feed_since_ms = checkpoint.feed_since_ms;
    origin = checkpoint.origin;
  }
  oldest_heartbeat_ns = std::min(oldest_heartbeat_ns.value_or(heartbeat_ns), heartbeat_ns);
  last_frame_at_ns = std::max(last_frame_at_ns, checkpoint.last_frame_at_ns);
  for (const auto& [market, lag_ms] : checkpoint.engine.lags_ms) {
    const auto [known, is_new] = lags.try_emplace(market, Lag{lag_ms, heartbeat_ns});
    if (!is_new && heartbeat_ns > known->second.heartbeat_ns) known->second = {lag_ms, heartbeat_ns};
  }
  for (const auto& [session, row] : checkpoint.ledger) {
    trades += row;
    // The last heartbeat is up to a second old; what has come since is in the log.
    trades.received += std::max<std::int64_t>(0, row.in_log - row.appended);
    balanced = balanced && row.balanced();
  }
}

}  // namespace finpipe
