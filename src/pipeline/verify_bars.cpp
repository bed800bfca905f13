#include "pipeline/verify_bars.h"

#include <algorithm>
#include <limits>
#include <map>

#include "base/decimal.h"
#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::size_t kBlockRows = 4'096;
constexpr std::int64_t kLagUntilKnownMs = kMsPerHour;  // closing waits so long until a market's lag is known
constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

std::string text(const std::optional<std::int64_t>& price_e9) {
  return price_e9 ? format_decimal(*price_e9, kPriceDigits) : "none";
}

std::string text(const PricePoint& point) {
  if (!point.present()) return "none";
  return fmt::format("{} at {} seq {}", format_decimal(point.price_e9, kPriceDigits),
                     format_time_ms(point.event_time_ms), point.seq);
}

// "volume 1.5, expected 1.4; close …": what differs between a row and what its trades give. Empty: nothing.
std::string value_differences(const Bar& got, const Bar& expected) {
  std::string out;
  const auto add = [&](std::string_view field, const std::string& got_text, const std::string& expected_text) {
    fmt::format_to(std::back_inserter(out), "{}{} {}, expected {}", out.empty() ? "" : "; ", field, got_text,
                   expected_text);
  };
  const auto number = [&](std::string_view field, int128 a, int128 b, int digits) {
    if (a != b) add(field, format_decimal(a, digits), format_decimal(b, digits));
  };
  const auto point = [&](std::string_view field, const PricePoint& a, const PricePoint& b) {
    if (a != b) add(field, text(a), text(b));
  };
  if (got.open_e9() != expected.open_e9()) add("open", text(got.open_e9()), text(expected.open_e9()));
  const auto high_low = [](const Bar& bar, std::int64_t value) {
    return text(bar.has_high_low ? std::optional(value) : std::nullopt);
  };
  if (got.has_high_low != expected.has_high_low || got.high_e9 != expected.high_e9) {
    add("high", high_low(got, got.high_e9), high_low(expected, expected.high_e9));
  }
  if (got.has_high_low != expected.has_high_low || got.low_e9 != expected.low_e9) {
    add("low", high_low(got, got.low_e9), high_low(expected, expected.low_e9));
  }
  if (got.close_e9() != expected.close_e9()) add("close", text(got.close_e9()), text(expected.close_e9()));
  number("volume", got.volume_e8, expected.volume_e8, kVolumeDigits);
  number("vwap volume", got.vwap_volume_e8, expected.vwap_volume_e8, kVolumeDigits);
  number("notional", got.notional_e17, expected.notional_e17, kNotionalDigits);
  number("trades", got.trades, expected.trades, 0);
  number("excluded", got.excluded, expected.excluded, 0);
  if (got.policy != expected.policy) {
    add("policy", fmt::format("{:016x}", got.policy), fmt::format("{:016x}", expected.policy));
  }
  if (got.backfilled != expected.backfilled) {
    add("backfilled", fmt::to_string(got.backfilled), fmt::to_string(expected.backfilled));
  }
  if (!out.empty()) return out;
  // Equal to the eye; but later trades would be placed wrongly.
  point("first trade", got.first, expected.first);
  point("last trade", got.last, expected.last);
  point("first F trade", got.first_if_alone, expected.first_if_alone);
  point("last F trade", got.last_if_alone, expected.last_if_alone);
  return out;
}

// What a closed revision and the bar it closed have in common besides the values.
std::string state_differences(const Bar& revision, const Bar& bar) {
  std::string out;
  const auto compare = [&](std::string_view field, const auto& a, const auto& b) {
    if (a != b)
      fmt::format_to(std::back_inserter(out), "{}{} {}, the bar has {}", out.empty() ? "" : "; ", field, a, b);
  };
  compare("state", to_string(revision.state), to_string(bar.state));
  compare("reason", to_string(revision.reason), to_string(bar.reason));
  compare("closed_at", revision.closed_at_ns, bar.closed_at_ns);
  compare("missing_ms", revision.missing_ms, bar.missing_ms);
  compare("partial", revision.partial, bar.partial);
  return out;
}

}  // namespace

