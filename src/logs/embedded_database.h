// The RocksDB database below an embedded log: its directory, column families, keys and the ends of its partitions.
// Private to the adapter: only embedded*.cpp includes it.
//   records       partition (u32, big-endian) + offset of the first record (u64, big-endian) -> embedded_chunk.h
//   dead_letters  id -> dead_letter_codec.h
//   meta          format, log_id (16 bytes), partitions (decimal)
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "market/bar.h"

namespace rocksdb {
class ColumnFamilyHandle;
class Slice;
class DB;
class Iterator;
class Status;
}  // namespace rocksdb

namespace finpipe {

class EmbeddedDatabase {
 public:
  // The contract of EmbeddedLog::open.
  [[nodiscard]] static Result<std::unique_ptr<EmbeddedDatabase>> open(const std::string& path, std::int32_t partitions,
                                                                      bool read_only);
  ~EmbeddedDatabase();
  EmbeddedDatabase(const EmbeddedDatabase&) = delete;
  EmbeddedDatabase& operator=(const EmbeddedDatabase&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const LogId& log_id() const { return log_id_; }
  [[nodiscard]] std::int32_t partitions() const { return static_cast<std::int32_t>(ends_.size()); }

  [[nodiscard]] rocksdb::DB& db() const { return *db_; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* records() const { return handles_[1]; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* dead_letters() const { return handles_[2]; }

  // One past the last durable record of a partition. Throws std::out_of_range on a partition that does not exist.
  [[nodiscard]] std::int64_t end(std::int32_t partition) const {
    return ends_.at(static_cast<std::size_t>(partition)).load(std::memory_order_acquire);
  }
  // Shows the records below `end` to readers: they must be durable.
  void publish_end(std::int32_t partition, std::int64_t end) {
    ends_.at(static_cast<std::size_t>(partition)).store(end, std::memory_order_release);
  }

  [[nodiscard]] Error error(const rocksdb::Status& status) const;

 private:
  explicit EmbeddedDatabase(std::string path);

  [[nodiscard]] static Result<std::unique_ptr<EmbeddedDatabase>> open_once(const std::string& path,
                                                                           std::int32_t partitions, bool read_only);
  [[nodiscard]] Result<void> open_families(bool exists, bool read_only);
  [[nodiscard]] Result<std::int32_t> read_meta();
  [[nodiscard]] Result<std::int32_t> create_meta(std::int32_t partitions);
  [[nodiscard]] Result<void> read_ends(std::int32_t partitions);
  [[nodiscard]] Result<std::int64_t> read_end(std::int32_t partition, rocksdb::Iterator& it) const;
  [[nodiscard]] rocksdb::ColumnFamilyHandle* meta() const { return handles_[3]; }

  std::string path_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // default, records, dead_letters, meta
  LogId log_id_{};
  std::vector<std::atomic<std::int64_t>> ends_;
};

// The key of a chunk that begins with this record.
using RecordKey = std::array<char, 12>;
[[nodiscard]] RecordKey record_key(std::int32_t partition, std::int64_t offset);
[[nodiscard]] rocksdb::Slice slice(const RecordKey& key);  // into the key
// The offset in a chunk's key; nullopt when the key is none, or another partition's.
[[nodiscard]] std::optional<std::int64_t> offset_in(std::string_view key, std::int32_t partition);

}  // namespace finpipe
