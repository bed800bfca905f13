// An HTTP/1.1 server with WebSocket upgrades, plain or TLS, in one loop. It keeps its own limits, so that slow, idle
// and hostile clients cost a bounded amount and take nothing from others: everything beyond a limit is answered with a
// status (or dropped) and counted. When all connections are in use, a new one displaces the one that has been idle
// longest: no whole request has come since then, and it is no WebSocket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/event_loop.h"
#include "net/tls.h"

namespace finpipe::net {

struct HttpServerOptions {
  std::string address = "127.0.0.1";  // an IP address
  std::uint16_t port = 0;             // 0: a free one, see HttpServer::port
  std::shared_ptr<TlsContext> tls{};  // null: plain
  std::size_t max_connections = 1'024;
  std::size_t max_header_bytes = std::size_t{16} << 10;   // 431 beyond
  std::size_t max_body_bytes = std::size_t{64} << 10;     // 413 beyond
  std::size_t max_message_bytes = std::size_t{64} << 10;  // of a WebSocket client; close 1009 beyond
  std::size_t max_queued_bytes = std::size_t{64} << 20;   // for one WebSocket client; it is dropped beyond
  std::int64_t request_timeout_ms = 10'000;  // from the first byte (or the accept) to the whole request; then 408
  std::int64_t idle_timeout_ms = 60'000;     // between two requests
  std::int64_t write_timeout_ms = 20'000;    // a client that takes no byte for so long is dropped
  std::int64_t ping_interval_ms = 20'000;    // WebSocket clients are pinged, and dropped when nothing comes from them
                                             // by the next time; 0: never
};

struct HttpRequest {
  std::string_view method;  // HEAD comes as GET: the server leaves the body of its answer out
  std::string_view target;  // path and query as sent
  std::string_view body;
  std::string_view remote;  // address of the client, without port
  bool tls = false;

  // First header of that name, without regard to case; empty when there is none.
  [[nodiscard]] std::string_view header(std::string_view name) const;

  struct Fields;
  const Fields* fields = nullptr;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};  // besides Content-Type, Content-Length, Date, Server
  // Static content instead of `body`, when not empty; must live as long as the server.
  std::string_view static_body{};
  bool close = false;  // end the connection after it
};

// The server's end of one WebSocket. Valid from on_open until on_close has returned.
class WebSocketConnection {
 public:
  virtual ~WebSocketConnection() = default;
  // Queues a text message; many connections may share one. Ignored once closing.
  virtual void send(std::shared_ptr<const std::string> message) = 0;
  // Bytes of messages that have been queued and not been handed to the system.
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
  // Close frame, then the connection ends.
  virtual void close(int code, std::string_view reason) = 0;
  // Ends the TCP connection at once, without close frame.
  virtual void abort() = 0;
  // Behind what is queued: these bytes as they are, past the framing. For simulating broken peers.
  virtual void send_raw(std::string bytes) = 0;
  // Stops reading and answering (pings too) until called with false: what is sent to us stays in the socket.
  virtual void pause_reading(bool paused) = 0;
  [[nodiscard]] virtual std::string_view remote() const = 0;
};

class WebSocketHandler {
 public:
  virtual ~WebSocketHandler() = default;
  virtual void on_open(WebSocketConnection& connection) = 0;
  virtual void on_message(std::string_view message) = 0;
  virtual void on_drained() = 0;  // the last queued message was handed to the system
  virtual void on_close() = 0;    // exactly once after on_open; the handler is destroyed after it. The server's
                                  // destructor calls it too
};

// What becomes of a request to upgrade.
struct Upgrade {
  // Not null: accept, and this handler serves the connection.
  std::unique_ptr<WebSocketHandler> handler{};
  // Else: this answer, or (never_answer) none at all until the client goes away.
  HttpResponse refusal{.status = 404};
  bool never_answer = false;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  [[nodiscard]] virtual HttpResponse handle(const HttpRequest& request) = 0;
  [[nodiscard]] virtual Upgrade upgrade(const HttpRequest& request) = 0;
};

class HttpServer {
 public:
  // Since the start; all rise but `open`.
  struct Counts {
    std::int64_t open = 0;  // connections now
    std::int64_t accepted = 0;
    std::int64_t shed = 0;       // closed at accept or displaced: too many connections, no file descriptors
    std::int64_t overflows = 0;  // WebSockets dropped because of max_queued_bytes
    std::int64_t requests = 0;
    std::int64_t bad_requests = 0;  // malformed or beyond a limit
    std::int64_t timeouts = 0;      // of requests, idle connections, writes and pongs
    std::int64_t upgrades = 0;
  };

  // Listens. Errors: kListenFailed (in use, no such address, not permitted). The handler must outlive the server.
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> listen(EventLoop& loop, HttpServerOptions options,
                                                                  HttpHandler& handler);
  // Drops all connections.
  ~HttpServer();
  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] Counts counts() const;
  // Accepts nothing more, closes WebSockets with 1001 and idle connections; what is under way gets deadline_ms from
  // now.
  void shut_down(std::int64_t deadline_ms);
  [[nodiscard]] bool idle() const;  // no connection is left

 private:
  struct Implementation;
  explicit HttpServer(std::shared_ptr<Implementation> implementation);
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace finpipe::net
