// The embedded store. Commits: 20,000 trades of 50 symbols, one a millisecond, 12 bars and a checkpoint, each commit
// synced. The rival is RocksDB as it comes with a row for each trade, of the size that key and value would have.
// Reads: single bars out of 600,000, present and absent, and a bar that every commit has written again.
#include <benchmark/benchmark.h>
#include <rocksdb/db.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "stores/embedded_store.h"

namespace finpipe {
namespace {

constexpr std::int64_t kStartMs = 1'723'161'254'087;
constexpr std::int64_t kTicksPerCommit = 20'000;
constexpr std::size_t kTickKeyBytes = 8 + 16 + 8 + 8;  // bucket, symbol, event_time, seq
constexpr std::size_t kTickValueBytes = 52;

bool small() { return std::getenv("FINPIPE_BENCH_SMALL") != nullptr; }

class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "finpipe-store-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~Directory() {
    std::error_code code;
    std::filesystem::remove_all(path_, code);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::vector<std::string> make_symbols() {
  std::vector<std::string> symbols;
  for (int i = 0; i < 50; ++i) symbols.push_back("BINANCE:SYM" + std::to_string(100 + i) + "U");
  return symbols;
}

BarRow make_bar(const std::string& symbol, Interval interval, std::int64_t start_ms, std::int64_t version) {
  BarRow row{{symbol, interval, start_ms}, {}};
  row.bar.first = {start_ms, version, 61'000'120'000'000};
  row.bar.last = {start_ms + 900, version + 1, 61'002'340'000'000};
  row.bar.high_e9 = 61'003'000'000'000;
  row.bar.low_e9 = 60'999'000'000'000;
  row.bar.has_high_low = true;
  row.bar.volume_e8 = row.bar.vwap_volume_e8 = 123'456'789;
  row.bar.notional_e17 = static_cast<int128>(61'001'000'000'000) * 123'456'789;
  row.bar.trades = row.bar.version = version;
  return row;
}

class CommitSource {
 public:
  Commit next() {
    Commit commit;
    for (std::int64_t i = 0; i < kTicksPerCommit; ++i, ++offset_) {
      Trade trade;
      trade.event_time_ms = kStartMs + offset_;
      trade.received_at_ns = (trade.event_time_ms + 1'200) * kNsPerMs;
      trade.seq = trade.received_at_ns;
      trade.price_e9 = 61'000'000'000'000 + random_.between(0, 100'000) * 10'000'000;
      trade.volume_e8 = random_.between(1, 100'000'000);
      trade.session = 1;
      commit.add_tick(trade, symbols_[random_.below(symbols_.size())], offset_, log_id_);
    }
    for (std::size_t i = 0; i < 12; ++i) {
      const Interval interval = kIntervals[i % kIntervalCount];
      const std::int64_t start_ms = floor_div(kStartMs + offset_, length_ms(interval)) * length_ms(interval);
      commit.bars.push_back(make_bar(symbols_[i / kIntervalCount], interval, start_ms, offset_));
    }
    commit.checkpoints.push_back({0, 0, offset_, std::string(2'000, 'c')});
    return commit;
  }

 private:
  std::vector<std::string> symbols_ = make_symbols();
  Random random_{7};
  std::int64_t offset_ = 0;
  LogId log_id_{};
};

void commit_ticks(benchmark::State& state) {
  const Directory directory;
  auto store = EmbeddedStore::open(directory.path());
  if (!store) return state.SkipWithError(store.error().message().c_str());
  CommitSource source;
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    Commit commit = source.next();
    state.ResumeTiming();
    static_cast<void>((*store)->submit(std::move(commit)));
    if (const auto done = (*store)->poll(); !done) return state.SkipWithError(done.error().message().c_str());
  }
  state.SetItemsProcessed(state.iterations() * kTicksPerCommit);
}
BENCHMARK(commit_ticks)
    ->Iterations(small() ? 2 : 400)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

void commit_rows_to_bare_rocksdb(benchmark::State& state) {
  const Directory directory;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::Open(options, directory.path().string(), &opened).ok()) return state.SkipWithError("cannot open");
  const std::unique_ptr<rocksdb::DB> db(opened);
  Random random(7);
  std::array<char, kTickKeyBytes> key{};
  std::array<char, kTickValueBytes> value{};
  std::uint64_t row = 0;
  rocksdb::WriteOptions synced;
  synced.sync = true;
  for ([[maybe_unused]] auto _ : state) {
    rocksdb::WriteBatch batch;
    for (std::int64_t i = 0; i < kTicksPerCommit; ++i, ++row) {
      const std::uint64_t bucket = row / 300'000;
      const std::uint64_t symbol = random.below(50);
      for (std::size_t byte = 0; byte < 8; ++byte) {
        key[byte] = static_cast<char>(bucket >> (56 - 8 * byte));
        key[8 + byte] = static_cast<char>(symbol >> (56 - 8 * byte));
        key[kTickKeyBytes - 8 + byte] = static_cast<char>(row >> (56 - 8 * byte));
        value[byte] = static_cast<char>(random.below(256));
      }
      static_cast<void>(batch.Put({key.data(), key.size()}, {value.data(), value.size()}));
    }
    if (!db->Write(synced, &batch).ok()) return state.SkipWithError("cannot write");
  }
  state.SetItemsProcessed(state.iterations() * kTicksPerCommit);
}
BENCHMARK(commit_rows_to_bare_rocksdb)
    ->Iterations(small() ? 2 : 400)
    ->UseRealTime()
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

// 50 symbols with 12,000 minutes each, every second minute absent.
EmbeddedStore& store_of_bars() {
  static const Directory directory;
  static const std::unique_ptr<EmbeddedStore> store = [] {
    auto opened = EmbeddedStore::open(directory.path());
    if (!opened) std::abort();
    const std::int64_t bars = small() ? 120 : 12'000;
    for (const std::string& symbol : make_symbols()) {
      Commit commit;
      for (std::int64_t i = 0; i < bars; ++i)
        commit.bars.push_back(make_bar(symbol, Interval::k1m, 2 * i * kMsPerMinute, 5));
      static_cast<void>((*opened)->submit(std::move(commit)));
      if (!(*opened)->poll()) std::abort();
    }
    return std::move(*opened);
  }();
  return *store;
}

void load_single_bars(benchmark::State& state, std::int64_t shift_ms) {
  EmbeddedStore& store = store_of_bars();
  const auto symbols = make_symbols();
  const std::uint64_t bars = small() ? 120 : 12'000;
  Random random(3);
  for ([[maybe_unused]] auto _ : state) {
    const std::int64_t at_ms = 2 * static_cast<std::int64_t>(random.below(bars)) * kMsPerMinute + shift_ms;
    const BarRange range{symbols[random.below(symbols.size())], Interval::k1m, at_ms, at_ms};
    auto found = store.load_bars({&range, 1});
    benchmark::DoNotOptimize(found);
    if (!found || found->empty() != (shift_ms != 0)) return state.SkipWithError("the wrong bars");
  }
}
BENCHMARK_CAPTURE(load_single_bars, present, 0);
BENCHMARK_CAPTURE(load_single_bars, absent, kMsPerMinute);

// The bar of the current day, which every commit writes again.
void load_a_bar_in_the_making(benchmark::State& state) {
  const Directory directory;
  auto store = EmbeddedStore::open(directory.path());
  if (!store) return state.SkipWithError(store.error().message().c_str());
  for (std::int64_t version = 1; version <= (small() ? 100 : 2'000); ++version) {
    Commit commit;
    commit.bars.push_back(make_bar("AAPL", Interval::k1d, 0, version));
    static_cast<void>((*store)->submit(std::move(commit)));
    if (!(*store)->poll()) return state.SkipWithError("cannot write");
  }
  const BarRange range{"AAPL", Interval::k1d, 0, 0};
  for ([[maybe_unused]] auto _ : state) {
    auto found = (*store)->load_bars({&range, 1});
    benchmark::DoNotOptimize(found);
  }
}
BENCHMARK(load_a_bar_in_the_making);

}  // namespace
}  // namespace finpipe
