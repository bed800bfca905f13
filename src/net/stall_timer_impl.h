// Notices that a peer takes no byte of what is written to it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "net/event_loop.h"
#include "net/transport_impl.h"

namespace finpipe::net {

class StallTimer {
 public:
  // Calls `on_stall` once when no byte went out for timeout_ms (and at most twice that) of watching.
  StallTimer(EventLoop& loop, std::int64_t timeout_ms) : timeout_ms_(timeout_ms), timer_(loop) {}

  // While something is being written. Cheap to call for every write.
  void watch(const Transport& transport, EventLoop::Call on_stall) {
    if (std::exchange(watching_, true)) return;
    if (running_) return;
    running_ = true;
    sent_bytes_ = transport.sent_bytes();
    on_stall_ = std::move(on_stall);
    transport_ = &transport;
    timer_.start(timeout_ms_, [this] { check(); });
  }
  void written() { watching_ = false; }
  void cancel() {
    watching_ = false;
    running_ = false;
    on_stall_ = nullptr;
    timer_.cancel();
  }

 private:
  void check() {
    running_ = false;
    if (!watching_) return;
    if (std::exchange(sent_bytes_, transport_->sent_bytes()) == transport_->sent_bytes()) {
      return std::exchange(on_stall_, nullptr)();
    }
    running_ = true;
    timer_.start(timeout_ms_, [this] { check(); });
  }

  std::int64_t timeout_ms_;
  Timer timer_;
  const Transport* transport_ = nullptr;
  EventLoop::Call on_stall_;
  std::uint64_t sent_bytes_ = 0;
  bool watching_ = false;
  bool running_ = false;
};

}  // namespace finpipe::net
