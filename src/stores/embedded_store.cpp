#include "stores/embedded_store.h"

#include <fmt/format.h>
#include <rocksdb/db.h>

#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "stores/embedded_database.h"
#include "stores/embedded_rows.h"

namespace finpipe {
namespace {

using rows::as_slice;
using rows::as_view;
using rows::Database;
using rows::Family;

std::unexpected<Error> corrupt(std::string row) { return fail(ErrorCode::kCorrupt, std::move(row)); }

std::unexpected<Error> corrupt_bar(std::string_view kind, std::string_view symbol, Interval interval,
                                   std::int64_t start_ms) {
  return corrupt(fmt::format("{} {} {} {}", kind, symbol, to_string(interval), format_time_ms(start_ms)));
}

// A key that no row of ours has.
std::unexpected<Error> corrupt_key(Family family, std::string_view key) {
  std::string hex;
  for (const char byte : key) fmt::format_to(std::back_inserter(hex), "{:02x}", static_cast<unsigned char>(byte));
  return corrupt(fmt::format("key {} in {}", hex, rows::kFamilyNames[static_cast<std::size_t>(family)]));
}

// Takes blocks apart. Keeps its memory from one to the next.
struct TickReader {
  TickCodec codec;
  std::vector<rows::TickEntry> entries;
  Tick tick;

  Result<void> split(std::int64_t bucket, std::string_view block, std::string_view symbol) {
    entries.clear();
    while (!block.empty()) {
      if (!rows::take_tick(block, entries.emplace_back()))
        return corrupt(fmt::format("trades of {} in the five minutes from {}", symbol,
                                   format_time_ms(rows::event_time_ms(bucket, {}))));
    }
    return {};
  }
  Result<void> read(std::int64_t event_time_ms, const rows::TickEntry& entry, std::string_view symbol) {
    tick.trade.symbol = symbol;
    tick.trade.event_time_ms = event_time_ms;
    tick.trade.seq = entry.seq;
    if (!codec.decode(entry.value, tick.trade, tick.offset, tick.log_id))
      return corrupt(fmt::format("trade {} {} seq {}", symbol, format_time_ms(event_time_ms), entry.seq));
    return {};
  }
};

// False when the visitor stopped or the range ended.
Result<bool> visit_block(std::int64_t bucket, std::string_view block, const TickRange& range, TickReader& reader,
                         const std::function<bool(const Tick&)>& visit, Order order) {
  FINPIPE_TRY(reader.split(bucket, block, range.symbol));
  const auto entries = std::span<const rows::TickEntry>(reader.entries);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const rows::TickEntry& entry = order == Order::kAscending ? entries[i] : entries[entries.size() - 1 - i];
    const std::int64_t event_time_ms = rows::event_time_ms(bucket, entry);
    const bool early = event_time_ms < range.from_ms;
    if (early || event_time_ms >= range.to_ms) {
      if (early == (order == Order::kAscending)) continue;
      return false;
    }
    FINPIPE_TRY(reader.read(event_time_ms, entry, range.symbol));
    if (!visit(reader.tick)) return false;
  }
  return true;
}

}  // namespace

class EmbeddedStore::Implementation {
 public:
  explicit Implementation(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  Ticket submit(const Commit& commit);
  Result<Ticket> poll();

  // The value of a key; nullopt when there is none.
  Result<std::optional<rocksdb::PinnableSlice>> get(Family family, std::string_view key) const;
  // Visits the rows whose keys begin with `prefix`, from `first` on; visit(key, value) returns Result<bool>.
  template <typename Visit>
  Result<void> scan(Family family, std::string_view prefix, std::string_view first, Visit visit) const;
  // The same backwards, from `last` on.
  template <typename Visit>
  Result<void> scan_back(Family family, std::string_view prefix, std::string_view last, Visit visit) const;
  template <typename Row, typename Parse>
  Result<std::vector<Row>> all(Family family, std::string_view prefix, Parse parse) const;

  Result<void> bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit, Order order) const;
  Result<void> revisions(const BarRange& range, const std::function<bool(const RevisionRow&)>& visit) const;
  Result<void> ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit, Order order) const;
  Result<void> load_bar(const BarRange& range, std::vector<BarRow>& rows) const;

 private:
  void submit_ticks(const BlockList<Tick>& ticks);
  void put(Family family) { keep(pending_.Put(database_->family(family), as_slice(key_), as_slice(value_))); }
  void merge(Family family) { keep(pending_.Merge(database_->family(family), as_slice(key_), as_slice(value_))); }
  void keep(const rocksdb::Status& status) {
    if (!status.ok() && !failure_) failure_ = database_->error(status);
  }
  [[nodiscard]] rocksdb::Iterator* iterate(Family family) const {
    return database_->db().NewIterator({}, database_->family(family));
  }

  std::unique_ptr<Database> database_;
  rocksdb::WriteBatch pending_;  // what was submitted since the last poll
  Ticket submitted_ = 0;
  Ticket done_ = 0;
  std::optional<Error> failure_;
  // Reused by submit.
  std::unordered_map<std::string, std::string> blocks_;  // the commit's ticks, by symbol and bucket
  std::string key_;
  std::string value_;
  TickCodec tick_codec_;
};

