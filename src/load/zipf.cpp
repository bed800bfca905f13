#include "load/zipf.h"

#include <algorithm>
#include <cmath>

namespace finpipe {

Zipf::Zipf(std::size_t ranks, double exponent) {
  double sum = 0;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    sum += std::pow(static_cast<double>(rank + 1), -exponent);
    up_to_.push_back(sum);
  }
  for (double& share : up_to_) share /= sum;
}

std::size_t Zipf::draw(Random& random) const {
  const double uniform = static_cast<double>(random.next() >> 11) * 0x1.0p-53;
  const auto found = std::ranges::upper_bound(up_to_, uniform);
  return std::min(static_cast<std::size_t>(found - up_to_.begin()), up_to_.size() - 1);
}

}  // namespace finpipe
