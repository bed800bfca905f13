// The seam through which time comes in. Production code takes a Clock&; simulations and tests pass a ManualClock.
#pragma once

#include <cstdint>

namespace finpipe {

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall clock, ns since the UNIX epoch; may step when the host's clock is set.
  [[nodiscard]] virtual std::int64_t wall_ns() = 0;
  // Time since boot including suspend (CLOCK_BOOTTIME); never steps.
  [[nodiscard]] virtual std::int64_t boot_ns() = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ns() override;
  [[nodiscard]] std::int64_t boot_ns() override;
};

// The clock of a session's received_at: the wall clock where the session began, advanced by the boot clock, so that it
// cannot step. When the wall clock moves away from it, a new session has to begin.
class SessionClock {
 public:
  explicit SessionClock(Clock& clock) : clock_(clock) { restart(); }

  [[nodiscard]] std::int64_t now_ns() { return wall_start_ns_ + (clock_.boot_ns() - boot_start_ns_); }
  // How far the wall clock has moved ahead of it.
  [[nodiscard]] std::int64_t drift_ns() { return clock_.wall_ns() - now_ns(); }
  void restart() {
    wall_start_ns_ = clock_.wall_ns();
    boot_start_ns_ = clock_.boot_ns();
  }

 private:
  Clock& clock_;
  std::int64_t wall_start_ns_ = 0;
  std::int64_t boot_start_ns_ = 0;
};

class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t wall_ns) : wall_ns_(wall_ns) {}
  [[nodiscard]] std::int64_t wall_ns() override { return wall_ns_; }
  [[nodiscard]] std::int64_t boot_ns() override { return boot_ns_; }
  void advance_ns(std::int64_t by) { wall_ns_ += by, boot_ns_ += by; }
  // Somebody sets the host's clock.
  void step_wall_ns(std::int64_t by) { wall_ns_ += by; }

 private:
  std::int64_t wall_ns_;
  std::int64_t boot_ns_ = 0;
};

}  // namespace finpipe
