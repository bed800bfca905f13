#include "bars/engine.h"

#include <algorithm>

#include "base/planted_fault.h"

namespace finpipe {

// ---- Symbols and markets -------------------------------------------------------------------------------------------

SymbolId BarEngine::symbol(std::string_view name) {
  const auto known = symbol_ids_.find(name);
  if (known != symbol_ids_.end()) return known->second;
  const auto id = static_cast<SymbolId>(symbols_.size());
  SymbolState& state = symbols_.emplace_back();
  state.name = names_.emplace_back(name);
  state.newest_start_ms.fill(kBeginningOfTime);
  symbol_ids_.emplace(state.name, id);
  assign_market(state);
  return id;
}

std::size_t BarEngine::market_index(std::string_view market) {
  const auto found = std::ranges::find(markets_, market, &MarketState::name);
  if (found != markets_.end()) return static_cast<std::size_t>(found - markets_.begin());
  markets_.emplace_back().name = market;
  return markets_.size() - 1;
}

void BarEngine::assign_market(SymbolState& symbol) {
  symbol.policy = &policies_.policy_for(symbol.name);
  symbol.market = market_index(symbol.policy->market);
  markets_[symbol.market].allowed_delay_ms = symbol.policy->allowed_delay_ms;
}

void BarEngine::set_policy(MarketPolicy policy) {
  for (SymbolState& symbol : symbols_) end_runs(symbol);
  policies_.put(std::move(policy));
  // A symbol may have moved to another market and a market may close later or sooner: everything is filed anew.
  for (MarketState& market : markets_) market.open.clear();
  for (SymbolState& symbol : symbols_) {
    assign_market(symbol);
    for (auto& windows : symbol.windows) {
      for (auto& [start, window] : windows) {
        window->span = symbol.policy->span_of(kIntervals[window->interval], start);
        if (window->bar.state == BarState::kProvisional) watch(*window);
      }
    }
  }
  update_next_due();
}

// ---- Windows in memory ---------------------------------------------------------------------------------------------

BarEngine::Window* BarEngine::find(SymbolState& symbol, std::size_t interval, std::int64_t start_ms) {
  auto& windows = symbol.windows[interval];
  const auto found = std::ranges::lower_bound(windows, start_ms, {}, &std::pair<std::int64_t, Window*>::first);
  return found == windows.end() || found->first != start_ms ? nullptr : found->second;
}

bool BarEngine::must_look_up(SymbolId id, std::size_t interval, std::int64_t start_ms, Writer writer) const {
  if (planted(PlantedFault::kRowsNotLookedUp)) return false;
  // Live trades cannot have opened a window beyond the bound before the checkpoint, nor here beyond the newest.
  if (writer == Writer::kLive && start_ms > std::max(symbols_[id].newest_start_ms[interval], lookup_bound_ms_))
    return false;
  return std::ranges::none_of(known_absent_, [&](const RowRange& range) {
    return index_of(range.interval) == interval && range.from_ms == start_ms && range.symbol == id;
  });
}

BarEngine::Window& BarEngine::insert(SymbolId id, std::size_t interval, std::int64_t start_ms, TimeSpan span) {
  Window* window = nullptr;
  if (free_.empty()) {
    window = &pool_.emplace_back();
  } else {
    window = free_.back();
    free_.pop_back();
  }
  *window = Window{.bar = {},
                   .span = span,
                   .start_ms = start_ms,
                   .symbol = id,
                   .interval = static_cast<std::uint8_t>(interval),
                   .dirty = false,
                   .commit = 0,
                   .told = -1};
  ++window_count_;
  SymbolState& symbol = symbols_[id];
  auto& windows = symbol.windows[interval];
  const auto place = std::ranges::upper_bound(windows, start_ms, {}, &std::pair<std::int64_t, Window*>::first);
  windows.emplace(place, start_ms, window);
  symbol.newest_start_ms[interval] = std::max(symbol.newest_start_ms[interval], start_ms);
  return *window;
}

BarEngine::Window& BarEngine::open(SymbolId id, std::size_t interval, MarketPolicy::Window place, Writer writer) {
  Window& window = insert(id, interval, place.start_ms, place.span);
  const SymbolState& symbol = symbols_[id];
  const bool late = clock_ns_ >= deadline_ns(window);
  window.bar.missing_ms = trust_.missing_ms(symbol.name, place.span, symbol.policy->calendar, late);
  window.bar.partial = trust_.partial(symbol.name, place.span);
  if (late) {
    window.bar.state = BarState::kRevised;
    gather(window, writer == Writer::kBackfill ? RevisionReason::kBackfill : RevisionReason::kLate);
  } else {
    watch(window);
  }
  return window;
}

void BarEngine::remove(Window& window) {
  SymbolState& symbol = symbols_[window.symbol];
  auto& windows = symbol.windows[window.interval];
  windows.erase(std::ranges::lower_bound(windows, window.start_ms, {}, &std::pair<std::int64_t, Window*>::first));
  if (symbol.current[window.interval] == &window) symbol.current[window.interval] = nullptr;
  free_.push_back(&window);
  --window_count_;
}

void BarEngine::watch(Window& window) {
  markets_[symbols_[window.symbol].market].open[window.span.to_ms].push_back(&window);
  next_due_ns_ = std::min(next_due_ns_, deadline_ns(window));
}

// ---- Rows in and out -----------------------------------------------------------------------------------------------

void BarEngine::restore(const State& state, std::span<const TrustSpan> spans) {
  clock_ns_ = state.clock_ns;
  max_clock_ns_ = state.max_clock_ns;
  lookup_bound_ms_ = max_clock_ns_ <= 0 ? kBeginningOfTime : floor_div(max_clock_ns_, kNsPerMs) + kMaxAheadMs;
  for (const auto& [market, lag_ms] : state.lags_ms) markets_[market_index(market)].lag_ms = lag_ms;
  for (const TrustSpan& span : spans) trust_.add(span);
  trust_.restore(state.trust);
}

std::vector<BarEngine::RowRange> BarEngine::restore_ranges(SymbolId id) const {
  const MarketState& market = markets_[symbols_[id].market];
  const std::int64_t clock_ms = clock_ns_ < 0 ? 0 : floor_div(clock_ns_, kNsPerMs);
  std::vector<RowRange> ranges;
  for (const Interval interval : kIntervals) {
    ranges.push_back(rows_over(id, interval, {clock_ms - market.close_after_ms(), kEndOfTime}));
  }
  return ranges;
}

void BarEngine::admit(const BarRow& row) {
  if (row.bar.generation < identity_.generation && row.key.start_ms >= identity_.floor_ms) return;
  const SymbolId id = symbol(row.key.symbol);
  const std::size_t interval = index_of(row.key.interval);
  SymbolState& state = symbols_[id];
  if (find(state, interval, row.key.start_ms) != nullptr) return;
  const TimeSpan span = state.policy->span_of(row.key.interval, row.key.start_ms);
  Window& window = insert(id, interval, row.key.start_ms, span);
  window.bar = row.bar;
  if (row.bar.log_id != identity_.log_id) window.bar.applied_through = -1;
  if (window.bar.state == BarState::kProvisional) {
    watch(window);
  } else if (window.bar.pending_deadline_ns != kNoDeadline) {
    pending_[window.bar.pending_deadline_ns].push_back(&window);
    next_due_ns_ = std::min(next_due_ns_, window.bar.pending_deadline_ns);
  } else {
    leaving_.emplace_front(0, &window);
  }
}

void BarEngine::provide(std::span<const BarRow> rows) {
  for (const BarRow& row : rows) admit(row);
  known_absent_ = std::move(needed_);
  needed_.clear();
}

void BarEngine::take(std::int64_t commit, BlockList<BarRow>& rows, BlockList<BarRow>& revisions) {
  end_all_runs();
  for (Window* window : dirty_) {
    window->dirty = false;
    window->commit = commit;
    if (planted(PlantedFault::kVersionCountsWrites)) window->bar.version = ++writes_;
    rows.push_back(
        {{std::string(symbols_[window->symbol].name), kIntervals[window->interval], window->start_ms}, window->bar});
    if (window->bar.state != BarState::kProvisional) leaving_.emplace_back(commit, window);
  }
  dirty_.clear();
  if (revisions.empty()) {
    revisions = std::move(revisions_);
  } else {
    for (const BarRow& row : revisions_) revisions.push_back(row);
  }
  revisions_ = {};
}

void BarEngine::acknowledge(std::int64_t commit) {
  while (!leaving_.empty() && leaving_.front().first <= commit) {
    const auto [taken, window] = leaving_.front();
    leaving_.pop_front();
    // Changed again since, or waiting to become a revision: a later commit takes it.
    if (window->dirty || window->commit != taken || window->bar.pending_deadline_ns != kNoDeadline) continue;
    remove(*window);
  }
}

void BarEngine::take_changes(SymbolId id, std::vector<BarRow>& rows) {
  SymbolState& symbol = symbols_[id];
  end_runs(symbol);
  for (std::size_t i = 0; i < kIntervalCount; ++i) {
    for (auto& [start_ms, window] : symbol.windows[i]) {
      if (window->told == window->bar.version) continue;
      window->told = window->bar.version;
      rows.push_back({{std::string(symbol.name), kIntervals[i], start_ms}, window->bar});
    }
  }
}

BarEngine::State BarEngine::state() const {
  State state{clock_ns_, max_clock_ns_, {}, trust_.open(), {}};
  for (const MarketState& market : markets_) {
    if (market.lag_ms) state.lags_ms.emplace(market.name, *market.lag_ms);
  }
  const auto list = [&](const std::vector<Window*>& windows) {
    for (const Window* window : windows) {
      state.unclosed.push_back(
          {std::string(symbols_[window->symbol].name), kIntervals[window->interval], window->start_ms});
    }
  };
  for (const auto& [deadline, windows] : pending_) list(windows);
  list(ahead_);
  return state;
}

}  // namespace finpipe
