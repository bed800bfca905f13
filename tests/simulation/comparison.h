// What a store holds of one partition against what the naive model says that it must hold.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "faulty_store.h"
#include "logs/memory_log.h"
#include "naive_model.h"

namespace finpipe::simulation {

enum class Compare : std::uint8_t {
  kEverything,    // every field of every row
  kWhatUsersSee,  // the numbers, states and trust of the bars and their revisions only
};

// The first difference in words, nullopt when there is none.
[[nodiscard]] std::optional<std::string> compare_partition(SharedStore& store, MemoryLog& log, NaiveResult model,
                                                           std::int32_t partition, Compare what);

}  // namespace finpipe::simulation
