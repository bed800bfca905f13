// The whole path on embedded parts, as `finpipe run` takes it: a tape file is read, parsed, appended to a synced log,
// read back, and made into stored ticks and bars, by an ingest thread and a process thread. The rival is the least that
// anything reading the tape must do: reading and parsing it alone.
//
// Input: data/binance.tape repeated 60 times (2,065,140 trades), 2 times with FINPIPE_BENCH_SMALL.

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/clock.h"
#include "codec/finnhub_frame.h"
#include "codec/policy_file.h"
#include "feeds/tape.h"
#include "logs/embedded_log.h"
#include "pipeline/ingest.h"
#include "pipeline/processor.h"
#include "stores/embedded_store.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

class WorkDirectory {
 public:
  WorkDirectory() : path_(fs::temp_directory_path() / fmt::format("finpipe-bench-{}", ::getpid())) {
    fs::create_directories(path_);
  }
  ~WorkDirectory() { fs::remove_all(path_); }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

const WorkDirectory& work_directory() {
  static const WorkDirectory directory;
  return directory;
}

std::string long_tape() {
  static const std::string tape = [] {
    const std::string path = work_directory().path() / "long.tape";
    const char* copies = std::getenv("FINPIPE_BENCH_SMALL") == nullptr ? "60" : "2";
    const std::string command =
        fmt::format("python3 -B '{0}/tools/tapes/repeat_tape.py' '{0}/data/binance.tape' '{1}' --copies {2} >&2",
                    FINPIPE_SOURCE_DIR, path, copies);
    if (std::system(command.c_str()) != 0) std::abort();
    return path;
  }();
  return tape;
}

// Ends the program with the reason: a benchmark of something that failed means nothing.
template <typename T>
T must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "{}\n", result.error().message());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

std::int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  statm >> size >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

// Runs the tape into new directories; returns the number of trades stored.
std::int64_t run_whole_path(const std::string& tape, std::int64_t& peak_bytes) {
  const fs::path log_path = work_directory().path() / "log";
  const fs::path store_path = work_directory().path() / "store";
  fs::remove_all(log_path);
  fs::remove_all(store_path);
  std::int64_t stored = 0;
  {
    const auto log = must(EmbeddedLog::open(log_path, {}));
    const auto store = must(EmbeddedStore::open(store_path));
    std::atomic<bool> ingested = false;
    std::thread ingest_thread([&] {
      const auto feed = must(TapeFeed::open(tape));
      const auto tail = log->reader();
      const auto dead_letters = log->dead_letters();
      IngestOptions options;
      options.policies = must(bundled_policies());
      Ingest ingest(*feed, *tail, log->writer(), *dead_letters, options);
      must(ingest.start());
      while (must(ingest.step())) peak_bytes = std::max(peak_bytes, resident_bytes());
      ingested = true;
    });
    const auto reader = log->reader();
    const auto dead_letters = log->dead_letters();
    SystemClock clock;
    Processor processor(*reader, *store, *dead_letters, clock);
    for (;;) {
      const bool all_there = ingested;
      if (must(processor.step()) > 0) continue;
      if (all_there && must(processor.caught_up())) break;
      std::this_thread::yield();
    }
    while (!must(processor.finish())) {
    }
    ingest_thread.join();
    for (const auto& [partition, processing] : processor.partitions()) {
      for (const auto& [session, row] : processing.checkpoint().ledger) stored += row.stored;
    }
  }
  return stored;
}

std::int64_t parse_only(const std::string& tape) {
  const auto feed = must(TapeFeed::open(tape));
  FrameParser parser;
  std::int64_t trades = 0;
  for (bool end = false; !end;) {
    const FeedBatch batch = must(feed->poll(256));
    for (const FeedFrame& frame : batch.frames)
      trades += static_cast<std::int64_t>(parser.parse(frame.bytes).trades.size());
    end = batch.end;
  }
  return trades;
}

void WholePath(benchmark::State& state) {
  const std::string tape = long_tape();
  std::int64_t trades = 0;
  std::int64_t peak_bytes = 0;
  double whole_s = 0;
  double parse_s = 0;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    trades += run_whole_path(tape, peak_bytes);
    const auto middle = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(parse_only(tape));
    whole_s += std::chrono::duration<double>(middle - begin).count();
    parse_s += std::chrono::duration<double>(std::chrono::steady_clock::now() - middle).count();
  }
  state.counters["trades_per_s"] = static_cast<double>(trades) / whole_s;
  state.counters["times_parsing_alone"] = whole_s / parse_s;
  state.counters["resident_mb"] = static_cast<double>(peak_bytes) / 1e6;
}
BENCHMARK(WholePath)->Unit(benchmark::kSecond)->UseRealTime()->Iterations(1);

}  // namespace
}  // namespace finpipe
