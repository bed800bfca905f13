#include "pipeline/query.h"

#include <optional>

#include "pipeline/checkpoint.h"

namespace finpipe {
namespace {

// The store's ranges include both ends. nullopt: nothing can lie in it.
std::optional<BarRange> stored_range(const BarReader::Range& range) {
  if (range.from_ms >= range.to_ms) return std::nullopt;
  const bool open_end = range.to_ms == std::numeric_limits<std::int64_t>::max();
  return BarRange{range.symbol, range.interval, range.from_ms, open_end ? range.to_ms : range.to_ms - 1};
}

}  // namespace

bool is_visible(const Bar& bar) { return bar.trades > 0 || bar.open_e9().has_value(); }

Result<BarReader> BarReader::open(Query& query) {
  std::map<std::int32_t, Generation> by_partition;
  FINPIPE_TRY_ASSIGN(rows, query.checkpoints());
  for (const CheckpointRow& row : rows) {
    FINPIPE_TRY_ASSIGN(checkpoint, decode_checkpoint(row));
    by_partition.emplace(row.partition, Generation{row.generation, checkpoint.floor_ms});
  }
  BarReader reader(query);
  FINPIPE_TRY_ASSIGN(symbols, query.symbols());
  for (const SymbolRow& symbol : symbols) {
    const auto generation = by_partition.find(symbol.partition);
    if (generation != by_partition.end()) reader.generations_.emplace(symbol.symbol, generation->second);
  }
  return reader;
}

BarReader::Generation BarReader::generation_of(std::string_view symbol) const {
  const auto generation = generations_.find(symbol);
  return generation == generations_.end() ? Generation{0, kBeginningOfTime} : generation->second;
}

Result<void> BarReader::bars(const Range& range, const std::function<bool(const BarRow&)>& visit, Order order) const {
  const auto stored = stored_range(range);
  if (!stored) return {};
  const Generation generation = generation_of(range.symbol);
  const auto see = [&](const BarRow& row) {
    const bool absent = row.bar.generation < generation.number && row.key.start_ms >= generation.floor_ms;
    return absent || !is_visible(row.bar) || visit(row);
  };
  return query_->bars(*stored, see, order);
}

Result<void> BarReader::revisions(const Range& range, const std::function<bool(const RevisionRow&)>& visit) const {
  const auto stored = stored_range(range);
  if (!stored) return {};
  const Generation generation = generation_of(range.symbol);
  return query_->revisions(*stored, [&](const RevisionRow& row) {
    const bool absent = row.bar.generation < generation.number && row.key.start_ms >= generation.floor_ms;
    return absent || !is_visible(row.bar) || visit(row);
  });
}

}  // namespace finpipe
