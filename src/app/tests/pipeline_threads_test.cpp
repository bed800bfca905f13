#include "app/pipeline_threads.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/follower_store.h"
#include "app/server_trouble.h"
#include "app/tests/away_store.h"
#include "app/tests/temp_directory.h"
#include "codec/policy_file.h"
#include "feeds/tape.h"
#include "logs/embedded_log.h"

namespace finpipe {
namespace {

constexpr int kFrames = 200;

// A tape of real trades, a log in a directory, and a store that can be away.
class StoreAwayTest : public testing::Test {
 protected:
  StoreAwayTest() {
    std::ifstream whole(FINPIPE_SOURCE_DIR "/data/binance.tape");
    std::string text;
    std::string line;
    for (int i = 0; i < kFrames && std::getline(whole, line); ++i) text += line + "\n";
    directory.write("a.tape", text);
    log = *EmbeddedLog::open((directory.path() / "log").string(), {});
  }

  struct Parts {
    std::unique_ptr<TapeFeed> feed;
    std::unique_ptr<LogReader> tail, reader;
    std::unique_ptr<DeadLetters> letters, later_letters;
    std::unique_ptr<Ingest> ingest;
    std::unique_ptr<Processor> processor;
  };
  Parts parts(Store& into) {
    Parts made;
    made.feed = *TapeFeed::open((directory.path() / "a.tape").string());
    made.tail = log->reader();
    made.reader = log->reader();
    made.letters = log->dead_letters();
    made.later_letters = log->dead_letters();
    IngestOptions options;
    options.policies = *bundled_policies();
    made.ingest = std::make_unique<Ingest>(*made.feed, *made.tail, log->writer(), *made.letters, std::move(options));
    made.processor = std::make_unique<Processor>(*made.reader, into, *made.later_letters, clock);
    EXPECT_TRUE(made.ingest->start());
    return made;
  }
  PipelineThreads::Status run(const std::function<void(PipelineThreads&)>& meanwhile, bool exit_at_end = false) {
    Parts made = parts(store);
    PipelineThreads threads({made.feed.get(), made.ingest.get(), made.processor.get(), made.reader.get()}, clock,
                            {.exit_at_end = exit_at_end, .stop_deadline_ms = 0});
    meanwhile(threads);
    const auto joined = threads.join();
    EXPECT_TRUE(joined) << joined.error().message();
    return threads.status();
  }
  std::int64_t stored_trades() {
    std::int64_t count = 0;
    const std::vector<SymbolRow> known = *store.rows().symbols();
    for (const SymbolRow& symbol : known) {
      EXPECT_TRUE(store.rows().ticks({symbol.symbol}, [&](const Tick&) { return ++count > 0; }));
    }
    return count;
  }
  static void wait_for(const std::function<bool()>& condition) {
    while (!condition()) std::this_thread::yield();
  }

