// A live ingest looks for a newer one when others wrote to its log, and reads little for that: the feed is not read
// meanwhile.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "codec/records.h"
#include "logs/memory_log.h"
#include "pipeline/ingest.h"
#include "pipeline/log_tail.h"

namespace finpipe {
namespace {

constexpr std::int64_t kBeginMs = 1'785'000'000'000;
constexpr std::int64_t kStepMs = 100;
constexpr std::size_t kTradesPerStep = 500;
constexpr std::size_t kTrades = 200'000;
constexpr std::int32_t kLogPartitions = 2;
constexpr std::int64_t kManyRecords = 20'000;
constexpr std::int64_t kFewRecords = 5'000;
constexpr std::array<std::string_view, 4> kTraded = {"X:A", "X:B", "X:E", "X:H"};

// Its symbols, of both partitions, trade all the time.
class BusyFeed final : public Feed {
 public:
  explicit BusyFeed(SessionClock& clock) : clock_(clock) {}

  [[nodiscard]] std::string_view origin() const override { return "vendor"; }
  [[nodiscard]] std::string_view source_id() const override { return ""; }
  [[nodiscard]] bool live() const override { return true; }
  [[nodiscard]] std::optional<double> progress() const override { return std::nullopt; }
  [[nodiscard]] Result<FeedBatch> poll(std::size_t /*max_frames*/) override {
    const std::int64_t now_ms = floor_div(clock_.now_ns(), kNsPerMs);
    text_ = R"({"data":[)";
    for (std::size_t i = 0; i < kTradesPerStep; ++i) {
      text_ += fmt::format(R"({}{{"p":{},"s":"{}","t":{},"v":1}})", i == 0 ? "" : ",", ++price_,
                           kTraded[i % kTraded.size()], now_ms);
    }
    text_ += R"(],"type":"trade"})";
    frame_ = {.bytes = text_, .received_ns = clock_.now_ns(), .position = ++position_, .damage = {}};
    return FeedBatch{{&frame_, 1}, false, {}, clock_.now_ns()};
  }

 private:
  SessionClock& clock_;
  std::int64_t price_ = 0, position_ = 0;
  std::string text_;
  FeedFrame frame_;
};

// Counts what it hands out. Like that of Kafka, it knows where the log began when it asked last, which is when it fails
// to find an offset.
class CountingReader final : public LogReader {
 public:
  CountingReader(MemoryLog& log, std::vector<std::int32_t> partitions)
      : reader_(log.reader(partitions)), begins_(static_cast<std::size_t>(log.partitions())) {}

  [[nodiscard]] const LogId& log_id() const override { return reader_->log_id(); }
  [[nodiscard]] std::int32_t partitions() const override { return reader_->partitions(); }
  [[nodiscard]] Result<OffsetRange> range(std::int32_t partition) override {
    FINPIPE_TRY_ASSIGN(range, reader_->range(partition));
    auto& begin = begins_[static_cast<std::size_t>(partition)];
    if (!begin) begin = range.begin;
    return OffsetRange{*begin, range.end};
  }
  [[nodiscard]] Result<void> seek(std::int32_t partition, std::int64_t offset) override {
    auto sought = reader_->seek(partition, offset);
    if (!sought) begins_[static_cast<std::size_t>(partition)].reset();
    return sought;
  }
  [[nodiscard]] Result<Read> poll(std::size_t max_bytes) override {
    auto read = reader_->poll(max_bytes);
    if (read) {
      for (const Batch& batch : read->batches) records_ += static_cast<std::int64_t>(batch.records.size());
    }
    return read;
  }
  void pause(std::int32_t partition) override { reader_->pause(partition); }
  void resume(std::int32_t partition) override { reader_->resume(partition); }
  void commit_hint(std::int32_t /*partition*/, std::int64_t /*offset*/) override {}

  [[nodiscard]] std::int64_t take_records() { return std::exchange(records_, 0); }

 private:
  std::unique_ptr<MemoryLogReader> reader_;
  std::vector<std::optional<std::int64_t>> begins_;
  std::int64_t records_ = 0;
};

// Acknowledgements, and what they tell of others, come when they are let through.
class SlowWriter final : public LogWriter {
 public:
  explicit SlowWriter(MemoryLog& log) : writer_(log.writer(1 << 24)) {}

  [[nodiscard]] std::int32_t partitions() const override { return writer_->partitions(); }
  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override {
    return writer_->append(partition, records);
  }
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override {
    auto acknowledged = writer_->poll();
    if (acknowledged && held) return std::span<const Acknowledged>();
    return acknowledged;
  }
  [[nodiscard]] std::size_t pending_bytes() const override { return writer_->pending_bytes(); }
  [[nodiscard]] bool others_wrote() override { return !held && writer_->others_wrote(); }

  bool held = false;

