#include "logs/embedded_log.h"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <cstring>
#include <memory_resource>
#include <optional>
#include <utility>
#include <vector>

#include "logs/embedded_chunk.h"
#include "logs/embedded_database.h"
#include "logs/embedded_dead_letters.h"
#include "logs/read_batches.h"
#include "logs/record_size.h"

namespace finpipe {
namespace {

class EmbeddedWriter final : public LogWriter {
 public:
  EmbeddedWriter(EmbeddedDatabase& database, std::size_t max_pending_bytes)
      : database_(database), max_pending_bytes_(max_pending_bytes) {
    for (std::int32_t p = 0; p < database.partitions(); ++p) tails_.push_back({database.end(p), database.end(p), {}});
  }

  [[nodiscard]] std::int32_t partitions() const override { return database_.partitions(); }
  [[nodiscard]] std::size_t pending_bytes() const override { return pending_bytes_; }

  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override {
    Tail& tail = tails_.at(static_cast<std::size_t>(partition));
    std::size_t bytes = 0;
    for (const LogRecord& record : records) bytes += record_bytes(record);
    if (pending_bytes_ > 0 && pending_bytes_ + bytes > max_pending_bytes_) return Append::kFull;
    pending_bytes_ += bytes;
    for (const LogRecord& record : records) {
      append_record(tail.chunk, record);
      ++tail.next;
      if (tail.chunk.size() >= kChunkBytes) close_chunk(partition, tail);
    }
    return Append::kAccepted;
  }

  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override {
    acknowledged_.clear();
    if (!error_ && pending_bytes_ > 0) write();
    if (error_) return fail(*error_);
    return acknowledged_;
  }

 private:
  struct Tail {
    std::int64_t chunk_first;  // offset of the chunk's first record
    std::int64_t next;         // offset of the next record
    std::string chunk;         // records that are not in the batch yet
  };

  void close_chunk(std::int32_t partition, Tail& tail) {
    const auto status = batch_.Put(database_.records(), slice(record_key(partition, tail.chunk_first)), tail.chunk);
    if (!status.ok() && !error_) error_ = database_.error(status);
    tail.chunk.clear();
    tail.chunk_first = tail.next;
  }

  void write() {
    for (std::int32_t p = 0; p < partitions(); ++p) {
      Tail& tail = tails_[static_cast<std::size_t>(p)];
      if (!tail.chunk.empty()) close_chunk(p, tail);
    }
    rocksdb::WriteOptions options;
    options.sync = true;
    if (const auto status = database_.db().Write(options, &batch_); !status.ok() && !error_) {
      error_ = database_.error(status);
    }
    if (error_) return;
    batch_.Clear();
    pending_bytes_ = 0;
    for (std::int32_t p = 0; p < partitions(); ++p) {
      const std::int64_t end = tails_[static_cast<std::size_t>(p)].next;
      if (end == database_.end(p)) continue;
      database_.publish_end(p, end);
      acknowledged_.push_back({p, end});
    }
  }

  EmbeddedDatabase& database_;
  std::size_t max_pending_bytes_;
  rocksdb::WriteBatch batch_;
  std::size_t pending_bytes_ = 0;
  std::vector<Tail> tails_;  // by partition
  std::optional<Error> error_;
  std::vector<Acknowledged> acknowledged_;
};

class EmbeddedReader final : public LogReader {
 public:
  explicit EmbeddedReader(EmbeddedDatabase& database)
      : database_(database), cursors_(static_cast<std::size_t>(database.partitions())), arena_buffer_(kArenaBytes) {
    for (std::int32_t p = 0; p < database.partitions(); ++p) assignments_.push_back({p, Change::kAssigned});
  }

  [[nodiscard]] const LogId& log_id() const override { return database_.log_id(); }
  [[nodiscard]] std::int32_t partitions() const override { return database_.partitions(); }
  [[nodiscard]] Result<OffsetRange> range(std::int32_t partition) override {
    return OffsetRange{0, database_.end(partition)};
  }

