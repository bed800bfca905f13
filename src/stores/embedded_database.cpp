#include "stores/embedded_database.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/merge_operator.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <deque>
#include <string>
#include <system_error>
#include <vector>

#include "stores/embedded_rows.h"

namespace finpipe::rows {
namespace {

constexpr std::string_view kKind = "finpipe-store";
constexpr std::string_view kFormat = "3";
constexpr std::string_view kKindKey = "kind";
constexpr std::string_view kFormatKey = "format";

// Bounds of memory: caches, and rows that are not in files yet.
constexpr std::size_t kCacheBytes = std::size_t{24} << 20;
constexpr std::size_t kTickBufferBytes = std::size_t{24} << 20;
constexpr std::size_t kBarBufferBytes = std::size_t{8} << 20;
constexpr std::size_t kSmallBufferBytes = std::size_t{1} << 20;
constexpr std::uint64_t kWriteAheadBytes = std::uint64_t{96} << 20;

// Of two versions of a row the one of the higher rank stays, of equal ranks the newer one. So a write needs no read,
// and a writer that was replaced changes nothing.
class KeepHighestRank final : public rocksdb::AssociativeMergeOperator {
 public:
  bool Merge(const rocksdb::Slice& /*key*/, const rocksdb::Slice* existing, const rocksdb::Slice& value,
             std::string* result, rocksdb::Logger* /*logger*/) const override {
    const bool older = existing != nullptr && rank_of(as_view(value)) < rank_of(as_view(*existing));
    result->assign(as_view(older ? *existing : value));
    return true;
  }
  const char* Name() const override { return "finpipe.keep_highest_rank"; }
};

// What commits add to a symbol's five minutes becomes one block, when it is read and when tables are compacted.
class MergeTicks final : public rocksdb::MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    std::vector<std::string_view> blocks;
    blocks.reserve(in.operand_list.size() + 1);
    if (in.existing_value != nullptr) blocks.push_back(as_view(*in.existing_value));
    for (const rocksdb::Slice& operand : in.operand_list) blocks.push_back(as_view(operand));
    merge_tick_blocks(blocks, out->new_value);
    return true;
  }
  bool PartialMergeMulti(const rocksdb::Slice& /*key*/, const std::deque<rocksdb::Slice>& operands, std::string* result,
                         rocksdb::Logger* /*logger*/) const override {
    result->clear();
    for (const rocksdb::Slice& operand : operands) result->append(as_view(operand));
    return true;
  }
  const char* Name() const override { return "finpipe.merge_ticks"; }
};

rocksdb::BlockBasedTableOptions table_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  return table;
}

void tune_ticks(rocksdb::ColumnFamilyOptions& options, rocksdb::BlockBasedTableOptions& table) {
  options.write_buffer_size = kTickBufferBytes;
  options.max_write_buffer_number = 3;
  options.merge_operator = std::make_shared<MergeTicks>();
  options.compression_per_level = {rocksdb::kNoCompression, rocksdb::kLZ4Compression};
  options.level0_file_num_compaction_trigger = 8;
  options.level0_slowdown_writes_trigger = 40;
  options.level0_stop_writes_trigger = 60;
  options.max_bytes_for_level_base = std::uint64_t{256} << 20;
  table.block_size = std::size_t{16} << 10;
}

void tune_bars(rocksdb::ColumnFamilyOptions& options, rocksdb::BlockBasedTableOptions& table) {
  options.write_buffer_size = kBarBufferBytes;
  options.compression = rocksdb::kLZ4Compression;
  options.memtable_prefix_bloom_size_ratio = 0.05;
  options.memtable_whole_key_filtering = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
}

rocksdb::ColumnFamilyOptions family_options(Family family, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  rocksdb::BlockBasedTableOptions table = table_options(cache);
  options.write_buffer_size = kSmallBufferBytes;
  options.compression = rocksdb::kLZ4Compression;
  switch (family) {
    case Family::kTicks: tune_ticks(options, table); break;
    case Family::kBars: tune_bars(options, table); break;
    case Family::kRevisions: options.write_buffer_size = kBarBufferBytes; break;
    default: break;
  }
  if (family == Family::kBars || family == Family::kCheckpoints) {
    options.merge_operator = std::make_shared<KeepHighestRank>();
    // A bar in the making is written by each commit: without a bound a read would walk through all its versions.
    options.max_successive_merges = 16;
  }
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// RocksDB's own LOG file lies beside the data. When the disk is full, writing to it ends the process by an assertion
// (7.8, Debian's build). What goes wrong comes back as a status anyway.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, va_list /*arguments*/) override {}
};

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_total_wal_size = kWriteAheadBytes;
  options.allow_concurrent_memtable_write = false;  // one thread writes, in nearly sorted order
  options.max_background_jobs = 2;
  options.bytes_per_sync = 1 << 20;
  options.info_log = std::make_shared<SilentLogger>();
  return options;
}

