#include "endpoint/query_api.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "codec/policy_file.h"
#include "documents.h"
#include "endpoint/status.h"
#include "net/url.h"
#include "pipeline/checkpoint.h"
#include "rows.h"

namespace finpipe {
namespace {

using Numbers = std::vector<std::int64_t>;

// Every store read fails.
class BrokenStore final : public Query {
 public:
  Result<std::vector<SymbolRow>> symbols() override { return fail(ErrorCode::kIo, "disk"); }
  Result<std::vector<CheckpointRow>> checkpoints() override { return fail(ErrorCode::kIo, "disk"); }
  Result<void> bars(const BarRange&, const std::function<bool(const BarRow&)>&, Order) override {
    return fail(ErrorCode::kIo, "disk");
  }
  Result<void> revisions(const BarRange&, const std::function<bool(const RevisionRow&)>&) override {
    return fail(ErrorCode::kIo, "disk");
  }
  Result<void> ticks(const TickRange&, const std::function<bool(const Tick&)>&, Order) override {
    return fail(ErrorCode::kIo, "disk");
  }
  Result<std::vector<SpanRow>> spans() override { return fail(ErrorCode::kIo, "disk"); }
  Result<std::optional<PolicyRow>> policy(std::string_view) override { return fail(ErrorCode::kIo, "disk"); }
};

class QueryApiTest : public testing::Test {
 protected:
  rapidjson::Document bars(const std::string& query) { return document(api_.bars(query)); }
  rapidjson::Document trades(const std::string& query) { return document(api_.trades(query)); }
  rapidjson::Document gaps(const std::string& query) { return document(api_.gaps(query)); }

  static rapidjson::Document document(const Result<std::string>& body) {
    EXPECT_TRUE(body) << body.error().message();
    return parse_json(body ? *body : "null");
  }
  static std::string refusal(const Result<std::string>& body) {
    EXPECT_TRUE(!body && body.error().code == ErrorCode::kBadRequest);
    return body ? "accepted" : body.error().detail;
  }

