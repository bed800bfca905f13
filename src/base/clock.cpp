#include "base/clock.h"

#include <ctime>

#include "base/time.h"

namespace finpipe {
namespace {

std::int64_t read_ns(clockid_t id) {
  timespec now{};
  ::clock_gettime(id, &now);
  return static_cast<std::int64_t>(now.tv_sec) * kNsPerSecond + now.tv_nsec;
}

}  // namespace

std::int64_t SystemClock::wall_ns() { return read_ns(CLOCK_REALTIME); }
std::int64_t SystemClock::boot_ns() { return read_ns(CLOCK_BOOTTIME); }

}  // namespace finpipe
