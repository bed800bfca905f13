#include "naive_model.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <variant>

#include "base/hash.h"
#include "base/time.h"
#include "codec/policy_file.h"
#include "codec/records.h"
#include "market/market_policy.h"

namespace finpipe::simulation {
namespace {

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kEver = std::numeric_limits<std::int64_t>::min();

// Parsing a policy compiles its calendar: each text once in a program's life.
Result<MarketPolicy> parsed_policy(std::string_view text, std::string_view market) {
  static thread_local std::map<std::string, Result<MarketPolicy>, std::less<>> known;
  auto found = known.find(text);
  if (found == known.end()) found = known.emplace(text, parse_policy(std::string(text), market)).first;
  return found->second;
}

bool overlap(TimeSpan a, TimeSpan b) { return a.from_ms < b.to_ms && b.from_ms < a.to_ms; }

// ---- Interruptions -------------------------------------------------------------------------------------------------

struct NamedSpan {
  std::string symbol;  // empty: every symbol
  TimeSpan span;

  [[nodiscard]] bool concerns(const std::string& name) const { return symbol.empty() || symbol == name; }
  [[nodiscard]] bool holds(std::int64_t time_ms) const { return time_ms >= span.from_ms && time_ms < span.to_ms; }
};

struct Interruptions {
  std::vector<NamedSpan> gaps, filled, absences;
  std::map<std::string, std::int64_t> absent_since = {{"", kEver}};
  std::optional<std::int64_t> silent_since_ms;

  // Every moment inside `window` at which one of the facts may change, and its ends.
  [[nodiscard]] std::vector<std::int64_t> moments(TimeSpan window) const {
    std::vector<std::int64_t> times = {window.from_ms, window.to_ms};
    for (const auto* spans : {&gaps, &filled, &absences}) {
      for (const NamedSpan& each : *spans) times.push_back(each.span.from_ms), times.push_back(each.span.to_ms);
    }
    for (const auto& [symbol, since_ms] : absent_since) times.push_back(since_ms);
    if (silent_since_ms) times.push_back(*silent_since_ms);
    std::erase_if(times, [&](std::int64_t time) { return time < window.from_ms || time > window.to_ms; });
    std::ranges::sort(times);
    times.erase(std::ranges::unique(times).begin(), times.end());
    return times;
  }

  [[nodiscard]] std::int64_t missing_ms(const std::string& symbol, TimeSpan window, const Calendar& calendar,
                                        bool with_silence) const {
    std::int64_t total = 0;
    const std::vector<std::int64_t> times = moments(window);
    for (std::size_t i = 0; i + 1 < times.size(); ++i) {
      const auto covers = [&](const NamedSpan& each) { return each.concerns(symbol) && each.holds(times[i]); };
      const bool silent = with_silence && silent_since_ms && *silent_since_ms <= times[i];
      const bool missing = silent || std::ranges::any_of(gaps, covers);
      if (missing && std::ranges::none_of(filled, covers)) total += calendar.session_ms({times[i], times[i + 1]});
    }
    return total;
  }

