// The RocksDB database under the embedded store: its families, how it is tuned, and how it is opened without ever
// writing into a directory that holds something else. Inside the adapter only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "base/error.h"

namespace rocksdb {
class ColumnFamilyHandle;
class DB;
class Slice;
class Status;
}  // namespace rocksdb

namespace finpipe::rows {

enum class Family : std::uint8_t {
  kTicks,
  kBars,
  kRevisions,
  kSpans,
  kVoids,
  kSymbols,
  kPolicies,
  kCheckpoints,
  kMeta
};
constexpr std::array<std::string_view, 9> kFamilyNames = {"ticks",   "bars",     "bar_revisions", "spans", "voids",
                                                          "symbols", "policies", "checkpoints",   "meta"};

[[nodiscard]] std::string_view as_view(const rocksdb::Slice& slice);
[[nodiscard]] rocksdb::Slice as_slice(std::string_view text);

class Database {
 public:
  // Errors: those of EmbeddedStore::open.
  [[nodiscard]] static Result<std::unique_ptr<Database>> open(const std::filesystem::path& directory, bool read_only);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  [[nodiscard]] rocksdb::DB& db() const { return *db_; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* family(Family family) const {
    return families_[static_cast<std::size_t>(family)];
  }
  [[nodiscard]] bool read_only() const { return read_only_; }
  // What a failed call of the database means; its detail begins with the directory.
  [[nodiscard]] Error error(const rocksdb::Status& status) const;

 private:
  Database(const std::filesystem::path& directory, bool read_only);
  [[nodiscard]] rocksdb::Status open_writable();
  [[nodiscard]] rocksdb::Status open_beside_a_writer();
  [[nodiscard]] Result<void> check_kind();

  std::filesystem::path directory_;
  bool read_only_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* default_family_ = nullptr;  // RocksDB insists on one; empty
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyNames.size()> families_{};
};

}  // namespace finpipe::rows
