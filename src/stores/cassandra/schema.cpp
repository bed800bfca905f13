#include "stores/cassandra/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "stores/cassandra/init_cql.h"

namespace finpipe {
namespace cql {
namespace {

// How many replicas have surely been asked, in the local data center and in all.
struct Reach {
  std::int64_t local = 0;
  std::int64_t all = 0;
};

std::int64_t quorum(std::int64_t replicas) { return replicas / 2 + 1; }

Reach reach_of(CassandraConsistency level, const Replication& replication, std::int64_t local, std::int64_t all) {
  const auto anywhere = [&](std::int64_t count) {
    return Reach{std::max<std::int64_t>(0, count - (all - local)), count};
  };
  switch (level) {
    case CassandraConsistency::kOne: return anywhere(1);
    case CassandraConsistency::kTwo: return anywhere(2);
    case CassandraConsistency::kThree: return anywhere(3);
    case CassandraConsistency::kQuorum: return anywhere(quorum(all));
    case CassandraConsistency::kAll: return {local, all};
    case CassandraConsistency::kLocalOne: return {1, 1};
    case CassandraConsistency::kLocalQuorum: return {quorum(local), quorum(local)};
    case CassandraConsistency::kEachQuorum: {
      Reach reach{quorum(local), 0};
      for (const auto& [datacenter, copies] : replication) reach.all += quorum(copies);
      return reach;
    }
  }
  return {};
}

bool is_local(CassandraConsistency level) {
  return level == CassandraConsistency::kLocalOne || level == CassandraConsistency::kLocalQuorum;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \n");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \n") - begin + 1));
}

std::string replication_cql(const Replication& replication) {
  if (replication.size() == 1 && replication.begin()->first.empty()) {
    return fmt::format("{{'class': 'SimpleStrategy', 'replication_factor': {}}}", replication.begin()->second);
  }
  std::string text = "{'class': 'NetworkTopologyStrategy'";
  for (const auto& [datacenter, copies] : replication) text += fmt::format(", '{}': {}", datacenter, copies);
  return text + '}';
}

// Tables that are kept for a time.
constexpr std::array<std::pair<std::string_view, std::optional<std::int64_t> CassandraRetention::*>, 6> kKept = {{
    {"ticks", &CassandraRetention::ticks_days},
    {"tick_buckets", &CassandraRetention::ticks_days},
    {"bars_1s", &CassandraRetention::bars_1s_days},
    {"bar_revisions_1s", &CassandraRetention::bars_1s_days},
    {"bars", &CassandraRetention::bars_days},
    {"bar_revisions", &CassandraRetention::bars_days},
}};

Result<void> keep(Session& session, std::string_view table, std::int64_t days) {
  constexpr std::int64_t kSecondsPerDay = 86'400;
  // Five minutes' index row must outlive the last trade of them.
  const std::int64_t seconds = days == 0 ? 0 : days * kSecondsPerDay + (table == "tick_buckets" ? 3'600 : 0);
  // What has expired is read as a tombstone until it is dropped, so long after it was written at the least.
  const std::int64_t grace_s = (days == 0 ? 10 : std::min<std::int64_t>(days, 10)) * kSecondsPerDay;
  FINPIPE_TRY(session.run(
      fmt::format("ALTER TABLE {} WITH default_time_to_live = {} AND gc_grace_seconds = {} AND compaction = {{'class': "
                  "'TimeWindowCompactionStrategy', 'compaction_window_unit': 'HOURS', 'compaction_window_size': {}}}",
                  table, seconds, grace_s, compaction_window_hours(days))));
  return {};
}

}  // namespace

std::vector<std::string> statements_of(std::string_view file) {
  std::vector<std::string> statements;
  std::string statement;
  while (!file.empty()) {
    const std::size_t end = std::min(file.find('\n'), file.size());
    std::string_view line = file.substr(0, end);
    file.remove_prefix(std::min(end + 1, file.size()));
    line = line.substr(0, line.find("--"));
    statement.append(line).push_back('\n');
    if (line.find(';') == std::string_view::npos) continue;
    statement = trimmed(statement);
    statement.pop_back();
    statements.push_back(std::exchange(statement, {}));
  }
  return statements;
}

Result<Replication> parse_replication(std::string_view text) {
  constexpr std::string_view kForm = "must be a number, or dc1:3,dc2:3";
  const auto bad = [&](std::string_view why) {
    return fail(ErrorCode::kBadSetting, fmt::format("cassandra-replication '{}': {}", text, why));
  };
  Replication replication;
  if (const auto copies = whole_number(text)) {
    if (*copies < 1) return bad(kForm);
    replication[""] = *copies;
    return replication;
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t colon = part.rfind(':');
    const auto copies = colon == std::string_view::npos ? std::nullopt : whole_number(part.substr(colon + 1));
    const std::string_view name = part.substr(0, colon);
    constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (!copies || *copies < 1 || name.empty() || name.find_first_not_of(kLetters) != std::string_view::npos) {
      return bad(kForm);
    }
    if (!replication.emplace(name, *copies).second) return bad("a data center is named twice");
  }
  return replication;
}

