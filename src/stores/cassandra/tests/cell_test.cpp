#include "stores/cassandra/cell.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace finpipe::cql {
namespace {

using namespace std::string_literals;

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

// The examples of the protocol's own text (native_protocol_v4.spec, section 6) and of java.math.BigInteger.
TEST(Cells, AreAsTheProtocolSays) {
  const auto varint = [](std::int64_t value) { return CellWriter().varint(value).bytes().substr(4); };
  EXPECT_EQ(varint(0), "\x00"s);
  EXPECT_EQ(varint(1), "\x01"s);
  EXPECT_EQ(varint(127), "\x7F"s);
  EXPECT_EQ(varint(128), "\x00\x80"s);
  EXPECT_EQ(varint(129), "\x00\x81"s);
  EXPECT_EQ(varint(-1), "\xFF"s);
  EXPECT_EQ(varint(-128), "\x80"s);
  EXPECT_EQ(varint(-129), "\xFF\x7F"s);
  EXPECT_EQ(CellWriter().integer(1).bytes(), "\0\0\0\4\0\0\0\1"s);
  EXPECT_EQ(CellWriter().bigint(-2).bytes(), "\0\0\0\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"s);
  EXPECT_EQ(CellWriter().boolean(true).bytes(), "\0\0\0\1\1"s);
  EXPECT_EQ(CellWriter().text("ab").bytes(), "\0\0\0\2ab"s);
  EXPECT_EQ(CellWriter().null().bytes(), "\xFF\xFF\xFF\xFF"s);
  EXPECT_EQ(CellWriter().decimal(61'234'560'000'000, 9).bytes(), "\0\0\0\x07\0\0\0\2\x5D\x6F\xC0"s) << "6123456e-2";
  EXPECT_EQ(CellWriter().decimal(0, 9).bytes(), "\0\0\0\5\0\0\0\0\0"s);
  EXPECT_EQ(CellWriter().decimal(-15, 1).bytes(), "\0\0\0\5\0\0\0\1\xF1"s);
}

TEST(Cells, ComeBack) {
  const int128 most = static_cast<int128>(static_cast<uint128>(-1) >> 1);
  CellWriter cells;
  for (const std::int64_t value : {kLowest, std::int64_t{-256}, std::int64_t{0}, std::int64_t{65'535}, kHighest}) {
    cells.bigint(value).varint(value).decimal(value, 8);
  }
  cells.decimal(most, 0).decimal(-most - 1, 0).tinyint(-3).integer(-70'000).text("").blob("a\0b"s).null();
  CellReader reader(cells.bytes());
  for (const std::int64_t value : {kLowest, std::int64_t{-256}, std::int64_t{0}, std::int64_t{65'535}, kHighest}) {
    EXPECT_EQ(reader.bigint(), value);
    EXPECT_EQ(reader.varint(), value);
    EXPECT_TRUE(reader.decimal(8) == value);
  }
  EXPECT_TRUE(reader.decimal(0) == most);
  EXPECT_TRUE(reader.decimal(0) == -most - 1);
  EXPECT_EQ(reader.tinyint(), -3);
  EXPECT_EQ(reader.integer(), -70'000);
  EXPECT_EQ(reader.text(), "");
  EXPECT_EQ(reader.blob(), "a\0b"s);
  EXPECT_FALSE(reader.optional_decimal(9));
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(reader.done());
}

TEST(Cells, OfAnotherTypeOrMissingAreNotOk) {
  const std::string one = CellWriter().integer(5).bytes();
  const auto fails = [](std::string_view cells, auto read) {
    CellReader reader(cells);
    read(reader);
    return !reader.ok();
  };
  EXPECT_TRUE(fails(one, [](CellReader& cells) { (void)cells.bigint(); }));
  EXPECT_TRUE(fails(one, [](CellReader& cells) { (void)cells.tinyint(); }));
  EXPECT_TRUE(fails(one, [](CellReader& cells) { (void)cells.decimal(9); }));
  EXPECT_TRUE(fails(one.substr(0, 6), [](CellReader& cells) { (void)cells.integer(); }));
  EXPECT_TRUE(fails(one.substr(0, 3), [](CellReader& cells) { (void)cells.integer(); }));
  EXPECT_TRUE(fails("", [](CellReader& cells) { (void)cells.text(); }));
  const std::string null = CellWriter().null().bytes();
  EXPECT_TRUE(fails(null, [](CellReader& cells) { (void)cells.text(); }));
  EXPECT_TRUE(fails(null, [](CellReader& cells) { (void)cells.decimal(9); }));
  EXPECT_TRUE(fails(CellWriter().decimal(1, 10).bytes(), [](CellReader& cells) { (void)cells.decimal(9); }));
  const int128 most = static_cast<int128>(static_cast<uint128>(-1) >> 1);
  EXPECT_TRUE(fails(CellWriter().decimal(most, 0).bytes(), [](CellReader& cells) { (void)cells.decimal(1); }));
}

TEST(Cells, TextThatIsNoUtf8IsShownAsFarAsItIs) {
  for (const char* good :
       {"", "plain", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(as_utf8(good), good);
  }
  EXPECT_EQ(as_utf8("caf\xE9!"), "caf?!");
  EXPECT_EQ(as_utf8("\xC0\x80"), "??") << "not the shortest form";
  EXPECT_EQ(as_utf8("\xED\xA0\x80"), "???") << "half of a pair";
  EXPECT_EQ(as_utf8("\xF4\x90\x80\x80"), "????") << "beyond the last";
  EXPECT_EQ(as_utf8("\xE2\x82"), "??") << "cut off";
}

TEST(Cells, CanBeTakenAsTheyAre) {
  const std::string three = CellWriter().integer(5).null().text("x").bytes();
  const std::string cells = three + CellWriter().integer(6).bytes();
  CellReader reader(cells);
  EXPECT_EQ(reader.take(3), three);
  EXPECT_EQ(reader.integer(), 6);
}

}  // namespace
}  // namespace finpipe::cql
