#include "pipeline.h"

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#include "pipeline_judge.h"
#include "world.h"

namespace finpipe::simulation {
namespace {

void add_counts(World& world, std::map<std::string_view, std::int64_t>& counts) {
  counts = world.counts();
  const ClusterCounts& cluster = world.cluster().counts();
  counts["processor crashes"] = cluster.crashes;
  counts["failed writes"] = cluster.failed_writes;
  counts["timed out writes"] = cluster.timed_out_writes;
  counts["slow writes"] = cluster.slow_writes;
  counts["zombie processors"] = cluster.zombies;
  counts["zombie returns"] = cluster.returns;
  counts["partition moves"] = cluster.moves;
  const VendorCounts& vendor = world.vendor().counts();
  counts["duplicate frames"] = vendor.duplicates;
  counts["reordered frames"] = vendor.reordered;
  counts["slow vendor"] = vendor.slow;
  counts["bursts"] = vendor.bursts;
  counts["refused symbols"] = vendor.refusals;
  counts["refused connections"] = vendor.too_many;
  counts["far future"] = vendor.far_future;
  counts["ancient"] = vendor.ancient;
}
}  // namespace

PipelineResult run_pipeline(std::uint64_t seed) {
  PipelineResult result;
  World world(seed);
  const auto ran = world.run();
  result.fault = ran ? judge(world) : "something stopped: " + ran.error().message();
  add_counts(world, result.counts);
  return result;
}

PipelineSearch search_pipelines(std::uint64_t first, std::uint64_t count, unsigned threads) {
  if (const char* seed = std::getenv("FINPIPE_SEED")) {
    first = std::strtoull(seed, nullptr, 10);
    count = 1;
  } else if (const char* seeds = std::getenv("FINPIPE_SEEDS")) {
    count = std::strtoull(seeds, nullptr, 10);
  }
  PipelineSearch search;
  std::mutex mutex;
  std::atomic<std::uint64_t> next = first;
  const auto work = [&] {
    for (;;) {
      const std::uint64_t seed = next++;
      if (seed - first >= count) return;
      const PipelineResult result = run_pipeline(seed);
      const std::scoped_lock lock(mutex);
      ++search.seeds;
      for (const auto& [name, times] : result.counts) search.counts[name] += times;
      if (!result.fault) continue;
      next = first + count;
      if (search.failure) continue;
      search.failure =
          fmt::format("seed {}: {}\nreplay: FINPIPE_SEED={} build/simulation_test --gtest_filter=Pipeline.SeedsHold",
                      seed, *result.fault, seed);
    }
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
  return search;
}

}  // namespace finpipe::simulation
