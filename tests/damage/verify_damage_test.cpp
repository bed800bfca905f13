// Damage done to stored bytes, below the store and the log, through RocksDB itself: verify finds each and names it.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/decimal.h"
#include "base/time.h"
#include "codec/records.h"
#include "logs/embedded_chunk.h"
#include "logs/embedded_database.h"
#include "logs/embedded_log.h"
#include "pipeline_run.h"
#include "stores/embedded_database.h"
#include "stores/embedded_rows.h"
#include "stores/embedded_store.h"

namespace finpipe {
namespace {

using Kinds = std::vector<std::string>;

constexpr std::size_t kFrames = 300;

std::string_view view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

// The place of a family's raw row.
struct RawRow {
  std::string key;
  std::string value;
};

class Damage : public testing::Test {
 protected:
  void SetUp() override {
    copy_lines("binance.tape", kFrames, directory_ / "tape");
    make(1);
  }

  void make(std::int32_t partitions) {
    auto log = EmbeddedLog::open(log_path(), {.partitions = partitions});
    ASSERT_TRUE(log) << log.error().message();
    auto store = EmbeddedStore::open(store_path());
    ASSERT_TRUE(store) << store.error().message();
    ingest_tape(directory_ / "tape", *(*log)->reader(), (*log)->writer(), *(*log)->dead_letters());
    process_all(*(*log)->reader(), **store, *(*log)->dead_letters());
  }

  VerifyReport verify() {
    auto store = EmbeddedStore::open(store_path(), {.read_only = true});
    auto log = EmbeddedLog::open(log_path(), {.read_only = true});
    if (!store || !log) {
      ADD_FAILURE() << (store ? log.error() : store.error()).message();
      return {};
    }
    return verified(**store, *(*log)->reader(), *(*log)->dead_letter_query());
  }

  // The first raw row of a family that `wanted` accepts.
  RawRow find_row(rows::Family family, const std::function<bool(const RawRow&)>& wanted) {
    auto database = rows::Database::open(store_path(), false);
    const std::unique_ptr<rocksdb::Iterator> it((*database)->db().NewIterator({}, (*database)->family(family)));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      RawRow row{std::string(view(it->key())), std::string(view(it->value()))};
      if (wanted(row)) return row;
    }
    ADD_FAILURE() << "no such row";
    return {};
  }
  void put_row(rows::Family family, const RawRow& row) {
    auto database = rows::Database::open(store_path(), false);
    ASSERT_TRUE((*database)->db().Put({}, (*database)->family(family), row.key, row.value).ok());
  }
  void delete_row(rows::Family family, const RawRow& row) {
    auto database = rows::Database::open(store_path(), false);
    ASSERT_TRUE((*database)->db().Delete({}, (*database)->family(family), row.key).ok());
  }

  // Rewrites the first block of ticks: `change` sees each tick of it and says whether it stays.
  void change_ticks(
      const std::function<bool(std::size_t, Tick&)>& change,
      const std::function<void(std::vector<Tick>&)>& extend = [](std::vector<Tick>&) {}) {
    const RawRow row = find_row(rows::Family::kTicks, [](const RawRow&) { return true; });
    rows::TickBlockPlace place;
    ASSERT_TRUE(rows::parse_tick_block_key(row.key, place));
    std::string_view block = row.value;
    std::vector<Tick> ticks;
    TickCodec codec;
    for (std::size_t i = 0; !block.empty(); ++i) {
      rows::TickEntry entry;
      ASSERT_TRUE(rows::take_tick(block, entry));
      Tick tick;
      tick.trade.symbol = place.symbol;
      tick.trade.event_time_ms = rows::event_time_ms(place.bucket, entry);
      tick.trade.seq = entry.seq;
      ASSERT_TRUE(codec.decode(entry.value, tick.trade, tick.offset, tick.log_id));
      tick.trade.conditions.codes = {};
      if (change(i, tick)) ticks.push_back(tick);
    }
    extend(ticks);
    std::string changed;
    for (const Tick& tick : ticks) rows::append_tick(tick, codec, changed);
    put_row(rows::Family::kTicks, {row.key, changed});
  }

