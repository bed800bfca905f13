#include <boost/asio/ssl/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <utility>

#include "net/websocket_stream_impl.h"

namespace finpipe::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

constexpr int kNoCloseCode = 1'005;

std::string text_of(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

StreamFailure failure_of(error_code error) {
  if (error == websocket::error::closed) return StreamFailure::kClosed;
  if (error == websocket::condition::handshake_failed) return StreamFailure::kNotAWebSocket;
  if (error == websocket::condition::protocol_violation || error == websocket::error::message_too_big ||
      error == websocket::error::bad_frame_payload) {
    return StreamFailure::kProtocol;
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message) return StreamFailure::kLost;
  if (error.category() == make_error_code(http::error::bad_version).category()) return StreamFailure::kBadHttp;
  return is_tls_error(error) ? StreamFailure::kTls : StreamFailure::kLost;
}

struct WebSocketStream::Implementation {
  explicit Implementation(std::shared_ptr<Transport> transport) : stream(std::move(transport)) {}

  websocket::stream<TransportStream, false> stream;
  beast::flat_buffer buffer;
  websocket::response_type response;
  std::move_only_function<void()> on_pong;
};

WebSocketStream::WebSocketStream(std::shared_ptr<Transport> transport, std::size_t max_message_bytes)
    : implementation_(std::make_unique<Implementation>(std::move(transport))) {
  auto& stream = implementation_->stream;
  stream.read_message_max(max_message_bytes);
  stream.auto_fragment(false);
  stream.set_option(websocket::stream_base::decorator(
      [](websocket::request_type& request) { request.set(http::field::user_agent, "finpipe"); }));
  stream.control_callback([it = implementation_.get()](websocket::frame_type kind, beast::string_view) {
    if (kind == websocket::frame_type::pong && it->on_pong) it->on_pong();
  });
}

WebSocketStream::~WebSocketStream() = default;

void WebSocketStream::connect(const std::string& host, const std::string& target,
                              std::move_only_function<void(error_code, const UpgradeAnswer&)> done) {
  Implementation* const it = implementation_.get();
  it->stream.async_handshake(it->response, host, target, [it, done = std::move(done)](error_code error) mutable {
    UpgradeAnswer answer;
    if (!error || error == websocket::condition::handshake_failed) {
      answer = {.status = static_cast<int>(it->response.result_int()),
                .retry_after = text_of(it->response[http::field::retry_after]),
                .body = std::move(it->response.body())};
    }
    it->response = {};
    done(error, answer);
  });
}

void WebSocketStream::accept(std::string_view key, DoneHandler done) {
  http::request<http::empty_body> request(http::verb::get, "/", 11);
  request.set(http::field::host, "localhost");
  request.set(http::field::connection, "upgrade");
  request.set(http::field::upgrade, "websocket");
  request.set(http::field::sec_websocket_key, {key.data(), key.size()});
  request.set(http::field::sec_websocket_version, "13");
  implementation_->stream.async_accept(request, std::move(done));
}

void WebSocketStream::on_pong(std::move_only_function<void()> call) { implementation_->on_pong = std::move(call); }

void WebSocketStream::read(ReadHandler handler) {
  Implementation* const it = implementation_.get();
  it->buffer.consume(it->buffer.size());
  it->stream.async_read(it->buffer, [it, handler = std::move(handler)](error_code error, std::size_t) mutable {
    const auto data = it->buffer.cdata();
    handler(error, {static_cast<const char*>(data.data()), data.size()});
  });
}

void WebSocketStream::write(std::string_view message, DoneHandler done) {
  implementation_->stream.async_write(asio::buffer(message),
                                      [done = std::move(done)](error_code error, std::size_t) mutable { done(error); });
}

void WebSocketStream::ping(DoneHandler done) { implementation_->stream.async_ping({}, std::move(done)); }

void WebSocketStream::close(int code, std::string_view reason, DoneHandler done) {
  const beast::string_view text(reason.data(), std::min(reason.size(), websocket::reason_string::static_capacity));
  implementation_->stream.async_close({static_cast<websocket::close_code>(code), text}, std::move(done));
}

int WebSocketStream::close_code() const {
  const int code = implementation_->stream.reason().code;
  return code == websocket::close_code::none ? kNoCloseCode : code;
}

}  // namespace finpipe::net
