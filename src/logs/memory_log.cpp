#include "logs/memory_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "logs/record_size.h"

namespace finpipe {

class MemoryLogWriter final : public LogWriter {
 public:
  MemoryLogWriter(MemoryLog& log, std::size_t max_pending_bytes)
      : log_(log), max_pending_bytes_(max_pending_bytes), ends_(static_cast<std::size_t>(log.partitions())) {}

  [[nodiscard]] std::int32_t partitions() const override { return log_.partitions(); }

  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override {
    std::size_t bytes = 0;
    for (const LogRecord& record : records) bytes += record_bytes(record);
    if (pending_bytes_ > 0 && pending_bytes_ + bytes > max_pending_bytes_) return Append::kFull;
    pending_bytes_ += bytes;
    for (const LogRecord& record : records) {
      pending_.push_back({partition,
                          {record.type, record.key ? std::optional<std::string>(*record.key) : std::nullopt,
                           std::string(record.value)}});
    }
    return Append::kAccepted;
  }

  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override {
    acknowledged_.clear();
    for (auto& [partition, record] : pending_) {
      MemoryLog::Partition& at = log_.partition(partition);
      auto& end = ends_[static_cast<std::size_t>(partition)];
      if (end && at.end() > *end) others_wrote_ = true;
      at.records.push_back(std::move(record));
      end = at.end();
    }
    for (const auto& pending : pending_) {
      if (std::ranges::find(acknowledged_, pending.partition, &Acknowledged::partition) == acknowledged_.end()) {
        acknowledged_.push_back({pending.partition, log_.partition(pending.partition).end()});
      }
    }
    pending_.clear();
    pending_bytes_ = 0;
    return acknowledged_;
  }

  [[nodiscard]] std::size_t pending_bytes() const override { return pending_bytes_; }
  [[nodiscard]] bool others_wrote() override { return std::exchange(others_wrote_, false); }

 private:
  struct Pending {
    std::int32_t partition;
    MemoryLog::StoredRecord record;
  };

  MemoryLog& log_;
  std::size_t max_pending_bytes_;
  std::size_t pending_bytes_ = 0;
  std::vector<std::optional<std::int64_t>> ends_;  // by partition: one past our newest record
  bool others_wrote_ = false;
  std::vector<Pending> pending_;
  std::vector<Acknowledged> acknowledged_;
};

class MemoryDeadLetters final : public DeadLetters {
 public:
  explicit MemoryDeadLetters(MemoryLog& log) : log_(log) {}

  void put(DeadLetter letter) override { pending_.push_back(std::move(letter)); }

  [[nodiscard]] Result<void> flush() override {
    for (DeadLetter& letter : pending_) {
      std::string id = letter.id;
      log_.dead_letters_.insert_or_assign(std::move(id), std::move(letter));
    }
    pending_.clear();
    return {};
  }

 private:
  MemoryLog& log_;
  std::vector<DeadLetter> pending_;
};

class MemoryDeadLetterQuery final : public DeadLetterQuery {
 public:
  explicit MemoryDeadLetterQuery(MemoryLog& log) : log_(log) {}

  [[nodiscard]] Result<void> dead_letters(const std::function<bool(const DeadLetter&)>& visit) override {
    std::vector<const DeadLetter*> letters;
    for (const auto& [id, letter] : log_.dead_letters_) letters.push_back(&letter);
    std::ranges::sort(letters, {},
                      [](const DeadLetter* letter) { return std::tie(letter->received_at_ns, letter->id); });
    for (const DeadLetter* letter : letters) {
      if (!visit(*letter)) break;
    }
    return {};
  }

