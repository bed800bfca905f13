#include "pipeline/bar_view.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "read_world.h"

namespace finpipe {
namespace {

BarViewOptions regular() { return {.regular_hours = true}; }
BarViewOptions filling() { return {.fill = true}; }
BarViewOptions as_of(std::int64_t time_ms) { return {.as_of_ms = time_ms}; }

// ---- Rolling up against trades -------------------------------------------------------------------------------------

// Bursts of trades over two weeks in which the clocks change.
std::vector<Trade> random_trades(const MarketPolicy& policy, Random& random) {
  constexpr std::array<std::string_view, 8> kCodes = {"", "", "", "9", "12", "15", "16", "24"};
  std::vector<Trade> trades;
  std::int64_t time_ms = at("2024-03-04");
  while (time_ms < at("2024-03-18")) {
    time_ms += random.chance(0.05) ? random.between(0, 6 * kMsPerHour) : random.between(0, 4'000);
    Trade& trade = trades.emplace_back();
    trade.event_time_ms = time_ms;
    trade.seq = random.between(1, 1'000'000'000) * 4'096 + static_cast<std::int64_t>(trades.size());
    trade.price_e9 = random.between(1, 1'000'000'000'000);
    trade.volume_e8 = random.chance(0.1) ? 0 : random.between(1, 1'000'000'000'000);
    if (policy.has_rules) trade.conditions = {Conditions::Form::kList, kCodes[random.below(kCodes.size())]};
  }
  return trades;
}

// What a user must see: start and values of each window that has a bar, straight from the trades.
std::vector<std::string> expected_bars(const ReadWorld& world, const ReadInterval& interval, bool regular_hours) {
  const std::int64_t length_ms = interval.length_ms();
  std::map<std::int64_t, std::vector<Trade>> windows;
  for (const Trade& trade : world.trades) {
    const TradingDay day = world.policy.calendar.day_of(trade.event_time_ms);
    std::int64_t anchor_ms = 0;
    std::int64_t place_ms = trade.event_time_ms;
    if (interval.daily()) anchor_ms = 4 * kMsPerDay, place_ms = day.label_ms;
    if (regular_hours && world.symbol == "AAPL") {  // elsewhere every hour is regular
      if (trade.event_time_ms < day.regular.from_ms || trade.event_time_ms >= day.regular.to_ms) continue;
      anchor_ms = day.regular.from_ms;
    }
    windows[anchor_ms + floor_div(place_ms - anchor_ms, length_ms) * length_ms].push_back(trade);
  }
  std::vector<std::string> bars;
  for (const auto& [start_ms, trades] : windows) {
    const Bar bar = made_of(trades, world.policy, interval.daily());
    if (is_visible(bar)) bars.push_back(fmt::format("{} {}", start_ms, values_of(bar)));
  }
  return bars;
}

TEST(BarView, RolledUpBarsAreThoseThatTheTradesGive) {
  for (const char* symbol : {"BINANCE:BTCUSDT", "AAPL", "OANDA:EUR_USD"}) {
    for (const std::uint64_t seed : {1, 2}) {
      ReadWorld world(symbol);
      Random random(seed);
      world.put_trades(random_trades(world.policy, random));
      for (const bool regular_hours : {false, true}) {
        for (const char* name : {"1s", "1m",  "5m",  "15m", "1h", "1d", "2s", "7s",  "45s", "2m", "3m",
                                 "7m", "10m", "30m", "45m", "2h", "4h", "5h", "23h", "2d",  "7d", "30d"}) {
          const ReadInterval interval = *read_interval_from(name);
          if (regular_hours && interval.daily()) continue;
          std::vector<std::string> seen;
          for (const ViewedBar& bar : world.read(name, {.regular_hours = regular_hours})) {
            seen.push_back(fmt::format("{} {}", bar.row.key.start_ms, values_of(bar.row.bar)));
            EXPECT_EQ(bar.row.bar.state, BarState::kFinal);
            EXPECT_FALSE(bar.row.bar.partial);
          }
          EXPECT_EQ(seen, expected_bars(world, interval, regular_hours))
              << symbol << ' ' << name << ' ' << regular_hours;
          EXPECT_FALSE(seen.empty());
        }
      }
    }
  }
}

TEST(BarView, ARangeSelectsWholeWindowsByTheirStart) {
  ReadWorld world("BINANCE:A");
  for (int minute = 0; minute < 6; ++minute)
    world.put_bars({world.bar(Interval::k1m, fmt::format("2024-03-08T10:0{}:00Z", minute), minute + 1)});
  const auto read = [&](std::string_view from, std::string_view to) {
    std::string text;
    for (const ViewedBar& bar : world.read("2m", {}, at(from), at(to)))
      text += fmt::format("{}x{} ", format_time_ms(bar.row.key.start_ms).substr(14, 2), bar.row.bar.trades);
    return text;
  };
  EXPECT_EQ(read("2024-03-08T10:00:00Z", "2024-03-08T10:04:00Z"), "00x2 02x2 ");
  EXPECT_EQ(read("2024-03-08T10:01:00Z", "2024-03-08T10:05:00Z"), "02x2 04x2 ") << "all of a window, or nothing";
  EXPECT_EQ(read("2024-03-08T10:00:00Z", "2024-03-08T10:00:00.001Z"), "00x2 ");
  EXPECT_EQ(read("2024-03-08T10:02:00Z", "2024-03-08T10:02:00Z"), "");
}

// ---- State and trust -----------------------------------------------------------------------------------------------

TEST(BarView, ARolledUpBarIsFinalOnceItsWindowIsOver) {
  ReadWorld world("BINANCE:A");
  world.put_bars({world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 1)});
  const auto state_at = [&](std::string_view clock, std::int64_t lag_ms) {
    world.checkpoint.engine.clock_ns = at(clock) * kNsPerMs;
    world.checkpoint.engine.lags_ms["crypto"] = lag_ms;
    world.save_checkpoint();
    return to_string(world.read("2m").front().row.bar.state);
  };
  // The allowed delay of crypto is 2 s.
  EXPECT_EQ(state_at("2024-03-08T10:02:02.299Z", 300), "provisional");
  EXPECT_EQ(state_at("2024-03-08T10:02:02.300Z", 300), "final");
  EXPECT_EQ(state_at("2024-03-08T10:02:02.300Z", 301), "provisional");
  world.put_bars({world.bar(Interval::k1m, "2024-03-08T10:01:00Z", 2)});
  EXPECT_EQ(state_at("2024-03-08T10:02:02.300Z", 301), "final") << "its last minute is closed already";
  BarRow open = world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 1, BarState::kProvisional);
  open.bar.version = 2;
  world.put_bars({open});
  EXPECT_EQ(state_at("2024-03-08T10:09:00Z", 0), "provisional");
}

TEST(BarView, ARolledUpBarIsRevisedWithAnyOfItsParts) {
  ReadWorld world("BINANCE:A");
  std::vector<BarRow> rows = {world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 1, BarState::kRevised),
                              world.bar(Interval::k1m, "2024-03-08T10:01:00Z", 2),
                              world.bar(Interval::k1m, "2024-03-08T10:02:00Z", 3, BarState::kRevised)};
  rows[0].bar.revision = 2, rows[2].bar.revision = 3;
  rows[1].bar.backfilled = true;
  rows[0].bar.policy = 5, rows[2].bar.policy = 7;
  world.put_bars(rows);
  const Bar bar = world.read("3m").front().row.bar;
  EXPECT_EQ(bar.state, BarState::kRevised);
  EXPECT_EQ(bar.revision, 5) << "how often what it is made of was revised: only ever rises";
  EXPECT_EQ(bar.version, 3);
  EXPECT_EQ(bar.policy, 7U) << "of the newest part";
  EXPECT_TRUE(bar.backfilled);
}

TEST(BarView, AGapShowsInARolledUpBarAlsoWhereNoPartIsLeft) {
  ReadWorld world("BINANCE:A");
  BarRow first = world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 1);
  first.bar.missing_ms = 10'000;
  world.put_bars({first, world.bar(Interval::k1m, "2024-03-08T10:03:00Z", 2)});
  world.put_gap("2024-03-08T10:00:50Z", "2024-03-08T10:02:30Z");
  EXPECT_EQ(lines_of(world.read("2m")), "03-08T10:00 1 final gap70000\n03-08T10:02 2 final gap30000\n");
  world.put_gap("2024-03-08T10:02:00Z", "2024-03-08T10:02:20Z", SpanRow::Kind::kFilled);
  EXPECT_EQ(lines_of(world.read("4m")), "03-08T10:00 2 final gap80000\n");
}

