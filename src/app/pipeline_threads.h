// Gives an ingest and a processor a thread each, and ends both in order: what was received is in the log, what is in
// the log is stored. A failure of either ends both. One of them may be in another process.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pipeline/ingest.h"
#include "pipeline/processor.h"

namespace finpipe {

class PipelineThreads {
 public:
  struct Options {
    bool exit_at_end = false;  // end when the feed has ended and all is stored
    // Records in the log that are not applied: a tape waits beyond that. What is processed in a fraction of
    // stop_deadline_ms even on a busy machine, and enough to keep both threads at work. A live feed never waits: the
    // log is its buffer.
    std::int64_t max_backlog = 30'000;
    std::int64_t stop_deadline_ms = 1'500;  // after request_stop the log is processed no longer than this
  };
  struct PartitionPlace {
    std::int64_t log_end = -1;   // -1: another process has the partition
    std::int64_t unapplied = 0;  // records below that which the processor has not applied
  };
  struct Status {
    IngestCounts ingest;
    std::int64_t records_applied = 0;
    std::int64_t windows = 0;  // bars in memory
    std::optional<double> feed_progress;
    std::int64_t dead_lettered_after = 0;  // by the processor
    std::int64_t backlog = 0;  // of all partitions, and of what the ingest has appended since they were looked at
    std::vector<PartitionPlace> partitions;
    bool all_submitted = false;  // nothing follows, and all of the log is applied and handed to the store
    bool done = false;           // both threads have ended
    std::optional<std::int64_t> stop_requested_ns;  // boot clock; a failure requests it too
    bool gave_up = false;                           // the store was not waited for: the next start stores the rest
  };

  struct Parts {
    Feed* feed = nullptr;
    Ingest* ingest = nullptr;  // it must have been started
    Processor* processor = nullptr;
    LogReader* log = nullptr;  // the processor's
  };

  // Everything is used by the two threads until join has returned.
  PipelineThreads(const Parts& parts, Clock& clock, Options options);
  ~PipelineThreads();
  PipelineThreads(const PipelineThreads&) = delete;
  PipelineThreads& operator=(const PipelineThreads&) = delete;

  void request_stop();
  // After request_stop: the store is waited for no longer. It must be interrupted too. What it does not have is in the
  // log, and this is no failure.
  void give_up();
  // The log may have something that the ingest's rounds do not tell of. Called from any thread.
  void notify_log();
  [[nodiscard]] Status status();
  // Waits for both threads; the first failure, when there was one.
  [[nodiscard]] Result<void> join();

 private:
  [[nodiscard]] Result<void> ingest_all();
  [[nodiscard]] Result<void> process_all();
  [[nodiscard]] Result<void> report_processed(bool nothing_follows, bool& caught_up);
  void ended(const Result<void>& result, bool& flag);

  const Parts parts_;
  Clock& clock_;
  const Options options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  Status status_;
  bool stop_ = false;
  bool given_up_ = false;
  std::int64_t ingest_rounds_ = 0;  // each may have appended
  bool log_has_news_ = false;
  bool ingest_ended_ = false;
  bool process_ended_ = false;
  std::optional<Error> error_;

  std::thread ingest_thread_;
  std::thread process_thread_;
};

}  // namespace finpipe
