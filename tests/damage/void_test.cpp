// A trade that an operator voids leaves its bars, as a revision, and comes back when the void is taken back; verify,
// which shares no code with that, agrees.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "hand_made_log.h"

namespace finpipe {
namespace {

class Void : public HandMadeLog {
 protected:
  void SetUp() override { control(kStartNs, session(1), 1, avro::Writer::kOperator); }

  void make_void(const Trade& trade, std::string_view symbol = kSymbol) {
    control(next_ns(), avro::VoidTrade{symbol, trade.event_time_ms, trade.seq, "bad print"}, 1,
            avro::Writer::kOperator);
  }
  void take_back(const Trade& trade) {
    control(next_ns(), avro::UnvoidTrade{kSymbol, trade.event_time_ms, trade.seq, "it was real"}, 1,
            avro::Writer::kOperator);
  }
  std::int64_t next_ns() { return kStartNs + ++controls_; }
  // A heartbeat `ms` after the start: closes what is due.
  void beat_at(std::int64_t ms) { control(kStartNs + ms * kNsPerMs, beat(appended_, 1)); }
  Trade put_trade(std::int64_t ms, std::int64_t price) {
    Trade made = trade(ms, price);
    put(made);
    ++appended_;
    return made;
  }
  void process_and_verify() {
    const VerifyReport report = verify();
    EXPECT_EQ(report.differences, 0) << text_of(report);
  }
  Bar bar(Interval interval) {
    std::vector<BarRow> rows;
    EXPECT_TRUE(run_.store.bars({kSymbol, interval}, [&](const BarRow& row) { return rows.push_back(row), true; }));
    return rows.empty() ? Bar() : rows.front().bar;
  }
  std::vector<Bar> revisions(Interval interval) {
    std::vector<Bar> bars;
    EXPECT_TRUE(run_.store.revisions({kSymbol, interval},
                                     [&](const RevisionRow& row) { return bars.push_back(row.bar), true; }));
    return bars;
  }
  std::vector<DeadLetter> dead_letters() {
    std::vector<DeadLetter> letters;
    EXPECT_TRUE(run_.log.dead_letter_query()->dead_letters(
        [&](const DeadLetter& letter) { return letters.push_back(letter), true; }));
    return letters;
  }

