#include "bars/tests/desk.h"

#include <algorithm>

namespace finpipe {

MarketPolicy crypto_policy(std::int64_t allowed_delay_ms) {
  MarketPolicy policy;
  policy.market = "crypto";
  policy.prefixes = {"BINANCE:"};
  policy.allowed_delay_ms = allowed_delay_ms;
  return policy;
}

MarketPolicy stock_policy() {
  MarketPolicy policy;
  policy.market = "us_equities";
  policy.us_tickers = true;
  policy.allowed_delay_ms = 5'000;
  policy.has_rules = true;
  policy.rules[1] = {.effect = {}, .known = true, .name = "plain"};
  policy.rules[2] = {.effect = {.last = LastRule::kFirst}, .known = true, .name = "only if first"};
  policy.rules[3] = {.effect = {LastRule::kNo, false, true, false}, .known = true, .name = "volume only"};
  return policy;
}

Desk::Desk(BarEngine::Identity identity) : identity_(identity), engine_(identity) {
  engine_.set_policy(crypto_policy());
  engine_.set_policy(stock_policy());
}

BarEngine::At Desk::at(std::int64_t stamp_ms) { return {offset_++, at_ms(stamp_ms) * kNsPerMs, true}; }

void Desk::provide() {
  std::vector<BarRow> found;
  for (const BarEngine::RowRange& range : engine_.needed()) {
    for (const auto& [key, bar] : rows_) {
      if (key.symbol == engine_.symbol_name(range.symbol) && key.interval == range.interval &&
          key.start_ms >= range.from_ms && key.start_ms <= range.to_ms) {
        found.push_back({key, bar});
      }
    }
  }
  asked_ += engine_.needed().size();
  engine_.provide(found);
}

void Desk::trade(std::string_view symbol, std::int64_t event_ms, std::int64_t received_ms, Print print) {
  Trade trade;
  trade.symbol = symbol;
  trade.event_time_ms = at_ms(event_ms);
  trade.price_e9 = print.price * 1'000'000'000;
  trade.volume_e8 = print.volume * 100'000'000;
  if (!print.codes.empty()) trade.conditions = {Conditions::Form::kList, print.codes};
  trade.received_at_ns = at_ms(received_ms) * kNsPerMs;
  trade.seq = trade.received_at_ns + offset_;
  trade.session = 1;
  trade.writer = print.writer;
  trade.suspect = print.suspect;
  const SymbolId id = engine_.symbol(symbol);
  asked_ = 0;
  while (engine_.apply_trade(id, trade, offset_) == BarEngine::Apply::kNeedsRows) provide();
  ++offset_;
}

void Desk::heartbeat(std::int64_t stamp_ms, std::vector<std::pair<std::string, std::int64_t>> lags) {
  engine_.apply_lags(at(stamp_ms), lags);
}

void Desk::session(std::int64_t stamp_ms, std::optional<std::int64_t> silent_since_ms, bool is_new) {
  if (silent_since_ms) silent_since_ms = at_ms(*silent_since_ms);
  engine_.apply_session(at(stamp_ms), is_new, silent_since_ms);
}

void Desk::subscribed(std::int64_t stamp_ms, std::vector<std::string> symbols) {
  for (TrustSpan& absence : engine_.apply_subscribed(at(stamp_ms), symbols)) spans_.push_back(std::move(absence));
}

void Desk::unsubscribed(std::int64_t stamp_ms, std::vector<std::string> symbols) {
  engine_.apply_unsubscribed(at(stamp_ms), symbols);
}

void Desk::silence(std::int64_t stamp_ms, std::int64_t since_ms) {
  engine_.apply_silence(at(stamp_ms), at_ms(since_ms));
}

void Desk::spans(std::int64_t stamp_ms, TrustSpan span) {
  const BarEngine::At record = at(stamp_ms);
  asked_ = 0;
  while (engine_.apply_spans(record, {&span, 1}) == BarEngine::Apply::kNeedsRows) provide();
  spans_.push_back(std::move(span));
}

void Desk::gap(std::int64_t stamp_ms, std::int64_t from_ms, std::int64_t to_ms, std::string symbol) {
  spans(stamp_ms, {TrustSpan::Kind::kGap, std::move(symbol), {at_ms(from_ms), at_ms(to_ms)}});
}

void Desk::filled(std::int64_t stamp_ms, std::string symbol, std::int64_t from_ms, std::int64_t to_ms) {
  spans(stamp_ms, {TrustSpan::Kind::kFilled, std::move(symbol), {at_ms(from_ms), at_ms(to_ms)}});
}

void Desk::policy(std::int64_t stamp_ms, MarketPolicy policy) { engine_.apply_policy(at(stamp_ms), std::move(policy)); }

void Desk::end(std::int64_t stamp_ms) { engine_.apply_end(at(stamp_ms)); }

void Desk::commit() {
  BlockList<BarRow> rows;
  engine_.take(++commits_, rows, revisions_);
  for (const BarRow& row : rows) rows_[row.key] = row.bar;
  checkpoint_ = engine_.state();
  engine_.acknowledge(commits_);
}

void Desk::restart(bool load) {
  BarEngine next(identity_);
  for (const MarketPolicy& policy : engine_.policies().all()) next.set_policy(policy);
  for (SymbolId id = 0; id < engine_.symbol_count(); ++id) (void)next.symbol(engine_.symbol_name(id));
  next.restore(checkpoint_, spans_);
  engine_ = std::move(next);
  if (!load) return;
  for (const auto& [key, bar] : rows_) {
    const bool listed = std::ranges::find(checkpoint_.unclosed, key) != checkpoint_.unclosed.end();
    const auto ranges = engine_.restore_ranges(engine_.symbol(key.symbol));
    const bool may_be_open = std::ranges::any_of(ranges, [&](const BarEngine::RowRange& range) {
      return range.interval == key.interval && key.start_ms >= range.from_ms && key.start_ms <= range.to_ms;
    });
    if (listed || may_be_open) engine_.admit({key, bar});
  }
}

std::optional<Bar> Desk::bar(std::string_view symbol, Interval interval, std::int64_t start_ms) {
  commit();
  const auto found = rows_.find({std::string(symbol), interval, at_ms(start_ms)});
  return found == rows_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<Bar> Desk::revisions(std::string_view symbol, Interval interval, std::int64_t start_ms) {
  commit();
  std::vector<Bar> bars;
  for (const BarRow& row : revisions_) {
    if (row.key == BarKey{std::string(symbol), interval, at_ms(start_ms)}) bars.push_back(row.bar);
  }
  return bars;
}

Desk quiet_desk() {
  Desk desk;
  desk.session(0);
  desk.subscribed(0);
  desk.heartbeat(0, {{"crypto", 0}, {"us_equities", 0}});
  return desk;
}

}  // namespace finpipe
