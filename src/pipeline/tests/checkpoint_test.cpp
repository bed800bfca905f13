#include "pipeline/checkpoint.h"

#include <gtest/gtest.h>

#include "codec/checkpoint_avro.h"
#include "codec/confluent.h"
#include "codec/records.h"

namespace finpipe {
namespace {

Checkpoint full_checkpoint() {
  Checkpoint checkpoint;
  checkpoint.partition = 3;
  checkpoint.generation = 2;
  checkpoint.offset = 1'234'567;
  checkpoint.previous = 1'700'000'000'000'000'001;
  checkpoint.log_id = {std::byte{1}, std::byte{255}};
  checkpoint.partitions = 4;
  checkpoint.fingerprint = "semantics=1 tzdata=2025b";
  checkpoint.floor_ms = -5;
  checkpoint.policies_from = 77;
  checkpoint.engine.clock_ns = 1'700'000'000'000'000'000;
  checkpoint.engine.max_clock_ns = 1'700'000'000'000'000'009;
  checkpoint.engine.lags_ms = {{"crypto", -1'270}, {"us_equities", 1'600}};
  checkpoint.engine.trust.silent_since_ms = 1'699'999'999'000;
  checkpoint.engine.trust.off_since = {{"", kBeginningOfTime}, {"AAPL", 12}};
  checkpoint.engine.unclosed = {{"AAPL", Interval::k1d, 1'699'920'000'000}, {"BINANCE:BTCUSDT", Interval::k1s, 5}};
  checkpoint.policies = {{"crypto", "abc"}, {"forex", "def"}};
  checkpoint.admission.of(Writer::kLive) = {7, 1'700'000'000'000'000'001};
  checkpoint.admission.of(Writer::kOperator) = {1, 9};
  checkpoint.ledger[{Writer::kLive, 7}] = {10, 1, 8, 1, 8, 6, 1, 1};
  checkpoint.ledger[{Writer::kBackfill, 1}] = {.in_log = 2, .stored = 2};
  checkpoint.feed_state = avro::ConnectionState::kStalled;
  checkpoint.feed_since_ms = 1'699'999'990'000;
  checkpoint.origin = "vendor";
  checkpoint.heartbeat_at_ns = 1'700'000'000'000'000'002;
  checkpoint.last_frame_at_ns = 1'700'000'000'000'000'001;
  return checkpoint;
}

TEST(Checkpoint, ComesBackAsItWas) {
  const Checkpoint before = full_checkpoint();
  const auto after = decode_checkpoint(encode_checkpoint(before));
  ASSERT_TRUE(after) << after.error().message();
  EXPECT_EQ(after->partition, before.partition);
  EXPECT_EQ(after->generation, before.generation);
  EXPECT_EQ(after->offset, before.offset);
  EXPECT_EQ(after->previous, before.previous);
  EXPECT_EQ(after->log_id, before.log_id);
  EXPECT_EQ(after->partitions, before.partitions);
  EXPECT_EQ(after->fingerprint, before.fingerprint);
  EXPECT_EQ(after->floor_ms, before.floor_ms);
  EXPECT_EQ(after->policies_from, before.policies_from);
  EXPECT_EQ(after->engine.clock_ns, before.engine.clock_ns);
  EXPECT_EQ(after->engine.max_clock_ns, before.engine.max_clock_ns);
  EXPECT_EQ(after->engine.lags_ms, before.engine.lags_ms);
  EXPECT_EQ(after->engine.trust, before.engine.trust);
  EXPECT_EQ(after->engine.unclosed, before.engine.unclosed);
  EXPECT_EQ(after->policies, before.policies);
  EXPECT_EQ(after->admission.writers(), before.admission.writers());
  EXPECT_EQ(after->ledger, before.ledger);
  EXPECT_EQ(after->feed_state, before.feed_state);
  EXPECT_EQ(after->feed_since_ms, before.feed_since_ms);
  EXPECT_EQ(after->origin, before.origin);
  EXPECT_EQ(after->heartbeat_at_ns, before.heartbeat_at_ns);
  EXPECT_EQ(after->last_frame_at_ns, before.last_frame_at_ns);
  EXPECT_EQ(encode_checkpoint(*after), encode_checkpoint(before));
}

TEST(Checkpoint, AFreshOneComesBackAsItWas) {
  const auto after = decode_checkpoint(encode_checkpoint(Checkpoint{}));
  ASSERT_TRUE(after) << after.error().message();
  EXPECT_EQ(after->floor_ms, kBeginningOfTime);
  EXPECT_EQ(after->engine.clock_ns, std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(after->engine.trust.silent_since_ms, std::nullopt);
  EXPECT_TRUE(after->ledger.empty());
}

TEST(Checkpoint, ADamagedOneIsRefused) {
  const CheckpointRow whole = encode_checkpoint(full_checkpoint());
  for (std::size_t size = 0; size < whole.body.size(); ++size) {
    CheckpointRow torn = whole;
    torn.body.resize(size);
    EXPECT_FALSE(decode_checkpoint(torn)) << size;
  }
}

TEST(Checkpoint, AnUnknownIntervalOrWriterIsRefused) {
  const auto refused = [](const std::function<void(avro::StoredCheckpoint&)>& change) {
    avro::StoredCheckpoint stored;
    change(stored);
    CheckpointRow row;
    avro::encode(stored, row.body);
    const auto decoded = decode_checkpoint(row);
    return !decoded && decoded.error().code == ErrorCode::kCorrupt;
  };
  EXPECT_TRUE(refused([](auto& stored) { stored.unclosed.push_back({"AAPL", 6, 0}); }));
  EXPECT_TRUE(refused([](auto& stored) { stored.unclosed.push_back({"AAPL", -1, 0}); }));
  EXPECT_TRUE(refused([](auto& stored) { stored.writers.push_back({4, 0, 0}); }));
  EXPECT_TRUE(refused([](auto& stored) { stored.ledger.emplace_back().writer = -1; }));
}

TEST(Checkpoint, ARecordIsMarkedByItsSeqOrItsStamp) {
  Trade trade;
  trade.symbol = "AAPL";
  trade.event_time_ms = 1'700'000'000'000;
  trade.seq = 42;
  std::string value;
  encode_trade(trade, value);
  EXPECT_EQ(record_mark({RecordType::kTrade, "AAPL", value}), 42);
  value.clear();
  encode_control({.stamp = 43, .writer = avro::Writer::kLive, .session = 1, .body = avro::End{}}, value);
  EXPECT_EQ(record_mark({RecordType::kControl, std::nullopt, value}), 43);
  EXPECT_EQ(record_mark({RecordType::kTrade, "AAPL", "no Avro"}), 1);
}

TEST(Checkpoint, ARecordsBytesAreThoseOfTheLog) {
  const std::string_view ours("\0\0\0\0\1abc", 8);
  const std::string_view theirs("\0\1\2\3\4abc", 8);
  EXPECT_EQ(value_in_log({RecordType::kTrade, "A", ours}), ours);
  EXPECT_EQ(value_in_log({RecordType::kTrade, "A", ours, 0x01020304}), theirs);
  EXPECT_EQ(value_in_log({RecordType::kTrade, "A", ours, 0, "\1\2"}), "\1\2");
  std::string refused;
  refuse_value({Error{ErrorCode::kUnknownSchemaId, "x"}, theirs}, refused);
  EXPECT_EQ(value_in_log({RecordType::kTrade, "A", refused}), theirs);
  EXPECT_EQ(value_in_log({RecordType::kTrade, "A", "no Avro"}), "no Avro");
}

TEST(Ledger, BalancesWhenNothingIsLost) {
  const LedgerRow good{10, 1, 8, 1, 9, 7, 1, 1};  // one more record followed the last heartbeat
  EXPECT_TRUE(good.balanced());
  EXPECT_TRUE(LedgerRow{}.balanced());
  std::int64_t LedgerRow::* const fields[] = {
      &LedgerRow::received, &LedgerRow::already_in_log, &LedgerRow::dead_lettered_before, &LedgerRow::in_log,
      &LedgerRow::stored,   &LedgerRow::skipped,        &LedgerRow::dead_lettered_after};
  for (const auto field : fields) {
    LedgerRow bad = good;
    ++(bad.*field);
    EXPECT_FALSE(bad.balanced());
  }
  LedgerRow more_appended_than_found = good;
  more_appended_than_found.appended += 2;
  more_appended_than_found.received += 2;
  EXPECT_FALSE(more_appended_than_found.balanced());
}

TEST(Ledger, AddsUpFieldByField) {
  LedgerRow sum{1, 2, 3, 4, 5, 6, 7, 8};
  sum += LedgerRow{10, 20, 30, 40, 50, 60, 70, 80};
  EXPECT_EQ(sum, (LedgerRow{11, 22, 33, 44, 55, 66, 77, 88}));
}

}  // namespace
}  // namespace finpipe
