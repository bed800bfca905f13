#include "load/watched_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/hash.h"
#include "base/time.h"

namespace finpipe {
namespace {

// A log that takes so many records at once, and acknowledges what it is told to.
class ScriptedWriter final : public LogWriter {
 public:
  [[nodiscard]] std::int32_t partitions() const override { return 2; }
  [[nodiscard]] Append append(std::int32_t /*partition*/, std::span<const LogRecord> /*records*/) override {
    return full ? Append::kFull : Append::kAccepted;
  }
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override { return acknowledged; }
  [[nodiscard]] std::size_t pending_bytes() const override { return 0; }

  bool full = false;
  std::vector<Acknowledged> acknowledged;
};

constexpr LogRecord kTradeRecord{.type = RecordType::kTrade, .key = "A", .value = "v"};
constexpr LogRecord kControlRecord{.type = RecordType::kControl, .key = std::nullopt, .value = "v"};

std::shared_ptr<LoadRun> a_whole_run(std::int64_t start_ns) {
  return std::make_shared<LoadRun>(Flow({.symbols = 4, .max_trades_per_frame = 1}, {}, 1'000, 0),
                                   LoadRun::Plan{.start_ns = start_ns,
                                                 .measured_from_ns = start_ns,
                                                 .end_ns = start_ns + kNsPerSecond,
                                                 .trades_per_second = 1'000});
}

class WatchedLog : public testing::Test {
 protected:
  WatchedLog() { run_.set(a_whole_run(0)); }
  void append(WatchedLogWriter& writer, std::int32_t partition, const LogRecord& record, LogWriter::Append answer) {
    EXPECT_EQ(writer.append(partition, {&record, 1}), answer);
  }
  void acknowledge(WatchedLogWriter& writer, std::int32_t partition, std::int64_t end) {
    to_.acknowledged = {{partition, end}};
    EXPECT_TRUE(writer.poll().has_value());
  }
  std::int64_t arrived() { return run_.get()->counts(0).arrived; }

  ManualClock clock_{0};
  CurrentRun run_;
  ScriptedWriter to_;
};

TEST_F(WatchedLog, ATradeArrivesWhenItsRecordIsAcknowledged) {
  WatchedLogWriter writer(to_, {10, 0}, Arrival::kAcknowledged, run_, clock_);
  writer.expect(0, 5 * kNsPerMs);
  writer.expect(0, 6 * kNsPerMs);
  writer.expect(1, 7 * kNsPerMs);
  append(writer, 0, kControlRecord, LogWriter::Append::kAccepted);
  append(writer, 0, kTradeRecord, LogWriter::Append::kAccepted);
  append(writer, 0, kTradeRecord, LogWriter::Append::kAccepted);
  append(writer, 1, kTradeRecord, LogWriter::Append::kAccepted);
  clock_.advance_ns(20 * kNsPerMs);
  acknowledge(writer, 0, 11);  // the control record
  EXPECT_EQ(arrived(), 0);
  acknowledge(writer, 0, 12);
  EXPECT_EQ(arrived(), 1);
  EXPECT_EQ(run_.get()->latency().max_ns(), 15 * kNsPerMs);
  acknowledge(writer, 0, 13);
  acknowledge(writer, 1, 1);
  EXPECT_EQ(arrived(), 3);
}

TEST_F(WatchedLog, WhatAFullLogDidNotTakeIsAppendedAgain) {
  WatchedLogWriter writer(to_, {0, 0}, Arrival::kAcknowledged, run_, clock_);
  writer.expect(0, 1);
  to_.full = true;
  append(writer, 0, kTradeRecord, LogWriter::Append::kFull);
  acknowledge(writer, 0, 1);
  EXPECT_EQ(arrived(), 0);
  to_.full = false;
  append(writer, 0, kTradeRecord, LogWriter::Append::kAccepted);
  acknowledge(writer, 0, 1);
  EXPECT_EQ(arrived(), 1);
}

TEST_F(WatchedLog, OfBarsATradeArrivesWithTheCommit) {
  WatchedLogWriter writer(to_, {0, 0}, Arrival::kStored, run_, clock_);
  writer.expect(0, 1);
  append(writer, 0, kTradeRecord, LogWriter::Append::kAccepted);
  acknowledge(writer, 0, 1);
  writer.on_round(0, 1, 0);
  EXPECT_EQ(arrived(), 0);
  writer.on_round(0, 1, 1);
  EXPECT_EQ(arrived(), 1);
}

TEST_F(WatchedLog, TheFeedPlaysWhatIsDueAndTellsTheWriter) {
  SystemClock clock;
  SessionClock session_clock(clock);
  WatchedLogWriter writer(to_, {0, 0}, Arrival::kAcknowledged, run_, clock);
  LoadFeed feed(run_, writer, load_symbols(LoadMarket::kCrypto, 4), clock, session_clock);
  run_.set(a_whole_run(clock.boot_ns()));
  const auto run = run_.get();
  bool first = true;
  std::int64_t frames = 0;
  while (!run->all_sent()) {
    const auto batch = feed.poll(16);
    ASSERT_TRUE(batch.has_value());
    EXPECT_EQ(batch->events.size(), first ? 1U : 0U);
    EXPECT_LE(batch->frames.size(), 16U);
    EXPECT_FALSE(batch->end);
    first = false;
    frames += std::ssize(batch->frames);
    EXPECT_GE(run->counts(clock.boot_ns()).due, run->counts(clock.boot_ns()).sent - 1);
  }
  EXPECT_EQ(frames, 1'000);
  EXPECT_GE(clock.boot_ns() - run->plan().start_ns, 999 * kNsPerMs);  // not before it was due
  feed.close();
  EXPECT_TRUE(feed.poll(16)->end);
  // The writer was told of each.
  for (std::int32_t partition = 0; partition < 2; ++partition) {
    for (int i = 0; i < 1'000; ++i) append(writer, partition, kTradeRecord, LogWriter::Append::kAccepted);
    acknowledge(writer, partition, 1'000);
  }
  EXPECT_EQ(arrived(), 1'000);
}

}  // namespace
}  // namespace finpipe
