#include "stores/cassandra/cassandra_store.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "base/clock.h"
#include "base/time.h"
#include "stores/cassandra/commit_queue.h"
#include "stores/cassandra/link.h"
#include "stores/cassandra/reader.h"
#include "stores/cassandra/schema.h"
#include "stores/cassandra/tables.h"
#include "stores/cassandra/trouble.h"

namespace finpipe {
namespace {

using cql::CellReader;
using cql::CellWriter;
using cql::Select;
using cql::Statement;

constexpr std::size_t kFewBuckets = 4;       // that are asked for without knowing whether they are there
constexpr std::size_t kBucketsUnderWay = 8;  // of one visit
constexpr std::size_t kRangesUnderWay = 64;  // of a load of many

// All rows of one partition of a table of ours.
Select select_by(Statement statement, const CellWriter& cells = {}) { return {statement, cells.bytes()}; }

Select select_series(std::string_view symbol, std::string_view kind) {
  CellWriter cells;
  cells.text(symbol).text(kind);
  return select_by(Statement::kSeries, cells);
}

Select select_bars(Statement statement, const BarRange& range, std::string_view bucket) {
  CellWriter cells;
  cells.text(range.symbol).text(to_string(range.interval)).text(bucket);
  cells.timestamp_ms(range.from_ms).timestamp_ms(range.to_ms);
  return select_by(statement, cells);
}

Select select_ticks(Statement statement, const TickRange& range, std::int64_t bucket) {
  CellWriter cells;
  cells.text(range.symbol).timestamp_ms(bucket).timestamp_ms(range.from_ms).timestamp_ms(range.to_ms);
  return select_by(statement, cells);
}

// The buckets from the one of `from_ms` to the one of `to_ms`, when they are few; a step is at most a bucket long.
template <typename BucketOf>
std::optional<std::vector<std::string>> few_buckets(std::int64_t from_ms, std::int64_t to_ms, std::int64_t step_ms,
                                                    BucketOf bucket_of) {
  if (from_ms > to_ms) return std::vector<std::string>();
  // The difference of two ends of time does not fit.
  if (to_ms / 2 - from_ms / 2 > static_cast<std::int64_t>(kFewBuckets) * step_ms / 2) return std::nullopt;
  std::vector<std::string> buckets;
  const auto add = [&](std::int64_t time_ms) {
    std::string bucket = bucket_of(time_ms);
    if (buckets.empty() || buckets.back() != bucket) buckets.push_back(std::move(bucket));
  };
  for (std::int64_t time_ms = from_ms; time_ms < to_ms; time_ms += step_ms) add(time_ms);
  add(to_ms);
  return buckets;
}

std::optional<std::vector<std::string>> few_bar_buckets(const BarRange& range) {
  constexpr std::array<std::int64_t, kIntervalCount> kStepDays = {1, 28, 28, 28, 365, 365};
  return few_buckets(range.from_ms, range.to_ms, kStepDays[index_of(range.interval)] * kMsPerDay,
                     [&](std::int64_t time_ms) { return cql::bar_bucket(range.interval, time_ms); });
}

Statement bars_statement(Interval interval, Order order) {
  const bool seconds = interval == Interval::k1s;
  if (order == Order::kAscending) return seconds ? Statement::kBars1s : Statement::kBars;
  return seconds ? Statement::kBars1sBackwards : Statement::kBarsBackwards;
}

Statement bar_states_statement(Interval interval, Order order) {
  const bool seconds = interval == Interval::k1s;
  if (order == Order::kAscending) return seconds ? Statement::kBarStates1s : Statement::kBarStates;
  return seconds ? Statement::kBarStates1sBackwards : Statement::kBarStatesBackwards;
}

// What both ports read, each with a patience of its own.
class Selects {
 public:
  explicit Selects(cql::Reader reader) : reader_(std::move(reader)) {}

  template <typename Row, typename Read>
  Result<std::vector<Row>> all(std::span<const Select> selects, Read read) const {
    std::vector<Row> rows;
    FINPIPE_TRY(reader_.visit(selects, kRangesUnderWay, [&](std::size_t at, CellReader& cells) -> Result<bool> {
      FINPIPE_TRY_ASSIGN(row, read(at, cells));
      rows.push_back(std::move(row));
      return true;
    }));
    return rows;
  }

  Result<std::vector<std::int32_t>> partitions() const {
    return all<std::int32_t>(std::array{select_by(Statement::kPartitions)},
                             [](std::size_t, CellReader& cells) -> Result<std::int32_t> { return cells.integer(); });
  }

  Result<std::vector<SymbolRow>> symbols() const {
    return all<SymbolRow>(std::array{select_by(Statement::kSymbols)},
                          [](std::size_t, CellReader& cells) { return cql::read_symbol(cells); });
  }

