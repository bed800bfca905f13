// The whole endpoint over real sockets: good requests, hostile ones, and the stream.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "documents.h"
#include "endpoint/server.h"
#include "net/websocket_client.h"
#include "rows.h"

namespace finpipe {
namespace {

constexpr auto kAssets = std::to_array<PageAsset>({
    {"/index.html", "text/html; charset=utf-8", "<!doctype html><p>bars</p>", false},
    {"/assets/page-1a2b.js", "text/javascript", "start()", true},
});

// A blocking TCP connection that sends any bytes.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port, int receive_buffer_bytes = 0) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer_bytes > 0)
      setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  }
  ~RawClient() { close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  void send(std::string_view bytes) const {
    EXPECT_EQ(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // Until `end` was read, or the other side closed.
  [[nodiscard]] std::string read_until(std::string_view end) const {
    std::string text;
    char byte = 0;
    while (!text.ends_with(end) && recv(socket_, &byte, 1, 0) == 1) text += byte;
    return text;
  }
  [[nodiscard]] std::string read_all() const {
    std::string text;
    std::array<char, 4096> bytes{};
    for (ssize_t got = 0; (got = recv(socket_, bytes.data(), bytes.size(), 0)) > 0;)
      text.append(bytes.data(), static_cast<std::size_t>(got));
    return text;
  }

 private:
  int socket_;
};

// A client of the stream with a loop of its own, run by the test's thread.
class StreamClientEnd final : public net::WebSocketClient::Handler {
 public:
  explicit StreamClientEnd(std::uint16_t port) : client_(loop_, *this) {
    client_.connect({.host = "127.0.0.1", .port = port, .target = "/api/v1/stream", .tls = nullptr});
    wait([this] { return open_ || ended_; });
  }

  void say(std::string text) { client_.send(std::move(text)); }
  // The next message that `wanted` says yes to; those before it are dropped.
  rapidjson::Document wait_for(const std::function<bool(const rapidjson::Document&)>& wanted) {
    rapidjson::Document found;
    wait([&] {
      while (!messages_.empty()) {
        found = parse_json(messages_.front());
        messages_.erase(messages_.begin());
        if (wanted(found)) return true;
      }
      return false;
    });
    return found;
  }
  rapidjson::Document next() {
    return wait_for([](const auto&) { return true; });
  }
  void wait(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    bool is_done = done();
    for (; !is_done && std::chrono::steady_clock::now() < deadline; is_done = done())
      static_cast<void>(loop_.run_some(10));
    EXPECT_TRUE(is_done);
  }
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] int close_code() const { return close_code_; }

 private:
  void on_open() override { open_ = true; }
  void on_message(std::string_view message) override { messages_.emplace_back(message); }
  void on_pong() override {}
  void on_end(const net::ConnectionEnd& end) override { ended_ = true, close_code_ = end.close_code; }

  net::EventLoop loop_;
  net::WebSocketClient client_;
  std::vector<std::string> messages_;
  bool open_ = false;
  bool ended_ = false;
  int close_code_ = 0;
};

class EndpointTest : public testing::Test {
 protected:
  EndpointTest() { open(); }
  ~EndpointTest() override { stop(); }

  void open() {
    EndpointOptions options;
    options.status.version = "0.1.0";
    options.page = kAssets;
    options.not_ready = [this] {
      const std::lock_guard lock(mutex_);
      return reasons_;
    };
    auto started = Endpoint::start(loop_, store_, hub_, metrics_, clock_, options);
    EXPECT_TRUE(started) << started.error().message();
    endpoint_ = std::move(*started);
    port_ = endpoint_->port();
  }
  // After the store was filled: from here on the loop's thread reads it.
  void start() {
    thread_ = std::thread([this] { loop_.run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
  }
  void set_reasons(std::vector<std::string> reasons) {
    const std::lock_guard lock(mutex_);
    reasons_ = std::move(reasons);
  }

  [[nodiscard]] std::string ask(std::string_view method, std::string_view target, std::string_view headers = "",
                                std::string_view host = "localhost") const {
    const RawClient client(port_);
    client.send(
        fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}\r\n", method, target, host, headers));
    return client.read_all();
  }
  [[nodiscard]] static int status_of(std::string_view response) {
    return response.starts_with("HTTP/1.1 ") ? std::stoi(std::string(response.substr(9, 3))) : 0;
  }
  [[nodiscard]] static std::string body_of(const std::string& response) {
    const std::size_t at = response.find("\r\n\r\n");
    return at == std::string::npos ? "" : response.substr(at + 4);
  }
  [[nodiscard]] static std::string error_of(const std::string& response) {
    const auto document = parse_json(body_of(response));
    return document.HasMember("error") ? text_of(document["error"]["name"]) : "no error";
  }
  static constexpr std::string_view kUpgrade =
      "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  [[nodiscard]] std::string ask_upgrade(std::string_view target, std::string_view headers = "",
                                        std::string_view host = "localhost") const {
    const RawClient client(port_);
    client.send(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n{}{}\r\n", target, host, kUpgrade, headers));
    return client.read_until("\r\n\r\n");
  }

  MemoryStore store_;
  LiveHub hub_{1};
  Metrics metrics_;
  SystemClock clock_;
  std::mutex mutex_;
  std::vector<std::string> reasons_;
  net::EventLoop loop_;
  std::unique_ptr<Endpoint> endpoint_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST_F(EndpointTest, EveryRouteAnswers) {
  store_symbols(store_, {{"A", 0}});
  store_bars(store_, {bar_row("A", Interval::k1m, 60'000)});
  store_trades(store_, "A", {{60'001, 7}});
  start();
  EXPECT_EQ(numbers(parse_json(body_of(ask("GET", "/api/v1/bars?symbol=A&interval=1m")))["bars"], "start"),
            (std::vector<std::int64_t>{60'000}));
  EXPECT_EQ(numbers(parse_json(body_of(ask("GET", "/api/v1/trades?symbol=A")))["trades"], "seq"),
            (std::vector<std::int64_t>{7}));
  EXPECT_EQ(parse_json(body_of(ask("GET", "/api/v1/symbols")))["symbols"].Size(), 1U);
  EXPECT_EQ(parse_json(body_of(ask("GET", "/api/v1/gaps")))["gaps"].Size(), 0U);
  EXPECT_TRUE(parse_json(body_of(ask("GET", "/api/v1/status")))["stale"].GetBool());
  EXPECT_TRUE(parse_json(body_of(ask("GET", "/api/v1/ledger")))["balanced"].GetBool());
  EXPECT_TRUE(parse_json(body_of(ask("GET", "/healthz")))["alive"].GetBool());
  const std::string answer = ask("GET", "/api/v1/symbols");
  EXPECT_EQ(status_of(answer), 200);
  EXPECT_NE(answer.find("Content-Type: application/json"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Cache-Control: no-store"), std::string::npos);
}

TEST_F(EndpointTest, RequestsThatCannotBeAnsweredSayWhy) {
  start();
  const std::string bad = ask("GET", "/api/v1/bars?symbol=A&interval=1m&limit=0");
  EXPECT_EQ(status_of(bad), 400);
  const auto error = parse_json(body_of(bad));
  EXPECT_EQ(text_of(error["error"]["code"]), "E800");
  EXPECT_EQ(text_of(error["error"]["name"]), "bad_request");
  EXPECT_EQ(text_of(error["error"]["message"]), "limit must be a whole number from 1 to 5000, not '0'");
  for (const char* target : {"/api/v1/status?x=1", "/api/v1/ledger?symbol=A", "/api/v1/symbols?limit=1"})
    EXPECT_EQ(status_of(ask("GET", target)), 400) << target;
  for (const char* target : {"/api/v1/quotes", "/api/v1", "/api/v1/bars/x", "/API/v1/bars", "/favicon.ico"}) {
    const std::string missing = ask("GET", target);
    EXPECT_EQ(status_of(missing), 404) << target;
    EXPECT_EQ(error_of(missing), "no_such_route");
  }
}

TEST_F(EndpointTest, OnlyGetAndHeadAreTaken) {
  start();
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
    for (const char* target : {"/api/v1/symbols", "/", "/metrics"}) {
      const std::string refused = ask(method, target);
      EXPECT_EQ(status_of(refused), 405) << method << target;
      EXPECT_NE(refused.find("Allow: GET, HEAD\r\n"), std::string::npos) << refused;
    }
  }
  const std::string head = ask("HEAD", "/api/v1/symbols");
  EXPECT_EQ(status_of(head), 200);
  EXPECT_EQ(body_of(head), "");
  EXPECT_NE(head.find("Content-Length: 14\r\n"), std::string::npos) << head;
}

TEST_F(EndpointTest, ReadinessHasReasons) {
  start();
  EXPECT_EQ(status_of(ask("GET", "/readyz")), 200);
  set_reasons({"the processor is 5 s \"behind\""});
  const std::string not_ready = ask("GET", "/readyz");
  EXPECT_EQ(status_of(not_ready), 503);
  const auto body = parse_json(body_of(not_ready));
  EXPECT_FALSE(body["ready"].GetBool());
  EXPECT_EQ(text_of(body["reasons"][0]), "the processor is 5 s \"behind\"");
  EXPECT_EQ(status_of(ask("GET", "/healthz")), 200) << "alive all the same";
}

TEST_F(EndpointTest, MetricsCountWhatWasAsked) {
  start();
  static_cast<void>(ask("GET", "/api/v1/symbols"));
  static_cast<void>(ask("GET", "/api/v1/symbols?no=1"));
  static_cast<void>(ask("GET", "/nothing"));
  const std::string response = ask("GET", "/metrics");
  EXPECT_NE(response.find("Content-Type: text/plain; version=0.0.4"), std::string::npos) << response;
  const std::string text = body_of(response);
  const auto has = [&text](std::string_view line) { return text.find(std::string(line) + "\n") != std::string::npos; };
  EXPECT_TRUE(has(R"(finpipe_endpoint_requests_total{route="symbols",status="2xx"} 1)")) << text;
  EXPECT_TRUE(has(R"(finpipe_endpoint_requests_total{route="symbols",status="4xx"} 1)"));
  EXPECT_TRUE(has(R"(finpipe_endpoint_requests_total{route="other",status="4xx"} 1)"));
  EXPECT_TRUE(has(R"(finpipe_endpoint_request_seconds_count{route="symbols"} 2)"));
  EXPECT_TRUE(has("finpipe_endpoint_connections_accepted_total 4"));
  EXPECT_TRUE(has(R"(finpipe_build_info{version="0.1.0"} 1)"));
}

TEST_F(EndpointTest, TotalsGoOnWhenAProcessHasAnotherEndpoint) {
  start();
  static_cast<void>(ask("GET", "/healthz"));
  static_cast<void>(ask("GET", "/healthz"));
  stop();
  endpoint_.reset();
  open();
  start();
  const std::string text = body_of(ask("GET", "/metrics"));
  EXPECT_TRUE(text.contains("finpipe_endpoint_connections_accepted_total 3\n")) << text;
}

TEST_F(EndpointTest, ThePageComesWithItsPolicyAndIsNotSentTwice) {
  start();
  const std::string page = ask("GET", "/");
  EXPECT_EQ(status_of(page), 200);
  EXPECT_EQ(body_of(page), "<!doctype html><p>bars</p>");
  EXPECT_NE(page.find("Content-Security-Policy: default-src 'self'"), std::string::npos);
  EXPECT_NE(page.find("connect-src 'self' ws://localhost wss://localhost;"), std::string::npos);
  EXPECT_NE(page.find("X-Content-Type-Options: nosniff"), std::string::npos);
  const std::size_t tag = page.find("ETag: ") + 6;
  const std::string known = page.substr(tag, page.find("\r\n", tag) - tag);
  const std::string again = ask("GET", "/index.html", "If-None-Match: " + known + "\r\n");
  EXPECT_EQ(status_of(again), 304);
  EXPECT_EQ(body_of(again), "");
  EXPECT_EQ(body_of(ask("GET", "/assets/page-1a2b.js")), "start()");
}

TEST_F(EndpointTest, NoPathLeadsOutOfThePage) {
  start();
  for (const char* target :
       {"/../etc/passwd", "/assets/../../etc/passwd", "/%2e%2e/etc/passwd", "/..%2fetc/passwd", "/assets/%2e%2e/x",
        "/%5c..%5cetc", "/assets/page-1a2b.js%00.html", "//etc/passwd", "/etc/passwd", "/./index.html", "/%zz"}) {
    const std::string response = ask("GET", target);
    EXPECT_EQ(status_of(response), 404) << target;
    EXPECT_EQ(response.find("root:"), std::string::npos);
  }
}

TEST_F(EndpointTest, PagesOfOthersAreKeptOut) {
  start();
  for (const char* target : {"/api/v1/symbols", "/", "/metrics", "/healthz"}) {
    EXPECT_EQ(error_of(ask("GET", target, "", "evil.example.com")), "foreign_host") << target;
    EXPECT_EQ(error_of(ask("GET", target, "Origin: http://evil.example.com\r\n")), "foreign_origin") << target;
    EXPECT_EQ(error_of(ask("GET", target, "Origin: null\r\n")), "foreign_origin") << target;
  }
  EXPECT_EQ(status_of(ask("GET", "/api/v1/symbols", "Origin: http://localhost\r\n")), 200);
  EXPECT_EQ(status_of(ask_upgrade("/api/v1/stream", "Origin: http://evil.example.com\r\n")), 403);
  EXPECT_EQ(status_of(ask_upgrade("/api/v1/stream", "", "evil.example.com")), 403);
  EXPECT_EQ(status_of(ask_upgrade("/api/v1/stream", "Origin: http://localhost\r\n")), 101);
}

TEST_F(EndpointTest, TheStreamIsAtOnePlaceAndIsAWebSocket) {
  start();
  EXPECT_EQ(status_of(ask_upgrade("/api/v1/stream")), 101);
  EXPECT_EQ(status_of(ask_upgrade("/api/v1/bars")), 404);
  EXPECT_EQ(status_of(ask_upgrade("/")), 404);
  EXPECT_EQ(status_of(ask_upgrade("/api/v1/stream?symbol=A")), 400);
  const std::string plain = ask("GET", "/api/v1/stream");
  EXPECT_EQ(status_of(plain), 426);
  EXPECT_EQ(error_of(plain), "upgrade_required");
}

TEST_F(EndpointTest, AClientOfTheStreamSeesSnapshotAndUpdates) {
  store_bars(store_, {bar_row("A", Interval::k1m, 60'000, 3)});
  start();
  StreamClientEnd client(port_);
  client.say(R"({"type":"subscribe","channel":"bars","symbol":"A","interval":"1m"})");
  client.wait([this] { return hub_.wants_bars("A"); });
  hub_.on_round(0, 1, 1);
  const auto snapshot = client.next();
  EXPECT_EQ(text_of(snapshot["type"]), "snapshot");
  EXPECT_EQ(numbers(snapshot["bars"], "version"), (std::vector<std::int64_t>{3}));
  hub_.on_bar(bar_row("A", Interval::k1m, 60'000, 4));
  hub_.on_round(0, 2, 1);
  const auto update = client.next();
  EXPECT_EQ(text_of(update["type"]), "update");
  EXPECT_EQ(numbers(update["bars"], "version"), (std::vector<std::int64_t>{4}));
  client.say(R"({"type":"subscribe","channel":"status"})");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client.next()["status"]["stale"].GetBool()) << "at once, then each second";
  client.say("{}");
  const auto is_error = [](const auto& message) { return text_of(message["type"]) == "error"; };
  EXPECT_EQ(text_of(client.wait_for(is_error)["message"]), "type must be subscribe or unsubscribe");
}

TEST_F(EndpointTest, AClientThatDoesNotReadChangesNothingForAnother) {
  start();
  const std::string subscribe = R"({"type":"subscribe","channel":"bars","symbol":"A","interval":"1s","snapshot":0})";
  const RawClient stuck(port_, 4'096);
  stuck.send(fmt::format("GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n{}\r\n", kUpgrade));
  EXPECT_EQ(status_of(stuck.read_until("\r\n\r\n")), 101);
  const std::string head = {'\x81', static_cast<char>(0x80 | subscribe.size()), 0, 0, 0, 0};  // masked with zeros
  stuck.send(head + subscribe);
  StreamClientEnd good(port_);
  good.say(subscribe);
  good.wait([this] { return metrics_.value(Metric::kStreamSubscriptions) == 2; });
  hub_.on_round(0, 1, 1);
  EXPECT_EQ(text_of(good.next()["type"]), "snapshot");
  for (std::int64_t version = 1; version <= 300; ++version) {
    for (std::int64_t i = 0; i < 200; ++i) hub_.on_bar(bar_row("A", Interval::k1s, i * 1'000, version));
    hub_.on_round(0, version, 1);
    const auto newest = [version](const auto& message) { return message["bars"][0]["version"].GetInt64() == version; };
    static_cast<void>(good.wait_for(newest));
    if (HasFatalFailure() || HasNonfatalFailure()) break;
  }
  EXPECT_FALSE(good.ended());
  EXPECT_GT(metrics_.value(Metric::kStreamConflatedBars), 1'000) << "the stuck client is not sent every version";
}

TEST_F(EndpointTest, ShuttingDownClosesStreamsAndEndsAllConnections) {
  start();
  StreamClientEnd client(port_);
  loop_.post([this] { endpoint_->shut_down(5'000); });
  client.wait([&client] { return client.ended(); });
  EXPECT_EQ(client.close_code(), 1001);
}

TEST_F(EndpointTest, TheHubMayGoOnWhenTheEndpointIsGone) {
  start();
  StreamClientEnd client(port_);
  client.say(R"({"type":"subscribe","channel":"trades","symbol":"A"})");
  client.wait([this] { return hub_.wants_trades("A"); });
  stop();
  hub_.on_bar(bar_row("A", Interval::k1s, 0));
  hub_.on_round(0, 1, 1);
  endpoint_.reset();
  EXPECT_FALSE(hub_.wants_trades("A"));
  hub_.on_bar(bar_row("A", Interval::k1s, 1'000));
  hub_.on_round(0, 2, 2);
  static_cast<void>(loop_.run_some(0));
}

TEST_F(EndpointTest, APortThatIsTakenIsAnError) {
  EndpointOptions options;
  options.server.port = port_;
  LiveHub hub(1);
  const auto second = Endpoint::start(loop_, store_, hub, metrics_, clock_, options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kListenFailed);
}

}  // namespace
}  // namespace finpipe
