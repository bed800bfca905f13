#include "net/url.h"

#include <gtest/gtest.h>

#include <string>

namespace finpipe::net {
namespace {

using namespace std::string_literals;

TEST(Url, PartsAreSchemeHostPortAndTarget) {
  const auto url = parse_url("WSS://Ws.Finnhub.io/path?token=a%20b");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "wss");
  EXPECT_EQ(url->host, "ws.finnhub.io");
  EXPECT_EQ(url->port, 443);
  EXPECT_EQ(url->target, "/path?token=a%20b");
  EXPECT_TRUE(url->tls());
}

TEST(Url, PortsDefaultByScheme) {
  EXPECT_EQ(parse_url("http://a")->port, 80);
  EXPECT_EQ(parse_url("ws://a")->port, 80);
  EXPECT_EQ(parse_url("https://a")->port, 443);
  EXPECT_EQ(parse_url("http://a:8080/")->port, 8080);
  EXPECT_FALSE(parse_url("ws://a")->tls());
}

TEST(Url, TheTargetBeginsWithASlashAndEndsBeforeTheFragment) {
  EXPECT_EQ(parse_url("wss://ws.finnhub.io")->target, "/");
  EXPECT_EQ(parse_url("wss://ws.finnhub.io?token=x")->target, "/?token=x");
  EXPECT_EQ(parse_url("http://a/b#c")->target, "/b");
}

TEST(Url, AddressesAreHostsAndBracketsAreNot) {
  EXPECT_EQ(parse_url("http://127.0.0.1:81")->host, "127.0.0.1");
  EXPECT_EQ(parse_url("http://[::1]:81/x")->host, "::1");
  EXPECT_EQ(parse_url("http://[::1]:81/x")->port, 81);
  EXPECT_EQ(parse_url("http://[::1]")->port, 80);
}

TEST(Url, WhatIsNoUrlOfOursIsRefused) {
  for (const auto& text : {"", "finnhub.io", "ftp://a", "http://", "http:///x", "http://:80", "http://a:", "http://a:0",
                           "http://a:65536", "http://a:8x", "http://u:p@a", "http://a b", "http://a/\x01", "http://a/<",
                           "http://[::1", "http://[x]", "http://[]", "http://[::1]x", "http://a/\xc3\xa9"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
}

TEST(Url, PercentEncodingIsReadBackAsItWas) {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  EXPECT_EQ(percent_decode(percent_encode(all), true), all);
  EXPECT_EQ(percent_encode("BINANCE:BTCUSDT IC+1~"), "BINANCE%3ABTCUSDT%20IC%2B1~");
}

TEST(Url, APlusIsASpaceInQueriesOnly) {
  EXPECT_EQ(percent_decode("a+b", true), "a b");
  EXPECT_EQ(percent_decode("a+b", false), "a+b");
}

TEST(Url, BrokenEscapesAreRefused) {
  for (const auto& text : {"%", "%4", "%zz", "a%2", "%%41"}) EXPECT_FALSE(percent_decode(text, false)) << text;
  EXPECT_EQ(percent_decode("%41", false), "A");
}

TEST(Url, QueriesKeepTheirOrderAndEmptyValues) {
  const Query expected = {{"symbol", "IC MARKETS:1"}, {"from", "1"}, {"empty", ""}, {"bare", ""}, {"x", "a=b"}};
  EXPECT_EQ(parse_query("symbol=IC+MARKETS%3A1&from=1&empty=&&bare&x=a=b"), expected);
  EXPECT_EQ(parse_query(""), Query{});
  EXPECT_FALSE(parse_query("a=%"));
}

TEST(Url, ASafePathStaysBelowItsRoot) {
  EXPECT_EQ(safe_path("/"), "/");
  EXPECT_EQ(safe_path("/api/v1//quote?x=/../"), "/api/v1/quote");
  EXPECT_EQ(safe_path("/assets/a%20b.js"), "/assets/a b.js");
  EXPECT_EQ(safe_path("//"), "/");
  EXPECT_EQ(safe_path("/a/"), "/a/");
  EXPECT_EQ(safe_path("/a//"), "/a/");
  EXPECT_EQ(safe_path("/..a/b..c"), "/..a/b..c");
}

TEST(Url, ATraversingPathIsNone) {
  for (const auto& target : {""s, "x"s, "*"s, "/.."s, "/a/../b"s, "/a/."s, "/%2e%2e/etc/passwd"s, "/..%2f..%2fetc"s,
                             "/a\\b"s, "/a%5c..%5cb"s, "/a%00.js"s, "/a%0d%0a"s, "/%"s, "/a\0"s}) {
    EXPECT_FALSE(safe_path(target)) << target;
  }
}

}  // namespace
}  // namespace finpipe::net
