#include "load/stream_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

namespace finpipe {
namespace {

constexpr std::int64_t kRetryMs = 200;
constexpr std::string_view kUpdateBegin = R"({"type":"update")";
constexpr std::string_view kSnapshotBegin = R"({"type":"snapshot")";

// The number behind `key`, which is looked for from `at` on; `at` moves behind the key. The stream writes its messages
// without spaces and in one order.
std::optional<std::int64_t> number_after(std::string_view text, std::string_view key, std::size_t& at) {
  at = text.find(key, at);
  if (at == std::string_view::npos) return std::nullopt;
  at += key.size();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  return number;
}

std::string_view symbol_in(std::string_view message) {
  constexpr std::string_view kKey = R"("symbol":")";
  const std::size_t at = message.find(kKey);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = message.substr(at + kKey.size());
  return rest.substr(0, rest.find('"'));
}

}  // namespace

StreamReader::StreamReader(const net::Url& url, std::shared_ptr<net::TlsContext> tls, std::vector<std::string> symbols,
                           BarExpectations& expectations, CurrentRun& run, Clock& clock)
    : options_{.host = url.host, .port = url.port, .target = "/api/v1/stream", .tls = std::move(tls)},
      symbols_(std::move(symbols)),
      expectations_(expectations),
      run_(run),
      clock_(clock),
      retry_(std::make_unique<net::Timer>(loop_)),
      client_(std::make_unique<net::WebSocketClient>(loop_, static_cast<Handler&>(*this))) {
  connect();
  thread_ = std::thread([this] { loop_.run(); });
}

StreamReader::~StreamReader() {
  loop_.post([this] {
    retry_.reset();
    client_.reset();
    loop_.stop();
  });
  thread_.join();
}

std::string StreamReader::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

void StreamReader::connect() { client_->connect(options_); }

void StreamReader::on_open() {
  for (const std::string& symbol : symbols_) {
    client_->send(
        fmt::format(R"({{"type":"subscribe","channel":"bars","symbol":"{}","interval":"1s","snapshot":0}})", symbol));
  }
}

void StreamReader::on_end(const net::ConnectionEnd& end) {
  if (end.was_open) ++lost_;
  snapshots_ = 0;
  {
    const std::lock_guard lock(mutex_);
    last_error_ = end.error.message();
  }
  retry_->start(kRetryMs, [this] { connect(); });
}

void StreamReader::on_message(std::string_view message) {
  if (message.starts_with(kSnapshotBegin)) {
    ++snapshots_;
  } else if (message.starts_with(kUpdateBegin)) {
    take_update(message);
  } else {
    const std::lock_guard lock(mutex_);
    last_error_ = message;
  }
}

void StreamReader::take_update(std::string_view message) {
  const std::int64_t now_ns = clock_.boot_ns();
  const std::string_view symbol = symbol_in(message);
  due_ns_.clear();
  for (std::size_t at = 0;;) {
    const auto start_ms = number_after(message, R"("start":)", at);
    if (!start_ms) break;
    const auto trades = number_after(message, R"("trades":)", at);
    if (!trades) break;
    expectations_.arrive(symbol, *start_ms, *trades, due_ns_);
  }
  if (due_ns_.empty()) return;
  if (const auto run = run_.get()) run->arrived(due_ns_, now_ns);
}

}  // namespace finpipe
