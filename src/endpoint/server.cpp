#include "endpoint/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/time.h"
#include "codec/flat_json.h"
#include "endpoint/access.h"
#include "endpoint/json_writer.h"
#include "endpoint/query_api.h"
#include "net/url.h"

namespace finpipe {
namespace {

constexpr std::string_view kStreamPath = "/api/v1/stream";
constexpr std::int64_t kStatusIntervalMs = 1'000;

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kBadRequest: return 400;
    case ErrorCode::kForeignOrigin:
    case ErrorCode::kForeignHost: return 403;
    case ErrorCode::kNoSuchRoute: return 404;
    case ErrorCode::kMethodNotAllowed: return 405;
    case ErrorCode::kUpgradeRequired: return 426;
    case ErrorCode::kStoreUnreachable:
    case ErrorCode::kInterrupted: return 503;
    default: return 500;
  }
}

net::HttpResponse json_response(std::string body, int status = 200) {
  net::HttpResponse response{.status = status, .body = std::move(body)};
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

net::HttpResponse error_response(const Error& error) {
  net::HttpResponse response = json_response(json::error_body(error), status_of(error.code));
  if (error.code == ErrorCode::kMethodNotAllowed) response.headers.emplace_back("Allow", "GET, HEAD");
  if (error.code == ErrorCode::kUpgradeRequired) response.headers.emplace_back("Upgrade", "websocket");
  return response;
}

std::string_view query_of(std::string_view target) {
  const std::size_t at = target.find('?');
  return at == std::string_view::npos ? std::string_view() : target.substr(at + 1);
}

std::string_view status_class(int status) {
  constexpr std::array<std::string_view, 4> kClasses = {"2xx", "3xx", "4xx", "5xx"};
  return kClasses[static_cast<std::size_t>(std::clamp(status / 100, 2, 5) - 2)];
}

}  // namespace

class Endpoint::Implementation final : public net::HttpHandler {
 public:
  Implementation(net::EventLoop& loop, Query& query, LiveHub& hub, Metrics& metrics, Clock& clock,
                 EndpointOptions options)
      : loop_(loop),
        query_(query),
        hub_(hub),
        metrics_(metrics),
        clock_(clock),
        options_(std::move(options)),
        loopback_(is_loopback(options_.server.address)),
        api_(query, std::move(options_.splits)),
        page_(options_.page),
        streams_(StreamParts{.query = query,
                             .hub = hub,
                             .metrics = metrics,
                             .clock = clock,
                             .status = [this] { return status_json(query_, clock_, options_.status); },
                             .post = [this](net::EventLoop::Call call) { loop_.post(std::move(call)); }},
                 options_.stream),
        each_second_(loop) {}
  ~Implementation() override {
    hub_.set_wake(nullptr);
    if (server_) publish_counts();
  }

  Result<void> start() {
    FINPIPE_TRY_ASSIGN(server, net::HttpServer::listen(loop_, options_.server, *this));
    server_ = std::move(server);
    metrics_.set(Metric::kBuildInfo, 1, {options_.status.version});
    hub_.set_wake([this, alive = std::weak_ptr(alive_)] {
      loop_.post([this, alive] {
        if (!alive.expired()) streams_.deliver();
      });
    });
    tick();
    return {};
  }

  [[nodiscard]] net::HttpServer& server() const { return *server_; }

  [[nodiscard]] net::HttpResponse handle(const net::HttpRequest& request) override;
  [[nodiscard]] net::Upgrade upgrade(const net::HttpRequest& request) override;

 private:
  struct Route {
    std::string_view path;
    std::string_view name;  // label of the metrics
    net::HttpResponse (Implementation::*answer)(const net::HttpRequest& request);
  };
  static std::span<const Route> routes();

