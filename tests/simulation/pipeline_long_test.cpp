// The same search as pipeline_test.cpp over many more seeds, and proof that it would find what it looks for.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "pipeline.h"
#include "planted.h"

namespace finpipe::simulation {
namespace {

constexpr unsigned kThreads = 2;

TEST(Pipeline, ManySeedsHold) {
  const PipelineSearch search = search_pipelines(0, 2'000, kThreads);
  for (const auto& [name, times] : search.counts) fmt::print("{:>10} {}\n", times, name);
  if (search.failure) FAIL() << *search.failure;
  for (const std::string_view kind : kFaultKinds) {
    const auto found = search.counts.find(kind);
    EXPECT_TRUE(found != search.counts.end() && found->second > 0) << kind << " never happened";
  }
}

// FINPIPE_SOAK=N: the seeds from N on until one fails or somebody stops it.
TEST(Pipeline, Soak) {
  const char* const first = std::getenv("FINPIPE_SOAK");
  if (first == nullptr) GTEST_SKIP() << "only with FINPIPE_SOAK";
  constexpr std::uint64_t kRound = 500;
  for (std::uint64_t seed = std::strtoull(first, nullptr, 10);; seed += kRound) {
    const PipelineSearch search = search_pipelines(seed, kRound, kThreads);
    if (search.failure) FAIL() << *search.failure;
    fmt::print("seeds {} to {} hold\n", seed, seed + kRound - 1);
    (void)std::fflush(stdout);
  }
}

class PipelineRule : public testing::TestWithParam<PlantedFault> {};

TEST_P(PipelineRule, IsNeeded) {
  const Planted fault(GetParam());
  const PipelineSearch search = search_pipelines(0, 300, kThreads);
  EXPECT_TRUE(search.failure) << "the search does not notice that the rule is missing";
  fmt::print("after {} seeds: {}\n", search.seeds, search.failure.value_or("nothing"));
}

INSTANTIATE_TEST_SUITE_P(Pipeline, PipelineRule,
                         testing::Values(PlantedFault::kCountedTwice, PlantedFault::kDroppedOnDisconnect,
                                         PlantedFault::kCheckpointFirst, PlantedFault::kRowsNotLookedUp,
                                         PlantedFault::kTransitionStampsOffset, PlantedFault::kStateKept,
                                         PlantedFault::kOpenRowsNotLoaded));

}  // namespace
}  // namespace finpipe::simulation
