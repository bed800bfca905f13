// The store in Cassandra on a server that FINPIPE_CASSANDRA=host:port names, in a keyspace that `finpipe check
// --create` has made. benchmarks/cassandra/compare.py starts the server, runs the rivals beside it and prints the
// ratios.
//
//   cassandra_bench write KEYSPACE ROWS       rows a second, and processor time of this process a row
//   cassandra_bench query KEYSPACE SECONDS    latency of 500-bar queries while 5,000 trades a second are written; the
//                                             queries start by the clock, whether or not the one before has ended
//   cassandra_bench day KEYSPACE ROWS         the trades of one symbol on one day, most of them after the opening and
//                                             before the close; benchmarks/cassandra/busiest_day.py looks at the tables
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "stores/cassandra/cassandra_store.h"

namespace finpipe {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kStartMs = 1'764'167'400'000;
constexpr std::size_t kTicksPerCommit = 5'000;
constexpr std::int64_t kSymbols = 50;

double seconds(Clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

double processor_s() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

template <typename T>
T value_of(Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "{}\n", result.error().message());
  std::exit(1);
}

std::string symbol_of(std::int64_t number) { return fmt::format("BENCH:{}", number); }

// The trades [first, first + count) of an endless series: kSymbols symbols in turn, 5,000 a second.
Commit ticks(std::int64_t first, std::size_t count, const std::vector<std::string>& symbols) {
  Commit commit;
  for (std::int64_t i = first; i < first + static_cast<std::int64_t>(count); ++i) {
    Trade trade;
    trade.event_time_ms = kStartMs + i / 5;
    trade.price_e9 = 61'234'560'000'000 + i % 1'000 * 10'000'000;
    trade.volume_e8 = 1 + i % 100'000'000;
    trade.received_at_ns = trade.event_time_ms * 1'000'000;
    trade.seq = trade.received_at_ns + i;
    trade.session = 1;
    commit.add_tick(trade, symbols[static_cast<std::size_t>(i % kSymbols)], i, LogId{std::byte{7}});
  }
  return commit;
}

std::vector<std::string> symbols() {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < kSymbols; ++i) names.push_back(symbol_of(i));
  return names;
}

std::unique_ptr<CassandraStore> open(std::string_view keyspace) {
  const char* const address = std::getenv("FINPIPE_CASSANDRA");
  CassandraOptions options;
  options.contact_points = address == nullptr ? "127.0.0.1:9042" : address;
  options.keyspace = keyspace;
  options.query_patience_ms = 60'000;
  options.check_bar_columns = false;  // as a server
  return value_of(CassandraStore::open(options));
}

void write(std::string_view keyspace, std::int64_t rows) {
  const auto store = open(keyspace);
  const std::vector<std::string> names = symbols();
  const double processor_before = processor_s();
  const auto begin = Clock::now();
  std::int64_t sent = 0;
  Store::Ticket submitted = 0, done = 0;
  while (sent < rows || done < submitted) {
    // As a processor: two commits under way.
    for (; sent < rows && submitted - done < 2; sent += static_cast<std::int64_t>(kTicksPerCommit)) {
      submitted = store->submit(ticks(sent, kTicksPerCommit, names));
    }
    done = value_of(store->poll());
  }
  const double elapsed_s = seconds(Clock::now() - begin);
  fmt::print("rows_per_s {:.0f}\nprocessor_us_per_row {:.2f}\n", static_cast<double>(sent) / elapsed_s,
             (processor_s() - processor_before) * 1e6 / static_cast<double>(sent));
}

void write_bars(CassandraStore& store) {
  Commit commit;
  for (std::int64_t i = 0; i < 2'000; ++i) {
    BarRow& row = commit.bars.push_back({{symbol_of(0), Interval::k1m, kStartMs - i * kMsPerMinute}, {}});
    row.bar.first = row.bar.last = {row.key.start_ms, 1, 61'000'000'000'000};
    row.bar.volume_e8 = row.bar.trades = row.bar.version = i + 1;
  }
  const Store::Ticket ticket = store.submit(std::move(commit));
  while (value_of(store.poll()) < ticket) {
  }
}

