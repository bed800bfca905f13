#include "app/follower_store.h"

#include <gtest/gtest.h>

#include <array>
#include <utility>

#include "stores/memory_store.h"

namespace finpipe {
namespace {

class Follower : public testing::Test {
 protected:
  static Commit commit_at(std::int32_t partition, std::int64_t offset, std::int64_t generation = 1) {
    Commit commit;
    commit.bars = {BarRow{{"A", Interval::k1m, 60'000}, {}}};
    commit.checkpoints = {{partition, generation, offset, "body"}};
    return commit;
  }
  void others_store(Commit commit) {
    commit.bars = {};
    const Store::Ticket ticket = store_.submit(std::move(commit));
    EXPECT_GE(store_.poll().value_or(-1), ticket);
  }
  Store::Ticket poll() {
    clock_.advance_ns(kNsPerSecond);
    const auto done = follower_.poll();
    EXPECT_TRUE(done) << done.error().message();
    return done.value_or(-1);
  }

  ManualClock clock_{0};
  MemoryStore store_;
  FollowerStore follower_{store_, clock_};
};

TEST_F(Follower, ACommitIsDoneOnceTheCheckpointOfOthersIsAsFarAndStoresNothing) {
  const Store::Ticket first = follower_.submit(commit_at(0, 100));
  const Store::Ticket second = follower_.submit(commit_at(0, 200));
  EXPECT_EQ(poll(), 0);
  others_store(commit_at(0, 99));
  EXPECT_EQ(poll(), 0);
  others_store(commit_at(0, 150));
  EXPECT_EQ(poll(), first);
  others_store(commit_at(0, 200));
  EXPECT_EQ(poll(), second);
  EXPECT_TRUE(store_.load_bars(std::array{BarRange{"A", Interval::k1m}}).value().empty());
}

TEST_F(Follower, EachPartitionWaitsForItsOwnCheckpoint) {
  const Store::Ticket ticket = follower_.submit(commit_at(1, 10));
  others_store(commit_at(0, 50));
  EXPECT_LT(poll(), ticket);
  others_store(commit_at(1, 10));
  EXPECT_EQ(poll(), ticket);
}

TEST_F(Follower, DoesNotAskTheStoreAtEveryPoll) {
  const Store::Ticket ticket = follower_.submit(commit_at(0, 10));
  EXPECT_EQ(poll(), 0);
  others_store(commit_at(0, 10));
  EXPECT_EQ(follower_.poll().value_or(-1), 0);
  EXPECT_EQ(poll(), ticket);
}

TEST_F(Follower, ANewGenerationEndsIt) {
  (void)follower_.submit(commit_at(0, 10));
  others_store(commit_at(0, 5, 2));
  clock_.advance_ns(kNsPerSecond);
  const auto done = follower_.poll();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCheckpointMismatch);
}

}  // namespace
}  // namespace finpipe
