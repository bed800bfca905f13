#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <chrono>
#include <cstring>

#include "net/tls_impl.h"
#include "net/transport_impl.h"

namespace finpipe::net {
namespace {

constexpr std::chrono::seconds kFinishTime{2};
constexpr std::size_t kDrainBytes = 4'096;

}  // namespace

bool is_tls_error(error_code error) { return error.category() == asio::error::get_ssl_category(); }

GatedSocket::GatedSocket(Socket socket) : socket_(std::move(socket)) {}

void GatedSocket::read_some(asio::mutable_buffer buffer, IoHandler handler) {
  if (paused_) {
    held_ = Held{buffer, std::move(handler), std::nullopt};
  } else {
    start_read(buffer, std::move(handler));
  }
}

void GatedSocket::start_read(asio::mutable_buffer buffer, IoHandler handler) {
  auto on_read = [this, buffer, handler = std::move(handler)](error_code error, std::size_t bytes) mutable {
    received_bytes_ += bytes;
    const bool interrupted = std::exchange(interrupted_, false) && error == asio::error::operation_aborted;
    if (!socket_.is_open() || !(paused_ || interrupted)) return handler(error, bytes);
    if (!paused_) return start_read(buffer, std::move(handler));
    held_ = Held{buffer, std::move(handler), std::nullopt};
    if (!interrupted) held_->result = {error, bytes};
  };
  socket_.async_read_some(buffer, asio::bind_cancellation_slot(cancel_read_.slot(), std::move(on_read)));
}

void GatedSocket::write_some(std::span<const asio::const_buffer> buffers, IoHandler handler) {
  auto on_written = [this, handler = std::move(handler)](error_code error, std::size_t bytes) mutable {
    sent_bytes_ += bytes;
    handler(error, bytes);
  };
  if (buffers.size() == 1) {
    socket_.async_write_some(buffers.front(), std::move(on_written));
  } else {
    socket_.async_write_some(buffers, std::move(on_written));
  }
}

void GatedSocket::pause_reading(bool paused) {
  if (paused == paused_) return;
  paused_ = paused;
  if (paused) {
    interrupted_ = true;
    cancel_read_.emit(asio::cancellation_type::terminal);
    return;
  }
  if (!held_) return;
  Held held = *std::exchange(held_, std::nullopt);
  if (!held.result) return start_read(held.buffer, std::move(held.handler));
  asio::post(socket_.get_executor(), [handler = std::move(held.handler), result = *held.result]() mutable {
    handler(result.first, result.second);
  });
}

void GatedSocket::cancel_read() {
  cancel_read_.emit(asio::cancellation_type::terminal);
  abort_held();
}

void GatedSocket::close() {
  error_code ignored;
  socket_.close(ignored);
  abort_held();
}

void GatedSocket::abort_held() {
  if (!held_) return;
  Held held = *std::exchange(held_, std::nullopt);
  asio::post(socket_.get_executor(),
             [handler = std::move(held.handler)]() mutable { handler(asio::error::operation_aborted, 0); });
}

Transport::Transport(Socket socket) : socket_(std::move(socket)), finish_timer_(socket_.get_executor()) {}

void Transport::read_some(asio::mutable_buffer buffer, IoHandler handler) {
  const bool nothing_to_read = buffer.size() == 0;
  if (!closed_ && !nothing_to_read && unread_.empty()) return do_read(buffer, std::move(handler));

  error_code error;
  std::size_t bytes = 0;
  if (closed_) {
    error = asio::error::operation_aborted;
  } else if (!nothing_to_read) {
    bytes = std::min(buffer.size(), unread_.size());
    std::memcpy(buffer.data(), unread_.data(), bytes);
    unread_.erase(0, bytes);
  }
  asio::post(executor(), [handler = std::move(handler), error, bytes]() mutable { handler(error, bytes); });
}

void Transport::unread(std::string_view bytes) { unread_.insert(0, bytes); }

void Transport::write(ConstBuffers buffers, IoHandler handler) {
  if (closed_ || buffers.empty()) {
    const error_code error = closed_ ? error_code(asio::error::operation_aborted) : error_code();
    asio::post(executor(), [handler = std::move(handler), error]() mutable { handler(error, 0); });
    return;
  }
  writes_.push_back({.buffers = std::move(buffers), .handler = std::move(handler)});
  if (writes_.size() == 1) start_write();
}

void Transport::start_write() {
  const Write& write = writes_.front();
  do_write(std::span(write.buffers).subspan(write.next),
           [self = shared_from_this()](error_code error, std::size_t bytes) { self->on_written(error, bytes); });
}

void Transport::on_written(error_code error, std::size_t bytes) {
  if (closed_) return;  // close has told the handlers
  Write& write = writes_.front();
  write.written += bytes;
  for (; write.next < write.buffers.size(); ++write.next) {
    asio::const_buffer& buffer = write.buffers[write.next];
    const std::size_t taken = std::min(bytes, buffer.size());
    buffer += taken;
    bytes -= taken;
    if (buffer.size() > 0) break;
  }
  if (!error && write.next < write.buffers.size()) return start_write();

  Write done = std::move(write);
  writes_.pop_front();
  if (!writes_.empty()) start_write();
  done.handler(error, done.written);
}

void Transport::finish(DoneHandler done) {
  socket_.cancel_read();
  pause_reading(false);
  finish_timer_.expires_after(kFinishTime);
  finish_timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (self && !error) self->close();
  });
  do_shut_down([self = shared_from_this(), done = std::move(done)](error_code) mutable {
    error_code ignored;
    self->socket_.lowest_layer().shutdown(asio::socket_base::shutdown_send, ignored);
    self->drained_.resize(kDrainBytes);
    self->drain(std::move(done));
  });
}

