#include "stores/memory_store.h"

#include <limits>

namespace finpipe {
namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();

BarKey first_key(const BarRange& range) { return {std::string(range.symbol), range.interval, range.from_ms}; }

bool within(const BarKey& key, const BarRange& range) {
  return key.symbol == range.symbol && key.interval == range.interval && key.start_ms <= range.to_ms;
}

// Visits [first, last) of a map until `visit` returns false.
template <typename Iterator, typename Visit>
void visit_between(Iterator first, Iterator last, Order order, Visit visit) {
  if (order == Order::kAscending) {
    while (first != last && visit(*first)) ++first;
  } else {
    while (first != last && visit(*--last)) continue;
  }
}

}  // namespace

Store::Ticket MemoryStore::submit(Commit commit) {
  submitted_.push_back(std::move(commit));
  return next_ticket_++;
}

Result<Store::Ticket> MemoryStore::poll() {
  for (; !submitted_.empty(); submitted_.pop_front()) apply(std::move(submitted_.front()));
  return next_ticket_ - 1;
}

void MemoryStore::apply(Commit commit) {
  for (const Tick& tick : commit.ticks) keep(tick);
  for (const RevisionRow& row : commit.revisions)
    revisions_.insert_or_assign({row.key, row.bar.generation, row.bar.revision}, row.bar);
  for (SpanRow& row : commit.spans)
    spans_.insert_or_assign({row.partition, row.log_id, row.offset, row.index}, std::move(row));
  for (VoidRow& row : commit.voids) voids_.insert_or_assign({row.partition, row.log_id, row.offset}, std::move(row));
  for (SymbolRow& row : commit.symbols) symbols_.insert_or_assign(std::move(row.symbol), row.partition);
  for (PolicyRow& row : commit.policies) policies_.insert_or_assign(row.hash, std::move(row));
  for (const BarRow& row : commit.bars) {
    const auto [at, inserted] = bars_.try_emplace(row.key, row.bar);
    const bool older =
        std::tie(row.bar.generation, row.bar.version) < std::tie(at->second.generation, at->second.version);
    if (!inserted && !older) at->second = row.bar;
  }
  for (CheckpointRow& row : commit.checkpoints) {
    const auto at = checkpoints_.find(row.partition);
    if (at == checkpoints_.end())
      checkpoints_.emplace(row.partition, std::move(row));
    else if (std::tie(row.generation, row.offset) >= std::tie(at->second.generation, at->second.offset))
      at->second = std::move(row);
  }
}

void MemoryStore::keep(Tick tick) {
  Trade& trade = tick.trade;
  auto of_symbol = ticks_.find(trade.symbol);
  if (of_symbol == ticks_.end()) of_symbol = ticks_.try_emplace(std::string(trade.symbol)).first;
  auto codes = codes_.find(trade.conditions.codes);
  if (codes == codes_.end()) codes = codes_.emplace(trade.conditions.codes).first;
  trade.symbol = of_symbol->first;
  trade.conditions.codes = *codes;
  auto& ticks = of_symbol->second;
  ticks.insert_or_assign(ticks.end(), {trade.event_time_ms, trade.seq}, tick);  // most come in order
}

Result<std::optional<CheckpointRow>> MemoryStore::load_checkpoint(std::int32_t partition) {
  const auto at = checkpoints_.find(partition);
  return at == checkpoints_.end() ? std::nullopt : std::optional(at->second);
}

Result<std::vector<SymbolRow>> MemoryStore::load_symbols(std::int32_t partition) {
  std::vector<SymbolRow> rows;
  for (const auto& [symbol, of] : symbols_)
    if (of == partition) rows.push_back({symbol, of});
  return rows;
}

Result<std::vector<BarRow>> MemoryStore::load_bars(std::span<const BarRange> ranges) {
  std::vector<BarRow> rows;
  for (const BarRange& range : ranges) {
    FINPIPE_TRY(bars(range, [&rows](const BarRow& row) {
      rows.push_back(row);
      return true;
    }));
  }
  return rows;
}

Result<std::vector<SpanRow>> MemoryStore::load_spans(std::int32_t partition) {
  std::vector<SpanRow> rows;
  for (const auto& [key, row] : spans_)
    if (row.partition == partition) rows.push_back(row);
  return rows;
}

Result<std::vector<VoidRow>> MemoryStore::load_voids(std::int32_t partition) {
  std::vector<VoidRow> rows;
  for (const auto& [key, row] : voids_)
    if (row.partition == partition) rows.push_back(row);
  return rows;
}

Result<void> MemoryStore::load_ticks(const TickRange& range, const std::function<void(const Tick&)>& visit) {
  return ticks(
      range,
      [&visit](const Tick& tick) {
        visit(tick);
        return true;
      },
      Order::kAscending);
}

Result<std::optional<PolicyRow>> MemoryStore::load_policy(std::string_view hash) { return policy(hash); }

Result<std::vector<SymbolRow>> MemoryStore::symbols() {
  std::vector<SymbolRow> rows;
  for (const auto& [symbol, partition] : symbols_) rows.push_back({symbol, partition});
  return rows;
}

Result<std::vector<CheckpointRow>> MemoryStore::checkpoints() {
  std::vector<CheckpointRow> rows;
  for (const auto& [partition, row] : checkpoints_) rows.push_back(row);
  return rows;
}

Result<void> MemoryStore::bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit, Order order) {
  if (range.from_ms > range.to_ms) return {};
  const auto see = [&visit](const auto& entry) { return visit({entry.first, entry.second}); };
  visit_between(bars_.lower_bound(first_key(range)),
                bars_.upper_bound({std::string(range.symbol), range.interval, range.to_ms}), order, see);
  return {};
}

Result<void> MemoryStore::revisions(const BarRange& range, const std::function<bool(const RevisionRow&)>& visit) {
  auto at = revisions_.lower_bound({first_key(range), kLowest, std::numeric_limits<std::int32_t>::min()});
  for (; at != revisions_.end() && within(std::get<BarKey>(at->first), range); ++at)
    if (!visit({std::get<BarKey>(at->first), at->second})) break;
  return {};
}

Result<void> MemoryStore::ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit, Order order) {
  if (range.from_ms >= range.to_ms) return {};
  const auto of_symbol = ticks_.find(range.symbol);
  if (of_symbol == ticks_.end()) return {};
  const auto& ticks = of_symbol->second;
  visit_between(ticks.lower_bound({range.from_ms, kLowest}), ticks.lower_bound({range.to_ms, kLowest}), order,
                [&visit](const auto& entry) { return visit(entry.second); });
  return {};
}

Result<std::vector<SpanRow>> MemoryStore::spans() {
  std::vector<SpanRow> rows;
  for (const auto& [key, row] : spans_) rows.push_back(row);
  return rows;
}

Result<std::vector<VoidRow>> MemoryStore::voids() {
  std::vector<VoidRow> rows;
  for (const auto& [key, row] : voids_) rows.push_back(row);
  return rows;
}

Result<std::optional<PolicyRow>> MemoryStore::policy(std::string_view hash) {
  const auto at = policies_.find(hash);
  return at == policies_.end() ? std::nullopt : std::optional(at->second);
}

}  // namespace finpipe
