// Which revisions a listener hears of: all, whatever their reason and however old the bar.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/time.h"
#include "codec/records.h"
#include "logs/memory_log.h"
#include "pipeline/processor.h"
#include "read_world.h"
#include "stores/memory_store.h"

namespace finpipe {
namespace {

constexpr std::string_view kSymbol = "X:A";  // of no market: 24/7, a delay of 2 s

constexpr LogId kLogId = {std::byte{1}};

class Told final : public BarListener {
 public:
  std::uint64_t interest() const override { return 1; }
  bool wants_bars(std::string_view) override { return true; }
  bool wants_trades(std::string_view) override { return false; }
  void on_bar(const BarRow& row) override { rows.push_back(row); }
  void on_trade(const Trade&) override {}
  void on_round(std::int32_t, std::int64_t, std::int64_t) override {}

  std::vector<BarRow> rows;
};

class ListenerTest : public testing::Test {
 protected:
  void control(decltype(avro::FeedStatus::body) body) {
    avro::FeedStatus status;
    status.stamp = now_ns;
    status.session = 1;
    status.body = std::move(body);
    std::string value;
    encode_control(status, value);
    append({RecordType::kControl, std::nullopt, value});
  }
  void heartbeat() {
    avro::Heartbeat beat;
    beat.lags = {{"other", 0}};
    beat.log_id = kLogId;
    control(beat);
  }
  void trade(std::string_view time, std::int64_t price) {
    Trade trade;
    trade.symbol = kSymbol;
    trade.event_time_ms = at(time);
    trade.price_e9 = price * 1'000'000'000;
    trade.volume_e8 = 100'000'000;
    trade.received_at_ns = now_ns;
    trade.seq = ++seq;
    trade.session = 1;
    std::string value;
    encode_trade(trade, value);
    append({RecordType::kTrade, kSymbol, value});
  }
  // Everything else of these moments is long closed, stored and gone from memory.
  void at_time(std::string_view time) {
    now_ns = at(time) * kNsPerMs;
    heartbeat();
    run();
    told.rows.clear();
  }
  void run() {
    for (int rounds = 0; rounds < 20; ++rounds) {
      clock.advance_ns(kNsPerSecond);
      ASSERT_TRUE(processor.step());
    }
  }
  // The newest that was told of the 1m bar at 10:00.
  [[nodiscard]] std::string newest() const {
    std::string text = "nothing";
    for (const BarRow& row : told.rows) {
      if (row.key.interval != Interval::k1m || row.key.start_ms != at("2024-03-08T10:00:00Z")) continue;
      text = values_of(row.bar) + ' ' + std::string(to_string(row.bar.state)) + ' ' + std::to_string(row.bar.revision) +
             ' ' + std::string(to_string(row.bar.reason)) + ' ' + std::to_string(row.bar.missing_ms);
    }
    return text;
  }

  std::int64_t now_ns = at("2024-03-08T10:00:00Z") * kNsPerMs;
  std::int64_t seq = 0;
  Told told;

 private:
  void append(const LogRecord& record) {
    ASSERT_EQ(writer->append(0, {&record, 1}), LogWriter::Append::kAccepted);
    ASSERT_TRUE(writer->poll());
  }

  MemoryLog log{1, kLogId};
  std::unique_ptr<LogWriter> writer = log.writer(1 << 20);
  std::unique_ptr<MemoryLogReader> reader = log.reader({0});
  std::unique_ptr<DeadLetters> letters = log.dead_letters();
  MemoryStore store;
  ManualClock clock{0};
  Processor processor{*reader, store, *letters, clock, {}, &told};
};

TEST_F(ListenerTest, RevisionsOfBarsThatHaveLeftMemoryAreTold) {
  avro::SessionStarted session;
  session.id = 1;
  session.origin = "vendor";
  session.log_id = kLogId;
  control(session);
  control(avro::Subscribed{});
  heartbeat();
  trade("2024-03-08T10:00:10Z", 5);
  trade("2024-03-08T10:00:20Z", 9);
  trade("2024-03-08T10:00:30Z", 6);
  run();
  EXPECT_EQ(newest(), "5 9 5 6 3 6.666666667 3 provisional 0  0");
  at_time("2024-03-08T10:30:00Z");

  trade("2024-03-08T10:00:40Z", 7);
  at_time("2024-03-08T10:30:01Z");
  now_ns += 5 * kNsPerSecond;
  heartbeat();
  run();
  EXPECT_EQ(newest(), "5 9 5 7 4 6.75 4 revised 1 late 0");

  at_time("2024-03-08T11:00:00Z");
  control(avro::Gap{at("2024-03-08T10:00:50Z"), at("2024-03-08T10:00:55Z"), std::nullopt, "lost"});
  run();
  now_ns += 5 * kNsPerSecond;
  heartbeat();
  run();
  EXPECT_EQ(newest(), "5 9 5 7 4 6.75 4 revised 2 gap 5000");

  at_time("2024-03-08T12:00:00Z");
  control(avro::VoidTrade{kSymbol, at("2024-03-08T10:00:20Z"), 2, "bad print"});
  run();
  now_ns += 5 * kNsPerSecond;
  heartbeat();
  run();
  EXPECT_EQ(newest(), "5 7 5 7 3 6 3 revised 3 void 5000");

  at_time("2024-03-08T13:00:00Z");
  control(avro::UnvoidTrade{kSymbol, at("2024-03-08T10:00:20Z"), 2, "it was right"});
  run();
  now_ns += 5 * kNsPerSecond;
  heartbeat();
  run();
  EXPECT_EQ(newest(), "5 9 5 7 4 6.75 4 revised 4 void 5000");
}

}  // namespace
}  // namespace finpipe
