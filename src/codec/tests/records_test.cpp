#include "codec/records.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "base/random.h"
#include "base/time.h"

namespace finpipe {
namespace {

Trade a_trade() {
  Trade trade;
  trade.symbol = "BINANCE:BTCUSDT";
  trade.event_time_ms = 1'723'161'255'342;
  trade.price_e9 = 61'837'630'000'000;
  trade.volume_e8 = 2'000'000;
  trade.conditions.form = Conditions::Form::kNull;
  trade.received_at_ns = 1'723'161'254'087'896'568;
  trade.seq = 1'723'161'254'087'896'569;
  trade.session = 3;
  return trade;
}

std::string encoded(const Trade& trade) {
  std::string value;
  encode_trade(trade, value);
  return value;
}

void expect_same(const Trade& a, const Trade& b) {
  EXPECT_EQ(a.symbol, b.symbol);
  EXPECT_EQ(a.event_time_ms, b.event_time_ms);
  EXPECT_EQ(a.price_e9, b.price_e9);
  EXPECT_EQ(a.volume_e8, b.volume_e8);
  EXPECT_EQ(a.conditions, b.conditions);
  EXPECT_EQ(a.received_at_ns, b.received_at_ns);
  EXPECT_EQ(a.seq, b.seq);
  EXPECT_EQ(a.session, b.session);
  EXPECT_EQ(a.writer, b.writer);
  EXPECT_EQ(a.suspect, b.suspect);
}

TEST(TradeRecord, EveryFormOfConditionsIsReadBack) {
  TradeDecoder decoder;
  for (const Conditions& conditions :
       {Conditions{Conditions::Form::kAbsent, ""}, Conditions{Conditions::Form::kNull, ""},
        Conditions{Conditions::Form::kList, ""}, Conditions{Conditions::Form::kList, "1"},
        Conditions{Conditions::Form::kList, "1 8 24 12"}, Conditions{Conditions::Form::kAbsent, ""}}) {
    Trade trade = a_trade();
    trade.conditions = conditions;
    const std::string value = encoded(trade);
    Trade decoded;
    ASSERT_TRUE(decoder.decode(value, decoded));
    expect_same(decoded, trade);
  }
}

TEST(TradeRecord, EveryWriterAndSuspicionIsReadBack) {
  TradeDecoder decoder;
  for (const Writer writer : {Writer::kLive, Writer::kBackfill, Writer::kReplay, Writer::kOperator}) {
    for (const Suspect suspect : {Suspect::kNone, Suspect::kRepeatedRun}) {
      Trade trade = a_trade();
      trade.writer = writer, trade.suspect = suspect;
      const std::string value = encoded(trade);
      Trade decoded;
      ASSERT_TRUE(decoder.decode(value, decoded));
      expect_same(decoded, trade);
    }
  }
}

TEST(TradeRecord, LargestAndSmallestNumbersAreReadBack) {
  TradeDecoder decoder;
  Trade trade = a_trade();
  trade.price_e9 = INT64_MAX;
  trade.volume_e8 = 1;
  trade.event_time_ms = kMaxTimeMs;
  trade.seq = INT64_MAX, trade.session = INT64_MAX, trade.received_at_ns = INT64_MIN;
  const std::string value = encoded(trade);
  Trade decoded;
  ASSERT_TRUE(decoder.decode(value, decoded));
  expect_same(decoded, trade);
}

TEST(TradeRecord, ValuesAreAppended) {
  std::string value = "before";
  encode_trade(a_trade(), value);
  EXPECT_EQ(value, "before" + encoded(a_trade()));
}

TEST(TradeRecord, ForeignRecordsKeepTheRulesOfFrames) {
  const auto refusal = [](auto change) {
    Trade trade = a_trade();
    change(trade);
    Trade decoded;
    const std::string value = encoded(trade);
    const auto result = TradeDecoder().decode(value, decoded);
    return result ? ErrorCode::kUsage : result.error().code;
  };
  EXPECT_EQ(refusal([](Trade& t) { t.symbol = ""; }), ErrorCode::kBadSymbol);
  EXPECT_EQ(refusal([](Trade& t) { t.symbol = "A\n"; }), ErrorCode::kBadSymbol);
  EXPECT_EQ(refusal([](Trade& t) { t.price_e9 = -1; }), ErrorCode::kBadPrice);
  EXPECT_EQ(refusal([](Trade& t) { t.volume_e8 = -1; }), ErrorCode::kBadVolume);
  EXPECT_EQ(refusal([](Trade& t) { t.event_time_ms = kMaxTimeMs + 1; }), ErrorCode::kNumberOutOfRange);
  EXPECT_EQ(refusal([](Trade& t) { t.price_e9 = t.volume_e8 = INT64_MAX; }), ErrorCode::kNumberOutOfRange);
  EXPECT_EQ(refusal([](Trade& t) { t.conditions = {Conditions::Form::kList, "12345678901234567"}; }),
            ErrorCode::kBadConditions);
  EXPECT_EQ(refusal([](Trade& t) { t.conditions = {Conditions::Form::kList, "1  2"}; }), ErrorCode::kBadConditions);
}

TEST(TradeRecord, AnotherSchemaIsToldFromDamage) {
  std::string value;
  encode_control({.stamp = 1, .writer = avro::Writer::kLive, .session = 1, .body = avro::End{}}, value);
  Trade decoded;
  EXPECT_EQ(TradeDecoder().decode(value, decoded).error().code, ErrorCode::kUnknownSchemaId);
  EXPECT_EQ(TradeDecoder().decode("", decoded).error().code, ErrorCode::kAvroMalformed);
}

TEST(TradeRecord, NoDamageIsReadBeyondTheBytes) {
  Random random(17);
  Trade trade = a_trade();
  trade.conditions = {Conditions::Form::kList, "1 8 24"};
  const std::string good = encoded(trade);
  TradeDecoder decoder;
  for (int i = 0; i < 20'000; ++i) {
    std::string value = good;
    for (std::uint64_t changes = 1 + random.below(3); changes > 0; --changes) {
      value[random.below(value.size())] = static_cast<char>(random.next());
    }
    if (random.chance(0.3)) value.resize(random.below(value.size()));
    const std::string exact(value);  // its own allocation, so that a sanitizer sees a read past the end
    Trade decoded;
    if (decoder.decode(exact, decoded)) {
      ASSERT_FALSE(decoded.symbol.empty());
      ASSERT_GE(decoded.price_e9, 0);
    }
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    Trade decoded;
    ASSERT_FALSE(decoder.decode(good.substr(0, size), decoded)) << size;
  }
}

TEST(ControlRecord, IsReadBack) {
  avro::FeedStatus status{.stamp = 5, .writer = avro::Writer::kLive, .session = 9, .body = {}};
  status.body = avro::Gap{.from = 1, .to = 2, .symbols = {{"AAPL", "MSFT"}}, .reason = "disconnected"};
  std::string value;
  encode_control(status, value);
  const auto decoded = decode_control(value);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, status);
}

TEST(ControlRecord, ATradeIsNoControlRecord) {
  EXPECT_EQ(decode_control(encoded(a_trade())).error().code, ErrorCode::kUnknownSchemaId);
  EXPECT_EQ(decode_control("\x01").error().code, ErrorCode::kAvroMalformed);
}

}  // namespace
}  // namespace finpipe