  TempDirectory directory;
  SystemClock clock;
  std::unique_ptr<EmbeddedLog> log;
  AwayStore store;
};

TEST_F(StoreAwayTest, IngestGoesOnWhileTheProcessorWaitsForTheStore) {
  store.go_away();
  const auto status = run([&](PipelineThreads& threads) {
    wait_for([&] { return threads.status().ingest.frames == kFrames && store.waiting() == 1; });
    EXPECT_EQ(threads.status().records_applied, 0);
    EXPECT_EQ(threads.status().backlog, threads.status().ingest.appended);
    store.come_back();
    wait_for([&] { return threads.status().all_submitted; });
    const auto partitions = threads.status().partitions;
    ASSERT_EQ(partitions.size(), 1U);
    EXPECT_GT(partitions[0].log_end, kFrames);
    EXPECT_EQ(partitions[0].unapplied(), 0);
    threads.request_stop();
  });
  EXPECT_FALSE(status.gave_up);
  EXPECT_EQ(stored_trades(), status.ingest.appended);
}

TEST_F(StoreAwayTest, WhoFollowsEndsThoughNobodyStoresAnyMore) {
  FollowerStore follower(store, clock);
  Parts made = parts(follower);
  PipelineThreads threads({made.feed.get(), made.ingest.get(), made.processor.get(), made.reader.get()}, clock,
                          {.follows = true, .stop_deadline_ms = 0});
  wait_for([&] { return threads.status().oldest_unstored_ns.has_value(); });
  threads.request_stop();
  EXPECT_TRUE(threads.join());
  EXPECT_EQ(stored_trades(), 0);
}

TEST_F(StoreAwayTest, SinceWhenRecordsWaitForTheStoreIsKnown) {
  store.go_away_at_submit();
  static_cast<void>(run([&](PipelineThreads& threads) {
    wait_for([&] { return threads.status().oldest_unstored_ns && threads.status().ingest.frames == kFrames; });
    const std::int64_t since_ns = *threads.status().oldest_unstored_ns;
    EXPECT_LE(since_ns, clock.boot_ns());
    wait_for([&] { return clock.boot_ns() - since_ns > 2 * ProcessorOptions().commit_interval_ms * kNsPerMs; });
    EXPECT_EQ(threads.status().oldest_unstored_ns, since_ns);
    store.come_back();
    wait_for([&] { return !threads.status().oldest_unstored_ns; });
    EXPECT_TRUE(threads.status().all_submitted);
    threads.request_stop();
  }));
}

TEST_F(StoreAwayTest, WhatTheLogHasGotSinceTheProcessorLookedIsBacklog) {
  const Parts made = parts(store);
  constexpr std::int64_t kEnd = 1'000'000;
  PipelineThreads threads({made.feed.get(), made.ingest.get(), made.processor.get(), made.reader.get(),
                           [] { return std::vector<std::int64_t>{kEnd}; }},
                          clock, {.stop_deadline_ms = 0});
  wait_for([&] { return !threads.status().partitions.empty(); });
  const auto status = threads.status();
  EXPECT_EQ(status.partitions[0].log_end, kEnd);
  EXPECT_EQ(status.partitions[0].unapplied(), kEnd - status.partitions[0].next);
  EXPECT_EQ(status.backlog, status.partitions[0].unapplied());
  threads.request_stop();
  EXPECT_TRUE(threads.join());
}

TEST_F(StoreAwayTest, AStopThatGivesUpOnALoadIsNoFailureAndTheNextStartStoresTheRest) {
  store.go_away();
  const auto status = run([&](PipelineThreads& threads) {
    wait_for([&] { return threads.status().ingest.frames == kFrames && store.waiting() == 1; });
    threads.request_stop();
    EXPECT_TRUE(threads.status().stop_requested_ns);
    threads.give_up();
    store.interrupt();
  });
  EXPECT_TRUE(status.gave_up);
  EXPECT_EQ(stored_trades(), 0);

  AwayStore back;
  const Parts made = parts(store);
  Processor processor(*made.reader, back, *made.later_letters, clock);
  PipelineThreads threads({made.feed.get(), made.ingest.get(), &processor, made.reader.get()}, clock,
                          {.exit_at_end = true});
  ASSERT_TRUE(threads.join());
  std::int64_t trades = 0;
  const std::vector<SymbolRow> known = *back.symbols();
  for (const SymbolRow& symbol : known) {
    ASSERT_TRUE(back.ticks({symbol.symbol}, [&](const Tick&) { return ++trades > 0; }, Order::kAscending));
  }
  EXPECT_EQ(trades, status.ingest.appended);
  EXPECT_GT(trades, kFrames);
}

TEST_F(StoreAwayTest, AStopThatGivesUpOnACommitEndsThoughThePollsBringNothing) {
  store.go_away_at_submit();
  const auto status = run([&](PipelineThreads& threads) {
    wait_for([&] { return store.trouble().has_value(); });
    threads.request_stop();
    threads.give_up();
    store.interrupt();
  });
  EXPECT_TRUE(status.gave_up);
}

TEST_F(StoreAwayTest, AStopWaitsForAStoreThatComesBack) {
  store.go_away_at_submit();
  const auto status = run([&](PipelineThreads& threads) {
    wait_for([&] { return store.trouble().has_value(); });
    threads.request_stop();
    EXPECT_FALSE(threads.status().done);
    store.come_back();
  });
  EXPECT_FALSE(status.gave_up);
  EXPECT_GT(stored_trades(), 0);
}

TEST(StoreTrouble, ARunIsNotReadyAndSaysWhy) {
  EXPECT_TRUE(reasons_not_ready({}, {}, {}).empty());
  PipelineThreads::Status behind;
  behind.backlog = 30'001;
  const auto reasons = reasons_not_ready(behind, "no broker answers", "0 of 3 nodes answer");
  EXPECT_EQ(reasons, (std::vector<std::string>{"the log is in trouble: no broker answers",
                                               "the store is in trouble: 0 of 3 nodes answer",
                                               "30001 records of the log are not processed yet"}));
}

TEST(StoreTrouble, IsToldWhenItBeginsAndWhenItIsOver) {
  TroubleWatch watch;
  EXPECT_FALSE(watch.look({}, 1).began);
  EXPECT_EQ(watch.look("away", 5).began, "away");
  const auto same = watch.look("still away", 6);
  EXPECT_FALSE(same.began || same.lasted_ns);
  EXPECT_EQ(watch.look({}, 9).lasted_ns, 4);
  EXPECT_FALSE(watch.look({}, 10).lasted_ns);
}

}  // namespace
}  // namespace finpipe
