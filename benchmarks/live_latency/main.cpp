// From a frame at the program's socket to the bar update at a WebSocket client: `finpipe run` as it is started by hand,
// on its embedded log and store, between a vendor and clients that are parts of this benchmark.
//
// live_latency: one client of all symbols, 5,000 trades/s in frames of 1 to 10, open loop; latency of each trade from
// the time at which it was due. The rivals are what cannot be less: a client of the vendor itself, and a synced write
// in the same directory, since nobody sees a trade before it is durable. live_clients: how many clients hold at that
// rate: every update of each within a second, and none lost.
//
//   live_latency_bench [--rate=5000] [--seconds=15] [--directory=DIR] [--log=kafka://HOST:PORT]
//                      [--benchmark_filter=live_latency]
//
// --log: the log is there instead, a new one for each run, with `--kafka-profile latency`.
//
// Exits 1 when an update does not come at all. FINPIPE is the program, FINPIPE_BENCH_SMALL asks for a short run.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <regex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/time.h"
#include "live_latency/program.h"
#include "live_latency/readers.h"
#include "live_latency/samples.h"
#include "live_latency/schedule.h"
#include "live_latency/vendor.h"

namespace finpipe::live_latency {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDeadlineMs = 60'000;  // for anything to happen at all
constexpr std::int64_t kLeadNs = 200 * kNsPerMs;
constexpr double kHoldMs = 1'000;

struct Plan {
  std::string program;
  fs::path directory = fs::temp_directory_path();
  std::string log;  // of logs: where they are made; empty: in the directory
  std::string filter;
  Load load;
  Load clients_load{.measured_ms = 8'000};
  int runs = 3;
  std::vector<std::size_t> clients = {100, 500, 1'000};
  int syncs = 300;
};

class RunDirectory {
 public:
  explicit RunDirectory(const fs::path& parent) : path_(parent / fmt::format("finpipe-live-{}", ::getpid())) {
    fs::create_directories(path_);
  }
  ~RunDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// A benchmark of something that failed means nothing.
template <typename T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return *std::move(result);
}

void must(bool done, std::string_view what, const std::string& output = {}) {
  if (!done) throw std::runtime_error(fmt::format("{}\n{}", what, output));
}

Schedule start_schedule(const Load& load, Clock& clock) {
  return Schedule(load, clock.boot_ns() + kLeadNs, clock.wall_ns() + kLeadNs);
}

// What one run measured.
struct Measured {
  BarReaders::Seen seen;
  Samples late;  // frames
  double cpu_share = 0;
  std::int64_t resident_bytes = 0;
};

std::string new_log(const Plan& plan) {
  static int number = 0;
  return plan.log.empty() ? "" : fmt::format("{}/live{}-{}", plan.log, ::getpid(), ++number);
}

Measured measure(const Plan& plan, const Load& load, std::size_t clients, std::size_t symbols_each) {
  SystemClock clock;
  const RunDirectory directory(plan.directory);
  const auto vendor = must(Vendor::start(clock));
  Program program(plan.program, directory.path(), vendor->port(), symbol_names(load.symbols), new_log(plan));
  const auto wait_for = [&](std::string_view what, const std::function<bool()>& done) {
    const bool in_time = vendor->run_until([&] { return program.ended() || done(); }, kDeadlineMs);
    must(in_time && !program.ended(), what, program.output());
  };
  wait_for("the program does not serve", [&] { return program.api_port().has_value(); });
  wait_for("the program does not subscribe",
           [&] { return vendor->subscriptions() == static_cast<std::int64_t>(load.symbols); });
  BarReaders readers(clock, *program.api_port(), clients, load.symbols, symbols_each);
  wait_for("the clients get no snapshots", [&] { return readers.ready(); });

  const Schedule schedule = start_schedule(load, clock);
  readers.expect(schedule);
  const double cpu_before = program.cpu_seconds();
  const std::int64_t begin_ns = clock.boot_ns();
  Measured measured;
  measured.late = vendor->play(schedule);
  measured.cpu_share = (program.cpu_seconds() - cpu_before) * 1e9 / static_cast<double>(clock.boot_ns() - begin_ns);
  measured.resident_bytes = program.resident_bytes();
  // Whether it was complete is in what the readers have seen.
  static_cast<void>(vendor->run_until([&] { return readers.complete(); }, kDeadlineMs));
  measured.seen = readers.finish();
  if (!program.stop()) throw std::runtime_error("the program did not end well\n" + program.output());
  return measured;
}

Samples measure_direct(const Load& load) {
  SystemClock clock;
  const auto vendor = must(Vendor::start(clock));
  DirectReader reader(clock, vendor->port());
  must(vendor->run_until([&] { return vendor->connections() == 1; }, kDeadlineMs), "nobody connects");
  const Schedule schedule = start_schedule(load, clock);
  reader.expect(schedule);
  static_cast<void>(vendor->play(schedule));
  must(vendor->run_until([&] { return reader.complete(); }, kDeadlineMs), "frames are missing");
  return reader.finish();
}

Samples measure_sync(const Plan& plan) {
  SystemClock clock;
  const RunDirectory directory(plan.directory);
  const int file = ::open((directory.path() / "synced").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const std::string block(4'096, 'x');
  Samples samples;
  for (int i = 0; i < plan.syncs; ++i) {
    const std::int64_t begin_ns = clock.boot_ns();
    if (::write(file, block.data(), block.size()) < 0 || ::fdatasync(file) != 0) throw std::runtime_error("no sync");
    samples.add(clock.boot_ns() - begin_ns);
  }
  ::close(file);
  samples.sort();
  return samples;
}

std::string quantiles(const Samples& samples) {
  return fmt::format("p50 {:7.2f}  p99 {:7.2f}  p99.9 {:7.2f}  max {:7.2f} ms", samples.quantile_ms(0.5),
                     samples.quantile_ms(0.99), samples.quantile_ms(0.999), samples.max_ms());
}

void print_row(std::string_view name, const std::string& text) {
  fmt::print("  {:<26}{}\n", name, text);
  std::fflush(stdout);
}

std::string cost(const Measured& measured) {
  return fmt::format("{:.0f} % of a core, {} MiB", 100 * measured.cpu_share, measured.resident_bytes >> 20);
}

// False when updates were lost.
bool run_latency(const Plan& plan) {
  const Load& load = plan.load;
  fmt::print(
      "live_latency: {} trades/s in frames of 1 to {}, {} symbols, {:.0f} s; frame due -> bar update at a client\n",
      load.trades_per_second, load.max_trades_per_frame, load.symbols, static_cast<double>(load.measured_ms) / 1e3);
  const Samples sync = measure_sync(plan);
  print_row("4 KiB write + fdatasync", quantiles(sync));
  const Samples direct = measure_direct(load);
  print_row("vendor -> client, alone", quantiles(direct));
  bool whole = true;
  Samples best;
  for (int run = 1; run <= plan.runs; ++run) {
    Measured measured = measure(plan, load, 1, load.symbols);
    const Samples& latency = measured.seen.latency;
    print_row(fmt::format("run {}", run), quantiles(latency) + "  " + cost(measured));
    print_row("  sent late by", quantiles(measured.late));
    if (measured.seen.missing > 0) print_row("  missing", fmt::format("{} trades", measured.seen.missing));
    whole = whole && measured.seen.missing == 0 && measured.seen.disconnected == 0;
    if (best.count() == 0 || latency.quantile_ms(0.99) < best.quantile_ms(0.99)) best = latency;
  }
  print_row("best run", quantiles(best));
  const auto ratio = [&](double q) { return best.quantile_ms(q) / (direct.quantile_ms(q) + sync.quantile_ms(q)); };
  print_row("ratio to both rivals", fmt::format("p50 {:.2f}  p99 {:.2f}", ratio(0.5), ratio(0.99)));
  return whole;
}

bool run_clients(const Plan& plan) {
  constexpr std::size_t kSymbolsEach = 2;
  fmt::print("live_clients: the same load, each client reads the 1s bars of {} symbols\n", kSymbolsEach);
  bool whole = true;
  for (const std::size_t clients : plan.clients) {
    const Measured measured = measure(plan, plan.clients_load, clients, kSymbolsEach);
    const BarReaders::Seen& seen = measured.seen;
    const bool nothing_lost = seen.missing == 0 && seen.disconnected == 0;
    const bool holds = nothing_lost && seen.latency.max_ms() <= kHoldMs;
    print_row(fmt::format("{} clients: {}", clients, holds ? "hold" : "do not hold"),
              fmt::format("{}  {}, {} updates", quantiles(seen.latency), cost(measured), seen.updates));
    if (!nothing_lost) print_row("  missing", fmt::format("{} trades, {} clients", seen.missing, seen.disconnected));
    whole = whole && nothing_lost;
  }
  return whole;
}

// Both ends of a thousand connections, here and in the program, which inherits the limit.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::int64_t number_of(std::string_view argument, std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number <= 0)
    throw std::runtime_error(fmt::format("{}: not a number above 0", argument));
  return number;
}

Plan plan_of(std::span<char* const> arguments) {
  Plan plan;
  const char* const program = std::getenv("FINPIPE");
  plan.program = program != nullptr ? program : FINPIPE_PROGRAM;
  if (std::getenv("FINPIPE_BENCH_SMALL") != nullptr) {
    plan.load = {.trades_per_second = 1'000, .symbols = 10, .warm_up_ms = 300, .measured_ms = 1'000};
    plan.clients_load = plan.load;
    plan.runs = 1;
    plan.clients = {5};
    plan.syncs = 20;
  }
  for (const char* const text : arguments) {
    const std::string_view argument(text);
    const std::string_view name = argument.substr(0, argument.find('='));
    const std::string_view value = argument.substr(std::min(name.size() + 1, argument.size()));
    if (name == "--rate") {
      plan.load.trades_per_second = plan.clients_load.trades_per_second = number_of(argument, value);
    } else if (name == "--seconds") {
      plan.load.measured_ms = plan.clients_load.measured_ms = 1'000 * number_of(argument, value);
    } else if (name == "--directory") {
      plan.directory = value;
    } else if (name == "--log") {
      plan.log = value;
    } else if (name == "--benchmark_filter") {
      plan.filter = value;
    } else if (!name.starts_with("--benchmark_")) {  // what is said to all benchmarks
      throw std::runtime_error(fmt::format("unknown argument {}", argument));
    }
  }
  return plan;
}

int run(std::span<char* const> arguments) {
  const Plan plan = plan_of(arguments);
  raise_descriptor_limit();
  const std::regex filter(plan.filter);
  bool whole = true;
  if (std::regex_search("live_latency", filter)) whole = run_latency(plan) && whole;
  if (std::regex_search("live_clients", filter)) whole = run_clients(plan) && whole;
  return whole ? 0 : 1;
}

}  // namespace
}  // namespace finpipe::live_latency

int main(int count, char** arguments) {
  try {
    return finpipe::live_latency::run({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
