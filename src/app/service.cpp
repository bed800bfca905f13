#include "app/service.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "app/bar_table.h"
#include "app/descriptors.h"
#include "app/elsewhere_query.h"
#include "app/embedded_files.h"
#include "app/end_signals.h"
#include "app/endpoint_thread.h"
#include "app/feed_parts.h"
#include "app/figures.h"
#include "app/follower_store.h"
#include "app/metered.h"
#include "app/parts.h"
#include "app/pipeline_threads.h"
#include "app/progress.h"
#include "app/server_trouble.h"
#include "app/urls.h"
#include "base/clock.h"
#include "base/time.h"
#include "endpoint/live_hub.h"
#include "pipeline/publishing_store.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace finpipe {
namespace {

struct Summary {
  PipelineThreads::Status status;
  bool log_trouble = false;  // at the end
  std::int64_t stored = 0;
  std::int64_t finals = 0;
  std::int64_t revisions = 0;
  std::optional<std::int64_t> open_bars;  // absent: the store did not tell
  std::int64_t elapsed_ns = 0;
};

void print_received(const IngestCounts& ingest) {
  const auto n = with_separators;
  fmt::print("trades  {} received = {} already in the log + {} appended + {} dead-lettered; {} suspect\n",
             n(ingest.received), n(ingest.already_in_log), n(ingest.appended), n(ingest.dead_lettered),
             n(ingest.suspects));
}

void print_summary(const Summary& summary) {
  const IngestCounts& ingest = summary.status.ingest;
  const double seconds = static_cast<double>(summary.elapsed_ns) / static_cast<double>(kNsPerSecond);
  const auto n = with_separators;
  print_received(ingest);
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

// Everything that is watched while the threads work.
struct Watched {
  PipelineThreads& threads;
  const FeedParts& feed;
  LogPart& log;
  const StorePart* store;  // may be null, likewise
  const MeteredStore* metered;
  Figures& figures;
};

std::string feed_text(const FeedParts& feed) { return feed.live == nullptr ? std::string() : feed.live->status().text; }

std::optional<Error> feed_error(const FeedParts& feed) {
  FinnhubWebSocketFeed::Status status = feed.live->status();
  return status.state == Connection::State::kOpen ? std::nullopt : std::move(status.last_error);
}

// What is told of a run while it goes on: a line of progress, and when its tape has ended.
class Telling {
 public:
  Telling(const Watched& watched, bool shown, bool exit_at_end, std::int64_t started_ns)
      : watched_(watched),
        shown_(shown),
        exit_at_end_(exit_at_end),
        progress_(isatty(STDERR_FILENO) == 1, watched.feed.live != nullptr, started_ns) {}

  void clear() { progress_.clear(); }
  void tick(const PipelineThreads::Status& status, const std::optional<std::string>& log_trouble,
            const std::optional<std::string>& store_trouble, std::int64_t now_ns) {
    clear_for(log_watch_.look(log_trouble, now_ns), "log", "memory");
    clear_for(store_watch_.look(store_trouble, now_ns), "store", "the log");
    if (!shown_ || told_end_) return;
    if (!exit_at_end_ && status.all_submitted && watched_.metered->settled()) {
      told_end_ = true;
      progress_.clear();
      log_info("the tape has ended and all of it is stored; waiting for a signal", {});
      return;
    }
    std::optional<std::string> trouble;
    if (store_trouble) trouble = "store: " + *store_trouble;
    if (log_trouble) trouble = "log: " + *log_trouble;
    progress_.tick(status, watched_.metered->trades(), feed_text(watched_.feed), trouble, now_ns);
  }

 private:
  void clear_for(const TroubleWatch::News& news, std::string_view what, std::string_view waits_in) {
    if (news.began || news.lasted_ns) progress_.clear();
    if (news.began) {
      log_warn(fmt::format("the {} is in trouble; what is received waits in {}", what, waits_in),
               {{"reason", *news.began}});
    }
    if (news.lasted_ns) {
      const double seconds = static_cast<double>(*news.lasted_ns) / static_cast<double>(kNsPerSecond);
      log_info(fmt::format("the {} is well again", what), {{"after", fmt::format("{:.1f} s", seconds)}});
    }
  }

  const Watched& watched_;
  const bool shown_;
  const bool exit_at_end_;
  bool told_end_ = false;
  Progress progress_;
  TroubleWatch log_watch_, store_watch_;
};

// Watches the threads until they have ended, and asks them to when a signal comes.
void attend(const Watched& watched, const EndSignals& signals, Telling& telling, Clock& clock) {
  constexpr std::int64_t kTickMs = 50;
  constexpr std::int64_t kStopInTroubleNs = 5 * kNsPerSecond;  // a stop waits so long for a server in trouble
  bool stopping = false;
  for (;;) {
    const bool signalled = signals.wait(kTickMs);
    const PipelineThreads::Status status = watched.threads.status();
    if (status.done) break;
    const std::int64_t now_ns = clock.boot_ns();
    const auto log_trouble = watched.log.trouble();
    const auto store_trouble = watched.store != nullptr ? watched.store->store().trouble() : std::nullopt;
    if (signalled && stopping) _exit(1);
    if (signalled) {
      stopping = true;
      telling.clear();
      log_info("stopping", {{"backlog", fmt::to_string(status.backlog)}});
      watched.threads.request_stop();
    }
    const bool trouble = log_trouble || store_trouble;
    if (trouble && status.stop_requested_ns && now_ns - *status.stop_requested_ns > kStopInTroubleNs) {
      watched.threads.give_up();
      watched.log.interrupt();
      if (watched.store != nullptr) watched.store->store().interrupt();
    }
    watched.figures.publish(status);
    watched.figures.publish_ready(reasons_not_ready(status, log_trouble, store_trouble).empty());
    watched.figures.publish_log(watched.log, log_trouble.has_value());
    if (watched.store != nullptr) watched.figures.publish_store(*watched.store, store_trouble.has_value());
    watched.figures.publish_outlook(watched.feed, watched.log);
    telling.tick(status, log_trouble, store_trouble, now_ns);
  }
  telling.clear();
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

// Of a log whose dead letters another process keeps.
class NoDeadLetters final : public DeadLetters {
 public:
  void put(DeadLetter /*letter*/) override {}
  [[nodiscard]] Result<void> flush() override { return {}; }
};

std::string_view name_of(Role role) {
  constexpr std::array<std::string_view, 4> kNames = {"run", "ingest", "process", "serve"};
  return kNames[static_cast<std::size_t>(role)];
}

// The parts of a service; each may use those above it.
class Service {
 public:
  Service(const Settings& settings, Role role, Clock& clock)
      : settings_(settings), role_(role), clock_(clock), figures_(settings, role != Role::kIngest, metrics_, clock) {}

  // `stop`: whether to stop waiting for servers that are away. Any thread asks, until the work has begun.
  Result<void> open(const std::function<bool()>& stop) {
    if (ingests()) FINPIPE_TRY(open_input());
    // What is received must not wait for the store, except a tape that is to end.
    const Patience patience = settings_.exit_at_end ? Patience::kOnceOpen : Patience::kEndless;
    FINPIPE_TRY(serve_meanwhile());
    FINPIPE_TRY_ASSIGN(log,
                       open_log(
                           settings_, Access::kWrite, patience, [this, stop] { return starting_ && stop(); },
                           [this](std::string_view what, const std::string& reason) { set_waits_for(what, reason); }));
    log_ = std::move(log);
    hub_ = std::make_unique<LiveHub>(log_->partitions());
    if (ingests()) open_ingest();
    if (role_ == Role::kIngest) return {};
    FINPIPE_TRY_ASSIGN(store, open_store(settings_, Access::kWrite, patience));
    store_.emplace(std::move(store));
    return open_processor();
  }

  Result<void> work(const EndSignals& signals, std::int64_t started_ns) {
    FINPIPE_TRY(serve());
    if (ingests()) FINPIPE_TRY(ingest_->start());
    starting_ = false;
    log_started();
    PipelineThreads threads({.feed = feed_.feed.get(),
                             .ingest = ingest_ ? &*ingest_ : nullptr,
                             .processor = processor_ ? &*processor_ : nullptr,
                             .log = process_side_.reader.get(),
                             .log_ends = [this] { return log_->ends(); }},
                            clock_, {.exit_at_end = settings_.exit_at_end, .follows = role_ == Role::kServe});
    watch(&threads);
    const Watched watched{
        threads, feed_, *log_, store_ ? &*store_ : nullptr, metered_store_ ? &*metered_store_ : nullptr, figures_};
    Telling telling(watched, role_ == Role::kRun, settings_.exit_at_end, started_ns);
    attend(watched, signals, telling, clock_);
    const auto joined = threads.join();
    summary_.status = threads.status();
    summary_.log_trouble = log_->trouble().has_value();
    summary_.elapsed_ns = clock_.boot_ns() - started_ns;
    watch(nullptr);
    // From here on the store is read by this thread.
    hub_->end_rounds();
    if (endpoint_) endpoint_->stop();
    return joined;
  }

  Result<void> report() {
    if (summary_.status.gave_up) {
      log_warn(!summary_.log_trouble
                   ? "the store was in trouble at the end: nothing is lost, the next start stores the rest from the log"
               : ingests()
                   ? "Kafka was in trouble at the end: what it has not acknowledged is not in the log; the next start "
                     "says so as a gap"
                   : "Kafka was in trouble at the end: nothing is lost, the next start goes on from what is stored");
    }
    if (role_ == Role::kIngest) print_received(summary_.status.ingest);
    return role_ == Role::kRun ? report_run() : Result<void>();
  }

 private:
  // What each of the two threads has of the log.
  struct LogSide {
    std::unique_ptr<LogReader> reader;
    std::unique_ptr<DeadLetters> plain_letters;
    std::unique_ptr<DeadLetters> letters;

    void open(std::unique_ptr<LogReader> opened, std::unique_ptr<DeadLetters> dead_letters, Metrics& metrics,
              Metric metric) {
      reader = std::move(opened);
      plain_letters = std::move(dead_letters);
      letters = std::make_unique<MeteredDeadLetters>(*plain_letters, metrics, metric);
    }
  };

  [[nodiscard]] bool ingests() const { return role_ == Role::kRun || role_ == Role::kIngest; }
  [[nodiscard]] bool queries() const { return role_ == Role::kRun || role_ == Role::kServe; }

  Result<void> open_input() {
    FINPIPE_TRY_ASSIGN(policies, open_policies(settings_));
    policies_ = std::move(policies);
    FINPIPE_TRY_ASSIGN(feed, open_feed(settings_, clock_));
    feed_ = std::move(feed);
    fmt::print("{}\n", feed_.description);
    std::fflush(stdout);
    return feed_.tape ? fill_demo_log(settings_, feed_, policies_) : Result<void>();
  }

  void open_ingest() {
    writer_.emplace(log_->writer(), metrics_, clock_);
    ingest_side_.open(log_->reader(), log_->dead_letters(), metrics_, Metric::kIngestDeadLettered);
    IngestOptions options;
    options.symbols = feed_.symbols;
    options.policies = std::move(policies_);
    options.clock = feed_.session_clock.get();
    ingest_.emplace(*feed_.feed, *ingest_side_.reader, *writer_, *ingest_side_.letters, std::move(options));
  }

  Result<void> open_processor() {
    auto reader = role_ == Role::kProcess
                      ? log_->group_reader(group_of(settings_), settings_.kafka_instance_id, [this] { wake(); })
                      : log_->reader([this] { wake(); });
    ProcessorOptions options;
    Store* store = nullptr;
    if (role_ == Role::kServe) {
      follower_.emplace(store_->store(), clock_);
      store = &*follower_;
      // Two commits may be under way, and together span how far the processes that store may be behind.
      options.commit_interval_ms = kFollowerCommitMs;
      process_side_.reader = std::move(reader);
      process_side_.letters = std::make_unique<NoDeadLetters>();
    } else {
      store = &store_->store();
      FINPIPE_TRY_ASSIGN(bars, log_->bars());
      if (bars != nullptr) store = &publishing_.emplace(*store, *bars);
      store = &metered_store_.emplace(*store, metrics_, clock_);
      options.commit_interval_ms = settings_.commit_interval_ms;
      process_side_.open(std::move(reader), log_->dead_letters(), metrics_, Metric::kProcessorDeadLettered);
    }
    metrics_.set(Metric::kCommitIntervalSeconds, static_cast<double>(options.commit_interval_ms) / kMsPerSecond);
    processor_.emplace(*process_side_.reader, *store, *process_side_.letters, clock_, options,
                       queries() ? hub_.get() : nullptr);
    return {};
  }

  void log_started() {
    const std::string partitions = fmt::to_string(log_->partitions());
    if (!ingest_) {
      log_info("started", {{"log", settings_.log}, {"store", settings_.store}, {"partitions", partitions}});
      return;
    }
    log_info("started", {{"feed", displayed(setting_info(Setting::kFeed), settings_.feed)},
                         {"log", settings_.log},
                         {"store", store_ ? settings_.store : "of others"},
                         {"partitions", partitions},
                         {"session", fmt::to_string(ingest_->session())}});
  }

  Result<void> report_run() {
    summary_.stored = metered_store_->trades();
    summary_.finals = metered_store_->finals();
    summary_.revisions = metered_store_->revisions();
    if (summary_.status.gave_up) {
      print_summary(summary_);
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

  // A run that ends with its tape has nobody to serve.
  [[nodiscard]] bool listens() const { return !settings_.listen_address.empty() && !settings_.exit_at_end; }

  [[nodiscard]] EndpointOptions endpoint_options() const {
    EndpointOptions options;
    options.server.address = settings_.listen_address;
    options.server.port = listen_port_;
    options.server.max_connections = connections_within(raise_descriptor_limit(), options.server.max_connections);
    options.status.version = FINPIPE_VERSION;
    options.status.role = name_of(role_);
    return options;
  }

  // Until the log is open.
  void set_waits_for(std::string_view what, const std::string& reason) {
    metrics_.set(Metric::kLogTrouble, what == kTheLog ? 1 : 0);
    metrics_.set(Metric::kRegistryTrouble, what == kTheRegistry ? 1 : 0);
    const std::lock_guard lock(mutex_);
    waits_for_ = fmt::format("the log is not open yet: waiting for {}", what);
    if (!reason.empty()) waits_for_ += ": " + reason;
  }

  // Health and metrics, while a log on servers is opened, which may take as long as they are away.
  Result<void> serve_meanwhile() {
    const auto log = parse_log_url(settings_.log);
    if (!listens() || !log || !std::holds_alternative<KafkaUrl>(*log)) return {};
    set_waits_for(kTheLog, "");
    EndpointOptions options = endpoint_options();
    options.not_ready = [this] {
      const std::lock_guard lock(mutex_);
      return std::vector{waits_for_};
    };
    FINPIPE_TRY_ASSIGN(endpoint,
                       EndpointThread::start(elsewhere_, no_live_bars_, metrics_, clock_, std::move(options)));
    endpoint_ = std::move(endpoint);
    listen_port_ = endpoint_->port();
    return {};
  }

  Result<void> serve() {
    if (!listens()) return {};
    endpoint_.reset();
    EndpointOptions options = endpoint_options();
    options.status.feed_detail = [this] { return feed_text(feed_); };
    if (feed_.live != nullptr) options.status.feed_error = [this] { return feed_error(feed_); };
    if (queries()) options.page = assets_ = page_assets();
    options.not_ready = [this] { return not_ready(); };
    if (queries()) options.status.log_ends = [this] { return log_ends(); };
    FINPIPE_TRY_ASSIGN(splits, open_splits(settings_));
    options.splits = std::move(splits);
    Query& query = queries() ? store_->query() : elsewhere_;
    FINPIPE_TRY_ASSIGN(endpoint, EndpointThread::start(query, *hub_, metrics_, clock_, std::move(options)));
    endpoint_ = std::move(endpoint);
    fmt::print("{}: {}\n", queries() ? "Page and API" : "Health and metrics",
               address_text(settings_.listen_address, endpoint_->port()));
    std::fflush(stdout);
    return {};
  }

  // Called by threads of the log, which live until its readers are gone.
  void wake() {
    const std::lock_guard lock(mutex_);
    if (threads_ != nullptr) threads_->notify_log();
  }
  void watch(PipelineThreads* threads) {
    const std::lock_guard lock(mutex_);
    threads_ = threads;
  }
  std::vector<std::string> not_ready() {
    const std::lock_guard lock(mutex_);
    if (threads_ == nullptr) return {"the pipeline is starting or stopping"};
    return reasons_not_ready(threads_->status(), log_->trouble(), store_ ? store_->store().trouble() : std::nullopt);
  }

  std::vector<std::int64_t> log_ends() {
    const std::lock_guard lock(mutex_);
    std::vector<std::int64_t> ends;
    if (threads_ == nullptr) return ends;
    for (const auto& place : threads_->status().partitions) ends.push_back(place.log_end);
    return ends;
  }

  static constexpr std::int64_t kFollowerCommitMs = 2'000;

  const Settings& settings_;
  std::uint16_t listen_port_ = settings_.listen_port;
  const Role role_;
  Clock& clock_;
  std::atomic<bool> starting_ = true;
  std::mutex mutex_;
  PipelineThreads* threads_ = nullptr;  // while they work
  std::string waits_for_;               // until the log is open
  Metrics metrics_;
  Figures figures_;
  std::vector<MarketPolicy> policies_;
  FeedParts feed_;
  std::unique_ptr<LogPart> log_;
  std::optional<StorePart> store_;
  std::optional<PublishingStore> publishing_;
  std::optional<MeteredStore> metered_store_;
  std::optional<FollowerStore> follower_;
  ElsewhereQuery elsewhere_;
  LiveHub no_live_bars_{1};
  std::optional<MeteredLogWriter> writer_;
  std::unique_ptr<LiveHub> hub_;
  LogSide ingest_side_, process_side_;
  std::optional<Ingest> ingest_;
  std::optional<Processor> processor_;
  Summary summary_;
  std::vector<PageAsset> assets_;
  std::unique_ptr<EndpointThread> endpoint_;
};

}  // namespace

Result<void> run_service(Settings settings, Role role) {
  const EndSignals signals;
  SystemClock clock;
  const std::int64_t started_ns = clock.boot_ns();
  if (role == Role::kRun || role == Role::kIngest) choose_feed(settings);
  Service service(settings, role, clock);
  const auto stopped_early = [&](const Result<void>& begun) {
    return !begun && begun.error().code == ErrorCode::kInterrupted && signals.pending();
  };
  const auto opened = service.open([&signals] { return signals.pending(); });
  if (stopped_early(opened)) return {};
  FINPIPE_TRY(opened);
  const auto worked = service.work(signals, started_ns);
  if (stopped_early(worked)) return {};
  FINPIPE_TRY(worked);
  return service.report();
}

}  // namespace finpipe
