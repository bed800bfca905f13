#include "endpoint/status.h"

#include <gtest/gtest.h>

#include <string>

#include "documents.h"
#include "rows.h"

namespace finpipe {
namespace {

constexpr std::int64_t kNowNs = 1'785'000'000'000 * kNsPerMs;

class StatusTest : public testing::Test {
 protected:
  static Checkpoint checkpoint(std::int32_t partition, std::int64_t heartbeat_age_ms) {
    Checkpoint checkpoint;
    checkpoint.partition = partition;
    checkpoint.offset = 35'000 + partition;
    checkpoint.origin = "demo";
    checkpoint.heartbeat_at_ns = kNowNs - heartbeat_age_ms * kNsPerMs;
    checkpoint.last_frame_at_ns = checkpoint.heartbeat_at_ns - 100 * kNsPerMs;
    checkpoint.feed_state = avro::ConnectionState::kConnected;
    checkpoint.feed_since_ms = 1'784'999'000'000;
    checkpoint.engine.clock_ns = kNowNs;
    checkpoint.engine.lags_ms = {{"crypto", 62 + partition}};
    LedgerRow row{.received = 10,
                  .already_in_log = 1,
                  .appended = 7,
                  .dead_lettered_before = 2,
                  .in_log = 7,
                  .stored = 5,
                  .skipped = 1,
                  .dead_lettered_after = 1};
    checkpoint.ledger[{Writer::kLive, 1'785'000'000'000'000'123}] = row;
    return checkpoint;
  }
  void put(const Checkpoint& checkpoint) {
    Commit commit;
    commit.checkpoints = {encode_checkpoint(checkpoint)};
    store(store_, std::move(commit));
  }
  rapidjson::Document status() {
    const auto text =
        status_json(store_, clock_, {.version = "0.1.0", .feed_detail = {}, .feed_error = {}, .log_ends = {}});
    EXPECT_TRUE(text);
    return parse_json(*text);
  }

