#include "codec/bar_record.h"

#include <gtest/gtest.h>

#include <span>
#include <string>

#include "codec/confluent.h"
#include "codec/stock_bar_avro.h"

namespace finpipe {
namespace {

// What a reader of finnhub.bars can know of a bar is all in it.
BarRow a_bar() {
  return {{"BINANCE:BTCUSDT", Interval::k5m, 1'723'161'300'000},
          {.first = {1'723'161'300'000, 1, 61'837'630'000'000},
           .last = {1'723'161'300'000, 1, 61'839'000'000'001},
           .first_if_alone = {},
           .last_if_alone = {},
           .high_e9 = 61'840'000'000'000,
           .low_e9 = 61'837'000'000'000,
           .has_high_low = true,
           .volume_e8 = int128{1} << 70,
           .vwap_volume_e8 = 5,
           .notional_e17 = -(int128{1} << 110),
           .trades = 17,
           .excluded = 2,
           .policy = 0x00ff'0000'1234'5678,
           .state = BarState::kRevised,
           .revision = 3,
           .reason = RevisionReason::kBackfill,
           .closed_at_ns = 1'723'161'602'000'000'000,
           .missing_ms = 1'500,
           .partial = true,
           .backfilled = true,
           .version = 9,
           .applied_through = 12'345,
           .generation = 2,
           .log_id = {std::byte{7}}}};
}

std::string encoded(const BarRow& row) {
  std::string out;
  encode_bar_record(row, out);
  return out;
}

TEST(BarRecord, IsReadBack) {
  EXPECT_EQ(decode_bar_record(encoded(a_bar())), a_bar());
  BarRow empty{{"A", Interval::k1d, 0}, {}};
  EXPECT_EQ(decode_bar_record(encoded(empty)), empty);
}

TEST(BarRecord, OpenAndCloseOfTradesThatCountOnlyAloneAreItsPrices) {
  BarRow row{{"A", Interval::k1s, 5'000}, {}};
  row.bar.first_if_alone = {5'001, 77, 3};
  row.bar.last_if_alone = {5'002, 78, 4};
  const auto read = decode_bar_record(encoded(row));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->bar.open_e9(), 3);
  EXPECT_EQ(read->bar.close_e9(), 4);
}

TEST(BarRecord, WhatNoBarHasIsRefused) {
  const auto refusal = [](auto change) {
    const std::string value = encoded(a_bar());
    auto record = avro::decode_stock_bar(std::as_bytes(std::span(value)).subspan(kFrameHeaderBytes)).value();
    change(record);
    std::string bytes;
    frame_header(avro::StockBar::kSchemaId, bytes);
    encode(record, bytes);
    const auto read = decode_bar_record(bytes);
    return read ? std::string("none") : std::string(error_info(read.error().code).name);
  };
  EXPECT_EQ(refusal([](avro::StockBar&) {}), "none");
  EXPECT_EQ(refusal([](avro::StockBar& bar) { bar.symbol = ""; }), "bad_symbol");
  EXPECT_EQ(refusal([](avro::StockBar& bar) { bar.interval = "2m"; }), "wrong_type");
  EXPECT_EQ(refusal([](avro::StockBar& bar) { bar.policy = "12"; }), "wrong_type");
  EXPECT_EQ(refusal([](avro::StockBar& bar) { bar.open.reset(); }), "wrong_type");
  EXPECT_EQ(refusal([](avro::StockBar& bar) { bar.low.reset(); }), "wrong_type");
  EXPECT_EQ(refusal([](avro::StockBar& bar) { bar.start = INT64_MAX; }), "wrong_type");
}

TEST(BarRecord, OtherRecordsAreRefused) {
  std::string value = encoded(a_bar());
  value[4] = 1;
  EXPECT_EQ(decode_bar_record(value).error().code, ErrorCode::kUnknownSchemaId);
  EXPECT_EQ(decode_bar_record("").error().code, ErrorCode::kAvroMalformed);
}

}  // namespace
}  // namespace finpipe
