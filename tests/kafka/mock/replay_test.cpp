// Dead letters are replayed on Kafka, beside other replays and with acknowledgements that do not come: each trade is in
// the log once.
#include "pipeline/replay.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "codec/records.h"
#include "log_subject.h"
#include "mock_cluster.h"
#include "on_mock_cluster.h"
#include "pipeline/admission.h"

namespace finpipe::kafka {
namespace {

using kafka_test::open_log;

constexpr std::int64_t kNowMs = 1'900'000'000'000;
constexpr std::int32_t kPartitions = 3;
constexpr int kTrades = 8;

DeadLetter letter(int number) {
  DeadLetter made;
  made.id = fmt::format("vendor:1:{}:0:bad_price", number);
  made.received_at_ns = kNowMs * 1'000'000;
  std::string data;
  for (int i = 0; i < kTrades; ++i) {
    data += fmt::format(R"({}{{"p":{},"s":"BINANCE:S{}","t":{},"v":1}})", i == 0 ? "" : ",", number, i, kNowMs + i);
  }
  made.raw = fmt::format(R"({{"data":[{}],"type":"trade"}})", data);
  return made;
}

// One process that replays.
class Operator {
 public:
  Operator(const KafkaOptions& options, std::int64_t now_ms) : kafka_(open_log(options)), clock_(now_ms * 1'000'000) {
    const std::vector<WantedLetter> all = {wanted(letter(0)), wanted(letter(1)), wanted(letter(2))};
    log_.emplace(*reader_, all);
    EXPECT_TRUE(log_->read_on());
  }
  Result<Replayer::Done> replay(int number, LogWriter& writer) {
    if (!replayer_) replayer_.emplace(*log_, writer, clock_);
    FINPIPE_TRY_ASSIGN(trades, trades_to_replay(letter(number), std::nullopt, *log_, {}));
    return replayer_->replay(letter(number).id, trades);
  }
  Result<Replayer::Done> replay(int number) { return replay(number, writer()); }
  [[nodiscard]] bool is_replayed(int number) const { return log_->is_replayed(letter(number).id); }
  [[nodiscard]] LogWriter& writer() { return kafka_->writer(); }

 private:
  std::unique_ptr<KafkaLog> kafka_;
  std::unique_ptr<LogReader> reader_ = kafka_->reader();
  ManualClock clock_;
  std::optional<ReplayLog> log_;
  std::optional<Replayer> replayer_;
};

// How often each letter's trades, by price, were admitted.
std::map<std::int64_t, int> admitted(const KafkaOptions& options) {
  const auto log = open_log(options);
  const auto reader = log->reader();
  EXPECT_TRUE(reader->poll(0));
  std::array<std::int64_t, kPartitions> next{}, ends{};
  for (std::int32_t p = 0; p < kPartitions; ++p) {
    ends[p] = reader->range(p)->end;
    EXPECT_TRUE(reader->seek(p, 0));
  }
  std::array<Admission, kPartitions> admission;
  std::map<std::int64_t, int> counts;
  TradeDecoder decoder;
  while (next != ends) {
    const auto read = reader->poll(1 << 20);
    if (!read) {
      ADD_FAILURE() << read.error().message();
      break;
    }
    for (const LogReader::Batch& batch : read->batches) {
      for (const LogRecord& record : batch.records) {
        ++next[batch.partition];
        Trade trade;
        if (record.type == RecordType::kControl) {
          const auto control = decode_control(record.value);
          (void)admission[batch.partition].control(static_cast<Writer>(control->writer), control->session);
        } else if (decoder.decode(record.value, trade) &&
                   admission[batch.partition].trade(trade.writer, trade.session, trade.seq) ==
                       Admission::Verdict::kAdmitted) {
          ++counts[trade.price_e9 / 1'000'000'000];
        }
      }
    }
  }
  return counts;
}

TEST(KafkaReplay, OneThatAnotherOvertakesSaysSoAndGoesOnAnew) {
  MockCluster cluster;
  const auto options = cluster.new_log(kPartitions);
  Operator first(options, kNowMs), second(options, kNowMs + 1);
  EXPECT_TRUE(first.replay(0));
  EXPECT_TRUE(second.replay(1));
  const auto overtaken = first.replay(2);
  ASSERT_FALSE(overtaken);
  EXPECT_EQ(overtaken.error().code, ErrorCode::kNewerReplay);
  Operator third(options, kNowMs + 2);
  EXPECT_TRUE(third.is_replayed(0));
  EXPECT_TRUE(third.is_replayed(1));
  EXPECT_FALSE(third.is_replayed(2));
  EXPECT_EQ(third.replay(2)->appended, kTrades);
  EXPECT_EQ(admitted(options), (std::map<std::int64_t, int>{{0, kTrades}, {1, kTrades}, {2, kTrades}}));
}

// Its process sends no more than the first trade, whose acknowledgement does not come in time.
class DyingWriter final : public LogWriter {
 public:
  DyingWriter(LogWriter& inner, MockCluster& cluster) : inner_(inner), cluster_(cluster) {}
  [[nodiscard]] std::int32_t partitions() const override { return inner_.partitions(); }
  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override {
    if (sent_) return Append::kAccepted;
    sent_ = records.front().type == RecordType::kTrade;
    if (sent_) {
      // What is on its way before it would hold it up.
      EXPECT_TRUE(wait_until([this] { return !inner_.poll() || inner_.pending_bytes() == 0; }));
      cluster_.set_delay(3'000);
    }
    return inner_.append(partition, records);
  }
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override { return inner_.poll(); }
  [[nodiscard]] std::size_t pending_bytes() const override { return inner_.pending_bytes(); }

 private:
  LogWriter& inner_;
  MockCluster& cluster_;
  bool sent_ = false;
};

TEST(KafkaReplay, WhatWasNeverAcknowledgedIsNotReplayedTwice) {
  MockCluster cluster;
  auto options = cluster.new_log(kPartitions);
  options.patience_ms = 1'500;
  {
    Operator first(options, kNowMs);
    DyingWriter dying(first.writer(), cluster);
    const auto unknown = first.replay(0, dying);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, ErrorCode::kBrokerUnreachable);
    cluster.set_delay(0);
  }
  options.patience_ms = 20'000;
  Operator second(options, kNowMs + 1);
  const auto done = second.replay(0);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->already_in_log, 1U);
  EXPECT_EQ(done->appended, kTrades - 1U);
  EXPECT_EQ(admitted(options), (std::map<std::int64_t, int>{{0, kTrades}}));
}

}  // namespace
}  // namespace finpipe::kafka
