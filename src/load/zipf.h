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
  // Of all draws; they sum up to 1.
  [[nodiscard]] double share(std::size_t rank) const { return up_to_[rank] - (rank == 0 ? 0 : up_to_[rank - 1]); }

 private:
  std::vector<double> up_to_;  // share of this rank and those before it
};

}  // namespace finpipe
