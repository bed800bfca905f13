#include "app/pipeline_threads.h"

#include <chrono>

#include "base/time.h"

namespace finpipe {
namespace {

constexpr auto kIdleWait = std::chrono::milliseconds(50);  // well below the processor's commit interval
constexpr auto kBusyWait = std::chrono::milliseconds(1);
constexpr std::int64_t kOverviewNs = kNsPerSecond / 4;

}  // namespace

PipelineThreads::PipelineThreads(const Parts& parts, Clock& clock, Options options)
    : parts_(parts),
      clock_(clock),
      options_(options),
      ingest_ended_(parts.ingest == nullptr),
      process_ended_(parts.processor == nullptr) {
  if (parts_.ingest != nullptr) ingest_thread_ = std::thread([this] { ended(ingest_all(), ingest_ended_); });
  if (parts_.processor != nullptr) process_thread_ = std::thread([this] { ended(process_all(), process_ended_); });
}

PipelineThreads::~PipelineThreads() {
  request_stop();
  static_cast<void>(join());
}

void PipelineThreads::request_stop() {
  const std::lock_guard lock(mutex_);
  if (stop_) return;
  stop_ = true;
  status_.stop_requested_ns = clock_.boot_ns();
  changed_.notify_all();
}

void PipelineThreads::give_up() {
  const std::lock_guard lock(mutex_);
  given_up_ = true;
  changed_.notify_all();
}

void PipelineThreads::notify_log() {
  const std::lock_guard lock(mutex_);
  log_has_news_ = true;
  changed_.notify_all();
}

// What has come into the log since the processor last said where it ends is known without it.
PipelineThreads::Status PipelineThreads::status() {
  const std::vector<std::int64_t> ends = parts_.log_ends ? parts_.log_ends() : std::vector<std::int64_t>();
  Status status = [this] {
    const std::lock_guard lock(mutex_);
    return status_;
  }();
  std::int64_t backlog = 0;
  for (std::size_t p = 0; p < status.partitions.size(); ++p) {
    PartitionPlace& place = status.partitions[p];
    if (place.log_end >= 0 && p < ends.size()) place.log_end = std::max(place.log_end, ends[p]);
    backlog += place.unapplied();
  }
  status.backlog = std::max(status.backlog, backlog);
  return status;
}

Result<void> PipelineThreads::join() {
  if (ingest_thread_.joinable()) ingest_thread_.join();
  if (process_thread_.joinable()) process_thread_.join();
  return error_ ? fail(*error_) : Result<void>();
}

void PipelineThreads::ended(const Result<void>& result, bool& flag) {
  if (!result) request_stop();
  const std::lock_guard lock(mutex_);
  if (!result && given_up_ && result.error().code == ErrorCode::kInterrupted) {
    status_.gave_up = true;
  } else if (!result && !error_) {
    error_ = result.error();
  }
  flag = true;
  status_.done = ingest_ended_ && process_ended_;
  changed_.notify_all();
}

Result<void> PipelineThreads::ingest_all() {
  for (bool more = true; more;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || parts_.feed->live() || status_.backlog <= options_.max_backlog; });
      if (stop_ && !parts_.feed->live()) break;
      if (stop_) parts_.feed->close();
    }
    FINPIPE_TRY_ASSIGN(stepped, parts_.ingest->step());
    more = stepped;
    const std::lock_guard lock(mutex_);
    // Until the processor counts again, which may be waiting for the store.
    if (parts_.processor != nullptr) status_.backlog += parts_.ingest->counts().appended - status_.ingest.appended;
    report_received();
    status_.feed_progress = parts_.feed->progress();
    ++ingest_rounds_;
    changed_.notify_all();
  }
  return parts_.ingest->stop();
}

void PipelineThreads::report_received() {
  Ingest& ingest = *parts_.ingest;
  if (parts_.feed->live()) {
    if (!status_.feed) status_.feed = FeedFigures();
    FeedFigures& feed = *status_.feed;
    if (ingest.counts().heartbeats > status_.ingest.heartbeats) {
      feed.heartbeat_ns = clock_.boot_ns();
      feed.lags_ms = ingest.lags_ms();
    }
    feed.connected = ingest.counts().connected;
    feed.since_ns = ingest.feed_since_ns();
    feed.last_frame_ns = ingest.counts().last_frame_ns;
  }
  status_.ingest = ingest.counts();
}

