// How a command that goes on until it is told to stop is told.
#pragma once

#include <signal.h>

#include <cstdint>

#include "base/time.h"

namespace finpipe {

// Signals that end the program. Blocked in every thread: the main thread takes them where it waits.
class EndSignals {
 public:
  EndSignals() {
    sigemptyset(&set_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    // A reader that went away must not end a run.
    signal(SIGPIPE, SIG_IGN);
  }
  // Whether one has come within the time.
  [[nodiscard]] bool wait(std::int64_t timeout_ms) const {
    const timespec timeout{timeout_ms / kMsPerSecond, timeout_ms % kMsPerSecond * kNsPerMs};
    return sigtimedwait(&set_, nullptr, &timeout) > 0;
  }

 private:
  sigset_t set_;
};

}  // namespace finpipe
