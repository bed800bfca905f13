#include "codec/finnhub_frame.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace finpipe {
namespace {

using Kind = ParsedFrame::Kind;

constexpr const char* kGood = R"({"c":["1","12"],"p":164.0601,"s":"AAPL","t":1680286537580,"v":5})";

std::string frame_of(const std::string& elements) { return R"({"data":[)" + elements + R"(],"type":"trade"})"; }

class FinnhubFrame : public testing::Test {
 protected:
  // The one element of a frame that cannot be used; a good neighbour on each side must come through.
  const BadElement& only_bad(const std::string& element) {
    const ParsedFrame& parsed = parser_.parse(frame_of(std::string(kGood) + "," + element + "," + kGood));
    EXPECT_EQ(parsed.kind, Kind::kTrades) << element;
    EXPECT_EQ(parsed.trades.size(), 2) << element;
    EXPECT_EQ(parsed.bad.size(), 1) << element;
    static const BadElement kNone{};
    if (parsed.bad.size() != 1) return kNone;
    EXPECT_EQ(parsed.bad[0].raw, element);
    EXPECT_EQ(parsed.bad[0].position, 1);
    EXPECT_FALSE(parsed.bad[0].detail.empty());
    return parsed.bad[0];
  }
  ErrorCode reason(const std::string& element) { return only_bad(element).reason; }

  // The one trade of a frame.
  Trade only_trade(const std::string& element) {
    const ParsedFrame& parsed = parser_.parse(frame_of(element));
    EXPECT_EQ(parsed.kind, Kind::kTrades) << element;
    EXPECT_EQ(parsed.trades.size(), 1) << element;
    return parsed.trades.empty() ? Trade{} : parsed.trades[0];
  }

  // Why a frame as a whole cannot be used.
  ErrorCode frame_reason(std::string_view frame) {
    const ParsedFrame& parsed = parser_.parse(frame);
    EXPECT_EQ(parsed.kind, Kind::kBad) << frame.substr(0, 200);
    EXPECT_TRUE(parsed.trades.empty());
    EXPECT_EQ(parsed.bad.size(), 1);
    if (parsed.bad.size() != 1) return ErrorCode::kUsage;
    EXPECT_EQ(parsed.bad[0].raw, frame);
    return parsed.bad[0].reason;
  }

