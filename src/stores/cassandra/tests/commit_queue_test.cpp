// Commits on a link that a test answers for: steps, batches, retries, and how many requests are under way.
#include "stores/cassandra/commit_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace finpipe::cql {
namespace {

struct Request {
  Statement statement;
  std::uint32_t rows;
  std::string cells;
  std::uint64_t tag;
};

class ScriptedLink final : public Link {
 public:
  void write(Statement statement, std::uint32_t rows, std::string_view cells, std::uint64_t tag) override {
    requests.push_back({statement, rows, std::string(cells), tag});
  }
  void select(Statement, std::string_view, std::int32_t, std::string_view, std::uint64_t) override {}
  std::vector<Answer> receive(std::uint32_t) override { return std::exchange(answers, {}); }

  void answer(const Request& request, fp_cql_status status = FP_CQL_OK) {
    answers.push_back({request.tag, status, status == FP_CQL_OK ? "" : "told", {}});
  }
  // Answers all that was sent since the last call.
  std::vector<Request> answer_all(fp_cql_status status = FP_CQL_OK) {
    std::vector<Request> sent = std::exchange(requests, {});
    for (const Request& request : sent) answer(request, status);
    return sent;
  }

  std::vector<Request> requests;
  std::vector<Answer> answers;
};

class Commits : public testing::Test {
 protected:
  Store::Ticket poll() {
    const auto done = queue_.poll();
    EXPECT_TRUE(done) << done.error().message();
    return done.value_or(-1);
  }
  void answer_rounds(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      (void)poll();
      (void)link_.answer_all();
    }
  }
  std::size_t sent(Statement statement) const {
    return static_cast<std::size_t>(std::ranges::count(link_.requests, statement, &Request::statement));
  }
  static Commit commit_of(std::int64_t offset) {
    Commit commit;
    Trade trade;
    trade.event_time_ms = offset;
    commit.add_tick(trade, "A", offset, {});
    commit.bars.push_back({{"A", Interval::k1m, 0}, {}}).bar.version = offset;
    commit.checkpoints = {{0, 0, offset, "not one"}};
    return commit;
  }

  // Then a commit_of is one request a step: two fit into the least window.
  void list_places() {
    (void)queue_.submit(commit_of(0));
    answer_rounds(10);
    EXPECT_EQ(poll(), 1);
  }

  ManualClock clock_{0};
  ScriptedLink link_;
  Trouble trouble_;
  CommitQueue queue_{link_, clock_, trouble_};
};

TEST_F(Commits, NothingIsSentBeforeAPoll) {
  (void)queue_.submit(commit_of(1));
  EXPECT_TRUE(link_.requests.empty());
  (void)poll();
  EXPECT_FALSE(link_.requests.empty());
}

TEST_F(Commits, BarsFollowTradesAndTheCheckpointFollowsBars) {
  list_places();
  Commit commit = commit_of(1);
  for (std::int64_t i = 0; i < 50; ++i) commit.add_tick(Trade(), "A", i, {});  // too many for one request
  const Store::Ticket ticket = queue_.submit(std::move(commit));
  EXPECT_LT(poll(), ticket);
  EXPECT_EQ(sent(Statement::kPutTick), 2U);
  EXPECT_EQ(link_.requests.size(), 2U);
  const Request held = link_.requests.back();
  link_.requests.pop_back();
  (void)link_.answer_all();
  EXPECT_LT(poll(), ticket);
  EXPECT_TRUE(link_.requests.empty()) << "one of the first step is still open";
  link_.answer(held);
  (void)poll();
  EXPECT_EQ(sent(Statement::kPutBar), 1U);
  EXPECT_EQ(link_.requests.size(), 1U);
  (void)link_.answer_all();
  EXPECT_LT(poll(), ticket);
  EXPECT_EQ(sent(Statement::kPutCheckpoint), 1U);
  (void)link_.answer_all();
  EXPECT_EQ(poll(), ticket);
}

