#include "pipeline/query.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "pipeline/checkpoint.h"

namespace finpipe {
namespace {

// Holds rows and answers as a store does: both ends of a range included, in the order of keys.
class Rows final : public Query {
 public:
  std::vector<SymbolRow> symbol_rows;
  std::vector<CheckpointRow> checkpoint_rows;
  std::vector<BarRow> bar_rows;  // in order

  Result<std::vector<SymbolRow>> symbols() override { return symbol_rows; }
  Result<std::vector<CheckpointRow>> checkpoints() override { return checkpoint_rows; }
  Result<void> bars(const BarRange& range, const std::function<bool(const BarRow&)>& visit, Order order) override {
    std::vector<BarRow> rows = bar_rows;
    if (order == Order::kDescending) std::ranges::reverse(rows);
    for (const BarRow& row : rows) {
      const bool inside = row.key.symbol == range.symbol && row.key.interval == range.interval &&
                          range.from_ms <= row.key.start_ms && row.key.start_ms <= range.to_ms;
      if (inside && !visit(row)) break;
    }
    return {};
  }
  Result<void> revisions(const BarRange& range, const std::function<bool(const RevisionRow&)>& visit) override {
    return bars(range, visit, Order::kAscending);
  }
  Result<void> ticks(const TickRange&, const std::function<bool(const Tick&)>&, Order) override { return {}; }
  Result<std::vector<SpanRow>> spans() override { return std::vector<SpanRow>(); }
  Result<std::vector<VoidRow>> voids() override { return std::vector<VoidRow>(); }
  Result<std::optional<PolicyRow>> policy(std::string_view) override { return std::nullopt; }
};

class QueryTest : public testing::Test {
 protected:
  QueryTest() { rows.symbol_rows = {{"A", 0}, {"B", 1}}; }

  void add(std::string symbol, std::int64_t start_ms, std::int64_t generation) {
    BarRow row;
    row.key = {std::move(symbol), Interval::k1m, start_ms};
    row.bar.generation = generation;
    row.bar.trades = 1;
    rows.bar_rows.push_back(row);
  }
  void set_generation(std::int32_t partition, std::int64_t generation, std::int64_t floor_ms) {
    Checkpoint checkpoint;
    checkpoint.partition = partition;
    checkpoint.generation = generation;
    checkpoint.floor_ms = floor_ms;
    rows.checkpoint_rows.push_back(encode_checkpoint(checkpoint));
  }
  // Starts of the bars that are seen; revisions must agree.
  std::vector<std::int64_t> seen(BarReader::Range range) {
    const auto reader = BarReader::open(rows);
    EXPECT_TRUE(reader);
    std::vector<std::int64_t> starts, revised;
    EXPECT_TRUE(reader->bars(range, [&](const BarRow& row) {
      starts.push_back(row.key.start_ms);
      return true;
    }));
    EXPECT_TRUE(reader->revisions(range, [&](const BarRow& row) {
      revised.push_back(row.key.start_ms);
      return true;
    }));
    EXPECT_EQ(starts, revised);
    return starts;
  }

  Rows rows;
};

using Starts = std::vector<std::int64_t>;

TEST_F(QueryTest, RangesAreHalfOpen) {
  for (const std::int64_t start_ms : {-60'000, 0, 60'000, 120'000}) add("A", start_ms, 0);
  EXPECT_EQ(seen({"A", Interval::k1m}), (Starts{-60'000, 0, 60'000, 120'000}));
  EXPECT_EQ(seen({"A", Interval::k1m, 0, 120'000}), (Starts{0, 60'000}));
  EXPECT_EQ(seen({"A", Interval::k1m, 0, 120'001}), (Starts{0, 60'000, 120'000}));
  EXPECT_EQ(seen({"A", Interval::k1m, 0, 0}), Starts());
  EXPECT_EQ(seen({"A", Interval::k1m, 60'000, 0}), Starts());
  EXPECT_EQ(seen({"A", Interval::k1m, 0, std::numeric_limits<std::int64_t>::min()}), Starts());
  EXPECT_EQ(seen({"A", Interval::k5m}), Starts());
}

TEST_F(QueryTest, TheOppositeOrderHidesTheSameRows) {
  add("A", 0, 0), add("A", 60'000, 0), add("A", 120'000, 1);
  set_generation(0, 1, 60'000);
  const auto reader = BarReader::open(rows);
  ASSERT_TRUE(reader);
  std::vector<std::int64_t> starts;
  const auto keep = [&](const BarRow& row) {
    starts.push_back(row.key.start_ms);
    return true;
  };
  ASSERT_TRUE(reader->bars({"A", Interval::k1m}, keep, Order::kDescending));
  EXPECT_EQ(starts, (Starts{120'000, 0}));
}

TEST_F(QueryTest, OlderGenerationsAreAbsentFromTheFloorOn) {
  add("A", 0, 0), add("A", 60'000, 0), add("A", 120'000, 1), add("A", 180'000, 0);
  add("B", 0, 0), add("B", 60'000, 0);
  set_generation(0, 1, 60'000);
  set_generation(1, 0, kBeginningOfTime);
  EXPECT_EQ(seen({"A", Interval::k1m}), (Starts{0, 120'000}));
  EXPECT_EQ(seen({"B", Interval::k1m}), (Starts{0, 60'000}));
}

TEST_F(QueryTest, WithoutAFloorOnlyTheNewGenerationIsSeen) {
  add("A", -60'000, 1), add("A", 0, 2), add("A", 60'000, 1);
  set_generation(0, 2, kBeginningOfTime);
  EXPECT_EQ(seen({"A", Interval::k1m}), (Starts{0}));
}

TEST_F(QueryTest, RowsWithOnlyExcludedTradesAreNoBars) {
  add("A", 0, 0), add("A", 60'000, 0), add("A", 120'000, 0);
  rows.bar_rows[0].bar.trades = 0;  // excluded trades only
  rows.bar_rows[1].bar.trades = 0;  // a price without volume, as forex has it
  rows.bar_rows[1].bar.first = rows.bar_rows[1].bar.last = {60'000, 1, 5};
  EXPECT_EQ(seen({"A", Interval::k1m}), (Starts{60'000, 120'000}));
}

TEST_F(QueryTest, AVisitorCanStop) {
  add("A", 0, 0), add("A", 60'000, 0);
  const auto reader = BarReader::open(rows);
  int visited = 0;
  ASSERT_TRUE(reader->bars({"A", Interval::k1m}, [&](const BarRow&) {
    ++visited;
    return false;
  }));
  EXPECT_EQ(visited, 1);
}

TEST_F(QueryTest, ACheckpointThatCannotBeReadIsAnError) {
  rows.checkpoint_rows.push_back({.partition = 0, .generation = 1, .offset = 5, .body = "no Avro"});
  EXPECT_FALSE(BarReader::open(rows));
}

}  // namespace
}  // namespace finpipe
