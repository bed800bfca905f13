#include "endpoint/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/time.h"
#include "codec/flat_json.h"
#include "endpoint/json_writer.h"
#include "pipeline/overview.h"

namespace finpipe {
namespace {

std::string_view name_of(avro::ConnectionState state) {
  switch (state) {
    case avro::ConnectionState::kConnected: return "connected";
    case avro::ConnectionState::kDisconnected: return "disconnected";
    case avro::ConnectionState::kStalled: return "stalled";
  }
  return "";
}

Overview overview_of(const std::vector<Checkpoint>& checkpoints) {
  Overview all;
  for (const Checkpoint& checkpoint : checkpoints) all.add(checkpoint);
  return all;
}

// Milliseconds, or null where there is no time.
void append_time(std::string& out, std::string_view name, std::int64_t time_ns) {
  out += name;
  if (time_ns <= 0)
    out += "null";
  else
    fmt::format_to(std::back_inserter(out), "{}", time_ns / kNsPerMs);
}

void append_feed(std::string& out, const Overview& all, const StatusOptions& options) {
  fmt::format_to(std::back_inserter(out), ",\"feed\":{{\"state\":\"{}\"", name_of(all.feed_state));
  append_time(out, ",\"since\":", all.feed_since_ms * kNsPerMs);
  append_time(out, ",\"last_frame\":", all.last_frame_at_ns);
  out += ",\"detail\":";
  append_json_string(out, options.feed_detail ? options.feed_detail() : std::string());
  out += '}';
}

void append_lags(std::string& out, const Overview& all) {
  out += ",\"lags\":[";
  for (const auto& [market, lag] : all.lags) {
    json::append_comma(out);
    out += "{\"market\":";
    append_json_string(out, market);
    fmt::format_to(std::back_inserter(out), ",\"lag_ms\":{}}}", lag.lag_ms);
  }
  out += ']';
}

void append_partitions(std::string& out, const std::vector<Checkpoint>& checkpoints, const StatusOptions& options) {
  const auto ends = options.log_ends ? options.log_ends() : std::vector<std::int64_t>();
  out += ",\"partitions\":[";
  for (const Checkpoint& checkpoint : checkpoints) {
    json::append_comma(out);
    fmt::format_to(std::back_inserter(out), "{{\"partition\":{},\"offset\":{}", checkpoint.partition,
                   checkpoint.offset);
    const auto p = static_cast<std::size_t>(checkpoint.partition);
    if (p < ends.size() && ends[p] >= 0)
      fmt::format_to(std::back_inserter(out), ",\"lag\":{}", std::max<std::int64_t>(ends[p] - checkpoint.offset, 0));
    else
      out += ",\"lag\":null";
    append_time(out, ",\"clock\":", checkpoint.engine.clock_ns);
    out += '}';
  }
  out += ']';
}

void append_account(std::string& out, const LedgerRow& row) {
  fmt::format_to(std::back_inserter(out),
                 "\"received\":{},\"already_in_log\":{},\"appended\":{},\"dead_lettered_before\":{},\"in_log\":{},"
                 "\"stored\":{},\"skipped\":{},\"dead_lettered_after\":{},\"balanced\":{}",
                 row.received, row.already_in_log, row.appended, row.dead_lettered_before, row.in_log, row.stored,
                 row.skipped, row.dead_lettered_after, row.balanced());
}

}  // namespace

Result<std::vector<Checkpoint>> read_checkpoints(Query& query) {
  FINPIPE_TRY_ASSIGN(rows, query.checkpoints());
  std::vector<Checkpoint> checkpoints;
  for (const CheckpointRow& row : rows) {
    FINPIPE_TRY_ASSIGN(checkpoint, decode_checkpoint(row));
    checkpoints.push_back(std::move(checkpoint));
  }
  return checkpoints;
}

Result<std::string> status_json(Query& query, Clock& clock, const StatusOptions& options) {
  FINPIPE_TRY_ASSIGN(checkpoints, read_checkpoints(query));
  FINPIPE_TRY_ASSIGN(symbols, query.symbols());
  const Overview all = overview_of(checkpoints);
  const std::int64_t now_ms = clock.wall_ns() / kNsPerMs;
  std::string out = fmt::format("{{\"time\":{},\"origin\":", now_ms);
  append_json_string(out, all.origin);
  fmt::format_to(std::back_inserter(out), ",\"demo\":{},\"version\":", all.origin == "demo");
  append_json_string(out, options.version);
  append_feed(out, all, options);
  const std::int64_t oldest_ns = all.oldest_heartbeat_ns.value_or(0);
  if (oldest_ns == 0) {
    out += ",\"heartbeat_age_ms\":null,\"stale\":true";
  } else {
    const std::int64_t age_ms = std::max<std::int64_t>(now_ms - oldest_ns / kNsPerMs, 0);
    fmt::format_to(std::back_inserter(out), ",\"heartbeat_age_ms\":{},\"stale\":{}", age_ms, age_ms > kStaleAfterMs);
  }
  append_lags(out, all);
  const LedgerRow& trades = all.trades;
  fmt::format_to(std::back_inserter(out),
                 ",\"symbols\":{},\"trades\":{{\"received\":{},\"stored\":{},\"skipped\":{},\"dead_lettered\":{}}}",
                 symbols.size(), trades.received, trades.stored, trades.already_in_log + trades.skipped,
                 trades.dead_lettered_before + trades.dead_lettered_after);
  append_partitions(out, checkpoints, options);
  return out + '}';
}

Result<std::string> ledger_json(Query& query) {
  FINPIPE_TRY_ASSIGN(checkpoints, read_checkpoints(query));
  const Overview all = overview_of(checkpoints);
  std::string out = "{\"sessions\":[";
  for (const Checkpoint& checkpoint : checkpoints) {
    for (const auto& [session, row] : checkpoint.ledger) {
      json::append_comma(out);
      fmt::format_to(std::back_inserter(out), "{{\"writer\":\"{}\",\"session\":{},\"partition\":{},",
                     to_string(session.first), session.second, checkpoint.partition);
      append_account(out, row);
      out += '}';
    }
  }
  out += "],\"total\":{";
  append_account(out, all.trades);
  fmt::format_to(std::back_inserter(out), "}},\"balanced\":{}}}", all.balanced);
  return out;
}

}  // namespace finpipe
