// A store of one partition with made-up trades and the bars that they give, each made directly from its trades.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/decimal.h"
#include "base/random.h"
#include "base/time.h"
#include "codec/policy_file.h"
#include "pipeline/bar_view.h"
#include "pipeline/checkpoint.h"
#include "stores/memory_store.h"

namespace finpipe {

inline std::int64_t at(std::string_view time) { return *parse_time_ms(time); }

// What a bar says, as text to compare: open high low close volume vwap trades.
inline std::string values_of(const Bar& bar) {
  const auto price = [](std::optional<std::int64_t> price_e9) {
    return price_e9 ? format_decimal(*price_e9, kPriceDigits) : std::string("-");
  };
  std::string text;
  for (const auto& each : {bar.open_e9(), bar.has_high_low ? std::optional(bar.high_e9) : std::nullopt,
                           bar.has_high_low ? std::optional(bar.low_e9) : std::nullopt, bar.close_e9()})
    text += price(each) + ' ';
  text += format_decimal(bar.volume_e8, kVolumeDigits) + ' ';
  text += bar.vwap_volume_e8 > 0 ? format_decimal(vwap_e9(bar.notional_e17, bar.vwap_volume_e8), kPriceDigits) : "-";
  return text + ' ' + std::to_string(bar.trades);
}

// The bar of some trades of one market, counted one by one in their order.
inline Bar made_of(std::vector<Trade> trades, const MarketPolicy& policy, bool daily) {
  std::ranges::sort(trades, {}, [](const Trade& trade) { return std::tuple(trade.event_time_ms, trade.seq); });
  Bar bar;
  for (const Trade& trade : trades) {
    const MarketPolicy::TradeEffect effects = policy.effect_of(trade);
    const Effect& effect = daily ? effects.daily : effects.intraday;
    const PricePoint point{trade.event_time_ms, trade.seq, trade.price_e9};
    if (effect.last == LastRule::kYes) {
      if (!bar.first.present()) bar.first = point;
      bar.last = point;
    }
    if (effect.last == LastRule::kFirst) {
      if (!bar.first_if_alone.present()) bar.first_if_alone = point;
      bar.last_if_alone = point;
    }
    if (effect.high_low) {
      if (!bar.has_high_low || trade.price_e9 > bar.high_e9) bar.high_e9 = trade.price_e9;
      if (!bar.has_high_low || trade.price_e9 < bar.low_e9) bar.low_e9 = trade.price_e9;
      bar.has_high_low = true;
    }
    if (effect.volume) bar.volume_e8 += trade.volume_e8, ++bar.trades;
    if (effect.vwap) {
      bar.vwap_volume_e8 += trade.volume_e8;
      bar.notional_e17 += static_cast<int128>(trade.price_e9) * trade.volume_e8;
    }
  }
  return bar;
}

class ReadWorld {
 public:
  explicit ReadWorld(std::string of) : symbol(std::move(of)) {
    checkpoint.partition = 0;
    checkpoint.engine.clock_ns = at("2100-01-01") * kNsPerMs;
    Commit commit;
    PolicySet set;
    auto bundled = bundled_policies();
    for (MarketPolicy& each : *bundled) {
      checkpoint.policies[each.market] = each.hash;
      checkpoint.engine.lags_ms[each.market] = 0;
      commit.policies.push_back({each.hash, each.market, each.text});
      set.put(std::move(each));
    }
    policy = set.policy_for(this->symbol);
    commit.symbols = {{this->symbol, 0}};
    // Subscribed to everything from the beginning.
    commit.spans = {
        {.kind = SpanRow::Kind::kUnsubscribed, .symbol = "", .from_ms = kBeginningOfTime, .to_ms = 0, .reason = ""}};
    put(std::move(commit));
    save_checkpoint();
  }

  void save_checkpoint() {
    Commit commit;
    commit.checkpoints = {encode_checkpoint(checkpoint)};
    put(std::move(commit));
    ++checkpoint.offset;
  }
  void put(Commit commit) {
    static_cast<void>(store.submit(std::move(commit)));
    static_cast<void>(store.poll());
  }
  void put_bars(BlockList<BarRow> bars) {
    Commit commit;
    commit.bars = std::move(bars);
    put(std::move(commit));
  }
  void put_gap(std::string_view from, std::string_view to, SpanRow::Kind kind = SpanRow::Kind::kGap) {
    Commit commit;
    commit.spans = {
        {.offset = next_offset++, .kind = kind, .symbol = symbol, .from_ms = at(from), .to_ms = at(to), .reason = ""}};
    put(std::move(commit));
  }

