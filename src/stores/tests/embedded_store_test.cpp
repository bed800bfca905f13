#include "stores/embedded_store.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "stores/embedded_database.h"
#include "stores/embedded_rows.h"
#include "stores/tests/store_files.h"

namespace finpipe {
namespace {

using rows::Family;

std::unique_ptr<EmbeddedStore> open_store(const std::filesystem::path& directory, bool read_only = false) {
  auto store = EmbeddedStore::open(directory, {.read_only = read_only});
  if (!store) ADD_FAILURE() << store.error().message();
  return store ? std::move(*store) : nullptr;
}

Error open_error(const std::filesystem::path& directory, bool read_only = false) {
  const auto store = EmbeddedStore::open(directory, {.read_only = read_only});
  EXPECT_FALSE(store);
  return store ? Error{} : store.error();
}

void commit(EmbeddedStore& store, Commit commit) {
  static_cast<void>(store.submit(std::move(commit)));
  const auto done = store.poll();
  ASSERT_TRUE(done) << done.error().message();
}

// A RocksDB database that is none of ours.
void make_database(const std::filesystem::path& directory, const std::vector<std::string>& families,
                   const std::string& kind) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, directory.string(), &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  for (const std::string& name : families) ASSERT_TRUE(db->CreateColumnFamily({}, name, &handles.emplace_back()).ok());
  if (!kind.empty()) {
    ASSERT_TRUE(db->Put({}, handles.empty() ? db->DefaultColumnFamily() : handles.back(), "kind", kind).ok());
  }
  for (rocksdb::ColumnFamilyHandle* handle : handles) ASSERT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
}

std::vector<std::string> families_of(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  EXPECT_TRUE(rocksdb::DB::ListColumnFamilies({}, directory.string(), &names).ok());
  return names;
}

TEST(EmbeddedStore, CreatesTheDirectoryAndThoseAboveIt) {
  const TemporaryDirectory directory;
  const auto store = open_store(directory.path() / "a" / "b");
  commit(*store, commit_at(0));
  EXPECT_EQ(expect_whole_commits(*store), kCommitTicks);
}

TEST(EmbeddedStore, ASecondOwnerIsRefusedAndTheFirstGoesOn) {
  const TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  const Error error = open_error(directory.path());
  EXPECT_EQ(error.code, ErrorCode::kDirectoryInUse);
  EXPECT_NE(error.detail.find(directory.path().string()), std::string::npos) << error.detail;
  commit(*store, commit_at(0));
}

TEST(EmbeddedStore, TheDirectoryOfALogIsNamedAndLeftAsItWas) {
  const TemporaryDirectory directory;
  make_database(directory.path(), {"records", "meta"}, "finpipe-log");
  for (const bool read_only : {false, true}) {
    const Error error = open_error(directory.path(), read_only);
    EXPECT_EQ(error.code, ErrorCode::kWrongFormat);
    EXPECT_NE(error.detail.find("finpipe-log"), std::string::npos) << error.detail;
  }
  EXPECT_EQ(families_of(directory.path()), (std::vector<std::string>{"default", "records", "meta"}));
}

TEST(EmbeddedStore, ADatabaseOfAnotherProgramIsLeftAsItWas) {
  const TemporaryDirectory directory;
  make_database(directory.path(), {}, "something");
  EXPECT_EQ(open_error(directory.path()).code, ErrorCode::kWrongFormat);
  EXPECT_EQ(families_of(directory.path()), (std::vector<std::string>{"default"}));
}

TEST(EmbeddedStore, ADirectoryOfOtherFilesIsLeftAsItWas) {
  const TemporaryDirectory directory;
  std::ofstream(directory.path() / "letter.txt") << "dear";
  EXPECT_EQ(open_error(directory.path()).code, ErrorCode::kWrongFormat);
  EXPECT_EQ(open_error(directory.path() / "letter.txt").code, ErrorCode::kWrongFormat);
  EXPECT_EQ(open_error(directory.path() / "letter.txt" / "store").code, ErrorCode::kWrongFormat);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory.path()), {}), 1);
}

