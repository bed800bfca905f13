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
  Result<std::vector<VoidRow>> voids() override { return fail(ErrorCode::kIo, "disk"); }
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

TEST_F(QueryApiTest, PagesOfAViewAreWhatOneLargePageSays) {
  const auto policies = bundled_policies();
  ASSERT_TRUE(policies);
  Checkpoint checkpoint;
  Commit commit;
  for (const MarketPolicy& policy : *policies) {
    checkpoint.policies[policy.market] = policy.hash;
    commit.policies.push_back({policy.hash, policy.market, policy.text});
  }
  const std::int64_t friday_ms = 1'709'908'200'000;  // 2024-03-08T14:30:00Z, the opening; then the clocks change
  checkpoint.engine.clock_ns = (friday_ms + 10 * kMsPerDay) * kNsPerMs;
  commit.symbols = {{"AAPL", 0}};
  commit.checkpoints = {encode_checkpoint(checkpoint)};
  Random random(11);
  std::int64_t start_ms = friday_ms - kMsPerHour;
  for (std::int64_t i = 0; i < 400; ++i) {
    start_ms += (random.chance(0.02) ? random.between(60, 2'000) : random.between(1, 3)) * kMsPerMinute;
    for (const Interval interval : {Interval::k1m, Interval::k5m, Interval::k15m}) {
      BarRow row = bar_row("AAPL", interval, floor_div(start_ms, length_ms(interval)) * length_ms(interval));
      row.bar.state = BarState::kFinal;
      row.bar.closed_at_ns = row.key.start_ms * kNsPerMs;
      if (random.chance(0.7)) row.bar.first = row.bar.last = {start_ms, i + 1, random.between(1, 1'000)};
      commit.revisions.push_back(row);
      commit.bars.push_back(row);
    }
  }
  const std::string as_of = fmt::format("&as_of={}", friday_ms + 4 * kMsPerDay);
  store(store_, std::move(commit));
  const auto starts_and_closes = [](const rapidjson::Document& page) {
    std::vector<std::string> rows;
    for (const auto& bar : page["bars"].GetArray())
      rows.push_back(fmt::format("{} {} {} {}", bar["start"].GetInt64(),
                                 bar["close"].IsNull() ? "-" : text_of(bar["close"]), text_of(bar["state"]),
                                 bar["flags"].Size()));
    return rows;
  };
  std::vector<std::string> ascending;
  for (const std::string& view :
       {std::string("interval=1m&fill=previous"), std::string("interval=2m"), std::string("interval=2m&fill=previous"),
        std::string("interval=30m&session=regular&fill=previous"), std::string("interval=7m&session=regular"),
        "interval=10m&fill=previous" + as_of, "interval=1m" + as_of, std::string("interval=45m&adjusted=true")}) {
    for (const char* order : {"asc", "desc"}) {
      // A range that no window fits into, so that its ends are cut.
      const std::string request = fmt::format("symbol=AAPL&{}&order={}&from={}&to={}", view, order, friday_ms - 7,
                                              friday_ms + 9 * kMsPerDay + 7);
      const auto whole = bars(request + "&limit=5000");
      const std::vector<std::string> expected = starts_and_closes(whole);
      ASSERT_TRUE(whole["next"].IsNull());
      ASSERT_GT(expected.size(), 5U) << view;
      if (order == std::string("asc")) {
        ascending = expected;
      } else {
        std::ranges::reverse(ascending);
        EXPECT_EQ(ascending, expected) << view;
      }
      for (const int limit : {3, 100}) {
        std::vector<std::string> seen;
        std::string cursor;
        for (std::size_t pages = 0; pages <= expected.size(); ++pages) {
          const auto page = bars(fmt::format("{}&limit={}{}", request, limit, cursor));
          for (std::string& row : starts_and_closes(page)) seen.push_back(std::move(row));
          if (page["next"].IsNull()) break;
          cursor = "&cursor=" + text_of(page["next"]);
        }
        EXPECT_EQ(seen, expected) << request << " by " << limit;
      }
    }
  }
}

TEST_F(QueryApiTest, APageEndsWhereTooManyStoredBarsWouldBeRead) {
  std::vector<BarRow> rows;
  for (std::int64_t second = 0; second < 150'000; ++second) rows.push_back(bar_row("A", Interval::k1s, second * 1'000));
  store_symbols(store_, {{"A", 0}});
  store_bars(store_, std::move(rows));
  Numbers seen;
  std::string cursor;
  int pages = 0;
  do {
    const auto page = bars("symbol=A&interval=77s&limit=5000" + cursor);
    for (const std::int64_t start_ms : numbers(page["bars"], "start")) seen.push_back(start_ms);
    cursor = page["next"].IsNull() ? "" : "&cursor=" + text_of(page["next"]);
    ++pages;
  } while (!cursor.empty() && pages < 10);
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(seen.size(), 150'000U / 77 + 1);
}

TEST_F(QueryApiTest, RevisionsComeInPagesWithReasonAndTime) {
  Commit commit;
  for (std::int64_t minute = 0; minute < 3; ++minute) {
    for (std::int32_t number = 0; number < 3; ++number) {
      BarRow row = bar_row("A", Interval::k1m, minute * 60'000);
      row.bar.revision = number;
      row.bar.reason = number == 0 ? RevisionReason::kNone : RevisionReason::kVoid;
      row.bar.closed_at_ns = (minute * 10 + number) * kNsPerMs + number;
      commit.revisions.push_back(row);
    }
  }
  store(store_, std::move(commit));
  std::string seen;
  std::string cursor;
  for (int pages = 0; pages < 20; ++pages) {
    const auto page = document(api_.revisions("symbol=A&interval=1m&limit=2&from=60000" + cursor));
    for (const auto& row : page["revisions"].GetArray())
      seen += fmt::format("{}:{} {} {}; ", row["start"].GetInt64() / 60'000, row["revision"].GetInt64(),
                          text_of(row["reason"]), row["closed_at"].GetInt64());
    if (page["next"].IsNull()) break;
    cursor = "&cursor=" + net::percent_encode(text_of(page["next"]));
  }
  EXPECT_EQ(seen, "1:0  10; 1:1 void 12; 1:2 void 13; 2:0  20; 2:1 void 22; 2:2 void 23; ");
  EXPECT_TRUE(refusal(api_.revisions("symbol=A&interval=2m")).starts_with("interval must be"));
  EXPECT_TRUE(refusal(api_.revisions("symbol=A&interval=1m&order=asc")).starts_with("there is no parameter 'order'"));
}

TEST_F(QueryApiTest, VoidsAreListedNewestFirst) {
  Commit commit;
  const auto add = [&](std::int64_t offset, VoidRow::Action action, std::string symbol, std::int64_t time_ms) {
    commit.voids.push_back({.offset = offset,
                            .action = action,
                            .symbol = std::move(symbol),
                            .event_time_ms = time_ms,
                            .seq = 1'723'161'254'347'673'567,
                            .reason = "bad \"print\"",
                            .at_ns = offset * kNsPerSecond});
  };
  add(1, VoidRow::Action::kVoid, "A", 100);
  add(2, VoidRow::Action::kVoid, "B", 200);
  add(3, VoidRow::Action::kUnvoid, "A", 100);
  store(store_, std::move(commit));
  EXPECT_EQ(*api_.voids("symbol=B"),
            R"({"voids":[{"symbol":"B","time":200,"seq":1723161254347673567,"action":"void","reason":"bad \"print\"",)"
            R"("at":2000}]})");
  EXPECT_EQ(numbers(document(api_.voids(""))["voids"], "at"), (Numbers{3'000, 2'000, 1'000}));
  EXPECT_EQ(numbers(document(api_.voids("limit=1"))["voids"], "at"), (Numbers{3'000}));
  EXPECT_EQ(numbers(document(api_.voids("from=101"))["voids"], "at"), (Numbers{2'000}));
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
  EXPECT_EQ(refusal(api_.bars("symbol=A&interval=1d&session=regular")), "session=regular is for intervals below a day");
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
  for (const auto& body : {api.symbols(""), api.bars("symbol=A&interval=1m"), api.trades("symbol=A"), api.gaps(""),
                           api.revisions("symbol=A&interval=1m"), api.voids("")}) {
    ASSERT_FALSE(body);
    EXPECT_EQ(body.error().code, ErrorCode::kIo);
  }
}

}  // namespace
}  // namespace finpipe
