// Whether what is stored is what it must be, after everything has drained.
#pragma once

#include <optional>
#include <string>

#include "world.h"

namespace finpipe::simulation {

// The first thing that does not hold, in words. Adds to the world's counts what only the stored data tell.
[[nodiscard]] std::optional<std::string> judge(World& world);

}  // namespace finpipe::simulation