  [[nodiscard]] Result<void> seek(std::int32_t partition, std::int64_t offset) override {
    const std::int64_t end = database_.end(partition);
    if (offset < 0 || offset > end) {
      return fail(ErrorCode::kOffsetOutOfRange, fmt::format("{}: partition {} has offsets 0 to {}, not {}",
                                                            database_.path(), partition, end, offset));
    }
    cursor(partition).next = offset;
    cursor(partition).iterator.reset();
    return {};
  }

  [[nodiscard]] Result<Read> poll(std::size_t max_bytes) override {
    if (polled_) assignments_.clear();
    polled_ = true;
    arena_.release();
    batches_.begin(max_bytes);
    FINPIPE_TRY(batches_.gather(
        partitions(), [this](std::int32_t partition) { return cursor(partition).next; },
        [this](std::int32_t partition) { return read_partition(partition); }));
    return Read{assignments_, batches_.all()};
  }

  void pause(std::int32_t partition) override {
    cursor(partition).paused = true;
    cursor(partition).iterator.reset();
  }
  void resume(std::int32_t partition) override { cursor(partition).paused = false; }
  void commit_hint(std::int32_t /*partition*/, std::int64_t /*offset*/) override {}

 private:
  static constexpr std::size_t kArenaBytes = std::size_t{2} << 20;
  static constexpr std::size_t kReadaheadBytes = std::size_t{512} << 10;

  struct Cursor {
    std::int64_t next = -1;  // offset; -1 until sought
    bool paused = false;
    // Kept only while there is something to read, at the chunk that `next` is in or comes right after.
    std::unique_ptr<rocksdb::Iterator> iterator;
    std::string_view chunk;        // what the iterator's chunk has from `next` on
    std::int64_t visible_end = 0;  // the partition's end when the iterator was made
  };

  [[nodiscard]] Cursor& cursor(std::int32_t partition) { return cursors_.at(static_cast<std::size_t>(partition)); }

  // Adds the partition's records; false when the byte bound ended it.
  [[nodiscard]] Result<bool> read_partition(std::int32_t partition) {
    Cursor& at = cursor(partition);
    if (at.paused || at.next < 0) return true;
    if (!at.iterator) {
      at.visible_end = database_.end(partition);
      if (at.next >= at.visible_end) return true;
      FINPIPE_TRY(start(partition, at));
    }
    while (at.next < at.visible_end) {
      if (at.chunk.empty()) FINPIPE_TRY(next_chunk(partition, at));
      FINPIPE_TRY_ASSIGN(complete, read_chunk(partition, at));
      if (!complete) return false;
    }
    at.iterator.reset();
    return true;
  }

  // Makes an iterator that sees all that is durable now, and goes to the chunk of the next record.
  [[nodiscard]] Result<void> start(std::int32_t partition, Cursor& at) {
    rocksdb::ReadOptions options;
    options.readahead_size = kReadaheadBytes;
    options.fill_cache = false;
    std::unique_ptr<rocksdb::Iterator> iterator(database_.db().NewIterator(options, database_.records()));
    iterator->SeekForPrev(slice(record_key(partition, at.next)));
    const auto first =
        iterator->Valid() ? offset_in({iterator->key().data(), iterator->key().size()}, partition) : std::nullopt;
    if (!first) return fail(missing(partition, at.next, *iterator));
    std::string_view chunk(iterator->value().data(), iterator->value().size());
    for (std::int64_t offset = *first; offset < at.next; ++offset) {
      if (chunk.empty()) return fail(missing(partition, at.next, *iterator));
      if (!take_record(chunk)) return fail(malformed(partition, offset));
    }
    if (chunk.empty()) return fail(missing(partition, at.next, *iterator));
    at.chunk = chunk;
    at.iterator = std::move(iterator);
    return {};
  }

  [[nodiscard]] Result<void> next_chunk(std::int32_t partition, Cursor& at) {
    rocksdb::Iterator& it = *at.iterator;
    it.Next();
    if (it.Valid() && it.key() == slice(record_key(partition, at.next)) && !it.value().empty()) {
      at.chunk = {it.value().data(), it.value().size()};
      return {};
    }
    Error error = missing(partition, at.next, it);
    at.iterator.reset();
    return fail(std::move(error));
  }