 private:
  MemoryLog& log_;
};

std::size_t MemoryLog::checked_count(std::int32_t partitions) {
  if (partitions < 1) throw std::invalid_argument("a log has at least one partition");
  return static_cast<std::size_t>(partitions);
}

std::unique_ptr<LogWriter> MemoryLog::writer(std::size_t max_pending_bytes) {
  return std::make_unique<MemoryLogWriter>(*this, max_pending_bytes);
}

std::unique_ptr<MemoryLogReader> MemoryLog::reader(const std::vector<std::int32_t>& partitions) {
  return std::make_unique<MemoryLogReader>(*this, partitions);
}

std::unique_ptr<DeadLetters> MemoryLog::dead_letters() { return std::make_unique<MemoryDeadLetters>(*this); }

std::unique_ptr<DeadLetterQuery> MemoryLog::dead_letter_query() {
  return std::make_unique<MemoryDeadLetterQuery>(*this);
}

void MemoryLog::truncate_before(std::int32_t index, std::int64_t offset) {
  Partition& target = partition(index);
  while (target.begin < offset && !target.records.empty()) {
    target.records.pop_front();
    ++target.begin;
  }
}

void MemoryLog::drop_tail(std::int32_t index, std::int64_t end) {
  Partition& target = partition(index);
  while (target.end() > end && !target.records.empty()) target.records.pop_back();
}

MemoryLogReader::MemoryLogReader(MemoryLog& log, const std::vector<std::int32_t>& partitions)
    : log_(log), cursors_(log.partitions_.size()), records_(log.partitions_.size()) {
  for (const std::int32_t partition : partitions) assign(partition);
}

Result<OffsetRange> MemoryLogReader::range(std::int32_t partition) {
  const MemoryLog::Partition& source = log_.partition(partition);
  return OffsetRange{source.begin, source.end()};
}

Result<void> MemoryLogReader::seek(std::int32_t partition, std::int64_t offset) {
  const MemoryLog::Partition& source = log_.partition(partition);
  if (offset < source.begin || offset > source.end()) {
    return fail(ErrorCode::kOffsetOutOfRange, fmt::format("partition {} has offsets {} to {}, not {}", partition,
                                                          source.begin, source.end(), offset));
  }
  cursor(partition).next = offset;
  return {};
}

Result<LogReader::Read> MemoryLogReader::poll(std::size_t max_bytes) {
  assignments_ = std::exchange(changes_, {});
  batches_.clear();
  for (std::size_t p = 0; p < cursors_.size(); ++p) {
    const MemoryLog::Partition& source = log_.partitions_[p];
    const Cursor& at = cursors_[p];
    if (at.assigned && !at.paused && at.next && (*at.next < source.begin || *at.next > source.end())) {
      return fail(ErrorCode::kOffsetOutOfRange,
                  fmt::format("partition {} has offsets {} to {} and was to be read at {}", p, source.begin,
                              source.end(), *at.next));
    }
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < cursors_.size(); ++i) {
    const std::size_t p = (first_ + i) % cursors_.size();
    if (read_partition(static_cast<std::int32_t>(p), max_bytes, bytes)) continue;
    first_ = (p + 1) % cursors_.size();
    break;
  }
  return Read{assignments_, batches_};
}

bool MemoryLogReader::read_partition(std::int32_t partition, std::size_t max_bytes, std::size_t& bytes) {
  const MemoryLog::Partition& source = log_.partition(partition);
  Cursor& at = cursor(partition);
  if (!at.assigned || at.paused || !at.next) return true;
  std::vector<LogRecord>& records = records_[static_cast<std::size_t>(partition)];
  records.clear();
  const std::int64_t first = *at.next;
  bool in_bound = true;
  for (; *at.next < source.end(); ++*at.next) {
    const LogRecord record = source.records[static_cast<std::size_t>(*at.next - source.begin)].view();
    in_bound = bytes == 0 || bytes + record_bytes(record) <= max_bytes;
    if (!in_bound) break;
    bytes += record_bytes(record);
    records.push_back(record);
  }
  if (!records.empty()) batches_.push_back({partition, first, records});
  return in_bound;
}

void MemoryLogReader::assign(std::int32_t partition) {
  cursor(partition) = {.assigned = true, .paused = false, .next = std::nullopt};
  changes_.push_back({partition, Change::kAssigned});
}

void MemoryLogReader::revoke(std::int32_t partition) {
  cursor(partition) = {};
  changes_.push_back({partition, Change::kRevoked});
}

}  // namespace finpipe
