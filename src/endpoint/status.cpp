#include "endpoint/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <optional>

#include "base/time.h"
#include "codec/flat_json.h"
#include "endpoint/json_writer.h"

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

// What all partitions together say.
struct Overview {
  const Checkpoint* newest = nullptr;                // of the newest heartbeat; null: there was none
  std::int64_t oldest_heartbeat_ns = 0;              // of the partition that is furthest behind; 0: one has none
  std::int64_t last_frame_at_ns = 0;                 // 0: none
  std::map<std::string_view, std::int64_t> lags_ms;  // by market, of the newest heartbeat that knows it
  LedgerRow trades;
  bool balanced = true;
};

Overview overview_of(const std::vector<Checkpoint>& checkpoints) {
  Overview all;
  std::vector<const Checkpoint*> by_age;
  for (const Checkpoint& checkpoint : checkpoints) {
    by_age.push_back(&checkpoint);
    all.last_frame_at_ns = std::max(all.last_frame_at_ns, checkpoint.last_frame_at_ns);
    for (const auto& [session, row] : checkpoint.ledger) {
      all.trades += row;
      // The last heartbeat is up to a second old; what has come since is in the log.
      all.trades.received += std::max<std::int64_t>(0, row.in_log - row.appended);
      all.balanced = all.balanced && row.balanced();
    }
  }
  std::ranges::sort(by_age, std::greater(), &Checkpoint::heartbeat_at_ns);
  for (const Checkpoint* checkpoint : by_age)
    for (const auto& [market, lag_ms] : checkpoint->engine.lags_ms) all.lags_ms.emplace(market, lag_ms);
  if (by_age.empty()) return all;
  if (by_age.front()->heartbeat_at_ns != 0) all.newest = by_age.front();
  all.oldest_heartbeat_ns = by_age.back()->heartbeat_at_ns;
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
  const auto state = all.newest == nullptr ? avro::ConnectionState::kDisconnected : all.newest->feed_state;
  fmt::format_to(std::back_inserter(out), ",\"feed\":{{\"state\":\"{}\"", name_of(state));
  append_time(out, ",\"since\":", all.newest == nullptr ? 0 : all.newest->feed_since_ms * kNsPerMs);
  append_time(out, ",\"last_frame\":", all.last_frame_at_ns);
  out += ",\"detail\":";
  append_json_string(out, options.feed_detail ? options.feed_detail() : std::string());
  out += '}';
}

void append_lags(std::string& out, const Overview& all) {
  out += ",\"lags\":[";
  for (const auto& [market, lag_ms] : all.lags_ms) {
    json::append_comma(out);
    out += "{\"market\":";
    append_json_string(out, market);
    fmt::format_to(std::back_inserter(out), ",\"lag_ms\":{}}}", lag_ms);
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

double seconds_since(std::int64_t time_ns, std::int64_t now_ns) {
  return static_cast<double>(std::max<std::int64_t>(now_ns - time_ns, 0)) / static_cast<double>(kNsPerSecond);
}

void set_ledger(Metrics& metrics, const Overview& all) {
  const auto set = [&metrics](std::string_view term, std::int64_t value) {
    metrics.set(Metric::kLedgerTrades, static_cast<double>(value), {term});
  };
  set("received", all.trades.received);
  set("already_in_log", all.trades.already_in_log);
  set("appended", all.trades.appended);
  set("dead_lettered_before", all.trades.dead_lettered_before);
  set("in_log", all.trades.in_log);
  set("stored", all.trades.stored);
  set("skipped", all.trades.skipped);
  set("dead_lettered_after", all.trades.dead_lettered_after);
  metrics.set(Metric::kLedgerBalanced, all.balanced ? 1 : 0);
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
  const std::string_view origin = all.newest == nullptr ? std::string_view() : all.newest->origin;
  std::string out = fmt::format("{{\"time\":{},\"origin\":", now_ms);
  append_json_string(out, origin);
  fmt::format_to(std::back_inserter(out), ",\"demo\":{},\"version\":", origin == "demo");
  append_json_string(out, options.version);
  append_feed(out, all, options);
  if (all.oldest_heartbeat_ns == 0) {
    out += ",\"heartbeat_age_ms\":null,\"stale\":true";
  } else {
    const std::int64_t age_ms = std::max<std::int64_t>(now_ms - all.oldest_heartbeat_ns / kNsPerMs, 0);
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

void update_metrics(Query& query, Clock& clock, Metrics& metrics) {
  const auto checkpoints = read_checkpoints(query);
  if (!checkpoints) return;
  const Overview all = overview_of(*checkpoints);
  set_ledger(metrics, all);
  for (const auto& [market, lag_ms] : all.lags_ms)
    metrics.set(Metric::kFeedLagSeconds, static_cast<double>(lag_ms) / kMsPerSecond, {market});
  if (all.newest == nullptr) return;
  const std::int64_t now_ns = clock.wall_ns();
  const bool connected = all.newest->feed_state == avro::ConnectionState::kConnected;
  metrics.set(Metric::kFeedConnected, connected ? 1 : 0);
  metrics.set(Metric::kFeedSilenceSeconds, connected ? 0 : seconds_since(all.newest->feed_since_ms * kNsPerMs, now_ns));
  if (all.last_frame_at_ns > 0)
    metrics.set(Metric::kFeedLastFrameAgeSeconds, seconds_since(all.last_frame_at_ns, now_ns));
}

}  // namespace finpipe