  // Adds the records that the chunk still has; false when the byte bound ended it.
  [[nodiscard]] Result<bool> read_chunk(std::int32_t partition, Cursor& at) {
    auto* copy = static_cast<char*>(arena_.allocate(at.chunk.size(), 1));
    std::memcpy(copy, at.chunk.data(), at.chunk.size());
    std::string_view rest(copy, at.chunk.size());
    while (!rest.empty() && at.next < at.visible_end) {
      std::string_view behind = rest;
      const auto record = take_record(behind);
      if (!record) return fail(malformed(partition, at.next));
      const std::size_t bytes = record_bytes(*record);
      if (!batches_.has_room(bytes)) return false;
      batches_.add(*record, bytes);
      ++at.next;
      at.chunk.remove_prefix(rest.size() - behind.size());
      rest = behind;
    }
    return true;
  }

  [[nodiscard]] Error malformed(std::int32_t partition, std::int64_t offset) const {
    return {ErrorCode::kCorrupt,
            fmt::format("{}: the record at partition {}, offset {} is malformed", database_.path(), partition, offset)};
  }

  [[nodiscard]] Error missing(std::int32_t partition, std::int64_t offset, const rocksdb::Iterator& iterator) const {
    if (iterator.status().ok()) {
      return {ErrorCode::kLogIncomplete, fmt::format("{}: partition {} has no record at offset {}, but ends at {}",
                                                     database_.path(), partition, offset, database_.end(partition))};
    }
    Error error = database_.error(iterator.status());
    error.detail += fmt::format(" at partition {}, offset {}", partition, offset);
    return error;
  }

  EmbeddedDatabase& database_;
  std::vector<Cursor> cursors_;
  bool polled_ = false;

  std::vector<Assignment> assignments_;
  ReadBatches batches_;
  std::vector<std::byte> arena_buffer_;
  std::pmr::monotonic_buffer_resource arena_{arena_buffer_.data(), arena_buffer_.size()};
};

}  // namespace

struct EmbeddedLog::Parts {
  Parts(std::unique_ptr<EmbeddedDatabase> opened, std::size_t max_pending_bytes)
      : database(std::move(opened)), writer(*database, max_pending_bytes) {}

  std::unique_ptr<EmbeddedDatabase> database;
  EmbeddedWriter writer;
};

Result<std::unique_ptr<EmbeddedLog>> EmbeddedLog::open(const std::string& path, const EmbeddedLogOptions& options) {
  FINPIPE_TRY_ASSIGN(database, EmbeddedDatabase::open(path, options.partitions, options.read_only));
  return std::unique_ptr<EmbeddedLog>(
      new EmbeddedLog(std::make_unique<Parts>(std::move(database), options.max_pending_bytes)));
}

EmbeddedLog::EmbeddedLog(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
EmbeddedLog::~EmbeddedLog() = default;

const LogId& EmbeddedLog::log_id() const { return parts_->database->log_id(); }
std::int32_t EmbeddedLog::partitions() const { return parts_->database->partitions(); }
std::vector<std::int64_t> EmbeddedLog::ends() const {
  std::vector<std::int64_t> ends;
  for (std::int32_t p = 0; p < partitions(); ++p) ends.push_back(parts_->database->end(p));
  return ends;
}
LogWriter& EmbeddedLog::writer() { return parts_->writer; }
std::unique_ptr<LogReader> EmbeddedLog::reader() { return std::make_unique<EmbeddedReader>(*parts_->database); }
std::unique_ptr<DeadLetters> EmbeddedLog::dead_letters() { return embedded_dead_letters(*parts_->database); }
std::unique_ptr<DeadLetterQuery> EmbeddedLog::dead_letter_query(std::int64_t received_since_ms) {
  return embedded_dead_letter_query(*parts_->database, received_since_ms);
}

}  // namespace finpipe