TEST(BarView, ARolledUpBarIsPartialWhereNobodyWasSubscribed) {
  ReadWorld world("BINANCE:A");
  world.put_bars(
      {world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 1), world.bar(Interval::k1m, "2024-03-08T10:02:00Z", 2)});
  Commit commit;
  commit.spans = {{.offset = 9,
                   .kind = SpanRow::Kind::kUnsubscribed,
                   .symbol = "",
                   .from_ms = at("2024-03-08T10:01:00Z"),
                   .to_ms = at("2024-03-08T10:01:30Z"),
                   .reason = ""},
                  {.offset = 10,
                   .kind = SpanRow::Kind::kUnsubscribed,
                   .symbol = world.symbol,
                   .from_ms = at("2024-03-08T10:01:00Z"),
                   .to_ms = at("2024-03-08T10:01:30Z"),
                   .reason = ""}};
  world.put(std::move(commit));
  EXPECT_EQ(lines_of(world.read("2m")), "03-08T10:00 1 final partial\n03-08T10:02 2 final\n");
}

// ---- Filling -------------------------------------------------------------------------------------------------------

TEST(BarView, HolesBetweenTheFirstAndTheLastBarShowTheCloseBefore) {
  ReadWorld world("BINANCE:A");
  world.put_bars({world.bar(Interval::k1m, "2024-03-08T10:01:00Z", 5),
                  world.bar(Interval::k1m, "2024-03-08T10:04:00Z", 7),
                  world.bar(Interval::k1m, "2024-03-08T10:06:00Z", 8, BarState::kProvisional)});
  const auto bars = world.read("1m", filling());
  EXPECT_EQ(lines_of(bars),
            "03-08T10:01 5 final\n03-08T10:02 5 final filled\n03-08T10:03 5 final filled\n03-08T10:04 7 final\n"
            "03-08T10:05 7 provisional filled\n03-08T10:06 8 provisional\n");
  EXPECT_EQ(values_of(bars[1].row.bar), "5 5 5 5 0 - 0");
  EXPECT_EQ(lines_of(world.read("1m", filling(), at("2024-03-08T10:02:00Z"))),
            "03-08T10:04 7 final\n03-08T10:05 7 provisional filled\n03-08T10:06 8 provisional\n")
      << "nothing before the first bar of the range";
  EXPECT_EQ(lines_of(world.read("2m", filling())),
            "03-08T10:00 5 final\n03-08T10:02 5 final filled\n03-08T10:04 7 final\n03-08T10:06 8 provisional\n");
}

