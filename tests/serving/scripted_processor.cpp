#include "scripted_processor.h"

namespace finpipe {
namespace {

constexpr std::int64_t kBeginMs = 1'723'161'600'000;

}  // namespace

ScriptedProcessor::ScriptedProcessor(Options options, LiveHub& hub, MemoryStore& store, std::uint64_t seed)
    : options_(std::move(options)), hub_(hub), store_(store), random_(seed) {
  partitions_.resize(static_cast<std::size_t>(options_.partitions));
  for (const std::string& symbol : options_.symbols) {
    const std::int32_t home = partition_of(symbol, options_.partitions);
    partitions_[static_cast<std::size_t>(home)].symbols.push_back(symbol);
    series_[symbol].partition = home;
  }
}

void ScriptedProcessor::step() {
  const auto next_partition = [this](Phase after) {
    records_ = 0;
    if (++at_ < partitions_.size()) return;
    at_ = 0;
    phase_ = after;
  };
  switch (phase_) {
    case Phase::kBegin:
      if (at_ == 0) acknowledge();
      begin_round(partitions_[at_]);
      next_partition(Phase::kApply);
      return;
    case Phase::kApply:
      if (finishing_ || partitions_[at_].symbols.empty() || records_++ == options_.max_records_per_round ||
          !random_.chance(options_.record_chance)) {
        next_partition(Phase::kEnd);
      } else {
        apply(partitions_[at_]);
      }
      return;
    case Phase::kEnd:
      end_round(static_cast<std::int32_t>(at_));
      next_partition(Phase::kCommit);
      return;
    case Phase::kCommit:
      if (finishing_ || random_.chance(options_.commit_chance)) commit();
      phase_ = Phase::kBegin;
      return;
  }
}

void ScriptedProcessor::finish() {
  finishing_ = true;
  for (int round = 0; round < 4; ++round) {
    do step();
    while (phase_ != Phase::kBegin || at_ != 0);
  }
}

void ScriptedProcessor::begin_round(Partition& partition) {
  const std::uint64_t interest = hub_.interest();
  if (interest == partition.interest) return;
  partition.interest = interest;
  for (const std::string& symbol : partition.symbols) {
    series_[symbol].wants_bars = hub_.wants_bars(symbol);
    series_[symbol].wants_trades = hub_.wants_trades(symbol);
  }
}

void ScriptedProcessor::apply(Partition& partition) {
  const std::string& symbol = partition.symbols[random_.below(partition.symbols.size())];
  Series& series = series_[symbol];
  Trade trade;
  trade.symbol = symbol;
  trade.seq = next_seq_++;
  trade.event_time_ms = kBeginMs + trade.seq * 200 - random_.between(0, options_.lateness_ms);
  trade.price_e9 = trade.seq;
  trade.volume_e8 = 1;
  Row& row = series.rows[floor_div(trade.event_time_ms, kMsPerSecond) * kMsPerSecond];
  ++row.bar.version, ++row.bar.trades;
  row.bar.volume_e8 = row.bar.version;
  row.dirty = true;
  series.seqs.push_back(trade.seq);
  ticks_.push_back({trade, partition.applied, {}});
  ticks_.back().trade.symbol = series_.find(symbol)->first;
  if (series.wants_trades) hub_.on_trade(trade);
  ++partition.applied;
}

void ScriptedProcessor::end_round(std::int32_t number) {
  Partition& partition = partitions_[static_cast<std::size_t>(number)];
  for (const std::string& symbol : partition.symbols) {
    Series& series = series_[symbol];
    if (!series.wants_bars) continue;
    for (auto& [start_ms, row] : series.rows) {
      const bool evicted = !row.dirty && row.told < 0;
      if (row.told == row.bar.version || evicted) continue;
      row.told = row.bar.version;
      hub_.on_bar({{symbol, Interval::k1s, start_ms}, row.bar});
    }
  }
  hub_.on_round(number, partition.applied, partition.committed);
}

void ScriptedProcessor::commit() {
  Commit commit;
  for (const Tick& tick : ticks_) commit.add_tick(tick.trade, tick.trade.symbol, tick.offset, tick.log_id);
  ticks_.clear();
  for (auto& [symbol, series] : series_) {
    commit.symbols.push_back({symbol, series.partition});
    for (auto& [start_ms, row] : series.rows) {
      if (row.dirty) commit.bars.push_back({{symbol, Interval::k1s, start_ms}, row.bar});
      row.dirty = false;
    }
  }
  static_cast<void>(store_.submit(std::move(commit)));
  static_cast<void>(store_.poll());
  in_flight_.clear();
  for (const Partition& partition : partitions_) in_flight_.push_back(partition.applied);
}

void ScriptedProcessor::acknowledge() {
  if (in_flight_.empty()) return;
  for (std::size_t i = 0; i < partitions_.size(); ++i) partitions_[i].committed = in_flight_[i];
  in_flight_.clear();
  for (auto& [symbol, series] : series_) {
    for (auto& [start_ms, row] : series.rows) {
      if (!row.dirty && random_.chance(0.3)) row.told = -1;  // it leaves memory
    }
  }
}

std::map<std::int64_t, std::int64_t> ScriptedProcessor::versions(std::string_view symbol) const {
  std::map<std::int64_t, std::int64_t> versions;
  for (const auto& [start_ms, row] : series_.find(symbol)->second.rows) versions[start_ms] = row.bar.version;
  return versions;
}

std::vector<std::int64_t> ScriptedProcessor::seqs(std::string_view symbol) const {
  return series_.find(symbol)->second.seqs;
}

}  // namespace finpipe
