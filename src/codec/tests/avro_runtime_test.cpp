#include "codec/avro_runtime.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/int128.h"
#include "base/random.h"

namespace finpipe::avro {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

std::string bytes_of(std::initializer_list<unsigned> values) {
  std::string bytes;
  for (const unsigned value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

template <typename Codec>
std::string encoded(const typename Codec::Value& value) {
  std::string out = "kept";
  append<Codec>(value, out);
  EXPECT_EQ(out.substr(0, 4), "kept");
  return out.substr(4);
}

template <typename Codec>
std::optional<typename Codec::Value> decoded(const std::string& bytes) {
  typename Codec::Value value{};
  if (!decode_all<Codec>(std::as_bytes(std::span(bytes)), "value", value)) return std::nullopt;
  return value;
}

// The value's bytes are the expected ones, they give the value back, and none of them is missed or one too many.
template <typename Codec>
void expect_form(const typename Codec::Value& value, const std::string& bytes) {
  EXPECT_EQ(encoded<Codec>(value), bytes);
  const auto back = decoded<Codec>(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(*back == value);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decoded<Codec>(bytes.substr(0, size)).has_value()) << size << " bytes";
  }
  EXPECT_FALSE(decoded<Codec>(bytes + '\0').has_value());
}

enum class Colour : std::uint8_t { kRed = 0, kGreen = 1, kBlue = 2 };
using ColourCodec = EnumCodec<Colour, 3>;
using Longs = ArrayCodec<LongCodec>;

TEST(AvroReader, TakesNoMoreThanIsLeft) {
  const std::string three = "abc";
  Reader reader(std::as_bytes(std::span(three)));
  const char* bytes = nullptr;
  EXPECT_FALSE(reader.take(4, bytes));
  EXPECT_EQ(reader.remaining(), 3U);
  ASSERT_TRUE(reader.take(2, bytes));
  EXPECT_EQ(bytes, three.data());
  EXPECT_EQ(reader.remaining(), 1U);
}

TEST(AvroLong, IsAZigzagVarint) {
  expect_form<LongCodec>(0, bytes_of({0}));
  expect_form<LongCodec>(-1, bytes_of({1}));
  expect_form<LongCodec>(1, bytes_of({2}));
  expect_form<LongCodec>(63, bytes_of({0x7e}));
  expect_form<LongCodec>(-64, bytes_of({0x7f}));
  expect_form<LongCodec>(64, bytes_of({0x80, 0x01}));
  expect_form<LongCodec>(-65, bytes_of({0x81, 0x01}));
  expect_form<LongCodec>(kMax, bytes_of({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
  expect_form<LongCodec>(kMin, bytes_of({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}));
}

TEST(AvroLong, EveryLengthSurvives) {
  for (int bit = 0; bit < 63; ++bit) {
    for (const std::int64_t value : {(std::int64_t{1} << bit) - 1, std::int64_t{1} << bit}) {
      EXPECT_EQ(decoded<LongCodec>(encoded<LongCodec>(value)), value);
      EXPECT_EQ(decoded<LongCodec>(encoded<LongCodec>(-value)), -value);
    }
  }
}

// Read as the specification puts it: seven bits a byte, the lowest first.
std::optional<std::pair<std::int64_t, std::size_t>> naive_long(const std::string& bytes) {
  int128 raw = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    raw |= static_cast<int128>(byte & 0x7F) << (7 * i);
    if (byte >= 0x80) continue;
    if ((byte == 0 && i > 0) || raw > std::numeric_limits<std::uint64_t>::max()) return std::nullopt;
    const auto number = static_cast<std::uint64_t>(raw);
    const auto half = static_cast<std::int64_t>(number / 2);
    return std::pair(number % 2 == 0 ? half : -half - 1, i + 1);
  }
  return std::nullopt;
}

TEST(AvroLong, IsTheSameWhateverFollowsIt) {
  Random random(1);
  for (int round = 0; round < 200'000; ++round) {
    std::string bytes;
    const std::size_t more = random.below(12);
    for (std::size_t i = 0; i < more; ++i) bytes += static_cast<char>(random.below(128) | 0x80U);
    bytes += static_cast<char>(random.chance(0.2) ? random.below(2) : random.below(128));
    const auto expected = naive_long(bytes);
    for (const std::size_t follow : {std::size_t{0}, random.below(16)}) {
      std::string buffer = bytes;
      for (std::size_t i = 0; i < follow; ++i) buffer += static_cast<char>(random.next());
      Reader reader(std::as_bytes(std::span(buffer)));
      std::int64_t value = 0;
      ASSERT_EQ(reader.take_long(value), expected.has_value()) << round;
      if (!expected) continue;
      ASSERT_EQ(value, expected->first) << round;
      ASSERT_EQ(reader.remaining(), buffer.size() - expected->second) << round;
    }
  }
}

TEST(AvroLong, PaddedAndOverlongVarintsAreRefused) {
  EXPECT_FALSE(decoded<LongCodec>(bytes_of({0x80, 0x00})));
  EXPECT_FALSE(decoded<LongCodec>(bytes_of({0x82, 0x80, 0x00})));
  EXPECT_FALSE(decoded<LongCodec>(bytes_of({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02})));
  EXPECT_FALSE(decoded<LongCodec>(bytes_of({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x01})));
}

TEST(AvroInt, WiderNumbersAreRefused) {
  expect_form<IntCodec>(std::numeric_limits<std::int32_t>::max(), bytes_of({0xfe, 0xff, 0xff, 0xff, 0x0f}));
  expect_form<IntCodec>(std::numeric_limits<std::int32_t>::min(), bytes_of({0xff, 0xff, 0xff, 0xff, 0x0f}));
  EXPECT_FALSE(decoded<IntCodec>(encoded<LongCodec>(std::int64_t{1} << 31)));
  EXPECT_FALSE(decoded<IntCodec>(encoded<LongCodec>(-(std::int64_t{1} << 31) - 1)));
}

TEST(AvroBoolean, OnlyZeroAndOneAreBooleans) {
  expect_form<BooleanCodec>(false, bytes_of({0}));
  expect_form<BooleanCodec>(true, bytes_of({1}));
  for (unsigned byte = 2; byte < 256; ++byte) EXPECT_FALSE(decoded<BooleanCodec>(bytes_of({byte})));
}

TEST(AvroText, LengthsAreCheckedAgainstWhatIsLeft) {
  expect_form<TextCodec>("", bytes_of({0}));
  expect_form<TextCodec>("AAPL", bytes_of({8, 'A', 'A', 'P', 'L'}));
  const std::string long_text(300, 'x');
  expect_form<TextCodec>(long_text, bytes_of({0xd8, 0x04}) + long_text);
  EXPECT_FALSE(decoded<TextCodec>(bytes_of({1})));
  EXPECT_FALSE(decoded<TextCodec>(encoded<LongCodec>(kMax) + "abc"));
  EXPECT_FALSE(decoded<TextCodec>(encoded<LongCodec>(kMin) + "abc"));
}

TEST(AvroText, DecodedTextIsAViewIntoTheBuffer) {
  const std::string bytes = bytes_of({4, 'o', 'k'});
  const auto text = decoded<TextCodec>(bytes);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->data(), bytes.data() + 1);
}

TEST(AvroFixed, HasNoLength) {
  expect_form<FixedCodec<3>>({std::byte{1}, std::byte{0}, std::byte{255}}, bytes_of({1, 0, 255}));
}

TEST(AvroDecimal, TakesAsFewBytesAsHoldTheSign) {
  using Narrow = DecimalCodec<std::int64_t>;
  expect_form<Narrow>(0, bytes_of({2, 0x00}));
  expect_form<Narrow>(-1, bytes_of({2, 0xff}));
  expect_form<Narrow>(127, bytes_of({2, 0x7f}));
  expect_form<Narrow>(128, bytes_of({4, 0x00, 0x80}));
  expect_form<Narrow>(-128, bytes_of({2, 0x80}));
  expect_form<Narrow>(-129, bytes_of({4, 0xff, 0x7f}));
  expect_form<Narrow>(kMax, bytes_of({16, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}));
  expect_form<Narrow>(kMin, bytes_of({16, 0x80, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(AvroDecimal, EveryByteBoundarySurvivesInBothWidths) {
  for (int bit = 0; bit < 127; ++bit) {
    const int128 power = int128{1} << bit;
    for (const int128 value : {power - 1, power, power + 1, -power - 1, -power, -power + 1}) {
      const std::string bytes = encoded<DecimalCodec<int128>>(value);
      const auto back = decoded<DecimalCodec<int128>>(bytes);
      ASSERT_TRUE(back && *back == value) << "bit " << bit;
      const bool redundant =
          bytes.size() > 2 && ((bytes[1] == '\0' && bytes[2] >= 0) || (bytes[1] == '\xff' && bytes[2] < 0));
      EXPECT_FALSE(redundant) << "bit " << bit;
      const bool fits = value >= kMin && value <= kMax;
      const auto narrow = decoded<DecimalCodec<std::int64_t>>(bytes);
      ASSERT_EQ(narrow.has_value(), fits) << "bit " << bit;
      if (fits) {
        EXPECT_TRUE(*narrow == value);
        EXPECT_EQ(encoded<DecimalCodec<std::int64_t>>(static_cast<std::int64_t>(value)), bytes);
      }
    }
  }
}

TEST(AvroDecimal, MoreBytesThanNeededAreReadUpToSixteen) {
  using Narrow = DecimalCodec<std::int64_t>;
  for (std::size_t size = 1; size <= 17; ++size) {
    const std::string length = bytes_of({static_cast<unsigned>(2 * size)});
    const auto positive = decoded<Narrow>(length + std::string(size - 1, '\0') + '\5');
    const auto negative = decoded<Narrow>(length + std::string(size - 1, '\xff') + '\xfb');
    EXPECT_EQ(positive, size <= 16 ? std::optional<std::int64_t>(5) : std::nullopt) << size;
    EXPECT_EQ(negative, size <= 16 ? std::optional<std::int64_t>(-5) : std::nullopt) << size;
  }
}

TEST(AvroDecimal, WhatDoesNotFitIsRefused) {
  using Narrow = DecimalCodec<std::int64_t>;
  EXPECT_FALSE(decoded<Narrow>(bytes_of({0})));
  EXPECT_FALSE(decoded<Narrow>(bytes_of({18, 0, 0x80, 0, 0, 0, 0, 0, 0, 0})));
  EXPECT_FALSE(decoded<Narrow>(bytes_of({18, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})));
}

TEST(AvroEnum, UnknownSymbolsAreRefused) {
  expect_form<ColourCodec>(Colour::kBlue, bytes_of({4}));
  EXPECT_FALSE(decoded<ColourCodec>(bytes_of({6})));
  EXPECT_FALSE(decoded<ColourCodec>(bytes_of({1})));
}

TEST(AvroArray, IsOneBlockAndAnEnd) {
  expect_form<Longs>({}, bytes_of({0}));
  expect_form<Longs>({1, -2}, bytes_of({4, 2, 3, 0}));
}

TEST(AvroArray, SeveralBlocksWithAndWithoutSizesAreRead) {
  EXPECT_EQ(decoded<Longs>(bytes_of({2, 2, 4, 4, 6, 0})), (std::vector<std::int64_t>{1, 2, 3}));
  EXPECT_EQ(decoded<Longs>(bytes_of({3, 4, 2, 4, 2, 6, 0})), (std::vector<std::int64_t>{1, 2, 3}));
}

TEST(AvroArray, ABlockSizeThatIsNotTrueIsRefused) {
  EXPECT_FALSE(decoded<Longs>(bytes_of({3, 2, 2, 4, 0})));
  EXPECT_FALSE(decoded<Longs>(bytes_of({3, 6, 2, 4, 0})));
  EXPECT_FALSE(decoded<Longs>(bytes_of({3, 1, 2, 4, 0})));
}

TEST(AvroArray, CountsThatTheBytesCannotHoldAreRefusedBeforeAllocating) {
  for (const std::int64_t count : {std::int64_t{3}, std::int64_t{1} << 40, kMax, kMin, kMin + 1}) {
    EXPECT_FALSE(decoded<Longs>(encoded<LongCodec>(count) + bytes_of({0, 2, 0}))) << count;
  }
  std::vector<std::int64_t> items;
  const std::string lie = encoded<LongCodec>(1000) + bytes_of({2, 2, 0});
  EXPECT_FALSE(decode_all<Longs>(std::as_bytes(std::span(lie)), "value", items));
  EXPECT_EQ(items.capacity(), 0U);
}

TEST(AvroArray, HasALimitAcrossBlocks) {
  const std::string half = encoded<LongCodec>(kMaxArrayItems / 2) + std::string(kMaxArrayItems / 2, '\2');
  const auto full = decoded<Longs>(half + half + '\0');
  ASSERT_TRUE(full);
  EXPECT_EQ(full->size(), kMaxArrayItems);
  EXPECT_FALSE(decoded<Longs>(half + half + bytes_of({2, 2, 0})));
}

TEST(AvroArray, ManySmallBlocksTakeLinearTime) {
  std::string bytes;
  constexpr std::size_t kBlocks = 500'000;
  for (std::size_t i = 0; i < kBlocks; ++i) bytes += "\2\2";
  const auto items = decoded<Longs>(bytes + '\0');
  ASSERT_TRUE(items);
  EXPECT_EQ(items->size(), kBlocks);
  EXPECT_LE(items->capacity(), 2 * kBlocks + 64);  // grown by doubling, not by exact size each time
}

TEST(AvroArray, ArraysNestAndReuseTheirMemory) {
  using Rows = ArrayCodec<Longs>;
  expect_form<Rows>({{1}, {}, {2, 3}}, bytes_of({6, 2, 2, 0, 0, 4, 4, 6, 0, 0}));

  std::vector<std::int64_t> reused = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto* memory = reused.data();
  const std::string bytes = encoded<Longs>({9, 10});
  ASSERT_TRUE(decode_all<Longs>(std::as_bytes(std::span(bytes)), "value", reused));
  EXPECT_EQ(reused, (std::vector<std::int64_t>{9, 10}));
  EXPECT_EQ(reused.data(), memory);
}

TEST(AvroNullable, NullMayComeFirstOrSecond) {
  expect_form<NullableCodec<LongCodec, 0>>(std::nullopt, bytes_of({0}));
  expect_form<NullableCodec<LongCodec, 0>>(-1, bytes_of({2, 1}));
  expect_form<NullableCodec<LongCodec, 1>>(std::nullopt, bytes_of({2}));
  expect_form<NullableCodec<LongCodec, 1>>(-1, bytes_of({0, 1}));
}

TEST(AvroNullable, NullEmptiesAReusedValue) {
  std::optional<std::int64_t> reused = 5;
  const std::string null = bytes_of({0});
  ASSERT_TRUE((decode_all<NullableCodec<LongCodec, 0>>(std::as_bytes(std::span(null)), "value", reused)));
  EXPECT_EQ(reused, std::nullopt);
}

TEST(AvroNullable, OtherBranchesAreRefused) {
  EXPECT_FALSE((decoded<NullableCodec<LongCodec, 0>>(bytes_of({4, 0}))));
  EXPECT_FALSE((decoded<NullableCodec<LongCodec, 1>>(bytes_of({4, 0}))));
  EXPECT_FALSE((decoded<NullableCodec<LongCodec, 0>>(bytes_of({1, 0}))));
}

TEST(AvroUnion, TheBranchSelectsTheAlternative) {
  using Either = UnionCodec<LongCodec, TextCodec>;
  expect_form<Either>(std::int64_t{5}, bytes_of({0, 10}));
  expect_form<Either>(std::string_view("ab"), bytes_of({2, 4, 'a', 'b'}));
  EXPECT_FALSE(decoded<Either>(bytes_of({4})));
  EXPECT_FALSE(decoded<Either>(bytes_of({1})));
}

TEST(AvroDecodeAll, ErrorsNameTheTypeAndThePlace) {
  std::int64_t value = 0;
  const std::string two = bytes_of({2, 4});
  const auto left_over = decode_all<LongCodec>(std::as_bytes(std::span(two)), "Number", value);
  ASSERT_FALSE(left_over);
  EXPECT_EQ(left_over.error().code, ErrorCode::kAvroMalformed);
  EXPECT_EQ(left_over.error().detail, "Number ends at byte 1 of 2");

  const auto nothing = decode_all<LongCodec>({}, "Number", value);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().detail, "Number refused near byte 0 of 0");
}

}  // namespace
}  // namespace finpipe::avro
