// A WebSocket connection as a client, plain or TLS. Every end of a connection is a value: exactly one on_end after
// connect, whatever happened. Pings of the peer are answered without a word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/event_loop.h"
#include "net/tls.h"

namespace finpipe::net {

struct WebSocketClientOptions {
  std::string host;
  std::uint16_t port = 0;
  std::string target = "/";                  // path and query. May hold a secret: it appears in no error and no log
  std::shared_ptr<TlsContext> tls{};         // null: plain
  std::int64_t connect_timeout_ms = 30'000;  // name look-up, TCP, TLS and upgrade together
  std::int64_t close_timeout_ms = 2'000;     // for the peer's answer to our close frame
  std::size_t max_message_bytes = std::size_t{4} << 20;
};

// How a connection ended.
struct ConnectionEnd {
  enum class Kind : std::uint8_t {
    kNotConnected,    // name look-up, TCP or TLS failed, or took too long
    kUpgradeRefused,  // an HTTP answer other than 101: see `status`
    kClosedByPeer,    // with a close frame: see `close_code`
    kLost,            // without one: reset, end of stream, a TLS alert
    kProtocolError,   // the peer broke the protocol: bad opcode, bad UTF-8, too large a message
    kClosedByUs,
  };
  Kind kind = Kind::kLost;
  // kNameNotFound, kConnectFailed, kTimedOut, kTls*, kUnauthorized (401), kTooManyRequests (429), kUpgradeRefused
  // (other statuses; the detail has the status and the beginning of the body), kConnectionLost, kProtocolError.
  Error error{ErrorCode::kConnectionLost, {}};
  bool was_open = false;
  int status = 0;                               // of the refused upgrade
  std::optional<std::int64_t> retry_after_s{};  // of the refused upgrade, when it said so in seconds
  int close_code = 0;                           // of the peer's close frame; 1005 when it had none
};

class WebSocketClient {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void on_open() = 0;
    virtual void on_message(std::string_view message) = 0;  // text or binary, whole; borrowed for the call
    virtual void on_pong() = 0;
    virtual void on_end(const ConnectionEnd& end) = 0;  // the client may be destroyed or connected anew in here
  };

  // The handler must outlive the client. No handler is called after the destructor, which aborts the connection.
  WebSocketClient(EventLoop& loop, Handler& handler);
  ~WebSocketClient();
  WebSocketClient(const WebSocketClient&) = delete;
  WebSocketClient& operator=(const WebSocketClient&) = delete;

  // Begins a connection; only when there is none.
  void connect(WebSocketClientOptions options);
  // Queues a text message. Ignored unless open.
  void send(std::string message);
  void ping();
  // Stops reading (TCP then slows the peer) until called with false.
  void pause_reading(bool paused);
  // Close frame, then on_end(kClosedByUs) once the peer has answered or close_timeout is over.
  void close();
  // Drops the connection at once, without a close frame; on_end(kClosedByUs) follows from the loop.
  void abort();

 private:
  struct Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace finpipe::net
