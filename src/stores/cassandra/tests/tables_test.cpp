#include "stores/cassandra/tables.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/time.h"
#include "stores/cassandra/init_cql.h"
#include "stores/cassandra/schema.h"

namespace finpipe::cql {
namespace {

constexpr std::int64_t kSmallest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMoment = 1'764'167'400'123;  // 2025-11-26T14:30:00.123Z

TEST(Tables, StatementsStandUnderTheirNames) {
  for (std::size_t i = 0; i < kStatementCount; ++i) {
    const auto& [statement, text] = statement_table()[i];
    EXPECT_EQ(static_cast<std::size_t>(statement), i) << text;
    EXPECT_EQ(text.starts_with("INSERT"), is_write(statement)) << text;
    EXPECT_EQ(text.find("ALLOW FILTERING"), std::string_view::npos);
    EXPECT_EQ(text.find("DELETE"), std::string_view::npos);
  }
}

TEST(Tables, BucketsAreTextsOfDates) {
  EXPECT_EQ(bar_bucket(Interval::k1s, kMoment), "2025-11-26");
  EXPECT_EQ(bar_bucket(Interval::k1m, kMoment), "2025-11");
  EXPECT_EQ(bar_bucket(Interval::k15m, kMoment), "2025-11");
  EXPECT_EQ(bar_bucket(Interval::k1h, kMoment), "2025");
  EXPECT_EQ(bar_bucket(Interval::k1d, kMoment), "2025");
  EXPECT_EQ(day_of(-1), "1969-12-31");
  EXPECT_LT(bar_bucket(Interval::k1m, kSmallest), bar_bucket(Interval::k1m, -kMsPerDay));
  EXPECT_GT(bar_bucket(Interval::k1m, kLargest), bar_bucket(Interval::k1m, kMaxTimeMs));
  EXPECT_EQ(tick_bucket(kMoment), kMoment - 123);
  EXPECT_EQ(tick_bucket(-1), -kTickBucketMs);
  EXPECT_LE(tick_bucket(kSmallest), tick_bucket(kSmallest + 2 * kTickBucketMs));
}

TEST(Tables, TimestampOfABarRisesWithItsVersionAndItsGenerationIsAboveAllVersionsBefore) {
  BarRow row{{"A", Interval::k1s, kMoment}, {}};
  row.bar.version = 1;
  const std::int64_t first = bar_timestamp_us(row);
  EXPECT_EQ(first, kMoment * 1'000 + 1);
  row.bar.version = max_version(Interval::k1s);
  const std::int64_t last = bar_timestamp_us(row);
  EXPECT_GT(last, first);
  row.bar = Bar();
  row.bar.generation = 1;
  row.bar.version = 1;
  EXPECT_GT(bar_timestamp_us(row), last);
  EXPECT_EQ(max_version(Interval::k1s), 999'999);
}

TEST(Tables, TimestampOfATickAndOfACheckpointRiseWithTheGeneration) {
  Tick tick;
  tick.trade.received_at_ns = 1'764'167'400'123'456'789;
  EXPECT_EQ(tick_timestamp_us(tick, 0), 1'764'167'400'123'456);
  EXPECT_EQ(tick_timestamp_us(tick, 2), 1'764'167'400'123'456 + 600'000'000);
  EXPECT_EQ(checkpoint_timestamp_us({0, 3, 17, ""}), (std::int64_t{3} << 48) + 17);
}

TEST(Tables, BarWhoseColumnsWereChangedIsCorrupt) {
  BarRow row{{"A", Interval::k1m, 60'000}, {}};
  row.bar.first = row.bar.last = {60'001, 5, 1'500'000'000};
  row.bar.high_e9 = row.bar.low_e9 = 1'500'000'000;
  row.bar.has_high_low = true;
  row.bar.volume_e8 = row.bar.vwap_volume_e8 = 200'000'000;
  row.bar.notional_e17 = static_cast<int128>(1'500'000'000) * 200'000'000;
  row.bar.trades = 1;
  row.bar.version = 1;
  CellWriter written;
  put_bar(row, written);
  // As a SELECT gives it: without symbol, interval and bucket, and without the timestamp.
  CellReader key(written.bytes());
  const std::size_t skipped = key.take(3).size();
  const std::string selected = written.bytes().substr(skipped, written.size() - skipped - 12);
  BarRow read;
  CellReader cells(selected);
  ASSERT_TRUE(read_bar("A", Interval::k1m, cells, read));
  EXPECT_EQ(read, row);
  CellReader parts(selected);
  std::string state(parts.take(1));  // start
  (void)parts.take(16);
  state += parts.take(1);
  CellReader state_cells(state);
  BarRow from_state;
  ASSERT_TRUE(read_bar_state("A", Interval::k1m, state_cells, from_state));
  EXPECT_EQ(from_state, row);

  int found = 0;
  for (std::size_t at = 12; at < selected.size(); ++at) {
    std::string damaged = selected;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    CellReader changed(damaged);
    BarRow other;
    const auto result = read_bar("A", Interval::k1m, changed, other);
    if (result) {
      EXPECT_NE(other.bar, row.bar) << "byte " << at << " means nothing";
      continue;
    }
    ++found;
    EXPECT_EQ(result.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(result.error().detail.find("bar A 1m 1970-01-01T00:01:00.000Z"), std::string::npos);
  }
  EXPECT_GT(found, 100);
}

TEST(Tables, EveryColumnOfAStatementIsInTheTablesThatAreMade) {
  std::string all;
  const auto statements = statements_of(init_cql());
  for (const std::string& statement : statements) all += statement + '\n';
  EXPECT_EQ(std::ranges::count_if(statements, [](const auto& text) { return text.starts_with("CREATE TABLE"); }), 15);
  EXPECT_EQ(all.find("--"), std::string::npos);
  for (const auto& [statement, text] : statement_table()) {
    if (!is_write(statement)) continue;
    const std::size_t name = std::string_view("INSERT INTO ").size();
    const std::string table = std::string(text.substr(name, text.find(' ', name) - name));
    const std::size_t from = all.find("CREATE TABLE IF NOT EXISTS " + table + " (");
    ASSERT_NE(from, std::string::npos) << table;
    const std::string made = all.substr(from, all.find("PRIMARY KEY", from) - from);
    std::string_view columns = text.substr(text.find('(') + 1);
    columns = columns.substr(0, columns.find(')'));
    while (!columns.empty()) {
      const std::string column(columns.substr(0, columns.find(',')));
      columns.remove_prefix(std::min(column.size() + 2, columns.size()));
      EXPECT_NE(made.find(column + ' '), std::string::npos) << table << '.' << column;
    }
  }
}

TEST(Schema, ReplicationIsReadAndMistakesAreNamed) {
  EXPECT_EQ(parse_replication("3").value(), (Replication{{"", 3}}));
  EXPECT_EQ(parse_replication("dc1:3,dc-2:1").value(), (Replication{{"dc1", 3}, {"dc-2", 1}}));
  for (const char* bad :
       {"", "0", "-1", "dc1", "dc1:", "dc1:0", ":3", "dc1:3,dc1:2", "dc'1:3", "3 ", "3,", "dc1:3,", "dc1:3,,dc2:3"}) {
    const auto result = parse_replication(bad);
    ASSERT_FALSE(result) << bad;
    EXPECT_EQ(result.error().code, ErrorCode::kBadSetting);
  }
}

TEST(Schema, ReadsMustMeetWhatWasWritten) {
  using enum CassandraConsistency;
  const auto holds = [](const Replication& replication, CassandraConsistency read, CassandraConsistency write,
                        const std::string& datacenter = "") {
    return check_overlap(replication, datacenter, read, write).has_value();
  };
  const Replication one{{"", 1}}, three{{"", 3}}, two_centers{{"a", 3}, {"b", 3}};
  EXPECT_TRUE(holds(one, kOne, kOne));
  EXPECT_TRUE(holds(three, kLocalQuorum, kLocalQuorum));
  EXPECT_TRUE(holds(three, kQuorum, kLocalQuorum));
  EXPECT_TRUE(holds(three, kOne, kAll));
  EXPECT_TRUE(holds(three, kTwo, kTwo));
  EXPECT_FALSE(holds(three, kOne, kQuorum));
  EXPECT_FALSE(holds(three, kLocalOne, kLocalQuorum));
  EXPECT_FALSE(holds({{"", 2}}, kOne, kOne));
  EXPECT_TRUE(holds({{"", 2}}, kQuorum, kQuorum));
  EXPECT_TRUE(holds(two_centers, kLocalQuorum, kLocalQuorum, "a"));
  EXPECT_FALSE(holds(two_centers, kLocalQuorum, kLocalQuorum)) << "which center is not said";
  EXPECT_FALSE(holds(two_centers, kLocalQuorum, kLocalQuorum, "c"));
  EXPECT_TRUE(holds(two_centers, kQuorum, kQuorum));
  EXPECT_TRUE(holds(two_centers, kLocalQuorum, kEachQuorum, "a"));
  EXPECT_FALSE(holds(two_centers, kQuorum, kLocalQuorum, "a")) << "4 + 2 of 6, which may miss each other";
  EXPECT_FALSE(holds(two_centers, kLocalQuorum, kQuorum, "a")) << "of the four written three may be in b";
}

TEST(Schema, WindowsOfCompactionAreSomeTens) {
  EXPECT_EQ(compaction_window_hours(0), 168);
  EXPECT_EQ(compaction_window_hours(1), 1);
  EXPECT_EQ(compaction_window_hours(30), 24);
  EXPECT_EQ(compaction_window_hours(3'650), 168);
}

}  // namespace
}  // namespace finpipe::cql
