// Words for where two bars differ, for the messages of a failed simulation.
#pragma once

#include <string>

#include "market/bar.h"

namespace finpipe::simulation {

[[nodiscard]] std::string describe(const BarKey& key);
// "version: 3, 4"; the first field in which the two differ, empty when they are equal.
[[nodiscard]] std::string first_difference(const Bar& a, const Bar& b);

}  // namespace finpipe::simulation
