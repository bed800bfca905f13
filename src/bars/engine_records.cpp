// The engine's clock, what it closes, and what control records change.
#include <algorithm>

#include "bars/engine.h"
#include "base/planted_fault.h"

namespace finpipe {
namespace {

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

// ---- The clock -----------------------------------------------------------------------------------------------------

std::int64_t BarEngine::deadline_ns(const Window& window) const {
  return to_ns(window.span.to_ms + markets_[symbols_[window.symbol].market].close_after_ms());
}

void BarEngine::update_next_due() {
  next_due_ns_ = pending_.empty() ? kNoDeadline : pending_.begin()->first;
  for (const MarketState& market : markets_) {
    if (market.open.empty()) continue;
    next_due_ns_ = std::min(next_due_ns_, to_ns(market.open.begin()->first + market.close_after_ms()));
  }
  // Those are due, and judged again at every record that may judge.
  if (!ahead_.empty()) next_due_ns_ = std::numeric_limits<std::int64_t>::min();
}

void BarEngine::advance(const At& at) {
  if (at.live) move_clock(at.stamp_ns, at.offset);
}

void BarEngine::move_clock(std::int64_t clock_ns, std::int64_t offset) {
  if (clock_ns > clock_ns_) {
    clock_ns_ = clock_ns;
    max_clock_ns_ = std::max(max_clock_ns_, clock_ns);
  }
  if (clock_ns_ >= next_due_ns_) [[unlikely]]
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
        if (window->bar.state == BarState::kProvisional) refresh_partial(*window, at.offset);
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
        if (overlaps) refresh_missing(*window, at.offset);
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

// Recomputes how much of an open window was subscribed to; a row that had read further knows already.
void BarEngine::refresh_partial(Window& window, std::int64_t offset) {
  Bar& bar = window.bar;
  if (bar.applied_through >= offset || bar.partial) return;
  bar.partial = trust_.partial(symbols_[window.symbol].name, window.span);
  if (!bar.partial) return;
  stamp_transition(bar, offset);
  touch(window);
}

// Likewise what is known of its interruptions.
void BarEngine::refresh_missing(Window& window, std::int64_t offset) {
  Bar& bar = window.bar;
  if (bar.applied_through >= offset) return;
  const SymbolState& symbol = symbols_[window.symbol];
  const bool open = bar.state == BarState::kProvisional;
  const std::int64_t missing_ms = trust_.missing_ms(symbol.name, window.span, symbol.policy->calendar, !open);
  if (missing_ms == bar.missing_ms) return;
  bar.missing_ms = missing_ms;
  stamp_transition(bar, offset);
  touch(window);
  if (!open) gather(window, RevisionReason::kGap);
}

BarEngine::Apply BarEngine::apply_void(const At& at, SymbolId id, const Recount& recount) {
  SymbolState& symbol = symbols_[id];
  end_runs(symbol);
  if (known_absent_.empty()) {
    for (std::size_t i = 0; i < kIntervalCount; ++i) {
      const std::int64_t start_ms = recount.window(i).start_ms;
      if (find(symbol, i, start_ms) == nullptr) needed_.push_back({id, kIntervals[i], start_ms, start_ms});
    }
    if (!needed_.empty()) return Apply::kNeedsRows;
  }
  known_absent_.clear();
  advance(at);  // bars that close at this record close without it: their revision says that the record came before
  overflowed_ |= recount.overflowed();
  for (std::size_t i = 0; i < kIntervalCount; ++i) {
    Window* window = find(symbol, i, recount.window(i).start_ms);
    if (window != nullptr) replace_values(*window, recount.bar(i), at.offset);
  }
  return Apply::kApplied;
}

// A row that had read further knows already. What makes no difference to the bar is no event.
void BarEngine::replace_values(Window& window, const Bar& values, std::int64_t offset) {
  Bar& bar = window.bar;
  if (bar.applied_through >= offset) return;
  Bar after = bar;
  after.first = values.first, after.last = values.last;
  after.first_if_alone = values.first_if_alone, after.last_if_alone = values.last_if_alone;
  after.high_e9 = values.high_e9, after.low_e9 = values.low_e9, after.has_high_low = values.has_high_low;
  after.volume_e8 = values.volume_e8, after.vwap_volume_e8 = values.vwap_volume_e8;
  after.notional_e17 = values.notional_e17;
  after.trades = values.trades, after.excluded = values.excluded;
  after.policy = values.policy, after.backfilled = values.backfilled;
  if (after == bar) return;
  bar = after;
  stamp_transition(bar, offset);
  touch(window);
  if (bar.state != BarState::kProvisional) gather(window, RevisionReason::kVoid);
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

}  // namespace finpipe