Store::Ticket EmbeddedStore::Implementation::submit(const Commit& commit) {
  submit_ticks(commit.ticks);
  for (const RevisionRow& row : commit.revisions) {
    rows::set_revision_key(row, key_);
    value_.clear();
    encode_bar(row.bar, value_);
    put(Family::kRevisions);
  }
  for (const SpanRow& row : commit.spans) {
    rows::set_span_key(row, key_);
    rows::set_span_value(row, value_);
    put(Family::kSpans);
  }
  for (const VoidRow& row : commit.voids) {
    rows::set_void_key(row, key_);
    rows::set_void_value(row, value_);
    put(Family::kVoids);
  }
  for (const SymbolRow& row : commit.symbols) {
    key_ = row.symbol;
    rows::set_symbol_value(row.partition, value_);
    put(Family::kSymbols);
  }
  for (const PolicyRow& row : commit.policies) {
    key_ = row.hash;
    rows::set_policy_value(row, value_);
    put(Family::kPolicies);
  }
  for (const BarRow& row : commit.bars) {
    rows::set_bar_key(row.key.symbol, row.key.interval, row.key.start_ms, key_);
    rows::set_bar_value(row.bar, value_);
    merge(Family::kBars);
  }
  for (const CheckpointRow& row : commit.checkpoints) {
    rows::set_partition_key(row.partition, key_);
    rows::set_checkpoint_value(row, value_);
    merge(Family::kCheckpoints);
  }
  return ++submitted_;
}

void EmbeddedStore::Implementation::submit_ticks(const BlockList<Tick>& ticks) {
  blocks_.clear();
  for (const Tick& tick : ticks) {
    rows::set_tick_block_key(rows::tick_bucket(tick.trade.event_time_ms), tick.trade.symbol, key_);
    rows::append_tick(tick, tick_codec_, blocks_[key_]);
  }
  for (const auto& [key, block] : blocks_)
    keep(pending_.Merge(database_->family(Family::kTicks), as_slice(key), as_slice(block)));
}

Result<Store::Ticket> EmbeddedStore::Implementation::poll() {
  if (!failure_ && done_ != submitted_ && database_->read_only())
    failure_ = Error{ErrorCode::kReadOnly, "the store was opened to be read"};
  if (!failure_ && done_ != submitted_) {
    rocksdb::WriteOptions synced;
    synced.sync = true;
    keep(database_->db().Write(synced, &pending_));
    pending_.Clear();
  }
  if (failure_) return fail(*failure_);
  done_ = submitted_;
  return done_;
}

