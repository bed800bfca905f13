// The endpoint: query API, live stream, health, metrics and the page, on one listener. docs/api.md is the contract.
// It reads only the store; what is live comes through the hub. Runs in the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "endpoint/live_hub.h"
#include "endpoint/page_routes.h"
#include "endpoint/status.h"
#include "endpoint/stream.h"
#include "market/splits.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "pipeline/ports.h"
#include "telemetry/metrics.h"

namespace finpipe {

struct EndpointOptions {
  net::HttpServerOptions server;  // address, port, TLS and limits
  StatusOptions status;
  StreamLimits stream;
  std::span<const PageAsset> page;  // empty: there is no page. Its texts must live as long as the endpoint
  // Why requests should go elsewhere for now, besides a store that cannot be read; null or empty: no reason. Called in
  // the loop's thread.
  std::function<std::vector<std::string>()> not_ready;
  SplitTable splits;  // for split-adjusted reads
};

class Endpoint {
 public:
  // Listens. All references must outlive it, and be of use to the loop's thread; `query` for this thread alone or safe
  // to share. Error: kListenFailed.
  [[nodiscard]] static Result<std::unique_ptr<Endpoint>> start(net::EventLoop& loop, Query& query, LiveHub& hub,
                                                               Metrics& metrics, Clock& clock, EndpointOptions options);
  // Drops all connections. Not in one of its own callbacks.
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  // Accepts nothing more, and closes what is open by the deadline.
  void shut_down(std::int64_t deadline_ms);
  [[nodiscard]] bool idle() const;  // no connection is left

 private:
  class Implementation;
  explicit Endpoint(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace finpipe
