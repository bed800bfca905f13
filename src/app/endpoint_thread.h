// Serves the endpoint in a thread of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "endpoint/server.h"
#include "net/event_loop.h"

namespace finpipe {

class EndpointThread {
 public:
  // Listens and begins to serve; what Endpoint::start says of its arguments holds. Error: kListenFailed.
  [[nodiscard]] static Result<std::unique_ptr<EndpointThread>> start(Query& query, LiveHub& hub, Metrics& metrics,
                                                                     Clock& clock, EndpointOptions options);
  ~EndpointThread();  // stops
  EndpointThread(const EndpointThread&) = delete;
  EndpointThread& operator=(const EndpointThread&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Closes what is open, half a second later what is left, and ends the thread.
  void stop();

 private:
  explicit EndpointThread(Clock& clock) : clock_(clock) {}
  void serve();

  Clock& clock_;
  net::EventLoop loop_;
  std::unique_ptr<Endpoint> endpoint_;
  std::uint16_t port_ = 0;
  bool stopping_ = false;  // of the loop's thread
  std::int64_t stop_by_ns_ = 0;
  std::thread thread_;
};

}  // namespace finpipe
