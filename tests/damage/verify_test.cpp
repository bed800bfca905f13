// Verification of what ingest and processor made, in memory: nothing to report when nothing is wrong, whatever the log
// holds, and a difference by name for what is.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "hand_made_log.h"
#include "pipeline/checkpoint.h"

namespace finpipe {
namespace {

using Kinds = std::vector<std::string>;

using HandMade = HandMadeLog;

TEST(Verify, TheBundledTapeHasNoDifferenceAndEveryTradeIsStored) {
  for (const std::int32_t partitions : {1, 4}) {
    MemoryRun run(partitions);
    run.ingest(data_file("binance.tape"));
    run.process();
    const VerifyReport report = run.verify();
    EXPECT_EQ(report.differences, 0) << text_of(report);
    std::int64_t trades = 0, stored = 0, revisions = 0;
    for (const VerifiedSymbol& symbol : report.symbols) {
      trades += symbol.trades, stored += symbol.stored, revisions += symbol.revisions;
    }
    EXPECT_EQ(trades, 34'419);
    EXPECT_EQ(stored, 34'419);
    EXPECT_GT(revisions, 1'000);
    ASSERT_EQ(report.sessions.size(), static_cast<std::size_t>(partitions));
  }
}

TEST(Verify, TheEquitiesTapeHasNoDifference) {
  MemoryRun run(1);
  run.ingest(data_file("finnhub.tape"));
  run.process();
  const VerifyReport report = run.verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
  EXPECT_GT(report.symbols.size(), 0U);
}

TEST(Verify, AnEmptyLogHasNoDifference) {
  MemoryRun run(2);
  const VerifyReport report = run.verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
  EXPECT_EQ(report.records, 0);
}

TEST(Verify, ChecksOnlyUpToTheCheckpoint) {
  MemoryRun run(1);
  run.ingest(data_file("finnhub.tape"));
  const VerifyReport report = run.verify();  // nothing was processed
  EXPECT_EQ(report.differences, 0) << text_of(report);
  EXPECT_EQ(report.records, 0);
}

TEST_F(HandMade, LateTradesGapsFillsAndSuspectsGiveNoDifference) {
  put(trade(100, 10));
  put(trade(200, 11));
  control(kStartNs + 300 * kNsPerMs, beat(2, 1));
  control(kStartNs + 400 * kNsPerMs, avro::Gap{kStartMs + 150, kStartMs + 750, std::nullopt, "test"});
  Trade suspect = trade(600, 99);
  suspect.suspect = Suspect::kRepeatedRun;
  put(suspect);
  put(trade(30'000, 12));
  put(trade(250, 9, 30'000));    // late: a revision of closed bars
  put(trade(2'250, 9, 31'000));  // opens windows after their closing bound
  control(kStartNs + 32'000 * kNsPerMs, avro::Filled{kSymbol, kStartMs + 150, kStartMs + 350});
  put(trade(60'000, 13));
  control(kStartNs + 60'500 * kNsPerMs, avro::Unsubscribed{});
  control(kStartNs + 61'500 * kNsPerMs, avro::Subscribed{});
  put(trade(70'000, 14));
  control(kStartNs + 70'200 * kNsPerMs, beat(8, 1));
  const VerifyReport report = verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
  ASSERT_EQ(report.symbols.size(), 1U);
  EXPECT_EQ(report.symbols[0].trades, 8);
  EXPECT_GT(report.symbols[0].revisions, 5);
}

TEST_F(HandMade, SkippedAndRefusedRecordsAreInTheAccount) {
  const Trade first = trade(100, 10);
  put(first);
  put(first);                              // seen before
  put(trade(150, 10), "BINANCE:ETHUSDT");  // key of another symbol
  run_.append(0, {RecordType::kTrade, kSymbol, "not Avro"});
  run_.append(0, {RecordType::kControl, std::nullopt, "not Avro either"});
  control(kStartNs + 200 * kNsPerMs, session(2), 2);
  put(trade(300, 10));  // session 1 is old now
  Trade last = trade(400, 10);
  last.session = 2;
  put(last);
  const VerifyReport report = verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
  ASSERT_EQ(report.sessions.size(), 2U);
  const LedgerRow& account = report.sessions[0].account;
  EXPECT_EQ(account.in_log, 5);
  EXPECT_EQ(account.stored, 1);
  EXPECT_EQ(account.skipped, 1);
  EXPECT_EQ(account.dead_lettered_after, 3);
}

TEST_F(HandMade, ARefusedRecordWithoutDeadLetterIsADifference) {
  run_.append(0, {RecordType::kTrade, kSymbol, "not Avro"});
  run_.process();
  MemoryLog none(1, run_.log.log_id());
  const VerifyReport report = verified(run_.store, *run_.reader(), *none.dead_letter_query());
  ASSERT_EQ(kinds_of(report), Kinds{"log record unreadable"}) << text_of(report);
  EXPECT_TRUE(text_of(report).contains("partition 0 offset 6: avro_malformed")) << text_of(report);
}

TEST_F(HandMade, AHeartbeatThatCountsOtherTradesIsADifference) {
  put(trade(100, 10));
  control(kStartNs + 300 * kNsPerMs, beat(1, 1));
  put(trade(400, 10));
  put(trade(500, 10));
  control(kStartNs + 600 * kNsPerMs, beat(2, 1));
  const VerifyReport report = verify();
  ASSERT_EQ(kinds_of(report), Kinds{"heartbeat differs"}) << text_of(report);
  EXPECT_TRUE(
      text_of(report).contains("partition 0, live session 1: appended 1 trades from offset 7 to 10, the log has 2"))
      << text_of(report);
}

TEST_F(HandMade, APolicyChangeAppliesToTheTradesAfterIt) {
  auto policies = bundled_policies();
  const auto crypto = std::ranges::find(*policies, "crypto", &MarketPolicy::market);
  put(trade(100, 10));
  const auto changed = parse_policy(crypto->text + "\n# another text, another hash\n", "crypto");
  ASSERT_TRUE(changed) << changed.error().message();
  control(kStartNs + 200 * kNsPerMs, avro::PolicyInForce{"crypto", changed->hash, changed->text});
  put(trade(300, 11));
  const VerifyReport report = verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
}

TEST_F(HandMade, ANewGenerationIsVerifiedAlone) {
  put(trade(100, 10));
  put(trade(200, 11));
  control(kStartNs + 300 * kNsPerMs, beat(2, 1));
  put(trade(30'000, 12));
  run_.process();

  const auto rows = run_.store.checkpoints();
  ASSERT_TRUE(rows);
  auto old = decode_checkpoint(rows->front());
  ASSERT_TRUE(old) << old.error().message();
  Checkpoint reset;
  reset.generation = 1;
  reset.log_id = old->log_id;
  reset.partitions = 1;
  reset.fingerprint = old->fingerprint;
  reset.policies_from = old->offset;
  reset.policies = old->policies;
  reset.engine.trust.off_since[""] = kBeginningOfTime;
  Commit commit;
  commit.checkpoints.push_back(encode_checkpoint(reset));
  (void)run_.store.submit(std::move(commit));
  ASSERT_TRUE(run_.store.poll());

  VerifyReport report = run_.verify();  // nothing of the new generation was made yet
  EXPECT_EQ(report.differences, 0) << text_of(report);
  report = verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
  ASSERT_EQ(report.symbols.size(), 1U);
  EXPECT_EQ(report.symbols[0].stored, 3);
  EXPECT_EQ(report.symbols[0].bars, 7);  // two of 1s, one of each other interval
}

TEST_F(HandMade, WhatTheLogNoLongerHasIsNotCompared) {
  for (std::int64_t i = 0; i < 50; ++i) put(trade(i * 1'000, 10 + i));
  control(kStartNs + 49'500 * kNsPerMs, beat(50, 1));
  for (std::int64_t i = 50; i < 100; ++i) put(trade(i * 1'000, 10 + i));
  control(kStartNs + 99'500 * kNsPerMs, beat(100, 1));
  run_.process();
  run_.log.truncate_before(0, 30);
  const VerifyReport report = run_.verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
  ASSERT_EQ(report.symbols.size(), 1U);
  EXPECT_EQ(report.symbols[0].not_in_log, 24);
  EXPECT_EQ(report.symbols[0].stored, 76);
}

TEST_F(HandMade, ALostTailOfTheLogIsADifference) {
  put(trade(100, 10));
  put(trade(200, 10));
  run_.process();
  run_.log.drop_tail(0, 7);
  const VerifyReport report = run_.verify();
  ASSERT_FALSE(report.first.empty());
  EXPECT_EQ(report.first[0].kind, "log record missing");
  EXPECT_EQ(report.first[0].what, "partition 0: the log ends at offset 7, the checkpoint is at 8");
  EXPECT_EQ(std::ranges::count(kinds_of(report), "tick extra"), 1) << text_of(report);
}

TEST_F(HandMade, AnotherLogIsADifference) {
  put(trade(100, 10));
  run_.process();
  MemoryLog another(1, LogId{std::byte{9}});
  const auto reader = another.reader({0});
  const VerifyReport report = verified(run_.store, *reader, *another.dead_letter_query());
  ASSERT_EQ(kinds_of(report), Kinds{"checkpoint differs"}) << text_of(report);
}

TEST_F(HandMade, AFlagOfASubscriptionThatBeganOrEndedInsideIsProved) {
  put(trade(100, 10));
  control(kStartNs + 200 * kNsPerMs, avro::Unsubscribed{});
  put(trade(300, 10));
  put(trade(1'300, 11));
  control(kStartNs + 2'500 * kNsPerMs, avro::Subscribed{std::vector<std::string_view>{kSymbol}});
  put(trade(2'600, 12));
  put(trade(3'600, 12));
  control(kStartNs + 30'000 * kNsPerMs, beat(5, 1));
  control(kStartNs + 30'100 * kNsPerMs, avro::Unsubscribed{std::vector<std::string_view>{kSymbol}});
  put(trade(3'700, 12, 30'000));
  const VerifyReport report = verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
  std::vector<bool> partial;
  ASSERT_TRUE(run_.store.bars({kSymbol, Interval::k1s}, [&](const BarRow& row) {
    partial.push_back(row.bar.partial);
    return true;
  }));
  EXPECT_EQ(partial, (std::vector<bool>{true, true, true, false}));
}

TEST(Verify, ASampleComparesSomeSymbolsAndLeavesOutTheRest) {
  MemoryRun run(2);
  run.ingest(data_file("finnhub.tape"));
  run.process();
  const std::size_t symbols = run.store.symbols()->size();
  ASSERT_GT(symbols, 2U);
  std::set<std::string> compared;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    VerifyOptions options;
    options.sample = 0.01;
    options.sample_seed = seed;
    const auto report = finpipe::verify(run.store, *run.reader(), *run.log.dead_letter_query(), options);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->differences, 0) << text_of(*report);
    ASSERT_EQ(report->symbols.size(), 1U) << "at least one";
    EXPECT_EQ(report->left_out, static_cast<std::int64_t>(symbols) - 1);
    compared.insert(report->symbols.front().symbol);
  }
  EXPECT_GT(compared.size(), symbols / 2) << "another seed, another sample";
}

TEST_F(HandMade, DifferencesBeyondTheLimitAreCounted) {
  for (std::int64_t i = 0; i < 10; ++i) put(trade(i * 10, 10));
  run_.process();
  MemoryStore empty;
  Commit commit;
  commit.checkpoints = *run_.store.checkpoints();
  (void)empty.submit(std::move(commit));
  ASSERT_TRUE(empty.poll());
  std::vector<double> progress;
  VerifyOptions options;
  options.max_differences = 2;
  options.progress = [&](double done) { progress.push_back(done); };
  const auto report = finpipe::verify(empty, *run_.reader(), *run_.log.dead_letter_query(), options);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->first.size(), 2U + 2U) << "of the symbol, and of the rest";
  EXPECT_GE(report->differences, 10 + 6);
  ASSERT_FALSE(progress.empty());
  EXPECT_TRUE(std::ranges::is_sorted(progress));
  EXPECT_EQ(progress.back(), 1.0);
}

}  // namespace
}  // namespace finpipe
