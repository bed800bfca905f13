// Ports that count what passes through them on the way to another one.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/time.h"
#include "pipeline/forwarding_store.h"
#include "pipeline/ports.h"
#include "telemetry/metrics.h"

namespace finpipe {

class MeteredDeadLetters final : public DeadLetters {
 public:
  // `metric`: a counter with the reason as its label.
  MeteredDeadLetters(DeadLetters& to, Metrics& metrics, Metric metric) : to_(to), metrics_(metrics), metric_(metric) {}

  void put(DeadLetter letter) override {
    metrics_.add(metric_, 1, {error_info(letter.reason).name});
    to_.put(std::move(letter));
  }
  [[nodiscard]] Result<void> flush() override { return to_.flush(); }

 private:
  DeadLetters& to_;
  Metrics& metrics_;
  Metric metric_;
};

class MeteredLogWriter final : public LogWriter {
 public:
  MeteredLogWriter(LogWriter& to, Metrics& metrics, Clock& clock) : to_(to), metrics_(metrics), clock_(clock) {}

  [[nodiscard]] std::int32_t partitions() const override { return to_.partitions(); }
  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override {
    const Append answer = to_.append(partition, records);
    if (answer == Append::kAccepted) metrics_.add(Metric::kLogAppended, static_cast<double>(records.size()));
    return answer;
  }
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override {
    const std::size_t pending = to_.pending_bytes();
    metrics_.set(Metric::kLogPendingBytes, static_cast<double>(pending));
    if (pending == 0) return to_.poll();
    const std::int64_t begin_ns = clock_.boot_ns();
    auto acknowledged = to_.poll();
    const bool durable = acknowledged && to_.pending_bytes() == 0;
    if (durable && !under_way_) {
      metrics_.observe(Metric::kLogFlushSeconds,
                       static_cast<double>(clock_.boot_ns() - begin_ns) / static_cast<double>(kNsPerSecond));
    }
    under_way_ = !durable;
    return acknowledged;
  }
  [[nodiscard]] std::size_t pending_bytes() const override { return to_.pending_bytes(); }
  [[nodiscard]] bool others_wrote() override { return to_.others_wrote(); }

 private:
  LogWriter& to_;
  Metrics& metrics_;
  Clock& clock_;
  bool under_way_ = false;  // an earlier poll left something to be acknowledged
};

// Its counts may be read by other threads.
class MeteredStore final : public ForwardingStore {
 public:
  MeteredStore(Store& to, Metrics& metrics, Clock& clock)
      : ForwardingStore(to), metrics_(metrics), clock_(clock), made_ns_(clock.wall_ns()) {}

  [[nodiscard]] std::int64_t trades() const { return trades_; }
  [[nodiscard]] std::int64_t finals() const { return finals_; }        // bars that became final
  [[nodiscard]] std::int64_t revisions() const { return revisions_; }  // revisions of bars after that
  // Whether all that was submitted is durable.
  [[nodiscard]] bool settled() const { return done_ >= submitted_; }

  [[nodiscard]] Ticket submit(Commit commit) override {
    trades_ += static_cast<std::int64_t>(commit.ticks.size());
    Begun begun{.at_ns = clock_.boot_ns()};
    for (const RevisionRow& row : commit.revisions) {
      if (row.bar.state == BarState::kFinal) {
        ++finals_;
        note_closed(row, begun);
      } else {
        ++revisions_;
        metrics_.add(Metric::kProcessorRevisions, 1, {to_string(row.bar.reason)});
      }
    }
    metrics_.observe(Metric::kStoreCommitRows, static_cast<double>(rows_of(commit)));
    begun.ticket = submitted_ = to().submit(std::move(commit));
    begun_.push_back(std::move(begun));
    metrics_.set(Metric::kStoreCommitsInFlight, static_cast<double>(begun_.size()));
    return submitted_;
  }
  [[nodiscard]] Result<Ticket> poll() override {
    auto done = to().poll();
    if (!done) return done;
    done_ = *done;
    if (begun_.empty() || begun_.front().ticket > *done) return done;
    for (; !begun_.empty() && begun_.front().ticket <= *done; begun_.pop_front()) {
      metrics_.observe(Metric::kProcessorCommitSeconds, seconds(clock_.boot_ns() - begun_.front().at_ns));
      for (const auto& [end_ms, bars] : begun_.front().closed) {
        const double delay = seconds(clock_.wall_ns() - end_ms * kNsPerMs);
        for (std::int64_t i = 0; i < bars; ++i) metrics_.observe(Metric::kProcessorCloseDelaySeconds, delay);
      }
    }
    metrics_.set(Metric::kStoreCommitsInFlight, static_cast<double>(begun_.size()));
    return done;
  }
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> ranges) override {
    metrics_.add(Metric::kProcessorLookUps);
    return to().load_bars(ranges);
  }

 private:
  // A commit that is not durable yet.
  struct Begun {
    Ticket ticket = 0;
    std::int64_t at_ns = 0;
    std::map<std::int64_t, std::int64_t> closed{};  // bars by the end of their windows, in ms
  };

  // Bars that ended before this process began tell nothing of it. When a trading day ends is not known here.
  void note_closed(const RevisionRow& row, Begun& begun) const {
    const std::int64_t end_ms = row.key.start_ms + length_ms(row.key.interval);
    if (row.key.interval != Interval::k1d && end_ms * kNsPerMs >= made_ns_) ++begun.closed[end_ms];
  }
  static std::size_t rows_of(const Commit& commit) {
    return commit.ticks.size() + commit.revisions.size() + commit.spans.size() + commit.voids.size() +
           commit.symbols.size() + commit.policies.size() + commit.bars.size() + commit.checkpoints.size();
  }
  static double seconds(std::int64_t ns) { return static_cast<double>(ns) / static_cast<double>(kNsPerSecond); }

  Metrics& metrics_;
  Clock& clock_;
  const std::int64_t made_ns_;  // wall clock
  std::deque<Begun> begun_;
  std::atomic<std::int64_t> trades_ = 0;
  std::atomic<std::int64_t> finals_ = 0;
  std::atomic<std::int64_t> revisions_ = 0;
  std::atomic<Ticket> submitted_ = 0;
  std::atomic<Ticket> done_ = 0;
};

}  // namespace finpipe