std::vector<TimeSpan> missing_spans(std::span<const SpanRow> spans, std::int32_t partition, std::string_view symbol) {
  // At each time, how many gaps and how many fillings begin (or end) there.
  std::map<std::int64_t, std::pair<int, int>> changes;
  for (const SpanRow& span : spans) {
    if (span.partition != partition || span.from_ms >= span.to_ms) continue;
    if (!span.symbol.empty() && span.symbol != symbol) continue;
    if (span.kind == SpanRow::Kind::kGap) {
      ++changes[span.from_ms].first, --changes[span.to_ms].first;
    } else if (span.kind == SpanRow::Kind::kFilled) {
      ++changes[span.from_ms].second, --changes[span.to_ms].second;
    }
  }
  std::vector<TimeSpan> missing;
  int gaps = 0, fillings = 0;
  std::int64_t since_ms = 0;
  for (const auto& [time_ms, change] : changes) {
    if (gaps > 0 && fillings == 0) missing.push_back({since_ms, time_ms});
    gaps += change.first, fillings += change.second;
    since_ms = time_ms;
  }
  return missing;
}

BarCheck::BarCheck(const VerifiedSeries& series, Query& store, VerifyFindings& findings, VerifiedSymbol& report)
    : series_(series),
      store_(store),
      findings_(findings),
      report_(report),
      policy_(series.log.newest_policies.policy_for(series.symbol)),
      lag_ms_(kLagUntilKnownMs) {
  for (const PolicySet& policies : series.log.policies) policy_by_epoch_.push_back(&policies.policy_for(series.symbol));
  for (const auto& lag : series.checkpoint.lags) {
    if (lag.market == policy_.market) lag_ms_ = lag.lag_ms;
  }
  for (const auto& key : series.checkpoint.unclosed) {
    if (key.symbol != series.symbol) continue;
    if (key.interval >= 0 && key.interval < static_cast<std::int32_t>(kIntervalCount)) {
      unclosed_.emplace(static_cast<Interval>(key.interval), key.start);
    } else {
      findings_.add("checkpoint differs", "{}: lists a bar of interval {}", series.symbol, key.interval);
    }
  }
  for (const LoggedVoid& made : series.log.voids) {
    if (made.effective && made.row.symbol == series.symbol) voids_.push_back(&made);
  }
  effects_.reserve(series.trades.size());
  for (const LoggedTrade& logged : series.trades) {
    effects_.push_back(effect_of(logged, *policy_by_epoch_[series.log.contexts[logged.context].epoch]));
  }
}

MarketPolicy::TradeEffect BarCheck::effect_of(const LoggedTrade& logged, const MarketPolicy& policy) const {
  const LoggedContext& context = series_.log.contexts[logged.context];
  Trade trade;
  trade.event_time_ms = logged.event_time_ms;
  trade.volume_e8 = logged.volume_e8;
  trade.conditions = {context.form, context.codes};
  MarketPolicy::TradeEffect effect = policy.effect_of(trade);
  if (context.suspect != Suspect::kNone) effect.intraday = effect.daily = kNoEffect;
  return effect;
}

std::string BarCheck::name(std::int64_t start_ms) const {
  return fmt::format("{} {} {}", series_.symbol, to_string(interval_), format_time_ms(start_ms));
}

Result<void> BarCheck::run() {
  for (const Interval interval : kIntervals) {
    FINPIPE_TRY(
        findings_.accept(check_interval(interval), "row unreadable", "the rest of its series was not compared"));
  }
  for (const auto& [interval, start_ms] : unclosed_) {
    interval_ = interval;
    findings_.add("checkpoint differs", "{}: listed with a gathered revision, which its row has not", name(start_ms));
  }
  return {};
}

// ---- One interval, in blocks of rows -------------------------------------------------------------------------------

std::vector<BarCheck::WindowTrade> BarCheck::windows_of(Interval interval) const {
  std::vector<WindowTrade> windows;
  windows.reserve(series_.trades.size());
  for (std::uint32_t i = 0; i < series_.trades.size(); ++i) {
    const LoggedTrade& trade = series_.trades[i];
    const MarketPolicy& policy = *policy_by_epoch_[series_.log.contexts[trade.context].epoch];
    windows.emplace_back(policy.window_of(interval, trade.event_time_ms).start_ms, i);
  }
  std::ranges::sort(windows);
  return windows;
}