  std::int64_t controls_ = 0;
  std::int64_t appended_ = 0;
};

TEST_F(Void, AVoidedTradeLeavesEveryBarThatHeldIt) {
  put_trade(100, 50);
  const Trade spike = put_trade(200, 9'000);
  put_trade(300, 51);
  beat_at(500);
  make_void(spike);
  process_and_verify();
  for (const Interval interval : kIntervals) {
    const Bar now = bar(interval);
    EXPECT_EQ(now.high_e9, 51'000'000'000) << to_string(interval);
    EXPECT_EQ(now.trades, 2);
    EXPECT_EQ(now.excluded, 1);
    EXPECT_EQ(now.volume_e8, 200'000'000);
    EXPECT_EQ(now.state, BarState::kProvisional) << "an open bar needs no revision";
  }
  EXPECT_EQ(run_.store.voids()->size(), 1U);
}

TEST_F(Void, AFinalBarIsRevisedAndTheVoidCanBeTakenBack) {
  put_trade(100, 50);
  const Trade spike = put_trade(200, 9'000);
  beat_at(500);
  beat_at(10'000);
  make_void(spike);
  process_and_verify();
  EXPECT_EQ(bar(Interval::k1s).high_e9, 50'000'000'000);
  EXPECT_EQ(bar(Interval::k1s).pending_reason, RevisionReason::kVoid);
  beat_at(20'000);
  take_back(spike);
  beat_at(30'000);
  process_and_verify();
  const std::vector<Bar> closed = revisions(Interval::k1s);
  ASSERT_EQ(closed.size(), 3U);
  EXPECT_EQ(closed[1].reason, RevisionReason::kVoid);
  EXPECT_EQ(closed[1].trades, 1);
  EXPECT_EQ(closed[2].reason, RevisionReason::kVoid);
  EXPECT_EQ(closed[2].trades, 2);
  EXPECT_EQ(closed[2].high_e9, closed[0].high_e9);
  const auto voids = run_.store.voids();
  ASSERT_EQ(voids->size(), 2U);
  EXPECT_EQ((*voids)[0].action, VoidRow::Action::kVoid);
  EXPECT_EQ((*voids)[0].reason, "bad print");
  EXPECT_EQ((*voids)[1].action, VoidRow::Action::kUnvoid);
}

// Found by the pipeline simulation: the log tells the order, not the stamps of operators whose clocks differ.
TEST_F(Void, AVoidTakenBackByASlowerClockIsTakenBackAfterARestartToo) {
  put_trade(100, 50);
  const Trade spike = put_trade(200, 9'000);
  make_void(spike);
  control(kStartNs - kNsPerSecond, avro::UnvoidTrade{kSymbol, spike.event_time_ms, spike.seq, "it was real"}, 1,
          avro::Writer::kOperator);
  process_and_verify();
  EXPECT_EQ(bar(Interval::k1s).trades, 2);
  make_void(spike);
  process_and_verify();
  EXPECT_EQ(bar(Interval::k1s).trades, 1);
}

TEST_F(Void, TheOnlyTradeOfABarLeavesABarThatNobodySees) {
  const Trade only = put_trade(100, 50);
  make_void(only);
  process_and_verify();
  EXPECT_FALSE(bar(Interval::k1s).open_e9().has_value());
  EXPECT_EQ(bar(Interval::k1s).trades, 0);
}

TEST_F(Void, WhatWasVoidedBeforeStaysOut) {
  const Trade first = put_trade(100, 9'000);
  const Trade second = put_trade(200, 8'000);
  put_trade(300, 50);
  make_void(first);
  process_and_verify();
  make_void(second);  // after a restart: the first void is read back
  make_void(second);  // changes nothing
  process_and_verify();
  EXPECT_EQ(bar(Interval::k1s).high_e9, 50'000'000'000);
  EXPECT_EQ(bar(Interval::k1s).excluded, 2);
  EXPECT_EQ(run_.store.voids()->size(), 2U);
}

TEST_F(Void, ATradeThatIsNotThereIsRefused) {
  Trade other = put_trade(100, 50);
  other.seq += 1;
  make_void(other);
  other.seq -= 1;
  other.event_time_ms = -1;
  make_void(other);
  other.event_time_ms = std::numeric_limits<std::int64_t>::min();
  make_void(other);
  make_void(other, "NOBODY:KNOWS");
  process_and_verify();
  const std::vector<DeadLetter> letters = dead_letters();
  ASSERT_EQ(letters.size(), 4U);
  for (const DeadLetter& letter : letters) EXPECT_EQ(letter.reason, ErrorCode::kNoSuchTrade);
  EXPECT_EQ(bar(Interval::k1s).trades, 1);
  EXPECT_TRUE(run_.store.voids()->empty());
}

TEST_F(Void, ATradeThatComesLaterCannotBeVoidedAhead) {
  Trade later = trade(100, 50);
  make_void(later);
  put(later);
  ++appended_;
  process_and_verify();
  EXPECT_EQ(dead_letters().size(), 1U);
  EXPECT_EQ(bar(Interval::k1s).trades, 1);
}

TEST_F(Void, TheBarIsMadeAnewUnderThePolicyInForce) {
  put_trade(100, 50);
  const Trade spike = put_trade(200, 9'000);
  const auto policies = bundled_policies();
  const auto crypto = std::ranges::find(*policies, "crypto", &MarketPolicy::market);
  const std::string text = crypto->text + "\n# another\n";
  const auto changed = parse_policy(text, "crypto");
  ASSERT_TRUE(changed);
  process_and_verify();
  EXPECT_EQ(bar(Interval::k1s).policy, crypto->id);
  control(kStartNs + 300 * kNsPerMs, avro::PolicyInForce{"crypto", changed->hash, text});
  process_and_verify();
  EXPECT_EQ(bar(Interval::k1s).policy, crypto->id) << "a policy is named once a trade has come under it";
  make_void(spike);
  process_and_verify();
  EXPECT_EQ(bar(Interval::k1s).policy, changed->id);
  EXPECT_NE(changed->id, crypto->id);
}

TEST_F(Void, RandomVoidsAgreeWithVerifyHoweverTheyAreCommitted) {
  Random random(7);
  std::vector<Trade> trades;
  std::int64_t ms = 0;
  for (int i = 0; i < 1'500; ++i) {
    ms += static_cast<std::int64_t>(random.below(400));
    if (trades.size() < 5 || random.chance(0.7)) {
      Trade made =
          trade(std::max<std::int64_t>(0, ms - static_cast<std::int64_t>(random.below(3) * random.below(9'000))),
                static_cast<std::int64_t>(random.below(90)) + 1);
      made.received_at_ns = kStartNs + ms * kNsPerMs;
      put(made);
      ++appended_;
      trades.push_back(made);
    } else if (random.chance(0.5)) {
      beat_at(ms);
    } else {
      const Trade& any = trades[random.below(trades.size())];
      random.chance(0.6) ? make_void(any) : take_back(any);
    }
  }
  std::vector<std::vector<Bar>> all;
  for (const std::int64_t commit_records : {1, 7, 1'000'000}) {
    run_.store = MemoryStore();
    process_all(*run_.reader(), run_.store, *run_.log.dead_letters(), commit_records);
    const VerifyReport report = run_.verify();
    EXPECT_EQ(report.differences, 0) << text_of(report);
    all.emplace_back();
    for (const Interval interval : kIntervals) {
      EXPECT_TRUE(
          run_.store.bars({kSymbol, interval}, [&](const BarRow& row) { return all.back().push_back(row.bar), true; }));
    }
  }
  EXPECT_GT(run_.store.voids()->size(), 50U);
  EXPECT_EQ(all[0], all[1]);
  EXPECT_EQ(all[0], all[2]);
}

TEST_F(Void, WhatAnotherLogSaidIsNotSaidHere) {
  const Trade said_there = put_trade(100, 9'000);
  const Trade other = put_trade(200, 50);
  process_and_verify();
  const LogId elsewhere{std::byte{9}};
  Commit commit;
  commit.voids = {{0, elsewhere, 3, VoidRow::Action::kVoid, std::string(kSymbol), said_there.event_time_ms,
                   said_there.seq, "there", kStartNs}};
  commit.spans = {{0, 2, 0, SpanRow::Kind::kUnsubscribed, std::string(kSymbol), 0, kStartMs, "", elsewhere}};
  (void)run_.store.submit(std::move(commit));
  ASSERT_TRUE(run_.store.poll());
  make_void(other);
  control(kStartNs + 300 * kNsPerMs, avro::Subscribed{std::vector<std::string_view>{kSymbol}});
  process_and_verify();
  EXPECT_EQ(bar(Interval::k1s).high_e9, 9'000'000'000'000);
  EXPECT_EQ(bar(Interval::k1s).excluded, 1);
}

TEST_F(Void, AVoidWhoseRecordClosesTheBarComesAfterTheClosing) {
  put_trade(100, 50);
  const Trade spike = put_trade(200, 9'000);
  beat_at(500);
  // Nobody but an operator writes voids; a live one moves the clock too.
  control(kStartNs + 10'000 * kNsPerMs, avro::VoidTrade{kSymbol, spike.event_time_ms, spike.seq, "bad print"});
  beat_at(20'000);
  process_and_verify();
  const std::vector<Bar> closed = revisions(Interval::k1s);
  ASSERT_EQ(closed.size(), 2U);
  EXPECT_EQ(closed[0].trades, 2);
  EXPECT_EQ(closed[1].trades, 1);
}

TEST_F(Void, VerifyNamesAVoidThatTheStoreDoesNotHold) {
  const Trade spike = put_trade(100, 50);
  make_void(spike);
  run_.process();
  VoidRow row = run_.store.voids()->front();
  row.reason = "another";
  Commit commit;
  commit.voids = {row};
  row.offset += 1'000;
  commit.voids.push_back(row);
  (void)run_.store.submit(std::move(commit));
  ASSERT_TRUE(run_.store.poll());
  const VerifyReport report = run_.verify();
  ASSERT_EQ(kinds_of(report), (std::vector<std::string>{"void differs", "void extra"})) << text_of(report);
}

}  // namespace
}  // namespace finpipe
