#pragma once

#include <ctime>

namespace finpipe {

// Processor time of this thread: what else the machine does does not count.
[[nodiscard]] inline double processor_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

}  // namespace finpipe
