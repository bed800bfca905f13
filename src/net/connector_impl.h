// A client's way to a Transport: name look-up, TCP to each address in turn, TLS. No time limit of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "net/event_loop.h"
#include "net/transport_impl.h"

namespace finpipe::net {

class Connector : public std::enable_shared_from_this<Connector> {
 public:
  using Handler = std::move_only_function<void(Result<std::shared_ptr<Transport>>)>;

  // `handler` is called once, from the loop, unless cancelled before.
  [[nodiscard]] static std::shared_ptr<Connector> start(EventLoop& loop, std::string host, std::uint16_t port,
                                                        std::shared_ptr<TlsContext> tls, Handler handler);
  void cancel();
  // What is under way: "name look-up", "connection" or "TLS handshake".
  [[nodiscard]] std::string_view phase() const { return phase_; }

  Connector(EventLoop& loop, std::string host, std::uint16_t port, std::shared_ptr<TlsContext> tls, Handler handler);

 private:
  using Endpoints = std::vector<asio::ip::tcp::endpoint>;

  void look_up();
  void on_found(error_code error, Endpoints endpoints);
  void try_next(error_code last);
  void on_connected(std::size_t attempt, error_code error);
  void shake_hands();
  void done(Result<std::shared_ptr<Transport>> result);

  EventLoop& loop_;
  std::string host_;
  std::uint16_t port_;
  std::shared_ptr<TlsContext> tls_;
  Handler handler_;
  std::string_view phase_ = "name look-up";
  Endpoints endpoints_;
  std::size_t attempt_ = 0;  // endpoints tried
  std::optional<Socket> socket_;
  Timer attempt_timer_;
  std::shared_ptr<Transport> transport_;
};

}  // namespace finpipe::net