  [[nodiscard]] bool known(const std::string& name) const {
    return absent_since.contains(name) || std::ranges::count(absences, name, &NamedSpan::symbol) > 0;
  }
  [[nodiscard]] bool absent(const std::string& name, std::int64_t at_ms) const {
    if (!known(name)) return true;
    const auto since = absent_since.find(name);
    if (since != absent_since.end() && since->second <= at_ms) return true;
    return std::ranges::any_of(absences,
                               [&](const NamedSpan& each) { return each.symbol == name && each.holds(at_ms); });
  }
  [[nodiscard]] bool partial(const std::string& symbol, TimeSpan window) const {
    const std::vector<std::int64_t> times = moments(window);
    return std::ranges::any_of(
        times, [&](std::int64_t time) { return time < window.to_ms && absent("", time) && absent(symbol, time); });
  }
};

// ---- The model -----------------------------------------------------------------------------------------------------

struct CountedTrade {
  Effect effect;
  PricePoint point;
  std::int64_t volume_e8;
  bool backfill;
};

struct Window {
  TimeSpan span;
  std::vector<CountedTrade> counted;
  Bar bar;  // all but what comes from the list
};

Bar content_of(const Window& window) {
  Bar bar = window.bar;
  for (const CountedTrade& trade : window.counted) {
    if (trade.effect.volume) bar.volume_e8 += trade.volume_e8, ++bar.trades;
    if (trade.effect.vwap) {
      bar.vwap_volume_e8 += trade.volume_e8;
      bar.notional_e17 += static_cast<int128>(trade.point.price_e9) * trade.volume_e8;
    }
    if (trade.backfill) bar.backfilled = true;
  }
  std::vector<std::int64_t> prices;
  std::vector<PricePoint> full, alone;
  for (const CountedTrade& trade : window.counted) {
    if (trade.effect.high_low) prices.push_back(trade.point.price_e9);
    if (trade.effect.last == LastRule::kYes) full.push_back(trade.point);
    if (trade.effect.last == LastRule::kFirst) alone.push_back(trade.point);
  }
  const auto order = [](const PricePoint& point) { return std::pair(point.event_time_ms, point.seq); };
  std::ranges::sort(full, {}, order);
  std::ranges::sort(alone, {}, order);
  if (!full.empty()) bar.first = full.front(), bar.last = full.back();
  if (!alone.empty()) bar.first_if_alone = alone.front(), bar.last_if_alone = alone.back();
  bar.has_high_low = !prices.empty();
  if (bar.has_high_low) bar.high_e9 = std::ranges::max(prices), bar.low_e9 = std::ranges::min(prices);
  return bar;
}

class NaivePartition {
 public:
  NaivePartition(const History& history, std::int32_t partition, const Generation& generation)
      : history_(history), partition_(partition), generation_(generation) {
    for (const auto& [market, text] : generation.policies) {
      const MarketPolicy policy = parsed_policy(text, market).value();
      policy_hashes_[market] = policy.hash;
      policies_.put(policy);
    }
  }

  NaiveResult run() {
    result_.generation = generation_.number;
    for (const HistoryRecord& record : history_.records) {
      if (record.partition != partition_) continue;
      offset_ = result_.end++;
      if (record.type == RecordType::kTrade) {
        trade_record(record);
      } else {
        control_record(record);
      }
    }
    for (const auto& [key, window] : windows_) result_.bars.emplace(key, content_of(window));
    return std::move(result_);
  }

 private:
  struct WriterSeen {
    std::int64_t session = 0, seq = 0;
  };
  [[nodiscard]] WriterSeen& seen(Writer writer) { return seen_[writer]; }

  // ---- Trades ------------------------------------------------------------------------------------------------------

  void refuse_trade(ErrorCode reason, Writer writer, std::int64_t session) {
    LedgerRow& row = result_.ledger[{writer, session}];
    ++row.in_log, ++row.dead_lettered_after;
    result_.dead_letters[offset_] = reason;
  }

  static bool too_far_ahead(const Trade& trade) {
    const std::int64_t ahead_ms = trade.event_time_ms - floor_div(trade.received_at_ns, kNsPerMs);
    return trade.writer == Writer::kLive && ahead_ms > 70 * kMsPerMinute;
  }

  void trade_record(const HistoryRecord& record) {
    TradeDecoder decoder;
    Trade trade;
    const auto decoded = decoder.decode(record.value, trade);
    if (!decoded) return refuse_trade(decoded.error().code, Writer::kLive, seen(Writer::kLive).session);
    std::optional<ErrorCode> refused;
    WriterSeen& writer = seen(trade.writer);
    if (record.key != trade.symbol) {
      refused = ErrorCode::kKeyMismatch;
    } else if (partition_of(trade.symbol, history_.partitions) != partition_) {
      refused = ErrorCode::kWrongPartition;
    } else if (trade.event_time_ms < kYear2000Ms) {
      refused = ErrorCode::kTimeTooOld;
    } else if (trade.event_time_ms >= kLatestEventMs || too_far_ahead(trade)) {
      refused = ErrorCode::kTimeInFuture;
    } else if (trade.session < writer.session) {
      refused = ErrorCode::kOldSession;
    }
    if (refused) return refuse_trade(*refused, trade.writer, trade.session);
    writer.session = trade.session;
    LedgerRow& row = result_.ledger[{trade.writer, trade.session}];
    ++row.in_log;
    if (trade.seq <= writer.seq) {
      ++row.skipped;
      return;
    }
    writer.seq = trade.seq;
    ++row.stored;
    store(trade);
    count(trade);
  }

