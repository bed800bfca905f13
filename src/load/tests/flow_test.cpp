#include "load/flow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "codec/finnhub_frame.h"
#include "codec/policy_file.h"

namespace finpipe {
namespace {

constexpr std::int64_t kFlowStartNs = 1'764'167'400'000'000'000;  // a Wednesday afternoon in New York

PolicySet all_policies() {
  PolicySet set;
  auto policies = bundled_policies();
  EXPECT_TRUE(policies.has_value());
  for (MarketPolicy& policy : *policies) set.put(std::move(policy));
  return set;
}

// What a vendor's client reads of a flow.
struct Read {
  std::vector<std::int64_t> due_ns;  // of each trade
  std::vector<std::string> texts;
  std::map<std::string, int> trades_of;
  std::set<std::string> conditions;
  std::int64_t not_in_bars = 0;
  std::int64_t bad_frames = 0;
  std::size_t largest_frame = 0;
};

Read read_all(Flow flow) {
  Read read;
  FrameParser parser;
  const auto symbols = std::vector<std::string>(flow.symbols().begin(), flow.symbols().end());
  std::int64_t last_due_ns = 0;
  while (!flow.ended()) {
    EXPECT_EQ(flow.due_by(flow.next_due_ns() - 1) <= static_cast<std::int64_t>(read.due_ns.size()), true);
    const std::int64_t due_ns = flow.next_due_ns();
    const Flow::Frame& frame = flow.next();
    EXPECT_EQ(frame.due_ns, due_ns);
    EXPECT_GE(due_ns, last_due_ns);
    last_due_ns = due_ns;
    read.texts.push_back(frame.text);
    const ParsedFrame& parsed = parser.parse(frame.text);
    if (frame.trades.empty()) {
      ++read.bad_frames;
      EXPECT_TRUE(parsed.trades.empty()) << frame.text;
      EXPECT_EQ(parsed.bad.size(), 1U) << frame.text;
      continue;
    }
    EXPECT_TRUE(parsed.bad.empty()) << frame.text;
    EXPECT_EQ(parsed.trades.size(), frame.trades.size());
    read.largest_frame = std::max(read.largest_frame, frame.trades.size());
    for (std::size_t i = 0; i < frame.trades.size(); ++i) {
      const Flow::PlannedTrade& planned = frame.trades[i];
      EXPECT_EQ(parsed.trades[i].symbol, symbols[planned.symbol]);
      EXPECT_EQ(parsed.trades[i].event_time_ms, planned.event_time_ms);
      EXPECT_EQ(planned.event_time_ms, (kFlowStartNs + due_ns) / kNsPerMs);
      EXPECT_TRUE(frame.text.find(planned.json) != std::string::npos);
      read.due_ns.push_back(due_ns);
      ++read.trades_of[std::string(parsed.trades[i].symbol)];
      read.conditions.insert(std::string(parsed.trades[i].conditions.codes));
      if (!planned.in_bars) ++read.not_in_bars;
    }
  }
  return read;
}

Read read_flow(const FlowOptions& options, std::int64_t trades) {
  const PolicySet policies = all_policies();
  return read_all(Flow(options, policies, trades, kFlowStartNs));
}

std::shared_ptr<const LoopedTape> small_tape() {
  auto tape = LoopedTape::parse(
      R"(1000000000000000000 {"data":[{"c":null,"p":1.5,"s":"A","t":999999999900,"v":2},{"c":null,"p":2.5,"s":"B","t":999999999900,"v":3}],"type":"trade"}
1000000000500000000 {"type":"ping"}
1000000000600000000 {"data":[{"c":null,"p":0.000000001,"s":"A","t":1000000000500,"v":0.00000001}],"type":"trade"}
)");
  EXPECT_TRUE(tape.has_value());
  return *tape;
}

TEST(Flow, SendsAsManyTradesAsItWasToldAtTheRate) {
  const Read read = read_flow({.trades_per_second = 1'000, .symbols = 10}, 2'500);
  EXPECT_EQ(read.due_ns.size(), 2'500U);
  EXPECT_LE(read.largest_frame, 10U);
  EXPECT_LE(read.due_ns.back(), 2'500 * kNsPerMs);
  EXPECT_GE(read.due_ns.back(), 2'480 * kNsPerMs);
}

TEST(Flow, IsTheSameForTheSameSeedAndAnotherForAnother) {
  EXPECT_EQ(read_flow({.seed = 5}, 500).texts, read_flow({.seed = 5}, 500).texts);
  EXPECT_NE(read_flow({.seed = 5}, 500).texts, read_flow({.seed = 6}, 500).texts);
}

TEST(Flow, TheFirstSymbolsTradeMostByZipf) {
  const Read read = read_flow({.symbols = 20, .zipf = 1}, 20'000);
  ASSERT_EQ(read.trades_of.size(), 20U);
  const int first = read.trades_of.at("BINANCE:LOAD0000USDT"), tenth = read.trades_of.at("BINANCE:LOAD0009USDT");
  EXPECT_NEAR(static_cast<double>(first) / tenth, 10, 2);
}

TEST(Flow, NoTwoTradesAreAlike) {
  const Read read = read_flow({.trades_per_second = 1'000'000, .symbols = 1}, 5'000);
  std::set<std::string> prices;
  FrameParser parser;
  for (const std::string& text : read.texts) {
    for (const Trade& trade : parser.parse(text).trades) prices.insert(std::to_string(trade.price_e9));
  }
  EXPECT_EQ(prices.size(), 5'000U);
}

TEST(Flow, SaleConditionsCountAsThePolicySays) {
  const Read read = read_flow({.symbols = 30, .market = LoadMarket::kUsEquities}, 20'000);
  EXPECT_TRUE(read.conditions.contains("1 12"));
  EXPECT_TRUE(read.conditions.contains("16"));
  // Official prints, codes 16 and 20, have no volume: 15 of 1,000.
  EXPECT_NEAR(static_cast<double>(read.not_in_bars), 300, 90);
  const PolicySet policies = all_policies();
  for (const auto& [symbol, count] : read.trades_of) {
    EXPECT_EQ(policies.policy_for(symbol).market, "us_equities");
    EXPECT_TRUE(is_load_symbol(symbol));
  }
}

TEST(Flow, BadFramesComeBesidesAndCannotBeUsed) {
  const Read read = read_flow({.max_trades_per_frame = 1, .bad = 0.1}, 5'000);
  EXPECT_EQ(read.due_ns.size(), 5'000U);
  EXPECT_NEAR(static_cast<double>(read.bad_frames), 500, 100);
}

TEST(Flow, ATapeGivesFramesPricesAndVolumes) {
  const auto shape = shape_of(*small_tape());
  ASSERT_TRUE(shape.has_value()) << shape.error().message();
  const Read read = read_flow({.trades_per_second = 30, .symbols = 1, .tape = *shape}, 6);
  ASSERT_EQ(read.texts.size(), 4U);
  EXPECT_NE(read.texts[0].find(R"("p":1.5,"s":"BINANCE:LOAD0000USDT")"), std::string::npos) << read.texts[0];
  EXPECT_NE(read.texts[0].find(R"("p":2.5,)"), std::string::npos);
  EXPECT_NE(read.texts[1].find(R"("p":0.000000001,)"), std::string::npos) << read.texts[1];
  EXPECT_NE(read.texts[1].find(R"("v":0.00000001})"), std::string::npos);
  EXPECT_EQ(read.due_ns[1], read.due_ns[0]);
  EXPECT_GT(read.due_ns[2], read.due_ns[1]);
  EXPECT_EQ(read.due_ns[3], 100 * kNsPerMs);  // three trades a loop, thirty a second
}

TEST(Flow, ATapeWithoutTradesIsRefused) {
  const auto tape = LoopedTape::parse("{\"type\":\"ping\"}\n");
  ASSERT_TRUE(tape.has_value());
  const auto shape = shape_of(**tape);
  ASSERT_FALSE(shape.has_value());
  EXPECT_EQ(shape.error().code, ErrorCode::kBadSetting);
}

TEST(LoadSymbols, AreTheirOwnUpToTheLimit) {
  for (const LoadMarket market : {LoadMarket::kCrypto, LoadMarket::kUsEquities}) {
    const std::vector<std::string> names = load_symbols(market, kMaxLoadSymbols);
    EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), kMaxLoadSymbols);
    EXPECT_TRUE(std::ranges::all_of(names, is_load_symbol));
  }
  for (const char* real : {"BINANCE:BTCUSDT", "AAPL", "ZZ", "ZZA", "BINANCE:LOADUSDT", "BINANCE:LOAD12AUSDT", ""}) {
    EXPECT_FALSE(is_load_symbol(real)) << real;
  }
}

}  // namespace
}  // namespace finpipe