Result<std::optional<rocksdb::PinnableSlice>> EmbeddedStore::Implementation::get(Family family,
                                                                                 std::string_view key) const {
  std::optional<rocksdb::PinnableSlice> value(std::in_place);
  const auto status = database_->db().Get({}, database_->family(family), as_slice(key), &*value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return fail(database_->error(status));
  return value;
}

template <typename Visit>
Result<void> EmbeddedStore::Implementation::scan(Family family, std::string_view prefix, std::string_view first,
                                                 Visit visit) const {
  const std::unique_ptr<rocksdb::Iterator> at(iterate(family));
  for (at->Seek(as_slice(first)); at->Valid() && as_view(at->key()).starts_with(prefix); at->Next()) {
    FINPIPE_TRY_ASSIGN(go_on, visit(as_view(at->key()), as_view(at->value())));
    if (!go_on) break;
  }
  if (!at->status().ok()) return fail(database_->error(at->status()));
  return {};
}

template <typename Visit>
Result<void> EmbeddedStore::Implementation::scan_back(Family family, std::string_view prefix, std::string_view last,
                                                      Visit visit) const {
  const std::unique_ptr<rocksdb::Iterator> at(iterate(family));
  for (at->SeekForPrev(as_slice(last)); at->Valid() && as_view(at->key()).starts_with(prefix); at->Prev()) {
    FINPIPE_TRY_ASSIGN(go_on, visit(as_view(at->key()), as_view(at->value())));
    if (!go_on) break;
  }
  if (!at->status().ok()) return fail(database_->error(at->status()));
  return {};
}

template <typename Row, typename Parse>
Result<std::vector<Row>> EmbeddedStore::Implementation::all(Family family, std::string_view prefix, Parse parse) const {
  std::vector<Row> found;
  FINPIPE_TRY(scan(family, prefix, prefix, [&](std::string_view key, std::string_view value) -> Result<bool> {
    if (!parse(key, value, found.emplace_back())) return corrupt_key(family, key);
    return true;
  }));
  return found;
}

Result<void> EmbeddedStore::Implementation::bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit,
                                                 Order order) const {
  const bool ascending = order == Order::kAscending;
  std::string prefix;
  std::string begin;
  rows::set_series_prefix(range.symbol, range.interval, prefix);
  rows::set_bar_key(range.symbol, range.interval, ascending ? range.from_ms : range.to_ms, begin);
  BarRow row;
  const auto see = [&](std::string_view key, std::string_view value) -> Result<bool> {
    if (!rows::parse_bar_key(key, row.key)) return corrupt_key(Family::kBars, key);
    if (ascending ? row.key.start_ms > range.to_ms : row.key.start_ms < range.from_ms) return false;
    if (!rows::parse_bar_value(value, row.bar))
      return corrupt_bar("bar", range.symbol, range.interval, row.key.start_ms);
    return visit(row);
  };
  return ascending ? scan(Family::kBars, prefix, begin, see) : scan_back(Family::kBars, prefix, begin, see);
}

Result<void> EmbeddedStore::Implementation::revisions(const BarRange& range,
                                                      const std::function<bool(const RevisionRow&)>& visit) const {
  std::string prefix;
  std::string first;
  rows::set_series_prefix(range.symbol, range.interval, prefix);
  rows::set_bar_key(range.symbol, range.interval, range.from_ms, first);
  RevisionRow row;
  return scan(Family::kRevisions, prefix, first, [&](std::string_view key, std::string_view value) -> Result<bool> {
    if (!rows::parse_revision_key(key, row)) return corrupt_key(Family::kRevisions, key);
    if (row.key.start_ms > range.to_ms) return false;
    if (!rows::parse_revision_value(value, row))
      return corrupt_bar("revision of bar", range.symbol, range.interval, row.key.start_ms);
    return visit(row);
  });
}

// A symbol's blocks lie between those of others, bucket by bucket. Where it has none, the seek shows the next bucket,
// or the one before, that anything happened in.
Result<void> EmbeddedStore::Implementation::ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit,
                                                  Order order) const {
  if (range.from_ms >= range.to_ms) return {};
  const bool ascending = order == Order::kAscending;
  const std::int64_t step = ascending ? 1 : -1;
  std::int64_t bucket = rows::tick_bucket(ascending ? range.from_ms : range.to_ms - 1);
  const std::int64_t end = rows::tick_bucket(ascending ? range.to_ms - 1 : range.from_ms) + step;
  const std::unique_ptr<rocksdb::Iterator> at(iterate(Family::kTicks));
  TickReader reader;
  rows::TickBlockPlace place;
  std::string target;
  while (ascending ? bucket < end : bucket > end) {
    rows::set_tick_block_key(bucket, range.symbol, target);
    ascending ? at->Seek(target) : at->SeekForPrev(target);
    if (!at->Valid()) break;
    if (!rows::parse_tick_block_key(as_view(at->key()), place)) return corrupt_key(Family::kTicks, as_view(at->key()));
    if (ascending ? place.bucket >= end : place.bucket <= end) break;
    if (place.symbol == range.symbol) {
      FINPIPE_TRY_ASSIGN(go_on, visit_block(place.bucket, as_view(at->value()), range, reader, visit, order));
      if (!go_on) break;
    }
    const bool symbol_ahead = ascending ? place.symbol < range.symbol : place.symbol > range.symbol;
    bucket = symbol_ahead ? place.bucket : place.bucket + step;
  }
  if (!at->status().ok()) return fail(database_->error(at->status()));
  return {};
}

Result<void> EmbeddedStore::Implementation::load_bar(const BarRange& range, std::vector<BarRow>& found) const {
  std::string key;
  rows::set_bar_key(range.symbol, range.interval, range.from_ms, key);
  FINPIPE_TRY_ASSIGN(value, get(Family::kBars, key));
  if (!value) return {};
  BarRow row{{std::string(range.symbol), range.interval, range.from_ms}, {}};
  if (!rows::parse_bar_value(as_view(*value), row.bar))
    return corrupt_bar("bar", range.symbol, range.interval, range.from_ms);
  found.push_back(std::move(row));
  return {};
}