Result<void> BarCheck::check_interval(Interval interval) {
  interval_ = interval;
  const std::vector<WindowTrade> all_windows = windows_of(interval);
  std::span<const WindowTrade> windows = all_windows;
  BarRange range{series_.symbol, interval};
  for (bool more = true; more;) {
    rows_.clear();
    revisions_.clear();
    FINPIPE_TRY(store_.bars(range, [&](const BarRow& row) {
      rows_.push_back(row);
      return rows_.size() < kBlockRows;
    }));
    more = rows_.size() == kBlockRows && rows_.back().key.start_ms != kForever;
    range.to_ms = more ? rows_.back().key.start_ms : kForever;
    FINPIPE_TRY(store_.revisions(range, [&](const RevisionRow& row) {
      revisions_.push_back(row);
      return true;
    }));
    check_block(windows, range.to_ms);
    if (more) range.from_ms = range.to_ms + 1;
    range.to_ms = kForever;
  }
  return {};
}

void BarCheck::check_block(std::span<const WindowTrade>& windows, std::int64_t to_ms) {
  std::span<const BarRow> rows = rows_;
  std::span<const RevisionRow> revisions = revisions_;
  for (;;) {
    std::int64_t start_ms = kForever;
    bool found = false;
    const auto consider = [&](std::int64_t candidate_ms) {
      start_ms = std::min(start_ms, candidate_ms);
      found = true;
    };
    if (!windows.empty() && windows.front().first <= to_ms) consider(windows.front().first);
    if (!rows.empty()) consider(rows.front().key.start_ms);
    if (!revisions.empty()) consider(revisions.front().key.start_ms);
    if (!found) return;

    const auto take = [](auto& all, auto is_here) {
      const auto count = std::ranges::find_if_not(all, is_here) - all.begin();
      const auto taken = all.first(static_cast<std::size_t>(count));
      all = all.subspan(static_cast<std::size_t>(count));
      return taken;
    };
    const auto here = take(windows, [&](const WindowTrade& trade) { return trade.first == start_ms; });
    const auto row = take(rows, [&](const BarRow& bar) { return bar.key.start_ms == start_ms; });
    const auto closed = take(revisions, [&](const RevisionRow& bar) { return bar.key.start_ms == start_ms; });
    check_window(start_ms, here, row.empty() ? nullptr : &row.front(), closed);
  }
}

// ---- One window ----------------------------------------------------------------------------------------------------

// From the floor on, rows of older generations count as absent.
bool BarCheck::counts(std::int64_t start_ms, const Bar& bar) const {
  return bar.generation >= series_.generation || start_ms < series_.checkpoint.floor;
}

// Whether the log still has all that the row was made of, and says under which policies.
bool BarCheck::values_known(std::int64_t start_ms, const Bar& bar) const {
  if (start_ms <= series_.compare_after_ms || bar.log_id != series_.log.log_id) return false;
  if (series_.generation == 0 || start_ms >= series_.checkpoint.floor) return true;
  return !series_.log.policies_replaced &&
         (bar.generation == series_.generation || bar.applied_through < series_.log.end);
}

std::vector<const Bar*> BarCheck::chain_of(std::int64_t start_ms, const Bar& bar,
                                           std::span<const RevisionRow> revisions) const {
  std::map<std::int32_t, const Bar*> newest;  // by revision; those of later generations come later
  for (const RevisionRow& row : revisions) {
    if (!counts(start_ms, row.bar) || row.bar.generation > bar.generation) continue;
    newest[row.bar.revision] = &row.bar;
  }
  std::vector<const Bar*> chain;
  for (const auto& [revision, row] : newest) chain.push_back(row);
  return chain;
}

void BarCheck::check_window(std::int64_t start_ms, std::span<const WindowTrade> trades, const BarRow* row,
                            std::span<const RevisionRow> revisions) {
  if (row == nullptr || !counts(start_ms, row->bar)) {
    unclosed_.erase({interval_, start_ms});
    if (!trades.empty()) {
      findings_.add("bar missing", "{}: {} trades in the log", name(start_ms), trades.size());
    } else if (row == nullptr && !revisions.empty()) {
      findings_.add("revision without bar", "{} revision {}", name(start_ms), revisions.front().bar.revision);
    }
    return;
  }
  const Bar& bar = row->bar;
  ++report_.bars;
  const bool known = values_known(start_ms, bar);
  if (trades.empty() && known) {
    unclosed_.erase({interval_, start_ms});
    findings_.add("bar extra", "{}: no trade in the log", name(start_ms));
    return;
  }
  const std::vector<const Bar*> chain = chain_of(start_ms, bar, revisions);
  report_.revisions += static_cast<std::int64_t>(chain.size());
  if (known) check_values(start_ms, trades, bar, chain);
  if (known && series_.log.begin == 0) check_partial(start_ms, trades, bar, chain);
  check_row(start_ms, bar, known);
  check_chain(start_ms, bar, chain, known);
  check_unclosed(start_ms, bar);
}