  Result<std::vector<CheckpointRow>> checkpoints(std::optional<std::int32_t> partition) const {
    CellWriter cells;
    if (partition) cells.integer(*partition);
    return all<CheckpointRow>(
        std::array{select_by(partition ? Statement::kCheckpoint : Statement::kCheckpoints, cells)},
        [](std::size_t, CellReader& row) { return cql::read_checkpoint(row); });
  }

  template <typename Row, typename Read>
  Result<std::vector<Row>> by_partition(Statement statement, const std::vector<std::int32_t>& partitions,
                                        Read read) const {
    std::vector<Select> selects;
    for (const std::int32_t partition : partitions) {
      CellWriter cells;
      cells.integer(partition);
      selects.push_back(select_by(statement, cells));
    }
    return all<Row>(selects, [&](std::size_t at, CellReader& cells) { return read(partitions[at], cells); });
  }

  Result<std::vector<SpanRow>> spans(const std::vector<std::int32_t>& partitions) const {
    return by_partition<SpanRow>(Statement::kGaps, partitions, cql::read_gap);
  }
  Result<std::vector<VoidRow>> voids(const std::vector<std::int32_t>& partitions) const {
    return by_partition<VoidRow>(Statement::kVoids, partitions, cql::read_void);
  }

  Result<std::optional<PolicyRow>> policy(std::string_view hash) const {
    if (hash.empty()) return std::nullopt;
    CellWriter cells;
    cells.text(hash);
    FINPIPE_TRY_ASSIGN(rows, all<PolicyRow>(std::array{select_by(Statement::kPolicy, cells)},
                                            [&](std::size_t, CellReader& row) { return cql::read_policy(hash, row); }));
    if (rows.empty()) return std::nullopt;
    return std::move(rows.front());
  }

  // Of each range its buckets, in order: a SELECT each, of the table that `statement_of` names.
  template <typename StatementOf>
  Result<std::pair<std::vector<Select>, std::vector<std::size_t>>> selects_of(std::span<const BarRange> ranges,
                                                                              StatementOf statement_of) const {
    std::vector<std::vector<std::string>> buckets(ranges.size());
    std::vector<Select> series;
    std::vector<std::size_t> asked;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      if (ranges[i].symbol.empty()) continue;  // no key may be empty
      if (auto few = few_bar_buckets(ranges[i])) {
        buckets[i] = std::move(*few);
      } else {
        series.push_back(select_series(ranges[i].symbol, cql::series_kind(ranges[i].interval)));
        asked.push_back(i);
      }
    }
    FINPIPE_TRY(reader_.visit(series, kRangesUnderWay, [&](std::size_t at, CellReader& cells) -> Result<bool> {
      const BarRange& range = ranges[asked[at]];
      const std::string_view bucket = cells.text();
      if (bucket >= cql::bar_bucket(range.interval, range.from_ms) &&
          bucket <= cql::bar_bucket(range.interval, range.to_ms)) {
        buckets[asked[at]].emplace_back(bucket);
      }
      return true;
    }));
    std::pair<std::vector<Select>, std::vector<std::size_t>> found;  // and of which range each is
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      for (const std::string& bucket : buckets[i]) {
        found.first.push_back(select_bars(statement_of(ranges[i].interval), ranges[i], bucket));
        found.second.push_back(i);
      }
    }
    return found;
  }

