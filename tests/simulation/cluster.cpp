#include "cluster.h"

#include <algorithm>
#include <utility>

#include "pipeline/reset.h"

namespace finpipe::simulation {
namespace {

constexpr std::size_t kMaxZombies = 2;
constexpr int kMaxSettleRounds = 100'000;

}  // namespace

Cluster::Cluster(MemoryLog& log, Clock& clock, std::uint64_t seed) : log_(log), clock_(clock), random_(seed) {
  owners_.resize(static_cast<std::size_t>(random_.between(1, 3)));
  owner_of_.resize(static_cast<std::size_t>(log.partitions()));
  for (std::size_t& owner : owner_of_) owner = random_.below(owners_.size());
  for (std::size_t process = 0; process < owners_.size(); ++process) owners_[process] = start(partitions_of(process));
  accidents_ = static_cast<double>(random_.between(1, 8)) * 0.01;
}

std::unique_ptr<Cluster::Process> Cluster::start(const std::vector<std::int32_t>& partitions) {
  auto process = std::make_unique<Process>();
  process->reader = std::make_unique<MortalLogReader>(log_.reader(partitions), process->fuse);
  process->dead_letters = std::make_unique<MortalDeadLetters>(log_, process->fuse);
  process->store = std::make_unique<FaultyStore>(shared_, process->fuse, random_.next());
  const ProcessorOptions options{.read_bytes = static_cast<std::size_t>(random_.between(200, 4'000)),
                                 .commit_records = random_.between(1, 20),
                                 .records_per_row = random_.between(0, 1),
                                 .commit_interval_ms = 250,
                                 .unstored_records = random_.between(1, 200)};
  process->processor =
      std::make_unique<Processor>(*process->reader, *process->store, *process->dead_letters, clock_, options);
  return process;
}

std::vector<std::int32_t> Cluster::partitions_of(std::size_t process) const {
  std::vector<std::int32_t> partitions;
  for (std::size_t partition = 0; partition < owner_of_.size(); ++partition) {
    if (owner_of_[partition] == process) partitions.push_back(static_cast<std::int32_t>(partition));
  }
  return partitions;
}

Result<bool> Cluster::step(Process& process) {
  const auto stepped = process.processor->step();
  if (stepped) return true;
  if (process.fuse.dead() || process.store->failed()) return false;
  return fail(stepped.error());
}

void Cluster::work(Process& process, std::size_t pieces) {
  if (process.slow_rounds > 0) {
    --process.slow_rounds;
  } else {
    process.store->work(pieces);
  }
}

// Nobody waits for anybody.
Result<void> Cluster::round() {
  for (std::size_t process = 0; process < owners_.size(); ++process) {
    Process& owner = *owners_[process];
    if (random_.chance(0.8)) {
      FINPIPE_TRY_ASSIGN(alive, step(owner));
      if (!alive) {
        owners_[process] = start(partitions_of(process));
        continue;
      }
    }
    work(owner, random_.below(24));
  }
  for (auto zombie = zombies_.begin(); zombie != zombies_.end();) {
    if (random_.chance(0.5)) {
      FINPIPE_TRY_ASSIGN(alive, step(**zombie));
      if (!alive) {
        zombie = zombies_.erase(zombie);
        continue;
      }
    }
    work(**zombie++, random_.below(16));
  }
  if (random_.chance(accidents_)) accident();
  return {};
}

void Cluster::accident() {
  const std::size_t process = random_.below(owners_.size());
  switch (random_.below(6)) {
    case 0: ++counts_.crashes; return owners_[process]->fuse.light(random_.below(40));
    case 1: return fail_write(*owners_[process]);
    case 2: return replace(process);
    case 3: return bring_back();
    default: return move_partition();
  }
}

void Cluster::fail_write(Process& process) {
  if (process.store->queued() == 0) return;
  switch (random_.below(3)) {
    case 0:
      ++counts_.failed_writes;
      process.store->work(random_.below(process.store->queued()));
      return process.store->fail_writes();
    case 1:
      ++counts_.timed_out_writes;
      process.store->work(process.store->queued());
      return process.store->fail_writes();
    default: ++counts_.slow_writes; process.slow_rounds += random_.between(10, 200);
  }
}

// A new process owns the partitions; the old one does not know and goes on.
void Cluster::replace(std::size_t process) {
  ++counts_.zombies;
  zombies_.push_back(std::exchange(owners_[process], start(partitions_of(process))));
  if (zombies_.size() > kMaxZombies) zombies_.erase(zombies_.begin());
}

// The oldest zombie hears what happened and is given the partitions of an owner, which becomes a zombie.
void Cluster::bring_back() {
  if (zombies_.empty()) return;
  ++counts_.returns;
  const std::size_t process = random_.below(owners_.size());
  std::unique_ptr<Process> back = std::move(zombies_.front());
  zombies_.erase(zombies_.begin());
  for (std::int32_t partition = 0; partition < log_.partitions(); ++partition) back->reader->revoke(partition);
  for (const std::int32_t partition : partitions_of(process)) back->reader->assign(partition);
  zombies_.push_back(std::exchange(owners_[process], std::move(back)));
}

// An orderly rebalance; also one that gives a partition back to the owner that it had.
void Cluster::move_partition() {
  ++counts_.moves;
  const std::size_t partition = random_.below(owner_of_.size());
  const std::size_t to = random_.below(owners_.size());
  owners_[owner_of_[partition]]->reader->revoke(static_cast<std::int32_t>(partition));
  owners_[to]->reader->assign(static_cast<std::int32_t>(partition));
  owner_of_[partition] = to;
}

Result<std::int64_t> Cluster::reset(std::span<const MarketPolicy> bundled) {
  owners_.clear();
  std::vector<std::int32_t> all;
  for (std::int32_t partition = 0; partition < log_.partitions(); ++partition) all.push_back(partition);
  owners_.resize(static_cast<std::size_t>(random_.between(1, 3)));
  const auto reader = log_.reader(all);
  FINPIPE_TRY_ASSIGN(checkpoints, reset_checkpoints(*reader, shared_.rows(), shared_.rows(), bundled));
  const std::int64_t generation = checkpoints.front().generation;
  shared_.begin_generation(generation);
  for (std::size_t& owner : owner_of_) owner = random_.below(owners_.size());
  for (std::size_t process = 0; process < owners_.size(); ++process) owners_[process] = start(partitions_of(process));
  return generation;
}

Result<void> Cluster::settle() {
  for (std::size_t process = 0; process < owners_.size(); ++process) FINPIPE_TRY(settle(process));
  for (auto* processes : {&zombies_, &owners_}) {
    for (auto& process : *processes) process->store->work(process->store->queued());
  }
  return {};
}

Result<void> Cluster::settle(std::size_t process) {
  for (int rounds = 0; rounds < kMaxSettleRounds; ++rounds) {
    Process& owner = *owners_[process];
    FINPIPE_TRY_ASSIGN(alive, step(owner));
    if (!alive) {  // of an accident before
      owners_[process] = start(partitions_of(process));
      continue;
    }
    owner.store->work(random_.below(200));
    if (partitions_of(process).empty()) return {};
    const auto caught_up = owner.processor->caught_up();
    if (!caught_up || !*caught_up) continue;
    const auto finished = owner.processor->finish();
    if (finished && *finished) return {};
  }
  return fail(ErrorCode::kLogIncomplete, "a processor does not get to the end of the log");
}

}  // namespace finpipe::simulation
