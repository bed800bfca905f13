#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "app/bar_table.h"
#include "app/commands.h"
#include "app/descriptors.h"
#include "app/embedded_files.h"
#include "app/end_signals.h"
#include "app/endpoint_thread.h"
#include "app/feed_parts.h"
#include "app/metered.h"
#include "app/parts.h"
#include "app/pipeline_threads.h"
#include "app/progress.h"
#include "app/store_trouble.h"
#include "base/clock.h"
#include "base/time.h"
#include "endpoint/live_hub.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace finpipe {
namespace {

struct Summary {
  PipelineThreads::Status status;
  std::int64_t stored = 0;
  std::int64_t finals = 0;
  std::int64_t revisions = 0;
  std::optional<std::int64_t> open_bars;  // absent: the store did not tell
  std::int64_t elapsed_ns = 0;
};

void print_summary(const Summary& summary) {
  const IngestCounts& ingest = summary.status.ingest;
  const double seconds = static_cast<double>(summary.elapsed_ns) / static_cast<double>(kNsPerSecond);
  const auto n = with_separators;
  fmt::print("trades  {} received = {} already in the log + {} appended + {} dead-lettered; {} suspect\n",
             n(ingest.received), n(ingest.already_in_log), n(ingest.appended), n(ingest.dead_lettered),
             n(ingest.suspects));
  fmt::print("stored  {}{} trades, {} dead-lettered after the log\n", summary.status.gave_up ? "at most " : "",
             n(summary.stored), n(summary.status.dead_lettered_after));
  fmt::print("bars    {} became final, {} revisions, {} open\n", n(summary.finals), n(summary.revisions),
             summary.open_bars ? n(*summary.open_bars) : "?");
  fmt::print("time    {:.2f} s, {} trades/s, {} MiB of memory\n", seconds,
             n(static_cast<std::int64_t>(static_cast<double>(ingest.received) / std::max(seconds, 1e-3))),
             resident_bytes() >> 20);
}

// Bars that are provisional: looked for only where the engine says that such bars can be.
Result<std::int64_t> count_open_bars(const Processor& processor, Query& query) {
  std::int64_t count = 0;
  for (const auto& [partition, entry] : processor.partitions()) {
    const BarEngine& engine = entry.engine();
    for (SymbolId id = 0; id < engine.symbol_count(); ++id) {
      for (const BarEngine::RowRange& range : engine.restore_ranges(id)) {
        FINPIPE_TRY(
            query.bars({engine.symbol_name(id), range.interval, range.from_ms, range.to_ms}, [&](const BarRow& row) {
              if (row.bar.state == BarState::kProvisional) ++count;
              return true;
            }));
      }
    }
  }
  return count;
}

// Everything of a run that is watched while its threads work.
struct Watched {
  PipelineThreads& threads;
  const FeedParts& feed;
  MeteredStore& store;
  const StorePart& part;  // behind it
  Metrics& metrics;
};

std::string feed_text(const FeedParts& feed) { return feed.live == nullptr ? std::string() : feed.live->status().text; }

void publish(Metrics& metrics, const PipelineThreads::Status& status) {
  const IngestCounts& ingest = status.ingest;
  const auto raise = [&](Metric metric, std::int64_t total, Metrics::Labels labels = {}) {
    metrics.raise_to(metric, static_cast<double>(total), labels);
  };
  raise(Metric::kIngestFrames, ingest.frames);
  raise(Metric::kIngestReceived, ingest.received);
  raise(Metric::kIngestAlreadyInLog, ingest.already_in_log);
  raise(Metric::kIngestAppended, ingest.appended);
  raise(Metric::kIngestSuspects, ingest.suspects);
  raise(Metric::kIngestUnknownCodes, ingest.unknown_codes);
  raise(Metric::kIngestRounded, ingest.rounded);
  raise(Metric::kIngestUnsubscribed, ingest.unsubscribed);
  raise(Metric::kIngestVendorErrors, ingest.vendor_errors);
  raise(Metric::kFeedReconnects, ingest.disconnects, {"disconnected"});
  raise(Metric::kFeedReconnects, ingest.stalls, {"stalled"});
  raise(Metric::kProcessorRecords, status.records_applied);
  metrics.set(Metric::kProcessorBacklog, static_cast<double>(status.backlog));
  metrics.set(Metric::kProcessorWindows, static_cast<double>(status.windows));
}

void publish_store(Metrics& metrics, bool trouble, const std::optional<CassandraStatistics>& cassandra) {
  constexpr double kUsPerSecond = 1e6;
  metrics.set(Metric::kStoreTrouble, trouble ? 1 : 0);
  if (!cassandra) return;
  const auto set = [&](Metric metric, std::int64_t value) { metrics.set(metric, static_cast<double>(value)); };
  const auto raise = [&](Metric metric, std::int64_t total) { metrics.raise_to(metric, static_cast<double>(total)); };
  set(Metric::kCassandraNodes, cassandra->nodes);
  set(Metric::kCassandraNodesUp, cassandra->nodes_up);
  set(Metric::kCassandraConnections, cassandra->connections);
  raise(Metric::kCassandraRequests, cassandra->requests);
  raise(Metric::kCassandraRowsWritten, cassandra->rows_written);
  raise(Metric::kCassandraRetries, cassandra->retries);
  raise(Metric::kCassandraTimeouts, cassandra->timeouts);
  raise(Metric::kCassandraOverloads, cassandra->overloads);
  set(Metric::kCassandraInFlight, cassandra->in_flight);
  set(Metric::kCassandraWindow, cassandra->window);
  metrics.set(Metric::kCassandraLatencySeconds, static_cast<double>(cassandra->latency_us_p50) / kUsPerSecond, {"50"});
  metrics.set(Metric::kCassandraLatencySeconds, static_cast<double>(cassandra->latency_us_p99) / kUsPerSecond, {"99"});
}

void tell(const TroubleWatch::News& news, Progress& progress) {
  if (news.began) {
    progress.clear();
    log_warn("the store is in trouble; what is received waits in the log", {{"reason", *news.began}});
  }
  if (news.lasted_ns) {
    progress.clear();
    const double seconds = static_cast<double>(*news.lasted_ns) / static_cast<double>(kNsPerSecond);
    log_info("the store is well again", {{"after", fmt::format("{:.1f} s", seconds)}});
  }
}

// Watches the threads until they have ended, and asks them to when a signal comes.
void attend(const Watched& run, const EndSignals& signals, Progress& progress, Clock& clock, bool exit_at_end) {
  constexpr std::int64_t kTickMs = 50;
  constexpr std::int64_t kStopInTroubleNs = 5 * kNsPerSecond;  // a stop waits so long for a store in trouble
  TroubleWatch watch;
  bool stopping = false;
  bool told_end = exit_at_end;
  for (;;) {
    const bool signalled = signals.wait(kTickMs);
    const PipelineThreads::Status status = run.threads.status();
    if (status.done) break;
    const std::int64_t now_ns = clock.boot_ns();
    const auto trouble = run.store.trouble();
    tell(watch.look(trouble, now_ns), progress);
    if (signalled && stopping) _exit(1);
    if (signalled) {
      stopping = true;
      progress.clear();
      log_info("stopping", {{"backlog", fmt::to_string(status.backlog)}});
      run.threads.request_stop();
    }
    if (trouble && status.stop_requested_ns && now_ns - *status.stop_requested_ns > kStopInTroubleNs) {
      run.threads.give_up();
      run.store.interrupt();
    }
    if (!told_end && status.all_submitted && run.store.settled()) {
      told_end = true;
      progress.clear();
      log_info("the tape has ended and all of it is stored; waiting for a signal", {});
    }
    publish(run.metrics, status);
    publish_store(run.metrics, trouble.has_value(), run.part.statistics());
    if (!told_end || exit_at_end) progress.tick(status, run.store.trades(), feed_text(run.feed), trouble, now_ns);
  }
  progress.clear();
}

std::vector<PageAsset> page_assets() {
  std::vector<PageAsset> assets;
  for (const EmbeddedFile& file : embedded_page()) {
    assets.push_back({file.path, file.content_type, file.bytes, file.immutable});
  }
  return assets;
}

std::string address_text(const std::string& address, std::uint16_t port) {
  const bool is_v6 = address.find(':') != std::string::npos;
  return fmt::format("http://{}{}{}:{}/", is_v6 ? "[" : "", address, is_v6 ? "]" : "", port);
}

// The parts of a run; each may use those above it.
class Run {
 public:
  Run(const Settings& settings, Clock& clock) : settings_(settings), clock_(clock) {}

