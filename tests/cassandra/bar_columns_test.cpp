// A column of a bar that somebody changed by hand.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <utility>
#include <vector>

#include "cassandra_server.h"
#include "store_contract.h"

namespace finpipe {
namespace {

TEST(BarColumns, AreComparedWithTheStateUnlessSpeedIsAskedFor) {
  cassandra_test::empty_tables();
  const std::vector bars = {contract::make_bar("A", Interval::k1m, 60'000, 3, 1),
                            contract::make_bar("A", Interval::k1s, 60'000, 3, 1)};
  Commit commit;
  commit.bars = bars;
  cassandra_test::write(*cassandra_test::open_store(), std::move(commit));
  constexpr std::string_view kChange =
      "UPDATE {} USING TIMESTAMP 4000000000000000 SET trades = 987654 "
      "WHERE symbol = 'A' AND interval = '{}' AND bucket = '{}' AND start = 60000";
  (void)cassandra_test::all_cells(fmt::format(kChange, "bars", "1m", "1970-01"));
  (void)cassandra_test::all_cells(fmt::format(kChange, "bars_1s", "1s", "1970-01-01"));

  CassandraOptions options = cassandra_test::server();
  for (const bool check : {true, false}) {
    options.check_bar_columns = check;
    const auto store = cassandra_test::open_store(options);
    for (const BarRow& row : bars) {
      const BarRange range{"A", row.key.interval, 0, 120'000};
      for (const Order order : {Order::kAscending, Order::kDescending}) {
        std::vector<BarRow> rows;
        const auto keep = [&](const BarRow& bar) {
          rows.push_back(bar);
          return true;
        };
        const auto done = store->bars(range, keep, order);
        EXPECT_EQ(done.has_value(), !check);
        EXPECT_TRUE(done || done.error().code == ErrorCode::kCorrupt);
        EXPECT_EQ(rows, check ? std::vector<BarRow>() : std::vector{row});
      }
      EXPECT_FALSE(store->load_bars(std::array{range})) << "a processor builds on it";
    }
  }
}

}  // namespace
}  // namespace finpipe
