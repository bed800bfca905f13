// The promises about bars and their revisions.

#include "store_contract.h"

namespace finpipe::contract {
namespace {

using Starts = std::vector<std::int64_t>;

Starts starts(const std::vector<BarRow>& rows) {
  Starts starts;
  for (const BarRow& row : rows) starts.push_back(row.key.start_ms);
  return starts;
}

BarRow full_bar() {
  BarRow row{{"BINANCE:PEPEUSDT", Interval::k15m, 1'723'161'600'000}, {}};
  Bar& bar = row.bar;
  bar.first = {1'723'161'600'001, 11, 1'000};
  bar.last = {1'723'161'600'999, 12, -2'000};
  bar.first_if_alone = {1'723'161'600'002, 13, 3'000};
  bar.last_if_alone = {1'723'161'600'998, 14, 4'000};
  bar.high_e9 = kHighest;
  bar.low_e9 = kLowest;
  bar.has_high_low = true;
  bar.volume_e8 = static_cast<int128>(kHighest) * 1'000'003;
  bar.vwap_volume_e8 = -static_cast<int128>(kHighest) * 7;
  bar.notional_e17 = static_cast<int128>(kHighest) * kHighest;
  bar.trades = 5;
  bar.excluded = 6;
  bar.state = BarState::kRevised;
  bar.revision = 7;
  bar.reason = RevisionReason::kBackfill;
  bar.pending_reason = RevisionReason::kVoid;
  bar.closed_at_ns = 8;
  bar.pending_deadline_ns = 9;
  bar.missing_ms = 10;
  bar.partial = true;
  bar.backfilled = true;
  bar.version = 11;
  bar.applied_through = 12;
  bar.generation = 13;
  bar.log_id = log_id_of(0xE0);
  return row;
}

TEST_P(StoreContract, ABarComesBackWithEveryField) {
  const BarRow full = full_bar();
  const BarRow empty{{"BINANCE:PEPEUSDT", Interval::k15m, 1'723'162'500'000}, {}};
  Commit commit;
  commit.bars = commit.revisions = {full, empty};
  write(std::move(commit));
  const BarRange range{"BINANCE:PEPEUSDT", Interval::k15m};
  EXPECT_EQ(bars(range), (std::vector{full, empty}));
  EXPECT_EQ(load(range), (std::vector{full, empty}));
  EXPECT_EQ(revisions(range), (std::vector{full, empty}));
}

TEST_P(StoreContract, ABarOfALowerVersionOrGenerationChangesNothing) {
  const auto put = [this](std::int64_t version, std::int64_t generation, std::int64_t mark) {
    BarRow row = make_bar("A", Interval::k1m, 0, version, generation);
    row.bar.excluded = mark;
    write_bars({row});
    return load({"A", Interval::k1m, 0, 0}).at(0).bar.excluded;
  };
  EXPECT_EQ(put(300, 1, 1), 1);
  EXPECT_EQ(put(255, 1, 2), 1) << "an older version";
  EXPECT_EQ(put(9'999, 0, 3), 1) << "an older generation";
  EXPECT_EQ(put(300, 1, 1), 1) << "an equal version";
  EXPECT_EQ(put(301, 1, 5), 5) << "a newer version";
  EXPECT_EQ(put(1, 2, 6), 6) << "a newer generation";
  EXPECT_EQ(bars({"A", Interval::k1m}).at(0).bar.excluded, 6);
}

TEST_P(StoreContract, WithinACommitTheHigherVersionOfABarStaysAndOfEqualOnesTheLast) {
  BarRow equal = make_bar("A", Interval::k1m, 0, 5);
  equal.bar.excluded = 1;
  write_bars({make_bar("A", Interval::k1m, 0, 5), equal, make_bar("A", Interval::k1m, 0, 4)});
  EXPECT_EQ(load({"A", Interval::k1m, 0, 0}), std::vector{equal});
}

TEST_P(StoreContract, ABarWrittenAThousandTimesHasItsNewestVersion) {
  for (std::int64_t version = 1; version <= 100; ++version) {
    Commit commit;
    for (std::int64_t i = 0; i < 10; ++i) commit.bars.push_back(make_bar("A", Interval::k1d, 0, version * 10 + i));
    static_cast<void>(store().submit(std::move(commit)));
    ASSERT_TRUE(store().poll());
  }
  write({});
  EXPECT_EQ(load({"A", Interval::k1d, 0, 0}), std::vector{make_bar("A", Interval::k1d, 0, 1'009)});
}

TEST_P(StoreContract, ABarRangeHoldsBothItsEnds) {
  write_bars({make_bar("A", Interval::k1s, 1'000, 1), make_bar("A", Interval::k1s, 2'000, 1),
              make_bar("A", Interval::k1s, 3'000, 1)});
  EXPECT_EQ(starts(bars({"A", Interval::k1s, 1'000, 2'000})), (Starts{1'000, 2'000}));
  EXPECT_EQ(starts(bars({"A", Interval::k1s, 1'001, 3'000})), (Starts{2'000, 3'000}));
  EXPECT_EQ(starts(bars({"A", Interval::k1s, 2'000, 2'000})), (Starts{2'000}));
  EXPECT_EQ(starts(load({"A", Interval::k1s, 2'000, 2'000})), (Starts{2'000}));
  EXPECT_EQ(starts(load({"A", Interval::k1s, 2'500, 2'500})), Starts{});
  EXPECT_EQ(starts(load({"A", Interval::k1s, 3'000, 1'000})), Starts{});
}

TEST_P(StoreContract, BarsKeepToTheirSymbolAndIntervalAndComeInOrder) {
  std::vector<BarRow> rows;
  for (const char* symbol : {"B", "AB", "IC MARKETS:1", "A", "IC MARKETS:10"})
    for (const Interval interval : {Interval::k1d, Interval::k1s, Interval::k1m})
      for (const std::int64_t start_ms : {kMsPerDay, std::int64_t{0}, -kMsPerDay, kHighest, kLowest})
        rows.push_back(make_bar(symbol, interval, start_ms, 1));
  write_bars(rows);
  for (const char* symbol : {"A", "AB", "B", "IC MARKETS:1", "IC MARKETS:10"}) {
    for (const Interval interval : {Interval::k1s, Interval::k1m, Interval::k1d}) {
      const std::vector<BarRow> found = bars({symbol, interval});
      EXPECT_EQ(starts(found), (Starts{kLowest, -kMsPerDay, 0, kMsPerDay, kHighest}));
      for (const BarRow& row : found) EXPECT_TRUE(row.key.symbol == symbol && row.key.interval == interval);
    }
    EXPECT_TRUE(bars({symbol, Interval::k1h}).empty());
  }
  EXPECT_TRUE(bars({"IC MARKETS:", Interval::k1m}).empty());
}

TEST_P(StoreContract, BarsAreVisitedFromTheNewestOnWhenAskedTo) {
  write_bars({make_bar("A", Interval::k1m, -60'000, 1), make_bar("A", Interval::k1m, 0, 1),
              make_bar("A", Interval::k1m, 60'000, 1), make_bar("A", Interval::k5m, 0, 1),
              make_bar("AA", Interval::k1m, 0, 1)});
  EXPECT_EQ(starts(bars({"A", Interval::k1m}, Order::kDescending)), (Starts{60'000, 0, -60'000}));
  EXPECT_EQ(starts(bars({"A", Interval::k1m, -60'000, 59'999}, Order::kDescending)), (Starts{0, -60'000}));
  int seen = 0;
  ASSERT_TRUE(query().bars({"A", Interval::k1m}, [&seen](const BarRow&) { return ++seen < 2; }, Order::kDescending));
  EXPECT_EQ(seen, 2);
}

TEST_P(StoreContract, ManyRangesAreLoadedInTheOrderAskedFor) {
  write_bars({make_bar("A", Interval::k1m, 0, 1), make_bar("A", Interval::k1m, 60'000, 1),
              make_bar("B", Interval::k1h, 0, 1)});
  const BarRange ranges[] = {{"B", Interval::k1h},
                             {"A", Interval::k1m, 60'000, 60'000},
                             {"C", Interval::k1m, 0, 0},
                             {"A", Interval::k1m, 0, kHighest}};
  const auto found = store().load_bars(ranges);
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (std::vector{make_bar("B", Interval::k1h, 0, 1), make_bar("A", Interval::k1m, 60'000, 1),
                                 make_bar("A", Interval::k1m, 0, 1), make_bar("A", Interval::k1m, 60'000, 1)}));
  EXPECT_TRUE(store().load_bars({}).value().empty());
}

TEST_P(StoreContract, EveryRevisionIsKeptAndTheyAreOrderedByStartGenerationAndRevision) {
  const auto revision = [](std::int64_t start_ms, std::int64_t generation, std::int32_t number) {
    RevisionRow row = make_bar("A", Interval::k1m, start_ms, 1, generation);
    row.bar.revision = number;
    return row;
  };
  Commit commit;
  commit.revisions = {revision(60'000, 0, 0), revision(0, 1, 0), revision(0, 0, 256), revision(0, 0, 1),
                      revision(0, 0, 0)};
  write(std::move(commit));
  EXPECT_EQ(revisions({"A", Interval::k1m}), (std::vector{revision(0, 0, 0), revision(0, 0, 1), revision(0, 0, 256),
                                                          revision(0, 1, 0), revision(60'000, 0, 0)}));
  EXPECT_EQ(revisions({"A", Interval::k1m, 60'000, 60'000}), std::vector{revision(60'000, 0, 0)});
  EXPECT_EQ(revisions({"A", Interval::k1m, 0, 0}).size(), 4U);
}

TEST_P(StoreContract, ARevisionWrittenAgainIsThereOnce) {
  const RevisionRow row = make_bar("A", Interval::k1m, 0, 7);
  for (int i = 0; i < 2; ++i) {
    Commit commit;
    commit.revisions = {row};
    write(std::move(commit));
  }
  EXPECT_EQ(revisions({"A", Interval::k1m}), std::vector{row});
}

TEST_P(StoreContract, AVisitorOfBarsAndRevisionsStopsTheVisit) {
  Commit commit;
  commit.bars = commit.revisions = {make_bar("A", Interval::k1m, 0, 1), make_bar("A", Interval::k1m, 60'000, 1)};
  write(std::move(commit));
  int seen = 0;
  const auto stop = [&seen](const BarRow&) { return ++seen < 1; };
  ASSERT_TRUE(query().bars({"A", Interval::k1m}, stop));
  EXPECT_EQ(seen, 1);
  seen = 0;
  ASSERT_TRUE(query().revisions({"A", Interval::k1m}, stop));
  EXPECT_EQ(seen, 1);
}

}  // namespace
}  // namespace finpipe::contract