  FrameParser parser_;
};

TEST_F(FinnhubFrame, EveryFieldOfATradeIsReadExactly) {
  const Trade trade = only_trade(kGood);
  EXPECT_EQ(trade.symbol, "AAPL");
  EXPECT_EQ(trade.event_time_ms, 1'680'286'537'580);
  EXPECT_EQ(trade.price_e9, 164'060'100'000);
  EXPECT_EQ(trade.volume_e8, 500'000'000);
  EXPECT_EQ(trade.conditions, (Conditions{Conditions::Form::kList, "1 12"}));
}

TEST_F(FinnhubFrame, AbsentNullAndEmptyConditionsAreToldApart) {
  EXPECT_EQ(only_trade(R"({"p":280.235,"s":"SPY","t":1587739079469,"v":100})").conditions.form,
            Conditions::Form::kAbsent);
  EXPECT_EQ(only_trade(R"({"c":null,"p":1,"s":"A","t":1,"v":1})").conditions.form, Conditions::Form::kNull);
  EXPECT_EQ(only_trade(R"({"c":[],"p":1,"s":"A","t":1,"v":1})").conditions, (Conditions{Conditions::Form::kList, ""}));
}

TEST_F(FinnhubFrame, TradesKeepTheOrderOfTheFrame) {
  const ParsedFrame& parsed = parser_.parse(frame_of(
      R"({"c":["8","12","41"],"p":183.24,"s":"TSLA","t":1681312681830,"v":5},{"c":[],"p":183.23,"s":"TSLA","t":1681312681832,"v":100},{"c":["1"],"p":2.5,"s":"IC MARKETS:1","t":1681312681826,"v":0})"));
  ASSERT_EQ(parsed.trades.size(), 3);
  EXPECT_EQ(parsed.trades[0].conditions.codes, "8 12 41");
  EXPECT_EQ(parsed.trades[1].event_time_ms, 1'681'312'681'832);
  EXPECT_EQ(parsed.trades[2].symbol, "IC MARKETS:1");
  EXPECT_EQ(parsed.trades[2].conditions.codes, "1");
  EXPECT_EQ(parsed.trades[2].volume_e8, 0);
}

TEST_F(FinnhubFrame, SpacesKeyOrderAndUnknownKeysMakeNoDifference) {
  const Trade trade = only_trade(
      " { \"v\" : 5 , \"x\":{\"deep\":[1,true,\"\\u00e9\"]}, "
      "\"t\":1680286537580,\n\"s\":\"AAPL\",\"p\":164.0601,\t\"c\":[ \"1\" , \"12\" ] } ");
  EXPECT_EQ(trade.symbol, "AAPL");
  EXPECT_EQ(trade.price_e9, 164'060'100'000);
  EXPECT_EQ(trade.conditions.codes, "1 12");
}

TEST_F(FinnhubFrame, EscapesAreUndone) {
  const Trade trade = only_trade(R"({"\u0063":["\u0031"],"p":1,"s":"BINANCE\u003aBTC","t":1,"v":1})");
  EXPECT_EQ(trade.symbol, "BINANCE:BTC");
  EXPECT_EQ(trade.conditions.codes, "1");
}

TEST_F(FinnhubFrame, ExponentsAreNumbersToo) {
  const Trade trade = only_trade(R"({"c":null,"p":1.5e-3,"s":"A","t":1.680286537580E12,"v":2e2})");
  EXPECT_EQ(trade.price_e9, 1'500'000);
  EXPECT_EQ(trade.event_time_ms, 1'680'286'537'580);
  EXPECT_EQ(trade.volume_e8, 20'000'000'000);
}

TEST_F(FinnhubFrame, RoundedNumbersAreAcceptedAndCounted) {
  const ParsedFrame& parsed = parser_.parse(frame_of(
      R"({"c":null,"p":133.19799999999998,"s":"A","t":1,"v":0.123456785},{"c":null,"p":1,"s":"A","t":1,"v":1})"));
  ASSERT_EQ(parsed.trades.size(), 2);
  EXPECT_EQ(parsed.trades[0].price_e9, 133'198'000'000);
  EXPECT_EQ(parsed.trades[0].volume_e8, 12'345'678);
  EXPECT_EQ(parsed.rounded, 2);
}

TEST_F(FinnhubFrame, ZeroIsAPriceAndMinusZeroIsZero) {
  EXPECT_EQ(only_trade(R"({"c":null,"p":0,"s":"OANDA:X","t":1,"v":0})").price_e9, 0);
  EXPECT_EQ(only_trade(R"({"c":null,"p":-0.0,"s":"OANDA:X","t":1,"v":-0})").price_e9, 0);
}

TEST_F(FinnhubFrame, OfARepeatedKeyTheLastOneCounts) {
  const Trade trade = only_trade(R"({"p":"x","c":["1"],"s":"A","t":1,"v":1,"p":7,"c":null})");
  EXPECT_EQ(trade.price_e9, 7'000'000'000);
  EXPECT_EQ(trade.conditions.form, Conditions::Form::kNull);
  EXPECT_EQ(reason(R"({"p":7,"c":null,"s":"A","t":1,"v":1,"p":"x"})"), ErrorCode::kWrongType);
}

TEST_F(FinnhubFrame, AMissingFieldIsNamed) {
  EXPECT_EQ(reason(R"({"c":null,"s":"A","t":1,"v":1})"), ErrorCode::kMissingField);
  EXPECT_EQ(reason(R"({"c":null,"p":1,"t":1,"v":1})"), ErrorCode::kMissingField);
  EXPECT_EQ(reason(R"({"c":null,"p":1,"s":"A","v":1})"), ErrorCode::kMissingField);
  EXPECT_EQ(only_bad(R"({"c":null,"p":1,"s":"A","t":1})").detail, "v is missing");
  EXPECT_EQ(reason("{}"), ErrorCode::kMissingField);
}

TEST_F(FinnhubFrame, AWrongTypeIsSetAside) {
  for (const char* element : {R"({"c":null,"p":"1.5","s":"A","t":1,"v":1})",
                              R"({"c":null,"p":null,"s":"A","t":1,"v":1})", R"({"c":null,"p":[1],"s":"A","t":1,"v":1})",
                              R"({"c":null,"p":1,"s":5,"t":1,"v":1})", R"({"c":null,"p":1,"s":{"a":"}"},"t":1,"v":1})",
                              R"({"c":null,"p":1,"s":"A","t":"1","v":1})", R"({"c":null,"p":1,"s":"A","t":1.5,"v":1})",
                              R"({"c":null,"p":1,"s":"A","t":1,"v":true})", R"({"c":"1","p":1,"s":"A","t":1,"v":1})",
                              R"({"c":{"a":1},"p":1,"s":"A","t":1,"v":1})", R"({"c":[1],"p":1,"s":"A","t":1,"v":1})",
                              R"({"c":["1",null],"p":1,"s":"A","t":1,"v":1})", "5", "null", "\"text\"", "[1,[2]]"}) {
    EXPECT_EQ(reason(element), ErrorCode::kWrongType) << element;
  }
}

TEST_F(FinnhubFrame, NegativeNumbersAreSetAside) {
  EXPECT_EQ(reason(R"({"c":null,"p":-1,"s":"A","t":1,"v":1})"), ErrorCode::kBadPrice);
  EXPECT_EQ(reason(R"({"c":null,"p":-1e-20,"s":"A","t":1,"v":1})"), ErrorCode::kBadPrice);
  EXPECT_EQ(reason(R"({"c":null,"p":1,"s":"A","t":1,"v":-0.5})"), ErrorCode::kBadVolume);
}

TEST_F(FinnhubFrame, NumbersThatDoNotFitAreSetAside) {
  for (const char* element :
       {R"({"c":null,"p":9223372036.854775808,"s":"A","t":1,"v":1})", R"({"c":null,"p":1e300,"s":"A","t":1,"v":1})",
        R"({"c":null,"p":1,"s":"A","t":1,"v":92233720368.54775808})",
        R"({"c":null,"p":1,"s":"A","t":253402300800000,"v":1})",
        R"({"c":null,"p":1,"s":"A","t":99999999999999999999,"v":1})", R"({"c":null,"p":1,"s":"A","t":1e15,"v":1})",
        // Each fits, their product does not: 2^100 in 1e-17 is about 1.27e13.
        R"({"c":null,"p":9000000000,"s":"A","t":1,"v":2000})"}) {
    EXPECT_EQ(reason(element), ErrorCode::kNumberOutOfRange) << element;
  }
  EXPECT_EQ(only_trade(R"({"c":null,"p":9000000000,"s":"A","t":1,"v":1400})").volume_e8, 140'000'000'000);
  EXPECT_EQ(only_trade(R"({"c":null,"p":9223372036.854775807,"s":"A","t":253402300799999,"v":1})").price_e9, INT64_MAX);
}

TEST_F(FinnhubFrame, BadSymbolsAreSetAside) {
  for (const std::string& symbol :
       {std::string(), std::string(" A"), std::string("A "), std::string(65, 'A'), std::string(5000, 'A'),
        std::string("A\\tB"), std::string("caf\xc3\xa9"), std::string("A\\u0000B"), std::string("A\x7f")}) {
    EXPECT_EQ(reason(R"({"c":null,"p":1,"s":")" + symbol + R"(","t":1,"v":1})"), ErrorCode::kBadSymbol) << symbol;
  }
  EXPECT_EQ(only_trade(R"({"c":null,"p":1,"s":")" + std::string(64, 'A') + R"(","t":1,"v":1})").symbol.size(), 64);
}

TEST_F(FinnhubFrame, BadConditionsAreSetAside) {
  std::string many = "\"1\"";
  for (int i = 1; i < 32; ++i) many += ",\"1\"";
  const auto with = [](const std::string& codes) { return R"({"c":[)" + codes + R"(],"p":1,"s":"A","t":1,"v":1})"; };
  EXPECT_EQ(only_trade(with(many)).conditions.codes.size(), 63);
  EXPECT_EQ(reason(with(many + ",\"1\"")), ErrorCode::kBadConditions);
  EXPECT_EQ(reason(with("\"\"")), ErrorCode::kBadConditions);
  EXPECT_EQ(reason(with("\"1 2\"")), ErrorCode::kBadConditions);
  EXPECT_EQ(reason(with("\"12345678901234567\"")), ErrorCode::kBadConditions);
  EXPECT_EQ(reason(with("\"\\u0007\"")), ErrorCode::kBadConditions);
  EXPECT_EQ(only_trade(with("\"1234567890123456\"")).conditions.codes.size(), 16);
}

TEST_F(FinnhubFrame, EveryBadTradeOfAFrameIsReportedAtItsPosition) {
  const ParsedFrame& parsed = parser_.parse(frame_of(std::string("{} , ") + kGood + ",7 ,[ ]"));
  ASSERT_EQ(parsed.trades.size(), 1);
  ASSERT_EQ(parsed.bad.size(), 3);
  EXPECT_EQ(parsed.bad[0].position, 0);
  EXPECT_EQ(parsed.bad[0].raw, "{}");
  EXPECT_EQ(parsed.bad[1].position, 2);
  EXPECT_EQ(parsed.bad[1].raw, "7");
  EXPECT_EQ(parsed.bad[2].position, 3);
  EXPECT_EQ(parsed.bad[2].raw, "[ ]");
}

TEST_F(FinnhubFrame, OtherFramesAreTold) {
  EXPECT_EQ(parser_.parse(R"({"type":"ping"})").kind, Kind::kPing);
  const ParsedFrame& refusal = parser_.parse(R"({"msg":"Invalid symbol \u0041","type":"error"})");
  EXPECT_EQ(refusal.kind, Kind::kError);
  EXPECT_EQ(refusal.message, "Invalid symbol A");
  EXPECT_EQ(parser_.parse(R"({"type":"error"})").message, "");
  const ParsedFrame& news = parser_.parse(R"({"data":[{"category":"x","datetime":1,"id":5}],"type":"news"})");
  EXPECT_EQ(news.kind, Kind::kIgnored);
  EXPECT_TRUE(news.trades.empty() && news.bad.empty());
  EXPECT_EQ(parser_.parse(R"({"type":"pr","data":[{"headline":"x"}]})").kind, Kind::kIgnored);
  EXPECT_EQ(parser_.parse(R"({"type":"trade","data":[]})").kind, Kind::kTrades);
}

TEST_F(FinnhubFrame, UnknownFramesAreSetAside) {
  for (const char* frame : {R"({"type":"quote","data":[]})", R"({"data":[]})", R"({"type":5})", R"({"type":null})",
                            "{}", "[]", "[{\"type\":\"trade\"}]", "5", "\"x\"", "null", " true ", "-1.5e3"}) {
    EXPECT_EQ(frame_reason(frame), ErrorCode::kUnknownFrame) << frame;
  }
}

TEST_F(FinnhubFrame, ATradeFrameWithoutAListOfTradesIsSetAside) {
  EXPECT_EQ(frame_reason(R"({"type":"trade"})"), ErrorCode::kMissingField);
  EXPECT_EQ(frame_reason(R"({"type":"trade","data":{"p":1}})"), ErrorCode::kWrongType);
  EXPECT_EQ(frame_reason(R"({"type":"trade","data":[],"data":null})"), ErrorCode::kWrongType);
}

TEST_F(FinnhubFrame, WhatIsNotJsonYieldsNoTrade) {
  const std::string good = frame_of(kGood);
  for (const std::string& frame : {std::string(),
                                   std::string(" "),
                                   std::string("garbage"),
                                   std::string("nul"),
                                   std::string("01"),
                                   std::string("\""),
                                   good.substr(0, good.size() - 1),
                                   good + "}",
                                   good + good,
                                   good + " x",
                                   good.substr(1),
                                   frame_of(std::string(kGood) + ","),
                                   frame_of(std::string(",") + kGood),
                                   frame_of(std::string(kGood) + kGood),
                                   frame_of(R"({"c":null,"p":NaN,"s":"A","t":1,"v":1})"),
                                   frame_of(R"({"c":null,"p":Infinity,"s":"A","t":1,"v":1})"),
                                   frame_of(R"({"c":null,"p":-Infinity,"s":"A","t":1,"v":1})"),
                                   frame_of(R"({"c":null,"p":01,"s":"A","t":1,"v":1})"),
                                   frame_of(R"({"c":null,"p":1.,"s":"A","t":1,"v":1})"),
                                   frame_of(R"({"c":nulll,"p":1,"s":"A","t":1,"v":1})"),
                                   frame_of(R"({"c":null,"p":1,"s":"A","t":1,"v":1,})"),
                                   frame_of(R"({"c":null "p":1,"s":"A","t":1,"v":1})"),
                                   frame_of(R"({"c":null,"p":1,"s":"\x","t":1,"v":1})"),
                                   frame_of(R"({"c":null,"p":1,"s":"\ud83d","t":1,"v":1})"),
                                   frame_of(R"({"c":null,"p":1,"s":"\ude00","t":1,"v":1})"),
                                   frame_of(R"({"c":null,"p":1,"s":"A","t":1,"v":1,"\ude00":1})"),
                                   frame_of(R"({"c":null,"p":1,"s":"A,"t":1,"v":1})"),
                                   frame_of(R"({"c":null,"p":1,"s":"A","t":1,"v":1,"x":tru})"),
                                   frame_of(R"({"c":null,"p":1,"s":"A","t":1,"v":1,"x":1.e})"),
                                   frame_of("{\"c\":null,\"p\":1,\"s\":\"A\xff\",\"t\":1,\"v\":1}"),
                                   frame_of("{\"c\":null,\"p\":1,\"s\":\"A\nB\",\"t\":1,\"v\":1}"),
                                   std::string(R"({"type":"ping")"),
                                   std::string(R"({"type":"ping"]})"),
                                   std::string(R"({"type":"news","x":[1,2})")}) {
    EXPECT_EQ(frame_reason(frame), ErrorCode::kBadJson) << frame;
  }
}

TEST_F(FinnhubFrame, DeepNestingIsSetAside) {
  const auto nested = [](std::size_t levels) {
    return R"({"type":"ping","x":)" + std::string(levels - 1, '[') + std::string(levels - 1, ']') + "}";
  };
  EXPECT_EQ(parser_.parse(nested(16)).kind, Kind::kPing);
  EXPECT_EQ(frame_reason(nested(17)), ErrorCode::kTooDeep);
  EXPECT_EQ(frame_reason(nested(200'000)), ErrorCode::kTooDeep);
  EXPECT_EQ(frame_reason(std::string(5000, '[') + std::string(5000, ']')), ErrorCode::kTooDeep);
  std::string objects = "1";
  for (int i = 0; i < 14; ++i) objects = "{\"x\":" + objects + "}";
  EXPECT_EQ(only_bad("{\"p\":" + objects.substr(5, objects.size() - 6) + "}").reason, ErrorCode::kMissingField);
  EXPECT_EQ(frame_reason(frame_of("{\"p\":" + objects + "}")), ErrorCode::kTooDeep);
}

TEST_F(FinnhubFrame, AFrameAboveOneMebibyteIsSetAside) {
  const std::string large(kMaxFrameBytes + 1, ' ');
  EXPECT_EQ(frame_reason(large), ErrorCode::kFrameTooLarge);
  std::string fits = R"({"type":"ping"})";
  fits.append(kMaxFrameBytes - fits.size(), ' ');
  EXPECT_EQ(parser_.parse(fits).kind, Kind::kPing);
}

TEST_F(FinnhubFrame, AParserGoesOnAfterEveryKindOfTrouble) {
  for (const std::string& frame :
       {std::string("{"), std::string(2 << 20, 'x'), std::string(3000, '['), frame_of("{}")}) {
    (void)parser_.parse(frame);
    EXPECT_EQ(only_trade(kGood).price_e9, 164'060'100'000);
  }
}

TEST_F(FinnhubFrame, TheBundledTapesHoldNothingBad) {
  std::size_t trades = 0;
  for (const char* name : {"binance.tape", "finnhub.tape"}) {
    std::ifstream file(std::string(FINPIPE_SOURCE_DIR) + "/data/" + name);
    for (std::string line; std::getline(file, line);) {
      const ParsedFrame& parsed = parser_.parse(std::string_view(line).substr(line.find('{')));
      EXPECT_TRUE(parsed.bad.empty()) << line;
      trades += parsed.trades.size();
    }
  }
  EXPECT_EQ(trades, 34'419 + 125);
}

}  // namespace
}  // namespace finpipe