TEST_F(Commits, CheckpointWaitsForTheCommitsBeforeItsOwn) {
  list_places();
  (void)queue_.submit(commit_of(1));
  const Store::Ticket second = queue_.submit(commit_of(2));
  (void)poll();
  EXPECT_EQ(sent(Statement::kPutTick), 2U) << "the steps of two commits overlap";
  const Request held = link_.requests.front();
  link_.requests.erase(link_.requests.begin());
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(sent(Statement::kPutCheckpoint), 0U);
    (void)link_.answer_all();
    EXPECT_LT(poll(), second - 1);
  }
  link_.answer(held);
  for (int round = 0; round < 4; ++round) {
    (void)poll();
    EXPECT_LE(sent(Statement::kPutCheckpoint), 1U);
    (void)link_.answer_all();
  }
  (void)poll();
  (void)link_.answer_all();
  EXPECT_EQ(poll(), second);
}

// Else a crash could leave a row that says it is closed without the revision that says so.
TEST_F(Commits, BarsWaitForTheFirstStepOfTheCommitsBefore) {
  list_places();
  (void)queue_.submit(commit_of(1));
  (void)queue_.submit(commit_of(2));
  (void)poll();
  const Request held = link_.requests.front();
  link_.requests.erase(link_.requests.begin());
  (void)link_.answer_all();
  (void)poll();
  EXPECT_TRUE(link_.requests.empty()) << "the first commit's first step is still open";
  link_.answer(held);
  (void)poll();
  EXPECT_EQ(sent(Statement::kPutBar), 2U);
}

TEST_F(Commits, RowsOfOnePartitionTravelTogetherAndNotTooMany) {
  Commit commit;
  for (std::int64_t i = 0; i < 120; ++i) {
    Trade trade;
    trade.event_time_ms = i;
    commit.add_tick(trade, "A", i, {});
    trade.event_time_ms = i + kTickBucketMs;
    commit.add_tick(trade, "A", i, {});
  }
  (void)queue_.submit(commit);
  std::vector<std::uint32_t> rows;
  while (poll() == 0) {
    for (const Request& request : link_.answer_all()) {
      if (request.statement == Statement::kPutTick) rows.push_back(request.rows);
    }
  }
  EXPECT_EQ(rows, (std::vector<std::uint32_t>{50, 50, 50, 50, 20, 20}));
}

TEST_F(Commits, BucketIsListedOnceAndAfterOthersAgain) {
  const auto listed = [&](std::int64_t event_time_ms) {
    Commit commit;
    Trade trade;
    trade.event_time_ms = event_time_ms;
    commit.add_tick(trade, "A", 1, {});
    (void)queue_.submit(commit);
    (void)poll();
    const std::size_t count = sent(Statement::kPutTickBucket);
    (void)link_.answer_all();
    (void)poll();
    return count;
  };
  EXPECT_EQ(listed(0), 1U);
  EXPECT_EQ(listed(1), 0U);
  for (std::int64_t bucket = 1; bucket <= 4; ++bucket) EXPECT_EQ(listed(bucket * kTickBucketMs), 1U);
  EXPECT_EQ(listed(0), 1U) << "forgotten";
}

TEST_F(Commits, WhatFailsForATimeIsSentAgainAsItWas) {
  list_places();
  const Store::Ticket ticket = queue_.submit(commit_of(1));
  (void)poll();
  const Request tick = *std::ranges::find(link_.requests, Statement::kPutTick, &Request::statement);
  std::vector<Request> others = std::exchange(link_.requests, {});
  for (const Request& request : others) {
    link_.answer(request, request.tag == tick.tag ? FP_CQL_TIMEOUT : FP_CQL_OK);
  }
  for (const auto status : {FP_CQL_TIMEOUT, FP_CQL_UNREACHABLE, FP_CQL_UNAVAILABLE, FP_CQL_OVERLOADED, FP_CQL_FAILED}) {
    (void)poll();
    EXPECT_TRUE(link_.requests.empty()) << "not at once";
    clock_.advance_ns(2 * kNsPerSecond);
    (void)poll();
    ASSERT_EQ(link_.requests.size(), 1U);
    EXPECT_EQ(link_.requests.front().cells, tick.cells);
    (void)link_.answer_all(status);
  }
  (void)poll();
  clock_.advance_ns(2 * kNsPerSecond);
  for (int round = 0; round < 4; ++round) {
    (void)poll();
    (void)link_.answer_all();
  }
  EXPECT_EQ(poll(), ticket);
  EXPECT_EQ(queue_.statistics().retries, 6);
  EXPECT_EQ(queue_.statistics().timeouts, 2);
  EXPECT_EQ(queue_.statistics().overloads, 1);
}