  Result<void> open() {
    FINPIPE_TRY_ASSIGN(policies, open_policies(settings_));
    FINPIPE_TRY_ASSIGN(feed, open_feed(settings_, clock_));
    feed_ = std::move(feed);
    fmt::print("{}\n", feed_.description);
    std::fflush(stdout);
    if (feed_.tape) FINPIPE_TRY(fill_demo_log(settings_, feed_, policies));
    FINPIPE_TRY_ASSIGN(log, open_log(settings_, Access::kWrite));
    // What is received must not wait for the store, except a tape that is to end.
    const Patience patience = settings_.exit_at_end ? Patience::kOnceOpen : Patience::kEndless;
    FINPIPE_TRY_ASSIGN(store, open_store(settings_, Access::kWrite, patience));
    log_ = std::move(log);
    store_.emplace(std::move(store));
    metered_store_.emplace(store_->store(), metrics_, clock_);
    writer_.emplace(log_->writer(), metrics_, clock_);
    hub_ = std::make_unique<LiveHub>(log_->partitions());
    ingest_side_.open(*log_, metrics_, Metric::kIngestDeadLettered);
    process_side_.open(*log_, metrics_, Metric::kProcessorDeadLettered);
    IngestOptions options;
    options.symbols = feed_.symbols;
    options.policies = std::move(policies);
    options.clock = feed_.session_clock.get();
    ingest_.emplace(*feed_.feed, *ingest_side_.reader, *writer_, *ingest_side_.letters, std::move(options));
    processor_.emplace(*process_side_.reader, *metered_store_, *process_side_.letters, clock_, ProcessorOptions(),
                       hub_.get());
    return {};
  }

