#include "cluster.h"

#include <algorithm>
#include <utility>

namespace finpipe::simulation {
namespace {

constexpr std::size_t kProcesses = 2;
constexpr std::size_t kMaxZombies = 2;

}  // namespace

Cluster::Cluster(const History& history, std::uint64_t seed)
    : history_(history), random_(seed), log_(history.partitions, history.log_id) {
  writer_ = log_.writer(64 * 1024 * 1024);
  owners_.resize(kProcesses);
  owner_of_.resize(static_cast<std::size_t>(history.partitions));
  for (std::size_t& owner : owner_of_) owner = random_.below(kProcesses);
  for (std::size_t process = 0; process < kProcesses; ++process) owners_[process] = start(partitions_of(process));
  accidents_ = static_cast<double>(random_.between(1, 8)) * 0.01;
}

std::unique_ptr<Cluster::Process> Cluster::start(const std::vector<std::int32_t>& partitions) {
  auto process = std::make_unique<Process>();
  process->reader = log_.reader(partitions);
  process->dead_letters = log_.dead_letters();
  process->store = std::make_unique<FaultyStore>(shared_, random_.next());
  const ProcessorOptions options{.read_bytes = static_cast<std::size_t>(random_.between(200, 4'000)),
                                 .commit_records = random_.between(1, 20),
                                 .records_per_row = random_.between(0, 1),
                                 .commit_interval_ms = 250};
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

void Cluster::append_some() {
  const std::size_t end = std::min(history_.records.size(), appended_ + random_.below(9));
  for (; appended_ < end; ++appended_) {
    const LogRecord record = history_.records[appended_].view();
    (void)writer_->append(history_.records[appended_].partition, {&record, 1});
  }
  (void)writer_->poll();
}

Result<void> Cluster::run() {
  while (appended_ < history_.records.size()) {
    append_some();
    clock_.advance_ns(random_.between(0, 40) * kNsPerMs);
    FINPIPE_TRY(work());
    if (random_.chance(accidents_)) accident();
  }
  return settle();
}

// Everybody does a little, and nobody waits for anybody.
Result<void> Cluster::work() {
  for (auto& owner : owners_) {
    if (random_.chance(0.8)) FINPIPE_TRY(owner->processor->step());
    owner->store->work(random_.below(24));
  }
  for (auto& zombie : zombies_) {
    if (random_.chance(0.5)) FINPIPE_TRY(zombie->processor->step());
    zombie->store->work(random_.below(16));
  }
  return {};
}

void Cluster::accident() {
  switch (random_.below(5)) {
    case 0: return crash(random_.below(kProcesses));
    case 1: return replace(random_.below(kProcesses));
    case 2: return bring_back();
    default: return move_partition();
  }
}

void Cluster::crash(std::size_t process) { owners_[process] = start(partitions_of(process)); }

// A new process owns the partitions; the old one does not know and goes on.
void Cluster::replace(std::size_t process) {
  zombies_.push_back(std::exchange(owners_[process], start(partitions_of(process))));
  if (zombies_.size() > kMaxZombies) zombies_.erase(zombies_.begin());
}

// The oldest zombie hears what happened and is given the partitions of an owner, which becomes a zombie.
void Cluster::bring_back() {
  if (zombies_.empty()) return;
  const std::size_t process = random_.below(kProcesses);
  std::unique_ptr<Process> back = std::move(zombies_.front());
  zombies_.erase(zombies_.begin());
  for (std::int32_t partition = 0; partition < history_.partitions; ++partition) back->reader->revoke(partition);
  for (const std::int32_t partition : partitions_of(process)) back->reader->assign(partition);
  zombies_.push_back(std::exchange(owners_[process], std::move(back)));
}

// An orderly rebalance; also one that gives a partition back to the owner that it had.
void Cluster::move_partition() {
  const std::size_t partition = random_.below(owner_of_.size());
  const std::size_t to = random_.below(kProcesses);
  owners_[owner_of_[partition]]->reader->revoke(static_cast<std::int32_t>(partition));
  owners_[to]->reader->assign(static_cast<std::int32_t>(partition));
  owner_of_[partition] = to;
}

Result<void> Cluster::settle() {
  for (auto& owner : owners_) {
    const bool has_partitions = !partitions_of(static_cast<std::size_t>(&owner - owners_.data())).empty();
    for (bool done = false; !done;) {
      FINPIPE_TRY(owner->processor->step());
      owner->store->work(random_.below(200));
      if (!has_partitions) break;
      FINPIPE_TRY_ASSIGN(caught_up, owner->processor->caught_up());
      if (!caught_up) continue;
      FINPIPE_TRY_ASSIGN(finished, owner->processor->finish());
      done = finished;
    }
  }
  for (auto* processes : {&zombies_, &owners_}) {
    for (auto& process : *processes) process->store->work(process->store->queued());
  }
  return {};
}

}  // namespace finpipe::simulation
