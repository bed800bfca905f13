#include "live_latency/vendor.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <stdexcept>

#include "base/time.h"

namespace finpipe::live_latency {
namespace {

constexpr std::int64_t kRoundMs = 10;

// Waits for a time on the boot clock, to some microseconds.
class Pacer {
 public:
  Pacer() : descriptor_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC)) {
    if (descriptor_ < 0) throw std::runtime_error("no timer");
  }
  ~Pacer() { ::close(descriptor_); }
  Pacer(const Pacer&) = delete;
  Pacer& operator=(const Pacer&) = delete;

  void wait_for(std::int64_t boot_ns) {
    itimerspec at{};
    at.it_value.tv_sec = boot_ns / kNsPerSecond;
    at.it_value.tv_nsec = boot_ns % kNsPerSecond;
    std::uint64_t times = 0;
    if (::timerfd_settime(descriptor_, TFD_TIMER_ABSTIME, &at, nullptr) != 0 ||
        ::read(descriptor_, &times, sizeof times) != sizeof times) {
      throw std::runtime_error("the timer failed");
    }
  }

 private:
  int descriptor_;
};

}  // namespace

Result<std::unique_ptr<Vendor>> Vendor::start(Clock& clock) {
  std::unique_ptr<Vendor> vendor(new Vendor(clock));
  FINPIPE_TRY_ASSIGN(server, net::HttpServer::listen(vendor->loop_, {}, *vendor));
  vendor->server_ = std::move(server);
  return vendor;
}

net::HttpResponse Vendor::handle(const net::HttpRequest& /*request*/) { return {.status = 404}; }

net::Upgrade Vendor::upgrade(const net::HttpRequest& request) { return subscribers_.upgrade(request); }

bool Vendor::run_until(const std::function<bool()>& done, std::int64_t deadline_ms) {
  const std::int64_t end_ns = clock_.boot_ns() + deadline_ms * kNsPerMs;
  while (!done()) {
    if (clock_.boot_ns() > end_ns) return false;
    loop_.run_some(kRoundMs);
  }
  return true;
}

Samples Vendor::play(const Schedule& schedule) {
  Samples late;
  Pacer pacer;
  for (const Schedule::Frame& frame : schedule.frames()) {
    if (clock_.boot_ns() < frame.due_ns) pacer.wait_for(frame.due_ns);
    subscribers_.broadcast(frame.text);
    if (schedule.measured(frame.due_ns)) late.add(clock_.boot_ns() - frame.due_ns);
    loop_.run_some(0);
  }
  late.sort();
  return late;
}

}  // namespace finpipe::live_latency
