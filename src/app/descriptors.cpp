#include "app/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

namespace finpipe {

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlim_t soft = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return soft;
  return limit.rlim_cur;
}

std::size_t connections_within(std::size_t descriptor_limit, std::size_t wanted) {
  constexpr std::size_t kOwn = 512;
  return std::min(wanted, descriptor_limit - std::min(kOwn, descriptor_limit / 2));
}

}  // namespace finpipe