TEST(BarView, HolesAreFilledInsideSessionTimeOnly) {
  ReadWorld world("AAPL");
  // A Friday in winter: the extended session ends at 01:00 UTC and begins on Monday at 09:00.
  world.put_bars(
      {world.bar(Interval::k15m, "2024-01-20T00:30:00Z", 5), world.bar(Interval::k15m, "2024-01-22T09:15:00Z", 6)});
  EXPECT_EQ(lines_of(world.read("15m", filling())),
            "01-20T00:30 5 final\n01-20T00:45 5 final filled\n01-22T09:00 5 final filled\n01-22T09:15 6 final\n");
  world.put_bars(
      {world.bar(Interval::k15m, "2024-01-19T20:00:00Z", 3), world.bar(Interval::k15m, "2024-01-22T15:00:00Z", 4)});
  EXPECT_EQ(lines_of(world.read("30m", {.regular_hours = true, .fill = true})),
            "01-19T20:00 3 final\n01-19T20:30 3 final filled\n01-22T14:30 3 final filled\n01-22T15:00 4 final\n");
  world.put_bars({world.bar(Interval::k1d, "2024-11-27", 1), world.bar(Interval::k1d, "2024-12-02", 2)});
  EXPECT_EQ(lines_of(world.read("1d", filling())),
            "11-27T00:00 1 final\n11-29T00:00 1 final filled\n12-02T00:00 2 final\n");
}