  void store(const Trade& trade) {
    result_.symbols.emplace(trade.symbol);
    result_.ticks[{std::string(trade.symbol), trade.event_time_ms, trade.seq}] = {trade.price_e9,
                                                                                  trade.volume_e8,
                                                                                  trade.received_at_ns,
                                                                                  trade.session,
                                                                                  offset_,
                                                                                  trade.conditions.form,
                                                                                  std::string(trade.conditions.codes),
                                                                                  trade.writer,
                                                                                  trade.suspect};
  }

  void count(const Trade& trade) {
    if (trade.writer == Writer::kLive) move_clock(trade.received_at_ns);
    const bool backfill = trade.writer == Writer::kBackfill;
    const RevisionReason reason = backfill ? RevisionReason::kBackfill : RevisionReason::kLate;
    const std::string symbol(trade.symbol);
    const MarketPolicy& policy = policies_.policy_for(symbol);
    const MarketPolicy::TradeEffect effects = policy.effect_of(trade);
    for (const Interval interval : kIntervals) {
      Effect effect = interval == Interval::k1d ? effects.daily : effects.intraday;
      if (trade.suspect != Suspect::kNone) effect = kNoEffect;
      const MarketPolicy::Window place = policy.window_of(interval, trade.event_time_ms);
      const auto [at, opened] = windows_.try_emplace(BarKey{symbol, interval, place.start_ms});
      Window& window = at->second;
      if (opened) open(symbol, window, place.span, reason);
      Bar& bar = window.bar;
      if (effect == kNoEffect) {
        ++bar.excluded;
      } else {
        window.counted.push_back({effect, {trade.event_time_ms, trade.seq, trade.price_e9}, trade.volume_e8, backfill});
        if (bar.state != BarState::kProvisional) gather(symbol, bar, reason);
      }
      bar.policy = policy.id;
      ++bar.version;
      bar.applied_through = offset_;
    }
  }

  void open(const std::string& symbol, Window& window, TimeSpan span, RevisionReason reason) {
    window.span = span;
    window.bar.log_id = history_.log_id;
    window.bar.generation = generation_.number;
    const bool late = closes(window, close_after_ms(symbol));
    window.bar.missing_ms = interruptions_.missing_ms(symbol, span, policies_.policy_for(symbol).calendar, late);
    window.bar.partial = interruptions_.partial(symbol, span);
    if (!late) return;
    window.bar.state = BarState::kRevised;
    gather(symbol, window.bar, reason);
  }

  // ---- Clock and closing -------------------------------------------------------------------------------------------

  // So long after its end a window of the symbol closes.
  [[nodiscard]] std::int64_t close_after_ms(const std::string& symbol) const {
    const MarketPolicy& policy = policies_.policy_for(symbol);
    const auto lag = lags_ms_.find(policy.market);
    return (lag == lags_ms_.end() ? kMsPerHour : lag->second) + policy.allowed_delay_ms;
  }
  [[nodiscard]] bool closes(const Window& window, std::int64_t after_ms) const {
    return clock_ns_ >= (window.span.to_ms + after_ms) * kNsPerMs;
  }

  void gather(const std::string& symbol, Bar& bar, RevisionReason reason) {
    if (reason == RevisionReason::kVoid) bar.pending_reason = reason;
    if (bar.pending_deadline_ns != kNoDeadline) return;
    bar.pending_reason = reason;
    bar.pending_deadline_ns =
        std::max<std::int64_t>(clock_ns_, 0) + policies_.policy_for(symbol).allowed_delay_ms * kNsPerMs;
  }

  void transition(Bar& bar) {
    ++bar.version;
    bar.applied_through = std::max(bar.applied_through, offset_ - 1);
  }

  void keep_revision(const BarKey& key, const Window& window) {
    result_.revisions[{key, window.bar.revision}] = content_of(window);
  }

