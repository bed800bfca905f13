// The bar engine with six intervals, against (a) a loop that keeps one interval in doubles and (b) a plain loop that
// keeps six intervals exactly; both with a dense symbol index and nothing else: no order of open and close, no late
// trades, no closing, no trust, no rows.
// Input: one array of 4 M trades of 50 symbols (5,000 a second of stamps) or 10,000 symbols (1 M or 50,000 a second), a
// heartbeat each second, rows taken as the processor takes them (every 20,000 records, and at least eight
// for each changed row) and acknowledged at the next turn. Each line prints
// `ns_a_trade` of the engine, `double_ratio` (over a) and `exact_ratio` (over b); lower is better. `name_ratio` is
// over (a) too, with the symbol looked up by its name as the processor does.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "bars/bench/processor_time.h"
#include "bars/engine.h"
#include "base/random.h"

namespace finpipe {
namespace {

constexpr std::int64_t kStartMs = 1'717'400'000'000;
// When the processor commits at full speed.
constexpr std::size_t kRecordsPerCommit = 20'000;
constexpr std::size_t kRecordsPerRow = 8;

struct Input {
  std::vector<std::string> names;
  std::vector<Trade> trades;
  std::vector<std::uint32_t> symbols;  // dense index of each trade's symbol
};

Input make_input(std::size_t symbol_count, std::int64_t trades_a_second) {
  const std::size_t count = std::getenv("FINPIPE_BENCH_SMALL") == nullptr ? 4'000'000 : 20'000;
  Input input;
  for (std::size_t i = 0; i < symbol_count; ++i) input.names.push_back("BINANCE:S" + std::to_string(i) + "USDT");
  std::vector<std::int64_t> prices(symbol_count, 100'000'000'000);
  Random random(1);
  input.trades.reserve(count);
  input.symbols.reserve(count);
  std::int64_t stamp_ns = kStartMs * kNsPerMs;
  for (std::size_t i = 0; i < count; ++i) {
    stamp_ns += kNsPerSecond / trades_a_second;
    // A few symbols trade most: half of the trades fall on a tenth of them.
    const std::size_t symbol = random.below(random.chance(0.5) ? symbol_count / 10 : symbol_count);
    prices[symbol] += random.between(-1'000, 1'000) * 10'000'000;
    prices[symbol] = std::max<std::int64_t>(prices[symbol], 10'000'000);
    Trade trade;
    trade.symbol = input.names[symbol];
    trade.event_time_ms = floor_div(stamp_ns, kNsPerMs) - random.between(20, 60);
    trade.price_e9 = prices[symbol];
    trade.volume_e8 = random.between(1, 500'000'000);
    trade.received_at_ns = trade.seq = stamp_ns;
    trade.session = 1;
    input.trades.push_back(trade);
    input.symbols.push_back(static_cast<std::uint32_t>(symbol));
  }
  return input;
}

// ---- The rivals ----------------------------------------------------------------------------------------------------

struct DoubleBar {
  std::int64_t start_ms = 0;
  double open = 0, high = 0, low = 0, close = 0, volume = 0, notional = 0;
  std::int64_t trades = 0;
};

std::size_t one_interval_in_doubles(const Input& input, std::vector<DoubleBar>& done) {
  std::vector<DoubleBar> bars(input.names.size());
  done.clear();
  for (std::size_t i = 0; i < input.trades.size(); ++i) {
    const Trade& trade = input.trades[i];
    DoubleBar& bar = bars[input.symbols[i]];
    const double price = static_cast<double>(trade.price_e9) * 1e-9;
    const double volume = static_cast<double>(trade.volume_e8) * 1e-8;
    const std::int64_t start_ms = trade.event_time_ms / kMsPerMinute * kMsPerMinute;
    if (start_ms != bar.start_ms) {
      if (bar.trades > 0) done.push_back(bar);
      bar = {start_ms, price, price, price, price, 0, 0, 0};
    }
    bar.high = std::max(bar.high, price);
    bar.low = std::min(bar.low, price);
    bar.close = price;
    bar.volume += volume;
    bar.notional += price * volume;
    ++bar.trades;
  }
  benchmark::DoNotOptimize(bars.data());
  return done.size();
}

struct ExactBar {
  std::int64_t start_ms = 0;
  std::int64_t open_e9 = 0, high_e9 = 0, low_e9 = 0, close_e9 = 0, trades = 0;
  int128 volume_e8 = 0, notional_e17 = 0;
};

std::size_t six_intervals_exactly(const Input& input, std::vector<ExactBar>& done) {
  std::vector<std::array<ExactBar, kIntervalCount>> bars(input.names.size());
  done.clear();
  for (std::size_t i = 0; i < input.trades.size(); ++i) {
    const Trade& trade = input.trades[i];
    const int128 notional_e17 = static_cast<int128>(trade.price_e9) * trade.volume_e8;
    for (std::size_t interval = 0; interval < kIntervalCount; ++interval) {
      ExactBar& bar = bars[input.symbols[i]][interval];
      const std::int64_t start_ms = trade.event_time_ms / kIntervalLengthsMs[interval] * kIntervalLengthsMs[interval];
      if (start_ms != bar.start_ms) {
        if (bar.trades > 0) done.push_back(bar);
        bar = {start_ms, trade.price_e9, trade.price_e9, trade.price_e9, trade.price_e9, 0, 0, 0};
      }
      bar.high_e9 = std::max(bar.high_e9, trade.price_e9);
      bar.low_e9 = std::min(bar.low_e9, trade.price_e9);
      bar.close_e9 = trade.price_e9;
      bar.volume_e8 += trade.volume_e8;
      bar.notional_e17 += notional_e17;
      ++bar.trades;
    }
  }
  benchmark::DoNotOptimize(bars.data());
  return done.size();
}

// ---- The engine ----------------------------------------------------------------------------------------------------

MarketPolicy crypto_policy() {
  MarketPolicy policy;
  policy.market = "crypto";
  policy.prefixes = {"BINANCE:"};
  return policy;
}

// A commit is acknowledged when the next one is taken.
class Committer {
 public:
  explicit Committer(BarEngine& engine) : engine_(engine) {}

  void record() {
    if (++records_ >= kRecordsPerCommit && records_ >= kRecordsPerRow * engine_.dirty_rows()) commit();
  }
  void commit() {
    records_ = 0;
    rows_ = {};
    revisions_ = {};
    engine_.take(++number_, rows_, revisions_);
    engine_.acknowledge(number_ - 1);
    rows_written_ += rows_.size() + revisions_.size();
  }
  [[nodiscard]] std::size_t rows_written() const { return rows_written_; }

 private:
  BarEngine& engine_;
  std::size_t records_ = 0;
  std::int64_t number_ = 0;
  BlockList<BarRow> rows_, revisions_;
  std::size_t rows_written_ = 0;
};

std::size_t engine(const Input& input, bool by_name) {
  BarEngine engine({});
  engine.set_policy(crypto_policy());
  const std::vector<std::string> all = {""};
  (void)engine.apply_subscribed({0, kStartMs * kNsPerMs, true}, all);
  for (const std::string& name : input.names) (void)engine.symbol(name);
  const std::vector<std::pair<std::string, std::int64_t>> lags = {{"crypto", 60}};
  Committer committer(engine);
  std::int64_t offset = 1;
  std::int64_t next_heartbeat_ns = kStartMs * kNsPerMs;
  for (std::size_t i = 0; i < input.trades.size(); ++i) {
    const Trade& trade = input.trades[i];
    if (trade.received_at_ns >= next_heartbeat_ns) {
      engine.apply_lags({offset++, next_heartbeat_ns, true}, lags);
      next_heartbeat_ns += kNsPerSecond;
      committer.record();
    }
    const SymbolId symbol = by_name ? engine.symbol(trade.symbol) : input.symbols[i];
    while (engine.apply_trade(symbol, trade, offset) == BarEngine::Apply::kNeedsRows) engine.provide({});
    ++offset;
    committer.record();
  }
  committer.commit();
  return committer.rows_written();
}

template <typename Work>
double time_ns(Work work) {
  const double begin_ns = processor_ns();
  benchmark::DoNotOptimize(work());
  return processor_ns() - begin_ns;
}

// All are timed in turns, so that what else the machine does meets all of them.
void six_intervals(benchmark::State& state) {
  const auto symbols = static_cast<std::size_t>(state.range(0));
  const Input input = make_input(symbols, state.range(1));
  std::vector<DoubleBar> double_bars;
  std::vector<ExactBar> exact_bars;
  (void)one_interval_in_doubles(input, double_bars);
  (void)six_intervals_exactly(input, exact_bars);
  double engine_ns = 0;
  double by_name_ns = 0;
  double double_ns = 0;
  double exact_ns = 0;
  std::size_t rows = 0;
  for (auto _ : state) {
    const double turn_ns = time_ns([&] { return rows = engine(input, false); });
    state.SetIterationTime(turn_ns * 1e-9);
    engine_ns += turn_ns;
    by_name_ns += time_ns([&] { return engine(input, true); });
    double_ns += time_ns([&] { return one_interval_in_doubles(input, double_bars); });
    exact_ns += time_ns([&] { return six_intervals_exactly(input, exact_bars); });
  }
  const auto total = static_cast<double>(input.trades.size()) * static_cast<double>(state.iterations());
  state.SetItemsProcessed(static_cast<std::int64_t>(total));
  state.counters["ns_a_trade"] = engine_ns / total;
  state.counters["double_ns"] = double_ns / total;
  state.counters["exact_ns"] = exact_ns / total;
  state.counters["double_ratio"] = engine_ns / double_ns;
  state.counters["exact_ratio"] = engine_ns / exact_ns;
  state.counters["name_ratio"] = by_name_ns / double_ns;
  state.counters["rows"] = static_cast<double>(rows);
}

BENCHMARK(six_intervals)
    ->ArgNames({"symbols", "trades_a_second"})
    ->Args({50, 5'000})
    ->Args({10'000, 1'000'000})  // as many trades per symbol and second as above
    ->Args({10'000, 50'000})     // a twentieth: nearly every symbol and second opens a bar for a few trades
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace finpipe