  Result<void> bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit, Order order,
                    bool check_columns) const {
    const auto statement_of = check_columns ? bars_statement : bar_states_statement;
    FINPIPE_TRY_ASSIGN(
        found, selects_of(std::span(&range, 1), [&](Interval interval) { return statement_of(interval, order); }));
    if (order == Order::kDescending) std::ranges::reverse(found.first);
    BarRow row;
    const auto read = check_columns ? cql::read_bar : cql::read_bar_state;
    const auto see = [&](std::size_t, CellReader& cells) -> Result<bool> {
      FINPIPE_TRY(read(range.symbol, range.interval, cells, row));
      return visit(row);
    };
    FINPIPE_TRY(reader_.visit(found.first, kBucketsUnderWay, see));
    return {};
  }

  Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) const {
    FINPIPE_TRY_ASSIGN(
        found, selects_of(ranges, [](Interval interval) { return bars_statement(interval, Order::kAscending); }));
    return all<BarRow>(found.first, [&](std::size_t at, CellReader& cells) -> Result<BarRow> {
      const BarRange& range = ranges[found.second[at]];
      BarRow row;
      FINPIPE_TRY(cql::read_bar(range.symbol, range.interval, cells, row));
      return row;
    });
  }

  Result<void> revisions(const BarRange& range, const std::function<bool(const RevisionRow&)>& visit) const {
    FINPIPE_TRY_ASSIGN(found, selects_of(std::span(&range, 1), [](Interval interval) {
                         return interval == Interval::k1s ? Statement::kRevisions1s : Statement::kRevisions;
                       }));
    RevisionRow row;
    const auto see = [&](std::size_t, CellReader& cells) -> Result<bool> {
      FINPIPE_TRY(cql::read_revision(range.symbol, range.interval, cells, row));
      return visit(row);
    };
    FINPIPE_TRY(reader_.visit(found.first, kBucketsUnderWay, see));
    return {};
  }

  Result<void> ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit, Order order) const {
    if (range.from_ms >= range.to_ms || range.symbol.empty()) return {};
    FINPIPE_TRY_ASSIGN(days, tick_days(range));
    if (order == Order::kDescending) std::ranges::reverse(days);
    for (const std::string& day : days) {
      FINPIPE_TRY_ASSIGN(go_on, ticks_of_day(range, day, visit, order));
      if (!go_on) break;
    }
    return {};
  }

 private:
  Result<std::vector<std::string>> tick_days(const TickRange& range) const {
    if (auto few = few_buckets(range.from_ms, range.to_ms - 1, kMsPerDay, cql::day_of)) return *std::move(few);
    FINPIPE_TRY_ASSIGN(days, all<std::string>(std::array{select_series(range.symbol, cql::kTickSeries)},
                                              [](std::size_t, CellReader& cells) -> Result<std::string> {
                                                return std::string(cells.text());
                                              }));
    const std::string first = cql::day_of(range.from_ms), last = cql::day_of(range.to_ms - 1);
    std::erase_if(days, [&](const std::string& day) { return day < first || day > last; });
    return days;
  }

  Result<bool> ticks_of_day(const TickRange& range, const std::string& day,
                            const std::function<bool(const Tick&)>& visit, Order order) const {
    const std::int64_t first = cql::tick_bucket(range.from_ms), last = cql::tick_bucket(range.to_ms - 1);
    CellWriter cells;
    cells.text(range.symbol).text(day);
    std::vector<Select> selects;
    const Statement statement = order == Order::kAscending ? Statement::kTicks : Statement::kTicksBackwards;
    FINPIPE_TRY(reader_.visit(std::array{select_by(Statement::kTickBuckets, cells)}, 1,
                              [&](std::size_t, CellReader& row) -> Result<bool> {
                                const std::int64_t bucket = row.timestamp_ms();
                                if (bucket >= first && bucket <= last) {
                                  selects.push_back(select_ticks(statement, range, bucket));
                                }
                                return true;
                              }));
    if (order == Order::kDescending) std::ranges::reverse(selects);
    Tick tick;
    return reader_.visit(selects, kBucketsUnderWay, [&](std::size_t, CellReader& row) -> Result<bool> {
      FINPIPE_TRY(cql::read_tick(range.symbol, row, tick));
      return visit(tick);
    });
  }

  cql::Reader reader_;
};

}  // namespace

class CassandraStore::Implementation {
 public:
  Implementation(std::unique_ptr<cql::Session> session, const CassandraOptions& options)
      : session_(std::move(session)),
        link_(*session_),
        commits_(link_, clock_, trouble_, options.patience_ms),
        loads_(reader({.patience_ms = options.patience_ms, .trouble = &trouble_, .known_trouble = nullptr})),
        queries_(reader({.patience_ms = options.query_patience_ms,
                         .trouble = nullptr,
                         .known_trouble = options.patience_ms == 0 ? &trouble_ : nullptr})),
        check_bar_columns_(options.check_bar_columns) {}

  cql::CommitStatistics poll_statistics() const {
    const std::lock_guard lock(mutex_);
    return statistics_;
  }
  Result<Ticket> poll() {
    auto done = commits_.poll();
    const std::lock_guard lock(mutex_);
    statistics_ = commits_.statistics();
    return done;
  }

  std::unique_ptr<cql::Session> session_;
  SystemClock clock_;
  std::atomic<bool> interrupted_ = false;
  cql::Trouble trouble_;
  cql::SessionLink link_;
  cql::CommitQueue commits_;
  Selects loads_;    // of the processor: they wait
  Selects queries_;  // of everybody else: they give up
  bool check_bar_columns_;

 private:
  cql::Reader reader(cql::ReaderOptions options) {
    return {[this] { return std::make_unique<cql::SessionLink>(*session_); }, clock_, interrupted_, options};
  }

  mutable std::mutex mutex_;
  cql::CommitStatistics statistics_;
};

