// Finnhub's WebSocket as a feed: holds the connection of a key open by the rules of `Connection`, stamps each frame
// when it is received, and hands out frames and what happened to the connection in one order. All network work is done
// inside poll() and close(), by the thread that calls them. The token is in the request and in nothing else: where the
// vendor repeats it, in an error or in a frame, it is masked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "codec/finnhub_frame.h"
#include "feeds/connection.h"
#include "feeds/frame_buffer.h"
#include "feeds/secret_mask.h"
#include "net/event_loop.h"
#include "net/tls.h"
#include "net/token_bucket.h"
#include "net/websocket_client.h"
#include "pipeline/ports.h"

namespace finpipe {

struct FinnhubWebSocketOptions {
  std::string host = "ws.finnhub.io";
  std::uint16_t port = 443;
  std::string base_path = "/";           // path and query to which token=… is added
  std::shared_ptr<net::TlsContext> tls;  // null: plain
  std::string token;                     // secret; empty: none is sent
  std::vector<std::string> symbols;
  std::string origin = "vendor";             // or "demo"
  double time_scale = 1.0;                   // of every timer of the connection, the next one included
  std::int64_t connect_timeout_ms = 30'000;  // name look-up, TCP, TLS and upgrade together
  std::int64_t poll_wait_ms = 20;
  std::size_t max_buffer_bytes = std::size_t{4} << 20;  // of frames not yet polled: beyond, reading pauses
};

class FinnhubWebSocketFeed final : public Feed, private net::WebSocketClient::Handler {
 public:
  struct Status {
    Connection::State state = Connection::State::kIdle;
    std::int64_t since_ns = 0;        // of the state, on the session clock
    int attempt = 0;                  // since a connection was open the last time
    std::string text;                 // what the connection does and why
    std::optional<Error> last_error;  // nullopt: nothing has failed yet
    std::vector<std::string> refused_symbols;
  };

  // The clocks must outlive it: `clock` drives the timers of the connection, `session_clock` stamps what is received.
  FinnhubWebSocketFeed(FinnhubWebSocketOptions options, Clock& clock, SessionClock& session_clock, Random random);
  ~FinnhubWebSocketFeed() override;  // closes
  FinnhubWebSocketFeed(const FinnhubWebSocketFeed&) = delete;
  FinnhubWebSocketFeed& operator=(const FinnhubWebSocketFeed&) = delete;

  [[nodiscard]] std::string_view origin() const override { return options_.origin; }
  [[nodiscard]] std::string_view source_id() const override { return {}; }
  [[nodiscard]] bool live() const override { return true; }
  [[nodiscard]] std::optional<double> progress() const override { return std::nullopt; }

  // Connects at the first call; waits up to poll_wait_ms for a frame or an event. `position` numbers the frames from 1
  // on. Damage: kFrameTooLarge (above 1 MiB; `bytes` are its first 64 KiB). Error: kUnauthorized, once all that came
  // before it has been handed out. After close() the batch with the rest has `end`.
  [[nodiscard]] Result<FeedBatch> poll(std::size_t max_frames) override;

  // Sends a close frame and waits for the vendor's, one second at most. What came before can still be polled.
  void close() override;

  // From any thread.
  [[nodiscard]] Status status() const;

 private:
  void on_open() override;
  void on_message(std::string_view message) override;
  void on_pong() override;
  void on_end(const net::ConnectionEnd& end) override;

  // Does what the connection asks for, and publishes the status.
  void perform();
  void connect();
  void tell(FeedEvent event);
  void hear_vendor_error(std::string_view frame);
  void tick();
  void await_something();
  // Pauses reading when too much waits to be polled; goes on when half of it is gone.
  void balance_reading();

  void log_event(const FeedEvent& event);
  void log_failure();
  [[nodiscard]] bool may_log();
  void publish();

  FinnhubWebSocketOptions options_;
  std::string target_;  // holds the token
  SecretMask mask_;
  Clock& clock_;
  SessionClock& session_clock_;
  Random random_;
  Connection connection_;
  FrameBuffer buffer_;
  FrameParser parser_;
  bool reading_paused_ = false;

  net::TokenBucket log_budget_;
  std::int64_t lines_left_out_ = 0;
  std::int64_t failures_logged_ = 0;

  mutable std::mutex status_mutex_;
  Status status_;

  // Last, because the client calls the handlers above.
  net::EventLoop loop_;
  net::WebSocketClient client_;
};

}  // namespace finpipe
