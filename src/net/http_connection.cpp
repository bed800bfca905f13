#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <utility>

#include "base/clock.h"
#include "base/time.h"
#include "net/http_connection_impl.h"
#include "net/http_text_impl.h"

namespace finpipe::net {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

constexpr std::size_t kFirstReadBytes = 2'048;
constexpr std::size_t kReadAheadBytes = 16'384;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }
beast::string_view beast_view(std::string_view text) { return {text.data(), text.size()}; }

int status_of(error_code error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::bad_version) return 505;
  return 400;
}

HttpResponse error_response(int status, std::string_view what) {
  const ErrorInfo& usage = error_info(ErrorCode::kUsage);
  return {.status = status,
          .body = fmt::format(R"({{"error":{{"code":"E{}","name":"{}","message":"{}"}}}})",
                              static_cast<int>(usage.code), usage.name, what)};
}

bool has_body(int status) { return status >= 200 && status != 204 && status != 304; }

// RFC 9110, section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
std::string http_date(std::int64_t time_s) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_t time = time_s;
  tm utc{};
  ::gmtime_r(&time, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays.at(static_cast<std::size_t>(utc.tm_wday)),
                     utc.tm_mday, kMonths.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

bool wants_websocket(const http::fields& fields) {
  return http::token_list{fields[http::field::connection]}.exists("upgrade") &&
         http::token_list{fields[http::field::upgrade]}.exists("websocket");
}

// Base64 of 16 bytes.
bool is_websocket_key(std::string_view key) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return key.size() == 24 && key.ends_with("==") && key.find_first_not_of(kAlphabet) == 22;
}

}  // namespace

struct HttpRequest::Fields {
  const http::fields& fields;
};

std::string_view HttpRequest::header(std::string_view name) const {
  return fields == nullptr ? std::string_view() : view(fields->fields[beast_view(name)]);
}

struct HttpConnection::Parser {
  http::request_parser<http::string_body> parser;
  bool header_checked = false;
};

HttpConnection::HttpConnection(std::shared_ptr<HttpServerState> server, std::shared_ptr<Transport> transport,
                               std::string remote)
    : server_(std::move(server)),
      transport_(std::move(transport)),
      remote_(std::move(remote)),
      timer_(server_->loop),
      stall_timer_(server_->loop, server_->options.write_timeout_ms) {}

HttpConnection::~HttpConnection() = default;

void HttpConnection::start() {
  wait();
  timer_.start(server_->options.request_timeout_ms, [this] { on_timeout(); });
  transport_->handshake([self = shared_from_this()](error_code error) {
    if (self->state_ != State::kHandshake) return;
    if (error) return self->drop();
    self->state_ = State::kReading;
    self->read();
  });
}

void HttpConnection::drop() {
  if (std::exchange(state_, State::kOver) == State::kOver) return;
  const auto self = shared_from_this();
  timer_.cancel();
  stall_timer_.cancel();
  stop_waiting();
  if (session_) session_->drop();
  transport_->close();
  server_->connections.erase(this);
}

void HttpConnection::shut_down() {
  if (state_ == State::kWebSocket) {
    constexpr int kGoingAway = 1'001;
    return session_->close(kGoingAway, "the server is going away");
  }
  const bool busy = state_ == State::kWriting || state_ == State::kFinishing ||
                    (state_ == State::kReading && (input_bytes_ > 0 || parser_));
  if (!busy) drop();
}

void HttpConnection::wait() {
  if (std::exchange(is_waiting_, true)) return;
  waiting_ = server_->waiting.insert(server_->waiting.end(), this);
}

void HttpConnection::stop_waiting() {
  if (std::exchange(is_waiting_, false)) server_->waiting.erase(waiting_);
}

