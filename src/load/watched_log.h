// The ports between a load and a pipeline in the same process: a feed that plays a run's flow, and a log writer that
// knows when each of its trades has arrived: at the acknowledgement, or when the processor has it in the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "load/pacer.h"
#include "load/run.h"
#include "pipeline/ports.h"

namespace finpipe {

// What is counted as a trade's arrival.
enum class Arrival : std::uint8_t { kAcknowledged, kStored };

class WatchedLogWriter final : public LogWriter, public BarListener {
 public:
  // `ends`: of each partition before anything is appended. Nobody else may append while this does.
  WatchedLogWriter(LogWriter& to, std::vector<std::int64_t> ends, Arrival arrival, CurrentRun& run, Clock& clock);

  // The next trade of this partition that is appended was due then. In the thread of append and poll.
  void expect(std::int32_t partition, std::int64_t due_ns) {
    partitions_[static_cast<std::size_t>(partition)].expected.push_back(due_ns);
  }

  [[nodiscard]] std::int32_t partitions() const override { return to_.partitions(); }
  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override;
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override;
  [[nodiscard]] std::size_t pending_bytes() const override { return to_.pending_bytes(); }
  [[nodiscard]] bool others_wrote() override { return to_.others_wrote(); }

  [[nodiscard]] std::uint64_t interest() const override { return 0; }
  [[nodiscard]] bool wants_bars(std::string_view /*symbol*/) override { return false; }
  [[nodiscard]] bool wants_trades(std::string_view /*symbol*/) override { return false; }
  void on_bar(const BarRow& /*row*/) override {}
  void on_trade(const Trade& /*trade*/) override {}
  void on_round(std::int32_t partition, std::int64_t applied, std::int64_t committed) override;

 private:
  struct Waiting {
    std::int64_t offset;
    std::int64_t due_ns;
  };
  struct Partition {
    std::deque<std::int64_t> expected;
    std::int64_t end = 0;
    std::deque<Waiting> waiting;  // under the mutex
  };

  // Every record below `end` is where it was to arrive.
  void arrive(std::int32_t partition, std::int64_t end);

  LogWriter& to_;
  const Arrival arrival_;
  CurrentRun& run_;
  Clock& clock_;
  std::vector<Partition> partitions_;
  std::mutex mutex_;
};

// Plays the current run's frames when they are due. Between runs nothing comes.
class LoadFeed final : public Feed {
 public:
  // `session_clock` stamps frames; `expected` is told of each trade.
  LoadFeed(CurrentRun& run, WatchedLogWriter& expected, std::vector<std::string> symbols, Clock& clock,
           SessionClock& session_clock);

  [[nodiscard]] std::string_view origin() const override { return kOrigin; }
  [[nodiscard]] std::string_view source_id() const override { return ""; }
  [[nodiscard]] bool live() const override { return true; }
  [[nodiscard]] Result<FeedBatch> poll(std::size_t max_frames) override;
  void close() override { closed_ = true; }
  [[nodiscard]] std::optional<double> progress() const override { return std::nullopt; }

  static constexpr std::string_view kOrigin = "load";

 private:
  CurrentRun& run_;
  WatchedLogWriter& expected_;
  std::vector<std::string> symbols_;
  std::vector<std::int32_t> partition_of_;  // by symbol
  Clock& clock_;
  SessionClock& session_clock_;
  Pacer pacer_;
  bool subscribed_ = false;
  bool closed_ = false;
  std::int64_t position_ = 0;
  std::vector<std::string> texts_;  // of the frames below
  std::vector<FeedFrame> frames_;
  std::vector<FeedEvent> events_;
};

}  // namespace finpipe