  void close_revision(const BarKey& key, Window& window) {
    Bar& bar = window.bar;
    bar.state = BarState::kRevised;
    ++bar.revision;
    bar.reason = bar.pending_reason;
    bar.pending_reason = RevisionReason::kNone;
    bar.pending_deadline_ns = kNoDeadline;
    bar.closed_at_ns = clock_ns_;
    transition(bar);
    keep_revision(key, window);
  }

  void judge() {
    std::string symbol;
    std::int64_t after_ms = 0;
    for (auto& [key, window] : windows_) {
      if (key.symbol != symbol) symbol = key.symbol, after_ms = close_after_ms(symbol);
      Bar& bar = window.bar;
      if (bar.state == BarState::kProvisional) {
        if (!closes(window, after_ms)) continue;
        bar.state = BarState::kFinal;
        bar.closed_at_ns = clock_ns_;
        bar.missing_ms =
            interruptions_.missing_ms(key.symbol, window.span, policies_.policy_for(key.symbol).calendar, true);
        transition(bar);
        keep_revision(key, window);
      } else if (clock_ns_ >= bar.pending_deadline_ns) {
        close_revision(key, window);
      }
    }
  }

  void move_clock(std::int64_t stamp_ns) {
    clock_ns_ = std::max(clock_ns_, stamp_ns);
    judge();
  }

  // ---- Control records ---------------------------------------------------------------------------------------------

  void control_record(const HistoryRecord& record) {
    const auto control = decode_control(record.value);
    if (!control) {
      result_.dead_letters[offset_] = control.error().code;
      return;
    }
    WriterSeen& writer = seen(static_cast<Writer>(control->writer));
    if (control->session < writer.session) {
      result_.dead_letters[offset_] = ErrorCode::kOldSession;
      return;
    }
    new_session_ = control->session > writer.session;
    writer.session = control->session;
    control_ = &*control;
    std::visit([this](const auto& body) { apply(body); }, control->body);
  }

  [[nodiscard]] bool live() const { return control_->writer == avro::Writer::kLive; }
  [[nodiscard]] LedgerRow& account() {
    return result_.ledger[{static_cast<Writer>(control_->writer), control_->session}];
  }
  void advance() {
    if (live()) move_clock(control_->stamp);
  }
  [[nodiscard]] std::int64_t stamp_ms() const { return floor_div(control_->stamp, kNsPerMs); }

  static std::vector<std::string> names_of(const std::optional<std::vector<std::string_view>>& symbols) {
    if (!symbols) return {""};
    return {symbols->begin(), symbols->end()};
  }

  void be_silent(std::int64_t since_ms) {
    std::optional<std::int64_t>& silent = interruptions_.silent_since_ms;
    silent = std::min(silent.value_or(since_ms), since_ms);
  }

  void apply(const avro::SessionStarted& body) {
    (void)account();
    if (new_session_ && body.silent_since) be_silent(*body.silent_since);
    if (new_session_ && live()) clock_ns_ = std::min(clock_ns_, control_->stamp);
    advance();
  }

  void apply(const avro::PolicyInForce& body) {
    const std::string market(body.market);
    if (policy_hashes_.contains(market) && policy_hashes_[market] == body.hash) return advance();
    if (offset_ < generation_.policies_from) return advance();
    const Result<MarketPolicy> policy = parsed_policy(body.text, market);
    if (!policy || policy->hash != body.hash) {
      result_.dead_letters[offset_] = ErrorCode::kBadPolicy;
      return;
    }
    advance();
    policy_hashes_[market] = policy->hash;
    policies_.put(*policy);
    judge();
  }

  void keep_span(SpanRow::Kind kind, const std::string& symbol, TimeSpan span, std::string_view reason) {
    const auto index = static_cast<std::int32_t>(std::ranges::count(result_.spans, offset_, &SpanRow::offset));
    result_.spans.push_back(
        {partition_, offset_, index, kind, symbol, span.from_ms, span.to_ms, std::string(reason), history_.log_id});
  }

