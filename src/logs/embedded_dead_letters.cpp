#include "logs/embedded_dead_letters.h"

#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "logs/dead_letter_codec.h"

namespace finpipe {
namespace {

constexpr std::size_t kMaxPendingBytes = std::size_t{1} << 20;

class EmbeddedDeadLetters final : public DeadLetters {
 public:
  explicit EmbeddedDeadLetters(EmbeddedDatabase& database) : database_(database) {}

  void put(DeadLetter letter) override {
    value_.clear();
    encode_dead_letter(letter, value_);
    if (batch_.Count() > 0 && batch_.GetDataSize() + letter.id.size() + value_.size() > kMaxPendingBytes) write(false);
    if (const auto status = batch_.Put(database_.dead_letters(), letter.id, value_); !status.ok()) note(status);
  }

  // The last letter always waits for this, and syncing it makes durable whatever was written before.
  [[nodiscard]] Result<void> flush() override {
    if (batch_.Count() > 0) write(true);
    if (error_) return fail(*error_);
    return {};
  }

 private:
  void write(bool sync) {
    if (error_) return batch_.Clear();
    rocksdb::WriteOptions options;
    options.sync = sync;
    if (const auto status = database_.db().Write(options, &batch_); !status.ok()) note(status);
    batch_.Clear();
  }

  void note(const rocksdb::Status& status) {
    if (!error_) error_ = database_.error(status);
  }

  EmbeddedDatabase& database_;
  rocksdb::WriteBatch batch_;
  std::string value_;
  std::optional<Error> error_;  // permanent
};

class EmbeddedDeadLetterQuery final : public DeadLetterQuery {
 public:
  EmbeddedDeadLetterQuery(EmbeddedDatabase& database, std::int64_t received_since_ms)
      : database_(database), since_ns_(received_since_ms * kNsPerMs) {}

  // First only the order is kept in memory, then each letter is read again: letters may be large.
  [[nodiscard]] Result<void> dead_letters(const std::function<bool(const DeadLetter&)>& visit) override {
    rocksdb::ManagedSnapshot snapshot(&database_.db());
    rocksdb::ReadOptions options;
    options.snapshot = snapshot.snapshot();

    std::vector<std::pair<std::int64_t, std::string>> order;
    const std::unique_ptr<rocksdb::Iterator> it(database_.db().NewIterator(options, database_.dead_letters()));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      FINPIPE_TRY_ASSIGN(letter, decode(it->key(), it->value()));
      if (letter.received_at_ns >= since_ns_) order.emplace_back(letter.received_at_ns, std::move(letter.id));
    }
    if (!it->status().ok()) return fail(database_.error(it->status()));
    std::ranges::sort(order);

    std::string value;
    for (const auto& [received_at_ns, id] : order) {
      const auto status = database_.db().Get(options, database_.dead_letters(), id, &value);
      if (!status.ok()) return fail(database_.error(status));
      FINPIPE_TRY_ASSIGN(letter, decode(id, value));
      if (!visit(letter)) break;
    }
    return {};
  }

 private:
  [[nodiscard]] Result<DeadLetter> decode(const rocksdb::Slice& key, const rocksdb::Slice& value) const {
    auto letter = decode_dead_letter({value.data(), value.size()});
    if (!letter || letter->id != std::string_view(key.data(), key.size())) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("{}: dead letter '{}': {}", database_.path(), key.ToString(),
                              letter ? fmt::format("it names itself '{}'", letter->id) : letter.error().message()));
    }
    return letter;
  }

  EmbeddedDatabase& database_;
  const std::int64_t since_ns_;
};

}  // namespace

std::unique_ptr<DeadLetters> embedded_dead_letters(EmbeddedDatabase& database) {
  return std::make_unique<EmbeddedDeadLetters>(database);
}

std::unique_ptr<DeadLetterQuery> embedded_dead_letter_query(EmbeddedDatabase& database,
                                                            std::int64_t received_since_ms) {
  return std::make_unique<EmbeddedDeadLetterQuery>(database, received_since_ms);
}

}  // namespace finpipe
