// Gives an ingest and a processor a thread each, and ends both in order: what was received is in the log, what is in
// the log is stored. A failure of either ends both. One of them may be in another process.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "pipeline/ingest.h"
#include "pipeline/overview.h"
#include "pipeline/processor.h"

namespace finpipe {

// A processor with more records of the log to apply than this is behind: the API's answers are not to be relied on.
constexpr std::int64_t kBehindRecords = 30'000;

class PipelineThreads {
 public:
  struct Options {
    bool exit_at_end = false;  // end when the feed has ended and all is stored
    // Its commits are for others to store, who may have ended: an end does not wait for them.
    bool follows = false;
    // Records in the log that are not applied: a tape waits beyond that. What is processed in a fraction of
    // stop_deadline_ms even on a busy machine, and enough to keep both threads at work. A live feed never waits: the
    // log is its buffer.
    std::int64_t max_backlog = kBehindRecords;
    std::int64_t stop_deadline_ms = 1'500;  // after request_stop the log is processed no longer than this
  };
  struct PartitionPlace {
    std::int64_t log_end = -1;  // -1: another process has the partition
    std::int64_t next = 0;      // offset of the next record to apply
    std::int64_t clock_ns = 0;  // of its bars; 0: not known yet
    bool gap_open = false;      // the feed is interrupted, by what was applied

    [[nodiscard]] std::int64_t unapplied() const { return std::max<std::int64_t>(log_end - next, 0); }
  };
  // A live feed, on the clock of its stamps.
  struct FeedFigures {
    bool connected = false;
    std::int64_t since_ns = 0;
    std::int64_t last_frame_ns = 0;               // 0: none yet
    std::map<std::string, std::int64_t> lags_ms;  // by market, of the last five minutes
    std::optional<std::int64_t> heartbeat_ns;     // the newest was written then, on the boot clock
  };
  struct Status {
    IngestCounts ingest;
    std::optional<FeedFigures> feed;  // of an ingest of a live feed
    std::int64_t records_applied = 0;
    std::int64_t windows = 0;  // bars in memory
    std::optional<double> feed_progress;
    std::int64_t dead_lettered_after = 0;  // by the processor
    std::int64_t backlog = 0;  // of all partitions, and of what the ingest has appended since they were looked at
    std::vector<PartitionPlace> partitions;
    Overview overview;  // of the partitions that the processor has, up to a quarter of a second ago
    std::optional<std::int64_t> oldest_unstored_ns;  // Processor::oldest_unstored_ns
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
    // Where the log ends by now, by partition, -1: not known. Any thread asks, also while the processor is held up.
    std::function<std::vector<std::int64_t>()> log_ends{};
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
  void report_received();
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
  std::int64_t overview_ns_ = 0;  // of the processor's thread: when it was made, on the boot clock
  bool ingest_ended_ = false;
  bool process_ended_ = false;
  std::optional<Error> error_;

  std::thread ingest_thread_;
  std::thread process_thread_;
};

}  // namespace finpipe
