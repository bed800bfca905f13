// Schema resolution: what each rule makes of a value, what is refused, and whatever bytes do. tests/registry compares
// it with fastavro on random schemas' values; here avro-c judges where it can (it knows no default values).
#include "codec/avro_resolution.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/random.h"
#include "codec/feed_status_avro.h"
#include "codec/stock_bar_avro.h"
#include "codec/stock_tick_avro.h"
#include "codec/tests/avro_peer.h"

namespace finpipe::avro {
namespace {

Schema schema(std::string_view json) {
  auto parsed = Schema::parse(json);
  EXPECT_TRUE(parsed) << json.substr(0, 200) << (parsed ? "" : parsed.error().detail);
  return *std::move(parsed);
}

// The schema of a record R with these fields, a JSON list.
std::string record(std::string_view fields) {
  return fmt::format(R"({{"type":"record","name":"R","namespace":"a","fields":[{}]}})", fields);
}
std::string field(std::string_view type, std::string_view name = "x") {
  return fmt::format(R"({{"name":"{}","type":{}}})", name, type);
}

Result<std::string> converted(std::string_view writer, std::string_view reader, std::string_view bytes) {
  FINPIPE_TRY_ASSIGN(resolution, Resolution::make(schema(writer), schema(reader)));
  std::string out;
  FINPIPE_TRY(resolution.convert(as_bytes(bytes), out));
  return out;
}

Result<std::string> converted_field(std::string_view writer, std::string_view reader, std::string_view bytes) {
  return converted(record(field(writer)), record(field(reader)), bytes);
}

std::string refusal(const Result<std::string>& result) {
  return result ? "none" : fmt::format("{} {}", error_info(result.error().code).name, result.error().detail);
}

constexpr std::string_view kDecimal = R"({"type":"bytes","logicalType":"decimal","precision":19,"scale":9})";

TEST(AvroResolution, FieldsThatTheWriterLacksGetTheirDefaults) {
  const std::string reader = record(field(R"("long")") + R"(,
      {"name":"text","type":"string","default":"ab"}, {"name":"count","type":"int","default":-3},
      {"name":"truth","type":"boolean","default":true}, {"name":"none","type":["null","long"],"default":null},
      {"name":"list","type":{"type":"array","items":"long"},"default":[]},
      {"name":"mood","type":{"type":"enum","name":"E","symbols":["A","B"]},"default":"B"})");
  EXPECT_EQ(converted(record(field(R"("long")")), reader, "\x0e"), std::string("\x0e"
                                                                               "\x04"
                                                                               "ab"
                                                                               "\x05"
                                                                               "\x01"
                                                                               "\0"
                                                                               "\0"
                                                                               "\x02",
                                                                               9));
}

TEST(AvroResolution, AFieldWithoutDefaultIsNeeded) {
  EXPECT_EQ(
      refusal(converted(record(field(R"("long")")), record(field(R"("long")") + "," + field(R"("int")", "y")), "")),
      "incompatible_schema R.y: missing, and has no default");
}

TEST(AvroResolution, FieldsAreFoundByNameAndForeignOnesLeftOut) {
  const std::string writer = record(field(R"("string")", "b") + "," +
                                    field(R"({"type":"map","values":"double"})", "m") + "," + field(R"("long")", "a"));
  const std::string reader = record(field(R"("long")", "a") + "," + field(R"("string")", "b"));
  const std::string map = std::string("\x02\x02k", 3) + std::string(8, 'd') + std::string(1, '\0');
  EXPECT_EQ(converted(writer, reader, "\x04hi" + map + "\x0e"), "\x0e\x04hi");
}

TEST(AvroResolution, NumbersWidenAndTextIsBytes) {
  EXPECT_EQ(converted_field(R"("int")", R"("long")", "\x0e"), "\x0e");
  EXPECT_EQ(converted_field(R"("bytes")", R"("string")", "\x04hi"), "\x04hi");
  EXPECT_EQ(converted_field(R"("string")", R"("bytes")", "\x04hi"), "\x04hi");
  EXPECT_EQ(refusal(converted_field(R"("long")", R"("int")", "")), "incompatible_schema R.x: long, not int");
  EXPECT_EQ(refusal(converted_field(R"("double")", kDecimal, "")),
            "incompatible_schema R.x: double, not bytes decimal(19,9)");
}

// The encodings are the same, and the values would silently be others.
TEST(AvroResolution, WhatCountsSomethingElseIsRefused) {
  EXPECT_EQ(
      refusal(converted_field(R"({"type":"bytes","logicalType":"decimal","precision":19,"scale":6})", kDecimal, "")),
      "incompatible_schema R.x: bytes decimal(19,6), not bytes decimal(19,9)");
  EXPECT_EQ(refusal(converted_field(R"("bytes")", kDecimal, "")),
            "incompatible_schema R.x: bytes, not bytes decimal(19,9)");
  EXPECT_EQ(refusal(converted_field(R"({"type":"long","logicalType":"timestamp-micros"})",
                                    R"({"type":"long","logicalType":"timestamp-millis"})", "")),
            "incompatible_schema R.x: long timestamp-micros, not long timestamp-millis");
  // In a union and in an array too.
  EXPECT_FALSE(converted_field(R"(["null",{"type":"long","logicalType":"timestamp-micros"}])",
                               R"({"type":"long","logicalType":"timestamp-millis"})", ""));
  EXPECT_EQ(converted_field(R"({"type":"string","logicalType":"uuid"})", R"("string")", "\x04hi"), "\x04hi");
}

TEST(AvroResolution, UnionsAreEnteredAndLeft) {
  EXPECT_EQ(converted_field(R"("long")", R"(["null","long"])", "\x0e"), "\x02\x0e");
  EXPECT_EQ(converted_field(R"(["long","null"])", R"(["null","long"])", std::string("\0\x0e", 2)), "\x02\x0e");
  EXPECT_EQ(converted_field(R"(["null","long"])", R"("long")", "\x02\x0e"), "\x0e");
  EXPECT_EQ(refusal(converted_field(R"(["null","long"])", R"("long")", std::string(1, '\0'))),
            "incompatible_schema R.x: null, not long");
}

// A newer writer's control record of a kind that we do not know concerns that record only.
TEST(AvroResolution, AnUnknownBranchConcernsItsValuesOnly) {
  const std::string a = R"({"type":"record","name":"A","fields":[{"name":"n","type":"long"}]})";
  const std::string b = R"({"type":"record","name":"B","fields":[{"name":"n","type":"long"}]})";
  const std::string c = R"({"type":"record","name":"C","fields":[]})";
  const std::string writer = fmt::format("[{},{},{}]", c, b, a);
  const std::string reader = fmt::format("[{},{}]", a, b);
  EXPECT_EQ(converted_field(writer, reader, "\x02\x0e"), "\x02\x0e");
  EXPECT_EQ(converted_field(writer, reader, "\x04\x0e"), std::string("\0\x0e", 2));
  EXPECT_EQ(refusal(converted_field(writer, reader, std::string(1, '\0'))),
            "incompatible_schema R.x: a.C is none of its types");
}

TEST(AvroResolution, SymbolsAreFoundByName) {
  const std::string_view writer = R"({"type":"enum","name":"E","symbols":["C","B","A"]})";
  const std::string_view reader = R"({"type":"enum","name":"E","symbols":["A","B"]})";
  EXPECT_EQ(converted_field(writer, reader, "\x04"), std::string(1, '\0'));
  EXPECT_EQ(converted_field(writer, reader, "\x02"), "\x02");
  EXPECT_EQ(refusal(converted_field(writer, reader, std::string(1, '\0'))), "incompatible_schema E C");
  EXPECT_EQ(
      converted_field(writer, R"({"type":"enum","name":"E","symbols":["A","B"],"default":"B"})", std::string(1, '\0')),
      "\x02");
  EXPECT_EQ(refusal(converted_field(writer, reader, "\x06")), "avro_malformed R refused near byte 1 of 1");
}

TEST(AvroResolution, ItemsOfArraysAreResolvedWhateverTheirBlocks) {
  const std::string_view writer = R"({"type":"array","items":"int"})";
  const std::string_view reader = R"({"type":"array","items":["null","int"]})";
  EXPECT_EQ(converted_field(writer, reader, std::string("\x04\x02\x04\0", 4)),
            std::string("\x04\x02\x02\x02\x04\0", 6));
  EXPECT_EQ(converted_field(writer, reader, std::string("\x03\x04\x02\x04\0", 5)),
            std::string("\x04\x02\x02\x02\x04\0", 6));
}

TEST(AvroResolution, RecursiveSchemasOfOthersAreBounded) {
  const std::string tree = R"({"type":"record","name":"T","fields":[{"name":"next","type":["null","T"]}]})";
  const std::string writer = record(field(tree, "t") + "," + field(R"("long")"));
  const std::string reader = record(field(R"("long")"));
  EXPECT_EQ(converted(writer, reader, std::string("\x02\x02\0\x0e", 4)), "\x0e");
  EXPECT_EQ(refusal(converted(writer, reader, std::string(100'000, '\x02'))).substr(0, 14), "avro_malformed");
}

TEST(AvroResolution, ItemsWithoutBytesAreBounded) {
  const std::string writer = record(field(R"({"type":"array","items":"null"})", "n") + "," + field(R"("long")"));
  const std::string reader = record(field(R"("long")"));
  EXPECT_EQ(converted(writer, reader, std::string("\x08\0\x0e", 3)), "\x0e");
  for (const std::string_view count :
       {"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"}) {
    EXPECT_EQ(refusal(converted(writer, reader, count)).substr(0, 14), "avro_malformed");
  }
}

// Each type has the one before it inside twice: the last one is read with 2^60 looks, of no bytes at all.
TEST(AvroResolution, TypesThatDoubleAreBounded) {
  std::string fields = field(R"({"type":"record","name":"T0","fields":[]})", "t0");
  for (int i = 1; i <= 60; ++i) {
    const std::string inner = fmt::format(R"("T{}")", i - 1);
    fields += "," + field(fmt::format(R"({{"type":"record","name":"T{}","fields":[{},{}]}})", i, field(inner, "a"),
                                      field(inner, "b")),
                          fmt::format("t{}", i));
  }
  const std::string_view bytes("\x0e");
  EXPECT_EQ(refusal(converted(record(fields + "," + field(R"("long")")), record(field(R"("long")")), bytes)),
            "avro_malformed R refused near byte 0 of 1");
  const std::string nulls = record(field(R"({"type":"array","items":"null"})", "n") + "," + field(R"("long")"));
  EXPECT_FALSE(converted(nulls, record(field(R"("long")")), std::string("\x80\x80\x40\0\x0e", 5)));  // half a million
}

TEST(AvroResolution, UnionsOfManyRecordsThatLookAlikeAreBounded) {
  std::string writer;
  for (int i = 0; i < 1'000; ++i) {
    writer += fmt::format(R"({}{{"type":"record","name":"A","namespace":"n{}","fields":[{}]}})", i == 0 ? "" : ",", i,
                          field(R"("boolean")"));
  }
  std::string reader;
  for (int i = 0; i < 10; ++i) {
    reader +=
        fmt::format(R"({}{{"type":"record","name":"B{}","fields":[{}]}})", i == 0 ? "" : ",", i, field(R"("long")"));
  }
  EXPECT_EQ(refusal(converted_field("[" + writer + "]", "[" + reader + "]", "")),
            "incompatible_schema a schema with too many alternatives");
}

TEST(AvroResolution, WhatIsNoSchemaIsRefused) {
  for (const std::string_view json :
       {"", "{", "7", R"("Unknown")", R"({"type":"record"})", R"({"type":"record","name":"R"})", R"([])",
        R"(["null","null"])", R"({"type":"record","name":"R","fields":[{"name":"x"}]})",
        R"({"type":"record","name":"R","fields":[{"name":"x","type":"int"},{"name":"x","type":"int"}]})",
        R"({"type":"record","name":"R\"","fields":[]})", R"({"type":"fixed","name":"F","size":-1})",
        R"({"type":"enum","name":"E","symbols":["a\",\"b"]})"}) {
    const auto parsed = Schema::parse(json);
    ASSERT_FALSE(parsed) << json;
    EXPECT_EQ(parsed.error().code, ErrorCode::kIncompatibleSchema);
  }
  EXPECT_FALSE(Schema::parse(std::string(10'000, '[')));
}

// Each type has the one before it inside: whoever walks through the last one goes that deep.
TEST(AvroResolution, ChainsOfTypesAreBounded) {
  const auto chain = [](int length) {
    std::string fields = field(R"({"type":"record","name":"T0","fields":[]})", "t0");
    for (int i = 1; i < length; ++i) {
      const std::string inner =
          fmt::format(R"({{"type":"record","name":"T{}","fields":[{}]}})", i, field(fmt::format("\"T{}\"", i - 1)));
      fields += "," + field(inner, i + 1 == length ? "x" : fmt::format("t{}", i));
    }
    return record(fields);
  };
  EXPECT_EQ(refusal(converted(chain(1'200), record(field(R"("long")")), "")),
            "incompatible_schema R.x: a.T1199, not long");
  const auto long_one = Schema::parse(chain(100'000));
  ASSERT_FALSE(long_one);
  EXPECT_TRUE(long_one.error().detail.starts_with("a schema of ")) << long_one.error().detail;
}

TEST(AvroResolution, MeaningsAreThoseOfTheGeneratedCode) {
  // Ours has no logical types in the canonical form; leaving docs, defaults and order of attributes out changes
  // nothing.
  const Schema ours = schema(FeedStatus::kSchema);
  EXPECT_NE(ours.meaning(), FeedStatus::kCanonical);
  EXPECT_NE(ours.meaning().find(R"("long:timestamp-millis")"), std::string::npos);
  EXPECT_EQ(schema(FeedStatus::kCanonical).meaning(), FeedStatus::kCanonical);
}

// ---- our own contracts ----------------------------------------------------------------------------------------------

std::string with_part(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

// A writer with another order of fields and one more, of random content: avro-c reads both.
TEST(AvroResolution, AgreesWithAvroC) {
  const std::string seq = R"({"name":"seq","type":"long")";
  const std::string writer =
      with_part(std::string(StockTick::kSchema), seq,
                R"({"name":"extra","type":["null","string","boolean"]},{"name":"seq","type":"int")");
  auto resolution = Resolution::make(schema(writer), schema(StockTick::kSchema));
  ASSERT_TRUE(resolution) << resolution.error().detail;
  AvroPeer theirs(writer);
  AvroPeer ours(StockTick::kSchema);
  Random random(7);
  for (int round = 0; round < 2'000; ++round) {
    theirs.fill(random);
    std::string out;
    ASSERT_TRUE(resolution->convert(as_bytes(theirs.write()), out));
    ASSERT_TRUE(ours.read(out));
    for (const std::string name : {"symbol", "price", "volume", "writer", "suspect", "session", "received_at"}) {
      avro_value_t left = theirs.at(name);
      avro_value_t right = ours.at(name);
      ASSERT_TRUE(avro_value_equal(&left, &right)) << name;
    }
    StockTick tick;
    ASSERT_TRUE(decode(as_bytes(out), tick));
  }
}

template <typename Record>
void damage_values() {
  const std::string writer = with_part(std::string(Record::kSchema), R"("fields":[)",
                                       R"("fields":[{"name":"more","type":{"type":"map","values":["null","bytes"]}},)");
  auto resolution = Resolution::make(schema(writer), schema(Record::kSchema));
  ASSERT_TRUE(resolution) << resolution.error().detail;
  Random random(8);
  AvroPeer ours(Record::kSchema);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    ours.fill(random);
    std::string bytes = ours.write();
    bytes.insert(0, 1, '\0');  // the map, empty
    for (std::uint64_t left = random.below(4); left > 0 && !bytes.empty(); --left) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(2) == 0 ? random.next() : random.below(40));
    }
    bytes.resize(bytes.size() - random.below(2));
    std::string out;
    if (resolution->convert(as_bytes(bytes), out)) {
      // Strict already: the decoder finds nothing more.
      Record record;
      EXPECT_TRUE(decode(as_bytes(out), record));
    } else {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1'000);
  EXPECT_LT(refused, 20'000);
}

TEST(AvroResolution, DamagedBytesAreRefusedOrReadable) {
  damage_values<FeedStatus>();
  damage_values<StockTick>();
  damage_values<StockBar>();
}

TEST(AvroResolution, ADecimalThatTheDecoderWouldRefuseIsRefused) {
  const auto writer = fmt::format("{},{}", field(kDecimal), field(R"("long")", "y"));
  const auto convert = [&](std::size_t length) {
    std::string bytes(1, static_cast<char>(2 * length));
    return converted(record(writer), record(field(kDecimal)), bytes.append(length, '\0') + "\x0e");
  };
  for (const std::size_t length : {0, 17}) EXPECT_EQ(refusal(convert(length)).substr(0, 14), "avro_malformed");
  for (const std::size_t length : {1, 16}) EXPECT_TRUE(convert(length));
  // In a field that only the writer has, anything that is a decimal goes.
  EXPECT_EQ(converted(record(writer), record(field(R"("long")", "y")), "\x22" + std::string(17, '\1') + "\x0e"),
            "\x0e");
}

TEST(AvroResolution, ABlockThatIsAsLongAsItSaysIsTaken) {
  const std::string_view type = R"({"type":"array","items":"int"})";
  const std::string_view longs = R"({"type":"array","items":"long"})";
  for (const std::string_view reader : {type, longs}) {
    EXPECT_TRUE(converted_field(type, reader, std::string("\x03\x04\x02\x04\0", 5)));
    EXPECT_FALSE(converted_field(type, reader, std::string("\x03\x02\x02\x04\0", 5)));
  }
}

}  // namespace
}  // namespace finpipe::avro
