#include "logs/embedded_database.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <limits>
#include <set>
#include <string_view>
#include <utility>

#include "base/random.h"
#include "logs/embedded_chunk.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFormat = "finpipe log 1";
constexpr std::size_t kBlockCacheBytes = std::size_t{16} << 20;
constexpr std::size_t kWriteBufferBytes = std::size_t{16} << 20;  // three of them at most
constexpr std::size_t kSmallWriteBufferBytes = std::size_t{2} << 20;
constexpr std::uint64_t kMaxWalBytes = std::uint64_t{96} << 20;  // what a start after a crash reads again at most
constexpr int kReadOnlyAttempts = 20;

// In the order of EmbeddedDatabase::handles_.
const std::array<std::string, 4>& family_names() {
  static const std::array<std::string, 4> names = {rocksdb::kDefaultColumnFamilyName, "records", "dead_letters",
                                                   "meta"};
  return names;
}

std::string_view text(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

// RocksDB's own LOG file lies beside the data. When the disk is full, writing to it ends the process by an assertion
// (7.8, Debian's build), and a read-only open would replace the owner's. What goes wrong comes back as a status anyway.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_open_files = -1;
  options.max_background_jobs = 2;
  options.max_total_wal_size = kMaxWalBytes;
  options.allow_concurrent_memtable_write = false;  // one writer; what the insert hint needs
  options.bytes_per_sync = std::uint64_t{1} << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log = std::make_shared<SilentLogger>();
  return options;
}

rocksdb::ColumnFamilyOptions small_family_options() {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = kSmallWriteBufferBytes;
  options.compression = rocksdb::kLZ4Compression;
  return options;
}

rocksdb::ColumnFamilyOptions records_options() {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = 3;
  // Keys of a partition only rise: each goes right behind the partition's last one.
  options.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(sizeof(std::uint32_t)));
  // The same on all levels, so that files of new offsets sink by being renamed, not rewritten.
  options.compression = rocksdb::kLZ4Compression;
  rocksdb::BlockBasedTableOptions table;
  table.block_size = std::size_t{32} << 10;
  table.format_version = 5;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

Error to_error(const rocksdb::Status& status, const std::string& path) {
  const std::string message = status.ToString();
  const auto says = [&](std::string_view part) { return message.find(part) != std::string::npos; };
  ErrorCode code = ErrorCode::kIo;
  if (status.IsNoSpace() || says("No space left")) {
    code = ErrorCode::kDiskFull;
  } else if (says("While lock file") || says("lock hold by")) {
    code = ErrorCode::kDirectoryInUse;
  } else if (status.IsNotSupported() || says("Permission denied") || says("Operation not permitted") ||
             says("Read-only file system")) {
    code = ErrorCode::kReadOnly;
  } else if (status.IsCorruption() || status.IsPathNotFound()) {
    code = ErrorCode::kCorrupt;  // the directory is there: what is missing is one of its files
  } else if (status.IsInvalidArgument()) {
    code = ErrorCode::kWrongFormat;
  }
  return {code, fmt::format("{}: {}", path, message)};
}

Error to_error(const std::error_code& error, const std::string& path, bool read_only) {
  ErrorCode code = ErrorCode::kIo;
  if (error == std::errc::no_space_on_device) {
    code = ErrorCode::kDiskFull;
  } else if (!read_only && (error == std::errc::permission_denied || error == std::errc::operation_not_permitted ||
                            error == std::errc::read_only_file_system)) {
    code = ErrorCode::kReadOnly;
  }
  return {code, fmt::format("{}: {}", path, error.message())};
}

// The names of the files that hold data.
Result<std::set<std::string>> data_files(const std::string& path, bool read_only) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    // LOG files tell what happened; the others may be left by a creation that was cut short.
    const bool no_data = name == "LOCK" || name == "IDENTITY" || name.starts_with("LOG") ||
                         name.starts_with("OPTIONS-") || name.ends_with(".dbtmp");
    if (!no_data) names.insert(std::move(name));
  }
  if (error) return fail(to_error(error, path, read_only));
  return names;
}

// Whether the directory has a database. Makes the directory when it is missing and may be written.
Result<bool> prepare_directory(const std::string& path, bool read_only) {
  std::error_code error;
  if (!fs::exists(path, error) && !error) {
    if (read_only) return fail(ErrorCode::kNotFound, fmt::format("no log at {}", path));
    fs::create_directories(path, error);
  }
  if (error) return fail(to_error(error, path, read_only));
  if (!fs::is_directory(path)) return fail(ErrorCode::kWrongFormat, fmt::format("{} is no directory", path));

  FINPIPE_TRY_ASSIGN(names, data_files(path, read_only));
  if (names.contains("CURRENT")) return true;
  std::erase_if(names, [](const std::string& name) { return name == "MANIFEST-000001"; });  // a creation cut short
  if (!names.empty()) {
    return fail(ErrorCode::kWrongFormat, fmt::format("{} has other files, such as {}", path, *names.begin()));
  }
  if (read_only) return fail(ErrorCode::kNotFound, fmt::format("no log at {}", path));
  return false;
}