TEST(BarView, ABarWithoutPriceDoesNotEndAClose) {
  ReadWorld world("AAPL");
  BarRow odd_lots{{"AAPL", Interval::k1m, at("2024-03-08T15:02:00Z")}, {}};
  odd_lots.bar.trades = 1;
  odd_lots.bar.state = BarState::kFinal;
  BarRow first = odd_lots;
  first.key.start_ms = at("2024-03-08T14:58:00Z");
  world.put_bars({first, world.bar(Interval::k1m, "2024-03-08T15:00:00Z", 5), odd_lots,
                  world.bar(Interval::k1m, "2024-03-08T15:04:00Z", 6)});
  EXPECT_EQ(lines_of(world.read("1m", filling())),
            "03-08T14:58 - final\n03-08T14:59 - final filled\n03-08T15:00 5 final\n03-08T15:01 5 final filled\n"
            "03-08T15:02 - final\n03-08T15:03 5 final filled\n03-08T15:04 6 final\n");
}

TEST(BarView, AFilledBarInsideAGapSaysSo) {
  ReadWorld world("BINANCE:A");
  world.put_bars(
      {world.bar(Interval::k1m, "2024-03-08T10:01:00Z", 5), world.bar(Interval::k1m, "2024-03-08T10:04:00Z", 7)});
  world.put_gap("2024-03-08T10:02:10Z", "2024-03-08T10:03:00Z");
  EXPECT_EQ(
      lines_of(world.read("1m", filling())),
      "03-08T10:01 5 final\n03-08T10:02 5 final gap50000 filled\n03-08T10:03 5 final filled\n03-08T10:04 7 final\n");
}

// ---- As of ---------------------------------------------------------------------------------------------------------

RevisionRow revision(BarRow row, std::int32_t number, std::int64_t closed_at_ns, std::int64_t generation = 0) {
  row.bar.state = number == 0 ? BarState::kFinal : BarState::kRevised;
  row.bar.revision = number;
  row.bar.closed_at_ns = closed_at_ns;
  row.bar.generation = generation;
  return row;
}

void put_revisions(ReadWorld& world, std::vector<RevisionRow> revisions) {
  Commit commit;
  for (const RevisionRow& row : revisions) {
    commit.bars.push_back(row).bar.version = row.bar.revision + 1;
  }
  commit.revisions = std::move(revisions);
  world.put(std::move(commit));
}

TEST(BarView, AsOfAMomentABarSaysWhatWasClosedUntilThen) {
  ReadWorld world("BINANCE:A");
  const std::int64_t closed_ns = at("2024-03-08T10:01:03Z") * kNsPerMs;
  const std::int64_t revised_ns = at("2024-03-08T10:05:00Z") * kNsPerMs + 1;
  put_revisions(world, {revision(world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 5), 0, closed_ns),
                        revision(world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 6), 1, revised_ns)});
  const auto then = [&](std::string_view time) { return lines_of(world.read("1m", as_of(at(time)))); };
  EXPECT_EQ(then("2024-03-08T10:01:02.999Z"), "");
  EXPECT_EQ(then("2024-03-08T10:01:03Z"), "03-08T10:00 5 final\n");
  EXPECT_EQ(then("2024-03-08T10:05:00Z"), "03-08T10:00 5 final\n") << "the revision closed a nanosecond later";
  EXPECT_EQ(then("2024-03-08T10:05:00.001Z"), "03-08T10:00 6 revised\n");
}

TEST(BarView, AsOfAMomentAnOpenBarIsAbsent) {
  ReadWorld world("BINANCE:A");
  world.put_bars({world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 5, BarState::kProvisional)});
  EXPECT_EQ(lines_of(world.read("1m", as_of(at("2030-01-01")))), "");
}

TEST(BarView, AsOfAMomentABarThatWasVoidedAwayIsNotTheOneBefore) {
  ReadWorld world("BINANCE:A");
  RevisionRow emptied = revision({{world.symbol, Interval::k1m, at("2024-03-08T10:00:00Z")}, {}}, 1, 2'000'000);
  put_revisions(world, {revision(world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 5), 0, 1'000'000), emptied});
  EXPECT_EQ(lines_of(world.read("1m", as_of(at("2030-01-01")))), "");
}