Result<void> check_overlap(const Replication& replication, const std::string& datacenter, CassandraConsistency read,
                           CassandraConsistency write) {
  std::int64_t all = 0;
  for (const auto& [name, copies] : replication) all += copies;
  const bool several = replication.size() > 1;
  const bool needs_local = several && (is_local(read) || is_local(write));
  const bool is_elsewhere = !datacenter.empty() && !replication.contains("") && !replication.contains(datacenter);
  if ((needs_local && datacenter.empty()) || is_elsewhere) {
    return fail(ErrorCode::kWeakConsistency,
                datacenter.empty() ? "the keyspace has several data centers: set cassandra-datacenter to the local one"
                                   : fmt::format("the keyspace has no copies in data center {}", datacenter));
  }
  const std::int64_t local = several && replication.contains(datacenter) ? replication.at(datacenter) : all;
  const Reach r = reach_of(read, replication, local, all), w = reach_of(write, replication, local, all);
  if (r.local + w.local > local || r.all + w.all > all) return {};
  return fail(ErrorCode::kWeakConsistency,
              fmt::format("a read asks {} and a write {} of {} replicas", r.all, w.all, all));
}

Result<Replication> replication_of(Session& session, std::string_view keyspace) {
  FINPIPE_TRY_ASSIGN(
      rows, session.read(
                fmt::format("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{}'", keyspace)));
  if (rows.count() == 0) return fail(ErrorCode::kNoKeyspace, std::string(keyspace));
  CellReader row(rows.cells());
  const std::string_view map = row.blob();
  // A map: its size, then keys and values like cells.
  CellReader cells(map.substr(std::min<std::size_t>(4, map.size())));
  Replication replication;
  while (cells.ok() && !cells.done()) {
    const std::string_view key = cells.text(), value = cells.text();
    const auto copies = whole_number(value.substr(0, value.find('/')));
    if (key == "class" || !copies) continue;
    replication[key == "replication_factor" ? "" : std::string(key)] = *copies;
  }
  return replication;
}

Result<void> check_version(Session& session) {
  FINPIPE_TRY_ASSIGN(rows, session.read("SELECT max(version) FROM schema_versions WHERE pipeline = 'finpipe'"));
  CellReader cells(rows.cells());
  const auto cell = cells.raw();
  CellReader again(rows.cells());
  const std::int32_t version = cell ? again.integer() : 0;
  if (version > kSchemaVersion) {
    return fail(ErrorCode::kSchemaVersion, fmt::format("version {}, this program has {}", version, kSchemaVersion));
  }
  if (version < kSchemaVersion) {
    return fail(ErrorCode::kSchemaMissing, fmt::format("version {}, this program has {}", version, kSchemaVersion));
  }
  return {};
}

std::int64_t compaction_window_hours(std::int64_t days) {
  constexpr std::int64_t kWindows = 30;
  constexpr std::int64_t kWeek = std::int64_t{7} * 24;
  return days == 0 ? kWeek : std::clamp<std::int64_t>(days * 24 / kWindows, 1, kWeek);
}

}  // namespace cql

Result<std::vector<std::string>> create_cassandra_schema(const CassandraOptions& options,
                                                         const std::string& replication,
                                                         const CassandraRetention& retention) {
  FINPIPE_TRY_ASSIGN(copies, cql::parse_replication(replication));
  std::vector<std::string> done;
  {
    FINPIPE_TRY_ASSIGN(session, cql::Session::connect(options, cql::Keyspace::kNone));
    const auto present = cql::replication_of(*session, options.keyspace);
    if (!present && present.error().code != ErrorCode::kNoKeyspace) return fail(present.error());
    if (present) {
      done.push_back(fmt::format("keyspace {} is there; its replication stays", options.keyspace));
    } else {
      FINPIPE_TRY(session->run(fmt::format("CREATE KEYSPACE IF NOT EXISTS \"{}\" WITH replication = {}",
                                           options.keyspace, cql::replication_cql(copies))));
      done.push_back(fmt::format("created keyspace {} with replication {}", options.keyspace, replication));
    }
  }
  FINPIPE_TRY_ASSIGN(session, cql::Session::connect(options, cql::Keyspace::kNew));
  const auto version = cql::check_version(*session);
  if (!version && version.error().code == ErrorCode::kSchemaVersion) return fail(version.error());
  for (const std::string& statement : cql::statements_of(cql::init_cql())) {
    if (statement.starts_with("CREATE TABLE")) FINPIPE_TRY(session->run(statement));
  }
  for (const auto& [table, days] : cql::kKept) {
    if (retention.*days) FINPIPE_TRY(cql::keep(*session, table, *(retention.*days)));
  }
  FINPIPE_TRY(session->run(fmt::format(
      "INSERT INTO schema_versions (pipeline, version, created_at) VALUES ('finpipe', {}, toTimestamp(now()))",
      cql::kSchemaVersion)));
  done.push_back(version ? fmt::format("the tables are of version {}", cql::kSchemaVersion)
                         : fmt::format("created the tables of version {}", cql::kSchemaVersion));
  for (const auto& [what, days] :
       {std::pair("trades", retention.ticks_days), std::pair("1s bars", retention.bars_1s_days),
        std::pair("other bars", retention.bars_days)}) {
    if (!days) continue;
    done.push_back(*days == 0 ? fmt::format("{} are kept for ever", what)
                              : fmt::format("{} are kept for {} days", what, *days));
  }
  return done;
}

}  // namespace finpipe
