#include "net/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>
#include <string_view>

#include "net/connector_impl.h"
#include "net/http_text_impl.h"

namespace finpipe::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::size_t kMaxHeaderBytes = std::size_t{64} << 10;
constexpr std::size_t kReadBytes = std::size_t{16} << 10;

std::string text_in(beast::string_view text) { return {text.data(), text.size()}; }

// One request and its answer. Every operation under way keeps it alive.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  using Done = std::move_only_function<void(Result<HttpClientResponse>)>;

  Exchange(EventLoop& loop, HttpClientRequest request, Done done)
      : loop_(loop), request_(std::move(request)), done_(std::move(done)), deadline_(context_of(loop)) {}

  void start();

 private:
  using Parser = http::response_parser<http::string_body>;

  void on_timeout();
  void on_connected(Result<std::shared_ptr<Transport>> transport);
  void new_parser();
  void read();
  void on_read(error_code error, std::size_t bytes);
  void parse();
  void on_whole();
  void end(Result<HttpClientResponse> result);
  [[nodiscard]] std::string head() const;
  [[nodiscard]] std::string where() const { return fmt::format("{}:{}", request_.host, request_.port); }

  EventLoop& loop_;
  HttpClientRequest request_;
  Done done_;
  SteadyTimer deadline_;
  std::shared_ptr<Connector> connector_;
  std::shared_ptr<Transport> transport_;
  std::string head_;
  std::optional<Parser> parser_;
  std::vector<char> input_;
  std::size_t input_bytes_ = 0;
};

void Exchange::start() {
  // The loop's timer holds the exchange: nobody else does while a name is looked up, and a loop that is destroyed lets
  // go of it.
  deadline_.expires_after(std::chrono::milliseconds(request_.timeout_ms));
  deadline_.async_wait([self = shared_from_this()](error_code cancelled) {
    if (!cancelled) self->on_timeout();
  });
  connector_ = Connector::start(loop_, request_.host, request_.port, request_.tls,
                                [weak = weak_from_this()](Result<std::shared_ptr<Transport>> transport) {
                                  if (const auto self = weak.lock()) self->on_connected(std::move(transport));
                                });
}

void Exchange::on_timeout() {
  const std::string_view phase = transport_ ? "answer" : connector_->phase();
  end(fail(ErrorCode::kTimedOut, fmt::format("{}: {} not done within {} ms", where(), phase, request_.timeout_ms)));
}

std::string Exchange::head() const {
  std::string text =
      fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: finpipe\r\nConnection: close\r\n", request_.method,
                  request_.target, host_header(request_.host, request_.port, request_.tls != nullptr));
  if (!request_.body.empty()) text += fmt::format("Content-Length: {}\r\n", request_.body.size());
  for (const auto& [name, value] : request_.headers) append_header(text, name, value);
  text += "\r\n";
  return text;
}

void Exchange::on_connected(Result<std::shared_ptr<Transport>> transport) {
  if (!done_) return;
  if (!transport) return end(fail(std::move(transport).error()));
  transport_ = *std::move(transport);
  head_ = head();
  input_.resize(kMaxHeaderBytes + kReadBytes);
  new_parser();
  ConstBuffers buffers{asio::buffer(head_)};
  if (!request_.body.empty()) buffers.emplace_back(request_.body.data(), request_.body.size());
  // A server may answer and close before it has taken the whole body: what it says counts, not that writing failed.
  transport_->write(std::move(buffers), [self = shared_from_this()](error_code, std::size_t) {});
  read();
}

void Exchange::new_parser() {
  parser_.emplace();
  parser_->eager(true);
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(request_.max_body_bytes);
  parser_->skip(request_.method == "HEAD");
}

void Exchange::read() {
  transport_->read_some(
      asio::buffer(input_) + input_bytes_,
      [self = shared_from_this()](error_code error, std::size_t bytes) { self->on_read(error, bytes); });
}

void Exchange::on_read(error_code error, std::size_t bytes) {
  if (!done_) return;
  input_bytes_ += bytes;
  if (!error) return parse();
  // A body without a length ends with the connection; under TLS only when that is said.
  error_code incomplete;
  if (error == asio::error::eof && parser_->got_some()) {
    parser_->put_eof(incomplete);
    if (!incomplete && parser_->is_done()) return on_whole();
  }
  end(fail(ErrorCode::kConnectionLost, fmt::format("{}: {}", where(), error.message())));
}

void Exchange::parse() {
  error_code error;
  while (input_bytes_ > 0 && !parser_->is_done()) {
    const std::size_t used = parser_->put(asio::const_buffer(input_.data(), input_bytes_), error);
    input_bytes_ -= used;
    std::copy_n(input_.begin() + static_cast<std::ptrdiff_t>(used), input_bytes_, input_.begin());
    if (error || used == 0) break;
    const bool interim = parser_->is_done() && parser_->get().result_int() / 100 == 1;
    if (interim) new_parser();
  }
  if (error && error != http::error::need_more) {
    if (error == http::error::body_limit) {
      return end(fail(ErrorCode::kFrameTooLarge, fmt::format("{}: over {} bytes", where(), request_.max_body_bytes)));
    }
    return end(fail(ErrorCode::kProtocolError, fmt::format("{}: {}", where(), error.message())));
  }
  if (parser_->is_done()) return on_whole();
  if (input_bytes_ == input_.size()) {
    return end(fail(ErrorCode::kProtocolError, fmt::format("{}: a line is too long", where())));
  }
  read();
}

void Exchange::on_whole() {
  auto& message = parser_->get();
  HttpClientResponse response{.status = static_cast<int>(message.result_int())};
  for (const auto& field : message) {
    response.headers.emplace_back(text_in(field.name_string()), text_in(field.value()));
  }
  response.body = std::move(message.body());
  end(std::move(response));
}

void Exchange::end(Result<HttpClientResponse> result) {
  if (!done_) return;
  const auto self = shared_from_this();
  deadline_.cancel();
  connector_->cancel();
  if (transport_) transport_->close();
  std::exchange(done_, nullptr)(std::move(result));
}

}  // namespace

void http_request(EventLoop& loop, HttpClientRequest request,
                  std::move_only_function<void(Result<HttpClientResponse>)> done) {
  std::make_shared<Exchange>(loop, std::move(request), std::move(done))->start();
}

}  // namespace finpipe::net
