#include "endpoint/stream_request.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

std::string refusal_of(std::string_view message) {
  const auto parsed = parse_stream_request(message);
  return parsed ? "accepted" : parsed.error().detail;
}

TEST(StreamRequest, SubscriptionsOfEachChannelAreRead) {
  const auto bars = parse_stream_request(
      R"({"type":"subscribe","channel":"bars","symbol":"IC MARKETS:1","interval":"1m","snapshot":0})");
  ASSERT_TRUE(bars);
  EXPECT_TRUE(bars->subscribe);
  EXPECT_EQ(bars->series, (StreamSeries{StreamChannel::kBars, "IC MARKETS:1", Interval::k1m}));
  EXPECT_EQ(bars->snapshot, 0);
  const auto trades = parse_stream_request(R"({"type":"subscribe","channel":"trades","symbol":"A"})");
  ASSERT_TRUE(trades);
  EXPECT_EQ(trades->series, (StreamSeries{StreamChannel::kTrades, "A"}));
  EXPECT_EQ(trades->snapshot, 50);
  const auto status = parse_stream_request(R"({"type":"unsubscribe","channel":"status"})");
  ASSERT_TRUE(status);
  EXPECT_FALSE(status->subscribe);
  EXPECT_EQ(status->series, StreamSeries{});
}

TEST(StreamRequest, ASnapshotIsANumberOfRowsOrWhatStartsFromATimeOn) {
  const auto head = std::string(R"({"type":"subscribe","channel":"bars","symbol":"A","interval":"1s")");
  EXPECT_EQ(parse_stream_request(head + "}")->snapshot, 300);
  EXPECT_EQ(parse_stream_request(head + R"(,"snapshot":5000})")->snapshot, 5'000);
  const auto from = parse_stream_request(head + R"(,"from":1785000000000})");
  EXPECT_EQ(from->from_ms, 1'785'000'000'000);
  EXPECT_EQ(from->snapshot, 5'000);
  EXPECT_EQ(parse_stream_request(head + R"(,"from":"2024-08-09T00:05:00Z"})")->from_ms, 1'723'161'900'000);
  for (const char* bad :
       {R"("snapshot":-1)", R"("snapshot":5001)", R"("snapshot":"5")", R"("snapshot":1.5)", R"("snapshot":null)"})
    EXPECT_TRUE(refusal_of(head + "," + bad + "}").starts_with("snapshot must be")) << bad;
  for (const char* bad : {R"("from":"soon")", R"("from":1.5)", R"("from":null)"})
    EXPECT_TRUE(refusal_of(head + "," + bad + "}").starts_with("from must be")) << bad;
  EXPECT_EQ(refusal_of(head + R"(,"from":1,"snapshot":1})"), "give snapshot or from, not both");
}

TEST(StreamRequest, EachRefusalSaysWhatIsWrong) {
  for (const char* text : {"", "x", "[]", "1", "\"subscribe\"", "{", R"({"type":"subscribe",})"})
    EXPECT_EQ(refusal_of(text), "a message must be one JSON object") << text;
  for (const char* text : {"{}", R"({"type":"ping"})", R"({"type":1})"})
    EXPECT_TRUE(refusal_of(text).starts_with("type must be")) << text;
  for (const char* text : {R"({"type":"subscribe"})", R"({"type":"subscribe","channel":"quotes"})"})
    EXPECT_TRUE(refusal_of(text).starts_with("channel must be")) << text;
  for (const char* symbol : {"\"\"", "7", "null", R"(" A")", R"("\u0000")", R"("é")"})
    EXPECT_TRUE(refusal_of(R"({"type":"subscribe","channel":"trades","symbol":)" + std::string(symbol) + "}")
                    .starts_with("symbol must be"))
        << symbol;
  EXPECT_TRUE(refusal_of(R"({"type":"subscribe","channel":"trades"})").starts_with("symbol must be"));
  EXPECT_TRUE(refusal_of(R"({"type":"subscribe","channel":"bars","symbol":"A"})").starts_with("interval must be"));
}

TEST(StreamRequest, MembersThatDoNotBelongThereAreRefused) {
  for (const char* text : {R"({"type":"subscribe","channel":"status","symbol":"A"})",
                           R"({"type":"subscribe","channel":"trades","symbol":"A","interval":"1m"})",
                           R"({"type":"subscribe","channel":"trades","symbol":"A","from":1})",
                           R"({"type":"unsubscribe","channel":"trades","symbol":"A","snapshot":1})",
                           R"({"type":"subscribe","channel":"trades","symbol":"A","Snapshot":1})"})
    EXPECT_TRUE(refusal_of(text).starts_with("there is no member")) << text;
}

}  // namespace
}  // namespace finpipe