std::vector<rocksdb::ColumnFamilyDescriptor> families() {
  const auto cache = rocksdb::NewLRUCache(kCacheBytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> all = {{rocksdb::kDefaultColumnFamilyName, {}}};
  for (std::size_t i = 0; i < kFamilyNames.size(); ++i)
    all.emplace_back(std::string(kFamilyNames[i]), family_options(static_cast<Family>(i), cache));
  return all;
}

Error to_error(const rocksdb::Status& status, const std::filesystem::path& directory) {
  const std::string text = status.ToString();
  const auto says = [&text](std::string_view words) { return text.find(words) != std::string::npos; };
  const auto as = [&](ErrorCode code) { return Error{code, fmt::format("{}: {}", directory.string(), text)}; };
  if (status.IsNoSpace() || says("No space left") || says("quota exceeded")) return as(ErrorCode::kDiskFull);
  if (says("While lock file") || says("lock hold by current process")) return as(ErrorCode::kDirectoryInUse);
  if (says("Read-only file system") || says("Permission denied") || says("Operation not permitted"))
    return as(ErrorCode::kReadOnly);
  if (status.IsCorruption()) return as(ErrorCode::kCorrupt);
  return as(ErrorCode::kIo);
}

Error to_error(const std::error_code& code, const std::filesystem::path& directory) {
  const auto as = [&](ErrorCode kind) {
    return Error{kind, fmt::format("{}: {}", directory.string(), code.message())};
  };
  if (code == std::errc::no_space_on_device) return as(ErrorCode::kDiskFull);
  if (code == std::errc::permission_denied || code == std::errc::read_only_file_system ||
      code == std::errc::operation_not_permitted)
    return as(ErrorCode::kReadOnly);
  if (code == std::errc::not_a_directory || code == std::errc::file_exists) return as(ErrorCode::kWrongFormat);
  return as(ErrorCode::kIo);
}

struct Glimpse {
  bool written = false;  // whether anything was ever written
  std::string kind;      // what the database says it is, empty when it does not
};

// A look into a database whose families are not ours; writes nothing.
Glimpse look_into(const std::filesystem::path& directory, const std::vector<std::string>& names) {
  std::vector<rocksdb::ColumnFamilyDescriptor> wanted = {{rocksdb::kDefaultColumnFamilyName, {}}};
  if (std::ranges::find(names, "meta") != names.end()) wanted.emplace_back("meta", rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::OpenForReadOnly({}, directory.string(), wanted, &handles, &opened).ok()) return {true, {}};
  const std::unique_ptr<rocksdb::DB> db(opened);
  Glimpse glimpse{db->GetLatestSequenceNumber() != 0, {}};
  if (!db->Get({}, handles.back(), as_slice(kKindKey), &glimpse.kind).ok()) glimpse.kind.clear();
  for (rocksdb::ColumnFamilyHandle* handle : handles) static_cast<void>(db->DestroyColumnFamilyHandle(handle));
  return glimpse;
}

// Refuses a directory that holds something else, before anything is written into it. A creation that was cut short
// lacks some of our families and has nothing in it.
Result<void> check_directory(const std::filesystem::path& directory, bool read_only) {
  std::error_code code;
  const bool exists = std::filesystem::exists(directory, code);
  if (code) return fail(to_error(code, directory));
  if (!exists && read_only) return fail(ErrorCode::kNotFound, directory.string());
  if (!exists) {
    std::filesystem::create_directories(directory, code);
    if (code) return fail(to_error(code, directory));
    return {};
  }
  const auto other = [&directory](std::string_view what) {
    return fail(ErrorCode::kWrongFormat, fmt::format("{} is not a {}: {}", directory.string(), kKind, what));
  };
  if (!std::filesystem::is_directory(directory, code)) return other("it is a file");
  const auto holds = [&](std::string_view name) { return std::filesystem::exists(directory / name, code); };
  if (!holds("CURRENT")) {
    const bool empty = std::filesystem::is_empty(directory, code);
    if (code) return fail(to_error(code, directory));
    if (read_only) return fail(ErrorCode::kNotFound, fmt::format("{} holds no {}", directory.string(), kKind));
    return empty || holds("LOCK") ? Result<void>() : other("it holds other files");
  }
  std::vector<std::string> names;
  if (const auto status = rocksdb::DB::ListColumnFamilies({}, directory.string(), &names); !status.ok())
    return fail(to_error(status, directory));
  const auto is_there = [&names](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  if (std::ranges::all_of(kFamilyNames, is_there)) return {};
  const Glimpse glimpse = look_into(directory, names);
  if (!glimpse.written) return {};
  return other(glimpse.kind.empty() ? "it is a database of another program" : "it is a " + glimpse.kind);
}

// The write-ahead logs in the directory.
std::vector<std::filesystem::path> write_ahead_logs(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> logs;
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(directory, code))
    if (entry.path().extension() == ".log") logs.push_back(entry.path());
  return logs;
}

}  // namespace

