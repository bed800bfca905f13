#include "base/hash.h"

#include <gtest/gtest.h>

#include <string>

namespace finpipe {
namespace {

// The values of Apache Kafka's own test of Utils.murmur2.
TEST(Murmur2, EqualsKafkas) {
  const auto hash = [](std::string_view text) { return static_cast<std::int32_t>(murmur2(text)); };
  EXPECT_EQ(hash("21"), -973932308);
  EXPECT_EQ(hash("foobar"), -790332482);
  EXPECT_EQ(hash("a-little-bit-long-string"), -985981536);
  EXPECT_EQ(hash("a-little-bit-longer-string"), -1486304829);
  EXPECT_EQ(hash("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58897971);
  EXPECT_EQ(hash("abc"), 479470107);
}

TEST(Murmur2, PartitionsAreInRangeAndOfTheHashWithoutItsSign) {
  EXPECT_EQ(partition_of("foobar", 1), 0);
  EXPECT_EQ(partition_of("foobar", 10), ((-790332482) & 0x7fffffff) % 10);
  EXPECT_EQ(partition_of("abc", 7), 479470107 % 7);
}

// As printed by sha256sum; the last ones end just before, at and behind the edge of a block.
TEST(Sha256, EqualsSha256sum) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  EXPECT_EQ(sha256_hex(std::string(55, 'x')), "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(sha256_hex(std::string(56, 'x')), "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(sha256_hex(std::string(64, 'x')), "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
}

TEST(EqualInConstantTime, IsEquality) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("key", "key"));
  for (const char* other : {"", "ke", "keys", "kez", "Key", "xyz"}) EXPECT_FALSE(equal_in_constant_time("key", other));
}

}  // namespace
}  // namespace finpipe
