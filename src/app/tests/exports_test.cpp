#include "app/exports.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "app/csv.h"
#include "app/tests/temp_directory.h"
#include "stores/memory_store.h"

namespace finpipe {
namespace {

constexpr std::int64_t kStartMs = 1'723'161'240'000;  // 2024-08-08T23:54:00Z

class ExportsTest : public testing::Test {
 protected:
  void store(Commit commit) {
    (void)memory.submit(std::move(commit));
    ASSERT_TRUE(memory.poll());
  }
  template <typename Source>
  std::string exported(Result<std::int64_t> (*write)(Source&, const ExportSelection&, Output&), Source& source) {
    const std::string path = (directory.path() / "out.csv").string();
    auto output = Output::open(path);
    EXPECT_TRUE(output);
    const auto rows = write(source, selection, *output);
    EXPECT_TRUE(rows);
    std::ifstream file(path, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_EQ(std::ranges::count(text, '\n'), *rows + 1);
    return text.substr(text.find('\n') + 1);
  }
  std::string exported(Result<std::int64_t> (*write)(Query&, const ExportSelection&, Output&)) {
    return exported<Query>(write, memory);
  }

  TempDirectory directory;
  MemoryStore memory;
  ExportSelection selection;
};

BarRow row_of(std::string symbol, Interval interval, std::int64_t start_ms) {
  BarRow row;
  row.key = {std::move(symbol), interval, start_ms};
  row.bar.trades = 1;
  row.bar.version = 1;
  return row;
}

TEST_F(ExportsTest, BarsComeBySymbolThenIntervalThenStart) {
  Commit commit;
  commit.symbols = {{"B", 0}, {"A", 0}};
  for (const char* symbol : {"B", "A"}) {
    for (const Interval interval : {Interval::k1d, Interval::k1m, Interval::k1s}) {
      commit.bars.push_back(row_of(symbol, interval, kStartMs + 60'000));
      commit.bars.push_back(row_of(symbol, interval, kStartMs));
    }
  }
  store(std::move(commit));
  const std::string text = exported(export_bars);
  std::string order;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    order += text.substr(at, 4) + (text.substr(at, 21).ends_with(":54") ? "0 " : "1 ");
  }
  EXPECT_EQ(order, "A,1s0 A,1s1 A,1m0 A,1m1 A,1d0 A,1d1 B,1s0 B,1s1 B,1m0 B,1m1 B,1d0 B,1d1 ");

  selection.symbols = {"B"};
  selection.intervals = {Interval::k1m};
  selection.from_ms = kStartMs;
  selection.to_ms = kStartMs + 60'000;
  EXPECT_EQ(exported(export_bars), "B,1m,2024-08-08T23:54:00.000Z,,,,,0,,1,provisional,,0,0\n");
}

TEST_F(ExportsTest, BarsMayBeRolledUpFilledAndAsOfAMoment) {
  Commit commit;
  commit.symbols = {{"A", 0}};
  for (const std::int64_t minute : {0, 1, 4}) {
    BarRow row = row_of("A", Interval::k1m, kStartMs + minute * 60'000);
    row.bar.state = BarState::kFinal;
    row.bar.closed_at_ns = (row.key.start_ms + 62'000) * 1'000'000;
    commit.bars.push_back(row);
    commit.revisions.push_back(row);
  }
  store(std::move(commit));
  selection.intervals = {*read_interval_from("2m")};
  selection.view.fill = true;
  EXPECT_EQ(exported(export_bars),
            "A,2m,2024-08-08T23:54:00.000Z,,,,,0,,2,final,,0,0\n"
            "A,2m,2024-08-08T23:56:00.000Z,,,,,0,,0,provisional,filled,0,0\n"
            "A,2m,2024-08-08T23:58:00.000Z,,,,,0,,1,provisional,,0,0\n");
  selection.view.as_of_ms = kStartMs + 120'000;
  EXPECT_EQ(exported(export_bars), "A,2m,2024-08-08T23:54:00.000Z,,,,,0,,1,provisional,,0,0\n");
}

TEST_F(ExportsTest, VoidsComeByTradeAndThenByTime) {
  Commit commit;
  const auto add = [&](std::int64_t offset, VoidRow::Action action, std::string symbol) {
    commit.voids.push_back({.offset = offset,
                            .action = action,
                            .symbol = std::move(symbol),
                            .event_time_ms = kStartMs,
                            .seq = 7,
                            .reason = "bad, print",
                            .at_ns = offset * 1'000'000'000});
  };
  add(1, VoidRow::Action::kVoid, "B");
  add(2, VoidRow::Action::kVoid, "A");
  add(3, VoidRow::Action::kUnvoid, "A");
  store(std::move(commit));
  EXPECT_EQ(exported(export_voids),
            "A,2024-08-08T23:54:00.000Z,7,void,\"bad, print\",1970-01-01T00:00:02.000000000Z\n"
            "A,2024-08-08T23:54:00.000Z,7,unvoid,\"bad, print\",1970-01-01T00:00:03.000000000Z\n"
            "B,2024-08-08T23:54:00.000Z,7,void,\"bad, print\",1970-01-01T00:00:01.000000000Z\n");
  selection.symbols = {"B"};
  EXPECT_EQ(std::ranges::count(exported(export_voids), '\n'), 1);
  selection.from_ms = kStartMs + 1;
  EXPECT_EQ(exported(export_voids), "");
}

TEST_F(ExportsTest, TradesAreSelectedByEventTimeHalfOpen) {
  Commit commit;
  commit.symbols = {{"A", 0}};
  for (const std::int64_t time_ms : {kStartMs - 1, kStartMs, kStartMs + 1}) {
    Trade trade;
    trade.symbol = "A";
    trade.event_time_ms = time_ms;
    trade.seq = 1;
    commit.add_tick(trade, "A", 0, {});
  }
  store(std::move(commit));
  EXPECT_EQ(std::ranges::count(exported(export_trades), '\n'), 3);
  selection.from_ms = kStartMs;
  selection.to_ms = kStartMs + 1;
  const std::string text = exported(export_trades);
  EXPECT_EQ(std::ranges::count(text, '\n'), 1);
  EXPECT_NE(text.find("23:54:00.000Z"), std::string::npos);
}

TEST_F(ExportsTest, AGapOfAllSymbolsIsListedForEachOfItsPartition) {
  Commit commit;
  commit.symbols = {{"A", 0}, {"B", 0}, {"C", 1}};
  const auto span = [](std::int32_t partition, std::int64_t offset, SpanRow::Kind kind, std::string symbol,
                       std::int64_t from_ms, std::int64_t to_ms, std::string reason) {
    return SpanRow{partition, offset, 0, kind, std::move(symbol), from_ms, to_ms, std::move(reason)};
  };
  commit.spans = {
      span(0, 5, SpanRow::Kind::kGap, "", kStartMs, kStartMs + 1'000, "lost"),
      span(0, 6, SpanRow::Kind::kFilled, "A", kStartMs - 500, kStartMs + 400, ""),
      span(0, 7, SpanRow::Kind::kFilled, "A", kStartMs + 400, kStartMs + 1'000, ""),
      span(0, 8, SpanRow::Kind::kFilled, "B", kStartMs, kStartMs + 999, ""),
      span(0, 4, SpanRow::Kind::kUnsubscribed, "A", kStartMs, kStartMs + 1, ""),
      span(1, 9, SpanRow::Kind::kGap, "C", kStartMs + 2'000, kStartMs + 3'000, "late"),
      span(1, 8, SpanRow::Kind::kGap, "C", kStartMs, kStartMs + 1, "early"),
  };
  store(std::move(commit));
  EXPECT_EQ(exported(export_gaps),
            "A,2024-08-08T23:54:00.000Z,2024-08-08T23:54:01.000Z,lost,true\n"
            "B,2024-08-08T23:54:00.000Z,2024-08-08T23:54:01.000Z,lost,false\n"
            "C,2024-08-08T23:54:00.000Z,2024-08-08T23:54:00.001Z,early,false\n"
            "C,2024-08-08T23:54:02.000Z,2024-08-08T23:54:03.000Z,late,false\n");
  selection.from_ms = kStartMs + 1;
  EXPECT_EQ(std::ranges::count(exported(export_gaps), '\n'), 1);
}

TEST_F(ExportsTest, AFullDeviceIsAnError) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP();
  Commit commit;
  commit.symbols = {{"A", 0}};
  commit.bars = {row_of("A", Interval::k1m, kStartMs)};
  store(std::move(commit));
  auto output = Output::open("/dev/full");
  ASSERT_TRUE(output);
  const auto rows = export_bars(memory, selection, *output);
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code, ErrorCode::kDiskFull);
}

TEST_F(ExportsTest, AFileInAMissingDirectoryIsAnError) {
  const auto output = Output::open((directory.path() / "none" / "out.csv").string());
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace finpipe
