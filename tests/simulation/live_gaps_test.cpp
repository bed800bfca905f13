// What the pipeline simulation has found in live ingests, each as a small story.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"
#include "codec/policy_file.h"
#include "codec/records.h"
#include "logs/memory_log.h"
#include "pipeline/ingest.h"
#include "pipeline/log_tail.h"

namespace finpipe {
namespace {

constexpr std::int64_t kBeginMs = 1'785'000'000'000;

// Hands out what a test has told it.
class ScriptedFeed final : public Feed {
 public:
  explicit ScriptedFeed(SessionClock& clock) : clock_(clock) {}

  [[nodiscard]] std::string_view origin() const override { return "vendor"; }
  [[nodiscard]] std::string_view source_id() const override { return ""; }
  [[nodiscard]] bool live() const override { return true; }
  [[nodiscard]] std::optional<double> progress() const override { return std::nullopt; }
  [[nodiscard]] Result<FeedBatch> poll(std::size_t /*max_frames*/) override {
    told_texts_ = std::exchange(texts_, {});
    told_events_ = std::exchange(events_, {});
    frames_.clear();
    for (const std::string& text : told_texts_) {
      frames_.push_back({.bytes = text, .received_ns = clock_.now_ns(), .position = ++position_, .damage = {}});
    }
    return FeedBatch{frames_, false, told_events_, clock_.now_ns()};
  }

  void trade(std::string_view symbol, std::int64_t event_ms) {
    texts_.push_back(
        fmt::format(R"({{"data":[{{"c":null,"p":1,"s":"{}","t":{},"v":1}}],"type":"trade"}})", symbol, event_ms));
  }
  void tell(FeedEvent::Kind kind, std::vector<std::string> symbols = {}) {
    events_.push_back({kind, texts_.size(), clock_.now_ns(), std::move(symbols), "told"});
  }

 private:
  SessionClock& clock_;
  std::int64_t position_ = 0;
  std::vector<std::string> texts_, told_texts_;
  std::vector<FeedEvent> events_, told_events_;
  std::vector<FeedFrame> frames_;
};

struct Process {
  Process(MemoryLog& log, Clock& host)
      : clock(host),
        feed(clock),
        reader(log.reader({0})),
        writer(log.writer(1 << 20)),
        letters(log.dead_letters()),
        ingest(feed, *reader, *writer, *letters, {.symbols = {"X:A", "X:B"}, .policies = {}, .clock = &clock}) {}

  SessionClock clock;
  ScriptedFeed feed;
  std::unique_ptr<LogReader> reader;
  std::unique_ptr<LogWriter> writer;
  std::unique_ptr<DeadLetters> letters;
  Ingest ingest;
};

class LiveGaps : public testing::Test {
 protected:
  void start() {
    process_ = std::make_unique<Process>(log_, host_);
    ASSERT_TRUE(process_->ingest.start());
  }
  void step_after(std::int64_t ms) {
    host_.advance_ns(ms * kNsPerMs);
    ASSERT_TRUE(process_->ingest.step());
  }
  // Subscribes, and receives trades until the gap before has been stated. Event times are `ahead_ms` ahead of the host.
  void subscribe(const std::vector<std::string>& symbols, std::int64_t ahead_ms) {
    process_->feed.tell(FeedEvent::Kind::kSubscribed, symbols);
    for (int i = 0; i < 30; ++i) {
      process_->feed.trade("X:A", floor_div(host_.wall_ns(), kNsPerMs) + ahead_ms);
      step_after(100);
    }
  }
  // Gaps of one symbol; of none: those of all symbols.
  [[nodiscard]] std::vector<avro::Gap> gaps_of(std::string_view symbol) {
    const auto reader = log_.reader({0});
    EXPECT_TRUE(reader->poll(0));
    EXPECT_TRUE(reader->seek(0, 0));
    std::vector<avro::Gap> gaps;
    for (const LogRecord& record : reader->poll(1 << 24)->batches.front().records) {
      if (record.type != RecordType::kControl) continue;
      const auto control = decode_control(record.value);
      const auto* gap = std::get_if<avro::Gap>(&control->body);
      if (gap != nullptr && (gap->symbols ? gap->symbols->front() : "") == symbol) gaps.push_back(*gap);
    }
    return gaps;
  }

