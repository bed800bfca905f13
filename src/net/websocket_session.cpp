#include <algorithm>
#include <utility>

#include "net/websocket_session_impl.h"

namespace finpipe::net {
namespace {

// Of one system call.
constexpr std::size_t kBatchItems = 32;
constexpr std::size_t kBatchBytes = std::size_t{256} << 10;
// For the client's answer to our close frame.
constexpr std::int64_t kCloseMs = 2'000;
constexpr std::string_view kPing("\x89\x00", 2);

// RFC 6455, section 5.2: one whole text message, from a server.
std::size_t write_head(std::array<char, 10>& head, std::size_t payload) {
  constexpr char kFinalText = static_cast<char>(0x81);
  const auto put = [&](std::size_t at, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      head[at + static_cast<std::size_t>(i)] = static_cast<char>(payload >> (8 * (bytes - 1 - i)) & 0xffU);
    }
    return at + static_cast<std::size_t>(bytes);
  };
  head[0] = kFinalText;
  if (payload < 126) return put(1, 1);
  if (payload <= 0xffff) {
    head[1] = 126;
    return put(2, 2);
  }
  head[1] = 127;
  return put(2, 8);
}

}  // namespace

WebSocketSession::WebSocketSession(EventLoop& loop, const HttpServerOptions& options, HttpServer::Counts& counts,
                                   std::shared_ptr<Transport> transport, std::string remote,
                                   std::unique_ptr<WebSocketHandler> handler, EventLoop::Call on_over)
    : loop_(loop),
      options_(options),
      counts_(counts),
      transport_(std::move(transport)),
      remote_(std::move(remote)),
      handler_(std::move(handler)),
      on_over_(std::move(on_over)),
      stream_(transport_, options.max_message_bytes),
      close_timer_(loop),
      stall_timer_(loop, options.write_timeout_ms),
      ping_timer_(loop) {}

void WebSocketSession::start(std::string_view key) {
  stall_timer_.watch(*transport_, [this] {
    ++counts_.timeouts;
    end();
  });
  stream_.accept(key, [self = shared_from_this()](error_code error) { self->on_accepted(error); });
}

void WebSocketSession::on_accepted(error_code error) {
  if (over_) return;
  if (error) return end();
  stall_timer_.written();
  ++counts_.upgrades;
  accepted_ = true;
  if (closing_) return start_close();
  open_ = true;
  start_pings();
  handler_->on_open(*this);
  read();
}

void WebSocketSession::read() {
  if (reading_ || paused_ || held_ || over_) return;
  reading_ = true;
  stream_.read([self = shared_from_this()](error_code error, std::string_view message) {
    self->reading_ = false;
    self->on_read(error, message);
  });
}

void WebSocketSession::on_read(error_code error, std::string_view message) {
  if (over_) return;
  if (error) return end();
  if (paused_) {
    held_ = message;
    return;
  }
  if (!closing_) handler_->on_message(message);
  read();
}

void WebSocketSession::pause_reading(bool paused) {
  if (over_ || closing_ || paused == paused_) return;
  paused_ = paused;
  pinged_ = false;
  transport_->pause_reading(paused);
  if (paused) return;
  if (!held_) return read();
  loop_.post([self = shared_from_this()] {
    if (!self->paused_ && self->held_) self->on_read({}, *std::exchange(self->held_, std::nullopt));
  });
}

void WebSocketSession::send(std::shared_ptr<const std::string> message) {
  Item item{.message = std::move(message)};
  item.head_bytes = write_head(item.head, item.message->size());
  enqueue(std::move(item));
}

void WebSocketSession::send_raw(std::string bytes) {
  enqueue({.message = std::make_shared<const std::string>(std::move(bytes))});
}

void WebSocketSession::enqueue(Item item) {
  if (over_ || closing_) return;
  queued_bytes_ += item.bytes();
  queue_.push_back(std::move(item));
  if (queued_bytes_ > options_.max_queued_bytes) {
    ++counts_.overflows;
    return end_later();
  }
  if (batch_items_ == 0) write();
}

void WebSocketSession::write() {
  ConstBuffers buffers;
  buffers.reserve(2 * std::min(queue_.size(), kBatchItems));
  std::size_t bytes = 0;
  for (const Item& item : queue_) {
    if (batch_items_ == kBatchItems || (batch_items_ > 0 && bytes + item.bytes() > kBatchBytes)) break;
    if (item.head_bytes > 0) buffers.emplace_back(item.head.data(), item.head_bytes);
    if (!item.message->empty()) buffers.emplace_back(item.message->data(), item.message->size());
    bytes += item.bytes();
    ++batch_items_;
  }
  stall_timer_.watch(*transport_, [this] {
    ++counts_.timeouts;
    end();
  });
  transport_->write(std::move(buffers),
                    [self = shared_from_this()](error_code error, std::size_t) { self->on_written(error); });
}

void WebSocketSession::on_written(error_code error) {
  if (over_) return;
  if (error) return end();
  stall_timer_.written();
  for (; batch_items_ > 0; --batch_items_) {
    queued_bytes_ -= queue_.front().bytes();
    queue_.pop_front();
  }
  if (!queue_.empty()) return write();
  if (closing_) return start_close();
  handler_->on_drained();
}

void WebSocketSession::close(int code, std::string_view reason) {
  if (over_ || closing_) return;
  pause_reading(false);
  closing_ = true;
  close_code_ = code;
  close_reason_ = reason;
  // Beast takes no close before it has accepted.
  if (accepted_ && queue_.empty()) start_close();
}

void WebSocketSession::start_close() {
  close_timer_.start(kCloseMs, [this] { end(); });
  stream_.close(close_code_, close_reason_, [self = shared_from_this()](error_code) { self->end(); });
}

void WebSocketSession::abort() {
  if (over_) return;
  transport_->reset();
  end_later();
}

void WebSocketSession::start_pings() {
  if (options_.ping_interval_ms <= 0) return;
  ping_timer_.start(options_.ping_interval_ms, [this] { ping(); });
}

// Any byte since the last ping is a sign of life. Who is still being written to is judged by the stall timer.
void WebSocketSession::ping() {
  if (over_ || closing_) return;
  const std::uint64_t received = transport_->received_bytes();
  if (pinged_ && received == received_at_ping_) {
    ++counts_.timeouts;
    return end();
  }
  pinged_ = !paused_ && batch_items_ == 0;
  received_at_ping_ = received;
  if (pinged_) transport_->write({asio::buffer(kPing)}, [self = shared_from_this()](error_code, std::size_t) {});
  start_pings();
}

void WebSocketSession::end_later() {
  closing_ = true;
  transport_->close();
  loop_.post([self = shared_from_this()] { self->end(); });
}

void WebSocketSession::shut() {
  over_ = true;
  stall_timer_.cancel();
  close_timer_.cancel();
  ping_timer_.cancel();
  transport_->close();
}

void WebSocketSession::end() {
  if (over_) return;
  const auto self = shared_from_this();
  drop();
  on_over_();
}

void WebSocketSession::drop() {
  if (over_) return;
  shut();
  if (open_) handler_->on_close();
  handler_ = nullptr;
}

}  // namespace finpipe::net
