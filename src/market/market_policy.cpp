#include "market/market_policy.h"

#include <algorithm>
#include <charconv>

namespace finpipe {
namespace {

TradingDay utc_day(std::int64_t label_ms) {
  const TimeSpan day{label_ms, label_ms + kMsPerDay};
  return {label_ms, day, day, day, 0};
}

std::int64_t utc_midnight(std::int64_t time_ms) { return floor_div(time_ms, kMsPerDay) * kMsPerDay; }

std::int64_t overlap_ms(TimeSpan a, TimeSpan b) {
  return std::max<std::int64_t>(0, std::min(a.to_ms, b.to_ms) - std::max(a.from_ms, b.from_ms));
}

void tighten(Effect& effect, const Effect& rule) {
  effect.last = std::min(effect.last, rule.last);
  effect.high_low = effect.high_low && rule.high_low;
  effect.volume = effect.volume && rule.volume;
  effect.vwap = effect.vwap && rule.vwap;
}

template <typename Visit>
void for_each_code(std::string_view codes, Visit visit) {
  while (!codes.empty()) {
    const std::size_t space = codes.find(' ');
    visit(codes.substr(0, space));
    codes = space == std::string_view::npos ? std::string_view{} : codes.substr(space + 1);
  }
}

// nullptr: the code is unknown.
const ConditionRule* rule_of(const MarketPolicy& policy, std::string_view code) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), number);
  if (error != std::errc{} || end != code.data() + code.size() || number > kMaxConditionCode) return nullptr;
  const ConditionRule& rule = policy.rules[number];
  return rule.known ? &rule : nullptr;
}

bool is_us_ticker(std::string_view symbol) {
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  const std::size_t dot = symbol.find('.');
  const std::string_view root = symbol.substr(0, dot);
  if (root.empty() || root.size() > 5 || !std::ranges::all_of(root, capital)) return false;
  if (dot == std::string_view::npos) return true;
  const std::string_view share_class = symbol.substr(dot + 1);
  return share_class.size() == 1 && capital(share_class.front());
}

}  // namespace

TradingDay Calendar::day_of(std::int64_t time_ms) const {
  const auto table = days();
  if (table.empty() || time_ms < table.front().window.from_ms || time_ms >= table.back().window.to_ms) {
    return utc_day(utc_midnight(time_ms));
  }
  return *(std::ranges::upper_bound(table, time_ms, {}, [](const TradingDay& day) { return day.window.from_ms; }) - 1);
}

TradingDay Calendar::day_labelled(std::int64_t label_ms) const {
  const auto table = days();
  const auto day = std::ranges::lower_bound(table, label_ms, {}, &TradingDay::label_ms);
  if (day == table.end() || day->label_ms != label_ms) return utc_day(label_ms);
  return *day;
}

std::int64_t Calendar::session_ms(TimeSpan span) const {
  if (always_open()) return span.to_ms - span.from_ms;
  std::int64_t total = 0;
  for (std::int64_t at = span.from_ms; at < span.to_ms;) {
    const TradingDay day = day_of(at);
    total += overlap_ms(day.session, span);
    at = std::max(day.window.to_ms, at + 1);
  }
  return total;
}

std::uint64_t policy_id(std::string_view hash) {
  std::uint64_t id = 0;
  const std::string_view digits = hash.substr(0, 16);
  std::from_chars(digits.data(), digits.data() + digits.size(), id, 16);
  return id;
}

MarketPolicy::TradeEffect MarketPolicy::effect_of(const Trade& trade) const {
  TradeEffect result;
  if (has_rules && !trade.conditions.codes.empty()) {
    const TradingDay day = calendar.day_of(trade.event_time_ms);
    const auto inside = [&](TimeSpan span) {
      return trade.event_time_ms >= span.from_ms && trade.event_time_ms < span.to_ms;
    };
    const bool extended = inside(day.session) && !inside(day.regular);
    for_each_code(trade.conditions.codes, [&](std::string_view code) {
      const ConditionRule* const rule = rule_of(*this, code);
      if (rule == nullptr) return;
      Effect effect = rule->effect;
      if (rule->first_after_ms >= 0 && trade.event_time_ms >= day.label_ms - day.utc_offset_ms + rule->first_after_ms) {
        effect.last = std::min(effect.last, LastRule::kFirst);
      }
      tighten(result.daily, effect);
      if (rule->extended_hours && extended) effect = Effect{};
      if (rule->daily_only) effect.last = LastRule::kNo, effect.high_low = false;
      tighten(result.intraday, effect);
    });
  }
  if (trade.volume_e8 == 0 && !zero_volume_moves_price) result.intraday = result.daily = kNoEffect;
  return result;
}

std::vector<std::string_view> MarketPolicy::unknown_codes(const Conditions& conditions) const {
  std::vector<std::string_view> unknown;
  if (!has_rules) return unknown;
  for_each_code(conditions.codes, [&](std::string_view code) {
    if (rule_of(*this, code) == nullptr) unknown.push_back(code);
  });
  return unknown;
}

TimeSpan MarketPolicy::span_of(Interval interval, std::int64_t start_ms) const {
  if (interval == Interval::k1d) return calendar.day_labelled(start_ms).window;
  return {start_ms, start_ms + length_ms(interval)};
}

MarketPolicy::Window MarketPolicy::window_of(Interval interval, std::int64_t time_ms) const {
  if (interval == Interval::k1d) {
    const TradingDay day = calendar.day_of(time_ms);
    return {day.label_ms, day.window};
  }
  const std::int64_t length = length_ms(interval);
  const std::int64_t start = floor_div(time_ms, length) * length;
  return {start, {start, start + length}};
}

void PolicySet::put(MarketPolicy policy) {
  const auto same = std::ranges::find(policies_, policy.market, &MarketPolicy::market);
  if (same != policies_.end()) {
    *same = std::move(policy);
  } else {
    policies_.push_back(std::move(policy));
  }
}

const MarketPolicy* PolicySet::find(std::string_view market) const {
  const auto found = std::ranges::find(policies_, market, &MarketPolicy::market);
  return found == policies_.end() ? nullptr : &*found;
}

const MarketPolicy& PolicySet::policy_for(std::string_view symbol) const {
  static const MarketPolicy kUnclaimed = [] {
    MarketPolicy policy;
    policy.market = kOtherMarket;
    return policy;
  }();
  const MarketPolicy* best = nullptr;
  std::size_t longest = 0;
  for (const MarketPolicy& policy : policies_) {
    for (const std::string& prefix : policy.prefixes) {
      if (prefix.size() > longest && symbol.starts_with(prefix)) best = &policy, longest = prefix.size();
    }
  }
  if (best == nullptr && is_us_ticker(symbol)) {
    const auto tickers = std::ranges::find(policies_, true, &MarketPolicy::us_tickers);
    if (tickers != policies_.end()) best = &*tickers;
  }
  if (best == nullptr) best = find(kOtherMarket);
  return best == nullptr ? kUnclaimed : *best;
}

}  // namespace finpipe