// Families are created one after the other: a creation that was cut short left some of ours, and all of them empty.
Result<void> check_unfinished_creation(const std::string& path, const std::vector<std::string>& names) {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  if (const auto status = rocksdb::DB::OpenForReadOnly(database_options(), path, families, &handles, &raw);
      !status.ok()) {
    return fail(to_error(status, path));
  }
  const std::unique_ptr<rocksdb::DB> db(raw);
  bool empty = true;
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(rocksdb::ReadOptions(), handle));
    it->SeekToFirst();
    empty = empty && !it->Valid() && it->status().ok();
  }
  for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  if (!empty) return fail(ErrorCode::kWrongFormat, fmt::format("{} holds another database", path));
  return {};
}

}  // namespace

static_assert(std::endian::native == std::endian::little);

RecordKey record_key(std::int32_t partition, std::int64_t offset) {
  const std::uint32_t high = std::byteswap(static_cast<std::uint32_t>(partition));
  const std::uint64_t low = std::byteswap(static_cast<std::uint64_t>(offset));
  RecordKey key;
  std::memcpy(key.data(), &high, sizeof high);
  std::memcpy(key.data() + sizeof high, &low, sizeof low);
  return key;
}

rocksdb::Slice slice(const RecordKey& key) { return {key.data(), key.size()}; }

std::optional<std::int64_t> offset_in(std::string_view key, std::int32_t partition) {
  const RecordKey first = record_key(partition, 0);
  if (key.size() != first.size() || std::memcmp(key.data(), first.data(), sizeof(std::uint32_t)) != 0) {
    return std::nullopt;
  }
  std::uint64_t offset = 0;
  std::memcpy(&offset, key.data() + sizeof(std::uint32_t), sizeof offset);
  return static_cast<std::int64_t>(std::byteswap(offset));
}

EmbeddedDatabase::EmbeddedDatabase(std::string path) : path_(std::move(path)) {}

EmbeddedDatabase::~EmbeddedDatabase() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) db_->DestroyColumnFamilyHandle(handle);
}

Error EmbeddedDatabase::error(const rocksdb::Status& status) const { return to_error(status, path_); }

Result<std::unique_ptr<EmbeddedDatabase>> EmbeddedDatabase::open(const std::string& path, std::int32_t partitions,
                                                                 bool read_only) {
  if (partitions < 0) return fail(ErrorCode::kBadSetting, fmt::format("{} partitions for {}", partitions, path));
  if (!read_only) return open_once(path, partitions, false);

  // The owner may turn its write-ahead log into a table while it is being read here, so that records of neither are
  // seen. Then the names of its files have changed.
  for (int attempt = 0; attempt < kReadOnlyAttempts; ++attempt) {
    const auto before = data_files(path, true);
    auto opened = open_once(path, partitions, true);
    const auto after = data_files(path, true);
    if (before.has_value() == after.has_value() && (!before || *before == *after)) return opened;
  }
  return fail(ErrorCode::kIo, fmt::format("{}: its owner writes too fast for it to be opened; try again", path));
}

Result<std::unique_ptr<EmbeddedDatabase>> EmbeddedDatabase::open_once(const std::string& path, std::int32_t partitions,
                                                                      bool read_only) {
  FINPIPE_TRY_ASSIGN(exists, prepare_directory(path, read_only));
  std::unique_ptr<EmbeddedDatabase> database(new EmbeddedDatabase(path));
  FINPIPE_TRY(database->open_families(exists, read_only));
  FINPIPE_TRY_ASSIGN(stored, database->read_meta());
  if (stored == 0) {
    if (read_only) return fail(ErrorCode::kNotFound, fmt::format("the log at {} is only being created", path));
    FINPIPE_TRY_ASSIGN(created, database->create_meta(std::max(partitions, 1)));
    stored = created;
  }
  if (partitions != 0 && partitions != stored) {
    return fail(ErrorCode::kPartitionCountChanged, fmt::format("{} has {}, not {}", path, stored, partitions));
  }
  FINPIPE_TRY(database->read_ends(stored));
  return database;
}

