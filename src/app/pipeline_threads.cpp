#include "app/pipeline_threads.h"

#include <chrono>

#include "base/time.h"

namespace finpipe {
namespace {

constexpr auto kIdleWait = std::chrono::milliseconds(50);  // well below the processor's commit interval
constexpr auto kBusyWait = std::chrono::milliseconds(1);

}  // namespace

PipelineThreads::PipelineThreads(Feed& feed, Ingest& ingest, Processor& processor, LogReader& log, Clock& clock,
                                 Options options)
    : feed_(feed), ingest_(ingest), processor_(processor), log_(log), clock_(clock), options_(options) {
  ingest_thread_ = std::thread([this] { ended(ingest_all(), ingest_ended_); });
  process_thread_ = std::thread([this] { ended(process_all(), process_ended_); });
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

PipelineThreads::Status PipelineThreads::status() {
  const std::lock_guard lock(mutex_);
  return status_;
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
      changed_.wait(lock, [this] { return stop_ || feed_.live() || status_.backlog <= options_.max_backlog; });
      if (stop_ && !feed_.live()) break;
      if (stop_) feed_.close();
    }
    FINPIPE_TRY_ASSIGN(stepped, ingest_.step());
    more = stepped;
    const std::lock_guard lock(mutex_);
    // Until the processor counts again, which may be waiting for the store.
    status_.backlog += ingest_.counts().appended - status_.ingest.appended;
    status_.ingest = ingest_.counts();
    status_.feed_progress = feed_.progress();
    ++ingest_rounds_;
    changed_.notify_all();
  }
  return ingest_.stop();
}

Result<void> PipelineThreads::report_processed(bool nothing_follows, bool& caught_up) {
  FINPIPE_TRY_ASSIGN(all_applied, processor_.caught_up());
  caught_up = all_applied;
  std::int64_t backlog = 0;
  std::int64_t uncommitted = 0;
  std::int64_t windows = 0;
  std::int64_t dead_lettered = 0;
  for (const auto& [partition, processor] : processor_.partitions()) {
    FINPIPE_TRY_ASSIGN(range, log_.range(partition));
    backlog += range.end - processor.next_offset();
    uncommitted += processor.uncommitted();
    windows += static_cast<std::int64_t>(processor.engine().windows_in_memory());
    for (const auto& [session, row] : processor.ledger()) dead_lettered += row.dead_lettered_after;
  }
  const std::lock_guard lock(mutex_);
  status_.backlog = backlog;
  status_.records_applied = processor_.records_applied();
  status_.windows = windows;
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
    }
    FINPIPE_TRY_ASSIGN(applied, processor_.step());
    bool caught_up = false;
    FINPIPE_TRY(report_processed(nothing_follows, caught_up));
    if (nothing_follows && caught_up && (leaving || options_.exit_at_end)) break;
    std::unique_lock lock(mutex_);
    if (stop_ && clock_.boot_ns() - *status_.stop_requested_ns > options_.stop_deadline_ms * kNsPerMs) break;
    if (applied > 0) continue;
    const bool idle = caught_up && !processor_.committing() && !stop_ && ingest_ended_ == nothing_follows;
    // What was appended since the log was read must not wait for the next frame to be noticed.
    const auto something_new = [&] { return stop_ || ingest_ended_ != nothing_follows || ingest_rounds_ != rounds; };
    if (idle)
      changed_.wait_for(lock, kIdleWait, something_new);
    else
      changed_.wait_for(lock, kBusyWait);
  }
  for (;;) {
    FINPIPE_TRY_ASSIGN(durable, processor_.finish());
    if (durable) return {};
    std::unique_lock lock(mutex_);
    if (given_up_) return fail(ErrorCode::kInterrupted);
    changed_.wait_for(lock, kBusyWait);
  }
}

}  // namespace finpipe
