#include "logs/schema_translator.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>

#include "codec/confluent.h"
#include "codec/feed_status_avro.h"
#include "codec/records.h"
#include "codec/stock_tick_avro.h"
#include "logs/wire_schemas.h"

namespace finpipe {
namespace {

constexpr std::uint32_t kTickId = 17;
constexpr std::uint32_t kStatusId = 1;  // which is the fixed id of ticks

std::string replaced(std::string_view text, std::string_view what, std::string_view by) {
  std::string out(text);
  const std::size_t at = out.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return out.replace(at, what.size(), by);
}

std::string frame(std::uint32_t id, std::string_view payload) {
  std::string out;
  frame_header(id, out);
  return out += payload;
}

Trade trade() {
  return {.symbol = "AAPL",
          .event_time_ms = 1'700'000'000'000,
          .price_e9 = 190'120'000'000,
          .volume_e8 = 300'000'000,
          .conditions = {},
          .received_at_ns = 1'700'000'000'123'456'789,
          .seq = 1'700'000'000'123'456'789,
          .session = 4};
}

std::string encoded(const Trade& value) {
  std::string out;
  encode_trade(value, out);
  return out;
}

class SchemaTranslatorTest : public testing::Test {
 protected:
  // What becomes of a value that was read from the wire; "waits" for nullopt.
  std::string read(std::string value) {
    const auto result = translator_.from_wire(value, scratch_);
    return result ? std::string(result->value) : "waits";
  }
  // The error that decoding it as a trade gives, with its detail.
  std::string refusal(const std::string& value) {
    Trade out;
    const auto decoded = decoder_.decode(value, out);
    return decoded ? "none" : std::string(error_info(decoded.error().code).name) + " " + decoded.error().detail;
  }

