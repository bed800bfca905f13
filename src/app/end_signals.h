// How a command that goes on until it is told to stop is told.
#pragma once

#include <signal.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/time.h"

namespace finpipe {

// Signals that end the program. Blocked in every thread: the main thread takes them where it waits.
class EndSignals {
 public:
  EndSignals() {
    sigemptyset(&set_);
    for (const int number : kNumbers) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    // A reader that went away must not end a run.
    signal(SIGPIPE, SIG_IGN);
  }
  // Whether one has come within the time.
  [[nodiscard]] bool wait(std::int64_t timeout_ms) const {
    const timespec timeout{timeout_ms / kMsPerSecond, timeout_ms % kMsPerSecond * kNsPerMs};
    return sigtimedwait(&set_, nullptr, &timeout) > 0;
  }
  // Whether one has come and was not waited for yet. Any thread may ask.
  [[nodiscard]] bool pending() const {
    sigset_t come;
    sigpending(&come);
    return std::ranges::any_of(kNumbers, [&](int number) { return sigismember(&come, number) == 1; });
  }

 private:
  static constexpr std::array kNumbers = {SIGINT, SIGTERM, SIGHUP};
  sigset_t set_;
};

}  // namespace finpipe
