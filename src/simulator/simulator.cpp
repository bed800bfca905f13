#include "simulator/simulator.h"

#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/time.h"
#include "net/event_loop.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "simulator/record.h"
#include "simulator/session.h"

namespace finpipe {
namespace {

constexpr int kCertificateDays = 397;
constexpr std::int64_t kStopDeadlineMs = 500;
constexpr std::int64_t kStopTickMs = 5;

struct ServerTls {
  std::shared_ptr<net::TlsContext> context;  // null: plain
  std::string ca_pem;
};

Result<ServerTls> make_tls(const SimulatorOptions& options) {
  if (!options.tls) return ServerTls{};
  net::TlsServerOptions server;
  server.certificate_pem = options.certificate_pem;
  server.key_pem = options.key_pem;
  ServerTls tls;
  if (server.certificate_pem.empty()) {
    const std::vector<std::string> names{options.address, "localhost", "127.0.0.1", "::1"};
    FINPIPE_TRY_ASSIGN(generated, net::generate_certificate(names, kCertificateDays));
    server.certificate_pem = std::move(generated.certificate_pem);
    server.key_pem = std::move(generated.key_pem);
    tls.ca_pem = std::move(generated.ca_pem);
  }
  FINPIPE_TRY_ASSIGN(context, net::TlsContext::server(server));
  tls.context = std::move(context);
  return tls;
}

}  // namespace

class Simulator::Implementation {
 public:
  Implementation(SimulatorOptions options, SimulatorRecord record)
      : options_(std::move(options)), session_(loop_, clock_, options_, std::move(record)), stop_timer_(loop_) {}
  ~Implementation() { stop(); }

  Result<void> start() {
    FINPIPE_TRY_ASSIGN(tls, make_tls(options_));
    ca_pem_ = std::move(tls.ca_pem);
    net::HttpServerOptions server;
    server.address = options_.address;
    server.port = options_.port;
    server.tls = std::move(tls.context);
    // The vendor is not known to ping in the WebSocket way, and a simulated stall must not end by itself.
    server.ping_interval_ms = 0;
    // Not reached: `finnhub` has the bound that counts, and one message may be too large on purpose.
    server.max_queued_bytes = options_.finnhub.max_queued_bytes + 2 * kOversizeBytes;
    FINPIPE_TRY_ASSIGN(listening, net::HttpServer::listen(loop_, std::move(server), session_));
    server_ = std::move(listening);
    port_ = server_->port();
    session_.begin();
    thread_ = std::thread([this] { loop_.run(); });
    return {};
  }

  void stop() {
    if (!thread_.joinable()) return;
    loop_.post([this] {
      server_->shut_down(kStopDeadlineMs);
      wait_until_idle(clock_.boot_ns() + kStopDeadlineMs * kNsPerMs);
    });
    thread_.join();
    server_.reset();
  }

  void inject(const Fault& fault) {
    loop_.post([this, fault] { session_.commit(fault); });
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const std::string& ca_pem() const { return ca_pem_; }

 private:
  void wait_until_idle(std::int64_t deadline_ns) {
    if (server_->idle() || clock_.boot_ns() >= deadline_ns) return loop_.stop();
    stop_timer_.start(kStopTickMs, [this, deadline_ns] { wait_until_idle(deadline_ns); });
  }

  SystemClock clock_;
  const SimulatorOptions options_;
  net::EventLoop loop_;
  SimulatorSession session_;
  net::Timer stop_timer_;
  std::unique_ptr<net::HttpServer> server_;
  std::string ca_pem_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

Simulator::Simulator(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Simulator::~Simulator() = default;

Result<std::unique_ptr<Simulator>> Simulator::start(SimulatorOptions options) {
  FINPIPE_TRY_ASSIGN(record, SimulatorRecord::open(options.record_path));
  auto implementation = std::make_unique<Implementation>(std::move(options), std::move(record));
  FINPIPE_TRY(implementation->start());
  return std::unique_ptr<Simulator>(new Simulator(std::move(implementation)));
}

std::uint16_t Simulator::port() const { return implementation_->port(); }
const std::string& Simulator::ca_pem() const { return implementation_->ca_pem(); }
void Simulator::inject(const Fault& fault) { implementation_->inject(fault); }
void Simulator::stop() { implementation_->stop(); }

}  // namespace finpipe