  Result<void> work(const EndSignals& signals, std::int64_t started_ns) {
    FINPIPE_TRY(serve());
    FINPIPE_TRY(ingest_->start());
    log_info("started", {{"feed", displayed(setting_info(Setting::kFeed), settings_.feed)},
                         {"log", settings_.log},
                         {"store", settings_.store},
                         {"partitions", fmt::to_string(log_->partitions())},
                         {"session", fmt::to_string(ingest_->session())}});
    PipelineThreads threads(*feed_.feed, *ingest_, *processor_, *process_side_.reader, clock_,
                            {.exit_at_end = settings_.exit_at_end});
    watch(&threads);
    Progress progress(isatty(STDERR_FILENO) == 1, feed_.live != nullptr, started_ns);
    attend({threads, feed_, *metered_store_, *store_, metrics_}, signals, progress, clock_, settings_.exit_at_end);
    const auto joined = threads.join();
    summary_.status = threads.status();
    summary_.elapsed_ns = clock_.boot_ns() - started_ns;
    watch(nullptr);
    // From here on the store is read by this thread.
    hub_->end_rounds();
    if (endpoint_) endpoint_->stop();
    return joined;
  }

  Result<void> report() {
    summary_.stored = metered_store_->trades();
    summary_.finals = metered_store_->finals();
    summary_.revisions = metered_store_->revisions();
    if (summary_.status.gave_up) {
      print_summary(summary_);
      log_warn("the store was in trouble at the end: nothing is lost, the next start stores the rest from the log");
      return {};
    }
    const auto open_bars = count_open_bars(*processor_, store_->query());
    const auto table = open_bars ? bar_table(store_->query(), {}) : fail(open_bars.error());
    if (open_bars) summary_.open_bars = *open_bars;
    print_summary(summary_);
    if (table) {
      fmt::print("{}", *table);
    } else if (table.error().code != ErrorCode::kStoreUnreachable) {
      return fail(table.error());
    } else {
      log_warn("all is stored, but the store cannot be read now", {{"reason", table.error().detail}});
    }
    std::fflush(stdout);
    return {};
  }

 private:
  // What each of the two threads has of the log.
  struct LogSide {
    std::unique_ptr<LogReader> reader;
    std::unique_ptr<DeadLetters> plain_letters;
    std::unique_ptr<MeteredDeadLetters> letters;

