#include "pipeline/verify.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "base/hash.h"
#include "base/time.h"
#include "codec/checkpoint_avro.h"
#include "pipeline/verify_bars.h"
#include "pipeline/verify_findings.h"
#include "pipeline/verify_log.h"
#include "pipeline/verify_ticks.h"

namespace finpipe {
namespace {

bool is_unreadable(ErrorCode reason) {
  return reason == ErrorCode::kUnknownSchemaId || reason == ErrorCode::kIncompatibleSchema ||
         reason == ErrorCode::kAvroMalformed;
}

class Verification {
 public:
  Verification(Query& store, LogReader& log, DeadLetterQuery& dead_letters, const VerifyOptions& options)
      : store_(store), log_(log), dead_letters_(dead_letters), options_(options), findings_(options.max_differences) {}

  Result<VerifyReport> run();

 private:
  struct Work {
    CheckpointRow row;
    avro::StoredCheckpoint checkpoint;  // borrows from the row
    OffsetRange range;
    std::int64_t end = 0;
  };

  [[nodiscard]] Result<void> load();
  [[nodiscard]] Result<void> prepare(CheckpointRow row);
  void choose_sample(const std::vector<SymbolRow>& symbols);
  [[nodiscard]] Result<void> check_partition(const Work& work);
  [[nodiscard]] Result<void> check_symbol(const Work& work, const LoggedPartition& logged, const std::string& symbol);
  void check_ledger(const Work& work, const LoggedPartition& logged);
  void check_spans(const Work& work, const LoggedPartition& logged);
  [[nodiscard]] Result<void> check_voids(const Work& work, LoggedPartition& logged);
  enum class Place : std::uint8_t { kNowhere, kInLog, kInStoreOnly };
  [[nodiscard]] Result<Place> place_of(const LoggedPartition& logged, const VoidRow& row) const;
  void progress(std::int64_t done);

