// One run of a flow: what is due, what was sent and what has arrived, as one sender, any number of receivers and
// somebody who tells of it see it. Latency is counted from the time at which a trade was due by the schedule, not from
// when it was sent: a sender or a receiver that falls behind makes latencies longer and not rarer.
//
// Times are on the boot clock. Trades before `measured_from_ns` warm everything up and are not in the histograms.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "load/flow.h"
#include "load/histogram.h"
#include "load/search.h"

namespace finpipe {

class LoadRun {
 public:
  struct Plan {
    std::int64_t start_ns = 0;
    std::int64_t measured_from_ns = 0;
    std::int64_t end_ns = 0;   // nothing is due from here on
    bool awaits_bars = false;  // only trades that count in bars are awaited
    std::int64_t trades_per_second = 0;
  };
  struct Counts {
    std::int64_t due = 0;  // so far
    std::int64_t sent = 0;
    std::int64_t awaited = 0;  // of those
    std::int64_t arrived = 0;
    std::int64_t bad_frames = 0;
    std::int64_t measured = 0;  // arrived, and in the histogram
    [[nodiscard]] std::int64_t backlog() const { return due - sent + awaited - arrived; }
  };

  LoadRun(Flow flow, const Plan& plan) : flow_(std::move(flow)), plan_(plan) {}

  // ---- The sender
  [[nodiscard]] bool all_sent() const { return cut_ns_ != 0 || flow_ended_; }
  [[nodiscard]] std::int64_t next_due_ns() const { return plan_.start_ns + flow_.next_due_ns(); }
  // The next frame, which counts as sent. Lives until the next call.
  [[nodiscard]] const Flow::Frame& send(std::int64_t now_ns);
  [[nodiscard]] bool awaits(const Flow::PlannedTrade& trade) const { return !plan_.awaits_bars || trade.in_bars; }
  [[nodiscard]] const Plan& plan() const { return plan_; }

  // ---- Receivers, of any thread: trades that were due then have arrived. Those of an earlier run are passed over.
  void arrived(std::span<const std::int64_t> due_ns, std::int64_t now_ns);

  // ---- Who tells
  // Nothing more is sent, and nothing more is due. Once is enough.
  void cut(std::int64_t now_ns) { cut_ns_ = now_ns; }
  [[nodiscard]] bool was_cut() const { return cut_ns_ != 0; }
  [[nodiscard]] Counts counts(std::int64_t now_ns);
  // When the last trade was due, as far as it has come.
  [[nodiscard]] std::int64_t ended_ns(std::int64_t now_ns) const;
  // Notes the backlog; the more often, the better the growth is known.
  void note_backlog(std::int64_t now_ns);
  // Latencies since the last call.
  [[nodiscard]] LatencyHistogram take_recent();
  [[nodiscard]] LatencyHistogram latency();
  [[nodiscard]] LatencyHistogram sent_late();  // frames
  [[nodiscard]] std::int64_t largest_backlog();
  // As of now; `dropped` is known elsewhere.
  [[nodiscard]] RunFigures figures(std::int64_t now_ns, std::int64_t dropped);

 private:
  struct Mean {
    double sum = 0;
    double count = 0;
    [[nodiscard]] double value() const { return count == 0 ? 0 : sum / count; }
  };

  [[nodiscard]] std::int64_t due_by(std::int64_t now_ns) const;

  Flow flow_;  // the sender's; `due_by` may be asked while the sender goes on: it depends on nothing that changes
  const Plan plan_;
  std::atomic<bool> flow_ended_ = false;
  std::atomic<std::int64_t> cut_ns_ = 0;  // 0: it was not
  std::mutex mutex_;
  Counts counts_;
  LatencyHistogram latency_, recent_, sent_late_;
  Mean backlog_early_, backlog_late_;
  std::int64_t largest_backlog_ = 0;
};

// The run that senders and receivers work for at the moment.
class CurrentRun {
 public:
  void set(std::shared_ptr<LoadRun> run) {
    const std::lock_guard lock(mutex_);
    run_ = std::move(run);
  }
  [[nodiscard]] std::shared_ptr<LoadRun> get() const {
    const std::lock_guard lock(mutex_);
    return run_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<LoadRun> run_;
};

}  // namespace finpipe