void HttpConnection::read() {
  if (std::exchange(reading_, true)) return;
  const std::size_t most = server_->options.max_header_bytes + kReadAheadBytes;
  if (input_.size() - input_bytes_ < kFirstReadBytes / 2) {
    input_.resize(std::clamp(2 * input_.size(), kFirstReadBytes, std::max(most, input_bytes_ + 1)));
  }
  transport_->read_some(asio::buffer(input_) + input_bytes_,
                        [self = shared_from_this()](error_code error, std::size_t bytes) {
                          self->reading_ = false;
                          self->on_read(error, bytes);
                        });
}

void HttpConnection::on_read(error_code error, std::size_t bytes) {
  if (state_ == State::kSilent) return error ? drop() : read();
  if (state_ != State::kIdle && state_ != State::kReading) return;
  if (error) return drop();
  input_bytes_ += bytes;
  if (state_ == State::kIdle) {
    state_ = State::kReading;
    timer_.start(server_->options.request_timeout_ms, [this] { on_timeout(); });
  }
  parse();
}

void HttpConnection::parse() {
  if (!parser_) {
    parser_ = std::make_unique<Parser>();
    parser_->parser.eager(true);
    parser_->parser.header_limit(static_cast<std::uint32_t>(server_->options.max_header_bytes));
    parser_->parser.body_limit(server_->options.max_body_bytes);
  }
  auto& parser = parser_->parser;
  error_code error;
  while (input_bytes_ > 0 && !parser.is_done()) {
    const std::size_t used = parser.put(asio::const_buffer(input_.data(), input_bytes_), error);
    input_bytes_ -= used;
    std::copy_n(input_.begin() + static_cast<std::ptrdiff_t>(used), input_bytes_, input_.begin());
    if (error || used == 0) break;
  }
  if (error && error != http::error::need_more) return refuse(status_of(error), error.message());
  if (parser.is_header_done() && !std::exchange(parser_->header_checked, true) && !check_header()) return;
  if (parser.is_done()) return on_request();
  if (input_bytes_ >= server_->options.max_header_bytes + kReadAheadBytes) return refuse(400, "a line is too long");
  read();
}

// What can be told before the body is there. False: it has been refused.
bool HttpConnection::check_header() {
  const auto& request = parser_->parser.get();
  if (request.version() >= 11 && request.count(http::field::host) != 1) {
    refuse(400, "there must be one Host header");
    return false;
  }
  const beast::string_view expect = request[http::field::expect];
  if (expect.empty() || request.version() < 11) return true;
  if (!beast::iequals(expect, "100-continue")) {
    refuse(417, "only 100-continue can be expected");
    return false;
  }
  if (!parser_->parser.is_done()) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    transport_->write({asio::buffer(kContinue)}, [self = shared_from_this()](error_code, std::size_t) {});
  }
  return true;
}

void HttpConnection::on_request() {
  ++server_->counts.requests;
  timer_.cancel();
  stop_waiting();
  const auto parser = std::move(parser_);
  const auto& message = parser->parser.get();
  const bool keep_alive = message.keep_alive() && !server_->shutting_down;
  const bool head_only = message.method() == http::verb::head;
  const HttpRequest::Fields fields{message};
  const HttpRequest request{.method = head_only ? "GET" : view(message.method_string()),
                            .target = view(message.target()),
                            .body = message.body(),
                            .remote = remote_,
                            .tls = server_->options.tls != nullptr,
                            .fields = &fields};
  if (message.version() >= 11 && message.method() == http::verb::get && wants_websocket(message)) {
    return upgrade(request, head_only, keep_alive);
  }
  answer(server_->handler.handle(request), head_only, keep_alive);
}

void HttpConnection::upgrade(const HttpRequest& request, bool head_only, bool keep_alive) {
  const std::string_view key = request.header("Sec-WebSocket-Key");
  if (!is_websocket_key(key)) return refuse(400, "there is no proper Sec-WebSocket-Key");
  if (request.header("Sec-WebSocket-Version") != "13") {
    HttpResponse response = error_response(426, "only WebSocket version 13 is spoken");
    response.headers.emplace_back("Sec-WebSocket-Version", "13");
    ++server_->counts.bad_requests;
    return answer(std::move(response), head_only, keep_alive);
  }
  Upgrade decision = server_->handler.upgrade(request);
  if (decision.never_answer) {
    state_ = State::kSilent;
    return discard();
  }
  if (!decision.handler) return answer(std::move(decision.refusal), head_only, keep_alive);
  become_websocket(key, std::move(decision.handler));
}

