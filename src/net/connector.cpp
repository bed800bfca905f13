#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/basic_resolver.hpp>
#include <boost/asio/ssl/error.hpp>
#include <system_error>
#include <thread>
#include <utility>

#include "net/connector_impl.h"

namespace finpipe::net {
namespace {

// How long one address may take when there are others to try.
constexpr std::int64_t kAttemptMs = 5'000;

// A thread that leaves the program's signals to the others.
void start_thread(std::move_only_function<void()> body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    std::thread(std::move(body)).detach();
  } catch (...) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

std::vector<asio::ip::tcp::endpoint> resolve(const std::string& host, std::uint16_t port, error_code& error) {
  asio::io_context context;
  asio::ip::basic_resolver<asio::ip::tcp, Executor> resolver(context);
  const auto found = resolver.resolve(host, std::to_string(port), asio::ip::resolver_base::numeric_service, error);
  std::vector<asio::ip::tcp::endpoint> endpoints;
  for (const auto& entry : found) endpoints.push_back(entry.endpoint());
  return endpoints;
}

}  // namespace

Connector::Connector(EventLoop& loop, std::string host, std::uint16_t port, std::shared_ptr<TlsContext> tls,
                     Handler handler)
    : loop_(loop),
      host_(std::move(host)),
      port_(port),
      tls_(std::move(tls)),
      handler_(std::move(handler)),
      attempt_timer_(loop) {}

std::shared_ptr<Connector> Connector::start(EventLoop& loop, std::string host, std::uint16_t port,
                                            std::shared_ptr<TlsContext> tls, Handler handler) {
  auto connector = std::make_shared<Connector>(loop, std::move(host), port, std::move(tls), std::move(handler));
  connector->look_up();
  return connector;
}

void Connector::cancel() {
  handler_ = nullptr;
  attempt_timer_.cancel();
  error_code ignored;
  if (socket_) socket_->close(ignored);
  if (transport_) transport_->close();
}

// The system's look-up blocks, and can for long when a network is half broken. It runs in a thread that nobody waits
// for, so that stopping never hangs on it.
void Connector::look_up() {
  error_code not_numeric;
  const asio::ip::address address = asio::ip::make_address(host_, not_numeric);
  if (!not_numeric) {
    loop_.post([self = shared_from_this(), address] { self->on_found({}, {{address, self->port_}}); });
    return;
  }
  const auto body = [weak = weak_from_this(), handle = loop_.implementation().handle, host = host_, port = port_] {
    error_code error;
    Endpoints endpoints = resolve(host, port, error);
    handle->post([weak, error, endpoints = std::move(endpoints)]() mutable {
      if (const auto self = weak.lock()) self->on_found(error, std::move(endpoints));
    });
  };
  try {
    start_thread(body);
  } catch (const std::system_error&) {
    loop_.post([self = shared_from_this()] { self->on_found(asio::error::no_memory, {}); });
  }
}

void Connector::on_found(error_code error, Endpoints endpoints) {
  if (!handler_) return;
  if (error || endpoints.empty()) {
    return done(fail(ErrorCode::kNameNotFound, fmt::format("{}: {}", host_, error.message())));
  }
  endpoints_ = std::move(endpoints);
  phase_ = "connection";
  try_next({});
}

void Connector::try_next(error_code last) {
  if (attempt_ == endpoints_.size()) {
    return done(fail(ErrorCode::kConnectFailed, fmt::format("{}:{}: {}", host_, port_, last.message())));
  }
  const std::size_t attempt = ++attempt_;
  if (attempt < endpoints_.size()) {
    attempt_timer_.start(kAttemptMs, [weak = weak_from_this(), attempt] {
      if (const auto self = weak.lock()) self->on_connected(attempt, asio::error::timed_out);
    });
  }
  socket_.emplace(context_of(loop_));
  socket_->async_connect(endpoints_[attempt - 1], [self = shared_from_this(), attempt](error_code error) {
    self->on_connected(attempt, error);
  });
}

void Connector::on_connected(std::size_t attempt, error_code error) {
  if (!handler_ || attempt != attempt_) return;
  attempt_timer_.cancel();
  if (error) return try_next(error);
  error_code ignored;
  socket_->set_option(asio::ip::tcp::no_delay(true), ignored);
  shake_hands();
}

void Connector::shake_hands() {
  Socket socket = std::move(*std::exchange(socket_, std::nullopt));
  if (!tls_) return done(Transport::plain(std::move(socket)));
  phase_ = "TLS handshake";
  auto transport = Transport::tls_client(std::move(socket), tls_, host_);
  if (!transport) return done(std::move(transport));
  transport_ = *transport;
  transport_->handshake([self = shared_from_this()](error_code error) {
    if (!self->handler_) return;
    if (!error) return self->done(self->transport_);
    self->transport_->close();
    self->done(fail(self->transport_->handshake_failure(error)));
  });
}

void Connector::done(Result<std::shared_ptr<Transport>> result) {
  transport_ = nullptr;
  std::exchange(handler_, nullptr)(std::move(result));
}

}  // namespace finpipe::net