  // A final bar of the interval that has more than one trade.
  RawRow bar_row(Interval interval, BarRow& bar) {
    return find_row(rows::Family::kBars, [&](const RawRow& row) {
      return rows::parse_bar_key(row.key, bar.key) && bar.key.interval == interval &&
             rows::parse_bar_value(row.value, bar.bar) && bar.bar.state == BarState::kFinal && bar.bar.trades > 1;
    });
  }

  // Rewrites the chunk of the log that holds the record.
  void change_record(std::int64_t offset, const std::function<void(LogRecord&, std::string&)>& change) {
    auto database = EmbeddedDatabase::open(log_path(), 0, false);
    ASSERT_TRUE(database) << database.error().message();
    const RecordKey wanted = record_key(0, offset);
    const std::unique_ptr<rocksdb::Iterator> it((*database)->db().NewIterator({}, (*database)->records()));
    it->SeekForPrev({wanted.data(), wanted.size()});
    ASSERT_TRUE(it->Valid());
    const std::string key(view(it->key()));
    const std::string chunk(view(it->value()));
    std::int64_t at = offset_in(key, 0).value();
    std::string changed, value;
    for (std::string_view rest = chunk; !rest.empty(); ++at) {
      auto record = take_record(rest);
      ASSERT_TRUE(record);
      if (at == offset) change(*record, value);
      append_record(changed, *record);
    }
    ASSERT_TRUE((*database)->db().Put({}, (*database)->records(), key, changed).ok());
  }

  std::string log_path() const { return (directory_ / "log").string(); }
  std::filesystem::path store_path() const { return directory_ / "store"; }