  MemoryStore store_;
  QueryApi api_{store_};
};

TEST_F(QueryApiTest, BarsOfARangeComeInTheOrderAskedFor) {
  store_symbols(store_, {{"A", 0}});
  store_bars(store_,
             {bar_row("A", Interval::k1m, 0), bar_row("A", Interval::k1m, 60'000), bar_row("A", Interval::k1m, 120'000),
              bar_row("A", Interval::k5m, 0), bar_row("B", Interval::k1m, 0)});
  const auto all = bars("symbol=A&interval=1m");
  EXPECT_EQ(text_of(all["symbol"]), "A");
  EXPECT_EQ(text_of(all["interval"]), "1m");
  EXPECT_TRUE(all["next"].IsNull());
  EXPECT_EQ(numbers(all["bars"], "start"), (Numbers{0, 60'000, 120'000}));
  EXPECT_EQ(numbers(bars("symbol=A&interval=1m&order=desc")["bars"], "start"), (Numbers{120'000, 60'000, 0}));
  EXPECT_EQ(numbers(bars("symbol=A&interval=1m&from=0&to=120000")["bars"], "start"), (Numbers{0, 60'000}));
  EXPECT_EQ(numbers(bars("symbol=A&interval=1m&from=1970-01-01T00:01:00Z")["bars"], "start"),
            (Numbers{60'000, 120'000}));
  EXPECT_EQ(numbers(bars("symbol=A&interval=1m&to=1&order=desc")["bars"], "start"), (Numbers{0}));
  EXPECT_EQ(numbers(bars("symbol=A&interval=1m&from=5&to=5")["bars"], "start"), Numbers{});
  EXPECT_EQ(numbers(bars("symbol=NOBODY&interval=1m")["bars"], "start"), Numbers{});
}

TEST_F(QueryApiTest, ASymbolMayHoldSpacesAndQuotes) {
  const std::string odd = R"(IC "MARKETS\:1 <b>)";
  store_symbols(store_, {{odd, 0}});
  store_bars(store_, {bar_row(odd, Interval::k1d, 0)});
  store_trades(store_, odd, {{1, 1}});
  const std::string query = "symbol=" + net::percent_encode(odd);
  EXPECT_EQ(text_of(bars(query + "&interval=1d")["symbol"]), odd);
  EXPECT_EQ(bars(query + "&interval=1d")["bars"].Size(), 1U);
  EXPECT_EQ(text_of(trades(query)["symbol"]), odd);
  EXPECT_EQ(text_of(document(api_.symbols(""))["symbols"][0]["symbol"]), odd);
}

TEST_F(QueryApiTest, PagesHoldEveryBarExactlyOnceInBothOrders) {
  std::vector<BarRow> rows;
  Numbers expected;
  for (std::int64_t i = 0; i < 103; ++i) {
    rows.push_back(bar_row("A", Interval::k1m, (i - 50) * 60'000));
    expected.push_back((i - 50) * 60'000);
  }
  store_bars(store_, rows);
  for (const char* order : {"asc", "desc"}) {
    for (const int limit : {1, 2, 7, 102, 103, 104}) {
      Numbers seen;
      std::string cursor;
      for (int pages = 0; pages < 200; ++pages) {
        const auto page = bars(fmt::format("symbol=A&interval=1m&order={}&limit={}{}", order, limit, cursor));
        const Numbers starts = numbers(page["bars"], "start");
        EXPECT_LE(starts.size(), static_cast<std::size_t>(limit));
        EXPECT_FALSE(starts.empty());
        seen.insert(seen.end(), starts.begin(), starts.end());
        if (page["next"].IsNull()) break;
        cursor = "&cursor=" + net::percent_encode(text_of(page["next"]));
      }
      EXPECT_EQ(seen, expected) << order << " by " << limit;
    }
    std::ranges::reverse(expected);
  }
}

TEST_F(QueryApiTest, PagesHoldEveryTradeExactlyOnceInBothOrdersAlsoWithinAMillisecond) {
  Random random(7);
  std::vector<std::pair<std::int64_t, std::int64_t>> all;
  for (std::int64_t seq = 1; seq <= 200; ++seq) all.emplace_back(1'000 + random.between(0, 9), seq * 1'000'000'007);
  store_symbols(store_, {{"A", 0}});
  store_trades(store_, "A", all);
  std::ranges::sort(all);
  Numbers expected;
  for (const auto& [time_ms, seq] : all) expected.push_back(seq);
  for (const char* order : {"asc", "desc"}) {
    for (const int limit : {1, 3, 64, 199, 200, 201}) {
      Numbers seen;
      std::string cursor;
      for (int pages = 0; pages < 300; ++pages) {
        const auto page = trades(fmt::format("symbol=A&order={}&limit={}{}", order, limit, cursor));
        const Numbers seqs = numbers(page["trades"], "seq");
        seen.insert(seen.end(), seqs.begin(), seqs.end());
        if (page["next"].IsNull()) break;
        cursor = "&cursor=" + net::percent_encode(text_of(page["next"]));
      }
      EXPECT_EQ(seen, expected) << order << " by " << limit;
    }
    std::ranges::reverse(expected);
  }
}

TEST_F(QueryApiTest, ACursorStaysInsideTheRange) {
  store_symbols(store_, {{"A", 0}});
  store_trades(store_, "A", {{10, 1}, {20, 2}, {30, 3}});
  EXPECT_EQ(numbers(trades("symbol=A&from=20&cursor=5:1")["trades"], "seq"), (Numbers{2, 3}));
  EXPECT_EQ(numbers(trades("symbol=A&to=20&order=desc&cursor=99:1")["trades"], "seq"), (Numbers{1}));
  EXPECT_EQ(numbers(trades("symbol=A&cursor=99:1")["trades"], "seq"), Numbers{});
  EXPECT_EQ(numbers(trades("symbol=A&order=desc&cursor=9223372036854775807:9223372036854775807")["trades"], "seq"),
            (Numbers{3, 2, 1}));
  store_bars(store_, {bar_row("A", Interval::k1m, 0), bar_row("A", Interval::k1m, 60'000)});
  EXPECT_EQ(numbers(bars("symbol=A&interval=1m&from=60000&cursor=-5")["bars"], "start"), (Numbers{60'000}));
  EXPECT_EQ(numbers(bars("symbol=A&interval=1m&to=60000&order=desc&cursor=99999999")["bars"], "start"), (Numbers{0}));
}

TEST_F(QueryApiTest, RowsOfAnOlderGenerationAreAbsentFromTheFloorOn) {
  Checkpoint checkpoint;
  checkpoint.generation = 1;
  checkpoint.floor_ms = 60'000;
  Commit commit;
  commit.symbols = {{"A", 0}};
  commit.bars = {bar_row("A", Interval::k1m, 0), bar_row("A", Interval::k1m, 60'000),
                 bar_row("A", Interval::k1m, 120'000, 1, 1)};
  commit.checkpoints = {encode_checkpoint(checkpoint)};
  store(store_, std::move(commit));
  EXPECT_EQ(numbers(bars("symbol=A&interval=1m")["bars"], "start"), (Numbers{0, 120'000}));
  EXPECT_EQ(numbers(bars("symbol=A&interval=1m&order=desc&limit=1")["bars"], "start"), (Numbers{120'000}));
}

TEST_F(QueryApiTest, RequestsThatCannotBeAnsweredNameTheParameter) {
  EXPECT_EQ(refusal(api_.bars("symbol=A")), "interval is required");
  EXPECT_EQ(refusal(api_.bars("interval=1m")), "symbol is required");
  EXPECT_EQ(refusal(api_.trades("")), "symbol is required");
  EXPECT_TRUE(refusal(api_.trades("symbol=A&interval=1m")).starts_with("there is no parameter 'interval'"));
  EXPECT_TRUE(refusal(api_.gaps("order=asc")).starts_with("there is no parameter 'order'"));
  EXPECT_TRUE(refusal(api_.symbols("limit=1")).starts_with("there is no parameter 'limit' here; there is: none"));
  EXPECT_TRUE(refusal(api_.bars("symbol=A&interval=1m&cursor=1:2")).starts_with("cursor must be"));
  EXPECT_TRUE(refusal(api_.trades("symbol=A&cursor=1")).starts_with("cursor must be"));
}

TEST_F(QueryApiTest, ATradeOfASymbolThatNobodyKnowsIsNotSearchedFor) {
  store_trades(store_, "GHOST", {{1, 1}});
  EXPECT_EQ(trades("symbol=GHOST")["trades"].Size(), 0U);
}

SpanRow span(SpanRow::Kind kind, std::int64_t offset, std::string symbol, std::int64_t from_ms, std::int64_t to_ms,
             std::int32_t partition = 0) {
  return {partition, offset, 0, kind, std::move(symbol), from_ms, to_ms, "disconnected"};
}

TEST_F(QueryApiTest, GapsOfAllSymbolsAreToldForEachSymbolOfThePartitionNewestFirst) {
  using enum SpanRow::Kind;
  Commit commit;
  commit.symbols = {{"A", 0}, {"B", 0}, {"C", 1}};
  commit.spans = {span(kGap, 1, "", 1'000, 2'000),       span(kGap, 2, "B", 5'000, 6'000),
                  span(kFilled, 3, "A", 500, 1'500),     span(kFilled, 4, "A", 1'500, 2'500),
                  span(kUnsubscribed, 5, "A", 0, 9'000), span(kGap, 1, "", 3'000, 4'000, 1)};
  store(store_, std::move(commit));
  const auto rows = [this](const std::string& query) {
    std::string text;
    const auto answer = gaps(query);
    for (const auto& gap : answer["gaps"].GetArray())
      text += fmt::format("{} {}-{} {}; ", text_of(gap["symbol"]), gap["from"].GetInt64(), gap["to"].GetInt64(),
                          gap["filled"].GetBool() ? "filled" : "open");
    return text;
  };
  EXPECT_EQ(rows(""), "B 5000-6000 open; C 3000-4000 open; A 1000-2000 filled; B 1000-2000 open; ");
  EXPECT_EQ(rows("symbol=B"), "B 5000-6000 open; B 1000-2000 open; ");
  EXPECT_EQ(rows("limit=3"), "B 5000-6000 open; C 3000-4000 open; A 1000-2000 filled; ");
  EXPECT_EQ(rows("from=2000&to=5000"), "C 3000-4000 open; ") << "ranges that touch do not overlap";
  EXPECT_EQ(rows("from=1999&to=5001"), "B 5000-6000 open; C 3000-4000 open; A 1000-2000 filled; B 1000-2000 open; ");
  EXPECT_EQ(rows("symbol=NOBODY"), "");
}

TEST_F(QueryApiTest, SymbolsTellTheirMarketByThePoliciesInForce) {
  const auto policies = bundled_policies();
  ASSERT_TRUE(policies);
  Checkpoint checkpoint;
  Commit commit;
  for (const MarketPolicy& policy : *policies) {
    checkpoint.policies[policy.market] = policy.hash;
    commit.policies.push_back({policy.hash, policy.market, policy.text});
  }
  commit.symbols = {{"AAPL", 0}, {"BINANCE:BTCUSDT", 0}, {"OANDA:EUR_USD", 0}, {"~odd", 0}, {"AMZN", 1}};
  commit.checkpoints = {encode_checkpoint(checkpoint)};
  store(store_, std::move(commit));
  std::string text;
  const auto answer = document(api_.symbols(""));
  for (const auto& row : answer["symbols"].GetArray())
    text += text_of(row["symbol"]) + " " + text_of(row["market"]) + "; ";
  EXPECT_EQ(text, "AAPL us_equities; AMZN other; BINANCE:BTCUSDT crypto; OANDA:EUR_USD forex; ~odd other; ")
      << "partition 1 has no checkpoint, so no policy";
}

TEST_F(QueryApiTest, AStoreThatCannotBeReadIsAnErrorAndNotAnEmptyAnswer) {
  BrokenStore broken;
  QueryApi api(broken);
  for (const auto& body : {api.symbols(""), api.bars("symbol=A&interval=1m"), api.trades("symbol=A"), api.gaps("")}) {
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().code, ErrorCode::kIo);
  }
}

}  // namespace
}  // namespace finpipe
