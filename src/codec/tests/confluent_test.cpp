#include "codec/confluent.h"

#include <gtest/gtest.h>

#include <string>

namespace finpipe {
namespace {

TEST(ConfluentFraming, HeaderIsAZeroByteAndABigEndianId) {
  std::string out = "before";
  frame_header(0x01020384, out);
  EXPECT_EQ(out, std::string("before\0\x01\x02\x03\x84", 11));
}

TEST(ConfluentFraming, WhatIsFramedIsUnframed) {
  for (const std::uint32_t id : {0U, 1U, 255U, 256U, 0x80000000U, 0xfffffffeU}) {
    std::string bytes;
    frame_header(id, bytes);
    bytes += "payload";
    const auto framed = unframe(std::as_bytes(std::span(bytes)));
    ASSERT_TRUE(framed);
    EXPECT_EQ(framed->id, id);
    EXPECT_EQ(framed->payload.size(), 7U);
    EXPECT_EQ(static_cast<const void*>(framed->payload.data()), bytes.data() + kFrameHeaderBytes);
  }
}

TEST(ConfluentFraming, APayloadMayBeEmpty) {
  std::string bytes;
  frame_header(7, bytes);
  const auto framed = unframe(std::as_bytes(std::span(bytes)));
  ASSERT_TRUE(framed);
  EXPECT_TRUE(framed->payload.empty());
}

TEST(ConfluentFraming, ShortOrForeignBytesAreRefused) {
  const std::string whole("\0\0\0\0\1", 5);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto framed = unframe(std::as_bytes(std::span(whole.data(), size)));
    ASSERT_FALSE(framed);
    EXPECT_EQ(framed.error().code, ErrorCode::kAvroMalformed);
  }
  const std::string foreign = "{\"type\":\"ping\"}";
  const auto framed = unframe(std::as_bytes(std::span(foreign)));
  ASSERT_FALSE(framed);
  EXPECT_EQ(framed.error().code, ErrorCode::kAvroMalformed);
  EXPECT_EQ(framed.error().detail, "frame begins with byte 123, not 0");
}

TEST(ConfluentFraming, ARefusedValueKeepsItsReasonAndItsBytes) {
  const std::string value("\0\0\0\0\1payload", 12);  // which would be a value of ours
  std::string out;
  refuse_value({Error{ErrorCode::kIncompatibleSchema, "id 1: StockTick.price"}, value}, out);
  const auto framed = unframe(std::as_bytes(std::span(out)));
  ASSERT_FALSE(framed);
  EXPECT_EQ(framed.error().code, ErrorCode::kIncompatibleSchema);
  EXPECT_EQ(framed.error().detail, "id 1: StockTick.price");
  EXPECT_EQ(original_value(out), value);
  EXPECT_EQ(original_value(value), value);
}

TEST(ConfluentFraming, AFrameThatPretendsToBeARefusedValueIsRefused) {
  for (const std::string_view rest : {"", "\0", "\x03\x90\xff\xff", "zzzz and more"}) {
    const std::string bytes = std::string("\0\xff\xff\xff\xff", 5) + std::string(rest);
    const auto framed = unframe(std::as_bytes(std::span(bytes)));
    ASSERT_FALSE(framed);
    EXPECT_EQ(framed.error().code, ErrorCode::kUnknownSchemaId);
    EXPECT_EQ(original_value(bytes), bytes);
  }
}

}  // namespace
}  // namespace finpipe
