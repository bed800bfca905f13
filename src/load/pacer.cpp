#include "load/pacer.h"

#include <fmt/format.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "base/time.h"

namespace finpipe {

Pacer::Pacer() : descriptor_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::runtime_error(fmt::format("no timer: {}", std::strerror(errno)));
}

Pacer::~Pacer() { ::close(descriptor_); }

void Pacer::wait_until(std::int64_t boot_ns) {
  itimerspec at{};
  at.it_value.tv_sec = boot_ns / kNsPerSecond;
  at.it_value.tv_nsec = boot_ns % kNsPerSecond;
  std::uint64_t times = 0;
  if (::timerfd_settime(descriptor_, TFD_TIMER_ABSTIME, &at, nullptr) == 0) {
    while (::read(descriptor_, &times, sizeof times) < 0 && errno == EINTR) {
    }
  }
}

}  // namespace finpipe
