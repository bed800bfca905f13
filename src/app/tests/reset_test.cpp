#include "pipeline/reset.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "codec/records.h"
#include "logs/memory_log.h"
#include "stores/memory_store.h"

namespace finpipe {
namespace {

constexpr std::int64_t kStampNs = 1'723'161'240'000'000'000;
const LogId kLogId{std::byte{7}};

class ResetTest : public testing::Test {
 protected:
  void append(std::int32_t partition, const LogRecord& record) {
    const auto writer = log.writer(1 << 20);
    ASSERT_EQ(writer->append(partition, {&record, 1}), LogWriter::Append::kAccepted);
    ASSERT_TRUE(writer->poll());
  }
  void append_policy(std::int32_t partition, std::int64_t stamp_ns, std::string market, std::string hash) {
    const std::string text = "text of " + hash;
    std::string value;
    encode_control({.stamp = stamp_ns,
                    .writer = avro::Writer::kLive,
                    .session = 1,
                    .body = avro::PolicyInForce{.market = market, .hash = hash, .text = text}},
                   value);
    append(partition, {RecordType::kControl, std::nullopt, value});
  }
  void append_trade(std::int32_t partition, std::int64_t received_at_ns) {
    Trade trade;
    trade.symbol = "AAPL";
    trade.event_time_ms = received_at_ns / 1'000'000;
    trade.price_e9 = trade.volume_e8 = 1;
    trade.received_at_ns = trade.seq = received_at_ns;
    trade.session = 1;
    std::string value;
    encode_trade(trade, value);
    append(partition, {RecordType::kTrade, trade.symbol, value});
  }
  Result<std::vector<Checkpoint>> reset() {
    const auto reader = log.reader({0, 1});
    return reset_checkpoints(*reader, store, store, bundled);
  }
  Checkpoint stored(std::int32_t partition) {
    const auto row = store.load_checkpoint(partition);
    const auto checkpoint = decode_checkpoint(**row);
    EXPECT_TRUE(checkpoint);
    return *checkpoint;
  }
  static MarketPolicy policy(std::string market, std::string hash) {
    MarketPolicy made;
    made.market = std::move(market);
    made.hash = std::move(hash);
    made.text = "bundled";
    return made;
  }

  MemoryLog log{2, kLogId};
  MemoryStore store;
  std::vector<MarketPolicy> bundled = {policy("crypto", "bundled-crypto"), policy("forex", "bundled-forex")};
};

TEST_F(ResetTest, BeginsAtTheLogsFirstRecordUnderItsNewestPolicies) {
  append_policy(0, kStampNs, "crypto", "old");
  append_trade(0, kStampNs + 1);
  append_policy(0, kStampNs + 2, "crypto", "new");
  ASSERT_TRUE(reset());
  const Checkpoint checkpoint = stored(0);
  EXPECT_EQ(checkpoint.generation, 1);
  EXPECT_EQ(checkpoint.offset, 0);
  EXPECT_EQ(checkpoint.policies_from, 3);
  EXPECT_EQ(checkpoint.previous, 0);
  EXPECT_EQ(checkpoint.log_id, kLogId);
  EXPECT_EQ(checkpoint.partitions, 2);
  EXPECT_EQ(checkpoint.fingerprint, engine_fingerprint());
  EXPECT_EQ(checkpoint.floor_ms, kBeginningOfTime);
  EXPECT_EQ(checkpoint.policies, (std::map<std::string, std::string>{{"crypto", "new"}, {"forex", "bundled-forex"}}));
  EXPECT_EQ(checkpoint.engine.trust, TrustBook().open());
  EXPECT_EQ((*store.load_policy("new"))->text, "text of new");
  EXPECT_EQ((*store.load_policy("bundled-forex"))->text, "bundled");
  EXPECT_EQ(stored(1).policies.at("crypto"), "bundled-crypto");
}

TEST_F(ResetTest, TheGenerationIsAboveAllThatTheStoreHas) {
  // Of another log, engine and number of partitions; one of them cannot even be read.
  Checkpoint old;
  old.partition = 5;
  old.generation = 7;
  old.fingerprint = "another engine";
  Commit commit;
  commit.checkpoints = {encode_checkpoint(old), {.partition = 0, .generation = 3, .offset = 99, .body = "no Avro"}};
  (void)store.submit(std::move(commit));
  ASSERT_TRUE(store.poll());
  ASSERT_TRUE(reset());
  EXPECT_EQ(stored(0).generation, 8);
  EXPECT_EQ(stored(1).generation, 8);
  ASSERT_TRUE(reset());
  EXPECT_EQ(stored(1).generation, 9);
}

TEST_F(ResetTest, ALogWithoutItsStartHasAFloor) {
  append_policy(0, kStampNs - 1, "crypto", "old");
  append_trade(0, kStampNs);
  append_trade(0, kStampNs + 5);
  log.truncate_before(0, 1);
  ASSERT_TRUE(reset());
  EXPECT_EQ(stored(0).offset, 1);
  EXPECT_EQ(stored(0).floor_ms, kStampNs / 1'000'000 + kMaxAheadMs);
  EXPECT_EQ(stored(1).floor_ms, kBeginningOfTime);
}

}  // namespace
}  // namespace finpipe
