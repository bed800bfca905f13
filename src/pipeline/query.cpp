#include "pipeline/query.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace finpipe {
namespace {

constexpr std::size_t kBlockOfKeys = 512;

// Whether a row belongs to an older generation where a new one counts.
bool is_replaced(const Checkpoint* checkpoint, const BarRow& row) {
  return checkpoint != nullptr && row.bar.generation < checkpoint->generation &&
         row.key.start_ms >= checkpoint->floor_ms;
}

// The store's ranges include both ends. nullopt: nothing can lie in it.
std::optional<BarRange> stored_range(const BarReader::Range& range) {
  if (range.from_ms >= range.to_ms) return std::nullopt;
  const bool open_end = range.to_ms == std::numeric_limits<std::int64_t>::max();
  return BarRange{range.symbol, range.interval, range.from_ms, open_end ? range.to_ms : range.to_ms - 1};
}

}  // namespace

bool is_visible(const Bar& bar) { return bar.trades > 0 || bar.open_e9().has_value(); }

Result<BarReader> BarReader::open(Query& query) {
  BarReader reader(query);
  FINPIPE_TRY_ASSIGN(rows, query.checkpoints());
  for (const CheckpointRow& row : rows) {
    FINPIPE_TRY_ASSIGN(checkpoint, decode_checkpoint(row));
    reader.checkpoints_.emplace(row.partition, std::move(checkpoint));
  }
  FINPIPE_TRY_ASSIGN(symbols, query.symbols());
  for (const SymbolRow& symbol : symbols) reader.partitions_.emplace(symbol.symbol, symbol.partition);
  return reader;
}

const Checkpoint* BarReader::checkpoint_of(std::string_view symbol) const {
  const auto partition = partitions_.find(symbol);
  if (partition == partitions_.end()) return nullptr;
  const auto checkpoint = checkpoints_.find(partition->second);
  return checkpoint == checkpoints_.end() ? nullptr : &checkpoint->second;
}

Result<void> BarReader::bars(const Range& range, const std::function<bool(const BarRow&)>& visit, Order order) const {
  const auto stored = stored_range(range);
  if (!stored) return {};
  const Checkpoint* checkpoint = checkpoint_of(range.symbol);
  const auto see = [&](const BarRow& row) {
    return is_replaced(checkpoint, row) || !is_visible(row.bar) || visit(row);
  };
  return query_->bars(*stored, see, order);
}

Result<void> BarReader::revisions(const Range& range, const std::function<bool(const RevisionRow&)>& visit) const {
  const auto stored = stored_range(range);
  if (!stored) return {};
  const Checkpoint* checkpoint = checkpoint_of(range.symbol);
  return query_->revisions(*stored, [&](const RevisionRow& row) {
    return is_replaced(checkpoint, row) || !is_visible(row.bar) || visit(row);
  });
}

Result<void> BarReader::bars_as_of(const Range& range, std::int64_t at_ns,
                                   const std::function<bool(const BarRow&)>& visit, Order order) const {
  auto stored = stored_range(range);
  if (!stored) return {};
  const Checkpoint* checkpoint = checkpoint_of(range.symbol);
  for (;;) {
    // Every bar that was ever closed has a row: they tell where to look, block by block.
    std::size_t keys = 0;
    std::int64_t first_ms = 0, last_ms = 0;
    const auto see_key = [&](const BarRow& row) {
      last_ms = row.key.start_ms;
      if (keys == 0) first_ms = last_ms;
      return ++keys < kBlockOfKeys;
    };
    FINPIPE_TRY(query_->bars(*stored, see_key, order));
    if (keys == 0) return {};
    std::vector<BarRow> block;  // of each bar its newest revision so far
    const auto see_revision = [&](const RevisionRow& row) {
      if (is_replaced(checkpoint, row) || row.bar.closed_at_ns > at_ns) return true;
      if (block.empty() || block.back().key.start_ms != row.key.start_ms) block.emplace_back();
      block.back() = row;
      return true;
    };
    const auto [low_ms, high_ms] = std::minmax(first_ms, last_ms);
    FINPIPE_TRY(query_->revisions({range.symbol, range.interval, low_ms, high_ms}, see_revision));
    if (order == Order::kDescending) std::ranges::reverse(block);
    for (const BarRow& row : block) {
      if (is_visible(row.bar) && !visit(row)) return {};
    }
    if (keys < kBlockOfKeys) return {};
    if (order == Order::kAscending)
      stored->from_ms = last_ms + 1;
    else
      stored->to_ms = last_ms - 1;
  }
}

}  // namespace finpipe
