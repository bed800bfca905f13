// What the embedded log promises beyond the contract of every log (tests/contract/log_contract.h).
#include "logs/embedded_log.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/time.h"
#include "logs/embedded_database.h"
#include "logs/tests/child.h"
#include "logs/tests/temp_dir.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

ErrorCode open_error(const std::string& path, const EmbeddedLogOptions& options = {}) {
  const auto log = EmbeddedLog::open(path, options);
  if (log) {
    ADD_FAILURE() << path << " opened";
    return ErrorCode::kUsage;
  }
  EXPECT_NE(log.error().detail.find(path), std::string::npos) << log.error().detail;
  return log.error().code;
}

std::unique_ptr<EmbeddedLog> opened(const std::string& path, const EmbeddedLogOptions& options = {}) {
  auto log = EmbeddedLog::open(path, options);
  if (!log) throw std::runtime_error(log.error().message());
  return *std::move(log);
}

void append(EmbeddedLog& log, std::int32_t partition, const std::string& value) {
  const LogRecord record{RecordType::kTrade, "AAPL", value};
  ASSERT_EQ(log.writer().append(partition, {&record, 1}), LogWriter::Append::kAccepted);
  ASSERT_TRUE(log.writer().poll());
}

struct Contents {
  std::vector<std::string> values;
  std::optional<Error> error;
};

Contents read(EmbeddedLog& log, std::int32_t partition) {
  Contents contents;
  const auto reader = log.reader();
  EXPECT_TRUE(reader->seek(partition, 0));
  while (true) {
    const auto read = reader->poll(1 << 20);
    if (!read) {
      contents.error = read.error();
      EXPECT_FALSE(reader->poll(1 << 20)) << "an error stays";
      return contents;
    }
    if (read->batches.empty()) return contents;
    for (const auto& batch : read->batches) {
      for (const LogRecord& record : batch.records) contents.values.emplace_back(record.value);
    }
  }
}

// Changes a closed log's database behind its back.
using Handles = std::vector<rocksdb::ColumnFamilyHandle*>;
void change(const std::string& path, const std::function<void(rocksdb::DB&, const Handles&)>& work) {
  std::vector<std::string> names;
  ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  Handles handles;
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open({}, path, families, &handles, &db).ok());
  work(*db, handles);
  for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
  delete db;
}

constexpr std::size_t kRecords = 1;  // of Handles
constexpr std::size_t kDeadLetters = 2;
constexpr std::size_t kMeta = 3;

std::string key(std::int32_t partition, std::int64_t offset) {
  const RecordKey bytes = record_key(partition, offset);
  return {bytes.data(), bytes.size()};
}

// A log of two partitions whose first has the records r0 to r4, a chunk each.
void make_log(const std::string& path) {
  const auto log = opened(path, {.partitions = 2});
  for (const std::string value : {"r0", "r1", "r2", "r3", "r4"}) append(*log, 0, value);
}

TEST(EmbeddedLog, ANewLogHasOnePartitionUnlessAskedFor) {
  const TempDir dir;
  EXPECT_EQ(opened(dir.path("a/b/c"))->partitions(), 1);
  EXPECT_EQ(opened(dir.path("d"), {.partitions = 3})->partitions(), 3);
  EXPECT_EQ(opened(dir.path("d"))->partitions(), 3);
  EXPECT_EQ(open_error(dir.path("d"), {.partitions = 4}), ErrorCode::kPartitionCountChanged);
  EXPECT_EQ(open_error(dir.path("e"), {.partitions = -1}), ErrorCode::kBadSetting);
}

TEST(EmbeddedLog, IsHeldByOneProcess) {
  const TempDir dir;
  const auto log = opened(dir.path("log"));
  EXPECT_EQ(open_error(dir.path("log")), ErrorCode::kDirectoryInUse);
  Child child(ChildTask::kOpen, dir.path("log"));
  EXPECT_EQ(only_error(child), ErrorCode::kDirectoryInUse);
}

TEST(EmbeddedLog, IsFreeWhenClosed) {
  const TempDir dir;
  opened(dir.path("log"));
  Child child(ChildTask::kOpen, dir.path("log"));
  EXPECT_EQ(only_error(child), std::nullopt);
}

TEST(EmbeddedLog, ADirectoryThatCannotBeWrittenIsReadOnly) {
  const TempDir dir;
  opened(dir.path("log"));
  fs::permissions(dir.path("log"),
                  fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read | fs::perms::others_exec);
  fs::permissions(dir.path(),
                  fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read | fs::perms::others_exec);
  for (const std::string name : {"log", "new"}) {
    Child child(ChildTask::kOpenUnprivileged, dir.path(name));
    EXPECT_EQ(only_error(child), ErrorCode::kReadOnly) << name;
  }
  fs::permissions(dir.path(), fs::perms::owner_all);
  fs::permissions(dir.path("log"), fs::perms::owner_all);
}

