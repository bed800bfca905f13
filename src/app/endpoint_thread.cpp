#include "app/endpoint_thread.h"

#include <utility>

#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::int64_t kStopDeadlineMs = 500;
constexpr std::int64_t kRoundMs = 50;

}  // namespace

Result<std::unique_ptr<EndpointThread>> EndpointThread::start(Query& query, LiveHub& hub, Metrics& metrics,
                                                              Clock& clock, EndpointOptions options) {
  std::unique_ptr<EndpointThread> self(new EndpointThread(clock));
  FINPIPE_TRY_ASSIGN(endpoint, Endpoint::start(self->loop_, query, hub, metrics, clock, std::move(options)));
  self->endpoint_ = std::move(endpoint);
  self->port_ = self->endpoint_->port();
  self->thread_ = std::thread([raw = self.get()] { raw->serve(); });
  return self;
}

EndpointThread::~EndpointThread() { stop(); }

void EndpointThread::serve() {
  while (!stopping_) loop_.run_some(kRoundMs);
  while (!endpoint_->idle() && clock_.boot_ns() < stop_by_ns_) loop_.run_some(kRoundMs);
  endpoint_.reset();
}

void EndpointThread::stop() {
  if (!thread_.joinable()) return;
  loop_.post([this] {
    stopping_ = true;
    stop_by_ns_ = clock_.boot_ns() + kStopDeadlineMs * kNsPerMs;
    endpoint_->shut_down(kStopDeadlineMs);
  });
  thread_.join();
}

}  // namespace finpipe