  TemporaryDirectory directory_;
};

TEST_F(Damage, NothingIsFoundWhereNothingIsDamaged) {
  VerifyReport report = verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
  ASSERT_EQ(report.symbols.size(), 2U);
  EXPECT_GT(report.symbols[0].stored + report.symbols[1].stored, 1'000);
  EXPECT_GT(report.symbols[0].bars, 30);
  EXPECT_GT(report.symbols[0].revisions, 30);
  // Reading raw rows changes nothing either.
  BarRow bar;
  (void)bar_row(Interval::k1s, bar);
  change_ticks([](std::size_t, Tick&) { return true; });
  change_record(20, [](LogRecord&, std::string&) {});
  report = verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
}

TEST_F(Damage, AChangedTradeIsNamed) {
  Tick changed;
  change_ticks([&](std::size_t i, Tick& tick) {
    if (i == 5) tick.trade.price_e9 += 10'000'000, changed = tick;
    return true;
  });
  const VerifyReport report = verify();
  ASSERT_EQ(kinds_of(report), Kinds{"tick differs"}) << text_of(report);
  EXPECT_TRUE(report.first[0].what.starts_with(fmt::format("BINANCE:BTCUSDT {} seq {}, partition 0 offset {}: price ",
                                                           format_time_ms(changed.trade.event_time_ms),
                                                           changed.trade.seq, changed.offset)))
      << report.first[0].what;
  EXPECT_EQ(report.symbols[0].differences, 1);
  EXPECT_EQ(report.symbols[1].differences, 0);
}

TEST_F(Damage, EveryFieldOfATradeIsCompared) {
  const std::vector<std::pair<std::string, std::function<void(Tick&)>>> changes = {
      {"volume", [](Tick& tick) { ++tick.trade.volume_e8; }},
      {"conditions", [](Tick& tick) { tick.trade.conditions.form = Conditions::Form::kAbsent; }},
      {"received_at", [](Tick& tick) { ++tick.trade.received_at_ns; }},
      {"writer", [](Tick& tick) { tick.trade.writer = Writer::kReplay; }},
      {"session", [](Tick& tick) { ++tick.trade.session; }},
      {"suspect", [](Tick& tick) { tick.trade.suspect = Suspect::kRepeatedRun; }},
      {"offset", [](Tick& tick) { ++tick.offset; }},
      {"log id", [](Tick& tick) { tick.log_id[3] ^= std::byte{1}; }},
  };
  std::vector<Tick> original;
  change_ticks([&](std::size_t, Tick& tick) { return original.push_back(tick), true; });
  for (const auto& [field, change] : changes) {
    change_ticks([&](std::size_t i, Tick& tick) {
      const std::string_view symbol = tick.trade.symbol;
      tick = original[i];
      tick.trade.symbol = symbol;
      if (i == 3) change(tick);
      return true;
    });
    const VerifyReport report = verify();
    ASSERT_EQ(kinds_of(report), Kinds{"tick differs"}) << field << "\n" << text_of(report);
    EXPECT_TRUE(report.first[0].what.contains(": " + field + " ")) << report.first[0].what;
  }
}

TEST_F(Damage, ADeletedTradeIsNamed) {
  Tick deleted;
  change_ticks([&](std::size_t i, Tick& tick) {
    if (i == 7) deleted = tick;
    return i != 7;
  });
  const VerifyReport report = verify();
  ASSERT_EQ(kinds_of(report), Kinds{"tick missing"}) << text_of(report);
  EXPECT_EQ(report.first[0].what,
            fmt::format("BINANCE:BTCUSDT {} seq {}, partition 0 offset {}", format_time_ms(deleted.trade.event_time_ms),
                        deleted.trade.seq, deleted.offset));
}

TEST_F(Damage, AnAddedTradeIsNamed) {
  Tick added;
  change_ticks([](std::size_t, Tick&) { return true; },
               [&](std::vector<Tick>& ticks) {
                 added = ticks.back();
                 ++added.trade.seq;
                 ticks.push_back(added);
               });
  const VerifyReport report = verify();
  ASSERT_EQ(kinds_of(report), Kinds{"tick extra"}) << text_of(report);
  EXPECT_EQ(report.first[0].what,
            fmt::format("BINANCE:BTCUSDT {} seq {}, partition 0 offset {}: no such trade in the log",
                        format_time_ms(added.trade.event_time_ms), added.trade.seq, added.offset));
}

TEST_F(Damage, AChangedBarOfEachIntervalIsNamed) {
  for (const Interval interval : {Interval::k1s, Interval::k1m}) {
    BarRow bar;
    const RawRow original = bar_row(interval, bar);
    RawRow changed = original;
    bar.bar.volume_e8 += 10'000'000;
    rows::set_bar_value(bar.bar, changed.value);
    put_row(rows::Family::kBars, changed);
    const VerifyReport report = verify();
    ASSERT_EQ(kinds_of(report), Kinds{"bar differs"}) << text_of(report);
    EXPECT_EQ(report.first[0].what,
              fmt::format("{} {} {}: volume {}, expected {}", bar.key.symbol, to_string(interval),
                          format_time_ms(bar.key.start_ms), format_decimal(bar.bar.volume_e8, kVolumeDigits),
                          format_decimal(bar.bar.volume_e8 - 10'000'000, kVolumeDigits)));
    put_row(rows::Family::kBars, original);
  }
}

TEST_F(Damage, EveryValueOfABarIsCompared) {
  const std::vector<std::pair<std::string, std::function<void(Bar&)>>> changes = {
      {"open", [](Bar& bar) { ++bar.first.price_e9; }},
      {"first trade", [](Bar& bar) { ++bar.first.seq; }},
      {"last F trade", [](Bar& bar) { bar.last_if_alone = bar.last; }},
      {"high", [](Bar& bar) { ++bar.high_e9; }},
      {"low", [](Bar& bar) { --bar.low_e9; }},
      {"close", [](Bar& bar) { ++bar.last.price_e9; }},
      {"vwap volume", [](Bar& bar) { ++bar.vwap_volume_e8; }},
      {"notional", [](Bar& bar) { ++bar.notional_e17; }},
      {"trades", [](Bar& bar) { --bar.trades; }},
      {"excluded", [](Bar& bar) { ++bar.excluded; }},
      {"backfilled", [](Bar& bar) { bar.backfilled = true; }},
      {"missing_ms", [](Bar& bar) { bar.missing_ms = 5; }},
      {"partial", [](Bar& bar) { bar.partial = !bar.partial; }},
      {"policy", [](Bar& bar) { bar.policy ^= 1; }},
      {"version", [](Bar& bar) { bar.version = 1; }},
      {"applied through", [](Bar& bar) { bar.applied_through = 1; }},
      {"applied through", [](Bar& bar) { bar.applied_through = 1'000'000; }},
      {"provisional", [](Bar& bar) { bar.state = BarState::kProvisional; }},
      {"generation", [](Bar& bar) { bar.generation = 1; }},
      {"at revision", [](Bar& bar) { bar.revision = 1; }},
  };
  BarRow bar;
  const RawRow original = bar_row(Interval::k1m, bar);
  for (const auto& [field, change] : changes) {
    Bar damaged = bar.bar;
    change(damaged);
    RawRow changed = original;
    rows::set_bar_value(damaged, changed.value);
    put_row(rows::Family::kBars, changed);
    const VerifyReport report = verify();
    ASSERT_FALSE(report.first.empty()) << field;
    EXPECT_EQ(report.first[0].kind, "bar differs") << field;
    EXPECT_TRUE(
        report.first[0].what.starts_with(fmt::format("{} 1m {}: ", bar.key.symbol, format_time_ms(bar.key.start_ms))))
        << report.first[0].what;
    EXPECT_TRUE(report.first[0].what.contains(field)) << field << ": " << report.first[0].what;
  }
}

TEST_F(Damage, ADeletedBarIsNamed) {
  BarRow bar;
  delete_row(rows::Family::kBars, bar_row(Interval::k1m, bar));
  const VerifyReport report = verify();
  ASSERT_EQ(kinds_of(report), Kinds{"bar missing"}) << text_of(report);
  EXPECT_EQ(report.first[0].what, fmt::format("{} 1m {}: {} trades in the log", bar.key.symbol,
                                              format_time_ms(bar.key.start_ms), bar.bar.trades + bar.bar.excluded));
}

TEST_F(Damage, AnAddedBarIsNamed) {
  BarRow bar;
  RawRow row = bar_row(Interval::k1m, bar);
  rows::set_bar_key(bar.key.symbol, Interval::k1m, bar.key.start_ms - kMsPerDay, row.key);
  put_row(rows::Family::kBars, row);
  const VerifyReport report = verify();
  ASSERT_EQ(kinds_of(report), Kinds{"bar extra"}) << text_of(report);
}

TEST_F(Damage, AChangedOrDeletedRevisionIsNamed) {
  BarRow bar;
  (void)bar_row(Interval::k1m, bar);
  RevisionRow revision;
  const RawRow original = find_row(rows::Family::kRevisions, [&](const RawRow& row) {
    return rows::parse_revision_key(row.key, revision) && revision.key == bar.key &&
           rows::parse_revision_value(row.value, revision);
  });
  const std::string name = fmt::format("{} 1m {} revision 0", bar.key.symbol, format_time_ms(bar.key.start_ms));
  const std::vector<std::pair<std::string, std::function<void(Bar&)>>> changes = {
      {"close", [](Bar& row) { ++row.last.price_e9; }},
      {"closed_at", [](Bar& row) { ++row.closed_at_ns; }},
      {"partial", [](Bar& row) { row.partial = !row.partial; }},
      {"state", [](Bar& row) { row.state = BarState::kRevised; }},
  };
  for (const auto& [field, change] : changes) {
    Bar damaged = revision.bar;
    change(damaged);
    RawRow changed{original.key, {}};
    encode_bar(damaged, changed.value);
    put_row(rows::Family::kRevisions, changed);
    const VerifyReport report = verify();
    ASSERT_EQ(kinds_of(report), Kinds{"revision differs"}) << field << "\n" << text_of(report);
    EXPECT_TRUE(report.first[0].what.starts_with(name + ": " + field + " ")) << report.first[0].what;
  }
  delete_row(rows::Family::kRevisions, original);
  const VerifyReport report = verify();
  ASSERT_EQ(kinds_of(report), Kinds{"revision missing"}) << text_of(report);
  EXPECT_EQ(report.first[0].what, name);
}

TEST_F(Damage, AnUnreadableRowIsNamedAndTheRestIsCompared) {
  BarRow bar;
  RawRow row = bar_row(Interval::k1m, bar);
  row.value.resize(row.value.size() - 1);
  put_row(rows::Family::kBars, row);
  const VerifyReport report = verify();
  ASSERT_EQ(kinds_of(report), Kinds{"row unreadable"}) << text_of(report);
  EXPECT_TRUE(report.first[0].what.contains(bar.key.symbol)) << report.first[0].what;
}

TEST_F(Damage, AChangedLogRecordIsNamed) {
  std::string name;
  std::int64_t offset = 0;
  change_ticks([&](std::size_t i, Tick& tick) {
    if (i == 9) offset = tick.offset;
    return true;
  });
  change_record(offset, [&](LogRecord& record, std::string& value) {
    TradeDecoder decoder;
    Trade trade;
    ASSERT_TRUE(decoder.decode(record.value, trade));
    trade.volume_e8 += 5;
    name = fmt::format("{} {} seq {}, partition 0 offset {}: volume ", trade.symbol,
                       format_time_ms(trade.event_time_ms), trade.seq, offset);
    encode_trade(trade, value);
    record.value = value;
  });
  const VerifyReport report = verify();
  ASSERT_FALSE(report.first.empty());
  EXPECT_EQ(report.first[0].kind, "tick differs");
  EXPECT_TRUE(report.first[0].what.starts_with(name)) << report.first[0].what;
  // The bars that were made of it do not agree with the log either, and nothing else.
  for (std::size_t i = 1; i < report.first.size(); ++i) {
    EXPECT_TRUE(report.first[i].kind == "bar differs" || report.first[i].kind == "revision differs") << text_of(report);
  }
}

TEST_F(Damage, AnUnreadableLogRecordIsNamed) {
  std::int64_t offset = 0;
  change_ticks([&](std::size_t i, Tick& tick) {
    if (i == 9) offset = tick.offset;
    return true;
  });
  change_record(offset, [](LogRecord& record, std::string& value) {
    value = record.value.substr(0, record.value.size() / 2);
    record.value = value;
  });
  const VerifyReport report = verify();
  ASSERT_FALSE(report.first.empty());
  EXPECT_EQ(report.first[0].kind, "log record unreadable");
  EXPECT_TRUE(report.first[0].what.starts_with(fmt::format("partition 0 offset {}: ", offset))) << report.first[0].what;
  EXPECT_EQ(std::ranges::count(kinds_of(report), "tick extra"), 1) << text_of(report);
}

TEST_F(Damage, ALostStretchOfTheLogIsOneDifferenceByItself) {
  {
    auto database = EmbeddedDatabase::open(log_path(), 0, false);
    ASSERT_TRUE(database) << database.error().message();
    const std::unique_ptr<rocksdb::Iterator> it((*database)->db().NewIterator({}, (*database)->records()));
    it->SeekToFirst();
    it->Next();
    ASSERT_TRUE(it->Valid());
    ASSERT_TRUE((*database)->db().Delete({}, (*database)->records(), it->key()).ok());
  }
  const VerifyReport report = verify();
  ASSERT_FALSE(report.first.empty());
  EXPECT_EQ(std::ranges::count(kinds_of(report), "log record missing"), 1) << text_of(report);
  EXPECT_TRUE(report.first[0].what.starts_with("partition 0 offset ")) << report.first[0].what;
}

TEST_F(Damage, AChangedCheckpointOrSymbolIsNamed) {
  RawRow row = find_row(rows::Family::kSymbols, [](const RawRow&) { return true; });
  delete_row(rows::Family::kSymbols, row);
  VerifyReport report = verify();
  ASSERT_EQ(kinds_of(report), Kinds{"symbol missing"}) << text_of(report);
  put_row(rows::Family::kSymbols, row);

  row = find_row(rows::Family::kCheckpoints, [](const RawRow&) { return true; });
  row.value.pop_back();
  put_row(rows::Family::kCheckpoints, row);
  report = verify();
  ASSERT_EQ(kinds_of(report), Kinds{"checkpoint unreadable"}) << text_of(report);
}

}  // namespace
}  // namespace finpipe
