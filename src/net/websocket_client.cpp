#include "net/websocket_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <deque>
#include <system_error>
#include <utility>

#include "net/connector_impl.h"
#include "net/http_text_impl.h"
#include "net/url.h"
#include "net/websocket_stream_impl.h"

namespace finpipe::net {
namespace {

using Kind = ConnectionEnd::Kind;

// Of messages that the peer does not take: beyond, the connection is dropped.
constexpr std::size_t kMaxQueuedBytes = std::size_t{4} << 20;
constexpr std::size_t kExcerptBytes = 200;
constexpr std::size_t kSearchedBytes = 4'096;  // of a body, for secrets to leave out
constexpr std::size_t kSecretBytes = 4;        // anything shorter is no secret

void replace_all(std::string& text, std::string_view secret) {
  if (secret.size() < kSecretBytes) return;
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
    text.replace(at, secret.size(), "...");
  }
}

// The beginning of an answer's body in one line. Servers like to repeat what they were asked for: no value of the
// target's query gets through.
std::string excerpt(std::string_view body, std::string_view target) {
  std::string text(body.substr(0, kSearchedBytes));
  replace_all(text, target);
  std::string_view query = target.substr(std::min(target.find('?'), target.size()));
  while (!query.empty()) {
    query.remove_prefix(1);
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(pair.size());
    const std::string_view value = pair.substr(pair.find('=') + 1);
    replace_all(text, value);
    if (const auto decoded = percent_decode(value, true)) replace_all(text, *decoded);
  }
  std::string line;
  for (const char c : text) {
    if (line.size() == kExcerptBytes) break;
    const bool printable = c > ' ' && c <= '~';
    if (printable || (!line.empty() && line.back() != ' ')) line += printable ? c : ' ';
  }
  return line;
}

std::optional<std::int64_t> parse_seconds(std::string_view text) {
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || seconds < 0) return std::nullopt;
  return seconds;
}

ConnectionEnd refused_end(const UpgradeAnswer& answer, error_code error, std::string_view target) {
  ConnectionEnd end;
  end.kind = Kind::kUpgradeRefused;
  end.status = answer.status;
  end.retry_after_s = parse_seconds(answer.retry_after);
  const std::string body = excerpt(answer.body, target);
  end.error.detail = answer.status == 101 ? fmt::format("status 101: {}", error.message())
                     : body.empty()       ? fmt::format("status {}", answer.status)
                                          : fmt::format("status {}: {}", answer.status, body);
  end.error.code = answer.status == 401   ? ErrorCode::kUnauthorized
                   : answer.status == 429 ? ErrorCode::kTooManyRequests
                                          : ErrorCode::kUpgradeRefused;
  return end;
}

ConnectionEnd ended(Kind kind, ErrorCode code, std::string detail) {
  ConnectionEnd end;
  end.kind = kind;
  end.error = {code, std::move(detail)};
  return end;
}

// One connection, from connect to its end. Every operation under way keeps it alive; after the end it tells nobody
// anything.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `on_end` is called once, from the loop, and not after detach.
  using OnEnd = std::move_only_function<void(const ConnectionEnd&)>;

  Connection(EventLoop& loop, WebSocketClient::Handler& handler, WebSocketClientOptions options, OnEnd on_end)
      : loop_(loop), handler_(handler), options_(std::move(options)), on_end_(std::move(on_end)), deadline_(loop) {}

  void start();
  void send(std::string message);
  void ping();
  void pause_reading(bool paused);
  void close();
  void abort();
  void detach() { shut(State::kEnded); }

 private:
  enum class State : std::uint8_t { kConnecting, kUpgrading, kOpen, kClosing, kEnding, kEnded };

  void on_connected(Result<std::shared_ptr<Transport>> transport);
  void on_upgraded(error_code error, const UpgradeAnswer& answer);
  void on_timeout();
  void read();
  void on_read(error_code error, std::string_view message);
  void write();
  void on_written(error_code error);
  void start_close();
  void end(ConnectionEnd end);
  void end_later(ConnectionEnd end);
  void shut(State state);
  [[nodiscard]] bool over() const { return state_ >= State::kEnding; }
  [[nodiscard]] ConnectionEnd end_of(error_code error) const;
  [[nodiscard]] std::string where() const { return fmt::format("{}:{}", options_.host, options_.port); }

  EventLoop& loop_;
  WebSocketClient::Handler& handler_;
  WebSocketClientOptions options_;
  OnEnd on_end_;
  State state_ = State::kConnecting;
  bool was_open_ = false;
  Timer deadline_;
  std::shared_ptr<Connector> connector_;
  std::shared_ptr<Transport> transport_;
  std::optional<WebSocketStream> stream_;
  std::deque<std::string> queue_;  // the first is being written
  std::size_t queued_bytes_ = 0;
  error_code write_error_;
  bool pinging_ = false;
  bool reading_ = false;
  bool paused_ = false;
  std::optional<std::string_view> held_;  // a message that came while paused
};

