#include "partition.h"

#include <fmt/format.h>

namespace finpipe {

Partition::Partition(std::int64_t start_ms, std::int64_t lag_ms) : engine_({}) {
  static const std::vector<MarketPolicy> kPolicies = bundled_policies().value();
  for (const MarketPolicy& policy : kPolicies) {
    engine_.set_policy(policy);
    lags_.emplace_back(policy.market, lag_ms);
  }
  const std::vector<std::string> all = {""};
  (void)engine_.apply_subscribed({offset_++, start_ms * kNsPerMs, true}, all);
  heartbeat(start_ms);
}

void Partition::provide() {
  std::vector<BarRow> found;
  for (const BarEngine::RowRange& range : engine_.needed()) {
    const std::string symbol(engine_.symbol_name(range.symbol));
    const auto end = rows_.upper_bound({symbol, range.interval, range.to_ms});
    for (auto row = rows_.lower_bound({symbol, range.interval, range.from_ms}); row != end; ++row) {
      found.push_back({row->first, row->second});
    }
  }
  engine_.provide(found);
}

void Partition::apply(const Trade& trade) {
  const SymbolId id = engine_.symbol(trade.symbol);
  while (engine_.apply_trade(id, trade, offset_) == BarEngine::Apply::kNeedsRows) provide();
  ++offset_;
}

void Partition::trade(std::string_view symbol, const Print& print) {
  Trade trade;
  trade.symbol = symbol;
  trade.event_time_ms = at(print.time);
  trade.price_e9 = print.price * 1'000'000'000;
  trade.volume_e8 = print.volume * 100'000'000;
  if (!print.codes.empty()) trade.conditions = {Conditions::Form::kList, print.codes};
  trade.received_at_ns = (trade.event_time_ms + 50) * kNsPerMs;
  trade.seq = ++seq_;
  trade.session = 1;
  apply(trade);
}

void Partition::heartbeat(std::int64_t stamp_ms) { engine_.apply_lags({offset_++, stamp_ms * kNsPerMs, true}, lags_); }

void Partition::commit() {
  BlockList<BarRow> rows;
  BlockList<BarRow> revisions;
  engine_.take(++commits_, rows, revisions);
  for (const BarRow& row : rows) rows_[row.key] = row.bar;
  for (const BarRow& row : revisions) revisions_ += row.bar.state == BarState::kRevised ? 1 : 0;
  engine_.acknowledge(commits_);
}

const std::map<BarKey, Bar>& Partition::rows() {
  commit();
  return rows_;
}

std::optional<Bar> Partition::bar(std::string_view symbol, Interval interval, std::string_view start) {
  commit();
  const auto found = rows_.find({std::string(symbol), interval, at(start)});
  return found == rows_.end() ? std::nullopt : std::optional(found->second);
}

std::string text_of(const std::optional<Bar>& bar) {
  if (!bar) return "none";
  const auto price = [](std::optional<std::int64_t> price_e9) {
    return price_e9 ? fmt::to_string(*price_e9 / 1'000'000'000) : "-";
  };
  const auto extreme = [&](std::int64_t price_e9) {
    return price(bar->has_high_low ? std::optional(price_e9) : std::nullopt);
  };
  return fmt::format("{} {} {} {} {} {}", price(bar->open_e9()), extreme(bar->high_e9), extreme(bar->low_e9),
                     price(bar->close_e9()), static_cast<std::int64_t>(bar->volume_e8 / 100'000'000), bar->trades);
}

}  // namespace finpipe