  template <Result<std::string> (QueryApi::*kRead)(std::string_view)>
  net::HttpResponse read(const net::HttpRequest& request) {
    return respond((api_.*kRead)(query_of(request.target)));
  }
  net::HttpResponse status(const net::HttpRequest& request) {
    return without_parameters(request, [this] { return status_json(query_, clock_, options_.status); });
  }
  net::HttpResponse ledger(const net::HttpRequest& request) {
    return without_parameters(request, [this] { return ledger_json(query_); });
  }
  net::HttpResponse healthz(const net::HttpRequest&) { return json_response("{\"alive\":true}"); }
  net::HttpResponse readyz(const net::HttpRequest&);
  // What a process with a feed says of it.
  void append_feed(std::string& body) const;
  net::HttpResponse metrics(const net::HttpRequest&);
  void publish_counts();
  net::HttpResponse stream(const net::HttpRequest&) {
    return error_response({ErrorCode::kUpgradeRequired, "connect with a WebSocket client"});
  }

  template <typename Read>
  static net::HttpResponse without_parameters(const net::HttpRequest& request, Read read) {
    const auto parameters = parse_parameters(query_of(request.target), {});
    return parameters ? respond(read()) : error_response(parameters.error());
  }
  static net::HttpResponse respond(Result<std::string> body) {
    return body ? json_response(*std::move(body)) : error_response(body.error());
  }

  [[nodiscard]] std::pair<std::string_view, net::HttpResponse> route(const net::HttpRequest& request);
  void tick() {
    each_second_.start(kStatusIntervalMs, [this] {
      streams_.push_status();
      tick();
    });
  }

  net::EventLoop& loop_;
  Query& query_;
  LiveHub& hub_;
  Metrics& metrics_;
  Clock& clock_;
  EndpointOptions options_;
  bool loopback_;
  QueryApi api_;
  PageRoutes page_;
  Streams streams_;
  net::Timer each_second_;
  net::HttpServer::Counts published_{};
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // calls that were posted look whether it is still there
  std::unique_ptr<net::HttpServer> server_;                 // goes first: its connections use all of the above
};

std::span<const Endpoint::Implementation::Route> Endpoint::Implementation::routes() {
  static constexpr auto kRoutes = std::to_array<Route>({
      {"/api/v1/bars", "bars", &Implementation::read<&QueryApi::bars>},
      {"/api/v1/revisions", "revisions", &Implementation::read<&QueryApi::revisions>},
      {"/api/v1/trades", "trades", &Implementation::read<&QueryApi::trades>},
      {"/api/v1/symbols", "symbols", &Implementation::read<&QueryApi::symbols>},
      {"/api/v1/gaps", "gaps", &Implementation::read<&QueryApi::gaps>},
      {"/api/v1/voids", "voids", &Implementation::read<&QueryApi::voids>},
      {"/api/v1/status", "status", &Implementation::status},
      {"/api/v1/ledger", "ledger", &Implementation::ledger},
      {kStreamPath, "stream", &Implementation::stream},
      {"/healthz", "healthz", &Implementation::healthz},
      {"/readyz", "readyz", &Implementation::readyz},
      {"/metrics", "metrics", &Implementation::metrics},
  });
  return kRoutes;
}

net::HttpResponse Endpoint::Implementation::handle(const net::HttpRequest& request) {
  const std::int64_t begin_ns = clock_.boot_ns();
  auto [name, response] = route(request);
  metrics_.add(Metric::kEndpointRequests, 1, {name, status_class(response.status)});
  const auto took_ns = static_cast<double>(clock_.boot_ns() - begin_ns);
  metrics_.observe(Metric::kEndpointRequestSeconds, took_ns / static_cast<double>(kNsPerSecond), {name});
  return std::move(response);
}

std::pair<std::string_view, net::HttpResponse> Endpoint::Implementation::route(const net::HttpRequest& request) {
  if (const auto allowed = check_access(loopback_, request.header("Host"), request.header("Origin")); !allowed)
    return {"other", error_response(allowed.error())};
  const auto path = net::safe_path(request.target);
  const auto found = path ? std::ranges::find(routes(), *path, &Route::path) : routes().end();
  const bool reads = request.method == "GET" || request.method == "HEAD";
  const Error wrong_method{ErrorCode::kMethodNotAllowed, "use GET or HEAD"};
  if (found != routes().end())
    return {found->name, reads ? (this->*found->answer)(request) : error_response(wrong_method)};
  if (path) {
    auto file = page_.answer(*path, request.header("If-None-Match"), request.header("Host"));
    if (file) return {"page", reads ? *std::move(file) : error_response(wrong_method)};
  }
  return {"other", error_response({ErrorCode::kNoSuchRoute, "nothing is served under this path: see docs/api.md"})};
}

