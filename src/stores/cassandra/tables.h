// The statements on the tables of cassandra/init.cql, which cells they take and give, the timestamps of writes, and in
// which bucket a row is.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "pipeline/ledger.h"
#include "pipeline/ports.h"
#include "stores/cassandra/cell.h"

namespace finpipe::cql {

constexpr std::int32_t kSchemaVersion = 1;

enum class Statement : std::uint8_t {
  kPutTick,
  kPutTickBucket,
  kPutSeries,
  kPutBar,
  kPutBar1s,
  kPutRevision,
  kPutRevision1s,
  kPutGap,
  kPutVoid,
  kPutSymbol,
  kPutPartition,
  kPutPolicy,
  kPutCheckpoint,
  kPutLedger,
  kTicks,
  kTicksBackwards,
  kTickBuckets,
  kSeries,
  kBars,
  kBarsBackwards,
  kBars1s,
  kBars1sBackwards,
  kBarStates,
  kBarStatesBackwards,
  kBarStates1s,
  kBarStates1sBackwards,
  kRevisions,
  kRevisions1s,
  kGaps,
  kVoids,
  kSymbols,
  kPartitions,
  kPolicy,
  kCheckpoint,
  kCheckpoints,
};
constexpr std::size_t kStatementCount = 35;

struct StatementInfo {
  Statement statement;
  std::string_view text;
};
[[nodiscard]] const std::array<StatementInfo, kStatementCount>& statement_table();
[[nodiscard]] constexpr bool is_write(Statement statement) { return statement <= Statement::kPutLedger; }

// ---- Buckets -------------------------------------------------------------------------------------------------------

constexpr std::int64_t kTickBucketMs = 5 * kMsPerMinute;
// Before and after the years that a date can be written of: they sort before and after all others.
constexpr std::string_view kBeforeAll = "!", kAfterAll = "~";

[[nodiscard]] std::int64_t tick_bucket(std::int64_t event_time_ms);  // its start
[[nodiscard]] std::string day_of(std::int64_t time_ms);              // "2026-11-26"
[[nodiscard]] std::string bar_bucket(Interval interval, std::int64_t start_ms);
// Of the kind of `series` that has buckets like bar_bucket's.
[[nodiscard]] std::string_view series_kind(Interval interval);
constexpr std::string_view kTickSeries = "ticks";

// ---- Timestamps of writes ------------------------------------------------------------------------------------------

// A bar that changed as often as its window has µs would cover the one of the next generation.
[[nodiscard]] constexpr std::int64_t max_version(Interval interval) { return length_ms(interval) * 1'000 - 1; }
[[nodiscard]] std::int64_t bar_timestamp_us(const BarRow& row);
[[nodiscard]] std::int64_t tick_timestamp_us(const Tick& tick, std::int64_t generation);
[[nodiscard]] std::int64_t checkpoint_timestamp_us(const CheckpointRow& row);

// ---- Rows to write -------------------------------------------------------------------------------------------------

void put_tick(const Tick& tick, std::int64_t generation, CellWriter& cells);
void put_bar(const BarRow& row, CellWriter& cells);  // a revision likewise
void put_gap(const SpanRow& row, CellWriter& cells);
void put_void(const VoidRow& row, CellWriter& cells);
// Their timestamp is the generation.
void put_symbol(const SymbolRow& row, std::int64_t generation, CellWriter& cells);
void put_policy(const PolicyRow& row, CellWriter& cells);
void put_checkpoint(const CheckpointRow& row, CellWriter& cells);
void put_ledger(const CheckpointRow& at, const SessionKey& session, const LedgerRow& row, CellWriter& cells);

// ---- Rows that were read -------------------------------------------------------------------------------------------
// Each takes the cells of one row. Errors: kCorrupt naming the row, also where a bar's columns do not show what its
// state_row says.

// The texts of `tick` are borrowed from the cells.
[[nodiscard]] Result<void> read_tick(std::string_view symbol, CellReader& cells, Tick& tick);
[[nodiscard]] Result<void> read_bar(std::string_view symbol, Interval interval, CellReader& cells, BarRow& row);
// Of a row of which `start` and `state_row` were selected: the columns may say what they like.
[[nodiscard]] Result<void> read_bar_state(std::string_view symbol, Interval interval, CellReader& cells, BarRow& row);
[[nodiscard]] Result<void> read_revision(std::string_view symbol, Interval interval, CellReader& cells,
                                         RevisionRow& row);
[[nodiscard]] Result<SpanRow> read_gap(std::int32_t partition, CellReader& cells);
[[nodiscard]] Result<VoidRow> read_void(std::int32_t partition, CellReader& cells);
[[nodiscard]] Result<SymbolRow> read_symbol(CellReader& cells);
[[nodiscard]] Result<PolicyRow> read_policy(std::string_view hash, CellReader& cells);
[[nodiscard]] Result<CheckpointRow> read_checkpoint(CellReader& cells);

}  // namespace finpipe::cql
