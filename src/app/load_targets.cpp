#include "app/load_targets.h"

#include <fmt/format.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "app/parts.h"
#include "app/pipeline_threads.h"
#include "base/random.h"
#include "base/time.h"
#include "load/stream_reader.h"
#include "load/watched_log.h"
#include "logs/memory_log.h"
#include "net/http_client.h"
#include "net/tls.h"
#include "pipeline/ingest.h"
#include "pipeline/processor.h"
#include "pipeline/publishing_store.h"

namespace finpipe {
namespace {

using Accounts = std::vector<std::pair<std::string, std::int64_t>>;

// ---- A pipeline in other processes ---------------------------------------------------------------------------------

// The first symbol that the API at `url` knows and no load made; empty: there is none.
Result<std::string> foreign_symbol(const net::Url& url, const std::shared_ptr<net::TlsContext>& tls) {
  constexpr std::int64_t kRoundMs = 10;
  constexpr std::string_view kKey = R"("symbol":")";
  net::EventLoop loop;
  std::optional<Result<net::HttpClientResponse>> answer;
  net::http_request(loop, {.host = url.host, .port = url.port, .target = "/api/v1/symbols", .tls = tls},
                    [&answer](Result<net::HttpClientResponse> come) { answer.emplace(std::move(come)); });
  while (!answer) loop.run_some(kRoundMs);
  if (!*answer) return fail(answer->error());
  if ((*answer)->status != 200)
    return fail(ErrorCode::kProtocolError, fmt::format("/api/v1/symbols: {}", (*answer)->status));
  const std::string_view body = (*answer)->body;
  for (std::size_t at = body.find(kKey); at != std::string_view::npos; at = body.find(kKey, at)) {
    at += kKey.size();
    const std::string_view symbol = body.substr(at, body.find('"', at) - at);
    if (!is_load_symbol(symbol)) return std::string(symbol);
  }
  return "";
}

class WebSocketTarget final : public LoadTarget {
 public:
  WebSocketTarget(const WebSocketTargetOptions& options, Clock& clock)
      : options_(options), clock_(clock), expectations_(options_.vendor.symbols) {}
  ~WebSocketTarget() override {
    vendor_.reset();
    reader_.reset();
  }

  Result<const LoadVendor*> open() {
    if (options_.stream.tls()) {
      FINPIPE_TRY_ASSIGN(tls, net::TlsContext::client({}));
      tls_ = std::move(tls);
    }
    FINPIPE_TRY_ASSIGN(vendor, LoadVendor::start(options_.vendor, expectations_, run_, clock_));
    vendor_ = std::move(vendor);
    reader_ =
        std::make_unique<StreamReader>(options_.stream, tls_, options_.vendor.symbols, expectations_, run_, clock_);
    return vendor_.get();
  }

  [[nodiscard]] std::string_view arrival() const override {
    return "a client of the stream has the update of its 1s bar";
  }
  [[nodiscard]] bool awaits_bars() const override { return true; }
  [[nodiscard]] std::int64_t lost_connections() const override {
    return vendor_->lost_connections() + reader_->lost_connections();
  }
  [[nodiscard]] Result<std::optional<std::string>> waits_for() override {
    const auto wanted = static_cast<std::int64_t>(options_.vendor.symbols.size());
    if (!reader_->ready()) {
      return fmt::format("the stream at {}:{}: {}", options_.stream.host, options_.stream.port, reader_->last_error());
    }
    if (!checked_ && !options_.existing) {
      FINPIPE_TRY_ASSIGN(foreign, foreign_symbol(options_.stream, tls_));
      if (!foreign.empty()) {
        return fail(ErrorCode::kOriginMismatch, fmt::format("the pipeline at {}:{} has {}; --existing does it anyway",
                                                            options_.stream.host, options_.stream.port, foreign));
      }
    }
    checked_ = true;
    const std::int64_t subscriptions = vendor_->subscriptions();
    if (subscriptions < wanted) return fmt::format("subscriptions: {} of {} symbols have one", subscriptions, wanted);
    return std::nullopt;
  }
  [[nodiscard]] Accounts accounts() const override { return {{"faults", vendor_->faults()}}; }

