#include "stores/cassandra/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/decimal.h"
#include "base/time.h"
#include "codec/store_codec.h"

namespace finpipe::cql {
namespace {

constexpr std::int64_t kUsPerMs = 1'000;
// Far from the ends of the range, so that sums fit.
constexpr std::int64_t kMostUs = std::int64_t{1} << 62;

#define FINPIPE_BAR_VALUES                                                                         \
  "open, high, low, close, volume, vwap, trades, state, revision, reason, closed_at, missing_ms, " \
  "partial, backfilled, generation, version, state_row"
#define FINPIPE_BAR_PLACES "symbol, interval, bucket, start, " FINPIPE_BAR_VALUES
#define FINPIPE_BAR_MARKERS "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
#define FINPIPE_BAR_RANGE " WHERE symbol = ? AND interval = ? AND bucket = ? AND start >= ? AND start <= ?"
#define FINPIPE_TICK_VALUES \
  "event_time, seq, price, volume, conditions, received_at, session, writer, suspect, log_offset, log_id"
#define FINPIPE_TICK_RANGE " WHERE symbol = ? AND bucket = ? AND event_time >= ? AND event_time < ?"
#define FINPIPE_ONE_PIPELINE " WHERE pipeline = 'finpipe'"

constexpr std::array<StatementInfo, kStatementCount> kStatements = {{
    {Statement::kPutTick, "INSERT INTO ticks (symbol, bucket, " FINPIPE_TICK_VALUES
                          ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"},
    {Statement::kPutTickBucket, "INSERT INTO tick_buckets (symbol, day, bucket) VALUES (?, ?, ?)"},
    {Statement::kPutSeries, "INSERT INTO series (symbol, kind, bucket) VALUES (?, ?, ?)"},
    {Statement::kPutBar, "INSERT INTO bars (" FINPIPE_BAR_PLACES ") VALUES " FINPIPE_BAR_MARKERS},
    {Statement::kPutBar1s, "INSERT INTO bars_1s (" FINPIPE_BAR_PLACES ") VALUES " FINPIPE_BAR_MARKERS},
    {Statement::kPutRevision, "INSERT INTO bar_revisions (" FINPIPE_BAR_PLACES ") VALUES " FINPIPE_BAR_MARKERS},
    {Statement::kPutRevision1s, "INSERT INTO bar_revisions_1s (" FINPIPE_BAR_PLACES ") VALUES " FINPIPE_BAR_MARKERS},
    {Statement::kPutGap,
     "INSERT INTO gaps (partition, log_id, log_offset, span, kind, symbol, from_time, to_time, "
     "reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    {Statement::kPutVoid,
     "INSERT INTO voids (partition, log_id, log_offset, action, symbol, event_time, seq, reason, "
     "at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    {Statement::kPutSymbol,
     "INSERT INTO symbols (pipeline, symbol, partition) VALUES ('finpipe', ?, ?) USING TIMESTAMP ?"},
    {Statement::kPutPartition, "INSERT INTO partitions (pipeline, partition) VALUES ('finpipe', ?)"},
    {Statement::kPutPolicy, "INSERT INTO policies (hash, market, rules) VALUES (?, ?, ?)"},
    {Statement::kPutCheckpoint,
     "INSERT INTO checkpoints (pipeline, partition, generation, log_offset, body) VALUES "
     "('finpipe', ?, ?, ?, ?) USING TIMESTAMP ?"},
    {Statement::kPutLedger,
     "INSERT INTO ledger (partition, writer, session, received, already_in_log, appended, "
     "dead_lettered_before, in_log, stored, skipped, dead_lettered_after) VALUES "
     "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"},
    {Statement::kTicks, "SELECT " FINPIPE_TICK_VALUES " FROM ticks" FINPIPE_TICK_RANGE},
    {Statement::kTicksBackwards,
     "SELECT " FINPIPE_TICK_VALUES " FROM ticks" FINPIPE_TICK_RANGE " ORDER BY event_time DESC, seq DESC"},
    {Statement::kTickBuckets, "SELECT bucket FROM tick_buckets WHERE symbol = ? AND day = ?"},
    {Statement::kSeries, "SELECT bucket FROM series WHERE symbol = ? AND kind = ?"},
    {Statement::kBars, "SELECT start, " FINPIPE_BAR_VALUES " FROM bars" FINPIPE_BAR_RANGE},
    {Statement::kBarsBackwards,
     "SELECT start, " FINPIPE_BAR_VALUES " FROM bars" FINPIPE_BAR_RANGE " ORDER BY start DESC"},
    {Statement::kBars1s, "SELECT start, " FINPIPE_BAR_VALUES " FROM bars_1s" FINPIPE_BAR_RANGE},
    {Statement::kBars1sBackwards,
     "SELECT start, " FINPIPE_BAR_VALUES " FROM bars_1s" FINPIPE_BAR_RANGE " ORDER BY start DESC"},
    {Statement::kBarStates, "SELECT start, state_row FROM bars" FINPIPE_BAR_RANGE},
    {Statement::kBarStatesBackwards, "SELECT start, state_row FROM bars" FINPIPE_BAR_RANGE " ORDER BY start DESC"},
    {Statement::kBarStates1s, "SELECT start, state_row FROM bars_1s" FINPIPE_BAR_RANGE},
    {Statement::kBarStates1sBackwards, "SELECT start, state_row FROM bars_1s" FINPIPE_BAR_RANGE " ORDER BY start DESC"},
    {Statement::kRevisions, "SELECT start, " FINPIPE_BAR_VALUES " FROM bar_revisions" FINPIPE_BAR_RANGE},
    {Statement::kRevisions1s, "SELECT start, " FINPIPE_BAR_VALUES " FROM bar_revisions_1s" FINPIPE_BAR_RANGE},
    {Statement::kGaps,
     "SELECT log_id, log_offset, span, kind, symbol, from_time, to_time, reason FROM gaps WHERE "
     "partition = ?"},
    {Statement::kVoids,
     "SELECT log_id, log_offset, action, symbol, event_time, seq, reason, at FROM voids WHERE "
     "partition = ?"},
    {Statement::kSymbols, "SELECT symbol, partition FROM symbols" FINPIPE_ONE_PIPELINE},
    {Statement::kPartitions, "SELECT partition FROM partitions" FINPIPE_ONE_PIPELINE},
    {Statement::kPolicy, "SELECT market, rules FROM policies WHERE hash = ?"},
    {Statement::kCheckpoint,
     "SELECT partition, generation, log_offset, body FROM checkpoints" FINPIPE_ONE_PIPELINE " AND partition = ?"},
    {Statement::kCheckpoints, "SELECT partition, generation, log_offset, body FROM checkpoints" FINPIPE_ONE_PIPELINE},
}};

std::string_view as_view(const LogId& log_id) { return {reinterpret_cast<const char*>(log_id.data()), log_id.size()}; }

bool take_log_id(std::string_view bytes, LogId& log_id) {
  if (bytes.size() != log_id.size()) return false;
  std::memcpy(log_id.data(), bytes.data(), bytes.size());
  return true;
}

// The first `length` letters of a date, "2026-11-26".
std::string date_prefix(std::int64_t time_ms, std::size_t length) {
  constexpr std::int64_t kYear0Ms = -62'167'219'200'000;
  if (time_ms < kYear0Ms) return std::string(kBeforeAll);
  if (time_ms > kMaxTimeMs) return std::string(kAfterAll);
  return format_time_ms(time_ms).substr(0, length);
}

std::string text_of(const Conditions& conditions) {
  switch (conditions.form) {
    case Conditions::Form::kAbsent: return "-";
    case Conditions::Form::kNull: return "";
    case Conditions::Form::kList: return conditions.codes.empty() ? "[]" : std::string(conditions.codes);
  }
  return "";
}

Conditions conditions_of(std::string_view text) {
  if (text == "-") return {Conditions::Form::kAbsent, {}};
  if (text.empty()) return {Conditions::Form::kNull, {}};
  return {Conditions::Form::kList, text == "[]" ? std::string_view() : text};
}

std::string_view to_string(SpanRow::Kind kind) {
  switch (kind) {
    case SpanRow::Kind::kGap: return "gap";
    case SpanRow::Kind::kFilled: return "filled";
    case SpanRow::Kind::kUnsubscribed: return "unsubscribed";
  }
  return "";
}

template <typename Enum>
bool take_named(std::string_view name, std::initializer_list<Enum> all, Enum& value) {
  for (const Enum one : all) {
    if (to_string(one) != name) continue;
    value = one;
    return true;
  }
  return false;
}

// How a value that a bar does not have is written, and how it looks when it is read.
enum class Absent : std::uint8_t { kNull, kUnset };

// A null is a tombstone: it is written only where an earlier version, or one of an earlier generation, may have had the
// value.
Absent absent_when_written(const Bar& bar) {
  return bar.generation > 0 || bar.excluded > 0 ? Absent::kNull : Absent::kUnset;
}

// The columns that show what the row says.
void put_shown(const Bar& bar, Absent absent, CellWriter& cells) {
  const auto price = [&](const std::optional<int128>& value) {
    if (value) {
      cells.decimal(*value, kPriceDigits);
    } else {
      absent == Absent::kNull ? cells.null() : cells.unset();
    }
  };
  const auto high_low = [&](std::int64_t value) {
    return bar.has_high_low ? std::optional<int128>(value) : std::nullopt;
  };
  price(bar.open_e9());
  price(high_low(bar.high_e9));
  price(high_low(bar.low_e9));
  price(bar.close_e9());
  cells.decimal(bar.volume_e8, kVolumeDigits);
  price(bar.vwap_volume_e8 > 0 ? std::optional(vwap_e9(bar.notional_e17, bar.vwap_volume_e8)) : std::nullopt);
  cells.bigint(bar.trades).text(finpipe::to_string(bar.state)).integer(bar.revision);
  cells.text(finpipe::to_string(bar.reason)).bigint(bar.closed_at_ns).bigint(bar.missing_ms);
  cells.boolean(bar.partial).boolean(bar.backfilled).bigint(bar.generation).bigint(bar.version);
}

std::string bar_name(std::string_view kind, std::string_view symbol, Interval interval, std::int64_t start_ms) {
  return fmt::format("{} {} {} {}", kind, symbol, finpipe::to_string(interval), format_time_ms(start_ms));
}

constexpr std::size_t kShownColumns = 16;

// `shown`: set when those columns were selected too.
Result<void> read_state(std::string_view kind, std::string_view symbol, Interval interval, CellReader& cells,
                        BarRow& row, std::string_view* shown) {
  row.key.symbol = symbol;
  row.key.interval = interval;
  row.key.start_ms = cells.timestamp_ms();
  if (shown != nullptr) *shown = cells.take(kShownColumns);
  const std::string_view state = cells.blob();
  row.bar = Bar();
  if (cells.ok() && decode_bar(state, row.bar)) return {};
  return fail(ErrorCode::kCorrupt, bar_name(kind, symbol, interval, row.key.start_ms));
}

Result<void> read_bar_row(std::string_view kind, std::string_view symbol, Interval interval, CellReader& cells,
                          BarRow& row) {
  std::string_view shown;
  FINPIPE_TRY(read_state(kind, symbol, interval, cells, row, &shown));
  CellWriter expected;
  put_shown(row.bar, Absent::kNull, expected);
  if (expected.bytes() == shown) return {};
  return fail(ErrorCode::kCorrupt,
              bar_name(kind, symbol, interval, row.key.start_ms) + ": its columns do not show what its state_row says");
}

}  // namespace

const std::array<StatementInfo, kStatementCount>& statement_table() { return kStatements; }

// ---- Buckets -------------------------------------------------------------------------------------------------------

std::int64_t tick_bucket(std::int64_t event_time_ms) {
  constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min() / kTickBucketMs;
  return std::max(floor_div(event_time_ms, kTickBucketMs), kFirst) * kTickBucketMs;
}

std::string day_of(std::int64_t time_ms) { return date_prefix(time_ms, 10); }

std::string bar_bucket(Interval interval, std::int64_t start_ms) {
  constexpr std::array<std::size_t, kIntervalCount> kLength = {10, 7, 7, 7, 4, 4};
  return date_prefix(start_ms, kLength[index_of(interval)]);
}

std::string_view series_kind(Interval interval) { return finpipe::to_string(interval); }

// ---- Timestamps ----------------------------------------------------------------------------------------------------

std::int64_t bar_timestamp_us(const BarRow& row) {
  const int128 us = static_cast<int128>(row.key.start_ms) * kUsPerMs +
                    static_cast<int128>(row.bar.generation) * length_ms(row.key.interval) * kUsPerMs + row.bar.version;
  return static_cast<std::int64_t>(std::clamp<int128>(us, -kMostUs, kMostUs));
}

std::int64_t tick_timestamp_us(const Tick& tick, std::int64_t generation) {
  const int128 us =
      floor_div(tick.trade.received_at_ns, 1'000) + static_cast<int128>(generation) * kTickBucketMs * kUsPerMs;
  return static_cast<std::int64_t>(std::clamp<int128>(us, -kMostUs, kMostUs));
}

std::int64_t checkpoint_timestamp_us(const CheckpointRow& row) {
  const int128 us = (static_cast<int128>(row.generation) << 48) + row.offset;
  return static_cast<std::int64_t>(std::clamp<int128>(us, -kMostUs, kMostUs));
}

// ---- Rows to write -------------------------------------------------------------------------------------------------

void put_tick(const Tick& tick, std::int64_t generation, CellWriter& cells) {
  const Trade& trade = tick.trade;
  cells.text(trade.symbol).timestamp_ms(tick_bucket(trade.event_time_ms));
  cells.timestamp_ms(trade.event_time_ms).bigint(trade.seq);
  cells.decimal(trade.price_e9, kPriceDigits).decimal(trade.volume_e8, kVolumeDigits);
  cells.text(text_of(trade.conditions)).bigint(trade.received_at_ns).varint(trade.session);
  cells.tinyint(static_cast<std::int8_t>(trade.writer)).tinyint(static_cast<std::int8_t>(trade.suspect));
  cells.varint(tick.offset).blob(as_view(tick.log_id));
  cells.bigint(tick_timestamp_us(tick, generation));
}

void put_bar(const BarRow& row, CellWriter& cells) {
  cells.text(row.key.symbol).text(finpipe::to_string(row.key.interval));
  cells.text(bar_bucket(row.key.interval, row.key.start_ms)).timestamp_ms(row.key.start_ms);
  put_shown(row.bar, absent_when_written(row.bar), cells);
  std::string state;
  encode_bar(row.bar, state);
  cells.blob(state).bigint(bar_timestamp_us(row));
}

void put_gap(const SpanRow& row, CellWriter& cells) {
  cells.integer(row.partition).blob(as_view(row.log_id)).bigint(row.offset).integer(row.index);
  cells.text(to_string(row.kind)).text(row.symbol).timestamp_ms(row.from_ms).timestamp_ms(row.to_ms);
  cells.text(as_utf8(row.reason));
}

void put_void(const VoidRow& row, CellWriter& cells) {
  cells.integer(row.partition).blob(as_view(row.log_id)).bigint(row.offset).text(finpipe::to_string(row.action));
  cells.text(row.symbol).timestamp_ms(row.event_time_ms).bigint(row.seq).text(as_utf8(row.reason)).bigint(row.at_ns);
}

void put_symbol(const SymbolRow& row, std::int64_t generation, CellWriter& cells) {
  cells.text(row.symbol).integer(row.partition).bigint(generation);
}

void put_policy(const PolicyRow& row, CellWriter& cells) { cells.text(row.hash).text(row.market).text(row.text); }

void put_checkpoint(const CheckpointRow& row, CellWriter& cells) {
  cells.integer(row.partition).bigint(row.generation).bigint(row.offset).blob(row.body);
  cells.bigint(checkpoint_timestamp_us(row));
}

void put_ledger(const CheckpointRow& at, const SessionKey& session, const LedgerRow& row, CellWriter& cells) {
  cells.integer(at.partition).text(finpipe::to_string(session.first)).bigint(session.second);
  cells.bigint(row.received).bigint(row.already_in_log).bigint(row.appended).bigint(row.dead_lettered_before);
  cells.bigint(row.in_log).bigint(row.stored).bigint(row.skipped).bigint(row.dead_lettered_after);
  cells.bigint(checkpoint_timestamp_us(at));
}

// ---- Rows that were read -------------------------------------------------------------------------------------------

Result<void> read_tick(std::string_view symbol, CellReader& cells, Tick& tick) {
  tick = Tick();
  Trade& trade = tick.trade;
  trade.symbol = symbol;
  trade.event_time_ms = cells.timestamp_ms();
  trade.seq = cells.bigint();
  trade.price_e9 = static_cast<std::int64_t>(cells.decimal(kPriceDigits));
  trade.volume_e8 = static_cast<std::int64_t>(cells.decimal(kVolumeDigits));
  trade.conditions = conditions_of(cells.text());
  trade.received_at_ns = cells.bigint();
  trade.session = cells.varint();
  const int writer = cells.tinyint(), suspect = cells.tinyint();
  tick.offset = cells.varint();
  const bool whole = take_log_id(cells.blob(), tick.log_id) && cells.ok() && writer >= 0 &&
                     writer < static_cast<int>(kWriterCount) && (suspect == 0 || suspect == 1);
  trade.writer = static_cast<Writer>(writer);
  trade.suspect = static_cast<Suspect>(suspect);
  if (whole) return {};
  return fail(ErrorCode::kCorrupt,
              fmt::format("trade {} {} seq {}", symbol, format_time_ms(trade.event_time_ms), trade.seq));
}

Result<void> read_bar(std::string_view symbol, Interval interval, CellReader& cells, BarRow& row) {
  return read_bar_row("bar", symbol, interval, cells, row);
}

Result<void> read_bar_state(std::string_view symbol, Interval interval, CellReader& cells, BarRow& row) {
  return read_state("bar", symbol, interval, cells, row, nullptr);
}

Result<void> read_revision(std::string_view symbol, Interval interval, CellReader& cells, RevisionRow& row) {
  return read_bar_row("revision of bar", symbol, interval, cells, row);
}

Result<SpanRow> read_gap(std::int32_t partition, CellReader& cells) {
  SpanRow row;
  row.partition = partition;
  const bool log = take_log_id(cells.blob(), row.log_id);
  row.offset = cells.bigint();
  row.index = cells.integer();
  const bool kind =
      take_named(cells.text(), {SpanRow::Kind::kGap, SpanRow::Kind::kFilled, SpanRow::Kind::kUnsubscribed}, row.kind);
  row.symbol = cells.text();
  row.from_ms = cells.timestamp_ms();
  row.to_ms = cells.timestamp_ms();
  row.reason = cells.text();
  if (log && kind && cells.ok()) return row;
  return fail(ErrorCode::kCorrupt, fmt::format("gap of partition {} offset {}", partition, row.offset));
}

Result<VoidRow> read_void(std::int32_t partition, CellReader& cells) {
  VoidRow row;
  row.partition = partition;
  const bool log = take_log_id(cells.blob(), row.log_id);
  row.offset = cells.bigint();
  const bool action = take_named(cells.text(), {VoidRow::Action::kVoid, VoidRow::Action::kUnvoid}, row.action);
  row.symbol = cells.text();
  row.event_time_ms = cells.timestamp_ms();
  row.seq = cells.bigint();
  row.reason = cells.text();
  row.at_ns = cells.bigint();
  if (log && action && cells.ok()) return row;
  return fail(ErrorCode::kCorrupt, fmt::format("void of partition {} offset {}", partition, row.offset));
}

Result<SymbolRow> read_symbol(CellReader& cells) {
  SymbolRow row;
  row.symbol = cells.text();
  row.partition = cells.integer();
  if (cells.ok()) return row;
  return fail(ErrorCode::kCorrupt, fmt::format("symbol {}", row.symbol));
}

Result<PolicyRow> read_policy(std::string_view hash, CellReader& cells) {
  PolicyRow row;
  row.hash = hash;
  row.market = cells.text();
  row.text = cells.text();
  if (cells.ok()) return row;
  return fail(ErrorCode::kCorrupt, fmt::format("policy {}", hash));
}

Result<CheckpointRow> read_checkpoint(CellReader& cells) {
  CheckpointRow row;
  row.partition = cells.integer();
  row.generation = cells.bigint();
  row.offset = cells.bigint();
  row.body = cells.blob();
  if (cells.ok()) return row;
  return fail(ErrorCode::kCorrupt, fmt::format("checkpoint of partition {}", row.partition));
}

}  // namespace finpipe::cql
