// A few processes that read one log into one store, and their accidents: crashes, owners that were replaced without
// noticing and go on writing (zombies), partitions that move and come back. Steps under virtual time from one seed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "faulty_store.h"
#include "history.h"
#include "logs/memory_log.h"
#include "pipeline/processor.h"

namespace finpipe::simulation {

class Cluster {
 public:
  Cluster(const History& history, std::uint64_t seed);

  // Plays the whole history. Returns what stopped a process, when something did.
  [[nodiscard]] Result<void> run();
  [[nodiscard]] SharedStore& store() { return shared_; }
  [[nodiscard]] MemoryLog& log() { return log_; }

 private:
  struct Process {
    std::unique_ptr<MemoryLogReader> reader;
    std::unique_ptr<DeadLetters> dead_letters;
    std::unique_ptr<FaultyStore> store;
    std::unique_ptr<Processor> processor;
  };

  [[nodiscard]] std::unique_ptr<Process> start(const std::vector<std::int32_t>& partitions);
  [[nodiscard]] std::vector<std::int32_t> partitions_of(std::size_t process) const;
  void append_some();
  [[nodiscard]] Result<void> work();
  void accident();
  void crash(std::size_t process);
  void replace(std::size_t process);
  void bring_back();
  void move_partition();
  [[nodiscard]] Result<void> settle();

  const History& history_;
  Random random_;
  MemoryLog log_;
  std::unique_ptr<LogWriter> writer_;
  ManualClock clock_{0};
  SharedStore shared_;
  std::size_t appended_ = 0;
  std::vector<std::unique_ptr<Process>> owners_;
  std::vector<std::size_t> owner_of_;              // by partition
  std::vector<std::unique_ptr<Process>> zombies_;  // at most two, the oldest first
  double accidents_ = 0;                           // how likely a round has one
};

}  // namespace finpipe::simulation