 private:
  const WebSocketTargetOptions options_;
  Clock& clock_;
  BarExpectations expectations_;
  std::shared_ptr<net::TlsContext> tls_;
  std::unique_ptr<LoadVendor> vendor_;
  std::unique_ptr<StreamReader> reader_;
  bool checked_ = false;
};

// ---- Parts of this process -----------------------------------------------------------------------------------------

Accounts accounts_of(const IngestCounts& ingest, std::int64_t dead_lettered_after) {
  return {{"received", ingest.received},
          {"appended", ingest.appended},
          {"dead_lettered", ingest.dead_lettered + dead_lettered_after},
          {"suspects", ingest.suspects}};
}

Result<std::vector<std::int64_t>> ends_of(LogReader& reader) {
  std::vector<std::int64_t> ends;
  for (std::int32_t partition = 0; partition < reader.partitions(); ++partition) {
    FINPIPE_TRY_ASSIGN(range, reader.range(partition));
    ends.push_back(range.end);
  }
  return ends;
}

// From the flow to the log: the program's own ingest.
class IngestSide {
 public:
  IngestSide(LogWriter& writer, LogReader& tail, DeadLetters& letters, std::vector<std::int64_t> ends, Arrival arrival,
             CurrentRun& run, std::vector<std::string> symbols, std::vector<MarketPolicy> policies, Clock& clock)
      : session_clock_(clock),
        writer_(writer, std::move(ends), arrival, run, clock),
        feed_(run, writer_, symbols, clock, session_clock_),
        ingest_(feed_, tail, writer_, letters,
                {.symbols = std::move(symbols), .policies = std::move(policies), .clock = &session_clock_}) {}

  [[nodiscard]] LoadFeed& feed() { return feed_; }
  [[nodiscard]] Ingest& ingest() { return ingest_; }
  [[nodiscard]] const IngestCounts& counts() const { return ingest_.counts(); }
  [[nodiscard]] BarListener& listener() { return writer_; }

 private:
  SessionClock session_clock_;
  WatchedLogWriter writer_;
  LoadFeed feed_;
  Ingest ingest_;
};

class LogTarget final : public LoadTarget {
 public:
  LogTarget(const Settings& settings, bool with_store, Clock& clock)
      : settings_(settings), with_store_(with_store), clock_(clock) {}
  ~LogTarget() override { watch(nullptr); }

  Result<void> open(std::vector<std::string> symbols, const std::function<bool()>& stop) {
    FINPIPE_TRY_ASSIGN(policies, open_policies(settings_));
    FINPIPE_TRY_ASSIGN(
        log, open_log(settings_, Access::kWrite, Patience::kSome, [this, stop] { return opening_ && stop(); }));
    log_ = std::move(log);
    tail_ = log_->reader();
    ingest_letters_ = log_->dead_letters();
    FINPIPE_TRY_ASSIGN(ends, ends_of(*tail_));
    ingest_.emplace(log_->writer(), *tail_, *ingest_letters_, std::move(ends),
                    with_store_ ? Arrival::kStored : Arrival::kAcknowledged, run_, std::move(symbols),
                    std::move(policies), clock_);
    if (with_store_) FINPIPE_TRY(open_processor());
    FINPIPE_TRY(ingest_->ingest().start());
    threads_.emplace(PipelineThreads::Parts{.feed = &ingest_->feed(),
                                            .ingest = &ingest_->ingest(),
                                            .processor = processor_ ? &*processor_ : nullptr,
                                            .log = process_reader_.get()},
                     clock_, PipelineThreads::Options{});
    watch(&*threads_);
    opening_ = false;
    return {};
  }

  [[nodiscard]] std::string_view arrival() const override {
    return with_store_ ? "the store has it and its bars" : "the log has acknowledged it";
  }
  [[nodiscard]] Result<std::optional<std::string>> waits_for() override {
    if (threads_->status().done) FINPIPE_TRY(threads_->join());
    return std::nullopt;
  }
  [[nodiscard]] Result<void> finish() override {
    threads_->request_stop();
    return threads_->join();
  }
  [[nodiscard]] Accounts accounts() const override {
    const auto status = threads_->status();
    return accounts_of(status.ingest, status.dead_lettered_after);
  }

 private:
  Result<void> open_processor() {
    FINPIPE_TRY_ASSIGN(store, open_store(settings_, Access::kWrite));
    store_.emplace(std::move(store));
    process_reader_ = log_->reader([this] {
      const std::lock_guard lock(mutex_);
      if (watched_ != nullptr) watched_->notify_log();
    });
    process_letters_ = log_->dead_letters();
    Store* to = &store_->store();
    FINPIPE_TRY_ASSIGN(bars, log_->bars());
    if (bars != nullptr) to = &publishing_.emplace(*to, *bars);
    processor_.emplace(*process_reader_, *to, *process_letters_, clock_,
                       ProcessorOptions{.commit_interval_ms = settings_.commit_interval_ms}, &ingest_->listener());
    return {};
  }

  void watch(PipelineThreads* threads) {
    const std::lock_guard lock(mutex_);
    watched_ = threads;
  }