  void apply(const avro::Subscribed& body) {
    advance();
    for (const std::string& name : names_of(body.symbols)) {
      if (!interruptions_.known(name)) interruptions_.absent_since[name] = kEver;
      const auto since = interruptions_.absent_since.find(name);
      if (since == interruptions_.absent_since.end()) continue;
      const TimeSpan absence{since->second, stamp_ms()};
      interruptions_.absent_since.erase(since);
      if (absence.from_ms < absence.to_ms) interruptions_.absences.push_back({name, absence});
      keep_span(SpanRow::Kind::kUnsubscribed, name, absence, "");
    }
  }

  void apply(const avro::Unsubscribed& body) {
    advance();
    const std::vector<std::string> names = names_of(body.symbols);
    for (const std::string& name : names) {
      if (interruptions_.known(name)) interruptions_.absent_since.emplace(name, stamp_ms());
    }
    for (const std::string& name : names) partial_again({name, {stamp_ms(), kForever}});
  }

  void apply(const avro::FeedState& body) {
    if (body.state != avro::ConnectionState::kConnected) be_silent(body.since);
    advance();
  }

  void apply(const avro::Gap& body) {
    std::vector<NamedSpan> spans;
    for (const std::string& name : names_of(body.symbols)) spans.push_back({name, {body.from, body.to}});
    for (NamedSpan& each : spans) {
      keep_span(SpanRow::Kind::kGap, each.symbol, each.span, body.reason);
      interruptions_.gaps.push_back(each);
      if (!each.symbol.empty() || !interruptions_.silent_since_ms) continue;
      // All that was taken for silent since then is known exactly now.
      each.span = {std::min(each.span.from_ms, *interruptions_.silent_since_ms), kForever};
      interruptions_.silent_since_ms.reset();
    }
    for (const NamedSpan& each : spans) missing_again(each);
    advance();
  }

  void apply(const avro::Filled& body) {
    const NamedSpan filled{std::string(body.symbol), {body.from, body.to}};
    keep_span(SpanRow::Kind::kFilled, filled.symbol, filled.span, "");
    interruptions_.filled.push_back(filled);
    missing_again(filled);
    advance();
  }

  // What is known of subscriptions has changed for the open windows that overlap `where`.
  void partial_again(const NamedSpan& where) {
    for (auto& [key, window] : windows_) {
      if (!where.concerns(key.symbol) || !overlap(window.span, where.span)) continue;
      Bar& bar = window.bar;
      if (bar.state != BarState::kProvisional || bar.partial) continue;
      bar.partial = interruptions_.partial(key.symbol, window.span);
      if (bar.partial) transition(bar);
    }
  }

  // What is known of gaps has changed for the windows that overlap `where`.
  void missing_again(const NamedSpan& where) {
    for (auto& [key, window] : windows_) {
      if (!where.concerns(key.symbol) || !overlap(window.span, where.span)) continue;
      Bar& bar = window.bar;
      const bool closed = bar.state != BarState::kProvisional;
      const std::int64_t missing_ms =
          interruptions_.missing_ms(key.symbol, window.span, policies_.policy_for(key.symbol).calendar, closed);
      if (missing_ms == bar.missing_ms) continue;
      bar.missing_ms = missing_ms;
      transition(bar);
      if (closed) gather(key.symbol, bar, RevisionReason::kGap);
    }
  }

  void apply(const avro::Heartbeat& body) {
    LedgerRow& row = account();
    row.received = body.counters.received;
    row.already_in_log = body.counters.already_in_log;
    row.appended = body.counters.appended;
    row.dead_lettered_before = body.counters.dead_lettered;
    advance();
    for (const avro::MarketLag& lag : body.lags) {
      lags_ms_[std::string(lag.market)] = std::clamp(lag.lag_ms, -kMsPerHour, kMsPerHour);
    }
    judge();
  }

  void apply(const avro::End&) {
    std::int64_t lag_ms = lags_ms_.empty() ? 0 : kEver;
    for (const auto& [market, lag] : lags_ms_) lag_ms = std::max(lag_ms, lag);
    if (live()) move_clock(control_->stamp + (lag_ms + 10 * kMsPerSecond) * kNsPerMs);
    for (auto& [key, window] : windows_) {
      if (window.bar.pending_deadline_ns != kNoDeadline) close_revision(key, window);
    }
  }