void Transport::drain(DoneHandler done) {
  socket_.read_some(asio::buffer(drained_),
                    [self = shared_from_this(), done = std::move(done)](error_code error, std::size_t) mutable {
                      if (!error) return self->drain(std::move(done));
                      self->finish_timer_.cancel();
                      self->close();
                      done({});
                    });
}

void Transport::close() {
  if (std::exchange(closed_, true)) return;
  finish_timer_.cancel();
  socket_.close();
  asio::post(executor(), [self = shared_from_this(), writes = std::exchange(writes_, {})]() mutable {
    for (Write& write : writes) write.handler(asio::error::operation_aborted, write.written);
  });
}

void Transport::reset() {
  if (closed_) return;
  error_code ignored;
  socket_.lowest_layer().set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

void Transport::handshake(DoneHandler done) {
  asio::post(executor(), [done = std::move(done)]() mutable { done({}); });
}

Error Transport::handshake_failure(error_code reason) const { return {ErrorCode::kTlsFailed, reason.message()}; }

void Transport::do_read(asio::mutable_buffer buffer, IoHandler handler) {
  socket_.read_some(buffer, [self = shared_from_this(), handler = std::move(handler)](
                                error_code error, std::size_t bytes) mutable { handler(error, bytes); });
}

void Transport::do_write(std::span<const asio::const_buffer> buffers, IoHandler handler) {
  socket_.write_some(buffers, std::move(handler));
}

void Transport::do_shut_down(DoneHandler done) {
  asio::post(executor(), [done = std::move(done)]() mutable { done({}); });
}

namespace {

class TlsTransport final : public Transport {
 public:
  TlsTransport(Socket raw, std::shared_ptr<TlsContext> context, asio::ssl::stream_base::handshake_type side,
               std::string host)
      : Transport(std::move(raw)),
        context_(std::move(context)),
        side_(side),
        host_(std::move(host)),
        stream_(socket(), context_->implementation().context) {}

  [[nodiscard]] SSL* handle() { return stream_.native_handle(); }

  void handshake(DoneHandler done) override {
    stream_.async_handshake(side_, [this, self = shared_from_this(), done = std::move(done)](error_code error) mutable {
      if (side_ == asio::ssl::stream_base::client) context_->implementation().note_shown(handle());
      done(error);
    });
  }

  [[nodiscard]] Error handshake_failure(error_code reason) const override {
    // The name of the handle is not const in Asio; nothing is changed by asking.
    auto& stream = const_cast<asio::ssl::stream<GatedSocket&>&>(stream_);
    return handshake_error(stream.native_handle(), host_, reason.message());
  }

 protected:
  void do_read(asio::mutable_buffer buffer, IoHandler handler) override {
    stream_.async_read_some(buffer, Operation{shared_from_this(), std::move(handler)});
  }
  void do_write(std::span<const asio::const_buffer> buffers, IoHandler handler) override {
    stream_.async_write_some(buffers, Operation{shared_from_this(), std::move(handler)});
  }
  void do_shut_down(DoneHandler done) override {
    stream_.async_shutdown(
        [self = shared_from_this(), done = std::move(done)](error_code error) mutable { done(error); });
  }

 private:
  struct Operation {
    std::shared_ptr<Transport> self;
    IoHandler handler;
    void operator()(error_code error, std::size_t bytes) { handler(error, bytes); }
  };

  std::shared_ptr<TlsContext> context_;
  asio::ssl::stream_base::handshake_type side_;
  std::string host_;
  asio::ssl::stream<GatedSocket&> stream_;
};

}  // namespace

std::shared_ptr<Transport> Transport::plain(Socket socket) { return std::make_shared<Transport>(std::move(socket)); }

Result<std::shared_ptr<Transport>> Transport::tls_client(Socket socket, std::shared_ptr<TlsContext> context,
                                                         const std::string& host) {
  auto transport =
      std::make_shared<TlsTransport>(std::move(socket), std::move(context), asio::ssl::stream_base::client, host);
  FINPIPE_TRY(expect_host(transport->handle(), host));
  return transport;
}

std::shared_ptr<Transport> Transport::tls_server(Socket socket, std::shared_ptr<TlsContext> context) {
  return std::make_shared<TlsTransport>(std::move(socket), std::move(context), asio::ssl::stream_base::server,
                                        std::string());
}

}  // namespace finpipe::net