TEST(EmbeddedStore, ACreationThatWasCutShortIsFinished) {
  const TemporaryDirectory directory;
  make_database(directory.path(), {"ticks", "bars"}, "");
  const auto store = open_store(directory.path());
  commit(*store, commit_at(0));
  EXPECT_EQ(expect_whole_commits(*store), kCommitTicks);
}

TEST(EmbeddedStore, AStoreOfAnotherFormatIsRefused) {
  const TemporaryDirectory directory;
  {
    const auto database = rows::Database::open(directory.path(), false);
    ASSERT_TRUE(database);
    ASSERT_TRUE((*database)->db().Put({}, (*database)->family(Family::kMeta), "format", "0").ok());
  }
  const Error error = open_error(directory.path());
  EXPECT_EQ(error.code, ErrorCode::kWrongFormat);
  EXPECT_NE(error.detail.find("format 3"), std::string::npos) << error.detail;
}

TEST(EmbeddedStore, WhatDoesNotExistIsNotCreatedToBeRead) {
  const TemporaryDirectory directory;
  EXPECT_EQ(open_error(directory.path() / "none", true).code, ErrorCode::kNotFound);
  EXPECT_EQ(open_error(directory.path(), true).code, ErrorCode::kNotFound);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(EmbeddedStore, AReaderSeesTheCommitsThatWereDoneAndRefusesToWrite) {
  const TemporaryDirectory directory;
  const auto owner = open_store(directory.path());
  commit(*owner, commit_at(0));
  const auto reader = open_store(directory.path(), true);
  commit(*owner, commit_at(kCommitTicks));
  EXPECT_EQ(expect_whole_commits(*reader), kCommitTicks);
  EXPECT_EQ(expect_whole_commits(*open_store(directory.path(), true)), 2 * kCommitTicks);
  static_cast<void>(reader->submit(commit_at(2 * kCommitTicks)));
  for (int i = 0; i < 2; ++i) {
    const auto done = reader->poll();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kReadOnly);
  }
  EXPECT_EQ(expect_whole_commits(*owner), 2 * kCommitTicks);
}

// Enough is written for tables to be made and merged while readers open the directory.
TEST(EmbeddedStore, ReadersBesideABusyOwnerSeeWholeCommits) {
  constexpr std::int64_t kCommits = 200;
  const TemporaryDirectory directory;
  const auto owner = open_store(directory.path());
  std::atomic<bool> finished = false;
  std::thread writer([&] {
    for (std::int64_t i = 0; i < kCommits; ++i) {
      Commit next = commit_at(i * kCommitTicks);
      next.checkpoints.front().body.assign(200'000, 'c');
      commit(*owner, std::move(next));
    }
    finished = true;
  });
  for (std::int64_t seen = 0, now = 0; !finished; seen = now) {
    const auto reader = open_store(directory.path(), true);
    if (!reader) break;
    now = expect_whole_commits(*reader);
    EXPECT_GE(now, seen);
  }
  writer.join();
  EXPECT_EQ(expect_whole_commits(*owner), kCommits * kCommitTicks);
}

TEST(EmbeddedStore, ASecondThreadMayQueryWhileTheOwnerCommits) {
  const TemporaryDirectory directory;
  const auto store = open_store(directory.path());
  Query& query = *store;
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    std::int64_t before = 0;
    while (!stop) {
      std::int64_t seen = 0;
      const auto done = query.ticks({"A"}, [&seen](const Tick&) { return ++seen > 0; });
      EXPECT_TRUE(done && seen >= before && query.symbols() && query.checkpoints() && query.spans());
      before = seen;
    }
  });
  for (std::int64_t i = 0; i < 40; ++i) commit(*store, commit_at(i * kCommitTicks));
  stop = true;
  reader.join();
  EXPECT_EQ(expect_whole_commits(*store), 40 * kCommitTicks);
}

