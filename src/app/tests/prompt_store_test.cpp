#include "app/prompt_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "app/parts.h"
#include "app/tests/away_store.h"

namespace finpipe {
namespace {

constexpr std::string_view kSymbol = "BINANCE:BTCUSDT";

class PromptStoreTest : public testing::Test {
 protected:
  PromptStoreTest() {
    Commit commit;
    commit.symbols.push_back({.symbol = std::string(kSymbol)});
    for (const std::int64_t start_ms : {0, 60'000, 120'000}) {
      BarRow row;
      row.key = {std::string(kSymbol), Interval::k1m, start_ms};
      commit.bars.push_back(row);
    }
    static_cast<void>(store.submit(std::move(commit)));
    EXPECT_TRUE(store.poll());
  }
  template <typename T>
  static void expect_unreachable(const Result<T>& result) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kStoreUnreachable);
    EXPECT_EQ(result.error().detail, "0 of 3 nodes answer");
  }

  SystemClock clock;
  AwayStore store;
};

TEST_F(PromptStoreTest, RowsComeInOrderAndAVisitorMayStopAndMayAsk) {
  PromptQuery query(store, store, clock, 0);
  std::vector<std::int64_t> starts;
  ASSERT_TRUE(query.bars(
      {kSymbol, Interval::k1m},
      [&](const BarRow& row) {
        starts.push_back(row.key.start_ms);
        EXPECT_EQ(query.symbols()->size(), 1U);
        return starts.size() < 2;
      },
      Order::kDescending));
  EXPECT_EQ(starts, (std::vector<std::int64_t>{120'000, 60'000}));
}

TEST_F(PromptStoreTest, WhileTheStoreIsAwayEverythingIsAnsweredWithTheReason) {
  PromptQuery query(store, store, clock, 0);
  store.go_away();
  expect_unreachable(query.symbols());
  expect_unreachable(query.bars({kSymbol, Interval::k1m}, [](const BarRow&) { return true; }));
  store.come_back();
  EXPECT_EQ(query.symbols()->size(), 1U);
}

TEST_F(PromptStoreTest, WhatWasAskedBeforeIsAnsweredTooAndItsVisitorLeftAlone) {
  PromptQuery query(store, store, clock, 0);
  int rows = 0;
  expect_unreachable(query.bars({kSymbol, Interval::k1m}, [&](const BarRow&) {
    store.go_away();
    return ++rows > 0;
  }));
  store.come_back();
  EXPECT_EQ(query.symbols()->size(), 1U);  // the thread has ended the other one
  EXPECT_EQ(rows, 1);
}

TEST_F(PromptStoreTest, APatientOneWaitsForTheStore) {
  PromptQuery query(store, store, clock, 600'000);
  store.go_away();
  std::thread helper([&] {
    while (store.waiting() == 0) std::this_thread::yield();
    store.come_back();
  });
  EXPECT_EQ(query.symbols()->size(), 1U);
  helper.join();
}

TEST_F(PromptStoreTest, TheEndDoesNotWaitForTheStore) {
  {
    PromptQuery query(store, store, clock, 50);
    store.go_away();
    expect_unreachable(query.symbols());
    EXPECT_EQ(store.waiting(), 1);
  }
  EXPECT_TRUE(store.interrupted());
}

TEST_F(PromptStoreTest, ACommandThatPollsUntilItIsDoneEnds) {
  PromptStore prompt(store, clock, 0);
  store.go_away_at_submit();
  const auto ticket = prompt.submit(Commit());
  expect_unreachable(prompt.poll());
  store.come_back();
  EXPECT_EQ(*prompt.poll(), ticket);
}

TEST_F(PromptStoreTest, ARemotePartReadsPromptlyAndStoresAsItsCommandNeeds) {
  auto opened = std::make_unique<AwayStore>();
  AwayStore& away = *opened;
  StorePart part = StorePart::remote(std::move(opened), true);
  EXPECT_EQ(&part.store(), &away);
  EXPECT_NE(&part.query(), static_cast<Query*>(&away));
  EXPECT_EQ(part.statistics()->nodes_up, 2);
  StorePart command = StorePart::remote(std::make_unique<AwayStore>(), false);
  EXPECT_NE(dynamic_cast<PromptStore*>(&command.store()), nullptr);
  EXPECT_TRUE(command.query().symbols());
  EXPECT_FALSE(StorePart(std::make_unique<MemoryStore>()).statistics());
}

}  // namespace
}  // namespace finpipe
