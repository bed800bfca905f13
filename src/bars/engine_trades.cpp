// How a trade gets into its six windows.
#include <algorithm>

#include "bars/engine.h"
#include "bars/merge.h"
#include "base/planted_fault.h"

namespace finpipe {
namespace {

bool holds(TimeSpan span, std::int64_t time_ms) { return time_ms >= span.from_ms && time_ms < span.to_ms; }

}  // namespace

// ---- Trades --------------------------------------------------------------------------------------------------------

BarEngine::Apply BarEngine::apply_trade(SymbolId id, const Trade& trade, std::int64_t offset) {
  SymbolState& symbol = symbols_[id];
  const bool may_join = is_plain(symbol, trade) && holds(symbol.longer_span, trade.event_time_ms);
  if (may_join) [[likely]] {
    if (!holds(symbol.second_span, trade.event_time_ms)) (void)look_up(id, 0, trade);
    if (!needed_.empty()) [[unlikely]]
      return Apply::kNeedsRows;
    move_clock(trade.received_at_ns, offset);
    if (join(id, trade, offset)) [[likely]]
      return Apply::kApplied;
  }
  end_runs(symbol);
  std::array<Window*, kIntervalCount> windows = symbol.current;
  for (std::size_t i = 0; i < kIntervalCount; ++i) {
    if (windows[i] == nullptr || !holds(windows[i]->span, trade.event_time_ms)) windows[i] = look_up(id, i, trade);
  }
  if (!needed_.empty()) [[unlikely]]
    return Apply::kNeedsRows;

  if (trade.writer == Writer::kLive && !may_join) move_clock(trade.received_at_ns, offset);
  MarketPolicy::TradeEffect effect;
  if (symbol.policy->has_rules || trade.volume_e8 == 0) effect = symbol.policy->effect_of(trade);
  if (trade.suspect != Suspect::kNone) effect.intraday = effect.daily = kNoEffect;
  const int128 notional_e17 = notional_of(trade);
  for (std::size_t i = 0; i < kIntervalCount; ++i) {
    if (windows[i] == nullptr) [[unlikely]] {
      windows[i] = &open(id, i, symbol.policy->window_of(kIntervals[i], trade.event_time_ms), trade.writer);
    }
    symbol.current[i] = windows[i];
    merge(*windows[i], trade, kIntervals[i] == Interval::k1d ? effect.daily : effect.intraday, notional_e17, offset);
  }
  known_absent_.clear();
  start_runs(symbol, offset);
  return Apply::kApplied;
}

// The window of a trade when it is in memory; otherwise asks for its row, unless there can be none.
BarEngine::Window* BarEngine::look_up(SymbolId id, std::size_t interval, const Trade& trade) {
  SymbolState& symbol = symbols_[id];
  const std::int64_t start_ms = symbol.policy->window_of(kIntervals[interval], trade.event_time_ms).start_ms;
  Window* window = find(symbol, interval, start_ms);
  if (window == nullptr && must_look_up(id, interval, start_ms, trade.writer)) {
    needed_.push_back({id, kIntervals[interval], start_ms, start_ms});
  }
  return window;
}

// ---- Runs ----------------------------------------------------------------------------------------------------------

// Whether a trade sets everything that a trade can set.
bool BarEngine::is_plain(const SymbolState& symbol, const Trade& trade) {
  return trade.volume_e8 != 0 && trade.suspect == Suspect::kNone && trade.writer == Writer::kLive &&
         (!symbol.policy->has_rules || trade.conditions.codes.empty());
}

// Takes a plain trade into the runs; false when one of its windows is closed, or already knows the trade.
bool BarEngine::join(SymbolId id, const Trade& trade, std::int64_t offset) {
  SymbolState& symbol = symbols_[id];
  // The clock may have closed a window of the run; then it ended.
  if (!holds(symbol.longer_span, trade.event_time_ms)) [[unlikely]]
    return false;
  if (!holds(symbol.second_span, trade.event_time_ms)) {
    end_second(symbol);
    const MarketPolicy::Window place = symbol.policy->window_of(Interval::k1s, trade.event_time_ms);
    Window* window = find(symbol, 0, place.start_ms);
    if (window == nullptr) window = &open(id, 0, place, trade.writer);
    known_absent_.clear();
    if (window->bar.state != BarState::kProvisional || window->bar.applied_through >= offset) return false;
    symbol.current[0] = window;
    symbol.second_span = {std::max(window->span.from_ms, symbol.longer_span.from_ms),
                          std::min(window->span.to_ms, symbol.longer_span.to_ms)};
  }
  const PricePoint point{trade.event_time_ms, trade.seq, trade.price_e9};
  add(symbol.second,
      {.trades = 1,
       .last_offset = offset,
       .first = point,
       .last = point,
       .high_e9 = trade.price_e9,
       .low_e9 = trade.price_e9,
       .volume_e8 = trade.volume_e8,
       .notional_e17 = notional_of(trade)},
      overflowed_);
  if (!symbol.running) {
    symbol.running = true;
    running_.push_back(id);
  }
  return true;
}

void BarEngine::add(Run& run, const Run& more, bool& overflowed) {
  run.last_offset = more.last_offset;
  if (run.trades == 0) {
    run.trades = more.trades;
    run.first = more.first;
    run.last = more.last;
    run.high_e9 = more.high_e9;
    run.low_e9 = more.low_e9;
    run.volume_e8 = more.volume_e8;
    run.notional_e17 = more.notional_e17;
    return;
  }
  run.trades += more.trades;
  if (more.first.before(run.first)) run.first = more.first;
  if (run.last.before(more.last)) run.last = more.last;
  run.high_e9 = std::max(run.high_e9, more.high_e9);
  run.low_e9 = std::min(run.low_e9, more.low_e9);
  run.volume_e8 += more.volume_e8;
  overflowed |= __builtin_add_overflow(run.notional_e17, more.notional_e17, &run.notional_e17);
}

// After a trade went into all six windows: whether plain trades may follow it without touching them.
void BarEngine::start_runs(SymbolState& symbol, std::int64_t offset) {
  const auto runnable = [&](const Window& window) {
    return window.bar.state == BarState::kProvisional && window.bar.applied_through <= offset;
  };
  TimeSpan span = symbol.current[1]->span;
  for (std::size_t i = 1; i < kIntervalCount; ++i) {
    const Window& window = *symbol.current[i];
    if (!runnable(window)) return;
    span = {std::max(span.from_ms, window.span.from_ms), std::min(span.to_ms, window.span.to_ms)};
  }
  symbol.longer_span = span;
  const Window& second = *symbol.current[0];
  if (!runnable(second)) return;
  symbol.second_span = {std::max(span.from_ms, second.span.from_ms), std::min(span.to_ms, second.span.to_ms)};
}

void BarEngine::merge(Window& window, const Run& run) {
  Bar& bar = window.bar;
  if (!bar.first.present() || run.first.before(bar.first)) bar.first = run.first;
  if (!bar.last.present() || bar.last.before(run.last)) bar.last = run.last;
  bar.high_e9 = bar.has_high_low ? std::max(bar.high_e9, run.high_e9) : run.high_e9;
  bar.low_e9 = bar.has_high_low ? std::min(bar.low_e9, run.low_e9) : run.low_e9;
  bar.has_high_low = true;
  bar.volume_e8 += run.volume_e8;
  bar.vwap_volume_e8 += run.volume_e8;
  overflowed_ |= __builtin_add_overflow(bar.notional_e17, run.notional_e17, &bar.notional_e17);
  bar.trades += run.trades;
  bar.policy = symbols_[window.symbol].policy->id;
  bar.version += run.trades;
  bar.applied_through = run.last_offset;
  touch(window);
}

void BarEngine::end_second(SymbolState& symbol) {
  symbol.second_span = {0, 0};
  if (symbol.second.trades == 0) return;
  merge(*symbol.current[0], symbol.second);
  add(symbol.longer, symbol.second, overflowed_);
  symbol.second.trades = 0;
}

void BarEngine::end_runs(SymbolState& symbol) {
  end_second(symbol);
  symbol.longer_span = {0, 0};
  if (symbol.longer.trades == 0) return;
  for (std::size_t i = 1; i < kIntervalCount; ++i) merge(*symbol.current[i], symbol.longer);
  symbol.longer.trades = 0;
}

void BarEngine::end_all_runs() {
  for (const SymbolId id : running_) {
    end_runs(symbols_[id]);
    symbols_[id].running = false;
  }
  running_.clear();
}

// ---- One trade -----------------------------------------------------------------------------------------------------

void BarEngine::merge(Window& window, const Trade& trade, const Effect& effect, int128 notional_e17,
                      std::int64_t offset) {
  Bar& bar = window.bar;
  if (offset <= bar.applied_through && !planted(PlantedFault::kCountedTwice)) [[unlikely]]
    return;
  overflowed_ |= !merge_values(bar, trade, effect, notional_e17);
  bar.policy = symbols_[window.symbol].policy->id;
  ++bar.version;
  bar.applied_through = offset;
  touch(window);
  if (effect != kNoEffect && bar.state != BarState::kProvisional) [[unlikely]] {
    gather(window, trade.writer == Writer::kBackfill ? RevisionReason::kBackfill : RevisionReason::kLate);
  }
}

// A change to a closed bar: with those that follow within the allowed delay it becomes one revision. Of their reasons
// the first is told, and a void rather than any other.
void BarEngine::gather(Window& window, RevisionReason reason) {
  Bar& bar = window.bar;
  const bool first = bar.pending_deadline_ns == kNoDeadline;
  if (first || reason == RevisionReason::kVoid) bar.pending_reason = reason;
  if (!first) return;
  const std::int64_t clock_ns = std::max(clock_ns_, std::int64_t{0});  // before any live record
  bar.pending_deadline_ns = clock_ns + markets_[symbols_[window.symbol].market].allowed_delay_ms * kNsPerMs;
  pending_[bar.pending_deadline_ns].push_back(&window);
  next_due_ns_ = std::min(next_due_ns_, bar.pending_deadline_ns);
}

void BarEngine::touch(Window& window) {
  if (window.dirty) [[likely]]
    return;
  window.dirty = true;
  window.bar.generation = identity_.generation;
  window.bar.log_id = identity_.log_id;
  dirty_.push_back(&window);
}

}  // namespace finpipe