TEST_F(Commits, WhatWillNotPassStopsTheStore) {
  (void)queue_.submit(commit_of(1));
  (void)poll();
  (void)link_.answer_all(FP_CQL_UNAUTHORIZED);
  const auto done = queue_.poll();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kNoPermission);
  EXPECT_FALSE(queue_.poll()) << "for good";
}

Commit commit_of_requests(std::int64_t count) {
  Commit commit;
  for (std::int64_t i = 0; i < count; ++i) {
    Trade trade;
    trade.event_time_ms = i * kTickBucketMs;
    commit.add_tick(trade, "A", i, {});
  }
  return commit;
}

TEST_F(Commits, WindowGrowsOnlyWhileCommitsWait) {
  (void)queue_.submit(commit_of_requests(1'000));
  answer_rounds(50);
  EXPECT_EQ(queue_.statistics().window, 2);
  const Store::Ticket last = queue_.submit(commit_of_requests(1));
  answer_rounds(20);
  EXPECT_GE(queue_.statistics().window, 20);
  answer_rounds(100);
  EXPECT_EQ(poll(), last);
  EXPECT_EQ(queue_.statistics().window, 2);
}

TEST_F(Commits, WindowShrinksWhenTheClusterIsLateAndGrowsSlowly) {
  (void)queue_.submit(commit_of_requests(5'000));
  (void)queue_.submit(commit_of_requests(1));
  answer_rounds(10);
  (void)poll();
  const std::int64_t window = queue_.statistics().window;
  EXPECT_GE(window, 10);
  EXPECT_EQ(link_.requests.size(), static_cast<std::size_t>(window));
  clock_.advance_ns(kNsPerSecond);
  (void)link_.answer_all(FP_CQL_TIMEOUT);
  (void)poll();
  EXPECT_EQ(queue_.statistics().window, window / 2) << "one jam counts once";
  for (int jam = 0; jam < 10; ++jam) {
    clock_.advance_ns(3 * kNsPerSecond);
    (void)poll();
    (void)link_.answer_all(FP_CQL_OVERLOADED);
    (void)poll();
  }
  EXPECT_EQ(queue_.statistics().window, 2);
  std::int64_t largest = 0;
  for (int round = 0; round < 60; ++round) {
    clock_.advance_ns(3 * kNsPerSecond);
    (void)poll();
    largest = std::max(largest, queue_.statistics().in_flight);
    EXPECT_LE(queue_.statistics().in_flight, queue_.statistics().window);
    (void)link_.answer_all();
  }
  EXPECT_GT(largest, 30);
  EXPECT_LT(largest, 70) << "at most one more in a round trip";
}

TEST_F(Commits, SilenceOfTwoSecondsIsTroubleAndAnAnswerEndsIt) {
  (void)queue_.submit(commit_of(1));
  (void)poll();
  EXPECT_FALSE(trouble_.text());
  clock_.advance_ns(1'999 * kNsPerMs);
  (void)poll();
  EXPECT_FALSE(trouble_.text());
  clock_.advance_ns(kNsPerMs);
  (void)poll();
  EXPECT_EQ(trouble_.text(), "Cassandra: no answer yet");
  (void)link_.answer_all(FP_CQL_UNREACHABLE);
  (void)poll();
  EXPECT_EQ(trouble_.text(), "Cassandra: told");
  clock_.advance_ns(2 * kNsPerSecond);
  (void)poll();
  (void)link_.answer_all();
  (void)poll();
  EXPECT_FALSE(trouble_.text());
}

TEST_F(Commits, WhoHasNoPatienceGivesUpAndSaysWhy) {
  CommitQueue queue{link_, clock_, trouble_, 30'000};
  (void)queue.submit(commit_of(1));
  ASSERT_TRUE(queue.poll());
  (void)link_.answer_all(FP_CQL_UNAVAILABLE);
  clock_.advance_ns(29'999 * kNsPerMs);
  ASSERT_TRUE(queue.poll());
  clock_.advance_ns(kNsPerMs);
  const auto done = queue.poll();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kStoreUnreachable);
  EXPECT_NE(done.error().detail.find("told"), std::string::npos);
}

}  // namespace
}  // namespace finpipe::cql
