// One seeded history, played by a cluster full of accidents and by the naive model, and compared row by row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace finpipe::simulation {

enum class Compare : std::uint8_t {
  kEverything,    // every field of every row, and that no version was ever written with two contents
  kWhatUsersSee,  // the numbers, states and trust of the bars and their revisions only
};

// The first difference in words, nullopt when there is none.
[[nodiscard]] std::optional<std::string> difference_of_seed(std::uint64_t seed, Compare compare = Compare::kEverything);

// The seeds [0, count), or what FINPIPE_SEED (one) or FINPIPE_SEEDS (how many) ask for. Returns the first failure with
// the command that replays it.
[[nodiscard]] std::optional<std::string> first_failure(std::uint64_t count);

}  // namespace finpipe::simulation
