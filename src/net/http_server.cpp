#include "net/http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <optional>
#include <utility>

#include "net/http_connection_impl.h"

namespace finpipe::net {
namespace {

constexpr std::int64_t kAcceptRetryMs = 50;

// A descriptor that can be given up when there are no others, to accept a connection and close it: one that waits for
// ever in the system's queue is worse than one that is refused.
class SpareDescriptor {
 public:
  SpareDescriptor() { take(); }
  ~SpareDescriptor() { give(); }
  SpareDescriptor(const SpareDescriptor&) = delete;
  SpareDescriptor& operator=(const SpareDescriptor&) = delete;

  void take() { descriptor_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC); }
  // False: there is none to give.
  bool give() {
    if (descriptor_ < 0) return false;
    ::close(std::exchange(descriptor_, -1));
    return true;
  }

 private:
  int descriptor_ = -1;
};

bool is_out_of_descriptors(error_code error) {
  return error.category() == boost::system::system_category() && (error.value() == EMFILE || error.value() == ENFILE);
}

bool is_out_of_memory(error_code error) {
  return error.category() == boost::system::system_category() && (error.value() == ENOBUFS || error.value() == ENOMEM);
}

}  // namespace

struct HttpServer::Implementation : std::enable_shared_from_this<Implementation> {
  Implementation(EventLoop& loop, HttpServerOptions options, HttpHandler& handler)
      : state(std::make_shared<HttpServerState>(loop, std::move(options), handler)),
        acceptor(context_of(loop)),
        retry_timer(loop),
        deadline(loop) {}

  std::shared_ptr<HttpServerState> state;
  Acceptor acceptor;
  std::uint16_t port = 0;
  Timer retry_timer;
  Timer deadline;  // of shutting down
  SpareDescriptor spare;

  Result<void> listen();
  void accept();
  void on_accepted(error_code error, Socket socket);
  void add(Socket socket);
  bool displace();
  void shed_one();
  void drop_all();
  void close();
};

Result<void> HttpServer::Implementation::listen() {
  const HttpServerOptions& options = state->options;
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options.address, error);
  const asio::ip::tcp::endpoint endpoint(address, options.port);
  if (!error) acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptor.non_blocking(true, error);
  if (!error) port = acceptor.local_endpoint(error).port();
  if (error) {
    return fail(ErrorCode::kListenFailed, fmt::format("{}:{}: {}", options.address, options.port, error.message()));
  }
  accept();
  return {};
}

void HttpServer::Implementation::accept() {
  acceptor.async_accept(context_of(state->loop), [weak = weak_from_this()](error_code error, Socket socket) {
    if (const auto self = weak.lock()) self->on_accepted(error, std::move(socket));
  });
}

void HttpServer::Implementation::on_accepted(error_code error, Socket socket) {
  if (!acceptor.is_open()) return;
  if (!error) {
    ++state->counts.accepted;
    add(std::move(socket));
  } else if (is_out_of_descriptors(error)) {
    if (!displace()) return shed_one();
  } else if (is_out_of_memory(error)) {
    return retry_timer.start(kAcceptRetryMs, [this] { accept(); });
  }
  accept();
}

void HttpServer::Implementation::add(Socket socket) {
  if (state->connections.size() >= state->options.max_connections && !displace()) {
    ++state->counts.shed;
    return;
  }
  error_code ignored;
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  std::string remote = socket.remote_endpoint(ignored).address().to_string();
  const auto& tls = state->options.tls;
  auto transport = tls ? Transport::tls_server(std::move(socket), tls) : Transport::plain(std::move(socket));
  auto connection = std::make_shared<HttpConnection>(state, std::move(transport), std::move(remote));
  state->connections.emplace(connection.get(), connection);
  connection->start();
}

bool HttpServer::Implementation::displace() {
  if (state->waiting.empty()) return false;
  ++state->counts.shed;
  state->waiting.front()->drop();
  return true;
}

void HttpServer::Implementation::shed_one() {
  error_code error = asio::error::no_descriptors;
  if (spare.give()) {
    Socket victim = acceptor.accept(context_of(state->loop), error);
    if (!error) {
      ++state->counts.accepted;
      ++state->counts.shed;
    }
  }
  spare.take();
  if (!error) return accept();
  retry_timer.start(kAcceptRetryMs, [this] { accept(); });
}

void HttpServer::Implementation::drop_all() {
  while (!state->connections.empty()) state->connections.begin()->second->drop();
}

void HttpServer::Implementation::close() {
  error_code ignored;
  acceptor.close(ignored);
  retry_timer.cancel();
}

HttpServer::HttpServer(std::shared_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}

HttpServer::~HttpServer() {
  implementation_->close();
  implementation_->drop_all();
}

Result<std::unique_ptr<HttpServer>> HttpServer::listen(EventLoop& loop, HttpServerOptions options,
                                                       HttpHandler& handler) {
  auto implementation = std::make_shared<Implementation>(loop, std::move(options), handler);
  FINPIPE_TRY(implementation->listen());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(implementation)));
}

std::uint16_t HttpServer::port() const { return implementation_->port; }

HttpServer::Counts HttpServer::counts() const {
  Counts counts = implementation_->state->counts;
  counts.open = static_cast<std::int64_t>(implementation_->state->connections.size());
  return counts;
}

void HttpServer::shut_down(std::int64_t deadline_ms) {
  Implementation& it = *implementation_;
  it.close();
  it.state->shutting_down = true;
  std::vector<std::shared_ptr<HttpConnection>> connections;
  for (const auto& [_, connection] : it.state->connections) connections.push_back(connection);
  for (const auto& connection : connections) connection->shut_down();
  it.deadline.start(deadline_ms, [&it] { it.drop_all(); });
}

bool HttpServer::idle() const { return implementation_->state->connections.empty(); }

}  // namespace finpipe::net
