// How much memory the engine needs, and whether that or its time for a trade grows with the days: 10,000 symbols that
// trade around the clock, for a simulated week in which each trades every four minutes (25 M trades, some minutes of
// processor time), and for two hours in which each trades every ten seconds (7 M trades). Trades come 20 ms to 2 s
// late; each second has a heartbeat and a commit, acknowledged a second later; each hour the feed is away for 3 s and
// states a gap. So sparse, nearly every trade opens bars, and its six rows are written. Prints for each day `ns_<day>`,
// processor time a trade, commits and closing of bars included, and `mib_<day>`, resident memory above that before the
// engine was made; `windows` is the most bars in memory. For a right memory run it alone:
//   bars_bench --benchmark_filter=simulated
// FINPIPE_BENCH_SMALL=1 takes an hour of 200 symbols.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "bars/bench/processor_time.h"
#include "bars/engine.h"
#include "base/random.h"

namespace finpipe {
namespace {

constexpr std::int64_t kMondayMs = 1'717'372'800'000;  // 2024-06-03T00:00:00Z
constexpr std::int64_t kSecondsBetweenTrades = 60;     // of one symbol
constexpr std::int64_t kGapMs = 3'000;

double resident_mib() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total_pages = 0;
  std::int64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return static_cast<double>(resident_pages * ::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

class Simulated {
 public:
  Simulated(std::size_t symbols, std::size_t seconds_between_trades)
      : engine_({}), seconds_between_trades_(seconds_between_trades) {
    MarketPolicy policy;
    policy.market = "crypto";
    policy.prefixes = {"BINANCE:"};
    engine_.set_policy(policy);
    const std::vector<std::string> all = {""};
    (void)engine_.apply_subscribed({offset_++, kMondayMs * kNsPerMs, true}, all);
    for (std::size_t i = 0; i < symbols; ++i) {
      names_.push_back("BINANCE:S" + std::to_string(i) + "USDT");
      (void)engine_.symbol(names_.back());
      prices_.push_back(100'000'000'000);
    }
  }

  // Gives the processor time that the engine took.
  double run_second(std::int64_t second_ms) {
    const bool away = second_ms % kMsPerHour < kGapMs && second_ms > kMondayMs;
    make_trades(second_ms, away ? 0 : names_.size() / seconds_between_trades_ + random_.below(2));
    const double begin_ns = processor_ns();
    if (away && second_ms % kMsPerHour == 0) engine_.apply_silence(at(second_ms), second_ms);
    for (const auto& [symbol, trade] : trades_) {
      while (engine_.apply_trade(symbol, trade, offset_) == BarEngine::Apply::kNeedsRows) engine_.provide({});
      ++offset_;
    }
    if (second_ms % kMsPerHour == kGapMs && second_ms > kMondayMs + kGapMs) {
      const TrustSpan gap{TrustSpan::Kind::kGap, "", {second_ms - kGapMs - kMsPerSecond, second_ms + kMsPerSecond}};
      const BarEngine::At now = at(second_ms + kMsPerSecond - 1);
      while (engine_.apply_spans(now, {&gap, 1}) == BarEngine::Apply::kNeedsRows) engine_.provide({});
    }
    engine_.apply_lags(at(second_ms + kMsPerSecond), lags_);
    rows_ = {};
    revisions_ = {};
    engine_.take(++commits_, rows_, revisions_);
    engine_.acknowledge(commits_ - 1);
    const double took_ns = processor_ns() - begin_ns;
    windows_ = std::max(windows_, engine_.windows_in_memory());
    count_ += trades_.size();
    return took_ns;
  }

  [[nodiscard]] std::size_t symbols() const { return names_.size(); }
  [[nodiscard]] std::size_t seconds_between_trades() const { return seconds_between_trades_; }
  [[nodiscard]] std::size_t trades() const { return count_; }
  [[nodiscard]] std::size_t windows() const { return windows_; }

 private:
  BarEngine::At at(std::int64_t stamp_ms) { return {offset_++, stamp_ms * kNsPerMs, true}; }

  void make_trades(std::int64_t second_ms, std::size_t count) {
    trades_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const auto symbol = static_cast<SymbolId>(random_.below(names_.size()));
      prices_[symbol] =
          std::max<std::int64_t>(prices_[symbol] + random_.between(-1'000, 1'000) * 10'000'000, 10'000'000);
      Trade trade;
      trade.symbol = names_[symbol];
      trade.received_at_ns = trade.seq =
          second_ms * kNsPerMs + static_cast<std::int64_t>(i + 1) * kNsPerSecond / static_cast<std::int64_t>(count + 1);
      trade.event_time_ms = floor_div(trade.received_at_ns, kNsPerMs) - random_.between(20, 2'000);
      trade.price_e9 = prices_[symbol];
      trade.volume_e8 = random_.between(1, 500'000'000);
      trade.session = 1;
      trades_.emplace_back(symbol, trade);
    }
  }

  BarEngine engine_;
  std::size_t seconds_between_trades_;  // of one symbol
  Random random_{1};
  std::vector<std::string> names_;
  std::vector<std::int64_t> prices_;
  std::vector<std::pair<SymbolId, Trade>> trades_;
  std::vector<std::pair<std::string, std::int64_t>> lags_ = {{"crypto", 1'980}};
  BlockList<BarRow> rows_, revisions_;
  std::int64_t offset_ = 0;
  std::int64_t commits_ = 0;
  std::size_t count_ = 0;
  std::size_t windows_ = 0;
};

// Time for a trade of a market that has run until `now_ms`, over that of one that has run for an hour: an hour of both,
// second by second in turns, so that what else the machine does meets both.
double grown(Simulated& market, std::int64_t now_ms) {
  Simulated young(market.symbols(), market.seconds_between_trades());
  for (std::int64_t ms = 0; ms < kMsPerHour; ms += kMsPerSecond) (void)young.run_second(kMondayMs + ms);
  const std::size_t old_before = market.trades();
  const std::size_t young_before = young.trades();
  double old_ns = 0;
  double young_ns = 0;
  for (std::int64_t ms = 0; ms < kMsPerHour; ms += kMsPerSecond) {
    young_ns += young.run_second(kMondayMs + kMsPerHour + ms);
    old_ns += market.run_second(now_ms + ms);
  }
  return old_ns / static_cast<double>(market.trades() - old_before) /
         (young_ns / static_cast<double>(young.trades() - young_before));
}

void simulated(benchmark::State& state) {
  const bool small = std::getenv("FINPIPE_BENCH_SMALL") != nullptr;
  const std::int64_t hours = small ? 1 : state.range(0);
  for (auto _ : state) {
    const double before_mib = resident_mib();
    Simulated market(small ? 200 : 10'000, static_cast<std::size_t>(state.range(1)));
    double total_ns = 0;
    for (std::int64_t begin = 0; begin < hours; begin += 24) {
      const std::size_t trades_before = market.trades();
      const std::int64_t end = std::min(begin + 24, hours);
      double day_ns = 0;
      for (std::int64_t ms = begin * kMsPerHour; ms < end * kMsPerHour; ms += kMsPerSecond) {
        day_ns += market.run_second(kMondayMs + ms);
      }
      total_ns += day_ns;
      const std::string day = std::to_string(begin / 24 + 1);
      state.counters["ns_" + day] = day_ns / static_cast<double>(market.trades() - trades_before);
      state.counters["mib_" + day] = resident_mib() - before_mib;
    }
    state.counters["grown"] = grown(market, kMondayMs + hours * kMsPerHour);
    state.SetIterationTime(total_ns * 1e-9);
    state.counters["windows"] = static_cast<double>(market.windows());
    state.SetItemsProcessed(static_cast<std::int64_t>(market.trades()));
  }
}

BENCHMARK(simulated)
    ->ArgNames({"hours", "seconds_between_trades"})
    ->Args({2, 10})
    ->Args({7 * 24, 240})
    ->UseManualTime()
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace finpipe