Result<void> EmbeddedDatabase::open_families(bool exists, bool read_only) {
  if (exists) {
    std::vector<std::string> names;
    if (const auto status = rocksdb::DB::ListColumnFamilies(database_options(), path_, &names); !status.ok()) {
      return fail(error(status));
    }
    const auto ours = [](const std::string& name) {
      return std::ranges::find(family_names(), name) != family_names().end();
    };
    if (!std::ranges::all_of(names, ours)) {
      return fail(ErrorCode::kWrongFormat, fmt::format("{} holds another database", path_));
    }
    if (names.size() < family_names().size()) FINPIPE_TRY(check_unfinished_creation(path_, names));
  }

  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : family_names()) families.emplace_back(name, small_family_options());
  families[1].options = records_options();
  rocksdb::DB* raw = nullptr;
  const rocksdb::DBOptions options = database_options();
  const auto status = read_only ? rocksdb::DB::OpenForReadOnly(options, path_, families, &handles_, &raw)
                                : rocksdb::DB::Open(options, path_, families, &handles_, &raw);
  db_.reset(raw);
  if (!status.ok()) return fail(error(status));
  return {};
}

// The partition count, or 0 when the log has not been created yet.
Result<std::int32_t> EmbeddedDatabase::read_meta() {
  std::string format;
  std::string id;
  std::string count;
  const rocksdb::ReadOptions options;
  const auto found = db_->Get(options, meta(), "format", &format);
  if (found.IsNotFound()) {
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options, records()));
    it->SeekToFirst();
    if (it->Valid()) return fail(ErrorCode::kCorrupt, fmt::format("{} has records but no format", path_));
    return 0;
  }
  if (!found.ok()) return fail(error(found));
  if (format != kFormat) {
    return fail(ErrorCode::kWrongFormat, fmt::format("{} has the format '{}', not '{}'", path_, format, kFormat));
  }
  for (const auto& [key, value] : {std::pair("log_id", &id), std::pair("partitions", &count)}) {
    if (const auto status = db_->Get(options, meta(), key, value); !status.ok()) {
      return fail(ErrorCode::kCorrupt, fmt::format("{}: {}: {}", path_, key, status.ToString()));
    }
  }
  std::int32_t partitions = 0;
  const char* const count_end = count.data() + count.size();
  const auto [end, parse_error] = std::from_chars(count.data(), count_end, partitions);
  if (id.size() != log_id_.size() || parse_error != std::errc() || end != count_end || partitions < 1) {
    return fail(ErrorCode::kCorrupt, fmt::format("{}: log id or partition count cannot be read", path_));
  }
  std::memcpy(log_id_.data(), id.data(), log_id_.size());
  return partitions;
}

Result<std::int32_t> EmbeddedDatabase::create_meta(std::int32_t partitions) {
  log_id_ = random_id();
  rocksdb::WriteBatch batch;
  const rocksdb::Slice id(reinterpret_cast<const char*>(log_id_.data()), log_id_.size());
  rocksdb::WriteOptions options;
  options.sync = true;
  auto status = batch.Put(meta(), "format", rocksdb::Slice(kFormat.data(), kFormat.size()));
  if (status.ok()) status = batch.Put(meta(), "log_id", id);
  if (status.ok()) status = batch.Put(meta(), "partitions", fmt::to_string(partitions));
  if (status.ok()) status = db_->Write(options, &batch);
  if (!status.ok()) return fail(error(status));
  return partitions;
}

Result<void> EmbeddedDatabase::read_ends(std::int32_t partitions) {
  ends_ = std::vector<std::atomic<std::int64_t>>(static_cast<std::size_t>(partitions));
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), records()));
  for (std::int32_t p = 0; p < partitions; ++p) {
    FINPIPE_TRY_ASSIGN(end, read_end(p, *it));
    publish_end(p, end);
  }
  it->Seek(slice(record_key(partitions, 0)));
  if (it->Valid()) return fail(ErrorCode::kCorrupt, fmt::format("{}: records of no partition", path_));
  if (!it->status().ok()) return fail(error(it->status()));
  return {};
}

Result<std::int64_t> EmbeddedDatabase::read_end(std::int32_t partition, rocksdb::Iterator& it) const {
  const auto offset_at = [&] { return it.Valid() ? offset_in(text(it.key()), partition) : std::nullopt; };
  it.Seek(slice(record_key(partition, 0)));
  const auto first = offset_at();
  if (!first) return 0;
  if (*first != 0) {
    return fail(ErrorCode::kLogIncomplete,
                fmt::format("{}: partition {} begins at offset {}", path_, partition, *first));
  }
  it.SeekForPrev(slice(record_key(partition, std::numeric_limits<std::int64_t>::max())));
  auto end = offset_at();
  if (!end) return fail(ErrorCode::kCorrupt, fmt::format("{}: partition {} has a malformed key", path_, partition));
  for (std::string_view chunk = text(it.value()); !chunk.empty(); ++*end) {
    if (take_record(chunk)) continue;
    return fail(ErrorCode::kCorrupt,
                fmt::format("{}: the record at partition {}, offset {} is malformed", path_, partition, *end));
  }
  return *end;
}

}  // namespace finpipe
