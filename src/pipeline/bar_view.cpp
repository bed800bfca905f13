#include "pipeline/bar_view.h"

#include <algorithm>
#include <utility>

#include "bars/engine.h"
#include "bars/merge.h"
#include "pipeline/trust_span.h"

namespace finpipe {
namespace {

constexpr std::size_t kBatch = 512;
// No window closes earlier than so long before its end: lag is an hour at least, and a label a day from its window.
constexpr std::int64_t kNotClosedAfterMs = kMsPerHour + kMsPerDay;

std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

std::int64_t to_ns(std::int64_t time_ms) {
  std::int64_t time_ns = 0;
  if (!__builtin_mul_overflow(time_ms, kNsPerMs, &time_ns)) return time_ns;
  return time_ms < 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

// What of the clock counts for windows of the market: those that end until then are closed.
std::int64_t over_before_ms(const Checkpoint& checkpoint, const MarketPolicy& policy,
                            std::optional<std::int64_t> as_of_ms) {
  const auto lag = checkpoint.engine.lags_ms.find(policy.market);
  std::int64_t lag_ms = lag == checkpoint.engine.lags_ms.end() ? kUnknownLagMs : lag->second;
  std::int64_t clock_ms = floor_div(checkpoint.engine.clock_ns, kNsPerMs);
  if (as_of_ms && *as_of_ms < clock_ms) {
    clock_ms = *as_of_ms;
    lag_ms = std::max(lag_ms, kUnknownLagMs);  // what it was then is not known any more
  }
  return saturating_add(clock_ms, -(lag_ms + policy.allowed_delay_ms));
}

}  // namespace

// ---- The view ------------------------------------------------------------------------------------------------------

Result<BarView> BarView::open(Query& query, StoredPolicies& policies, const BarViewOptions& options) {
  FINPIPE_TRY_ASSIGN(reader, BarReader::open(query));
  return BarView(query, policies, options, std::move(reader));
}

// As of a past moment what was filled since does not count: which gaps were known then, nobody can tell any more.
Result<const TrustBook*> BarView::trust_of(const Checkpoint& checkpoint) {
  const auto [known, is_new] = trust_.try_emplace(checkpoint.partition);
  TrustBook& book = known->second;
  if (!is_new) return &book;
  if (!spans_) {
    FINPIPE_TRY_ASSIGN(spans, query_->spans());
    spans_ = std::move(spans);
  }
  for (const SpanRow& span : *spans_) {
    if (span.partition != checkpoint.partition || (options_.as_of_ms && span.kind == SpanRow::Kind::kFilled)) continue;
    book.add(trust_span(span));
  }
  book.restore(checkpoint.engine.trust);
  return &book;
}

Result<BarSeries> BarView::read(const Range& range) {
  static const MarketPolicy kAnyMarket;  // stored bars as they are need no calendar
  static const std::map<std::string, std::string> kNoPolicies;
  const bool spans = range.interval.count > 1 || options_.regular_hours || options_.fill;
  BarSeries::Market market;
  market.policy = &kAnyMarket;
  const Checkpoint* checkpoint = reader_.checkpoint_of(range.symbol);
  if (spans || options_.splits != nullptr) {
    FINPIPE_TRY_ASSIGN(policy, policies_->policy_for(range.symbol, checkpoint ? checkpoint->policies : kNoPolicies));
    market.policy = policy;
  }
  if (spans && checkpoint != nullptr) {
    market.over_before_ms = over_before_ms(*checkpoint, *market.policy, options_.as_of_ms);
    FINPIPE_TRY_ASSIGN(trust, trust_of(*checkpoint));
    market.trust = trust;
  }
  if (options_.splits != nullptr) market.splits = &options_.splits->of(range.symbol);
  if (options_.as_of_ms) market.as_of_ns = to_ns(*options_.as_of_ms);
  return BarSeries(reader_, range, options_, market);
}

// ---- Stored bars ---------------------------------------------------------------------------------------------------

BarSeries::BarSeries(const BarReader& reader, const BarView::Range& range, const BarViewOptions& options,
                     const Market& market)
    : reader_(&reader),
      symbol_(range.symbol),
      options_(options),
      market_(market),
      windows_(range.interval, options.regular_hours, market.policy->calendar),
      from_ms_(range.from_ms),
      to_ms_(range.to_ms) {
  if (options.as_of_ms) to_ms_ = std::min(to_ms_, saturating_add(*options.as_of_ms, kNotClosedAfterMs));
  if (range.after_ms) at_ms_ = std::clamp(*range.after_ms, -kMaxTimeMs, kMaxTimeMs);
  std::int64_t from_ms = from_ms_, to_ms = to_ms_;
  if (at_ms_ && range.order == Order::kAscending) from_ms = std::max(from_ms, *at_ms_ + 1);
  if (at_ms_ && range.order == Order::kDescending) to_ms = std::min(to_ms, *at_ms_);
  reading_ = reading(from_ms, to_ms, range.order);
}

BarSeries::Reading BarSeries::reading(std::int64_t from_ms, std::int64_t to_ms, Order order) const {
  return {.order = order,
          .from_ms = from_ms,
          .to_ms = to_ms,
          .rest = {symbol_, windows_.part(), from_ms, saturating_add(to_ms, windows_.length_ms())}};
}

// The next stored bar; null: there is none.
Result<const BarRow*> BarSeries::peek(Reading& reading) {
  if (reading.batch.empty() && !reading.exhausted) {
    reading.rest.symbol = symbol_;  // this may have been moved
    const auto keep = [&](const BarRow& row) {
      reading.batch.push_back(row);
      return reading.batch.size() < kBatch;
    };
    if (market_.as_of_ns) {
      FINPIPE_TRY(reader_->bars_as_of(reading.rest, *market_.as_of_ns, keep, reading.order));
    } else {
      FINPIPE_TRY(reader_->bars(reading.rest, keep, reading.order));
    }
    bars_read_ += static_cast<std::int64_t>(reading.batch.size());
    reading.exhausted = reading.batch.size() < kBatch;
    if (!reading.exhausted && reading.order == Order::kAscending)
      reading.rest.from_ms = reading.batch.back().key.start_ms + 1;
    if (!reading.exhausted && reading.order == Order::kDescending)
      reading.rest.to_ms = reading.batch.back().key.start_ms;
  }
  return reading.batch.empty() ? nullptr : &reading.batch.front();
}

// ---- Rolling up ----------------------------------------------------------------------------------------------------

Result<std::optional<ViewedBar>> BarSeries::next_rolled(Reading& reading) {
  const bool ascending = reading.order == Order::kAscending;
  for (;;) {
    FINPIPE_TRY_ASSIGN(part, peek(reading));
    if (part == nullptr) return std::nullopt;
    const auto window = windows_.holding(part->key.start_ms);
    if (window && reading.from_ms <= window->start_ms && window->start_ms < reading.to_ms) {
      FINPIPE_TRY_ASSIGN(bar, roll_up(reading, *window));
      return std::optional(std::move(bar));
    }
    const bool passed = window && (ascending ? window->start_ms >= reading.to_ms : window->start_ms < reading.from_ms);
    if (passed) return std::nullopt;
    reading.batch.pop_front();
  }
}

// Takes all parts of the window that the next stored bar lies in.
Result<ViewedBar> BarSeries::roll_up(Reading& reading, const BarWindows::Window& window) {
  ViewedBar bar;
  bar.row.key = {symbol_, windows_.part(), window.start_ms};
  Bar& sum = bar.row.bar;
  bool any = false, any_open = false, any_revised = false, ended = false;
  std::int64_t newest_part_ms = 0;
  for (;;) {
    FINPIPE_TRY_ASSIGN(next, peek(reading));
    if (next == nullptr) break;
    const auto of = windows_.holding(next->key.start_ms);
    if (!of || of->start_ms != window.start_ms) break;
    BarRow part = std::move(reading.batch.front());
    reading.batch.pop_front();
    if (market_.splits != nullptr) {
      FINPIPE_TRY_ASSIGN(adjusted, market_.splits->adjust(part.bar, windows_.trading_date_ms(part.key.start_ms)));
      bar.marks.adjusted = bar.marks.adjusted || adjusted;
    }
    const TimeSpan span = windows_.part_span(part.key.start_ms);
    if (span == window.span) {
      sum = part.bar;
      if (market_.splits != nullptr) market_.splits->round_sums(sum);
      return bar;
    }
    if (!merge_values(sum, part.bar)) return fail(ErrorCode::kSumOverflow, symbol_);
    const bool is_open = part.bar.state == BarState::kProvisional;
    any_open = any_open || is_open;
    any_revised = any_revised || part.bar.state == BarState::kRevised;
    ended = ended || (span.to_ms == window.span.to_ms && !is_open);
    sum.revision += part.bar.revision;
    sum.version += part.bar.version;
    sum.generation = std::max(sum.generation, part.bar.generation);
    sum.partial = sum.partial || part.bar.partial;
    sum.missing_ms += part.bar.missing_ms;
    if (market_.trust != nullptr)
      sum.missing_ms -= market_.trust->missing_ms(symbol_, span, market_.policy->calendar, !is_open);
    if (!any || part.key.start_ms > newest_part_ms) sum.policy = part.bar.policy, newest_part_ms = part.key.start_ms;
    any = true;
  }
  conclude(bar, window, any_open, any_revised, ended);
  return bar;
}

// What follows for the whole window. `missing_ms` holds what the parts say beyond what is known of their windows.
void BarSeries::conclude(ViewedBar& bar, const BarWindows::Window& window, bool any_open, bool any_revised,
                         bool ended) const {
  Bar& sum = bar.row.bar;
  const bool over = !any_open && (ended || window.span.to_ms <= market_.over_before_ms);
  if (over) sum.state = any_revised ? BarState::kRevised : BarState::kFinal;
  if (market_.trust != nullptr) {
    const std::int64_t missing_ms = market_.trust->missing_ms(symbol_, window.span, market_.policy->calendar, over);
    sum.missing_ms = std::max<std::int64_t>(0, sum.missing_ms + missing_ms);
    sum.partial = sum.partial || market_.trust->partial(symbol_, window.span);
  }
  if (market_.splits != nullptr) market_.splits->round_sums(sum);
}

// ---- Filling -------------------------------------------------------------------------------------------------------

Result<std::optional<ViewedBar>> BarSeries::next() {
  if (!options_.fill) return next_rolled(reading_);
  if (!std::exchange(started_, true) && at_ms_) FINPIPE_TRY(find_neighbours());
  auto bar = reading_.order == Order::kAscending ? next_filled() : next_filled_back();
  if (bar && *bar) at_ms_ = (*bar)->row.key.start_ms;
  return bar;
}

// A page begins in the middle: finds the bar that the holes before its first one are filled from.
Result<void> BarSeries::find_neighbours() {
  const bool ascending = reading_.order == Order::kAscending;
  Reading before = ascending ? reading(from_ms_, std::min(to_ms_, *at_ms_ + 1), Order::kDescending)
                             : reading(std::max(from_ms_, *at_ms_), to_ms_, Order::kAscending);
  for (;;) {
    FINPIPE_TRY_ASSIGN(bar, next_rolled(before));
    if (!bar) return {};
    const Bar& values = bar->row.bar;
    if (!told_) told_ = Neighbour{values.state, std::nullopt, false};
    if (!ascending) return {};
    told_->close_e9 = values.close_e9();
    told_->adjusted = bar->marks.adjusted;
    if (told_->close_e9) return {};
  }
}

Result<std::optional<ViewedBar>> BarSeries::next_filled() {
  if (ahead_.empty()) {
    FINPIPE_TRY_ASSIGN(bar, next_rolled(reading_));
    if (!bar) return std::nullopt;
    ahead_.push_back(*std::move(bar));
  }
  const Bar& values = ahead_.front().row.bar;
  if (told_) {
    const auto hole = windows_.next_open(*at_ms_, ahead_.front().row.key.start_ms);
    if (hole) return std::optional(filled(*hole, *told_, values.state));
  }
  Neighbour next{values.state, values.close_e9(), ahead_.front().marks.adjusted};
  if (!next.close_e9 && told_) next.close_e9 = told_->close_e9, next.adjusted = told_->adjusted;
  told_ = next;
  std::optional<ViewedBar> bar = std::move(ahead_.front());
  ahead_.pop_front();
  return bar;
}

Result<std::optional<ViewedBar>> BarSeries::next_filled_back() {
  if (ahead_.empty()) {
    FINPIPE_TRY_ASSIGN(bar, next_rolled(reading_));
    if (!bar) return std::nullopt;
    ahead_.push_back(*std::move(bar));
  }
  const ViewedBar& below = ahead_.front();
  const auto hole = told_ ? windows_.previous_open(*at_ms_, below.row.key.start_ms) : std::nullopt;
  if (!hole) {
    told_ = Neighbour{below.row.bar.state, std::nullopt, false};
    std::optional<ViewedBar> bar = std::move(ahead_.front());
    ahead_.pop_front();
    return bar;
  }
  // The close before the hole, of the newest bar that has one.
  Neighbour before{below.row.bar.state, std::nullopt, false};
  for (std::size_t i = 0; !before.close_e9; ++i) {
    if (i == ahead_.size()) {
      FINPIPE_TRY_ASSIGN(bar, next_rolled(reading_));
      if (!bar) break;
      ahead_.push_back(*std::move(bar));
    }
    before.close_e9 = ahead_[i].row.bar.close_e9();
    before.adjusted = ahead_[i].marks.adjusted;
  }
  return std::optional(filled(*hole, before, told_->state));
}

ViewedBar BarSeries::filled(const BarWindows::Window& window, const Neighbour& before, BarState after) const {
  ViewedBar bar;
  bar.row.key = {symbol_, windows_.part(), window.start_ms};
  bar.marks = {.filled = true, .adjusted = before.adjusted && before.close_e9.has_value()};
  Bar& values = bar.row.bar;
  if (before.close_e9) {
    values.first = values.last = {window.span.from_ms, 1, *before.close_e9};
    values.high_e9 = values.low_e9 = *before.close_e9;
    values.has_high_low = true;
  }
  const bool closed = before.state != BarState::kProvisional && after != BarState::kProvisional;
  values.state = closed ? BarState::kFinal : BarState::kProvisional;
  if (market_.trust != nullptr) {
    values.missing_ms = market_.trust->missing_ms(symbol_, window.span, market_.policy->calendar, closed);
    values.partial = market_.trust->partial(symbol_, window.span);
  }
  return bar;
}

}  // namespace finpipe
