// What the tests of net/ share: waiting with a deadline, raw sockets that speak whatever a test wants, certificates of
// every kind, and handlers that write down what they are told.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/time.h"
#include "net/event_loop.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "net/websocket_client.h"

namespace finpipe::net {

class Stopwatch {
 public:
  [[nodiscard]] std::int64_t elapsed_ms() { return (clock_.boot_ns() - start_ns_) / kNsPerMs; }

 private:
  SystemClock clock_;
  std::int64_t start_ns_ = clock_.boot_ns();
};

// Runs the loop until the condition holds; false after 20 seconds.
[[nodiscard]] bool run_until(EventLoop& loop, const std::function<bool()>& condition);
void run_for(EventLoop& loop, std::int64_t ms);

// A TCP connection of 127.0.0.1 without any protocol; nothing blocks.
class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(int descriptor) : descriptor_(descriptor) {}
  RawSocket(RawSocket&& other) noexcept { *this = std::move(other); }
  RawSocket& operator=(RawSocket&& other) noexcept;
  ~RawSocket() { close(); }
  // receive_buffer > 0: of the system, small, so that a peer soon has to wait.
  [[nodiscard]] static RawSocket connect(std::uint16_t port, int receive_buffer = 0);

  [[nodiscard]] bool valid() const { return descriptor_ >= 0; }
  void send(std::string_view bytes);
  void end_sending();
  void close();
  void reset();  // the peer sees a reset

  // What has come in all, after reading what is there.
  const std::string& received();
  // Reads about so much and no more, if it is there.
  void receive_some(std::size_t most);
  [[nodiscard]] bool ended() { return received(), ended_; }  // end of stream or reset
  [[nodiscard]] bool was_reset() { return received(), reset_; }
  void forget() { received_.clear(); }

 private:
  int descriptor_ = -1;
  std::string received_;
  bool ended_ = false;
  bool reset_ = false;
};

class RawServer {
 public:
  RawServer();
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] bool accept(RawSocket& socket);  // false: nobody is there

 private:
  int descriptor_ = -1;
  std::uint16_t port_ = 0;
};

// The answer that a WebSocket server gives to this request.
[[nodiscard]] std::string upgrade_answer(std::string_view request);
// One masked frame, as a client sends it. `first` is the first byte: 0x81 is a whole text message.
[[nodiscard]] std::string client_frame(unsigned char first, std::string_view payload);
[[nodiscard]] std::string server_frame(unsigned char first, std::string_view payload);
[[nodiscard]] std::string upgrade_request(std::string_view target = "/");

// A leaf that has signed itself.
[[nodiscard]] GeneratedCertificate self_signed_certificate(const std::string& name);
[[nodiscard]] GeneratedCertificate certificate_for(const std::string& name, int days = 30);
[[nodiscard]] std::shared_ptr<TlsContext> server_tls(const GeneratedCertificate& certificate);
[[nodiscard]] std::shared_ptr<TlsContext> client_tls(const GeneratedCertificate& certificate);

// Writes down what a WebSocket client is told.
class Recorder final : public WebSocketClient::Handler {
 public:
  void on_open() override;
  void on_message(std::string_view message) override;
  void on_pong() override { ++pongs; }
  void on_end(const ConnectionEnd& end) override;

  bool open = false;
  std::vector<std::string> messages;
  std::size_t bytes = 0;
  int pongs = 0;
  std::vector<ConnectionEnd> ends;
  std::function<void()> when_open;
  std::function<void()> when_message;
  std::function<void()> when_end;
};

// A server whose answers a test gives as functions. Without them: requests are answered by method and target, and
// WebSockets echo.
class TestServer final : public HttpHandler {
 public:
  explicit TestServer(EventLoop& loop, HttpServerOptions options = {});

  [[nodiscard]] HttpResponse handle(const HttpRequest& request) override;
  [[nodiscard]] Upgrade upgrade(const HttpRequest& request) override;

  [[nodiscard]] std::uint16_t port() const { return server->port(); }
  [[nodiscard]] WebSocketConnection& socket() { return *sockets.back(); }

  std::function<HttpResponse(const HttpRequest&)> on_request;
  std::function<Upgrade(const HttpRequest&)> on_upgrade;
  std::function<void(WebSocketConnection&)> when_open;
  std::function<void(WebSocketConnection&, std::string_view)> when_message;
  std::vector<std::string> requests;
  std::vector<WebSocketConnection*> sockets;  // open ones
  std::vector<std::string> messages;
  int drained = 0;
  int closed = 0;
  std::unique_ptr<HttpServer> server;
};

[[nodiscard]] std::shared_ptr<const std::string> shared(std::string text);

}  // namespace finpipe::net