void BarCheck::add_trade(Bar& bar, std::uint32_t index) const {
  const LoggedTrade& trade = series_.trades[index];
  const LoggedContext& context = series_.log.contexts[trade.context];
  bar.policy = policy_by_epoch_[context.epoch]->id;
  add_values(bar, trade, interval_ == Interval::k1d ? effects_[index].daily : effects_[index].intraday, context.writer);
}

void BarCheck::add_values(Bar& bar, const LoggedTrade& trade, const Effect& effect, Writer writer) {
  if (effect == kNoEffect) {
    ++bar.excluded;
    return;
  }
  if (effect.volume) {
    bar.volume_e8 += trade.volume_e8;
    ++bar.trades;
  }
  if (effect.vwap) {
    bar.vwap_volume_e8 += trade.volume_e8;
    bar.notional_e17 += static_cast<int128>(trade.price_e9) * trade.volume_e8;
  }
  if (effect.high_low) {
    if (!bar.has_high_low) bar.high_e9 = bar.low_e9 = trade.price_e9;
    bar.high_e9 = std::max(bar.high_e9, trade.price_e9);
    bar.low_e9 = std::min(bar.low_e9, trade.price_e9);
    bar.has_high_low = true;
  }
  if (effect.last != LastRule::kNo) {
    const bool alone = effect.last == LastRule::kFirst;
    const PricePoint point{trade.event_time_ms, trade.seq, trade.price_e9};
    PricePoint& first = alone ? bar.first_if_alone : bar.first;
    PricePoint& last = alone ? bar.last_if_alone : bar.last;
    if (!first.present() || point.before(first)) first = point;
    if (!last.present() || last.before(point)) last = point;
  }
  if (writer == Writer::kBackfill) bar.backfilled = true;
}

std::vector<const LoggedVoid*> BarCheck::voids_of(std::int64_t start_ms) const {
  std::vector<const LoggedVoid*> here;
  for (const LoggedVoid* made : voids_) {
    const MarketPolicy& policy = *policy_by_epoch_[made->epoch];
    if (policy.window_of(interval_, made->row.event_time_ms).start_ms == start_ms) here.push_back(made);
  }
  return here;
}

Bar BarCheck::after_void(std::int64_t start_ms, const LoggedVoid& made) const {
  using TradeKey = std::pair<std::int64_t, std::int64_t>;
  std::set<TradeKey> voided;
  for (const LoggedVoid* each : voids_) {
    if (each->row.offset > made.row.offset) break;
    const TradeKey key(each->row.event_time_ms, each->row.seq);
    if (each->row.action == VoidRow::Action::kVoid) {
      voided.insert(key);
    } else {
      voided.erase(key);
    }
  }
  const MarketPolicy& policy = *policy_by_epoch_[made.epoch];
  const TimeSpan span = policy.span_of(interval_, start_ms);
  Bar bar;
  bar.policy = policy.id;
  for (const LoggedTrade& trade : series_.trades) {
    if (trade.offset > made.row.offset) break;
    if (trade.event_time_ms < span.from_ms || trade.event_time_ms >= span.to_ms) continue;
    MarketPolicy::TradeEffect effect = effect_of(trade, policy);
    if (voided.contains({trade.event_time_ms, trade.seq})) effect.intraday = effect.daily = kNoEffect;
    add_values(bar, trade, interval_ == Interval::k1d ? effect.daily : effect.intraday,
               series_.log.contexts[trade.context].writer);
  }
  return bar;
}

