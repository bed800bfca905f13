// The vendor's end of a load: a WebSocket server that speaks Finnhub's protocol and sends the current run's frames when
// they are due, each trade to whoever subscribed to its symbol; on demand its connections break as the simulator's do.
// It has a thread of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "endpoint/finnhub_ws.h"
#include "load/bar_expectations.h"
#include "load/pacer.h"
#include "load/run.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "simulator/connection_faults.h"
#include "simulator/faults.h"

namespace finpipe {

class LoadVendor final : private net::HttpHandler, private FinnhubSubscribers::Observer {
 public:
  struct Options {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0: a free one
    bool tls = false;        // with a certificate that is made for this run
    std::string token;       // that clients need; empty: none
    std::int64_t max_trades_per_frame = 10;
    std::vector<std::string> symbols;  // of the flows
    std::int64_t fault_every_ms = 0;   // 0: never; while a run is on
    std::vector<FaultKind> faults;     // not empty when there are some; no duplicates, which bars would count
    std::uint64_t seed = 1;            // of the faults
  };

  // Errors: kListenFailed, kBadCertificate. What it is given must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<LoadVendor>> start(const Options& options, BarExpectations& expectations,
                                                                 CurrentRun& run, Clock& clock);
  ~LoadVendor() override;
  LoadVendor(const LoadVendor&) = delete;
  LoadVendor& operator=(const LoadVendor&) = delete;

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  // What clients have to trust; empty without TLS.
  [[nodiscard]] const std::string& ca_pem() const { return ca_pem_; }
  // Of all connections that are open, symbols counted once for each.
  [[nodiscard]] std::int64_t subscriptions() const { return subscriptions_; }
  // Connections that have ended, whoever ended them.
  [[nodiscard]] std::int64_t lost_connections() const { return lost_; }
  [[nodiscard]] std::int64_t faults() const { return committed_; }

 private:
  LoadVendor(const Options& options, BarExpectations& expectations, CurrentRun& run, Clock& clock);

  [[nodiscard]] net::HttpResponse handle(const net::HttpRequest& request) override;
  [[nodiscard]] net::Upgrade upgrade(const net::HttpRequest& request) override;
  void on_open(ConnectionFaults::ConnectionId id) override { faults_.opened(id, clock_.wall_ns()); }
  void on_close(ConnectionFaults::ConnectionId id) override { static_cast<void>(faults_.closed(id)); }
  void on_subscribe(ConnectionFaults::ConnectionId /*id*/, std::string_view /*symbol*/) override {}
  void on_unsubscribe(ConnectionFaults::ConnectionId /*id*/, std::string_view /*symbol*/) override {}
  void on_trades(ConnectionFaults::ConnectionId id, const FinnhubSubscribers::Frame& frame,
                 std::size_t trades) override {
    faults_.sent(id, frame, trades);
  }
  void on_dropped(ConnectionFaults::ConnectionId id) override { faults_.dropped(id); }

  void serve();
  void schedule_fault();
  void commit(const Fault& fault);
  void send_due(LoadRun& run);
  void publish(const LoadRun& run, const Flow::Frame& frame);

  BarExpectations& expectations_;
  CurrentRun& run_;
  Clock& clock_;
  Pacer pacer_;
  net::EventLoop loop_;
  FinnhubSubscribers subscribers_;
  ConnectionFaults faults_;
  std::optional<FaultSchedule> schedule_;
  net::Timer fault_timer_;
  std::int64_t delay_ns_ = 0;
  std::int64_t delay_until_ns_ = 0;  // on the boot clock
  const std::vector<std::string> symbols_;
  std::vector<TaggedTrade> tagged_;  // of the frame at hand
  std::string ca_pem_;
  std::unique_ptr<net::HttpServer> server_;
  std::atomic<std::int64_t> subscriptions_ = 0;
  std::atomic<std::int64_t> lost_ = 0;
  std::atomic<std::int64_t> committed_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace finpipe
