// One byte stream for everybody: TCP, with or without TLS, behind handlers of one type, so that what is built on it
// (HTTP and Beast's WebSocket above all) is compiled once and not once more for TLS.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/beast/core/role.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/asio_impl.h"
#include "net/tls.h"

namespace finpipe::net {

using IoHandler = std::move_only_function<void(error_code, std::size_t)>;
using DoneHandler = std::move_only_function<void(error_code)>;
using ConstBuffers = std::vector<asio::const_buffer>;

// The socket at the bottom. Its reading can be held, also while a read is waiting: then the bytes stay in the system.
class GatedSocket {
 public:
  using executor_type = Executor;
  using lowest_layer_type = Socket;

  explicit GatedSocket(Socket socket);

  [[nodiscard]] executor_type get_executor() noexcept { return socket_.get_executor(); }
  [[nodiscard]] Socket& lowest_layer() { return socket_; }

  void read_some(asio::mutable_buffer buffer, IoHandler handler);
  void write_some(std::span<const asio::const_buffer> buffers, IoHandler handler);
  void pause_reading(bool paused);
  // The read under way, if any, ends with operation_aborted.
  void cancel_read();
  void close();
  [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }
  [[nodiscard]] std::uint64_t received_bytes() const { return received_bytes_; }

  // For Asio's TLS, which reads into and writes from one buffer.
  template <typename Buffers, typename Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    return asio::async_initiate<Handler, void(error_code, std::size_t)>(
        [this](auto done, asio::mutable_buffer buffer) { read_some(buffer, IoHandler(std::move(done))); }, handler,
        asio::mutable_buffer(*asio::buffer_sequence_begin(buffers)));
  }
  template <typename Buffers, typename Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return asio::async_initiate<Handler, void(error_code, std::size_t)>(
        [this](auto done, asio::const_buffer buffer) { write_some({&buffer, 1}, IoHandler(std::move(done))); }, handler,
        asio::const_buffer(*asio::buffer_sequence_begin(buffers)));
  }

 private:
  struct Held {  // a read that waits for the gate: to be done, or done already
    asio::mutable_buffer buffer;
    IoHandler handler;
    std::optional<std::pair<error_code, std::size_t>> result;
  };

  void start_read(asio::mutable_buffer buffer, IoHandler handler);
  void abort_held();

  Socket socket_;
  asio::cancellation_signal cancel_read_;
  bool paused_ = false;
  bool interrupted_ = false;  // the pending read was cancelled to pause
  std::optional<Held> held_;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t received_bytes_ = 0;
};

// A connection's bytes. Handlers are never called from within the call that starts the operation, and every operation
// keeps the transport alive. One read at a time; writes are queued and never mixed. Who gives a transport up calls
// close, which ends all operations with operation_aborted.
class Transport : public std::enable_shared_from_this<Transport> {
 public:
  explicit Transport(Socket socket);
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  [[nodiscard]] static std::shared_ptr<Transport> plain(Socket socket);
  [[nodiscard]] static Result<std::shared_ptr<Transport>> tls_client(Socket socket, std::shared_ptr<TlsContext> context,
                                                                     const std::string& host);
  [[nodiscard]] static std::shared_ptr<Transport> tls_server(Socket socket, std::shared_ptr<TlsContext> context);

  // Of TLS; without it done at once. handshake_failure says why one failed.
  virtual void handshake(DoneHandler done);
  [[nodiscard]] virtual Error handshake_failure(error_code reason) const;

  void read_some(asio::mutable_buffer buffer, IoHandler handler);
  // These bytes are read again before all others.
  void unread(std::string_view bytes);
  // All of it.
  void write(ConstBuffers buffers, IoHandler handler);

  // Ends it as the peer expects: says so, reads what is still coming, for two seconds at most, and closes. So what was
  // written last arrives. A read under way is aborted.
  void finish(DoneHandler done);
  void close();
  void reset();  // the peer sees a reset
  [[nodiscard]] bool is_open() const { return !closed_; }

  void pause_reading(bool paused) { socket_.pause_reading(paused); }
  [[nodiscard]] std::uint64_t sent_bytes() const { return socket_.sent_bytes(); }
  [[nodiscard]] std::uint64_t received_bytes() const { return socket_.received_bytes(); }
  [[nodiscard]] Executor executor() { return socket_.get_executor(); }

 protected:
  virtual void do_read(asio::mutable_buffer buffer, IoHandler handler);
  virtual void do_write(std::span<const asio::const_buffer> buffers, IoHandler handler);
  virtual void do_shut_down(DoneHandler done);  // of TLS
  [[nodiscard]] GatedSocket& socket() { return socket_; }

 private:
  struct Write {
    ConstBuffers buffers;
    IoHandler handler;
    std::size_t next = 0;  // first buffer with bytes left
    std::size_t written = 0;
  };

  void start_write();
  void on_written(error_code error, std::size_t bytes);
  void drain(DoneHandler done);

  GatedSocket socket_;
  SteadyTimer finish_timer_;
  bool closed_ = false;
  std::string unread_;
  std::deque<Write> writes_;
  std::vector<char> drained_;
};

// Whether TLS, and not TCP, is what failed.
[[nodiscard]] bool is_tls_error(error_code error);

// A Transport as Beast wants to see it: an AsyncStream.
class TransportStream {
 public:
  using executor_type = Executor;

  explicit TransportStream(std::shared_ptr<Transport> transport) : transport_(std::move(transport)) {}

  [[nodiscard]] executor_type get_executor() const noexcept { return transport_->executor(); }
  [[nodiscard]] Transport& transport() { return *transport_; }

  template <typename Buffers, typename Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    return asio::async_initiate<Handler, void(error_code, std::size_t)>(
        [this](auto done, asio::mutable_buffer buffer) { transport_->read_some(buffer, IoHandler(std::move(done))); },
        handler, first_of(buffers));
  }
  // Writes all: a frame of Beast's is one write, which nothing can come into the middle of.
  template <typename Buffers, typename Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return asio::async_initiate<Handler, void(error_code, std::size_t)>(
        [this](auto done, ConstBuffers flat) { transport_->write(std::move(flat), IoHandler(std::move(done))); },
        handler, flat_of(buffers));
  }

  // Beast's hooks.
  template <typename Handler>
  friend void async_teardown(boost::beast::role_type /*role*/, TransportStream& stream, Handler&& handler) {
    stream.transport_->finish(DoneHandler(std::forward<Handler>(handler)));
  }
  friend void beast_close_socket(TransportStream& stream) { stream.transport_->close(); }

 private:
  template <typename Buffers>
  static asio::mutable_buffer first_of(const Buffers& buffers) {
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto it = asio::buffer_sequence_begin(buffers); it != end; ++it) {
      const asio::mutable_buffer buffer(*it);
      if (buffer.size() > 0) return buffer;
    }
    return {};
  }
  template <typename Buffers>
  static ConstBuffers flat_of(const Buffers& buffers) {
    ConstBuffers flat;
    const auto end = asio::buffer_sequence_end(buffers);
    for (auto it = asio::buffer_sequence_begin(buffers); it != end; ++it) {
      const asio::const_buffer buffer(*it);
      if (buffer.size() > 0) flat.push_back(buffer);
    }
    return flat;
  }

  std::shared_ptr<Transport> transport_;
};

}  // namespace finpipe::net