TEST(EmbeddedLog, RefusesAPlaceThatHoldsSomethingElse) {
  const TempDir dir;
  std::ofstream(dir.path("file")) << "text";
  EXPECT_EQ(open_error(dir.path("file")), ErrorCode::kWrongFormat);

  fs::create_directory(dir.path("notes"));
  std::ofstream(dir.path("notes/todo.txt")) << "text";
  EXPECT_EQ(open_error(dir.path("notes")), ErrorCode::kWrongFormat);
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path("notes")), {}), 1) << "nothing was created";
}

TEST(EmbeddedLog, RefusesAnotherDatabase) {
  const TempDir dir;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, dir.path("plain"), &db).ok());
  ASSERT_TRUE(db->Put({}, "key", "value").ok());
  delete db;
  EXPECT_EQ(open_error(dir.path("plain")), ErrorCode::kWrongFormat);

  ASSERT_TRUE(rocksdb::DB::Open(options, dir.path("families"), &db).ok());
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  ASSERT_TRUE(db->CreateColumnFamily({}, "bars", &handle).ok());
  db->DestroyColumnFamilyHandle(handle);
  delete db;
  EXPECT_EQ(open_error(dir.path("families")), ErrorCode::kWrongFormat);
}

TEST(EmbeddedLog, FinishesACreationThatWasCutShort) {
  const TempDir dir;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open(options, dir.path("log"), &db).ok());
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  ASSERT_TRUE(db->CreateColumnFamily({}, "records", &handle).ok());
  db->DestroyColumnFamilyHandle(handle);
  delete db;
  EXPECT_EQ(opened(dir.path("log"), {.partitions = 2})->partitions(), 2);
}

TEST(EmbeddedLog, RefusesAnotherVersionsFormat) {
  const TempDir dir;
  make_log(dir.path("log"));
  change(dir.path("log"), [](rocksdb::DB& db, const Handles& handles) {
    ASSERT_TRUE(db.Put({}, handles[kMeta], "format", "finpipe log 2").ok());
  });
  EXPECT_EQ(open_error(dir.path("log")), ErrorCode::kWrongFormat);
}

TEST(EmbeddedLog, DamagedFilesAreCorrupt) {
  const TempDir dir;
  make_log(dir.path("log"));
  std::ofstream(dir.path("log/CURRENT")) << "MANIFEST-999999\n";
  EXPECT_EQ(open_error(dir.path("log")), ErrorCode::kCorrupt);
  fs::remove(dir.path("log/CURRENT"));
  EXPECT_EQ(open_error(dir.path("log")), ErrorCode::kWrongFormat) << "must not begin a new log over an old one's files";
}

TEST(EmbeddedLog, AHoleStopsTheReaderWithItsPlaceAfterWhatIsBefore) {
  const TempDir dir;
  make_log(dir.path("log"));
  change(dir.path("log"), [](rocksdb::DB& db, const Handles& handles) {
    ASSERT_TRUE(db.Delete({}, handles[kRecords], key(0, 2)).ok());
  });
  const auto log = opened(dir.path("log"));
  const Contents contents = read(*log, 0);
  EXPECT_EQ(contents.values, (std::vector<std::string>{"r0", "r1"}));
  ASSERT_TRUE(contents.error);
  EXPECT_EQ(contents.error->code, ErrorCode::kLogIncomplete);
  EXPECT_NE(contents.error->detail.find("partition 0 has no record at offset 2"), std::string::npos);

  const auto reader = log->reader();
  ASSERT_TRUE(reader->seek(0, 2));
  const auto in_the_hole = reader->poll(1);
  ASSERT_FALSE(in_the_hole);
  EXPECT_EQ(in_the_hole.error().code, ErrorCode::kLogIncomplete);
}

TEST(EmbeddedLog, ALostHeadIsFoundWhenOpened) {
  const TempDir dir;
  make_log(dir.path("log"));
  change(dir.path("log"), [](rocksdb::DB& db, const Handles& handles) {
    ASSERT_TRUE(db.Delete({}, handles[kRecords], key(0, 0)).ok());
  });
  EXPECT_EQ(open_error(dir.path("log")), ErrorCode::kLogIncomplete);
}

TEST(EmbeddedLog, RecordsOfAPartitionThatIsNoneAreCorrupt) {
  const TempDir dir;
  make_log(dir.path("log"));
  change(dir.path("log"), [](rocksdb::DB& db, const Handles& handles) {
    ASSERT_TRUE(db.Put({}, handles[kRecords], key(2, 0), std::string("\0\0", 2)).ok());
  });
  EXPECT_EQ(open_error(dir.path("log")), ErrorCode::kCorrupt);
}

