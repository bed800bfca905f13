// One seeded history, played by a cluster full of accidents and by the naive model, and compared row by row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "comparison.h"

namespace finpipe::simulation {

// The first difference in words, nullopt when there is none. kEverything: also no version was ever written with two
// contents.
[[nodiscard]] std::optional<std::string> difference_of_seed(std::uint64_t seed, Compare compare = Compare::kEverything);

// The seeds [0, count), or what FINPIPE_SEED (one) or FINPIPE_SEEDS (how many) ask for. Returns the first failure with
// the command that replays it.
[[nodiscard]] std::optional<std::string> first_failure(std::uint64_t count);

}  // namespace finpipe::simulation
