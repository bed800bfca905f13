// Whatever happens to the pipeline, from the vendor's connection to the store: what is stored is what the log says, and
// what the vendor sent is stored, refused with a reason, or said to be missing.
#include "pipeline.h"

#include <gtest/gtest.h>

namespace finpipe::simulation {
namespace {

// The rest of the 2,000 is in pipeline_long_test.cpp. FINPIPE_SEED replays one.
TEST(Pipeline, SeedsHold) {
  const PipelineSearch search = search_pipelines(0, 25, 1);
  if (search.failure) FAIL() << *search.failure;
}

}  // namespace
}  // namespace finpipe::simulation