void HttpConnection::become_websocket(std::string_view key, std::unique_ptr<WebSocketHandler> handler) {
  state_ = State::kWebSocket;
  transport_->unread({input_.data(), input_bytes_});
  input_ = {};
  input_bytes_ = 0;
  session_ = std::make_shared<WebSocketSession>(server_->loop, server_->options, server_->counts, transport_, remote_,
                                                std::move(handler), [weak = weak_from_this()] {
                                                  if (const auto self = weak.lock()) self->drop();
                                                });
  session_->start(key);
}

std::string HttpConnection::head_of(const HttpResponse& response, std::size_t body_bytes, bool keep_alive) {
  const std::int64_t now_s = SystemClock().wall_ns() / kNsPerSecond;
  if (std::exchange(server_->date_s, now_s) != now_s) server_->date = http_date(now_s);
  std::string head = fmt::format(
      "HTTP/1.1 {} {}\r\nDate: {}\r\nServer: finpipe\r\nX-Content-Type-Options: nosniff\r\n", response.status,
      view(http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)))), server_->date);
  if (has_body(response.status)) {
    append_header(head, "Content-Type", response.content_type);
    append_header(head, "Content-Length", std::to_string(body_bytes));
  }
  append_header(head, "Connection", keep_alive ? "keep-alive" : "close");
  for (const auto& [name, value] : response.headers) append_header(head, name, value);
  head += "\r\n";
  return head;
}

void HttpConnection::answer(HttpResponse response, bool head_only, bool keep_alive) {
  state_ = State::kWriting;
  answer_.response = std::move(response);
  answer_.close = answer_.response.close || !keep_alive;
  const std::string_view body =
      answer_.response.static_body.empty() ? answer_.response.body : answer_.response.static_body;
  answer_.head = head_of(answer_.response, body.size(), !answer_.close);
  ConstBuffers buffers{asio::buffer(answer_.head)};
  if (!head_only && !body.empty() && has_body(answer_.response.status)) {
    buffers.emplace_back(body.data(), body.size());
  }
  stall_timer_.watch(*transport_, [this] {
    ++server_->counts.timeouts;
    drop();
  });
  transport_->write(std::move(buffers),
                    [self = shared_from_this()](error_code error, std::size_t) { self->on_answered(error); });
}

void HttpConnection::on_answered(error_code error) {
  if (state_ != State::kWriting) return;
  if (error) return drop();
  stall_timer_.written();
  const bool close = answer_.close || server_->shutting_down;
  answer_ = {};
  if (close) return finish();
  next_request();
}

void HttpConnection::next_request() {
  wait();
  if (input_bytes_ > 0) {
    state_ = State::kReading;
    timer_.start(server_->options.request_timeout_ms, [this] { on_timeout(); });
    return parse();
  }
  state_ = State::kIdle;
  if (input_.size() > kFirstReadBytes) input_ = {};
  timer_.start(server_->options.idle_timeout_ms, [this] { on_timeout(); });
  read();
}

void HttpConnection::refuse(int status, std::string_view what) {
  ++server_->counts.bad_requests;
  timer_.cancel();
  stop_waiting();
  answer(error_response(status, what), false, false);
}

void HttpConnection::on_timeout() {
  ++server_->counts.timeouts;
  if (state_ != State::kReading) return drop();
  stop_waiting();
  answer(error_response(408, "the request took too long"), false, false);
}

void HttpConnection::finish() {
  state_ = State::kFinishing;
  wait();
  transport_->finish([self = shared_from_this()](error_code) { self->drop(); });
}

// Until the client goes away.
void HttpConnection::discard() {
  input_bytes_ = 0;
  read();
}

}  // namespace finpipe::net