// A revision holds the trades up to its offset, the bar all of them; trades come in the order of the log.
void BarCheck::check_values(std::int64_t start_ms, std::span<const WindowTrade> trades, const Bar& bar,
                            std::span<const Bar* const> revisions) {
  Bar expected;
  std::size_t next = 0, next_void = 0;
  const std::vector<const LoggedVoid*> voids = voids_of(start_ms);
  const auto apply_through = [&](std::int64_t offset) {
    for (;;) {
      const std::int64_t trade = next < trades.size() ? series_.trades[trades[next].second].offset : kForever;
      const std::int64_t made = next_void < voids.size() ? voids[next_void]->row.offset : kForever;
      if (std::min(trade, made) > offset || (trade == kForever && made == kForever)) return;
      if (trade < made) {
        add_trade(expected, trades[next++].second);
      } else {
        expected = after_void(start_ms, *voids[next_void++]);
      }
    }
  };
  for (const Bar* revision : revisions) {
    if (revision->log_id != series_.log.log_id) continue;
    apply_through(revision->applied_through);
    const std::string differences = value_differences(*revision, expected);
    if (!differences.empty()) {
      findings_.add("revision differs", "{} revision {}: {}", name(start_ms), revision->revision, differences);
    }
  }
  apply_through(kForever);
  const std::string differences = value_differences(bar, expected);
  if (!differences.empty()) findings_.add("bar differs", "{}: {}", name(start_ms), differences);
  const auto merged = static_cast<std::int64_t>(trades.size());
  const std::int64_t newest_offset = series_.trades[trades.back().second].offset;
  if (bar.version < merged) {
    findings_.add("bar differs", "{}: version {}, but {} trades are in it", name(start_ms), bar.version, merged);
  }
  if (bar.applied_through < newest_offset) {
    findings_.add("bar differs", "{}: applied through offset {}, but the trade at {} is in it", name(start_ms),
                  bar.applied_through, newest_offset);
  }
}

void BarCheck::check_row(std::int64_t start_ms, const Bar& bar, bool values_known) {
  if (bar.generation > series_.generation) {
    findings_.add("bar differs", "{}: generation {}, the checkpoint's is {}", name(start_ms), bar.generation,
                  series_.generation);
  }
  const bool current = bar.generation == series_.generation && bar.log_id == series_.log.log_id;
  if (current && bar.applied_through >= series_.log.end) {
    findings_.add("bar differs", "{}: applied through offset {}, the checkpoint is at {}", name(start_ms),
                  bar.applied_through, series_.log.end);
  }
  if (!current || !values_known) return;
  const TimeSpan span = policy_.span_of(interval_, start_ms);
  const std::int64_t closes_at_ms = span.to_ms + lag_ms_ + policy_.allowed_delay_ms;
  const std::int64_t clock_ms = floor_div(series_.checkpoint.clock, kNsPerMs);
  if (bar.state == BarState::kProvisional && clock_ms >= closes_at_ms) {
    findings_.add("bar differs", "{}: provisional, but the clock passed {} at {}", name(start_ms),
                  format_time_ms(closes_at_ms), format_time_ms(clock_ms));
  }
  check_trust(start_ms, bar);
}

void BarCheck::check_trust(std::int64_t start_ms, const Bar& bar) {
  const TimeSpan span = policy_.span_of(interval_, start_ms);
  const auto& silent_since = series_.checkpoint.silent_since;
  if (silent_since && *silent_since < span.to_ms) return;  // its end is not known yet
  std::int64_t missing_ms = 0;
  const auto first = std::ranges::upper_bound(series_.missing, span.from_ms, {}, &TimeSpan::to_ms);
  for (auto part = first; part != series_.missing.end() && part->from_ms < span.to_ms; ++part) {
    missing_ms +=
        policy_.calendar.session_ms({std::max(part->from_ms, span.from_ms), std::min(part->to_ms, span.to_ms)});
  }
  if (bar.missing_ms != missing_ms) {
    findings_.add("bar differs", "{}: missing_ms {}, expected {}", name(start_ms), bar.missing_ms, missing_ms);
  }
}

bool BarCheck::partial_at(TimeSpan span, std::int64_t offset) const {
  const auto absent = [&](const std::string& name) {
    std::vector<TimeSpan> spans;
    const auto known = series_.log.absences.find(name);
    if (known == series_.log.absences.end()) return std::vector{span};
    for (const LoggedAbsence& each : known->second) {
      if (each.begun_at >= offset) break;
      const std::int64_t to_ms = each.ended_at < offset ? each.to_ms : kForever;
      const TimeSpan inside{std::max(each.from_ms, span.from_ms), std::min(to_ms, span.to_ms)};
      if (inside.from_ms < inside.to_ms) spans.push_back(inside);
    }
    return spans;
  };
  const std::vector<TimeSpan> by_name = absent(std::string(series_.symbol));
  return std::ranges::any_of(absent(""), [&](const TimeSpan& all) {
    return std::ranges::any_of(by_name, [&](const TimeSpan& own) {
      return std::max(all.from_ms, own.from_ms) < std::min(all.to_ms, own.to_ms);
    });
  });
}