  const Settings settings_;
  const bool with_store_;
  Clock& clock_;
  std::atomic<bool> opening_ = true;
  std::mutex mutex_;
  PipelineThreads* watched_ = nullptr;  // by threads of the log
  std::unique_ptr<LogPart> log_;
  std::optional<StorePart> store_;
  std::optional<PublishingStore> publishing_;
  std::unique_ptr<LogReader> tail_, process_reader_;
  std::unique_ptr<DeadLetters> ingest_letters_, process_letters_;
  std::optional<IngestSide> ingest_;
  std::optional<Processor> processor_;
  mutable std::optional<PipelineThreads> threads_;
};

// One thread does it all: the log in memory is for one.
class StoreTarget final : public LoadTarget {
 public:
  StoreTarget(const Settings& settings, Clock& clock)
      : log_(std::max(settings.partitions, 1), random_id()),
        writer_(log_.writer(kPendingBytes)),
        letters_(log_.dead_letters()),
        clock_(clock),
        settings_(settings) {}
  ~StoreTarget() override { end(); }

  Result<void> open(std::vector<std::string> symbols) {
    FINPIPE_TRY_ASSIGN(policies, open_policies(settings_));
    FINPIPE_TRY_ASSIGN(store, open_store(settings_, Access::kWrite));
    store_.emplace(std::move(store));
    std::vector<std::int32_t> all;
    for (std::int32_t partition = 0; partition < log_.partitions(); ++partition) {
      all.push_back(partition);
      FINPIPE_TRY_ASSIGN(checkpoint, store_->store().load_checkpoint(partition));
      if (checkpoint) return fail(ErrorCode::kOriginMismatch, fmt::format("{} is not empty", settings_.store));
    }
    tail_ = log_.reader(all);
    reader_ = log_.reader(all);
    ingest_.emplace(*writer_, *tail_, *letters_, std::vector<std::int64_t>(all.size()), Arrival::kStored, run_,
                    std::move(symbols), std::move(policies), clock_);
    processor_.emplace(*reader_, store_->store(), *letters_, clock_,
                       ProcessorOptions{.commit_interval_ms = settings_.commit_interval_ms}, &ingest_->listener());
    FINPIPE_TRY(ingest_->ingest().start());
    thread_ = std::thread([this] {
      auto worked = work();
      const std::lock_guard lock(mutex_);
      if (!worked) error_ = std::move(worked).error();
    });
    return {};
  }

  [[nodiscard]] std::string_view arrival() const override { return "the store has it and its bars"; }
  [[nodiscard]] Result<std::optional<std::string>> waits_for() override {
    const std::lock_guard lock(mutex_);
    return error_ ? Result<std::optional<std::string>>(fail(*error_)) : std::nullopt;
  }
  [[nodiscard]] Result<void> finish() override {
    end();
    return error_ ? Result<void>(fail(*error_)) : Result<void>();
  }
  [[nodiscard]] Accounts accounts() const override {
    std::int64_t dead_lettered = 0;
    for (const auto& [partition, processor] : processor_->partitions()) {
      for (const auto& [session, row] : processor.checkpoint().ledger) dead_lettered += row.dead_lettered_after;
    }
    return accounts_of(ingest_->counts(), dead_lettered);
  }

 private:
  static constexpr std::size_t kPendingBytes = std::size_t{8} << 20;

  Result<void> work() {
    while (!stop_) {
      FINPIPE_TRY(ingest_->ingest().step());
      FINPIPE_TRY(processor_->step());
      for (const auto& [partition, processor] : processor_->partitions()) {
        log_.truncate_before(partition, processor.next_offset());
      }
    }
    FINPIPE_TRY(ingest_->ingest().stop());
    for (;;) {
      FINPIPE_TRY(processor_->step());
      FINPIPE_TRY_ASSIGN(all_applied, processor_->caught_up());
      if (!all_applied) continue;
      FINPIPE_TRY_ASSIGN(durable, processor_->finish());
      if (durable) return {};
    }
  }
  void end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  MemoryLog log_;
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<LogReader> tail_, reader_;
  std::unique_ptr<DeadLetters> letters_;
  Clock& clock_;
  const Settings settings_;
  std::optional<StorePart> store_;
  std::optional<IngestSide> ingest_;
  std::optional<Processor> processor_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::optional<Error> error_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<LoadTarget>> open_websocket_target(const WebSocketTargetOptions& options, Clock& clock,
                                                          const LoadVendor*& vendor) {
  auto target = std::make_unique<WebSocketTarget>(options, clock);
  FINPIPE_TRY_ASSIGN(opened, target->open());
  vendor = opened;
  return target;
}

Result<std::unique_ptr<LoadTarget>> open_log_target(const Settings& settings, bool with_store,
                                                    std::vector<std::string> symbols, Clock& clock,
                                                    const std::function<bool()>& stop) {
  auto target = std::make_unique<LogTarget>(settings, with_store, clock);
  FINPIPE_TRY(target->open(std::move(symbols), stop));
  return target;
}

Result<std::unique_ptr<LoadTarget>> open_store_target(const Settings& settings, std::vector<std::string> symbols,
                                                      Clock& clock) {
  auto target = std::make_unique<StoreTarget>(settings, clock);
  FINPIPE_TRY(target->open(std::move(symbols)));
  return target;
}

}  // namespace finpipe
