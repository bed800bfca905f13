#include "endpoint/live_hub.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

namespace finpipe {

void LiveHub::set_wake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
  woken_ = false;
}

LiveHub::Watch LiveHub::watch(std::string_view symbol, Channel channel) {
  const std::lock_guard lock(mutex_);
  const Watch watch = next_watch_++;
  watched_.emplace(watch, Watched{std::string(symbol), channel});
  if (watchers_[std::string(symbol)].of(channel)++ == 0) interest_.fetch_add(1, std::memory_order_release);
  if (rounds_ended_) {
    gathered_.covered.push_back(watch);
    this->wake();
  } else {
    waits_[partition_of(symbol, partitions_)].push_back({watch, std::nullopt});
  }
  return watch;
}

void LiveHub::unwatch(Watch watch) {
  const std::lock_guard lock(mutex_);
  const auto watched = watched_.find(watch);
  if (watched == watched_.end()) return;
  const auto watchers = watchers_.find(watched->second.symbol);
  if (--watchers->second.of(watched->second.channel) == 0) interest_.fetch_add(1, std::memory_order_release);
  if (watchers->second.bars == 0 && watchers->second.trades == 0) watchers_.erase(watchers);
  std::erase_if(waits_[partition_of(watched->second.symbol, partitions_)],
                [watch](const Wait& wait) { return wait.watch == watch; });
  std::erase(gathered_.covered, watch);
  watched_.erase(watched);
}

LiveHub::Updates LiveHub::take() {
  std::map<BarKey, Bar> bars;
  std::deque<LiveTrade> trades;
  Updates updates;
  {
    const std::lock_guard lock(mutex_);
    bars.swap(bars_);
    trades.swap(trades_);
    updates = std::exchange(gathered_, {});
    woken_ = false;
  }
  updates.bars.reserve(bars.size());
  while (!bars.empty()) {
    auto node = bars.extract(bars.begin());
    updates.bars.push_back({std::move(node.key()), node.mapped()});
  }
  updates.trades.assign(std::make_move_iterator(trades.begin()), std::make_move_iterator(trades.end()));
  return updates;
}

void LiveHub::end_rounds() {
  const std::lock_guard lock(mutex_);
  rounds_ended_ = true;
  for (auto& [partition, waits] : waits_) {
    for (const Wait& wait : waits) gathered_.covered.push_back(wait.watch);
    waits.clear();
  }
  if (!gathered_.covered.empty()) wake();
}

bool LiveHub::wants(std::string_view symbol, Channel channel) {
  const std::lock_guard lock(mutex_);
  const auto watchers = watchers_.find(symbol);
  return watchers != watchers_.end() && watchers->second.of(channel) > 0;
}

void LiveHub::on_round(std::int32_t partition, std::int64_t applied, std::int64_t committed) {
  const std::lock_guard lock(mutex_);
  gather_staged();
  std::vector<Wait>& waits = waits_[partition];
  const auto covered = [&](const Wait& wait) { return wait.target.value_or(applied) <= committed; };
  for (Wait& wait : waits) {
    if (!wait.target) wait.target = applied;
    if (covered(wait)) gathered_.covered.push_back(wait.watch);
  }
  std::erase_if(waits, covered);
  if (!bars_.empty() || !trades_.empty() || !gathered_.covered.empty() || gathered_.overflowed) wake();
}

void LiveHub::gather_staged() {
  for (BarRow& row : staged_bars_) {
    const auto [at, inserted] = bars_.try_emplace(std::move(row.key), row.bar);
    const bool older =
        std::tie(row.bar.generation, row.bar.version) < std::tie(at->second.generation, at->second.version);
    if (!inserted && !older) at->second = row.bar;
  }
  staged_bars_.clear();
  trades_.insert(trades_.end(), std::make_move_iterator(staged_trades_.begin()),
                 std::make_move_iterator(staged_trades_.end()));
  staged_trades_.clear();
  for (; trades_.size() > limits_.trades; trades_.pop_front()) ++gathered_.dropped[trades_.front().symbol];
  if (bars_.size() > limits_.bars) {
    bars_.clear();
    trades_.clear();
    gathered_.dropped.clear();
    gathered_.overflowed = true;
  }
}

void LiveHub::wake() {
  if (woken_ || !wake_) return;
  woken_ = true;
  wake_();
}

}  // namespace finpipe