// It is judged when the window's first trade opens it, and again when a subscription ends while it is open.
void BarCheck::check_partial(std::int64_t start_ms, std::span<const WindowTrade> trades, const Bar& bar,
                             std::span<const Bar* const> chain) {
  const TimeSpan span = policy_.span_of(interval_, start_ms);
  const std::int64_t opened = series_.trades[trades.front().second].offset;
  std::int64_t closed = bar.state == BarState::kProvisional ? kForever : opened;
  if (!chain.empty() && chain.front()->revision == 0) closed = chain.front()->applied_through;
  bool partial = partial_at(span, opened);
  for (const std::string& name : {std::string(), std::string(series_.symbol)}) {
    const auto absences = series_.log.absences.find(name);
    if (absences == series_.log.absences.end()) continue;
    for (const LoggedAbsence& each : absences->second) {
      if (each.begun_at > opened && each.begun_at <= closed) partial = partial || partial_at(span, each.begun_at + 1);
    }
  }
  if (bar.partial != partial) {
    findings_.add("bar differs", "{}: partial {}, expected {}", name(start_ms), bar.partial, partial);
  }
}

// The checkpoint lists the rows that gather a revision, and of others only those that are due and could not close yet.
void BarCheck::check_unclosed(std::int64_t start_ms, const Bar& bar) {
  const bool listed = unclosed_.erase({interval_, start_ms}) > 0;
  const bool gathers = bar.pending_deadline_ns != kNoDeadline;
  if (gathers && !listed && bar.generation == series_.generation) {
    findings_.add("checkpoint differs", "{}: its gathered revision is not listed", name(start_ms));
  } else if (!gathers && listed && bar.state != BarState::kProvisional) {
    findings_.add("checkpoint differs", "{}: listed with a gathered revision, which its row has not", name(start_ms));
  }
}

// Revisions 0 to n of a row at revision n; a window first opened after its closing bound has no revision 0.
void BarCheck::check_chain(std::int64_t start_ms, const Bar& bar, std::span<const Bar* const> chain,
                           bool values_known) {
  const bool closed = bar.state == BarState::kFinal || (bar.state == BarState::kRevised && bar.revision > 0);
  if (bar.state == BarState::kFinal && bar.revision != 0) {
    findings_.add("bar differs", "{}: final, but at revision {}", name(start_ms), bar.revision);
  }
  std::int32_t expected = closed && bar.revision > 0 && (chain.empty() || chain.front()->revision != 0) ? 1 : 0;
  for (const Bar* revision : chain) {
    if (!closed || revision->revision > bar.revision) {
      findings_.add("revision extra", "{} revision {}: the bar is {}, at revision {}", name(start_ms),
                    revision->revision, to_string(bar.state), bar.revision);
      continue;
    }
    for (; expected < revision->revision; ++expected) {
      findings_.add("revision missing", "{} revision {}", name(start_ms), expected);
    }
    expected = revision->revision + 1;
    const bool first = revision->revision == 0;
    if (revision->state != (first ? BarState::kFinal : BarState::kRevised) ||
        (revision->reason == RevisionReason::kNone) != first || revision->pending_deadline_ns != kNoDeadline) {
      findings_.add("revision differs", "{} revision {}: state {}, reason '{}'", name(start_ms), revision->revision,
                    to_string(revision->state), to_string(revision->reason));
    } else if (revision->revision == bar.revision && bar.pending_deadline_ns == kNoDeadline) {
      std::string differences = state_differences(*revision, bar);
      if (!values_known && differences.empty()) {
        Bar closed_as = bar;
        // What policy keeps out makes no revision.
        closed_as.excluded = revision->excluded;
        closed_as.policy = revision->policy;
        differences = value_differences(*revision, closed_as);
      }
      if (!differences.empty()) {
        findings_.add("revision differs", "{} revision {}: {}", name(start_ms), revision->revision, differences);
      }
    }
  }
  for (; closed && expected <= bar.revision; ++expected) {
    findings_.add("revision missing", "{} revision {}", name(start_ms), expected);
  }
}

}  // namespace finpipe
