// Waits for times on the boot clock to some microseconds; the event loop's timers know whole milliseconds only.
#pragma once

#include <cstdint>

namespace finpipe {

class Pacer {
 public:
  Pacer();
  ~Pacer();
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  // Returns at once when that time is over.
  void wait_until(std::int64_t boot_ns);

 private:
  int descriptor_;
};

}  // namespace finpipe
