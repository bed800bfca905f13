#include "base/random.h"

#include <cstring>
#include <random>

namespace finpipe {

std::array<std::byte, 16> random_id() {
  std::random_device device;
  std::array<std::byte, 16> id;
  for (std::size_t i = 0; i < id.size(); i += sizeof(std::uint32_t)) {
    const std::uint32_t word = device();
    std::memcpy(id.data() + i, &word, sizeof word);
  }
  return id;
}

}  // namespace finpipe
