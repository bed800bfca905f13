#include "codec/flat_json.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

TEST(FlatJson, MembersAreReadByTheirType) {
  const auto json = FlatJson::parse(R"( {"type":"subscribe","n":-12,"on":true,"x":1.5,"list":[{"a":1}],"no":null} )");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->string("type"), "subscribe");
  EXPECT_EQ(json->integer("n"), -12);
  EXPECT_EQ(json->boolean("on"), true);
  for (const char* other : {"x", "list", "no"}) {
    EXPECT_TRUE(json->has(other));
    EXPECT_FALSE(json->string(other) || json->integer(other) || json->boolean(other));
  }
  EXPECT_FALSE(json->has("absent"));
  EXPECT_EQ(json->integer("type"), std::nullopt);
  EXPECT_EQ(json->string("n"), std::nullopt);
}

TEST(FlatJson, AListGivesItsStrings) {
  const auto json = FlatJson::parse(R"({"reasons":["a","b \"c\"",1,["d"]],"none":[],"text":"e"})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->strings("reasons"), (std::vector<std::string>{"a", "b \"c\""}));
  for (const char* other : {"none", "text", "absent"}) EXPECT_TRUE(json->strings(other).empty()) << other;
}

TEST(FlatJson, OfAKeyThatComesTwiceTheLastOneCounts) {
  EXPECT_EQ(FlatJson::parse(R"({"a":"1","a":"2"})")->string("a"), "2");
}

TEST(FlatJson, EscapesAreResolved) {
  EXPECT_EQ(FlatJson::parse("{\"symbol\":\"IC MARKETS:1\\u00e9\\n\"}")->string("symbol"), "IC MARKETS:1\xc3\xa9\n");
}

TEST(FlatJson, WhatIsNoObjectIsRefused) {
  for (const char* text : {"", " ", "subscribe", "[1]", "1", "null", "{", R"({"a":})", R"({"a":1}})", R"({"a":1},{})",
                           "{\"a\":\"\xff\"}", R"({"a":NaN})"}) {
    const auto json = FlatJson::parse(text);
    ASSERT_FALSE(json) << text;
    EXPECT_EQ(json.error().code, ErrorCode::kBadJson) << text;
  }
}

TEST(FlatJson, SizeAndDepthAreBounded) {
  EXPECT_EQ(FlatJson::parse("{\"a\":\"" + std::string(kMaxFlatJsonBytes, 'x') + "\"}").error().code,
            ErrorCode::kFrameTooLarge);
  EXPECT_EQ(FlatJson::parse("{\"a\":" + std::string(40, '[') + std::string(40, ']') + "}").error().code,
            ErrorCode::kTooDeep);
}

TEST(AppendJsonString, WhatIsWrittenReadsBackTheSame) {
  const std::string text = std::string("a\"b\\c\n\x01 \xe2\x82\xac \xf0\x9f\x98\x80/") + '\0';
  std::string out = "{\"k\":";
  append_json_string(out, text);
  out += '}';
  EXPECT_EQ(FlatJson::parse(out)->string("k"), text) << out;
}

TEST(AppendJsonString, BytesThatAreNoUtf8AreReplaced) {
  for (const char* broken : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    std::string out = "{\"k\":";
    append_json_string(out, std::string("a") + broken + "b");
    out += '}';
    const auto json = FlatJson::parse(out);
    ASSERT_TRUE(json) << out;
    EXPECT_TRUE(json->string("k")->starts_with("a\xef\xbf\xbd")) << out;
    EXPECT_TRUE(json->string("k")->ends_with("b")) << out;
  }
}

}  // namespace
}  // namespace finpipe
