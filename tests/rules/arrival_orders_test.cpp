// A final bar depends on which trades there were, not on the order in which they came, nor on how late.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "partition.h"

namespace finpipe {
namespace {

constexpr std::int64_t kLagMs = 1'500;
constexpr std::int64_t kClosingMs = kLagMs + 2'000;  // of crypto and forex: the earlier of the two bounds
constexpr std::array<std::string_view, 3> kSymbols = {"AAPL", "BINANCE:BTCUSDT", "OANDA:EUR_USD"};
constexpr std::array<std::string_view, 14> kCodes = {"",   "",      "1",  "9",  "30", "15", "12",
                                                     "24", "24 12", "16", "39", "25", "55", "1 41"};

// 90 s around the end of a regular session, in the first and the last ms of each second: many share one.
std::vector<Trade> make_trades(Random& random) {
  const std::int64_t start_ms = at("2026-07-08T19:59:20Z");
  std::vector<Trade> trades;
  for (int i = 0; i < 300; ++i) {
    Trade trade;
    trade.symbol = kSymbols[random.below(kSymbols.size())];
    trade.event_time_ms = start_ms + random.between(0, 90) * kMsPerSecond + 999 * random.between(0, 1);
    trade.price_e9 = random.between(90, 110) * 1'000'000'000;
    trade.volume_e8 = random.chance(0.1) ? 0 : random.between(1, 500) * 1'000'000;
    trade.conditions = {Conditions::Form::kList, kCodes[random.below(kCodes.size())]};
    trade.session = 1;
    trades.push_back(trade);
  }
  // Seqs are those of one arrival, whatever comes of them later.
  for (std::size_t i = 0; i < trades.size(); ++i) trades[i].seq = static_cast<std::int64_t>(i) + 1;
  return trades;
}

// What of a bar does not depend on how it came about.
struct Values {
  std::optional<std::int64_t> open, close;
  std::int64_t high = 0, low = 0;
  int128 volume = 0, vwap_volume = 0, notional = 0;
  std::int64_t trades = 0, excluded = 0;
  bool operator==(const Values&) const = default;
};

Values values_of(const Bar& bar) {
  return {bar.open_e9(),      bar.close_e9(),   bar.high_e9, bar.low_e9,  bar.volume_e8,
          bar.vwap_volume_e8, bar.notional_e17, bar.trades,  bar.excluded};
}

// The same by a plain walk over the trades in their order.
std::map<BarKey, Values> plain_walk(std::vector<Trade> trades) {
  static const PolicySet kPolicies = [] {
    PolicySet set;
    const std::vector<MarketPolicy> policies = bundled_policies().value();
    for (const MarketPolicy& policy : policies) set.put(policy);
    return set;
  }();
  std::ranges::sort(trades, {}, [](const Trade& trade) { return std::pair(trade.event_time_ms, trade.seq); });
  struct Row {
    Values values;
    bool priced = false, open_is_full = false;
  };
  std::map<BarKey, Row> rows;
  for (const Trade& trade : trades) {
    const MarketPolicy& policy = kPolicies.policy_for(trade.symbol);
    const auto effects = policy.effect_of(trade);
    for (const Interval interval : kIntervals) {
      auto& [values, priced, full] =
          rows[{std::string(trade.symbol), interval, policy.window_of(interval, trade.event_time_ms).start_ms}];
      const Effect& effect = interval == Interval::k1d ? effects.daily : effects.intraday;
      if (effect == kNoEffect) {
        ++values.excluded;
        continue;
      }
      if (effect.last == LastRule::kYes && !full) values.open = trade.price_e9, full = true;
      if (effect.last == LastRule::kYes) values.close = trade.price_e9;
      if (effect.last == LastRule::kFirst && !full && !values.open) values.open = trade.price_e9;
      if (effect.last == LastRule::kFirst && !full) values.close = trade.price_e9;
      if (effect.high_low) {
        values.high = priced ? std::max(values.high, trade.price_e9) : trade.price_e9;
        values.low = priced ? std::min(values.low, trade.price_e9) : trade.price_e9;
        priced = true;
      }
      if (effect.volume) values.volume += trade.volume_e8, ++values.trades;
      if (effect.vwap) {
        values.vwap_volume += trade.volume_e8;
        values.notional += static_cast<int128>(trade.price_e9) * trade.volume_e8;
      }
    }
  }
  std::map<BarKey, Values> result;
  for (const auto& [key, row] : rows) result[key] = row.values;
  return result;
}

// Within the ms the order is random too.
std::int64_t receipt_ns(const Trade& trade, std::int64_t delay_ms, Random& random) {
  return (trade.event_time_ms + delay_ms) * kNsPerMs + random.between(0, kNsPerMs - 1);
}

// The trades in the order of their receipt, with heartbeats each second and now and then a commit; then a day passes.
Partition play(const std::vector<Trade>& trades, Random& random) {
  std::int64_t beat_ms = at("2026-07-08T19:59:00Z");
  Partition partition(beat_ms, kLagMs);
  for (const Trade& trade : trades) {
    for (; beat_ms * kNsPerMs <= trade.received_at_ns; beat_ms += kMsPerSecond) {
      if (beat_ms * kNsPerMs + 60 * kNsPerSecond > trade.received_at_ns) partition.heartbeat(beat_ms);
    }
    partition.apply(trade);
    if (random.chance(0.03)) partition.commit();
  }
  partition.heartbeat(beat_ms + 3 * kMsPerDay);
  partition.heartbeat(beat_ms + 3 * kMsPerDay + kMsPerMinute);  // gathered revisions close
  return partition;
}

std::string difference(const std::map<BarKey, Bar>& rows, const std::map<BarKey, Values>& expected) {
  if (rows.size() != expected.size()) return fmt::format("{} rows, not {}", rows.size(), expected.size());
  for (const auto& [key, bar] : rows) {
    const auto found = expected.find(key);
    if (found == expected.end() || values_of(bar) != found->second) {
      return fmt::format("{} {} {}", key.symbol, to_string(key.interval), format_time_ms(key.start_ms));
    }
    if (bar.pending_deadline_ns != kNoDeadline || bar.state == BarState::kProvisional)
      return "not closed: " + key.symbol;
  }
  return "";
}

std::uint64_t seeds() {
  const char* text = std::getenv("FINPIPE_SEEDS");
  return text == nullptr ? 1'000 : std::strtoull(text, nullptr, 10);
}

TEST(ArrivalOrders, InsideTheClosingBoundEveryOrderGivesTheSameFinalBars) {
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    Random random(seed);
    std::vector<Trade> trades = make_trades(random);
    const std::map<BarKey, Values> expected = plain_walk(trades);
    for (Trade& trade : trades) {
      trade.received_at_ns = receipt_ns(trade, random.between(0, kClosingMs), random);
    }
    std::ranges::sort(trades, {}, &Trade::received_at_ns);
    Partition partition = play(trades, random);
    ASSERT_EQ(difference(partition.rows(), expected), "") << "seed " << seed;
    ASSERT_EQ(partition.revisions(), 0U) << "seed " << seed;
    for (const auto& [key, bar] : partition.rows()) ASSERT_EQ(bar.state, BarState::kFinal) << "seed " << seed;
  }
}

TEST(ArrivalOrders, LateTradesReviseBarsToTheSameFinalValues) {
  std::size_t revisions = 0;
  std::vector<std::size_t> counts;
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    Random random(seed);
    std::vector<Trade> trades = make_trades(random);
    const std::map<BarKey, Values> expected = plain_walk(trades);
    const double late = random.chance(0.5) ? 0.05 : 0.6;
    const std::int64_t latest_ms = random.chance(0.5) ? kMsPerMinute : 2 * kMsPerDay;
    for (Trade& trade : trades) {
      const std::int64_t delay_ms = random.between(0, random.chance(late) ? latest_ms : kClosingMs);
      trade.received_at_ns = receipt_ns(trade, delay_ms, random);
    }
    std::ranges::sort(trades, {}, &Trade::received_at_ns);
    Partition partition = play(trades, random);
    ASSERT_EQ(difference(partition.rows(), expected), "") << "seed " << seed;
    revisions += partition.revisions();
    counts.push_back(partition.revisions());
  }
  EXPECT_GT(revisions, 20 * seeds());
  std::ranges::sort(counts);
  EXPECT_NE(counts.front(), counts.back());
}

}  // namespace
}  // namespace finpipe