  ManualClock host_{kBeginMs * kNsPerMs};
  MemoryLog log_{1, LogId{std::byte{1}}};
  std::unique_ptr<Process> process_;
};

TEST_F(LiveGaps, IngestThatWasReplacedMayNotTakeItsSuccessorsSessionNumber) {
  start();
  host_.advance_ns(kNsPerSecond);
  Process successor(log_, host_);
  ASSERT_TRUE(successor.ingest.start());
  ASSERT_EQ(successor.ingest.session(), 2);
  host_.step_wall_ns(5 * kNsPerSecond);
  const auto stepped = process_->ingest.step();
  ASSERT_FALSE(stepped);
  EXPECT_EQ(stepped.error().code, ErrorCode::kNewerIngest);
  EXPECT_TRUE(successor.ingest.step());
}

TEST_F(LiveGaps, SymbolThatJoinsAfterTheClockWasSetBackHasNoHoleBeforeTheOutage) {
  start();
  const std::int64_t before_ms = floor_div(host_.wall_ns(), kNsPerMs);
  subscribe({"X:A"}, 0);
  process_->feed.tell(FeedEvent::Kind::kDisconnected);
  step_after(100);
  host_.step_wall_ns(-kMsPerHour * kNsPerMs);
  step_after(100);
  subscribe({"X:A", "X:B"}, kMsPerHour);
  const std::vector<avro::Gap> gaps = gaps_of("X:B");
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_LT(gaps.front().from, before_ms) << "it joined by the clock that was set back";
  EXPECT_GT(gaps.front().to, before_ms) << "the outage began by the one before";
}

TEST_F(LiveGaps, ClockThatWasSetTwiceStillHidesHowFarTheVendorHasCome) {
  start();
  process_->feed.tell(FeedEvent::Kind::kSubscribed, {"X:A"});
  process_->feed.trade("X:A", kBeginMs);
  for (const std::int64_t set_by_ms : {std::int64_t{0}, 30 * kMsPerDay, -3 * kMsPerSecond}) {
    host_.step_wall_ns(set_by_ms * kNsPerMs);
    step_after(1'500);
  }
  process_->feed.tell(FeedEvent::Kind::kDisconnected);
  step_after(100);
  const std::vector<avro::Gap> gaps = gaps_of("");
  ASSERT_EQ(gaps.size(), 2U);
  EXPECT_LT(gaps.back().from, kBeginMs + 5 * kMsPerSecond) << "trades after that may not have come";
}

TEST_F(LiveGaps, FramesOfANewerSessionAreOnItsOwnClock) {
  const auto writer = log_.writer(1 << 20);
  const auto beat = [&](std::int64_t session, std::int64_t last_frame_ms) {
    avro::Heartbeat body;
    body.last_frame_at = last_frame_ms * kNsPerMs;
    body.log_id = log_.log_id();
    std::string value;
    encode_control({.stamp = last_frame_ms * kNsPerMs, .writer = avro::Writer::kLive, .session = session, .body = body},
                   value);
    const LogRecord record{RecordType::kControl, std::nullopt, value};
    (void)writer->append(0, {&record, 1});
    ASSERT_TRUE(writer->poll());
  };
  beat(1, kBeginMs + kMsPerHour);
  beat(2, kBeginMs);
  const auto reader = log_.reader({0});
  ASSERT_TRUE(reader->poll(0));
  const auto tail = read_tail(*reader, 0);
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->last_frame_ns, kBeginMs * kNsPerMs);
}

}  // namespace
}  // namespace finpipe
