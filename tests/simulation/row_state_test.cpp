// The bar row is the state: whatever happens to the processes, the rows in the end are those of one undisturbed reading
// of the log, and nothing is ever written twice differently under one version.
#include "row_state.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "planted.h"

namespace finpipe::simulation {
namespace {

// The rest of the 2,000 is in row_state_long_test.cpp.
constexpr std::uint64_t kSeeds = 200;

TEST(RowState, HistoriesEqualTheNaiveModel) {
  if (const auto failure = first_failure(kSeeds)) FAIL() << *failure;
}

class RowStateRule : public testing::TestWithParam<PlantedFault> {};

TEST_P(RowStateRule, IsNeeded) {
  const Planted fault(GetParam());
  std::uint64_t seed = 0;
  while (seed < kSeeds && !difference_of_seed(seed, Compare::kWhatUsersSee)) ++seed;
  EXPECT_LT(seed, kSeeds) << "the search does not notice that the rule is missing";
  RecordProperty("first_seed", fmt::to_string(seed));
}

INSTANTIATE_TEST_SUITE_P(RowState, RowStateRule,
                         testing::Values(PlantedFault::kOpenRowsNotLoaded, PlantedFault::kRowsNotLookedUp,
                                         PlantedFault::kTransitionStampsOffset, PlantedFault::kVersionCountsWrites));

}  // namespace
}  // namespace finpipe::simulation