CassandraStore::CassandraStore(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
CassandraStore::~CassandraStore() = default;

Result<std::unique_ptr<CassandraStore>> CassandraStore::open(const CassandraOptions& options) {
  FINPIPE_TRY_ASSIGN(session, cql::Session::connect(options, cql::Keyspace::kOld));
  FINPIPE_TRY_ASSIGN(replication, cql::replication_of(*session, options.keyspace));
  FINPIPE_TRY(cql::check_overlap(replication, options.datacenter, options.read_consistency, options.write_consistency));
  FINPIPE_TRY(cql::check_version(*session));
  FINPIPE_TRY(session->prepare());
  return std::unique_ptr<CassandraStore>(
      new CassandraStore(std::make_unique<Implementation>(std::move(session), options)));
}

Store::Ticket CassandraStore::submit(Commit commit) { return implementation_->commits_.submit(commit); }
Result<Store::Ticket> CassandraStore::poll() { return implementation_->poll(); }
std::optional<std::string> CassandraStore::trouble() const { return implementation_->trouble_.text(); }
void CassandraStore::interrupt() { implementation_->interrupted_ = true; }

CassandraStatistics CassandraStore::statistics() const {
  const fp_cql_statistics client = implementation_->session_->statistics();
  const cql::CommitStatistics commits = implementation_->poll_statistics();
  return {.nodes = client.nodes,
          .nodes_up = client.nodes_up,
          .connections = client.connections,
          .requests = static_cast<std::int64_t>(client.requests),
          .rows_written = commits.rows_written,
          .retries = commits.retries + static_cast<std::int64_t>(client.retries),
          .timeouts = commits.timeouts,
          .overloads = commits.overloads,
          .in_flight = commits.in_flight,
          .window = commits.window,
          .latency_us_p50 = static_cast<std::int64_t>(client.latency_us_p50),
          .latency_us_p99 = static_cast<std::int64_t>(client.latency_us_p99)};
}

Result<std::optional<CheckpointRow>> CassandraStore::load_checkpoint(std::int32_t partition) {
  FINPIPE_TRY_ASSIGN(rows, implementation_->loads_.checkpoints(partition));
  if (rows.empty()) return std::nullopt;
  return std::move(rows.front());
}
Result<std::vector<SymbolRow>> CassandraStore::load_symbols(std::int32_t partition) {
  FINPIPE_TRY_ASSIGN(rows, implementation_->loads_.symbols());
  std::erase_if(rows, [partition](const SymbolRow& row) { return row.partition != partition; });
  return std::move(rows);
}
Result<std::vector<BarRow>> CassandraStore::load_bars(std::span<const BarRange> ranges) {
  return implementation_->loads_.load_bars(ranges);
}
Result<std::vector<SpanRow>> CassandraStore::load_spans(std::int32_t partition) {
  return implementation_->loads_.spans({partition});
}
Result<std::vector<VoidRow>> CassandraStore::load_voids(std::int32_t partition) {
  return implementation_->loads_.voids({partition});
}
Result<void> CassandraStore::load_ticks(const TickRange& range, const std::function<void(const Tick&)>& visit) {
  const auto visit_all = [&visit](const Tick& tick) {
    visit(tick);
    return true;
  };
  return implementation_->loads_.ticks(range, visit_all, Order::kAscending);
}
Result<std::optional<PolicyRow>> CassandraStore::load_policy(std::string_view hash) {
  return implementation_->loads_.policy(hash);
}

Result<std::vector<SymbolRow>> CassandraStore::symbols() { return implementation_->queries_.symbols(); }
Result<std::vector<CheckpointRow>> CassandraStore::checkpoints() {
  return implementation_->queries_.checkpoints(std::nullopt);
}
Result<void> CassandraStore::bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit, Order order) {
  return implementation_->queries_.bars(range, visit, order, implementation_->check_bar_columns_);
}
Result<void> CassandraStore::revisions(const BarRange& range, const std::function<bool(const RevisionRow&)>& visit) {
  return implementation_->queries_.revisions(range, visit);
}
Result<void> CassandraStore::ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit, Order order) {
  return implementation_->queries_.ticks(range, visit, order);
}
Result<std::vector<SpanRow>> CassandraStore::spans() {
  FINPIPE_TRY_ASSIGN(partitions, implementation_->queries_.partitions());
  return implementation_->queries_.spans(partitions);
}
Result<std::vector<VoidRow>> CassandraStore::voids() {
  FINPIPE_TRY_ASSIGN(partitions, implementation_->queries_.partitions());
  return implementation_->queries_.voids(partitions);
}
Result<std::optional<PolicyRow>> CassandraStore::policy(std::string_view hash) {
  return implementation_->queries_.policy(hash);
}

}  // namespace finpipe