 private:
  std::unique_ptr<LogWriter> writer_;
};

class ReplacedIngest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(ingest_.start());
    for (std::size_t trades = 0; trades < kTrades; trades += kTradesPerStep) ASSERT_TRUE(step());
    for (std::int32_t p = 0; p < kLogPartitions; ++p) ASSERT_GT(reader_.range(p)->end, kManyRecords);
    (void)reader_.take_records();
  }
  Result<bool> step() {
    host_.advance_ns(kStepMs * kNsPerMs);
    return ingest_.step();
  }
  void write(avro::Writer writer, std::int64_t session, decltype(avro::FeedStatus::body) body) {
    std::string value;
    encode_control({.stamp = host_.wall_ns(), .writer = writer, .session = session, .body = std::move(body)}, value);
    const LogRecord record{RecordType::kControl, std::nullopt, value};
    for (std::int32_t p = 0; p < kLogPartitions; ++p) (void)others_->append(p, {&record, 1});
    ASSERT_TRUE(others_->poll());
  }
  // Of somebody with a session of this number.
  void begin_session(avro::Writer writer, std::int64_t session) {
    write(writer, session,
          avro::SessionStarted{.id = session,
                               .origin = "vendor",
                               .source_id = "",
                               .start = host_.wall_ns(),
                               .silent_since = std::nullopt,
                               .log_id = log_.log_id()});
  }
  void expect_replaced() {
    const auto stepped = step();
    ASSERT_FALSE(stepped);
    EXPECT_EQ(stepped.error().code, ErrorCode::kNewerIngest);
  }

  ManualClock host_{kBeginMs * kNsPerMs};
  MemoryLog log_{kLogPartitions, LogId{std::byte{1}}};
  SessionClock clock_{host_};
  BusyFeed feed_{clock_};
  CountingReader reader_{log_, {0, 1}};
  SlowWriter writer_{log_};
  std::unique_ptr<DeadLetters> letters_ = log_.dead_letters();
  std::unique_ptr<LogWriter> others_ = log_.writer(1 << 20);
  Ingest ingest_{feed_,
                 reader_,
                 writer_,
                 *letters_,
                 {.symbols = {kTraded.begin(), kTraded.end()}, .policies = {}, .clock = &clock_}};
};

TEST_F(ReplacedIngest, ReadsLittleWhenAnOperatorWrites) {
  for (int i = 0; i < 3; ++i) {
    write(avro::Writer::kOperator, 1, avro::VoidTrade{.symbol = "X:A", .event_time = kBeginMs, .seq = 1, .reason = ""});
    ASSERT_TRUE(step());
    const std::int64_t records = reader_.take_records();
    EXPECT_GT(records, 0) << "it did not look";
    EXPECT_LT(records, kFewRecords);
  }
}

TEST_F(ReplacedIngest, ReadsLittleWhenTheWallClockIsSet) {
  host_.step_wall_ns(5 * kNsPerSecond);
  ASSERT_TRUE(step());
  EXPECT_EQ(ingest_.session(), 2);
  EXPECT_LT(reader_.take_records(), kFewRecords);
}

TEST_F(ReplacedIngest, SeesASessionThatHasOnlyBegun) {
  begin_session(avro::Writer::kLive, 2);
  expect_replaced();
  EXPECT_LT(reader_.take_records(), kFewRecords);
}

TEST_F(ReplacedIngest, SeesASessionThatBeganJustAfterAnOperatorWrote) {
  begin_session(avro::Writer::kOperator, 1);
  ASSERT_TRUE(step());
  begin_session(avro::Writer::kLive, 2);
  expect_replaced();
}

// Its own heartbeats follow meanwhile, and more trades than any first look at the end of the log would show.
TEST_F(ReplacedIngest, SeesASessionThatItIsToldOfLate) {
  writer_.held = true;
  begin_session(avro::Writer::kLive, 2);
  for (std::size_t trades = 0; trades < kTrades / 4; trades += kTradesPerStep) ASSERT_TRUE(step());
  writer_.held = false;
  expect_replaced();
}

TEST_F(ReplacedIngest, SessionsOfOthersThanIngestsDoNotCount) {
  for (const avro::Writer writer : {avro::Writer::kReplay, avro::Writer::kOperator, avro::Writer::kBackfill}) {
    begin_session(writer, 99);
    EXPECT_TRUE(step());
  }
}

TEST_F(ReplacedIngest, GoesOnWhenWhatItWouldReadHasExpired) {
  writer_.held = true;
  begin_session(avro::Writer::kOperator, 1);
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(step());
  for (std::int32_t p = 0; p < kLogPartitions; ++p) log_.truncate_before(p, reader_.range(p)->end - 10);
  writer_.held = false;
  const auto stepped = step();
  EXPECT_TRUE(stepped) << stepped.error().message();
}

TEST_F(ReplacedIngest, TailIsReadWhenTheLogBeginsLaterThanTheReaderKnows) {
  ASSERT_EQ(reader_.range(0)->begin, 0);
  log_.truncate_before(0, reader_.range(0)->end - 1'000);
  const auto tail = read_tail(reader_, 0);
  ASSERT_TRUE(tail) << tail.error().message();
  EXPECT_EQ(tail->session, 1);
  EXPECT_EQ(tail->end, reader_.range(0)->end);
}

}  // namespace
}  // namespace finpipe