std::string_view as_view(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
rocksdb::Slice as_slice(std::string_view text) { return {text.data(), text.size()}; }

Database::Database(const std::filesystem::path& directory, bool read_only)
    : directory_(directory), read_only_(read_only) {}

Database::~Database() {
  if (!db_) return;
  for (rocksdb::ColumnFamilyHandle* handle : families_) static_cast<void>(db_->DestroyColumnFamilyHandle(handle));
  static_cast<void>(db_->DestroyColumnFamilyHandle(default_family_));
  static_cast<void>(db_->Close());
}

Error Database::error(const rocksdb::Status& status) const { return to_error(status, directory_); }

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& directory, bool read_only) {
  FINPIPE_TRY(check_directory(directory, read_only));
  std::unique_ptr<Database> database(new Database(directory, read_only));
  const auto status = read_only ? database->open_beside_a_writer() : database->open_writable();
  if (!status.ok()) return fail(to_error(status, directory));
  FINPIPE_TRY(database->check_kind());
  return database;
}

rocksdb::Status Database::open_writable() {
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  auto status = rocksdb::DB::Open(database_options(), directory_.string(), families(), &handles, &opened);
  if (!status.ok()) return status;
  db_.reset(opened);
  default_family_ = handles.front();
  std::copy(handles.begin() + 1, handles.end(), families_.begin());
  return status;
}

// The owner may move rows from a write-ahead log into a table and remove the log, or merge tables and remove them,
// between our reading the list of files and the files. The first would leave a hole, so it is looked for; the second
// is an error. Either way another try sees the newer list.
rocksdb::Status Database::open_beside_a_writer() {
  constexpr int kTries = 50;
  rocksdb::Status status;
  for (int i = 0; i < kTries; ++i) {
    const auto logs = write_ahead_logs(directory_);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    status = rocksdb::DB::OpenForReadOnly(database_options(), directory_.string(), families(), &handles, &opened);
    if (!status.ok()) continue;
    db_.reset(opened);
    default_family_ = handles.front();
    std::copy(handles.begin() + 1, handles.end(), families_.begin());
    const auto is_there = [](const std::filesystem::path& log) {
      std::error_code code;
      return std::filesystem::exists(log, code);
    };
    if (std::ranges::all_of(logs, is_there)) return status;
    for (rocksdb::ColumnFamilyHandle* handle : handles) static_cast<void>(db_->DestroyColumnFamilyHandle(handle));
    db_.reset();
    status = rocksdb::Status::TryAgain("its owner writes faster than it can be opened");
  }
  return status;
}

Result<void> Database::check_kind() {
  std::string kind;
  std::string format;
  const auto get = [this](std::string_view key, std::string& value) {
    const auto status = db_->Get({}, family(Family::kMeta), as_slice(key), &value);
    return status.IsNotFound() ? rocksdb::Status::OK() : status;
  };
  if (const auto status = get(kKindKey, kind); !status.ok()) return fail(error(status));
  if (const auto status = get(kFormatKey, format); !status.ok()) return fail(error(status));
  if (kind.empty() && !read_only_ && db_->GetLatestSequenceNumber() == 0) {
    rocksdb::WriteBatch batch;
    static_cast<void>(batch.Put(family(Family::kMeta), as_slice(kKindKey), as_slice(kKind)));
    static_cast<void>(batch.Put(family(Family::kMeta), as_slice(kFormatKey), as_slice(kFormat)));
    rocksdb::WriteOptions synced;
    synced.sync = true;
    if (const auto status = db_->Write(synced, &batch); !status.ok()) return fail(error(status));
    return {};
  }
  if (kind != kKind)
    return fail(ErrorCode::kWrongFormat, fmt::format("{} is not a {}: it is {}", directory_.string(), kKind,
                                                     kind.empty() ? "a database of another program" : "a " + kind));
  if (format != kFormat)
    return fail(ErrorCode::kWrongFormat, fmt::format("{} has format {}, this program reads and writes format {}",
                                                     directory_.string(), format, kFormat));
  return {};
}

}  // namespace finpipe::rows