  void apply(const avro::Refused&) { advance(); }

  // ---- Voids -------------------------------------------------------------------------------------------------------

  void apply(const avro::VoidTrade& body) { void_trade(body, VoidRow::Action::kVoid); }
  void apply(const avro::UnvoidTrade& body) { void_trade(body, VoidRow::Action::kUnvoid); }

  template <typename Body>
  void void_trade(const Body& body, VoidRow::Action action) {
    const std::string symbol(body.symbol);
    const TickKey key{symbol, body.event_time, body.seq};
    const bool unvoid = action == VoidRow::Action::kUnvoid;
    if (partition_of(symbol, history_.partitions) != partition_ || voided_.contains(key) != unvoid) return advance();
    if (!result_.ticks.contains(key)) {
      result_.dead_letters[offset_] = ErrorCode::kNoSuchTrade;
      return;
    }
    if (unvoid) {
      voided_.erase(key);
    } else {
      voided_.insert(key);
    }
    result_.voids.push_back({partition_, history_.log_id, offset_, action, symbol, body.event_time, body.seq,
                             std::string(body.reason), control_->stamp});
    for (const Interval interval : kIntervals) count_again(symbol, interval, body.event_time);
    advance();
  }

  // What the bar would be if all that has come until now had come under the policy in force.
  void count_again(const std::string& symbol, Interval interval, std::int64_t event_time_ms) {
    const MarketPolicy& policy = policies_.policy_for(symbol);
    const MarketPolicy::Window place = policy.window_of(interval, event_time_ms);
    const auto at = windows_.find(BarKey{symbol, interval, place.start_ms});
    if (at == windows_.end()) return;
    Window after = at->second;
    after.counted.clear();
    after.bar.excluded = 0;
    after.bar.policy = policy.id;
    const TickKey first{symbol, place.span.from_ms, std::numeric_limits<std::int64_t>::min()};
    for (auto tick = result_.ticks.lower_bound(first); tick != result_.ticks.end(); ++tick) {
      const auto& [name, tick_ms, seq] = tick->first;
      if (name != symbol || tick_ms >= place.span.to_ms) break;
      const NaiveTick& content = tick->second;
      const MarketPolicy::TradeEffect effects = policy.effect_of({.symbol = symbol,
                                                                  .event_time_ms = tick_ms,
                                                                  .price_e9 = content.price_e9,
                                                                  .volume_e8 = content.volume_e8,
                                                                  .conditions = {content.form, content.codes},
                                                                  .received_at_ns = content.received_at_ns,
                                                                  .seq = seq,
                                                                  .session = content.session,
                                                                  .writer = content.writer,
                                                                  .suspect = content.suspect});
      const Effect effect = interval == Interval::k1d ? effects.daily : effects.intraday;
      if (effect == kNoEffect || content.suspect != Suspect::kNone || voided_.contains(tick->first)) {
        ++after.bar.excluded;
      } else {
        after.counted.push_back(
            {effect, {tick_ms, seq, content.price_e9}, content.volume_e8, content.writer == Writer::kBackfill});
      }
    }
    if (content_of(after) == content_of(at->second)) return;
    transition(after.bar);
    if (after.bar.state != BarState::kProvisional) gather(symbol, after.bar, RevisionReason::kVoid);
    at->second = std::move(after);
  }

  const History& history_;
  const std::int32_t partition_;
  const Generation& generation_;
  NaiveResult result_;
  std::set<TickKey> voided_;
  std::int64_t offset_ = 0;
  std::int64_t clock_ns_ = kEver;
  std::map<Writer, WriterSeen> seen_;
  PolicySet policies_;
  std::map<std::string, std::string> policy_hashes_;  // by market
  std::map<std::string, std::int64_t> lags_ms_;
  Interruptions interruptions_;
  std::map<BarKey, Window> windows_;
  bool new_session_ = false;
  const avro::FeedStatus* control_ = nullptr;
};

}  // namespace

NaiveResult run_naive_model(const History& history, std::int32_t partition, const Generation& generation) {
  return NaivePartition(history, partition, generation).run();
}

}  // namespace finpipe::simulation