  MemoryStore store_;
  ManualClock clock_{kNowNs};
};

TEST_F(StatusTest, OfAnEmptyStoreNothingIsKnownAndThatIsStale) {
  const auto empty = status();
  EXPECT_EQ(empty["time"].GetInt64(), 1'785'000'000'000);
  EXPECT_EQ(text_of(empty["version"]), "0.1.0");
  EXPECT_TRUE(empty["stale"].GetBool());
  EXPECT_TRUE(empty["heartbeat_age_ms"].IsNull());
  EXPECT_EQ(text_of(empty["feed"]["state"]), "disconnected");
  EXPECT_TRUE(empty["feed"]["since"].IsNull());
  EXPECT_TRUE(empty["feed"]["last_frame"].IsNull());
  EXPECT_EQ(empty["partitions"].Size(), 0U);
}

TEST_F(StatusTest, TheNewestHeartbeatSpeaksForTheFeedAndTheOldestForItsAge) {
  put(checkpoint(0, 400));
  Checkpoint behind = checkpoint(1, 3'000);
  behind.feed_state = avro::ConnectionState::kStalled;
  put(behind);
  store_symbols(store_, {{"A", 0}, {"B", 1}});
  const auto now = status();
  EXPECT_EQ(text_of(now["origin"]), "demo");
  EXPECT_TRUE(now["demo"].GetBool());
  EXPECT_EQ(text_of(now["feed"]["state"]), "connected");
  EXPECT_EQ(now["feed"]["since"].GetInt64(), 1'784'999'000'000);
  EXPECT_EQ(now["feed"]["last_frame"].GetInt64(), 1'785'000'000'000 - 500);
  EXPECT_EQ(text_of(now["feed"]["detail"]), "");
  EXPECT_EQ(now["heartbeat_age_ms"].GetInt64(), 3'000);
  EXPECT_FALSE(now["stale"].GetBool());
  EXPECT_EQ(now["lags"].Size(), 1U);
  EXPECT_EQ(now["lags"][0]["lag_ms"].GetInt64(), 62);
  EXPECT_EQ(now["symbols"].GetInt64(), 2);
  EXPECT_EQ(now["partitions"][1]["offset"].GetInt64(), 35'001);
  EXPECT_EQ(now["partitions"][1]["clock"].GetInt64(), 1'785'000'000'000);
}

TEST_F(StatusTest, FiveSecondsWithoutAHeartbeatAreStale) {
  put(checkpoint(0, 5'000));
  EXPECT_FALSE(status()["stale"].GetBool());
  clock_.advance_ns(kNsPerMs);
  EXPECT_TRUE(status()["stale"].GetBool());
  clock_.step_wall_ns(-kNsPerSecond * 3'600);
  EXPECT_EQ(status()["heartbeat_age_ms"].GetInt64(), 0) << "a clock that was set back is not negative age";
}

TEST_F(StatusTest, TheTradesOfTheStatusAddUp) {
  put(checkpoint(0, 0));
  put(checkpoint(1, 0));
  const auto now = status();
  const auto& trades = now["trades"];
  EXPECT_EQ(trades["received"].GetInt64(), 20);
  EXPECT_EQ(trades["stored"].GetInt64() + trades["skipped"].GetInt64() + trades["dead_lettered"].GetInt64(), 20);
  EXPECT_EQ(trades["skipped"].GetInt64(), 4);
  EXPECT_EQ(trades["dead_lettered"].GetInt64(), 6);
}

TEST_F(StatusTest, TheFeedsDetailIsWhatTheAppSays) {
  const auto text = status_json(
      store_, clock_, {.version = "", .feed_detail = [] { return "say \"again\""; }, .feed_error = {}, .log_ends = {}});
  EXPECT_EQ(text_of(parse_json(*text)["feed"]["detail"]), "say \"again\"");
}

TEST_F(StatusTest, TheLagIsWhatTheLogHasBeyondThePlaceWhereAllIsStored) {
  for (const std::int32_t partition : {0, 1, 2, 3}) put(checkpoint(partition, 0));
  const auto lags = [&](std::vector<std::int64_t> ends) {
    const StatusOptions options = {
        .version = "", .feed_detail = {}, .feed_error = {}, .log_ends = [&] { return ends; }};
    const auto now = parse_json(*status_json(store_, clock_, options));
    std::vector<std::int64_t> told;
    for (const auto& row : now["partitions"].GetArray())
      told.push_back(row["lag"].IsNull() ? -1 : row["lag"].GetInt64());
    return told;
  };
  EXPECT_EQ(lags({}), std::vector<std::int64_t>(4, -1));
  EXPECT_EQ(lags({35'000, 35'011, -1}), (std::vector<std::int64_t>{0, 10, -1, -1}));
  EXPECT_EQ(lags({34'000, 35'001, 35'002, 35'103}), (std::vector<std::int64_t>{0, 0, 0, 100}));
}

TEST_F(StatusTest, TheLedgerTellsEachSessionAndWhetherItBalances) {
  put(checkpoint(0, 0));
  Checkpoint wrong = checkpoint(1, 0);
  wrong.ledger.begin()->second.stored = 4;
  put(wrong);
  const auto text = ledger_json(store_);
  ASSERT_TRUE(text);
  const auto ledger = parse_json(*text);
  EXPECT_FALSE(ledger["balanced"].GetBool());
  EXPECT_EQ(ledger["sessions"].Size(), 2U);
  const auto& first = ledger["sessions"][0];
  EXPECT_EQ(text_of(first["writer"]), "live");
  EXPECT_EQ(first["session"].GetInt64(), 1'785'000'000'000'000'123);
  EXPECT_EQ(first["partition"].GetInt64(), 0);
  EXPECT_EQ(first["received"].GetInt64(), 10);
  EXPECT_EQ(first["already_in_log"].GetInt64(), 1);
  EXPECT_EQ(first["appended"].GetInt64(), 7);
  EXPECT_EQ(first["dead_lettered_before"].GetInt64(), 2);
  EXPECT_EQ(first["in_log"].GetInt64(), 7);
  EXPECT_EQ(first["stored"].GetInt64(), 5);
  EXPECT_EQ(first["skipped"].GetInt64(), 1);
  EXPECT_EQ(first["dead_lettered_after"].GetInt64(), 1);
  EXPECT_TRUE(first["balanced"].GetBool());
  EXPECT_FALSE(ledger["sessions"][1]["balanced"].GetBool());
  EXPECT_EQ(ledger["total"]["stored"].GetInt64(), 9);
}

}  // namespace
}  // namespace finpipe