TEST(EmbeddedLog, AMalformedRecordStopsTheReaderWithItsPlace) {
  for (const std::string& stored :
       {std::string("\x04", 1), std::string("\0\x7fshort", 7), std::string("\2\xff", 2), std::string("\0", 1),
        std::string("\2\1k\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 13)}) {
    const TempDir dir;
    make_log(dir.path("log"));
    change(dir.path("log"), [&](rocksdb::DB& db, const Handles& handles) {
      ASSERT_TRUE(db.Put({}, handles[kRecords], key(0, 3), stored).ok());
    });
    const Contents contents = read(*opened(dir.path("log")), 0);
    EXPECT_EQ(contents.values.size(), 3U);
    ASSERT_TRUE(contents.error);
    EXPECT_EQ(contents.error->code, ErrorCode::kCorrupt);
    EXPECT_NE(contents.error->detail.find("partition 0, offset 3"), std::string::npos) << contents.error->detail;
  }
}

TEST(EmbeddedLog, ADamagedDeadLetterIsNamed) {
  const TempDir dir;
  opened(dir.path("log"));
  change(dir.path("log"), [](rocksdb::DB& db, const Handles& handles) {
    ASSERT_TRUE(db.Put({}, handles[kDeadLetters], "tape:17", "no Avro").ok());
  });
  const auto visited =
      opened(dir.path("log"))->dead_letter_query()->dead_letters([](const DeadLetter&) { return true; });
  ASSERT_FALSE(visited);
  EXPECT_EQ(visited.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(visited.error().detail.find("tape:17"), std::string::npos);
}

TEST(EmbeddedLog, OldDeadLettersNeedNotBeRead) {
  const TempDir dir;
  const auto log = opened(dir.path("log"));
  const auto letters = log->dead_letters();
  for (const std::int64_t received_ms : {1'000, 2'000, 3'000}) {
    DeadLetter letter;
    letter.id = std::to_string(received_ms);
    letter.received_at_ns = received_ms * kNsPerMs;
    letters->put(std::move(letter));
  }
  ASSERT_TRUE(letters->flush());
  std::vector<std::string> seen;
  ASSERT_TRUE(log->dead_letter_query(2'000)->dead_letters([&](const DeadLetter& letter) {
    seen.push_back(letter.id);
    return true;
  }));
  EXPECT_EQ(seen, (std::vector<std::string>{"2000", "3000"}));
}

TEST(EmbeddedLog, ReadOnlySeesTheLogBesideItsOwner) {
  const TempDir dir;
  EXPECT_EQ(open_error(dir.path("log"), {.read_only = true}), ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(dir.path("log")));

  const auto owner = opened(dir.path("log"));
  append(*owner, 0, "a");
  const auto beside = opened(dir.path("log"), {.read_only = true});
  append(*owner, 0, "b");
  EXPECT_EQ(beside->log_id(), owner->log_id());
  EXPECT_EQ(read(*beside, 0).values, std::vector<std::string>{"a"});
  EXPECT_EQ(read(*opened(dir.path("log"), {.read_only = true}), 0).values, (std::vector<std::string>{"a", "b"}));

  const LogRecord record{RecordType::kTrade, "AAPL", "c"};
  ASSERT_EQ(beside->writer().append(0, {&record, 1}), LogWriter::Append::kAccepted);
  const auto written = beside->writer().poll();
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kReadOnly);
}

TEST(EmbeddedLog, ReadOnlyOpensWithoutHolesWhileItsOwnerWritesFiles) {
  const TempDir dir;
  const auto owner = opened(dir.path("log"));
  std::atomic<bool> stop = false;
  std::thread writing([&] {
    const std::string value(100'000, 'v');
    while (!stop) append(*owner, 0, value);
  });
  for (int i = 0; i < 10; ++i) {
    const auto beside = EmbeddedLog::open(dir.path("log"), {.read_only = true});
    if (!beside) {
      EXPECT_NE(beside.error().detail.find("too fast"), std::string::npos) << beside.error().message();
      continue;
    }
    EXPECT_FALSE(read(**beside, 0).error);
  }
  stop = true;
  writing.join();
}

TEST(EmbeddedLog, OneThreadReadsWhatAnotherWrites) {
  constexpr std::int64_t kCount = 3'000;
  const TempDir dir;
  const auto log = opened(dir.path("log"), {.partitions = 2});
  std::thread writing([&] {
    for (std::int64_t i = 0; i < kCount; ++i) append(*log, static_cast<std::int32_t>(i % 2), std::to_string(i / 2));
  });
  std::thread refusing([&] {
    const auto letters = log->dead_letters();
    for (int i = 0; i < 100; ++i) {
      DeadLetter letter;
      letter.id = std::to_string(i);
      letters->put(std::move(letter));
      ASSERT_TRUE(letters->flush());
    }
  });
  const auto reader = log->reader();
  std::array<std::int64_t, 2> next{};
  for (std::int32_t p = 0; p < 2; ++p) ASSERT_TRUE(reader->seek(p, 0));
  while (next[0] + next[1] < kCount) {
    const auto read = reader->poll(2'000);
    ASSERT_TRUE(read) << read.error().message();
    for (const auto& batch : read->batches) {
      std::int64_t& of_partition = next[static_cast<std::size_t>(batch.partition)];
      ASSERT_EQ(batch.first_offset, of_partition);
      for (const LogRecord& record : batch.records) ASSERT_EQ(record.value, std::to_string(of_partition++));
    }
  }
  writing.join();
  refusing.join();
}

}  // namespace
}  // namespace finpipe
