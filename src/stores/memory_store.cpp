#include "stores/memory_store.h"

#include <algorithm>
#include <limits>

namespace finpipe {
namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();

// Visits [first, last) until `visit` returns false.
template <typename Iterator, typename Visit>
void visit_between(Iterator first, Iterator last, Order order, const Visit& visit) {
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
  for (const RevisionRow& row : commit.revisions) {
    auto& revisions = of(row.key.symbol).second.intervals[index_of(row.key.interval)].revisions;
    revisions.insert_or_assign(revisions.end(), {row.key.start_ms, row.bar.generation, row.bar.revision}, row.bar);
  }
  for (SpanRow& row : commit.spans)
    spans_.insert_or_assign({row.partition, row.log_id, row.offset, row.index}, std::move(row));
  for (VoidRow& row : commit.voids) voids_.insert_or_assign({row.partition, row.log_id, row.offset}, std::move(row));
  for (SymbolRow& row : commit.symbols) symbols_.insert_or_assign(std::move(row.symbol), row.partition);
  for (PolicyRow& row : commit.policies) policies_.insert_or_assign(row.hash, std::move(row));
  for (const BarRow& row : commit.bars) keep(row);
  for (CheckpointRow& row : commit.checkpoints) {
    const auto at = checkpoints_.find(row.partition);
    if (at == checkpoints_.end())
      checkpoints_.emplace(row.partition, std::move(row));
    else if (std::tie(row.generation, row.offset) >= std::tie(at->second.generation, at->second.offset))
      at->second = std::move(row);
  }
}

MemoryStore::Symbols::value_type& MemoryStore::of(std::string_view symbol) {
  const auto known = by_symbol_.find(symbol);
  return known != by_symbol_.end() ? *known : *by_symbol_.try_emplace(std::string(symbol)).first;
}

const MemoryStore::OfInterval* MemoryStore::find(const BarRange& range) const {
  const auto known = by_symbol_.find(range.symbol);
  return known == by_symbol_.end() ? nullptr : &known->second.intervals[index_of(range.interval)];
}

void MemoryStore::keep(const BarRow& row) {
  auto& bars = of(row.key.symbol).second.intervals[index_of(row.key.interval)].bars;
  Bar& bar = bars.try_emplace(bars.end(), row.key.start_ms, row.bar)->second;
  if (std::tie(row.bar.generation, row.bar.version) >= std::tie(bar.generation, bar.version)) bar = row.bar;
}

void MemoryStore::keep(Tick tick) {
  Trade& trade = tick.trade;
  auto& [symbol, of_symbol] = of(trade.symbol);
  auto codes = codes_.find(trade.conditions.codes);
  if (codes == codes_.end()) codes = codes_.emplace(trade.conditions.codes).first;
  trade.symbol = symbol;
  trade.conditions.codes = *codes;
  std::vector<Tick>& ticks = of_symbol.ticks;
  if (ticks.empty() || key_of(ticks.back()) < key_of(tick)) return ticks.push_back(tick);
  const auto at = std::ranges::lower_bound(ticks, key_of(tick), {}, key_of);
  if (key_of(*at) == key_of(tick)) {
    *at = tick;
  } else {
    ticks.insert(at, tick);
  }
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
  const OfInterval* of_interval = find(range);
  if (of_interval == nullptr || range.from_ms > range.to_ms) return {};
  visit_between(of_interval->bars.lower_bound(range.from_ms), of_interval->bars.upper_bound(range.to_ms), order,
                [&](const auto& entry) {
                  return visit({{std::string(range.symbol), range.interval, entry.first}, entry.second});
                });
  return {};
}

Result<void> MemoryStore::revisions(const BarRange& range, const std::function<bool(const RevisionRow&)>& visit) {
  const OfInterval* of_interval = find(range);
  if (of_interval == nullptr) return {};
  const auto& revisions = of_interval->revisions;
  auto at = revisions.lower_bound({range.from_ms, kLowest, std::numeric_limits<std::int32_t>::min()});
  for (; at != revisions.end() && std::get<0>(at->first) <= range.to_ms; ++at) {
    if (!visit({{std::string(range.symbol), range.interval, std::get<0>(at->first)}, at->second})) break;
  }
  return {};
}

Result<void> MemoryStore::ticks(const TickRange& range, const std::function<bool(const Tick&)>& visit, Order order) {
  if (range.from_ms >= range.to_ms) return {};
  const auto of_symbol = by_symbol_.find(range.symbol);
  if (of_symbol == by_symbol_.end()) return {};
  const auto& ticks = of_symbol->second.ticks;
  const auto first_from = [&](std::int64_t time_ms) {
    return std::ranges::lower_bound(ticks, TickKey{time_ms, kLowest}, {}, key_of);
  };
  visit_between(first_from(range.from_ms), first_from(range.to_ms), order, visit);
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
