#include "endpoint/parameters.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

Result<Parameters> parse(std::string_view query) {
  return parse_parameters(
      query, {"symbol", "interval", "from", "to", "limit", "order", "cursor", "session", "fill", "as_of", "adjusted"},
      {"symbol"});
}

// What is said about a query that is refused.
std::string refusal(std::string_view query) {
  const auto parsed = parse(query);
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().code, ErrorCode::kBadRequest) << query;
  return parsed.error().detail;
}

TEST(Parameters, EveryParameterIsRead) {
  const auto all = parse(
      "symbol=IC%20MARKETS%3A1&interval=15m&from=2024-08-09T00:05:00Z&to=1723161900001&limit=5000&order=desc&cursor=9");
  ASSERT_TRUE(all) << all.error().detail;
  EXPECT_EQ(all->symbol, "IC MARKETS:1");
  EXPECT_EQ(all->interval, ReadInterval(Interval::k15m));
  EXPECT_EQ(all->from_ms, 1'723'161'900'000);
  EXPECT_EQ(all->to_ms, 1'723'161'900'001);
  EXPECT_EQ(all->limit, 5'000);
  EXPECT_EQ(all->order, Order::kDescending);
  EXPECT_EQ(all->cursor, "9");
}

TEST(Parameters, HowBarsAreToBeShownIsRead) {
  const auto view =
      parse("symbol=A&interval=10m&session=regular&fill=previous&as_of=2024-08-09T00:05:00Z&adjusted=true");
  ASSERT_TRUE(view) << view.error().detail;
  EXPECT_EQ(view->interval, ReadInterval(Interval::k5m, 2));
  EXPECT_TRUE(view->regular_hours);
  EXPECT_TRUE(view->fill);
  EXPECT_EQ(view->as_of_ms, 1'723'161'900'000);
  EXPECT_TRUE(view->adjusted);
  const auto plain = parse("symbol=A&session=all&fill=none&adjusted=false");
  ASSERT_TRUE(plain);
  EXPECT_FALSE(plain->regular_hours || plain->fill || plain->as_of_ms || plain->adjusted);
  EXPECT_TRUE(refusal("symbol=A&session=open").starts_with("session must be all or regular"));
  EXPECT_TRUE(refusal("symbol=A&fill=zero").starts_with("fill must be none or previous"));
  EXPECT_TRUE(refusal("symbol=A&adjusted=1").starts_with("adjusted must be false or true"));
  EXPECT_TRUE(refusal("symbol=A&as_of=now").starts_with("as_of must be"));
}

TEST(Parameters, WhatIsNotGivenHasItsDefault) {
  const auto few = parse("symbol=A");
  ASSERT_TRUE(few);
  EXPECT_FALSE(few->interval);
  EXPECT_EQ(few->limit, 500);
  EXPECT_EQ(few->order, Order::kAscending);
  EXPECT_LT(few->from_ms, 0);
  EXPECT_GT(few->to_ms, kMaxTimeMs);
}

TEST(Parameters, EachRefusalNamesItsParameter) {
  EXPECT_EQ(refusal(""), "symbol is required");
  EXPECT_EQ(refusal("symbol=A&symbol=B"), "symbol is given twice");
  EXPECT_EQ(refusal("symbol=A&Limit=3").substr(0, 35), "there is no parameter 'Limit' here;");
  for (const char* limit : {"0", "-1", "5001", "", "1.0", "1e3", "+5", " 5", "99999999999999999999", "abc"})
    EXPECT_TRUE(refusal("symbol=A&limit=" + std::string(limit)).starts_with("limit must be a whole number")) << limit;
  for (const char* order : {"", "ASC", "descending"})
    EXPECT_TRUE(refusal("symbol=A&order=" + std::string(order)).starts_with("order must be")) << order;
  for (const char* interval : {"", "1M", "0m", "24h", "1m "})
    EXPECT_TRUE(refusal("symbol=A&interval=" + std::string(interval)).starts_with("interval must be")) << interval;
  for (const char* time : {"", "yesterday", "1.5", "2024-02-30", "99999999999999999999", "2024-08-09T00:05:00"}) {
    EXPECT_TRUE(refusal("symbol=A&from=" + std::string(time)).starts_with("from must be")) << time;
    EXPECT_TRUE(refusal("symbol=A&to=" + std::string(time)).starts_with("to must be")) << time;
  }
  EXPECT_EQ(refusal("symbol=A&from=2&to=1"), "from must not be after to");
  EXPECT_EQ(refusal("symbol=A&from=1&to=1"), "accepted");
  EXPECT_EQ(refusal("symbol=%zz"), "the query has a broken %-escape");
}

TEST(Parameters, ASymbolIsPrintableAndNotTooLong) {
  const std::string longest(64, 'A');
  EXPECT_EQ(refusal("symbol=" + longest), "accepted");
  for (const std::string& symbol : {std::string(), longest + "A", std::string("%00"), std::string("%C3%A9"),
                                    std::string("%0A"), std::string("+A"), std::string("A+")})
    EXPECT_TRUE(refusal("symbol=" + symbol).starts_with("symbol must be")) << symbol;
}

TEST(Parameters, ALongValueIsNotRepeatedInFull) {
  EXPECT_LT(refusal("symbol=A&order=" + std::string(10'000, 'x')).size(), 200U);
  EXPECT_LT(refusal(std::string(10'000, 'x') + "=1").size(), 300U);
}

TEST(Parameters, CursorsComeBackAsTheyWereGiven) {
  EXPECT_EQ(parse_bar_cursor(bar_cursor(-60'000))->time_ms, -60'000);
  const auto trade = parse_trade_cursor(trade_cursor(1'723'161'255'617, 1'723'161'254'347'673'567));
  ASSERT_TRUE(trade);
  EXPECT_EQ(trade->time_ms, 1'723'161'255'617);
  EXPECT_EQ(trade->seq, 1'723'161'254'347'673'567);
  for (const char* bad : {"", ":", "1", "1:", ":1", "1:2:3", "a:b", "1: 2", "99999999999999999999:1"})
    EXPECT_FALSE(parse_trade_cursor(bad)) << bad;
  for (const char* bad : {"", "x", "1:2", "1 ", "1.0"}) EXPECT_FALSE(parse_bar_cursor(bad)) << bad;
}

}  // namespace
}  // namespace finpipe