void Connection::start() {
  deadline_.start(options_.connect_timeout_ms, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_timeout();
  });
  connector_ = Connector::start(loop_, options_.host, options_.port, options_.tls,
                                [self = shared_from_this()](Result<std::shared_ptr<Transport>> transport) {
                                  self->on_connected(std::move(transport));
                                });
}

void Connection::on_timeout() {
  if (state_ == State::kClosing) return end(ended(Kind::kClosedByUs, ErrorCode::kTimedOut, where()));
  const std::string_view phase = state_ == State::kConnecting ? connector_->phase() : "upgrade";
  end(ended(Kind::kNotConnected, ErrorCode::kTimedOut,
            fmt::format("{}: {} not done within {} ms", where(), phase, options_.connect_timeout_ms)));
}

void Connection::on_connected(Result<std::shared_ptr<Transport>> transport) {
  if (state_ != State::kConnecting) return;
  if (!transport) {
    return end(ended(Kind::kNotConnected, transport.error().code, transport.error().detail));
  }
  state_ = State::kUpgrading;
  transport_ = *std::move(transport);
  stream_.emplace(transport_, options_.max_message_bytes);
  stream_->on_pong([this] {
    if (state_ == State::kOpen) handler_.on_pong();
  });
  stream_->connect(
      host_header(options_.host, options_.port, options_.tls != nullptr), options_.target,
      [self = shared_from_this()](error_code error, const UpgradeAnswer& answer) { self->on_upgraded(error, answer); });
}

void Connection::on_upgraded(error_code error, const UpgradeAnswer& answer) {
  if (state_ != State::kUpgrading) return;
  if (error) {
    return end(answer.status != 0 ? refused_end(answer, error, options_.target) : end_of(error));
  }
  state_ = State::kOpen;
  was_open_ = true;
  deadline_.cancel();
  handler_.on_open();
  read();
}

void Connection::send(std::string message) {
  if (state_ != State::kOpen) return;
  queued_bytes_ += message.size();
  queue_.push_back(std::move(message));
  if (queued_bytes_ > kMaxQueuedBytes) {
    return end_later(ended(Kind::kLost, ErrorCode::kConnectionLost,
                           fmt::format("{}: takes nothing, {} bytes wait", where(), queued_bytes_)));
  }
  if (queue_.size() == 1) write();
}

void Connection::write() {
  stream_->write(queue_.front(), [self = shared_from_this()](error_code error) { self->on_written(error); });
}

void Connection::on_written(error_code error) {
  if (over()) return;
  if (error) {
    // What the peer has said before it went is worth more than that it went.
    write_error_ = error;
    if (!reading_) end(end_of(error));
    return;
  }
  queued_bytes_ -= queue_.front().size();
  queue_.pop_front();
  if (!queue_.empty()) return write();
  if (state_ == State::kClosing) start_close();
}

void Connection::ping() {
  if (state_ != State::kOpen || pinging_) return;
  pinging_ = true;
  stream_->ping([self = shared_from_this()](error_code) { self->pinging_ = false; });
}

void Connection::pause_reading(bool paused) {
  if (over() || state_ == State::kClosing || paused == paused_) return;
  paused_ = paused;
  if (state_ != State::kOpen) return;
  transport_->pause_reading(paused);
  if (paused) return;
  if (!held_) return read();
  loop_.post([self = shared_from_this()] {
    if (!self->paused_ && self->held_) self->on_read({}, *std::exchange(self->held_, std::nullopt));
  });
}

void Connection::read() {
  if (reading_ || paused_ || held_ || over()) return;
  reading_ = true;
  stream_->read([self = shared_from_this()](error_code error, std::string_view message) {
    self->reading_ = false;
    self->on_read(error, message);
  });
}

