// The same search as row_state_test.cpp, over many more histories.
#include <gtest/gtest.h>

#include "row_state.h"

namespace finpipe::simulation {
namespace {

TEST(RowState, ManyHistoriesEqualTheNaiveModel) {
  if (const auto failure = first_failure(2'000)) FAIL() << *failure;
}

}  // namespace
}  // namespace finpipe::simulation
