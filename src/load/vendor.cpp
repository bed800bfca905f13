#include "load/vendor.h"

#include <algorithm>
#include <utility>

#include "base/time.h"
#include "net/tls.h"
#include "telemetry/log.h"

namespace finpipe {
namespace {

constexpr int kCertificateDays = 397;
constexpr std::int64_t kIdleMs = 5;
constexpr int kFramesAtOnce = 64;
// A client that takes nothing for a second or two at a high rate is late, and not away.
constexpr std::size_t kMaxQueuedBytes = std::size_t{56} << 20;

FinnhubServerOptions server_options(const LoadVendor::Options& options) {
  FinnhubServerOptions server;
  if (!options.token.empty()) server.tokens.push_back(options.token);
  server.symbol_limit = std::max(server.symbol_limit, options.symbols.size());
  server.max_trades_per_frame = static_cast<std::size_t>(options.max_trades_per_frame);
  server.max_queued_bytes = kMaxQueuedBytes;
  return server;
}

}  // namespace

LoadVendor::LoadVendor(const Options& options, BarExpectations& expectations, CurrentRun& run, Clock& clock)
    : expectations_(expectations),
      run_(run),
      clock_(clock),
      subscribers_(loop_, server_options(options), this),
      faults_(
          loop_, subscribers_, [](auto, auto, auto) {}, [] {}),
      fault_timer_(loop_),
      symbols_(options.symbols) {
  if (options.fault_every_ms == 0) return;
  schedule_.emplace(options.fault_every_ms, options.faults, options.seed);
  schedule_fault();
}

Result<std::unique_ptr<LoadVendor>> LoadVendor::start(const Options& options, BarExpectations& expectations,
                                                      CurrentRun& run, Clock& clock) {
  std::unique_ptr<LoadVendor> vendor(new LoadVendor(options, expectations, run, clock));
  net::HttpServerOptions server;
  server.address = options.address;
  server.port = options.port;
  server.ping_interval_ms = 0;  // the vendor is not known to ping in the WebSocket way
  if (options.tls) {
    const std::vector<std::string> names{options.address, "localhost", "127.0.0.1", "::1"};
    FINPIPE_TRY_ASSIGN(made, net::generate_certificate(names, kCertificateDays));
    FINPIPE_TRY_ASSIGN(context, net::TlsContext::server({made.certificate_pem, made.key_pem, {}}));
    server.tls = std::move(context);
    vendor->ca_pem_ = std::move(made.ca_pem);
  }
  FINPIPE_TRY_ASSIGN(listening, net::HttpServer::listen(vendor->loop_, std::move(server), *vendor));
  vendor->server_ = std::move(listening);
  vendor->thread_ = std::thread([at = vendor.get()] { at->serve(); });
  return vendor;
}

LoadVendor::~LoadVendor() {
  stop_ = true;
  if (thread_.joinable()) thread_.join();
}

net::HttpResponse LoadVendor::handle(const net::HttpRequest& /*request*/) {
  return {.status = 404, .body = R"({"error":"This is a WebSocket endpoint: connect to it as one."})"};
}

net::Upgrade LoadVendor::upgrade(const net::HttpRequest& request) {
  if (auto refusal = faults_.refuse()) return *std::move(refusal);
  return subscribers_.upgrade(request);
}

void LoadVendor::schedule_fault() {
  fault_timer_.start(schedule_->next_wait_ms(), [this] {
    if (const auto run = run_.get(); run && !run->all_sent()) commit(schedule_->next());
    schedule_fault();
  });
}

void LoadVendor::commit(const Fault& fault) {
  log_info("fault", {{"kind", std::string(to_string(fault.kind))}});
  if (fault.kind == FaultKind::kDelay) {
    delay_ns_ = fault.delay_ms * kNsPerMs;
    delay_until_ns_ = clock_.boot_ns() + fault.duration_ms * kNsPerMs;
  }
  faults_.commit(fault, clock_.wall_ns() / kNsPerMs);
  committed_ = faults_.committed();
}

void LoadVendor::serve() {
  while (!stop_) {
    const auto run = run_.get();
    if (run && !run->all_sent()) {
      send_due(*run);
    } else {
      loop_.run_some(kIdleMs);
    }
    const FinnhubSubscribers::Counts& counts = subscribers_.counts();
    subscriptions_ = counts.subscriptions;
    lost_ = counts.opened - counts.open;
  }
}

void LoadVendor::send_due(LoadRun& run) {
  const std::int64_t now_ns = clock_.boot_ns();
  const std::int64_t delay_ns = now_ns < delay_until_ns_ ? delay_ns_ : 0;
  const std::int64_t due_ns = run.next_due_ns() + delay_ns;
  if (due_ns > now_ns + 2 * kNsPerMs) {
    loop_.run_some(1);
    return;
  }
  pacer_.wait_until(due_ns);
  for (int i = 0; i < kFramesAtOnce && !run.all_sent(); ++i) {
    const std::int64_t sent_ns = clock_.boot_ns();
    if (run.next_due_ns() + delay_ns > sent_ns) break;
    publish(run, run.send(sent_ns));
  }
  loop_.run_some(0);
}

void LoadVendor::publish(const LoadRun& run, const Flow::Frame& frame) {
  if (frame.trades.empty()) return subscribers_.broadcast(std::make_shared<const std::string>(frame.text));
  tagged_.clear();
  for (const Flow::PlannedTrade& trade : frame.trades) {
    if (run.awaits(trade)) {
      expectations_.expect(trade.symbol, trade.event_time_ms, run.plan().start_ns + frame.due_ns);
    }
    tagged_.push_back({symbols_[trade.symbol], trade.json});
  }
  subscribers_.publish(tagged_);
}

}  // namespace finpipe