// Holds its pace: what is late is sent at once.
void write_at_a_pace(CassandraStore& store, const std::atomic<bool>& over) {
  constexpr std::int64_t kEachMs = 250, kEach = 1'250;  // a processor commits so often
  const std::vector<std::string> names = symbols();
  const auto begin = Clock::now();
  Store::Ticket submitted = 0, done = 0;
  std::int64_t sent = 0;
  while (!over || done < submitted) {
    const std::int64_t due = static_cast<std::int64_t>(seconds(Clock::now() - begin) * 1'000) / kEachMs * kEach;
    for (; !over && sent < due; sent += kEach) submitted = store.submit(ticks(sent, kEach, names));
    done = value_of(store.poll());
    poll(nullptr, 0, 1);
  }
  fmt::print("written_per_s {:.0f}\n", static_cast<double>(sent) / seconds(Clock::now() - begin));
}

void query(std::string_view keyspace, std::int64_t run_s) {
  constexpr std::int64_t kQueriesPerS = 40, kBarsAsked = 500;
  const std::string symbol = symbol_of(0);
  const auto store = open(keyspace);
  write_bars(*store);
  std::atomic<bool> over = false;
  std::thread writer([&] { write_at_a_pace(*store, over); });
  std::vector<double> latencies_ms;
  const auto begin = Clock::now();
  for (std::int64_t i = 0; i < run_s * kQueriesPerS; ++i) {
    const auto due = begin + std::chrono::microseconds(i * 1'000'000 / kQueriesPerS);
    while (Clock::now() < due) poll(nullptr, 0, 1);
    std::int64_t bars = 0;
    const auto done = store->bars({symbol, Interval::k1m, kStartMs - (kBarsAsked - 1) * kMsPerMinute, kStartMs},
                                  [&](const BarRow&) { return ++bars > 0; });
    if (!done || bars != kBarsAsked) {
      fmt::print(stderr, "{} bars{}\n", bars, done ? "" : ": " + done.error().message());
      std::exit(1);
    }
    latencies_ms.push_back(seconds(Clock::now() - due) * 1'000);
  }
  over = true;
  writer.join();
  std::ranges::sort(latencies_ms);
  const auto at = [&](double share) {
    return latencies_ms[static_cast<std::size_t>(share * static_cast<double>(latencies_ms.size() - 1))];
  };
  fmt::print("query_p50_ms {:.2f}\nquery_p99_ms {:.2f}\n", at(0.5), at(0.99));
}

// How many trades each five minutes from 09:30 to 16:00 New York have, by share: the opening four times as many as
// noon.
std::vector<double> shares_of_a_day() {
  constexpr int kBuckets = 78;
  std::vector<double> shares;
  double sum = 0;
  for (int i = 0; i < kBuckets; ++i) {
    shares.push_back(1 + 3.2 * std::exp(-i / 3.0) + 1.5 * std::exp(-(kBuckets - 1 - i) / 4.0));
    sum += shares.back();
  }
  for (double& share : shares) share /= sum;
  return shares;
}

void write_day(std::string_view keyspace, std::int64_t rows) {
  constexpr std::int64_t kOpenMs = 1'764'167'400'000;  // 2025-11-26T14:30Z
  constexpr std::int64_t kBucketMs = 5 * kMsPerMinute;
  const auto store = open(keyspace);
  Store::Ticket submitted = 0, done = 0;
  std::int64_t written = 0, most = 0;
  Commit commit;
  const auto submit = [&] {
    submitted = store->submit(std::exchange(commit, {}));
    while (submitted - done >= 2) done = value_of(store->poll());
  };
  std::int64_t bucket_ms = kOpenMs;
  for (const double share : shares_of_a_day()) {
    const auto count = static_cast<std::int64_t>(share * static_cast<double>(rows));
    most = std::max(most, count);
    for (std::int64_t i = 0; i < count; ++i, ++written) {
      Trade trade;
      trade.event_time_ms = bucket_ms + i * kBucketMs / count;
      trade.price_e9 = (18'000 + written % 977) * 10'000'000;
      trade.volume_e8 = (1 + written % 300) * 100'000'000;
      trade.conditions = {Conditions::Form::kList, written % 3 == 0 ? "1 12" : "1"};
      trade.received_at_ns = trade.event_time_ms * 1'000'000 + 80'000'000;
      trade.seq = trade.received_at_ns + i % 7;
      trade.session = 41;
      commit.add_tick(trade, "NVDA", 5'000'000'000 + written, LogId{std::byte{7}});
      if (commit.ticks.size() == kTicksPerCommit) submit();
    }
    bucket_ms += kBucketMs;
  }
  submit();
  while (done < submitted) done = value_of(store->poll());
  fmt::print("{} trades, at most {} in five minutes\n", written, most);
}

int run(const std::vector<std::string_view>& arguments) {
  std::int64_t amount = 0;
  if (arguments.size() != 4 ||
      std::from_chars(arguments[3].begin(), arguments[3].end(), amount).ptr != arguments[3].end()) {
    fmt::print(stderr, "usage: cassandra_bench write|query|day KEYSPACE AMOUNT\n");
    return 2;
  }
  if (arguments[1] == "write") {
    write(arguments[2], amount);
  } else if (arguments[1] == "day") {
    write_day(arguments[2], amount);
  } else {
    query(arguments[2], amount);
  }
  return 0;
}

}  // namespace
}  // namespace finpipe

int main(int count, char** arguments) { return finpipe::run({arguments, arguments + count}); }