  Query& store_;
  LogReader& log_;
  DeadLetterQuery& dead_letters_;
  const VerifyOptions& options_;
  VerifyFindings findings_;
  VerifyReport report_;
  std::map<std::int32_t, Work> work_;  // by partition; a map leaves the rows where they are
  std::map<std::int32_t, std::set<std::string>> symbols_;
  std::vector<SpanRow> spans_;
  std::vector<VoidRow> voids_;
  std::set<std::string, std::less<>> left_out_;  // symbols that are not in the sample
  PartitionScan::DeadLetterPlaces dead_letter_places_;
  std::int64_t total_records_ = 0;
  std::int64_t done_ = 0;  // records read, and trades compared
};

Result<VerifyReport> Verification::run() {
  FINPIPE_TRY(load());
  for (const auto& [partition, work] : work_) FINPIPE_TRY(check_partition(work));
  if (options_.progress) options_.progress(1.0);
  report_.differences = findings_.count();
  report_.first = findings_.take();
  return std::move(report_);
}

void Verification::progress(std::int64_t done) {
  done_ += done;
  // Comparing is reckoned as long as reading.
  if (options_.progress && total_records_ > 0) {
    options_.progress(std::min(1.0, static_cast<double>(done_) / static_cast<double>(2 * total_records_)));
  }
}

// ---- What there is -------------------------------------------------------------------------------------------------

Result<void> Verification::load() {
  FINPIPE_TRY(log_.poll(0));  // learns the assignment
  FINPIPE_TRY_ASSIGN(rows, store_.checkpoints());
  for (std::int32_t partition = 0; partition < log_.partitions(); ++partition) {
    const auto row = std::ranges::find(rows, partition, &CheckpointRow::partition);
    FINPIPE_TRY(prepare(row == rows.end() ? CheckpointRow{partition, 0, 0, {}} : *row));
  }
  for (const CheckpointRow& row : rows) {
    if (row.partition >= 0 && row.partition < log_.partitions()) continue;
    findings_.add("checkpoint extra", "partition {}: the log has only {}", row.partition, log_.partitions());
  }
  FINPIPE_TRY(dead_letters_.dead_letters([&](const DeadLetter& letter) {
    if (letter.stage != DeadLetter::Stage::kProcess) return true;
    // It may be of an earlier generation, which the letter does not say.
    const auto work = work_.find(letter.partition);
    const bool of_this = work != work_.end() && work->second.row.generation == 0;
    dead_letter_places_.emplace(std::pair(letter.partition, letter.offset), of_this && is_unreadable(letter.reason));
    return true;
  }));
  FINPIPE_TRY_ASSIGN(spans, store_.spans());
  spans_ = std::move(spans);
  FINPIPE_TRY_ASSIGN(voids, store_.voids());
  voids_ = std::move(voids);
  FINPIPE_TRY_ASSIGN(symbols, store_.symbols());
  for (const SymbolRow& row : symbols) {
    const std::int32_t home = partition_of(row.symbol, log_.partitions());
    if (row.partition != home) {
      findings_.add("symbol differs", "{}: stored for partition {}, belongs to {}", row.symbol, row.partition, home);
    }
    symbols_[home].insert(row.symbol);
  }
  choose_sample(symbols);
  return {};
}

// Symbols that only the log knows are compared whatever the sample: each of them is a difference.
void Verification::choose_sample(const std::vector<SymbolRow>& symbols) {
  std::vector<std::pair<std::uint32_t, std::string>> drawn;
  for (const SymbolRow& row : symbols)
    drawn.emplace_back(murmur2(fmt::format("{}:{}", options_.sample_seed, row.symbol)), row.symbol);
  std::ranges::sort(drawn);
  const auto wanted = static_cast<std::size_t>(std::ceil(options_.sample * static_cast<double>(drawn.size())));
  for (std::size_t i = std::max<std::size_t>(wanted, 1); i < drawn.size(); ++i) left_out_.insert(drawn[i].second);
  report_.left_out = static_cast<std::int64_t>(left_out_.size());
}

Result<void> Verification::prepare(CheckpointRow row) {
  const std::int32_t partition = row.partition;
  Work& work = work_[partition];
  work.row = std::move(row);
  FINPIPE_TRY_ASSIGN(range, log_.range(partition));
  work.range = range;
  work.end = range.begin;
  work.checkpoint.log_id = log_.log_id();
  work.checkpoint.floor = kBeginning;
  work.checkpoint.clock = kBeginning;
  if (work.row.body.empty()) return {};  // nothing of the partition was processed: nothing may be stored

  auto decoded = avro::decode_stored_checkpoint(std::as_bytes(std::span(work.row.body)));
  if (!decoded) {
    findings_.add("checkpoint unreadable", "partition {}: {}; not compared", partition, decoded.error().detail);
    work_.erase(partition);
    return {};
  }
  work.checkpoint = *std::move(decoded);
  if (work.checkpoint.log_id != log_.log_id()) {
    findings_.add("checkpoint differs", "partition {}: it is of another log; not compared", partition);
    work_.erase(partition);
    return {};
  }
  if (work.checkpoint.partitions != log_.partitions()) {
    findings_.add("checkpoint differs", "partition {}: made with {} partitions, the log has {}", partition,
                  work.checkpoint.partitions, log_.partitions());
  }
  if (work.row.offset > range.end) {
    findings_.add("log record missing", "partition {}: the log ends at offset {}, the checkpoint is at {}", partition,
                  range.end, work.row.offset);
  }
  work.end = std::clamp(work.row.offset, range.begin, range.end);
  total_records_ += work.end - range.begin;
  return {};
}

// ---- One partition -------------------------------------------------------------------------------------------------

Result<void> Verification::check_partition(const Work& work) {
  const std::int32_t partition = work.row.partition;
  findings_.begin_group();
  PartitionScan scan(partition, log_.partitions(), work.checkpoint, dead_letter_places_, left_out_, findings_);
  FINPIPE_TRY(scan.read(log_, work.range, work.end, [&](std::int64_t records) { progress(records); }));
  report_.records += work.end - work.range.begin;
  FINPIPE_TRY_ASSIGN(logged, scan.finish(store_));
  if (work.end > work.range.begin && work.end == work.row.offset && logged.last_mark != work.checkpoint.previous) {
    findings_.add("checkpoint differs", "partition {}: the record before it has mark {}, the log's has {}", partition,
                  work.checkpoint.previous, logged.last_mark);
  }
  check_ledger(work, logged);
  check_spans(work, logged);
  FINPIPE_TRY(check_voids(work, logged));

  std::set<std::string>& symbols = symbols_[partition];
  for (const auto& [symbol, trades] : logged.trades) {
    if (symbols.insert(symbol).second) {
      findings_.add("symbol missing", "{}: {} trades in partition {}", symbol, trades.size(), partition);
    }
  }
  for (const std::string& symbol : symbols) {
    if (!left_out_.contains(symbol)) FINPIPE_TRY(check_symbol(work, logged, symbol));
  }
  return {};
}

Result<void> Verification::check_symbol(const Work& work, const LoggedPartition& logged, const std::string& symbol) {
  findings_.begin_group();
  const std::int64_t differences_before = findings_.count();
  const auto found = logged.trades.find(symbol);
  const std::span<const LoggedTrade> trades =
      found == logged.trades.end() ? std::span<const LoggedTrade>{} : found->second;
  VerifiedSymbol& report = report_.symbols.emplace_back();
  report.symbol = symbol;
  report.partition = logged.partition;

  TickCheck ticks(symbol, logged, trades, work.row.generation > 0, findings_, report);
  FINPIPE_TRY(ticks.run(store_));
  std::int64_t compare_after_ms = ticks.newest_expired_ms();
  if (logged.begin > 0) compare_after_ms = std::max(compare_after_ms, floor_div(logged.first_stamp_ns, kNsPerMs));
  const VerifiedSeries series{symbol,
                              logged,
                              trades,
                              work.checkpoint,
                              work.row.generation,
                              compare_after_ms,
                              missing_spans(spans_, logged.partition, symbol)};
  BarCheck bars(series, store_, findings_, report);
  FINPIPE_TRY(bars.run());
  report.differences = findings_.count() - differences_before;
  progress(report.trades);
  return {};
}

// ---- The account and the spans -------------------------------------------------------------------------------------

void Verification::check_ledger(const Work& work, const LoggedPartition& logged) {
  const std::int32_t partition = logged.partition;
  Ledger stored;
  for (const auto& row : work.checkpoint.ledger) {
    if (row.writer < 0 || row.writer >= static_cast<std::int32_t>(kWriterCount)) {
      findings_.add("checkpoint differs", "partition {}: an account of writer {}", partition, row.writer);
      continue;
    }
    stored[{static_cast<Writer>(row.writer), row.session}] = {
        row.received, row.already_in_log, row.appended, row.dead_lettered_before,
        row.in_log,   row.stored,         row.skipped,  row.dead_lettered_after};
  }
  const auto text = [](const LedgerRow& row) {
    return fmt::format("received {} = {} + {} + {}, in log {} = {} + {} + {}", row.received, row.already_in_log,
                       row.appended, row.dead_lettered_before, row.in_log, row.stored, row.skipped,
                       row.dead_lettered_after);
  };
  const bool whole = logged.begin == 0;  // else the checkpoint also counts what the log has lost since
  for (const auto& [key, row] : logged.ledger) {
    report_.sessions.push_back({partition, key.first, key.second, row});
    const auto found = stored.find(key);
    const LedgerRow kept = found == stored.end() ? LedgerRow{} : found->second;
    const bool equal = whole ? found != stored.end() && kept == row
                             : kept.in_log >= row.in_log && kept.stored >= row.stored && kept.skipped >= row.skipped &&
                                   kept.dead_lettered_after >= row.dead_lettered_after;
    if (!equal) {
      findings_.add("ledger differs", "partition {}, {} session {}: {}; the log gives {}", partition,
                    to_string(key.first), key.second, text(kept), text(row));
    }
  }
  for (const auto& [key, row] : stored) {
    if (!row.balanced()) {
      findings_.add("ledger unbalanced", "partition {}, {} session {}: {}", partition, to_string(key.first), key.second,
                    text(row));
    }
    if (whole && !logged.ledger.contains(key)) {
      findings_.add("ledger differs", "partition {}, {} session {}: not in the log", partition, to_string(key.first),
                    key.second);
    }
  }
}

void Verification::check_spans(const Work& work, const LoggedPartition& logged) {
  const auto text = [](const SpanRow& row) {
    constexpr std::string_view kKinds[] = {"gap", "filled", "unsubscribed"};
    return fmt::format("partition {} offset {}: {} {} [{}, {}) {}", row.partition, row.offset,
                       kKinds[static_cast<std::size_t>(row.kind)], row.symbol.empty() ? "all" : row.symbol, row.from_ms,
                       row.to_ms, row.reason);
  };
  const auto comparable = [&](const SpanRow& row) {
    // When a subscription began is not to be told from a log that has lost its beginning.
    if (row.partition != logged.partition || row.log_id != logged.log_id ||
        (logged.begin > 0 && row.kind == SpanRow::Kind::kUnsubscribed))
      return false;
    return row.offset >= logged.begin && (row.offset < logged.end || work.row.generation == 0);
  };
  const auto key = [](const SpanRow& row) { return std::pair(row.offset, row.index); };
  std::map<std::pair<std::int64_t, std::int32_t>, const SpanRow*> stored;
  for (const SpanRow& row : spans_) {
    if (comparable(row)) stored.emplace(key(row), &row);
  }
  for (const SpanRow& row : logged.spans) {
    if (!comparable(row)) continue;
    const auto found = stored.find(key(row));
    if (found == stored.end()) {
      findings_.add("span missing", "{}", text(row));
      continue;
    }
    if (*found->second != row) findings_.add("span differs", "{}; the log has {}", text(*found->second), text(row));
    stored.erase(found);
  }
  for (const auto& [place, row] : stored) findings_.add("span extra", "{}", text(*row));
}

// ---- Voids ---------------------------------------------------------------------------------------------------------

// Where the trade was when the record came: in the log before it, or stored from what the log no longer has.
Result<Verification::Place> Verification::place_of(const LoggedPartition& logged, const VoidRow& row) const {
  if (row.event_time_ms < kYear2000Ms || row.event_time_ms >= kLatestEventMs) return Place::kNowhere;
  if (const auto symbol = logged.trades.find(row.symbol); symbol != logged.trades.end()) {
    const bool in_log = std::ranges::any_of(symbol->second, [&](const LoggedTrade& trade) {
      return trade.event_time_ms == row.event_time_ms && trade.seq == row.seq && trade.offset < row.offset;
    });
    if (in_log) return Place::kInLog;
  }
  bool stored = false;
  FINPIPE_TRY(store_.ticks({row.symbol, row.event_time_ms, row.event_time_ms + 1}, [&](const Tick& tick) {
    const bool not_in_log = tick.log_id != logged.log_id || tick.offset < logged.begin;
    stored |= tick.trade.seq == row.seq && not_in_log;
    return !stored;
  }));
  return stored ? Place::kInStoreOnly : Place::kNowhere;
}

// Says of each void whether it changed anything, and compares those that did with the stored ones.
Result<void> Verification::check_voids(const Work& work, LoggedPartition& logged) {
  const auto text = [](const VoidRow& row) {
    return fmt::format("partition {} offset {}: {} {} {} seq {}, {}", row.partition, row.offset, to_string(row.action),
                       row.symbol, format_time_ms(row.event_time_ms), row.seq, row.reason);
  };
  using TradeKey = std::tuple<std::string, std::int64_t, std::int64_t>;
  const auto key = [](const VoidRow& row) { return TradeKey(row.symbol, row.event_time_ms, row.seq); };
  std::map<std::int64_t, const VoidRow*> stored;  // of this log
  std::vector<const VoidRow*> earlier;
  for (const VoidRow& row : voids_) {
    if (row.partition != logged.partition || left_out_.contains(row.symbol)) continue;
    if (row.log_id != logged.log_id || row.offset < logged.begin) {
      earlier.push_back(&row);
    } else if (row.offset < logged.end || work.row.generation == 0) {
      stored.emplace(row.offset, &row);
    }
  }
  std::ranges::sort(earlier, {}, [&](const VoidRow* row) {
    const bool same_log = row->log_id == logged.log_id;
    return std::tuple(same_log, same_log ? 0 : row->at_ns, row->offset);
  });
  std::set<TradeKey> voided;         // of trades in the log
  std::set<TradeKey> voided_before;  // of others
  for (const VoidRow* row : earlier) {
    if (row->action == VoidRow::Action::kVoid) {
      voided_before.insert(key(*row));
    } else {
      voided_before.erase(key(*row));
    }
  }
  for (LoggedVoid& each : logged.voids) {
    FINPIPE_TRY_ASSIGN(place, place_of(logged, each.row));
    if (place == Place::kNowhere) {
      if (dead_letter_places_.contains({logged.partition, each.row.offset})) continue;
      findings_.add("dead letter missing", "{}: there is no such trade, and no dead letter keeps it", text(each.row));
      continue;
    }
    const TradeKey trade = key(each.row);
    const bool was = voided.contains(trade) || (place == Place::kInStoreOnly && voided_before.contains(trade));
    each.effective = was != (each.row.action == VoidRow::Action::kVoid);
    if (each.row.action == VoidRow::Action::kVoid) {
      voided.insert(trade);
    } else {
      voided.erase(trade), voided_before.erase(trade);
    }
    if (!each.effective) continue;
    const auto found = stored.find(each.row.offset);
    if (found == stored.end()) {
      findings_.add("void missing", "{}", text(each.row));
      continue;
    }
    if (*found->second != each.row) {
      findings_.add("void differs", "{}; the log has {}", text(*found->second), text(each.row));
    }
    stored.erase(found);
  }
  for (const auto& [offset, row] : stored) findings_.add("void extra", "{}", text(*row));
  return {};
}

}  // namespace

Result<VerifyReport> verify(Query& store, LogReader& log, DeadLetterQuery& dead_letters, const VerifyOptions& options) {
  return Verification(store, log, dead_letters, options).run();
}

}  // namespace finpipe
