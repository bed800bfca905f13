// A few processes that read one log into one store, and their accidents: crashes between any two calls, writes that
// fail, that time out though they were applied, or that are slow, owners that were replaced without noticing and go on
// writing (zombies), partitions that move and come back. Steps under virtual time from one seed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "faulty_store.h"
#include "logs/memory_log.h"
#include "market/market_policy.h"
#include "mortal_ports.h"
#include "pipeline/processor.h"

namespace finpipe::simulation {

// How often what happened.
struct ClusterCounts {
  std::int64_t crashes = 0;
  std::int64_t failed_writes = 0;
  std::int64_t timed_out_writes = 0;  // that were applied all the same
  std::int64_t slow_writes = 0;
  std::int64_t zombies = 0;
  std::int64_t returns = 0;  // of a zombie that became an owner again
  std::int64_t moves = 0;    // of a partition
};

class Cluster {
 public:
  // The log and the clock must outlive it.
  Cluster(MemoryLog& log, Clock& clock, std::uint64_t seed);

  // Everybody does a little, and now and then there is an accident. An error is one that no accident explains.
  [[nodiscard]] Result<void> round();
  // No more accidents: reads to the end of the log and makes everything durable.
  [[nodiscard]] Result<void> settle();
  // Stops everybody, begins a new generation of bars, and starts everybody anew; zombies do not hear of it. Returns the
  // generation.
  [[nodiscard]] Result<std::int64_t> reset(std::span<const MarketPolicy> bundled);

  [[nodiscard]] SharedStore& store() { return shared_; }
  [[nodiscard]] const ClusterCounts& counts() const { return counts_; }

 private:
  struct Process {
    Fuse fuse;
    std::unique_ptr<MortalLogReader> reader;
    std::unique_ptr<MortalDeadLetters> dead_letters;
    std::unique_ptr<FaultyStore> store;
    std::unique_ptr<Processor> processor;
    std::int64_t slow_rounds = 0;  // in which its store does nothing
  };

  [[nodiscard]] std::unique_ptr<Process> start(const std::vector<std::int32_t>& partitions);
  [[nodiscard]] std::vector<std::int32_t> partitions_of(std::size_t process) const;
  // False: the process is dead.
  [[nodiscard]] Result<bool> step(Process& process);
  void work(Process& process, std::size_t pieces);
  void accident();
  void fail_write(Process& process);
  void replace(std::size_t process);
  void bring_back();
  void move_partition();
  [[nodiscard]] Result<void> settle(std::size_t process);

  MemoryLog& log_;
  Clock& clock_;
  Random random_;
  SharedStore shared_;
  std::vector<std::unique_ptr<Process>> owners_;
  std::vector<std::size_t> owner_of_;              // by partition
  std::vector<std::unique_ptr<Process>> zombies_;  // at most two, the oldest first
  double accidents_ = 0;                           // how likely a round has one
  ClusterCounts counts_;
};

}  // namespace finpipe::simulation
