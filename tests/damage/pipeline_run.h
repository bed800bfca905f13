// What the damage tests share: a tape through ingest into a log, the log through the processor into a store, and the
// verification of both.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "logs/memory_log.h"
#include "pipeline/ports.h"
#include "pipeline/verify.h"
#include "stores/memory_store.h"

namespace finpipe {

// A directory of its own, removed with what is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

[[nodiscard]] std::string data_file(std::string_view name);
// Writes the first lines of a bundled tape to `target`.
void copy_lines(std::string_view name, std::size_t lines, const std::filesystem::path& target);

// Each fails the test when it does not succeed.
void ingest_tape(const std::filesystem::path& tape, LogReader& tail, LogWriter& writer, DeadLetters& dead_letters);
void process_all(LogReader& reader, Store& store, DeadLetters& dead_letters, std::int64_t commit_records = 1'000);
[[nodiscard]] VerifyReport verified(Query& store, LogReader& reader, DeadLetterQuery& dead_letters);

// "kind: what", a line each; for messages and for looking into.
[[nodiscard]] std::string text_of(const VerifyReport& report);
[[nodiscard]] std::vector<std::string> kinds_of(const VerifyReport& report);

// All in memory.
struct MemoryRun {
  explicit MemoryRun(std::int32_t partitions) : log(partitions, LogId{std::byte{7}}), writer(log.writer(1 << 20)) {}

  [[nodiscard]] std::unique_ptr<MemoryLogReader> reader();
  void ingest(const std::filesystem::path& tape);
  void process();
  [[nodiscard]] VerifyReport verify();
  void append(std::int32_t partition, const LogRecord& record);

  MemoryLog log;
  std::unique_ptr<LogWriter> writer;
  MemoryStore store;
};

}  // namespace finpipe