EmbeddedStore::EmbeddedStore(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
EmbeddedStore::~EmbeddedStore() = default;

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(const std::filesystem::path& directory,
                                                           EmbeddedStoreOptions options) {
  FINPIPE_TRY_ASSIGN(database, Database::open(directory, options.read_only));
  return std::unique_ptr<EmbeddedStore>(new EmbeddedStore(std::make_unique<Implementation>(std::move(database))));
}

Store::Ticket EmbeddedStore::submit(Commit commit) { return implementation_->submit(commit); }
Result<Store::Ticket> EmbeddedStore::poll() { return implementation_->poll(); }

Result<std::optional<CheckpointRow>> EmbeddedStore::load_checkpoint(std::int32_t partition) {
  std::string key;
  rows::set_partition_key(partition, key);
  FINPIPE_TRY_ASSIGN(value, implementation_->get(Family::kCheckpoints, key));
  if (!value) return std::nullopt;
  CheckpointRow row;
  if (!rows::parse_checkpoint(key, as_view(*value), row))
    return corrupt(fmt::format("checkpoint of partition {}", partition));
  return row;
}

Result<std::vector<SymbolRow>> EmbeddedStore::load_symbols(std::int32_t partition) {
  FINPIPE_TRY_ASSIGN(rows, symbols());
  std::erase_if(rows, [partition](const SymbolRow& row) { return row.partition != partition; });
  return std::move(rows);
}

Result<std::vector<BarRow>> EmbeddedStore::load_bars(std::span<const BarRange> ranges) {
  std::vector<BarRow> found;
  const auto keep = [&found](const BarRow& row) {
    found.push_back(row);
    return true;
  };
  for (const BarRange& range : ranges) {
    if (range.from_ms == range.to_ms)
      FINPIPE_TRY(implementation_->load_bar(range, found));
    else
      FINPIPE_TRY(implementation_->bars(range, keep, Order::kAscending));
  }
  return found;
}

Result<std::vector<SpanRow>> EmbeddedStore::load_spans(std::int32_t partition) {
  std::string prefix;
  rows::set_partition_key(partition, prefix);
  return implementation_->all<SpanRow>(Family::kSpans, prefix, rows::parse_span);
}

Result<std::vector<VoidRow>> EmbeddedStore::load_voids(std::int32_t partition) {
  std::string prefix;
  rows::set_partition_key(partition, prefix);
  return implementation_->all<VoidRow>(Family::kVoids, prefix, rows::parse_void);
}

Result<void> EmbeddedStore::load_ticks(const TickRange& range, const std::function<void(const Tick&)>& visit) {
  const auto visit_all = [&visit](const Tick& tick) {
    visit(tick);
    return true;
  };
  return implementation_->ticks(range, visit_all, Order::kAscending);
}

Result<std::optional<PolicyRow>> EmbeddedStore::load_policy(std::string_view hash) { return policy(hash); }

Result<std::vector<SymbolRow>> EmbeddedStore::symbols() {
  return implementation_->all<SymbolRow>(Family::kSymbols, {}, rows::parse_symbol);
}

Result<std::vector<CheckpointRow>> EmbeddedStore::checkpoints() {
  return implementation_->all<CheckpointRow>(Family::kCheckpoints, {}, rows::parse_checkpoint);
}

Result<void> EmbeddedStore::bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit, Order order) {
  return implementation_->bars(range, visit, order);
}

Result<void> EmbeddedStore::revisions(const BarRange& range, const std::function<bool(const RevisionRow&)>& visit) {
  return implementation_->revisions(range, visit);
}

Result<void> EmbeddedStore::ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit, Order order) {
  return implementation_->ticks(range, visit, order);
}

Result<std::vector<SpanRow>> EmbeddedStore::spans() {
  return implementation_->all<SpanRow>(Family::kSpans, {}, rows::parse_span);
}

Result<std::vector<VoidRow>> EmbeddedStore::voids() {
  return implementation_->all<VoidRow>(Family::kVoids, {}, rows::parse_void);
}

Result<std::optional<PolicyRow>> EmbeddedStore::policy(std::string_view hash) {
  FINPIPE_TRY_ASSIGN(value, implementation_->get(Family::kPolicies, hash));
  if (!value) return std::nullopt;
  PolicyRow row;
  if (!rows::parse_policy(hash, as_view(*value), row)) return corrupt(fmt::format("policy {}", hash));
  return row;
}

}  // namespace finpipe