  std::map<std::uint32_t, Result<std::string>> registry_;
  int asked_ = 0;
  std::string scratch_;
  TradeDecoder decoder_;
  SchemaTranslator translator_{
      std::vector<WireSchema>{{1, kTickId, avro::StockTick::kSchema}, {2, kStatusId, avro::FeedStatus::kSchema}},
      [this](std::uint32_t id) -> std::optional<Result<std::string>> {
        ++asked_;
        const auto found = registry_.find(id);
        return found == registry_.end() ? std::nullopt : std::optional(found->second);
      }};
};

TEST_F(SchemaTranslatorTest, OursGetTheRegistrysIdsAndTheFixedOnesBack) {
  const std::string value = encoded(trade());
  const std::string wire(translator_.to_wire(value, scratch_));
  EXPECT_EQ(wire, frame(kTickId, value.substr(kFrameHeaderBytes)));
  EXPECT_EQ(read(wire), value);
  std::string status;
  encode_control({.stamp = 5, .body = avro::End{}}, status);
  const std::string status_wire(translator_.to_wire(status, scratch_));
  EXPECT_EQ(status_wire, frame(kStatusId, status.substr(kFrameHeaderBytes)));
  EXPECT_EQ(read(status_wire), status);
  EXPECT_EQ(asked_, 0);
}

TEST_F(SchemaTranslatorTest, NothingElseIsWritten) {
  EXPECT_THROW((void)translator_.to_wire(frame(3, "x"), scratch_), std::logic_error);
  EXPECT_EQ(translator_.to_wire("no frame", scratch_), "no frame");
}

TEST_F(SchemaTranslatorTest, ASchemaThatDiffersInDocsOnlyNeedsNoDecoding) {
  registry_.emplace(30, replaced(avro::StockTick::kSchema, "One trade as", "A trade as"));
  const std::string value = encoded(trade());
  EXPECT_EQ(read(frame(30, value.substr(kFrameHeaderBytes))), value);
  // Nor are bytes looked at: what is malformed is for the decoder to say.
  EXPECT_EQ(read(frame(30, "zz")), frame(1, "zz"));
  EXPECT_EQ(asked_, 1);
}

TEST_F(SchemaTranslatorTest, AnOlderWritersValueIsResolved) {
  // Before `suspect` was there.
  std::string old = std::string(avro::StockTick::kSchema);
  old = old.substr(0, old.find(R"(,{"name":"suspect")")) + "]}";
  registry_.emplace(30, old);
  const std::string value = encoded(trade());
  const std::string payload = value.substr(kFrameHeaderBytes, value.size() - kFrameHeaderBytes - 1);
  EXPECT_EQ(read(frame(30, payload)), value);
  EXPECT_EQ(read(frame(30, payload)), value);
  EXPECT_EQ(asked_, 1);
  // What is damaged is refused as it came.
  const std::string damaged = read(frame(30, payload + "z"));
  EXPECT_EQ(refusal(damaged), "avro_malformed schema id 30: StockTick refused near byte 44 of 45");
  EXPECT_EQ(original_value(damaged), frame(30, payload + "z"));
}

TEST_F(SchemaTranslatorTest, ANewerWritersValueIsResolved) {
  registry_.emplace(31, replaced(avro::StockTick::kSchema, R"({"name":"session")",
                                 R"({"name":"venue","type":"string","default":""},{"name":"session")"));
  const std::string value = encoded(trade());
  std::string payload = value.substr(kFrameHeaderBytes);
  payload.insert(payload.size() - 2, "\x08NYSE");  // before session and suspect
  EXPECT_EQ(read(frame(31, payload)), value);
}

TEST_F(SchemaTranslatorTest, WhatIsNotKnownYetWaitsUnchanged) {
  std::string value = frame(40, "payload");
  EXPECT_FALSE(translator_.from_wire(value, scratch_));
  EXPECT_EQ(value, frame(40, "payload"));
  registry_.emplace(40, std::string(avro::StockTick::kSchema));
  EXPECT_EQ(read(value), frame(1, "payload"));
}

// Its id is that of our ticks where there is no registry: as it is, it would pass for one.
TEST_F(SchemaTranslatorTest, AnUnknownIdIsRefusedEvenWhenItIsOneOfOurFixedOnes) {
  registry_.emplace(2, fail(ErrorCode::kUnknownSchemaId, "none"));
  std::string value;
  encode_control({.stamp = 5, .body = avro::End{}}, value);
  const std::string refused = read(value);
  const auto control = decode_control(refused);
  ASSERT_FALSE(control);
  EXPECT_EQ(control.error().code, ErrorCode::kUnknownSchemaId);
  EXPECT_EQ(original_value(refused), value);
  // That may change.
  registry_.erase(2);
  EXPECT_EQ(read(value), "waits");
}

TEST_F(SchemaTranslatorTest, AnIncompatibleSchemaIsRefusedWithItsReason) {
  registry_.emplace(50, replaced(avro::StockTick::kSchema, R"("scale":9)", R"("scale":6)"));
  const std::string refused = read(frame(50, "payload"));
  EXPECT_EQ(refusal(refused),
            "incompatible_schema schema id 50: StockTick.price: bytes decimal(19,6), not bytes decimal(19,9)");
  EXPECT_EQ(original_value(refused), frame(50, "payload"));
  EXPECT_EQ(read(frame(50, "payload")), refused);
  registry_.emplace(51, "{");
  EXPECT_EQ(refusal(read(frame(51, ""))).substr(0, 33), "incompatible_schema schema id 51:");
}

TEST_F(SchemaTranslatorTest, AForeignRecordsSchemaIsUnknown) {
  registry_.emplace(60, R"({"type":"record","name":"Order","namespace":"com.acme","fields":[]})");
  registry_.emplace(61, R"("string")");
  EXPECT_EQ(refusal(read(frame(60, ""))), "unknown_schema_id schema id 60: of com.acme.Order");
  EXPECT_EQ(refusal(read(frame(61, "\x02x"))), "unknown_schema_id schema id 61: of no record");
}

TEST_F(SchemaTranslatorTest, WhatIsNoFrameComesBackAsItIs) {
  for (const std::string value : {"", "\x01\x02", "{\"json\":1}"}) EXPECT_EQ(read(value), value);
  EXPECT_EQ(translator_.from_wire({}, scratch_)->value, "");
  EXPECT_EQ(asked_, 0);
}

TEST_F(SchemaTranslatorTest, IdsThatNoRegistryGivesOutAreNotAskedFor) {
  for (const std::uint32_t id : {0U, 0x80000000U, 0xffffffffU}) {
    const std::string value = frame(id, std::string(8, '\0'));
    const std::string refused = read(value);
    EXPECT_EQ(refusal(refused).substr(0, 17), "unknown_schema_id");
    EXPECT_EQ(original_value(refused), value);
  }
  EXPECT_EQ(asked_, 0);
}

TEST_F(SchemaTranslatorTest, ManyForeignSchemasAreForgottenAndOursStay) {
  const std::string value = encoded(trade());
  for (std::uint32_t id = 100; id < 5'000; ++id) {
    registry_.emplace(id, std::string(avro::StockTick::kSchema));
    ASSERT_EQ(read(frame(id, value.substr(kFrameHeaderBytes))), value);
    ASSERT_EQ(read(frame(kTickId, value.substr(kFrameHeaderBytes))), value);
  }
}

TEST(FixedWireSchemas, TheFixedIdsAreOnTheWire) {
  const WireSchemas schemas = fixed_wire_schemas();
  SchemaTranslator translator(schemas.ours, schemas.look_up);
  std::string scratch;
  std::string value = encoded(trade());
  const std::string before = value;
  EXPECT_EQ(translator.to_wire(value, scratch).data(), value.data());
  EXPECT_EQ(translator.from_wire(value, scratch)->value, before);
  std::string foreign = frame(999, "payload");
  EXPECT_EQ(original_value(translator.from_wire(foreign, scratch)->value), frame(999, "payload"));
  EXPECT_TRUE(schemas.poll());
  EXPECT_EQ(schemas.trouble(), std::nullopt);
}

// As a later finpipe, whose trades have another id, reads what this one has written.
TEST(FixedWireSchemas, EveryReleasedVersionIsKnownWithoutARegistry) {
  const WireSchemas schemas = fixed_wire_schemas();
  const std::string newer = replaced(avro::StockTick::kSchema, R"({"name":"session")",
                                     R"({"name":"venue","type":"string","default":"?"},{"name":"session")");
  SchemaTranslator translator(std::vector<WireSchema>{{900, 900, newer}}, schemas.look_up);
  std::string scratch;
  std::string value = encoded(trade());
  std::string expected = value.substr(kFrameHeaderBytes);
  expected.insert(expected.size() - 2, "\x02?");  // before session and suspect
  EXPECT_EQ(translator.from_wire(value, scratch)->value, frame(900, expected));
}

}  // namespace
}  // namespace finpipe
