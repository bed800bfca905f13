// What a market's policy file says, compiled: which trades set which part of a bar, and when the market trades.
// Plain values; codec/policy_file.h reads them from the files in policies/. Times are UTC spans: no time zone here.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "market/interval.h"
#include "market/trade.h"

namespace finpipe {

// [from, to) in event time.
struct TimeSpan {
  std::int64_t from_ms;
  std::int64_t to_ms;
  bool operator==(const TimeSpan&) const = default;
};

// What a trade may set. `kFirst`: sets open and close only of a bar that has no fully eligible trade ("F").
enum class LastRule : std::uint8_t { kNo, kFirst, kYes };

struct Effect {
  LastRule last = LastRule::kYes;
  bool high_low = true;
  bool volume = true;
  bool vwap = true;
  bool operator==(const Effect&) const = default;
};

// The first 64 bits of a policy's hash; 0 when it is none.
[[nodiscard]] std::uint64_t policy_id(std::string_view hash);

constexpr Effect kNoEffect{LastRule::kNo, false, false, false};

// One trading date: 24 hours or less around the sessions, labelled by 00:00 UTC of the date.
struct TradingDay {
  std::int64_t label_ms;  // 00:00 UTC of the trading date
  TimeSpan window;        // what the 1d bar covers; windows of successive days neither overlap nor leave holes
  TimeSpan session;       // when trades can be expected: gaps count inside it only; empty when closed
  TimeSpan regular;       // regular trading hours, empty when closed; equals `session` where there is no difference
  std::int64_t utc_offset_ms;  // local time - UTC on that day's afternoon
};

// The calendar of a market, compiled from its rules. A market that never closes has no table: every UTC day is a day.
class Calendar {
 public:
  Calendar() = default;  // 24 hours, 7 days, UTC
  // `days` ascending, windows contiguous; outside the table every UTC day counts as open all day.
  explicit Calendar(std::vector<TradingDay> days)
      : days_(std::make_shared<const std::vector<TradingDay>>(std::move(days))) {}

  // The trading day whose window holds `time_ms`.
  [[nodiscard]] TradingDay day_of(std::int64_t time_ms) const;
  // The trading day labelled `label_ms`.
  [[nodiscard]] TradingDay day_labelled(std::int64_t label_ms) const;
  // The part of [from, to) that is session time, in ms.
  [[nodiscard]] std::int64_t session_ms(TimeSpan span) const;
  [[nodiscard]] bool always_open() const { return days().empty(); }
  [[nodiscard]] std::span<const TradingDay> days() const {
    return days_ ? std::span<const TradingDay>(*days_) : std::span<const TradingDay>();
  }

 private:
  std::shared_ptr<const std::vector<TradingDay>> days_;  // a MB, which copies share
};

struct ConditionRule {
  Effect effect;
  bool known = false;
  bool daily_only = false;           // price effect counts for 1d bars only (e.g. 39)
  bool extended_hours = false;       // in extended hours sets prices and VWAP of intraday bars (24)
  std::int64_t first_after_ms = -1;  // `last` is F from this time of the local day on (15: 16:00:10), -1: never
  std::string name;
};

constexpr std::size_t kMaxConditionCode = 63;

class MarketPolicy {
 public:
  std::string market;
  std::string hash;      // SHA-256 of the file's text, in hexadecimal
  std::uint64_t id = 0;  // its first 64 bits: what each bar names
  std::string text;      // the whole file, as it goes into the log
  std::int64_t allowed_delay_ms = 2'000;
  bool zero_volume_moves_price = false;
  std::vector<std::string> prefixes;  // of symbols that belong here ("BINANCE:")
  bool us_tickers = false;            // symbols of the form AAPL or BRK.B belong here
  bool has_rules = false;             // false: every condition is ignored
  std::array<ConditionRule, kMaxConditionCode + 1> rules;
  Calendar calendar;

  // What a trade sets in intraday bars and in the 1d bar of its trading date. The tightest rule of its codes wins; a
  // code without a rule is regular.
  struct TradeEffect {
    Effect intraday;
    Effect daily;
  };
  [[nodiscard]] TradeEffect effect_of(const Trade& trade) const;
  // The codes that a market with rules has none for.
  [[nodiscard]] std::vector<std::string_view> unknown_codes(const Conditions& conditions) const;

  // [start, end) of the window that holds `time_ms`, and for 1d the real span behind the label.
  struct Window {
    std::int64_t start_ms;  // label; the key of the bar
    TimeSpan span;          // what it covers: equals [start, start + length) for all but 1d
  };
  [[nodiscard]] Window window_of(Interval interval, std::int64_t time_ms) const;
  [[nodiscard]] TimeSpan span_of(Interval interval, std::int64_t start_ms) const;
};

// The policies in force, one per market; finds a symbol's market by its form: the longest matching prefix, then the
// ticker form, then the market `other`.
class PolicySet {
 public:
  // Replaces or adds; pointers from `policy_for` stay valid until the set is changed.
  void put(MarketPolicy policy);
  [[nodiscard]] const MarketPolicy* find(std::string_view market) const;
  [[nodiscard]] const MarketPolicy& policy_for(std::string_view symbol) const;
  [[nodiscard]] std::span<const MarketPolicy> all() const { return policies_; }

 private:
  std::vector<MarketPolicy> policies_;
};

// The policy of symbols that no market claims: 24/7 UTC, every trade counts.
constexpr std::string_view kOtherMarket = "other";

}  // namespace finpipe