TEST(BarView, AsOfAMomentOnlyTheNewestGenerationCounts) {
  ReadWorld world("BINANCE:A");
  world.checkpoint.generation = 1;
  world.checkpoint.floor_ms = at("2024-03-08T10:01:00Z");
  world.save_checkpoint();
  const std::int64_t now_ns = at("2024-03-08T11:00:00Z") * kNsPerMs;
  put_revisions(world, {revision(world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 5), 3, now_ns),
                        revision(world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 6), 0, now_ns, 1),
                        revision(world.bar(Interval::k1m, "2024-03-08T10:01:00Z", 7), 0, now_ns),
                        revision(world.bar(Interval::k1m, "2024-03-08T10:02:00Z", 8), 0, now_ns, 1)});
  EXPECT_EQ(lines_of(world.read("1m", as_of(at("2024-03-08T12:00:00Z")))),
            "03-08T10:00 6 final\n03-08T10:02 8 final\n");
}

TEST(BarView, AsOfAMomentManyBarsAreReadInBothOrders) {
  ReadWorld world("BINANCE:A");
  std::vector<RevisionRow> rows;
  std::int64_t expected = 0;
  for (std::int64_t i = 0; i < 3'000; ++i) {
    BarRow row = world.bar(Interval::k1s, "2024-03-08T10:00:00Z", i + 1);
    row.key.start_ms += i * kMsPerSecond;
    const std::int64_t closed_ms = row.key.start_ms + 3'000;
    rows.push_back(revision(row, 0, closed_ms * kNsPerMs));
    if (i % 3 == 0) rows.push_back(revision(row, 1, (closed_ms + 10'000) * kNsPerMs));
    expected += closed_ms <= at("2024-03-08T10:40:00Z");
  }
  put_revisions(world, std::move(rows));
  const auto bars = world.read("1s", as_of(at("2024-03-08T10:40:00Z")));
  EXPECT_EQ(static_cast<std::int64_t>(bars.size()), expected);
  for (const ViewedBar& bar : bars) {
    const std::int64_t age_ms = at("2024-03-08T10:40:00Z") - bar.row.key.start_ms;
    const bool third = (bar.row.key.start_ms - at("2024-03-08T10:00:00Z")) % 3'000 == 0;
    EXPECT_EQ(bar.row.bar.revision, third && age_ms >= 13'000 ? 1 : 0);
  }
}

TEST(BarView, AsOfAMomentAWindowIsOverByThatMoment) {
  ReadWorld world("BINANCE:A");
  const std::int64_t closed_ns = at("2024-03-08T10:01:02Z") * kNsPerMs;
  put_revisions(
      world, {revision(world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 5), 0, closed_ns),
              revision(world.bar(Interval::k1m, "2024-03-08T10:02:00Z", 6), 0, at("2024-03-08T10:03:02Z") * kNsPerMs)});
  const auto then = [&](std::string_view time) { return lines_of(world.read("2m", as_of(at(time)))); };
  EXPECT_EQ(then("2024-03-08T10:01:30Z"), "03-08T10:00 5 provisional\n");
  // How late trades came then is not known any more: a part that is absent may have been open still for an hour.
  EXPECT_EQ(then("2024-03-08T11:02:01.999Z"), "03-08T10:00 5 provisional\n03-08T10:02 6 provisional\n");
  EXPECT_EQ(then("2024-03-08T11:02:02Z"), "03-08T10:00 5 final\n03-08T10:02 6 provisional\n");
}

// ---- Adjusted ------------------------------------------------------------------------------------------------------

TEST(BarView, BarsBeforeASplitAreInTodaysShares) {
  ReadWorld world("AAPL");
  const auto splits = SplitTable::make({{"AAPL", at("2024-01-24"), 1, 4}, {"AAPL", at("2024-01-26"), 1, 3}});
  world.put_bars({world.bar(Interval::k1d, "2024-01-23", 120), world.bar(Interval::k1d, "2024-01-24", 30),
                  world.bar(Interval::k1d, "2024-01-25", 30), world.bar(Interval::k1d, "2024-01-26", 10)});
  const BarViewOptions options{.splits = &*splits};
  const auto days = world.read("1d", options);
  EXPECT_EQ(lines_of(days),
            "01-23T00:00 10 final adjusted\n01-24T00:00 10 final adjusted\n01-25T00:00 10 final adjusted\n"
            "01-26T00:00 10 final\n");
  EXPECT_EQ(values_of(days[0].row.bar), "10 10 10 10 12 10 1");
  EXPECT_EQ(values_of(days[1].row.bar), "10 10 10 10 3 10 1");
  const auto week = world.read("7d", options);
  ASSERT_EQ(week.size(), 1U);
  EXPECT_EQ(values_of(week[0].row.bar), "10 10 10 10 19 10 4") << "each day by its own factor";
  EXPECT_TRUE(week[0].marks.adjusted);
  EXPECT_EQ(lines_of(world.read("1d")),
            "01-23T00:00 120 final\n01-24T00:00 30 final\n01-25T00:00 30 final\n01-26T00:00 10 final\n");
}

TEST(BarView, TheTradingDateDecidesWhichSplitsCount) {
  ReadWorld world("AAPL");
  const auto splits = SplitTable::make({{"AAPL", at("2024-01-24"), 1, 4}});
  // The trading date begins at 20:00 in New York: 01:00 UTC.
  world.put_bars(
      {world.bar(Interval::k15m, "2024-01-24T00:45:00Z", 120), world.bar(Interval::k15m, "2024-01-24T01:00:00Z", 30)});
  EXPECT_EQ(lines_of(world.read("15m", {.splits = &*splits})), "01-24T00:45 30 final adjusted\n01-24T01:00 30 final\n");
}

TEST(BarView, AHoleAfterASplitIsFilledAtTheAdjustedPrice) {
  ReadWorld world("AAPL");
  const auto splits = SplitTable::make({{"AAPL", at("2024-01-24"), 1, 4}});
  world.put_bars({world.bar(Interval::k1d, "2024-01-23", 120), world.bar(Interval::k1d, "2024-01-25", 31)});
  EXPECT_EQ(lines_of(world.read("1d", {.fill = true, .splits = &*splits})),
            "01-23T00:00 30 final adjusted\n01-24T00:00 30 final filled adjusted\n01-25T00:00 31 final\n");
}

TEST(BarView, AdjustedSumsOfManyPartsAreRoundedOnce) {
  ReadWorld world("GE");
  const auto splits = SplitTable::make({{"GE", at("2024-02-01"), 3, 1}});
  std::vector<BarRow> rows;
  for (int minute = 0; minute < 3; ++minute) {
    rows.push_back(world.bar(Interval::k1m, fmt::format("2024-01-23T15:0{}:00Z", minute), 7));
    rows.back().bar.volume_e8 = rows.back().bar.vwap_volume_e8 = 1;
    rows.back().bar.notional_e17 = 7'000'000'000;
  }
  world.put_bars(rows);
  EXPECT_EQ(values_of(world.read("3m", {.splits = &*splits}).front().row.bar), "21 21 21 21 0.00000001 21 3");
}

TEST(BarView, APriceThatGrowsTooLargeIsAnError) {
  ReadWorld world("AAPL");
  const auto splits = SplitTable::make({{"AAPL", at("2024-02-01"), 1'000'000'000'000, 1}});
  world.put_bars({world.bar(Interval::k1m, "2024-01-23T15:00:00Z", 1)});
  const auto bars = world.try_read("1m", {.splits = &*splits});
  ASSERT_FALSE(bars);
  EXPECT_EQ(bars.error().code, ErrorCode::kBadPolicy);
}

TEST(BarView, ASymbolWithoutCheckpointIsReadWithoutTrust) {
  ReadWorld world("BINANCE:A");
  Commit commit;
  commit.symbols = {{"BINANCE:B", 1}};
  BarRow row = world.bar(Interval::k1m, "2024-03-08T10:00:00Z", 5);
  row.key.symbol = world.symbol = "BINANCE:B";
  commit.bars = {row};
  world.put(std::move(commit));
  EXPECT_EQ(lines_of(world.read("2m", filling())), "03-08T10:00 5 provisional\n") << "nothing says that it is over";
  EXPECT_EQ(lines_of(world.read("1m", regular())), "03-08T10:00 5 final\n");
}

}  // namespace
}  // namespace finpipe
