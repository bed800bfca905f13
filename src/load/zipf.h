// Draws ranks by Zipf's law, as trading spreads over symbols: rank k (from 0) with a share of 1 / (k + 1)^exponent.
// Exponent 0 makes all equal.
#pragma once

#include <cstddef>
#include <vector>

#include "base/random.h"

namespace finpipe {

class Zipf {
 public:
  // ranks > 0
  Zipf(std::size_t ranks, double exponent);

  [[nodiscard]] std::size_t draw(Random& random) const;

 private:
  std::vector<double> up_to_;  // share of this rank and those before it
};

}  // namespace finpipe