net::Upgrade Endpoint::Implementation::upgrade(const net::HttpRequest& request) {
  const auto refuse = [this](const Error& error) {
    net::HttpResponse response = error_response(error);
    metrics_.add(Metric::kEndpointRequests, 1, {"stream", status_class(response.status)});
    return net::Upgrade{.handler = nullptr, .refusal = std::move(response)};
  };
  if (const auto allowed = check_access(loopback_, request.header("Host"), request.header("Origin")); !allowed)
    return refuse(allowed.error());
  if (net::safe_path(request.target) != kStreamPath)
    return refuse({ErrorCode::kNoSuchRoute, "the stream is at /api/v1/stream"});
  if (const auto parameters = parse_parameters(query_of(request.target), {}); !parameters)
    return refuse(parameters.error());
  metrics_.add(Metric::kEndpointRequests, 1, {"stream", "2xx"});
  return net::Upgrade{.handler = streams_.new_client()};
}

net::HttpResponse Endpoint::Implementation::readyz(const net::HttpRequest&) {
  std::vector<std::string> reasons;
  if (options_.not_ready) reasons = options_.not_ready();
  if (reasons.empty()) {
    // A process that is not asked for data does without.
    if (const auto read = query_.checkpoints(); !read && read.error().code != ErrorCode::kNoSuchRoute)
      reasons.push_back("the store cannot be read: " + read.error().message());
  }
  std::string body = fmt::format("{{\"ready\":{},\"reasons\":[", reasons.empty());
  for (const std::string& reason : reasons) {
    json::append_comma(body);
    append_json_string(body, reason);
  }
  body += ']';
  if (!options_.status.role.empty()) body += fmt::format(R"(,"role":"{}")", options_.status.role);
  if (options_.status.feed_error) append_feed(body);
  return json_response(body + "}", reasons.empty() ? 200 : 503);
}

void Endpoint::Implementation::append_feed(std::string& body) const {
  const auto append = [&body](std::string_view name, std::string_view text) {
    fmt::format_to(std::back_inserter(body), ",\"{}\":", name);
    append_json_string(body, text);
  };
  if (options_.status.feed_detail) append("feed", options_.status.feed_detail());
  const auto error = options_.status.feed_error();
  if (!error) return;
  append("feed_error", error_info(error->code).name);
  append("feed_reason", error->detail);
}

// A process may have one endpoint after another: each adds what it has counted.
void Endpoint::Implementation::publish_counts() {
  const net::HttpServer::Counts counts = server_->counts();
  metrics_.set(Metric::kEndpointConnections, static_cast<double>(counts.open));
  const auto add = [&](Metric metric, std::int64_t net::HttpServer::Counts::* count) {
    metrics_.add(metric, static_cast<double>(counts.*count - published_.*count));
  };
  add(Metric::kEndpointAccepted, &net::HttpServer::Counts::accepted);
  add(Metric::kEndpointShed, &net::HttpServer::Counts::shed);
  add(Metric::kEndpointBadRequests, &net::HttpServer::Counts::bad_requests);
  add(Metric::kEndpointTimeouts, &net::HttpServer::Counts::timeouts);
  published_ = counts;
}

net::HttpResponse Endpoint::Implementation::metrics(const net::HttpRequest&) {
  publish_counts();
  net::HttpResponse response = json_response(metrics_.render());
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

Endpoint::Endpoint(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Endpoint::~Endpoint() = default;

Result<std::unique_ptr<Endpoint>> Endpoint::start(net::EventLoop& loop, Query& query, LiveHub& hub, Metrics& metrics,
                                                  Clock& clock, EndpointOptions options) {
  auto implementation = std::make_unique<Implementation>(loop, query, hub, metrics, clock, std::move(options));
  FINPIPE_TRY(implementation->start());
  return std::unique_ptr<Endpoint>(new Endpoint(std::move(implementation)));
}

std::uint16_t Endpoint::port() const { return implementation_->server().port(); }
void Endpoint::shut_down(std::int64_t deadline_ms) { implementation_->server().shut_down(deadline_ms); }
bool Endpoint::idle() const { return implementation_->server().idle(); }

}  // namespace finpipe
