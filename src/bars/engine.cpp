#include "bars/engine.h"

#include <algorithm>

#include "base/planted_fault.h"

namespace finpipe {
namespace {

int128 notional_of(const Trade& trade) { return static_cast<int128>(trade.price_e9) * trade.volume_e8; }

bool holds(TimeSpan span, std::int64_t time_ms) { return time_ms >= span.from_ms && time_ms < span.to_ms; }

// A time bound with an offset in ms, in ns, safe for the ends of time.
std::int64_t to_ns(std::int64_t time_ms) {
  constexpr std::int64_t kLimit = std::numeric_limits<std::int64_t>::max() / kNsPerMs;
  return std::clamp(time_ms, -kLimit, kLimit) * kNsPerMs;
}

// A change that a record caused without being part of the window: the same record may still be merged into it.
void stamp_transition(Bar& bar, std::int64_t offset) {
  ++bar.version;
  const std::int64_t through = planted(PlantedFault::kTransitionStampsOffset) ? offset : offset - 1;
  bar.applied_through = std::max(bar.applied_through, through);
}

std::int64_t saturating_sub(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  return __builtin_sub_overflow(a, b, &result) ? std::numeric_limits<std::int64_t>::min() : result;
}

}  // namespace

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

std::int64_t BarEngine::deadline_ns(const Window& window) const {
  return to_ns(window.span.to_ms + markets_[symbols_[window.symbol].market].close_after_ms());
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
                   .commit = 0};
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

void BarEngine::update_next_due() {
  next_due_ns_ = pending_.empty() ? kNoDeadline : pending_.begin()->first;
  for (const MarketState& market : markets_) {
    if (market.open.empty()) continue;
    next_due_ns_ = std::min(next_due_ns_, to_ns(market.open.begin()->first + market.close_after_ms()));
  }
}

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
  if (offset <= bar.applied_through) [[unlikely]]
    return;
  const bool counts = effect != kNoEffect;
  if (counts) [[likely]] {
    if (effect.volume) {
      bar.volume_e8 += trade.volume_e8;
      ++bar.trades;
    }
    if (effect.vwap) {
      bar.vwap_volume_e8 += trade.volume_e8;
      overflowed_ |= __builtin_add_overflow(bar.notional_e17, notional_e17, &bar.notional_e17);
    }
    if (effect.high_low) {
      bar.high_e9 = bar.has_high_low ? std::max(bar.high_e9, trade.price_e9) : trade.price_e9;
      bar.low_e9 = bar.has_high_low ? std::min(bar.low_e9, trade.price_e9) : trade.price_e9;
      bar.has_high_low = true;
    }
    if (effect.last != LastRule::kNo) {
      const PricePoint point{trade.event_time_ms, trade.seq, trade.price_e9};
      PricePoint& first = effect.last == LastRule::kYes ? bar.first : bar.first_if_alone;
      PricePoint& last = effect.last == LastRule::kYes ? bar.last : bar.last_if_alone;
      if (!first.present() || point.before(first)) first = point;
      if (!last.present() || last.before(point)) last = point;
    }
    if (trade.writer == Writer::kBackfill) [[unlikely]]
      bar.backfilled = true;
  } else {
    ++bar.excluded;
  }
  ++bar.version;
  bar.applied_through = offset;
  touch(window);
  if (counts && bar.state != BarState::kProvisional) [[unlikely]] {
    gather(window, trade.writer == Writer::kBackfill ? RevisionReason::kBackfill : RevisionReason::kLate);
  }
}