    void open(LogPart& log, Metrics& metrics, Metric metric) {
      reader = log.reader();
      plain_letters = log.dead_letters();
      letters = std::make_unique<MeteredDeadLetters>(*plain_letters, metrics, metric);
    }
  };

  // A run that ends with its tape has nobody to serve.
  Result<void> serve() {
    if (settings_.listen_address.empty() || settings_.exit_at_end) return {};
    assets_ = page_assets();
    EndpointOptions options;
    options.server.address = settings_.listen_address;
    options.server.port = settings_.listen_port;
    options.server.max_connections = connections_within(raise_descriptor_limit(), options.server.max_connections);
    options.status.version = FINPIPE_VERSION;
    options.status.feed_detail = [this] { return feed_text(feed_); };
    options.page = assets_;
    options.not_ready = [this] { return not_ready(); };
    FINPIPE_TRY_ASSIGN(splits, open_splits(settings_));
    options.splits = std::move(splits);
    FINPIPE_TRY_ASSIGN(endpoint, EndpointThread::start(store_->query(), *hub_, metrics_, clock_, std::move(options)));
    endpoint_ = std::move(endpoint);
    fmt::print("Page and API: {}\n", address_text(settings_.listen_address, endpoint_->port()));
    std::fflush(stdout);
    return {};
  }

  void watch(PipelineThreads* threads) {
    const std::lock_guard lock(mutex_);
    threads_ = threads;
  }
  std::vector<std::string> not_ready() {
    const std::lock_guard lock(mutex_);
    if (threads_ == nullptr) return {"the pipeline is starting or stopping"};
    return reasons_not_ready(threads_->status(), metered_store_->trouble());
  }

  const Settings& settings_;
  Clock& clock_;
  Metrics metrics_;
  FeedParts feed_;
  std::unique_ptr<LogPart> log_;
  std::optional<StorePart> store_;
  std::optional<MeteredStore> metered_store_;
  std::optional<MeteredLogWriter> writer_;
  std::unique_ptr<LiveHub> hub_;
  LogSide ingest_side_, process_side_;
  std::optional<Ingest> ingest_;
  std::optional<Processor> processor_;
  Summary summary_;
  std::mutex mutex_;
  PipelineThreads* threads_ = nullptr;  // while they work
  std::vector<PageAsset> assets_;
  std::unique_ptr<EndpointThread> endpoint_;
};

Result<void> run(Settings settings) {
  const EndSignals signals;
  SystemClock clock;
  const std::int64_t started_ns = clock.boot_ns();
  choose_feed(settings);
  Run run(settings, clock);
  FINPIPE_TRY(run.open());
  FINPIPE_TRY(run.work(signals, started_ns));
  return run.report();
}

}  // namespace

void add_run(CLI::App& program, CommandLine& line) {
  CLI::App* command = program.add_subcommand(
      "run", "Take trades from a feed, log them, make bars, store both, and serve a page and an API");
  add_settings(*command, line,
               {Setting::kFeed, Setting::kLog, Setting::kStore, Setting::kSymbols, Setting::kPartitions,
                Setting::kExitAtEnd, Setting::kListen, Setting::kInsecure, Setting::kCaFile,
                Setting::kClientCertificate, Setting::kClientKey, Setting::kFeedTimeScale, Setting::kPolicies});
  add_examples(*command, {"finpipe run                      with FINNHUB_API_KEY the vendor, without it the demo",
                          "finpipe run --symbols BINANCE:BTCUSDT,AAPL --listen 127.0.0.1:9000",
                          "finpipe run --feed tape:data/binance.tape --exit-at-end",
                          "finpipe run --feed tape:data/binance.tape --symbols BINANCE:BTCUSDT \\\n"
                          "      --log embedded:/data/log --store embedded:/data/store --partitions 4",
                          "finpipe run --store cassandra://10.0.0.1,10.0.0.2/finpipe"});
  command->callback([&line] {
    line.command = [](const SettingValues&, const Settings& settings) -> Result<int> {
      FINPIPE_TRY(run(settings));
      return 0;
    };
  });
}

}  // namespace finpipe
