#include "row_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "cluster.h"
#include "naive_model.h"

namespace finpipe::simulation {
namespace {

// Appends the history bit by bit while the cluster works.
Result<void> play(const History& history, MemoryLog& log, ManualClock& clock, Cluster& cluster, Random& random) {
  const auto writer = log.writer(std::size_t{64} << 20);
  for (std::size_t appended = 0; appended < history.records.size();) {
    const std::size_t end = std::min(history.records.size(), appended + random.below(9));
    for (; appended < end; ++appended) {
      const LogRecord record = history.records[appended].view();
      (void)writer->append(history.records[appended].partition, {&record, 1});
    }
    (void)writer->poll();
    clock.advance_ns(random.between(0, 40) * kNsPerMs);
    FINPIPE_TRY(cluster.round());
  }
  return cluster.settle();
}

}  // namespace

std::optional<std::string> difference_of_seed(std::uint64_t seed, Compare compare) {
  const History history = make_history(seed);
  Random random(seed ^ 0x5eed);
  MemoryLog log(history.partitions, history.log_id);
  ManualClock clock(0);
  Cluster cluster(log, clock, random.next());
  if (const auto played = play(history, log, clock, cluster, random); !played) {
    return "a process stopped: " + played.error().message();
  }
  for (std::int32_t partition = 0; partition < history.partitions; ++partition) {
    NaiveResult model = run_naive_model(history, partition);
    if (model.end < kRecordsPerPartition) return fmt::format("partition {} is too short", partition);
    auto found = compare_partition(cluster.store(), log, std::move(model), partition, compare);
    if (found) return found;
  }
  return compare == Compare::kEverything ? cluster.store().impurity() : std::nullopt;
}

std::optional<std::string> first_failure(std::uint64_t count) {
  std::uint64_t first = 0;
  if (const char* seed = std::getenv("FINPIPE_SEED")) {
    first = std::strtoull(seed, nullptr, 10);
    count = 1;
  } else if (const char* seeds = std::getenv("FINPIPE_SEEDS")) {
    count = std::strtoull(seeds, nullptr, 10);
  }
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    if (const auto found = difference_of_seed(seed)) {
      return fmt::format(
          "seed {}: {}\nreplay: FINPIPE_SEED={} simulation_test --gtest_filter=RowState.HistoriesEqualTheNaiveModel",
          seed, *found, seed);
    }
  }
  return std::nullopt;
}

}  // namespace finpipe::simulation