// A change to a closed bar: with those that follow within the allowed delay it becomes one revision.
void BarEngine::gather(Window& window, RevisionReason reason) {
  Bar& bar = window.bar;
  if (bar.pending_deadline_ns != kNoDeadline) return;
  bar.pending_reason = reason;
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

// ---- The clock -----------------------------------------------------------------------------------------------------

void BarEngine::advance(const At& at) {
  if (at.live) move_clock(at.stamp_ns, at.offset);
}

void BarEngine::move_clock(std::int64_t clock_ns, std::int64_t offset) {
  if (clock_ns > clock_ns_) {
    clock_ns_ = clock_ns;
    max_clock_ns_ = std::max(max_clock_ns_, clock_ns);
  }
  if (clock_ns_ >= next_due_ns_ || !ahead_.empty()) [[unlikely]]
    judge(offset);
}

void BarEngine::judge(std::int64_t offset) {
  std::vector<Window*> due = std::move(ahead_);
  ahead_.clear();
  for (MarketState& market : markets_) {
    while (!market.open.empty() && clock_ns_ >= to_ns(market.open.begin()->first + market.close_after_ms())) {
      auto& windows = market.open.begin()->second;
      due.insert(due.end(), windows.begin(), windows.end());
      market.open.erase(market.open.begin());
    }
  }
  while (!pending_.empty() && clock_ns_ >= pending_.begin()->first) {
    auto& windows = pending_.begin()->second;
    due.insert(due.end(), windows.begin(), windows.end());
    pending_.erase(pending_.begin());
  }
  for (Window* window : due) judge_window(*window, offset);
  update_next_due();
}

// A due window changes only at a record above the last one that is in it: a row from an owner that had read further
// already knows what happened before.
void BarEngine::judge_window(Window& window, std::int64_t offset) {
  SymbolState& symbol = symbols_[window.symbol];
  if (symbol.current[window.interval] == &window) {
    if (window.interval == 0) {
      end_second(symbol);
    } else {
      end_runs(symbol);
    }
  }
  const Bar& bar = window.bar;
  const bool provisional = bar.state == BarState::kProvisional;
  if (clock_ns_ < (provisional ? deadline_ns(window) : bar.pending_deadline_ns)) {
    if (provisional) {
      watch(window);
    } else if (bar.pending_deadline_ns != kNoDeadline) {
      pending_[bar.pending_deadline_ns].push_back(&window);
    }
  } else if (bar.applied_through >= offset) {
    ahead_.push_back(&window);
  } else if (provisional) {
    close(window, offset);
  } else {
    close_revision(window, offset);
  }
}

void BarEngine::close(Window& window, std::int64_t offset) {
  const SymbolState& symbol = symbols_[window.symbol];
  Bar& bar = window.bar;
  bar.missing_ms = trust_.missing_ms(symbol.name, window.span, symbol.policy->calendar, true);
  bar.state = BarState::kFinal;
  bar.closed_at_ns = clock_ns_;
  stamp_transition(bar, offset);
  touch(window);
  revisions_.push_back({{std::string(symbol.name), kIntervals[window.interval], window.start_ms}, bar});
}

void BarEngine::close_revision(Window& window, std::int64_t offset) {
  Bar& bar = window.bar;
  bar.state = BarState::kRevised;
  ++bar.revision;
  bar.reason = bar.pending_reason;
  bar.pending_reason = RevisionReason::kNone;
  bar.pending_deadline_ns = kNoDeadline;
  bar.closed_at_ns = clock_ns_;
  stamp_transition(bar, offset);
  touch(window);
  revisions_.push_back(
      {{std::string(symbols_[window.symbol].name), kIntervals[window.interval], window.start_ms}, bar});
}

// ---- Control records -----------------------------------------------------------------------------------------------

void BarEngine::apply_session(const At& at, bool is_new, std::optional<std::int64_t> silent_since_ms) {
  if (is_new && silent_since_ms) trust_.silent_since(*silent_since_ms);
  if (is_new && at.live) clock_ns_ = std::min(clock_ns_, at.stamp_ns);  // a corrected wall clock
  advance(at);
}

void BarEngine::apply_policy(const At& at, MarketPolicy policy) {
  advance(at);
  set_policy(std::move(policy));
  if (clock_ns_ >= next_due_ns_) judge(at.offset);
}

std::vector<TrustSpan> BarEngine::apply_subscribed(const At& at, std::span<const std::string> symbols) {
  advance(at);
  std::vector<TrustSpan> ended;
  for (const std::string& symbol : symbols) {
    if (auto absence = trust_.subscribed(symbol, floor_div(at.stamp_ns, kNsPerMs)))
      ended.push_back(*std::move(absence));
  }
  return ended;
}

void BarEngine::apply_unsubscribed(const At& at, std::span<const std::string> symbols) {
  advance(at);
  end_all_runs();
  for (const std::string& name : symbols) trust_.unsubscribed(name, floor_div(at.stamp_ns, kNsPerMs));
  // Open windows only: they are all in memory, closed ones may have left it.
  for (SymbolState& symbol : symbols_) {
    for (auto& windows : symbol.windows) {
      for (auto& [start, window] : windows) {
        if (window->bar.state == BarState::kProvisional) refresh_trust(*window, at.offset);
      }
    }
  }
}

void BarEngine::apply_silence(const At& at, std::int64_t since_ms) {
  trust_.silent_since(since_ms);
  advance(at);
}

BarEngine::Apply BarEngine::apply_spans(const At& at, std::span<const TrustSpan> spans) {
  const std::vector<Touched> touched = touched_by(spans);
  if (known_absent_.empty() && !touched.empty()) {
    // Closed rows inside the spans may have left memory: all of them are asked for once.
    for (const Touched& each : touched) {
      for (const Interval interval : kIntervals) needed_.push_back(rows_over(each.symbol, interval, each.span));
    }
    return Apply::kNeedsRows;
  }
  known_absent_.clear();
  end_all_runs();
  for (const TrustSpan& span : spans) {
    trust_.add(span);
    if (ends_silence(span)) trust_.end_silence();
  }
  // Only these: which other closed windows are still in memory must not make a difference.
  for (const Touched& each : touched) {
    for (auto& windows : symbols_[each.symbol].windows) {
      for (auto& [start, window] : windows) {
        const bool overlaps = window->span.from_ms < each.span.to_ms && each.span.from_ms < window->span.to_ms;
        if (overlaps) refresh_trust(*window, at.offset);
      }
    }
  }
  advance(at);
  return Apply::kApplied;
}

bool BarEngine::ends_silence(const TrustSpan& span) {
  return span.kind == TrustSpan::Kind::kGap && span.symbol.empty();
}

// Whose trust the spans may change. A gap that states what an open silence was touches all since it began.
std::vector<BarEngine::Touched> BarEngine::touched_by(std::span<const TrustSpan> spans) const {
  std::vector<Touched> touched;
  for (const TrustSpan& span : spans) {
    TimeSpan where = span.span;
    if (ends_silence(span) && trust_.open().silent_since_ms) {
      where = {std::min(where.from_ms, *trust_.open().silent_since_ms), kEndOfTime};
    }
    for (SymbolId id = 0; id < symbols_.size(); ++id) {
      if (span.symbol.empty() || span.symbol == symbols_[id].name) touched.push_back({id, where});
    }
  }
  return touched;
}

// All rows that may overlap the span: a 1d window is labelled by a moment within a day of its own start.
BarEngine::RowRange BarEngine::rows_over(SymbolId id, Interval interval, TimeSpan span) {
  const bool daily = interval == Interval::k1d;
  const std::int64_t before_ms = daily ? 2 * kMsPerDay : length_ms(interval);
  const std::int64_t after_ms = daily ? kMsPerDay : 0;
  return {id, interval, saturating_sub(span.from_ms, before_ms),
          std::min(span.to_ms, kEndOfTime - after_ms) + after_ms};
}

// Recomputes what is known of a window's interruptions; a row that had read further knows already.
void BarEngine::refresh_trust(Window& window, std::int64_t offset) {
  Bar& bar = window.bar;
  if (bar.applied_through >= offset) return;
  const SymbolState& symbol = symbols_[window.symbol];
  const bool open = bar.state == BarState::kProvisional;
  const std::int64_t missing_ms = trust_.missing_ms(symbol.name, window.span, symbol.policy->calendar, !open);
  const bool partial = bar.partial || trust_.partial(symbol.name, window.span);
  if (missing_ms == bar.missing_ms && partial == bar.partial) return;
  bar.missing_ms = missing_ms;
  bar.partial = partial;
  stamp_transition(bar, offset);
  touch(window);
  if (!open) gather(window, RevisionReason::kGap);
}

void BarEngine::apply_lags(const At& at, std::span<const std::pair<std::string, std::int64_t>> lags_ms) {
  advance(at);
  for (const auto& [market, lag_ms] : lags_ms) {
    markets_[market_index(market)].lag_ms = std::clamp(lag_ms, -kMsPerHour, kMsPerHour);
  }
  update_next_due();
  if (clock_ns_ >= next_due_ns_) judge(at.offset);
}

void BarEngine::apply_end(const At& at) {
  std::int64_t lag_ms = std::numeric_limits<std::int64_t>::min();
  for (const MarketState& market : markets_) lag_ms = std::max(lag_ms, market.lag_ms.value_or(lag_ms));
  if (lag_ms == std::numeric_limits<std::int64_t>::min()) lag_ms = 0;
  advance({at.offset, at.stamp_ns + (lag_ms + kEndSettleMs) * kNsPerMs, at.live});
  // Nothing more is to be gathered: what is waiting becomes a revision now.
  std::map<std::int64_t, std::vector<Window*>> pending = std::move(pending_);
  pending_.clear();
  for (auto& [deadline, windows] : pending) {
    for (Window* window : windows) {
      if (window->bar.applied_through >= at.offset) {
        pending_[deadline].push_back(window);
      } else {
        close_revision(*window, at.offset);
      }
    }
  }
  update_next_due();
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

void BarEngine::take(std::int64_t commit, std::vector<BarRow>& rows, std::vector<BarRow>& revisions) {
  end_all_runs();
  rows.reserve(rows.size() + dirty_.size());
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
    revisions.swap(revisions_);
  } else {
    revisions.insert(revisions.end(), revisions_.begin(), revisions_.end());
    revisions_.clear();
  }
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

BarEngine::State BarEngine::state() const {
  State state{clock_ns_, max_clock_ns_, {}, trust_.open(), {}};
  for (const MarketState& market : markets_) {
    if (market.lag_ms) state.lags_ms.emplace(market.name, *market.lag_ms);
  }
  for (const auto& [deadline, windows] : pending_) {
    for (const Window* window : windows) {
      state.unclosed.push_back(
          {std::string(symbols_[window->symbol].name), kIntervals[window->interval], window->start_ms});
    }
  }
  return state;
}

}  // namespace finpipe
