// A processor that was replaced goes on writing for a while: what it writes after its successor changes no row.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "cassandra_server.h"
#include "store_contract.h"

namespace finpipe {
namespace {

using cassandra_test::write;
using contract::log_id_of;
using contract::make_bar;
using contract::make_tick;
using contract::OwnedTick;

// Everything one owner writes of one bar's life: the bar at `version`, its revision, a tick and a checkpoint.
Commit commit_of(std::int64_t version, std::int64_t generation, std::int64_t offset, const OwnedTick& tick) {
  Commit commit;
  commit.generation = generation;
  commit.add_tick(tick.trade, tick.symbol, tick.offset, tick.log_id);
  commit.bars = {make_bar("A", Interval::k1m, 60'000, version, generation)};
  commit.revisions = commit.bars;
  commit.checkpoints = {{0, generation, offset, "checkpoint at " + std::to_string(offset)}};
  return commit;
}

// All rows of all replicas, as they are, with the times of their writes.
std::string everything() {
  std::string all;
  for (const char* select :
       {"SELECT JSON symbol, event_time, seq, price, log_offset, log_id, writetime(price) FROM ticks",
        "SELECT JSON start, version, generation, trades, state_row, writetime(trades) FROM bars",
        "SELECT JSON start, version, generation, trades, state_row, writetime(trades) FROM bar_revisions",
        "SELECT JSON partition, generation, log_offset, body, writetime(body) FROM checkpoints"}) {
    all += cassandra_test::all_cells(select) + '\n';
  }
  return all;
}

class OldOwner : public testing::Test {
 protected:
  OldOwner() {
    cassandra_test::empty_tables();
    old_owner_ = cassandra_test::open_store();
    new_owner_ = cassandra_test::open_store();
  }

  std::unique_ptr<CassandraStore> old_owner_, new_owner_;
};

TEST_F(OldOwner, OfTheSameGenerationChangesNothing) {
  const OwnedTick tick = make_tick("A", 61'000, 7, 100);
  write(*new_owner_, commit_of(12, 3, 500, tick));
  const std::string before = everything();
  for (const std::int64_t version : {1, 11, 12}) {
    Commit late = commit_of(version, 3, 400 + version, tick);
    late.revisions = {};  // of another version they are other rows
    write(*old_owner_, std::move(late));
    EXPECT_EQ(everything(), before) << "version " << version;
  }
}

TEST_F(OldOwner, OfAnOlderGenerationChangesNothing) {
  OwnedTick tick = make_tick("A", 61'000, 7, 100);
  tick.offset = 10;
  write(*new_owner_, commit_of(1, 4, 5, tick));
  const std::string before = everything();
  tick.log_id = log_id_of(0xF0);  // of the log before
  tick.offset = 99;
  tick.trade.price_e9 = 900;
  Commit late = commit_of(59'000'000, 3, 1'000'000'000, tick);
  late.revisions = {};
  write(*old_owner_, std::move(late));
  EXPECT_EQ(everything(), before);
}

TEST_F(OldOwner, WindowThatChangedAsOftenAsItCanGivesWayToTheNextGenerationAndNotToMore) {
  const OwnedTick tick = make_tick("A", 61'000, 7);
  write(*old_owner_, commit_of(59'999'999, 3, 1, tick));
  write(*new_owner_, commit_of(1, 4, 1, tick));
  EXPECT_NE(everything().find("\"version\": 1,"), std::string::npos);
  (void)old_owner_->submit(commit_of(60'000'000, 3, 1, tick));
  const auto done = old_owner_->poll();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kStoreRefused);
}

}  // namespace
}  // namespace finpipe
