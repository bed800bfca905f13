// The promises about trades, spans, symbols, policies and checkpoints, and about commits as a whole. Those about bars
// are in store_contract_bars_test.cpp.
#include "store_contract.h"

#include <algorithm>
#include <utility>

namespace finpipe::contract {
namespace {

std::vector<std::int64_t> seqs(const std::vector<OwnedTick>& ticks) {
  std::vector<std::int64_t> seqs;
  for (const OwnedTick& tick : ticks) seqs.push_back(tick.trade.seq);
  return seqs;
}

using Seqs = std::vector<std::int64_t>;

TEST_P(StoreContract, ATickComesBackWithEveryField) {
  OwnedTick full = make_tick("BINANCE:BTCUSDT", 1'723'161'254'087, 1'723'161'252'000'000'001, 61'234'560'000'000);
  full.trade.volume_e8 = 12'345'678;
  full.trade.conditions.form = Conditions::Form::kList;
  full.codes = "1 12 ZZ";
  full.trade.received_at_ns = 1'723'161'252'999'999'999;
  full.trade.session = 17;
  full.trade.writer = Writer::kBackfill;
  full.trade.suspect = Suspect::kRepeatedRun;
  full.offset = 987'654'321;
  full.log_id = log_id_of(0xF0);
  OwnedTick extreme = make_tick("BINANCE:BTCUSDT", 1'723'161'254'088, kHighest, kHighest);
  extreme.trade.volume_e8 = kHighest;
  extreme.trade.conditions.form = Conditions::Form::kNull;
  extreme.trade.writer = Writer::kOperator;
  OwnedTick empty_list = make_tick("BINANCE:BTCUSDT", 1'723'161'254'089, 1, 0);
  empty_list.trade.conditions.form = Conditions::Form::kList;
  const OwnedTick absent = make_tick("BINANCE:BTCUSDT", 1'723'161'254'090, 2);
  const std::vector<OwnedTick> all = {full, extreme, empty_list, absent};
  write_ticks(all);
  EXPECT_EQ(ticks({"BINANCE:BTCUSDT"}), all);
}

TEST_P(StoreContract, TicksAreOrderedByTimeAndThenBySeqWhateverTheOrderOfWriting) {
  write_ticks({make_tick("A", 20, 3), make_tick("A", 10, 9), make_tick("A", 20, 1)});
  write_ticks({make_tick("A", 5, 10), make_tick("A", 20, 2), make_tick("A", -5, 12)});
  EXPECT_EQ(seqs(ticks({"A"})), (Seqs{12, 10, 9, 1, 2, 3}));
}

TEST_P(StoreContract, TicksWrittenTwiceAreThereOnceAndTheLaterGenerationStays) {
  const OwnedTick one = make_tick("A", 10, 1, 400);
  OwnedTick two = make_tick("A", 10, 2, 400);
  write_ticks({one, two});
  write_ticks({two, one, two});
  EXPECT_EQ(ticks({"A"}), (std::vector{one, two}));
  two.trade.price_e9 = 300;
  two.offset = 7;
  two.log_id = log_id_of(0);
  write_ticks({two}, 1);
  EXPECT_EQ(ticks({"A"}), (std::vector{one, two}));
}

TEST_P(StoreContract, ATickRangeHoldsItsFirstTimeAndNotItsLast) {
  write_ticks({make_tick("A", 10, 1), make_tick("A", 20, 2), make_tick("A", 30, 3)});
  EXPECT_EQ(seqs(ticks({"A", 10, 30})), (Seqs{1, 2}));
  EXPECT_EQ(seqs(ticks({"A", 11, 31})), (Seqs{2, 3}));
  EXPECT_EQ(seqs(ticks({"A", 20, 20})), Seqs{});
  EXPECT_EQ(seqs(ticks({"A", 30, 10})), Seqs{});
  EXPECT_EQ(seqs(ticks({"A", 31, kHighest})), Seqs{});
}

TEST_P(StoreContract, TicksBeforeNineteenSeventyAndAtTheEndsOfTimeKeepTheirOrder) {
  const std::int64_t five_minutes = 5 * kMsPerMinute;
  write_ticks({make_tick("A", 0, 4), make_tick("A", -1, 3), make_tick("A", -five_minutes, 2),
               make_tick("A", -five_minutes - 1, 1), make_tick("A", kLowest, 0), make_tick("A", kHighest - 1, 5)});
  EXPECT_EQ(seqs(ticks({"A"})), (Seqs{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(seqs(ticks({"A", -five_minutes, 0})), (Seqs{2, 3}));
  EXPECT_EQ(seqs(ticks({"A", kLowest, kLowest + 1})), (Seqs{0}));
}

TEST_P(StoreContract, TicksOfOneSymbolAreFoundAmongThoseOfOthersAcrossBuckets) {
  const std::vector<std::string> symbols = {"A", "AB", "B", "IC MARKETS:1", "IC MARKETS:10", "~"};
  std::vector<OwnedTick> all;
  for (std::int64_t i = 0; i < 600; ++i)
    all.push_back(make_tick(symbols[static_cast<std::size_t>(i) % symbols.size()], i * 10'007, i));
  write_ticks(all);
  for (const std::string& symbol : symbols) {
    std::vector<OwnedTick> expected;
    std::ranges::copy_if(all, std::back_inserter(expected), [&](const auto& tick) { return tick.symbol == symbol; });
    EXPECT_EQ(ticks({symbol}), expected) << symbol;
    std::erase_if(expected, [](const auto& tick) {
      return tick.trade.event_time_ms < 1'000'000 || tick.trade.event_time_ms >= 2'000'000;
    });
    EXPECT_EQ(ticks({symbol, 1'000'000, 2'000'000}), expected) << symbol;
  }
  for (const std::string_view stranger : {"", "AA", "IC MARKETS:", "IC MARKETS:100", "zz"})
    EXPECT_TRUE(ticks({stranger}).empty()) << stranger;
}

TEST_P(StoreContract, ATickInEachOfThirtyYearsIsFoundWithoutWalkingThroughThem) {
  std::vector<OwnedTick> all;
  for (std::int64_t year = 0; year < 30; ++year) {
    all.push_back(make_tick("OLD", kYear2000Ms + year * 365 * kMsPerDay, year + 1));
    all.push_back(make_tick("A", kYear2000Ms + year * 365 * kMsPerDay + kMsPerDay, year + 1));
  }
  write_ticks(all);
  EXPECT_EQ(ticks({"OLD"}).size(), 30U);
  EXPECT_EQ(ticks({"OLD", kLowest, kHighest}).size(), 30U);
  EXPECT_TRUE(ticks({"ZZ", kLowest, kHighest}).empty());
}

TEST_P(StoreContract, AVisitorOfTicksStopsTheVisitAlsoBetweenBuckets) {
  write_ticks(
      {make_tick("A", 0, 1), make_tick("A", 1, 2), make_tick("A", kMsPerHour, 3), make_tick("A", kMsPerDay, 4)});
  for (std::int64_t stop = 1; stop <= 4; ++stop) {
    std::int64_t seen = 0;
    ASSERT_TRUE(query().ticks({"A"}, [&](const Tick&) { return ++seen < stop; }));
    EXPECT_EQ(seen, stop);
  }
}

TEST_P(StoreContract, TicksAreVisitedFromTheNewestOnWhenAskedTo) {
  write_ticks({make_tick("A", 20, 3), make_tick("A", 10, 9), make_tick("A", 20, 1)});
  write_ticks({make_tick("A", kMsPerDay, 10), make_tick("A", 20, 2), make_tick("A", -5, 12), make_tick("B", 20, 4)});
  EXPECT_EQ(seqs(ticks({"A"}, Order::kDescending)), (Seqs{10, 3, 2, 1, 9, 12}));
  EXPECT_EQ(seqs(ticks({"A", 10, 21}, Order::kDescending)), (Seqs{3, 2, 1, 9}));
  EXPECT_EQ(seqs(ticks({"A", -5, 20}, Order::kDescending)), (Seqs{9, 12}));
  for (std::int64_t stop = 1; stop <= 6; ++stop) {
    std::int64_t seen = 0;
    ASSERT_TRUE(query().ticks({"A"}, [&](const Tick&) { return ++seen < stop; }, Order::kDescending));
    EXPECT_EQ(seen, stop);
  }
}

TEST_P(StoreContract, NothingIsVisibleBeforePollAndAllOfItAfter) {
  const auto count = [this] { return ticks({"A"}).size() + load({"A", Interval::k1m}).size(); };
  const OwnedTick tick = make_tick("A", 1, 1);
  Commit first;
  first.add_tick(tick.trade, tick.symbol, 0, tick.log_id);
  Commit second;
  second.bars = {make_bar("A", Interval::k1m, 0, 1)};
  const Store::Ticket a = store().submit(std::move(first));
  const Store::Ticket b = store().submit(std::move(second));
  EXPECT_LT(a, b);
  EXPECT_EQ(count(), 0U);
  auto done = store().poll();
  while (done && *done < b) done = store().poll();
  ASSERT_TRUE(done);
  EXPECT_EQ(*done, b);
  EXPECT_EQ(count(), 2U);
}

TEST_P(StoreContract, PollWithoutCommitsIsNoError) {
  const auto before = store().poll();
  ASSERT_TRUE(before);
  const Store::Ticket ticket = store().submit({});
  EXPECT_GT(ticket, *before);
  const auto after = store().poll();
  ASSERT_TRUE(after);
  EXPECT_GE(*after, ticket);
}

TEST_P(StoreContract, ACommitOfEverythingComesBackAndTwiceIsTheSame) {
  const OwnedTick tick = make_tick("A", 61'000, 7);
  const BarRow bar = make_bar("A", Interval::k1m, 60'000, 3);
  const SpanRow span{0, 12, 1, SpanRow::Kind::kUnsubscribed, "A", -5, 10, "stalled", LogId{std::byte{3}}};
  const VoidRow made{0, LogId{std::byte{3}}, 12, VoidRow::Action::kUnvoid, "A", 61'000, 7, "bad print", 99};
  const PolicyRow policy{"00ff", "crypto", "text\nof several lines\n"};
  const CheckpointRow checkpoint{0, 0, 13, std::string("body\0with zero", 14)};
  for (int i = 0; i < 2; ++i) {
    Commit commit;
    commit.add_tick(tick.trade, tick.symbol, tick.offset, tick.log_id);
    commit.bars = {bar};
    commit.revisions = {bar};
    commit.spans = {span};
    commit.voids = {made};
    commit.symbols = {{"A", 0}};
    commit.policies = {policy};
    commit.checkpoints = {checkpoint};
    write(std::move(commit));
    EXPECT_EQ(ticks({"A"}), std::vector{tick});
    EXPECT_EQ(bars({"A", Interval::k1m}), std::vector{bar});
    EXPECT_EQ(load({"A", Interval::k1m}), std::vector{bar});
    EXPECT_EQ(revisions({"A", Interval::k1m}), std::vector{bar});
    EXPECT_EQ(query().spans().value(), std::vector{span});
    EXPECT_EQ(store().load_spans(0).value(), std::vector{span});
    EXPECT_EQ(query().voids().value(), std::vector{made});
    EXPECT_EQ(store().load_voids(0).value(), std::vector{made});
    EXPECT_EQ(query().symbols().value(), (std::vector<SymbolRow>{{"A", 0}}));
    EXPECT_EQ(query().policy("00ff").value(), policy);
    EXPECT_EQ(store().load_policy("00ff").value(), policy);
    EXPECT_EQ(query().checkpoints().value(), std::vector{checkpoint});
    EXPECT_EQ(store().load_checkpoint(0).value(), checkpoint);
  }
}

TEST_P(StoreContract, SpansAreOrderedByPartitionOffsetAndIndex) {
  const auto span = [](std::int32_t partition, std::int64_t offset, std::int32_t index) {
    return SpanRow{partition, offset, index, SpanRow::Kind::kFilled, "", 1, 2, ""};
  };
  Commit commit;
  commit.spans = {span(2, 0, 0), span(0, 300, 0), span(0, 5, 1), span(0, 5, 0), span(10, 1, 0), span(0, 256, 10)};
  write(std::move(commit));
  const std::vector ordered = {span(0, 5, 0),   span(0, 5, 1), span(0, 256, 10),
                               span(0, 300, 0), span(2, 0, 0), span(10, 1, 0)};
  EXPECT_EQ(query().spans().value(), ordered);
  EXPECT_EQ(store().load_spans(0).value(), std::vector(ordered.begin(), ordered.begin() + 4));
  EXPECT_EQ(store().load_spans(2).value(), std::vector{span(2, 0, 0)});
}

TEST_P(StoreContract, SpansAndVoidsOfTwoLogsStandSideBySide) {
  const LogId first{std::byte{1}}, second{std::byte{0xff}};
  const auto span = [](const LogId& log_id, std::int64_t offset) {
    return SpanRow{0, offset, 0, SpanRow::Kind::kGap, "", 1, 2, "", log_id};
  };
  const auto made = [](std::int32_t partition, const LogId& log_id, std::int64_t offset) {
    return VoidRow{partition, log_id, offset, VoidRow::Action::kVoid, "A", 1, 2, "", 3};
  };
  Commit commit;
  commit.spans = {span(second, 5), span(first, 7), span(first, 5)};
  commit.voids = {made(1, first, 1), made(0, second, 5), made(0, first, 7), made(0, first, 5)};
  write(std::move(commit));
  EXPECT_EQ(query().spans().value(), (std::vector{span(first, 5), span(first, 7), span(second, 5)}));
  EXPECT_EQ(query().voids().value(),
            (std::vector{made(0, first, 5), made(0, first, 7), made(0, second, 5), made(1, first, 1)}));
  EXPECT_EQ(store().load_voids(1).value(), std::vector{made(1, first, 1)});
}

TEST_P(StoreContract, TicksAreLoadedInOrderFromAHalfOpenRange) {
  Commit commit;
  const std::vector<OwnedTick> all = {make_tick("A", 1'000, 1), make_tick("A", 300'000, 2), make_tick("A", 300'000, 3),
                                      make_tick("A", 600'000, 4)};
  for (const OwnedTick& tick : all) commit.add_tick(tick.trade, tick.symbol, tick.offset, tick.log_id);
  write(std::move(commit));
  std::vector<std::int64_t> seqs;
  ASSERT_TRUE(store().load_ticks({"A", 1'001, 600'000}, [&](const Tick& tick) { seqs.push_back(tick.trade.seq); }));
  EXPECT_EQ(seqs, (std::vector<std::int64_t>{2, 3}));
}

TEST_P(StoreContract, SymbolsAreOrderedAndBelongToTheirPartition) {
  Commit commit;
  commit.symbols = {{"B", 1}, {"AB", 0}, {"IC MARKETS:1", 1}, {"A", 0}};
  write(std::move(commit));
  EXPECT_EQ(query().symbols().value(), (std::vector<SymbolRow>{{"A", 0}, {"AB", 0}, {"B", 1}, {"IC MARKETS:1", 1}}));
  EXPECT_EQ(store().load_symbols(0).value(), (std::vector<SymbolRow>{{"A", 0}, {"AB", 0}}));
  EXPECT_EQ(store().load_symbols(1).value(), (std::vector<SymbolRow>{{"B", 1}, {"IC MARKETS:1", 1}}));
}

TEST_P(StoreContract, WhatWasNeverWrittenIsEmptyAndNoError) {
  EXPECT_EQ(store().load_checkpoint(3).value(), std::nullopt);
  EXPECT_TRUE(store().load_symbols(0).value().empty());
  EXPECT_TRUE(store().load_spans(0).value().empty());
  EXPECT_TRUE(store().load_voids(0).value().empty());
  EXPECT_EQ(store().load_policy("none").value(), std::nullopt);
  EXPECT_TRUE(query().checkpoints().value().empty());
  EXPECT_TRUE(ticks({"A"}).empty());
  EXPECT_TRUE(bars({"A"}).empty());
  EXPECT_TRUE(revisions({"A"}).empty());
}

TEST_P(StoreContract, ACheckpointOfALowerGenerationOrOffsetChangesNothing) {
  const auto put = [this](std::int64_t generation, std::int64_t offset, std::string body) {
    Commit commit;
    commit.checkpoints = {{1, generation, offset, std::move(body)}};
    write(std::move(commit));
    return store().load_checkpoint(1).value().value().body;
  };
  EXPECT_EQ(put(1, 100, "first"), "first");
  EXPECT_EQ(put(1, 99, "older offset"), "first");
  EXPECT_EQ(put(0, 5'000, "older generation"), "first");
  EXPECT_EQ(put(1, 100, "first"), "first") << "an equal one";
  EXPECT_EQ(put(1, 256, "newer offset"), "newer offset");
  EXPECT_EQ(put(2, 0, "newer generation"), "newer generation");
  EXPECT_EQ(query().checkpoints().value(), (std::vector<CheckpointRow>{{1, 2, 0, "newer generation"}}));
}

TEST_P(StoreContract, CheckpointsAreOrderedByPartition) {
  Commit commit;
  commit.checkpoints = {{10, 0, 1, "c"}, {2, 0, 1, "b"}, {0, 0, 1, "a"}};
  write(std::move(commit));
  EXPECT_EQ(query().checkpoints().value(),
            (std::vector<CheckpointRow>{{0, 0, 1, "a"}, {2, 0, 1, "b"}, {10, 0, 1, "c"}}));
}

}  // namespace
}  // namespace finpipe::contract
