// The server's end of one WebSocket. Beast reads, checks and answers control frames; what we send is framed here (a
// server's frames are not masked), so that many small messages leave in one system call and nothing is copied.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_server.h"
#include "net/stall_timer_impl.h"
#include "net/websocket_stream_impl.h"

namespace finpipe::net {

class WebSocketSession final : public WebSocketConnection, public std::enable_shared_from_this<WebSocketSession> {
 public:
  // `on_over` is called once, from the loop and last of all, unless dropped before.
  WebSocketSession(EventLoop& loop, const HttpServerOptions& options, HttpServer::Counts& counts,
                   std::shared_ptr<Transport> transport, std::string remote, std::unique_ptr<WebSocketHandler> handler,
                   EventLoop::Call on_over);

  // Answers the upgrade request that carried `key`.
  void start(std::string_view key);
  // Ends it at once; the handler is told.
  void drop();

  void send(std::shared_ptr<const std::string> message) override;
  [[nodiscard]] std::size_t queued_bytes() const override { return queued_bytes_; }
  void close(int code, std::string_view reason) override;
  void abort() override;
  void send_raw(std::string bytes) override;
  void pause_reading(bool paused) override;
  [[nodiscard]] std::string_view remote() const override { return remote_; }

 private:
  struct Item {
    std::array<char, 10> head{};
    std::size_t head_bytes = 0;
    std::shared_ptr<const std::string> message;
    [[nodiscard]] std::size_t bytes() const { return head_bytes + message->size(); }
  };

  void on_accepted(error_code error);
  void read();
  void on_read(error_code error, std::string_view message);
  void enqueue(Item item);
  void write();
  void on_written(error_code error);
  void start_close();
  void start_pings();
  void ping();
  void end();
  void end_later();
  void shut();

  EventLoop& loop_;
  const HttpServerOptions& options_;
  HttpServer::Counts& counts_;
  std::shared_ptr<Transport> transport_;
  std::string remote_;
  std::unique_ptr<WebSocketHandler> handler_;
  EventLoop::Call on_over_;
  WebSocketStream stream_;

  bool accepted_ = false;
  bool open_ = false;     // on_open has been called, and on_close not yet
  bool closing_ = false;  // nothing more is sent or delivered
  bool over_ = false;
  int close_code_ = 0;
  std::string close_reason_;
  Timer close_timer_;

  std::deque<Item> queue_;
  std::size_t batch_items_ = 0;  // of the queue's front, being written
  std::size_t queued_bytes_ = 0;
  StallTimer stall_timer_;

  bool reading_ = false;
  bool paused_ = false;
  std::optional<std::string_view> held_;  // a message that came while paused

  Timer ping_timer_;
  bool pinged_ = false;
  std::uint64_t received_at_ping_ = 0;
};

}  // namespace finpipe::net