  // A bar with one price and volume 1.
  [[nodiscard]] BarRow bar(Interval interval, std::string_view start, std::int64_t price,
                           BarState state = BarState::kFinal) const {
    BarRow row{{symbol, interval, at(start)}, {}};
    Trade trade;
    trade.event_time_ms = policy.span_of(interval, at(start)).from_ms;
    trade.seq = 1;
    trade.price_e9 = price * 1'000'000'000;
    trade.volume_e8 = 100'000'000;
    row.bar = made_of({trade}, policy, interval == Interval::k1d);
    row.bar.state = state;
    row.bar.version = 1;
    return row;
  }

  // Stores the bars of all intervals.
  void put_trades(std::vector<Trade> all) {
    trades = std::move(all);
    std::map<BarKey, std::vector<Trade>> windows;
    for (const Trade& trade : trades) {
      for (const Interval interval : kIntervals)
        windows[{symbol, interval, policy.window_of(interval, trade.event_time_ms).start_ms}].push_back(trade);
    }
    std::vector<BarRow> rows;
    for (const auto& [key, of] : windows) {
      BarRow& row = rows.emplace_back(BarRow{key, made_of(of, policy, key.interval == Interval::k1d)});
      row.bar.state = BarState::kFinal;
      row.bar.version = static_cast<std::int64_t>(of.size());
    }
    put_bars(std::move(rows));
  }

  [[nodiscard]] Result<std::vector<ViewedBar>> try_read(std::string_view interval, const BarViewOptions& options = {},
                                                        Order order = Order::kAscending,
                                                        std::int64_t from_ms = kBeginningOfTime,
                                                        std::int64_t to_ms = kEndOfTime) {
    FINPIPE_TRY_ASSIGN(view, BarView::open(store, policies, options));
    FINPIPE_TRY_ASSIGN(series, view.read({symbol, *read_interval_from(interval), from_ms, to_ms, order, {}}));
    std::vector<ViewedBar> bars;
    for (;;) {
      FINPIPE_TRY_ASSIGN(bar, series.next());
      if (!bar) return bars;
      bars.push_back(*std::move(bar));
    }
  }
  // Both orders must agree.
  std::vector<ViewedBar> read(std::string_view interval, const BarViewOptions& options = {},
                              std::int64_t from_ms = kBeginningOfTime, std::int64_t to_ms = kEndOfTime) {
    auto bars = try_read(interval, options, Order::kAscending, from_ms, to_ms);
    auto back = try_read(interval, options, Order::kDescending, from_ms, to_ms);
    EXPECT_TRUE(bars && back);
    if (!bars || !back) return {};
    std::ranges::reverse(*back);
    EXPECT_EQ(bars->size(), back->size());
    for (std::size_t i = 0; i < std::min(bars->size(), back->size()); ++i) {
      EXPECT_EQ((*bars)[i].row, (*back)[i].row) << i;
      EXPECT_EQ((*bars)[i].marks, (*back)[i].marks) << i;
    }
    return *std::move(bars);
  }

  std::string symbol;
  MarketPolicy policy;
  Checkpoint checkpoint;
  MemoryStore store;
  StoredPolicies policies{store};
  std::vector<Trade> trades;
  std::int64_t next_offset = 1;
};

// "03-08T14:30 close state flags", a line each.
inline std::string lines_of(const std::vector<ViewedBar>& bars) {
  std::string text;
  for (const ViewedBar& each : bars) {
    const Bar& bar = each.row.bar;
    text += format_time_ms(each.row.key.start_ms).substr(5, 11) + ' ';
    text += bar.close_e9() ? format_decimal(*bar.close_e9(), kPriceDigits) : std::string("-");
    text += ' ' + std::string(to_string(bar.state));
    if (bar.missing_ms > 0) text += " gap" + std::to_string(bar.missing_ms);
    if (bar.partial) text += " partial";
    if (each.marks.filled) text += " filled";
    if (each.marks.adjusted) text += " adjusted";
    text += '\n';
  }
  return text;
}

}  // namespace finpipe