Result<void> PipelineThreads::report_processed(bool nothing_follows, bool& caught_up) {
  FINPIPE_TRY_ASSIGN(all_applied, parts_.processor->caught_up());
  caught_up = all_applied;
  std::int64_t backlog = 0;
  std::vector<PartitionPlace> places(static_cast<std::size_t>(parts_.log->partitions()));
  std::int64_t uncommitted = 0;
  std::int64_t windows = 0;
  std::int64_t dead_lettered = 0;
  const std::int64_t now_ns = clock_.boot_ns();
  const bool overview_due = now_ns - overview_ns_ >= kOverviewNs;
  if (overview_due) overview_ns_ = now_ns;
  Overview overview;
  for (const auto& [partition, processor] : parts_.processor->partitions()) {
    FINPIPE_TRY_ASSIGN(range, parts_.log->range(partition));
    const BarEngine& engine = processor.engine();
    // After an interruption the engine waits for the first trade to tell when bars are whole again.
    const bool connected = processor.checkpoint().feed_state == avro::ConnectionState::kConnected;
    const PartitionPlace place{.log_end = range.end,
                               .next = processor.next_offset(),
                               .clock_ns = std::max<std::int64_t>(engine.clock_ns(), 0),
                               .gap_open = engine.interrupted() && !connected};
    places[static_cast<std::size_t>(partition)] = place;
    backlog += place.unapplied();
    uncommitted += processor.uncommitted();
    windows += static_cast<std::int64_t>(engine.windows_in_memory());
    for (const auto& [session, row] : processor.checkpoint().ledger) dead_lettered += row.dead_lettered_after;
    if (overview_due) overview.add(processor.checkpoint());
  }
  const std::lock_guard lock(mutex_);
  status_.backlog = backlog;
  status_.partitions = std::move(places);
  status_.records_applied = parts_.processor->records_applied();
  status_.windows = windows;
  status_.oldest_unstored_ns = parts_.processor->oldest_unstored_ns();
  if (overview_due) status_.overview = std::move(overview);
  status_.all_submitted = nothing_follows && caught_up && uncommitted == 0;
  status_.dead_lettered_after = dead_lettered;
  changed_.notify_all();
  return {};
}

Result<void> PipelineThreads::process_all() {
  for (;;) {
    bool nothing_follows = false;
    bool leaving = false;
    std::int64_t rounds = 0;
    {
      const std::lock_guard lock(mutex_);
      // Read before the log is: what is appended later is not missed.
      nothing_follows = ingest_ended_;
      leaving = stop_;
      rounds = ingest_rounds_;
      log_has_news_ = false;
    }
    FINPIPE_TRY_ASSIGN(applied, parts_.processor->step());
    bool caught_up = false;
    FINPIPE_TRY(report_processed(nothing_follows, caught_up));
    if (nothing_follows && caught_up && (leaving || options_.exit_at_end)) break;
    std::unique_lock lock(mutex_);
    if (stop_ && clock_.boot_ns() - *status_.stop_requested_ns > options_.stop_deadline_ms * kNsPerMs) break;
    if (applied > 0) continue;
    const bool idle = caught_up && !parts_.processor->committing() && !stop_ && ingest_ended_ == nothing_follows;
    // What was appended since the log was read must not wait for the next frame to be noticed.
    const auto something_new = [&] {
      return stop_ || log_has_news_ || ingest_ended_ != nothing_follows || ingest_rounds_ != rounds;
    };
    if (idle)
      changed_.wait_for(lock, kIdleWait, something_new);
    else
      changed_.wait_for(lock, kBusyWait);
  }
  if (options_.follows) return {};
  for (;;) {
    FINPIPE_TRY_ASSIGN(durable, parts_.processor->finish());
    if (durable) return {};
    std::unique_lock lock(mutex_);
    if (given_up_) return fail(ErrorCode::kInterrupted);
    changed_.wait_for(lock, kBusyWait);
  }
}

}  // namespace finpipe
