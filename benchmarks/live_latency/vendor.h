// The vendor's end: a WebSocket server that speaks Finnhub's protocol and sends a schedule's frames when they are due.
// Its work is done in the thread that calls play and run_until.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "endpoint/finnhub_ws.h"
#include "live_latency/samples.h"
#include "live_latency/schedule.h"
#include "net/event_loop.h"
#include "net/http_server.h"

namespace finpipe::live_latency {

class Vendor final : private net::HttpHandler {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Vendor>> start(Clock& clock);

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] std::int64_t connections() const { return subscribers_.counts().open; }
  [[nodiscard]] std::int64_t subscriptions() const { return subscribers_.counts().subscriptions; }
  // Serves until `done` says so; false when that takes longer.
  [[nodiscard]] bool run_until(const std::function<bool()>& done, std::int64_t deadline_ms);
  // Sends every frame to every connection. How long after its time each was handed to the socket: what is to be
  // subtracted from latencies by who trusts the system more than this machine's scheduler.
  [[nodiscard]] Samples play(const Schedule& schedule);

 private:
  explicit Vendor(Clock& clock) : clock_(clock), subscribers_(loop_, {}) {}

  [[nodiscard]] net::HttpResponse handle(const net::HttpRequest& request) override;
  [[nodiscard]] net::Upgrade upgrade(const net::HttpRequest& request) override;

  Clock& clock_;
  net::EventLoop loop_;
  FinnhubSubscribers subscribers_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace finpipe::live_latency