void Connection::on_read(error_code error, std::string_view message) {
  if (over()) return;
  if (error) return end(end_of(error == asio::error::operation_aborted && write_error_ ? write_error_ : error));
  if (paused_) {
    held_ = message;
    return;
  }
  if (state_ == State::kOpen) handler_.on_message(message);
  read();
}

void Connection::close() {
  if (over() || state_ == State::kClosing) return;
  if (state_ != State::kOpen) return abort();
  pause_reading(false);
  state_ = State::kClosing;
  deadline_.start(options_.close_timeout_ms, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->on_timeout();
  });
  if (queue_.empty()) start_close();
}

void Connection::start_close() {
  constexpr int kNormal = 1'000;
  stream_->close(kNormal, {}, [self = shared_from_this()](error_code error) {
    if (self->state_ == State::kClosing) self->end(self->end_of(error));
  });
}

void Connection::abort() { end_later(ended(Kind::kClosedByUs, ErrorCode::kConnectionLost, where())); }

ConnectionEnd Connection::end_of(error_code error) const {
  const std::string detail = fmt::format("{}: {}", where(), error.message());
  if (state_ == State::kClosing) return ended(Kind::kClosedByUs, ErrorCode::kConnectionLost, detail);
  switch (failure_of(error)) {
    case StreamFailure::kClosed: {
      const int code = stream_->close_code();
      auto end =
          ended(Kind::kClosedByPeer, ErrorCode::kConnectionLost, fmt::format("{}: close code {}", where(), code));
      end.close_code = code;
      return end;
    }
    case StreamFailure::kProtocol:
    case StreamFailure::kBadHttp:
    case StreamFailure::kNotAWebSocket: return ended(Kind::kProtocolError, ErrorCode::kProtocolError, detail);
    case StreamFailure::kTls:
      // A server that wants a certificate of the client says so when the handshake is over for us.
      if (!was_open_) return ended(Kind::kNotConnected, ErrorCode::kTlsFailed, detail);
      break;
    case StreamFailure::kLost: break;
  }
  return ended(Kind::kLost, ErrorCode::kConnectionLost, detail);
}

void Connection::end_later(ConnectionEnd end) {
  if (over()) return;
  shut(State::kEnding);
  end.was_open = was_open_;
  loop_.post([self = shared_from_this(), end = std::move(end)] {
    if (std::exchange(self->state_, State::kEnded) == State::kEnding) self->on_end_(end);
  });
}

void Connection::shut(State state) {
  state_ = state;
  deadline_.cancel();
  if (connector_) connector_->cancel();
  if (transport_) transport_->close();
}

void Connection::end(ConnectionEnd end) {
  if (over()) return;
  shut(State::kEnded);
  end.was_open = was_open_;
  on_end_(end);
}

}  // namespace

struct WebSocketClient::Implementation : std::enable_shared_from_this<Implementation> {
  Implementation(EventLoop& the_loop, Handler& the_handler) : loop(the_loop), handler(the_handler) {}

  EventLoop& loop;
  Handler& handler;
  std::shared_ptr<Connection> connection;
};

WebSocketClient::WebSocketClient(EventLoop& loop, Handler& handler)
    : implementation_(std::make_shared<Implementation>(loop, handler)) {}

WebSocketClient::~WebSocketClient() {
  if (implementation_->connection) implementation_->connection->detach();
}

void WebSocketClient::connect(WebSocketClientOptions options) {
  Implementation& it = *implementation_;
  if (it.connection) return;
  it.connection = std::make_shared<Connection>(it.loop, it.handler, std::move(options),
                                               [weak = it.weak_from_this()](const ConnectionEnd& end) {
                                                 const auto self = weak.lock();
                                                 if (!self) return;
                                                 self->connection = nullptr;
                                                 self->handler.on_end(end);
                                               });
  it.connection->start();
}

void WebSocketClient::send(std::string message) {
  if (const auto connection = implementation_->connection) connection->send(std::move(message));
}

void WebSocketClient::ping() {
  if (const auto connection = implementation_->connection) connection->ping();
}

void WebSocketClient::pause_reading(bool paused) {
  if (const auto connection = implementation_->connection) connection->pause_reading(paused);
}

void WebSocketClient::close() {
  if (const auto connection = implementation_->connection) connection->close();
}

void WebSocketClient::abort() {
  if (const auto connection = implementation_->connection) connection->abort();
}

}  // namespace finpipe::net