// Puts bytes where a row is, past the store.
void damage(const std::filesystem::path& directory, Family family, const std::string& key, const std::string& value) {
  const auto database = rows::Database::open(directory, false);
  ASSERT_TRUE(database);
  ASSERT_TRUE((*database)->db().Put({}, (*database)->family(family), key, value).ok());
}

TEST(EmbeddedStore, ADamagedTradeIsNamed) {
  const TemporaryDirectory directory;
  std::string key;
  std::string block;
  TickCodec codec;
  Tick tick{trade_at(1), 1, {}};
  tick.trade.event_time_ms = 1'723'161'255'342;
  rows::set_tick_block_key(rows::tick_bucket(tick.trade.event_time_ms), "BINANCE:BTCUSDT", key);
  rows::append_tick(tick, codec, block);
  std::string bad_value = block;
  bad_value[16] = '\x7F';  // the length of the price
  damage(directory.path(), Family::kTicks, key, bad_value);
  const auto visit = [&] {
    return open_store(directory.path())->ticks({"BINANCE:BTCUSDT"}, [](const Tick&) { return true; });
  };
  auto done = visit();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(done.error().detail, "trade BINANCE:BTCUSDT 2024-08-08T23:54:15.342Z seq 2");
  damage(directory.path(), Family::kTicks, key, block.substr(0, block.size() - 1));
  done = visit();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(done.error().detail, "trades of BINANCE:BTCUSDT in the five minutes from 2024-08-08T23:50:00.000Z");
}

TEST(EmbeddedStore, ADamagedBarOrRevisionIsNamed) {
  const TemporaryDirectory directory;
  BarRow row{{"BINANCE:BTCUSDT", Interval::k1m, 1'723'161'240'000}, {}};
  std::string key;
  std::string value;
  rows::set_bar_key(row.key.symbol, row.key.interval, row.key.start_ms, key);
  rows::set_bar_value(row.bar, value);
  value[15] = '\7';  // the version before the value is not the one in it
  damage(directory.path(), Family::kBars, key, value);
  rows::set_revision_key(row, key);
  damage(directory.path(), Family::kRevisions, key, "short");
  const auto store = open_store(directory.path());
  const BarRange range{row.key.symbol, row.key.interval};
  const BarRange single{row.key.symbol, row.key.interval, row.key.start_ms, row.key.start_ms};
  const auto any = [](const BarRow&) { return true; };
  for (const auto& error : {store->bars(range, any).error(), store->load_bars({&range, 1}).error(),
                            store->load_bars({&single, 1}).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kCorrupt);
    EXPECT_EQ(error.detail, "bar BINANCE:BTCUSDT 1m 2024-08-08T23:54:00.000Z");
  }
  EXPECT_EQ(store->revisions(range, any).error().detail, "revision of bar BINANCE:BTCUSDT 1m 2024-08-08T23:54:00.000Z");
}

TEST(EmbeddedStore, OtherDamagedRowsAreNamed) {
  const TemporaryDirectory directory;
  std::string key;
  rows::set_partition_key(3, key);
  damage(directory.path(), Family::kCheckpoints, key, "short");
  damage(directory.path(), Family::kPolicies, "00ff", "bad");
  damage(directory.path(), Family::kSymbols, "AAPL", "bad");
  damage(directory.path(), Family::kSpans, key, "bad");
  const auto store = open_store(directory.path());
  EXPECT_EQ(store->load_checkpoint(3).error().detail, "checkpoint of partition 3");
  EXPECT_EQ(store->policy("00ff").error().detail, "policy 00ff");
  EXPECT_EQ(store->symbols().error().detail, "key 4141504c in symbols");
  EXPECT_EQ(store->spans().error().detail, "key 80000003 in spans");
}

}  // namespace
}  // namespace finpipe
