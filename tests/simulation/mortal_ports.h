// Ports of a process that may die at any of its calls: from then on nothing that it does has an effect. What it was
// writing to the log may be there in part, as after a torn write.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "logs/memory_log.h"
#include "pipeline/ports.h"

namespace finpipe::simulation {

// Burns while a process makes calls; where it ends, the process dies.
class Fuse {
 public:
  void light(std::uint64_t calls) { left_ = calls; }
  [[nodiscard]] bool dead() const { return dead_; }
  // Whether the process lives to make this call.
  [[nodiscard]] bool survives() {
    if (left_ && (*left_)-- == 0) dead_ = true, left_.reset();
    return !dead_;
  }
  [[nodiscard]] Result<void> check() {
    return survives() ? Result<void>() : fail(ErrorCode::kIo, "the process was killed");
  }

 private:
  std::optional<std::uint64_t> left_;
  bool dead_ = false;
};

class MortalLogReader final : public LogReader {
 public:
  MortalLogReader(std::unique_ptr<MemoryLogReader> reader, Fuse& fuse) : reader_(std::move(reader)), fuse_(fuse) {}

  [[nodiscard]] const LogId& log_id() const override { return reader_->log_id(); }
  [[nodiscard]] std::int32_t partitions() const override { return reader_->partitions(); }
  [[nodiscard]] Result<OffsetRange> range(std::int32_t partition) override {
    FINPIPE_TRY(fuse_.check());
    return reader_->range(partition);
  }
  [[nodiscard]] Result<void> seek(std::int32_t partition, std::int64_t offset) override {
    FINPIPE_TRY(fuse_.check());
    return reader_->seek(partition, offset);
  }
  [[nodiscard]] Result<Read> poll(std::size_t max_bytes) override {
    FINPIPE_TRY(fuse_.check());
    return reader_->poll(max_bytes);
  }
  void pause(std::int32_t partition) override { reader_->pause(partition); }
  void resume(std::int32_t partition) override { reader_->resume(partition); }
  void commit_hint(std::int32_t partition, std::int64_t offset) override { reader_->commit_hint(partition, offset); }

  void assign(std::int32_t partition) { reader_->assign(partition); }
  void revoke(std::int32_t partition) { reader_->revoke(partition); }

 private:
  std::unique_ptr<MemoryLogReader> reader_;
  Fuse& fuse_;
};

class MortalDeadLetters final : public DeadLetters {
 public:
  MortalDeadLetters(MemoryLog& log, Fuse& fuse) : letters_(log.dead_letters()), fuse_(fuse) {}

  void put(DeadLetter letter) override { letters_->put(std::move(letter)); }
  [[nodiscard]] Result<void> flush() override {
    FINPIPE_TRY(fuse_.check());
    return letters_->flush();
  }

 private:
  std::unique_ptr<DeadLetters> letters_;
  Fuse& fuse_;
};

class MortalLogWriter final : public LogWriter {
 public:
  MortalLogWriter(MemoryLog& log, Fuse& fuse, Random& random, std::size_t max_pending_bytes);

  [[nodiscard]] std::int32_t partitions() const override { return writer_->partitions(); }
  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override;
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override;
  [[nodiscard]] std::size_t pending_bytes() const override { return pending_bytes_; }
  [[nodiscard]] bool others_wrote() override { return !late_ && writer_->others_wrote(); }

  // It died in a write of which some records are there and some are not.
  [[nodiscard]] bool torn() const { return torn_; }

 private:
  struct Pending {
    std::int32_t partition;
    RecordType type;
    std::optional<std::string> key;
    std::string value;
  };

  std::unique_ptr<LogWriter> writer_;
  Fuse& fuse_;
  Random& random_;
  std::size_t max_pending_bytes_;
  std::size_t pending_bytes_ = 0;
  std::vector<Pending> pending_;
  bool torn_ = false;
  bool late_ = false;  // acknowledgements are under way still, and with them what they tell of others
};

}  // namespace finpipe::simulation
