#include "feeds/finnhub_websocket.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/time.h"
#include "net/url.h"
#include "telemetry/log.h"

namespace finpipe {
namespace {

constexpr std::int64_t kCloseTimeoutMs = 1'000;
constexpr double kLogLinesPerSecond = 0.1;
constexpr double kLogBurst = 20;

std::string target_with_token(const FinnhubWebSocketOptions& options) {
  if (options.token.empty()) return options.base_path;
  const char separator = options.base_path.contains('?') ? '&' : '?';
  return fmt::format("{}{}token={}", options.base_path, separator, net::percent_encode(options.token));
}

// Trade frames, which nearly all are, need not be searched.
bool may_be_error(std::string_view frame) { return !frame.starts_with(R"({"data":)") && frame.contains(R"("error")"); }

std::int64_t ms_until(std::int64_t from_ns, std::int64_t to_ns) { return (to_ns - from_ns + kNsPerMs - 1) / kNsPerMs; }

}  // namespace

FinnhubWebSocketFeed::FinnhubWebSocketFeed(FinnhubWebSocketOptions options, Clock& clock, SessionClock& session_clock,
                                           Random random)
    : options_(std::move(options)),
      target_(target_with_token(options_)),
      mask_(options_.token),
      clock_(clock),
      session_clock_(session_clock),
      random_(random),
      connection_({.symbols = options_.symbols, .timers = {}, .time_scale = options_.time_scale}, random_),
      log_budget_(kLogLinesPerSecond, kLogBurst, clock.boot_ns()),
      client_(loop_, *this) {
  publish();
}

FinnhubWebSocketFeed::~FinnhubWebSocketFeed() { close(); }

Result<FeedBatch> FinnhubWebSocketFeed::poll(std::size_t max_frames) {
  if (connection_.state() == Connection::State::kIdle) {
    connection_.start(clock_.boot_ns());
    perform();
  }
  // What has come is read before the time is looked at: a caller that was away is no silence of the vendor.
  loop_.run_some(0);
  tick();
  await_something();
  if (buffer_.empty() && connection_.state() == Connection::State::kFailed) return fail(*connection_.last_error());

  FeedBatch batch = buffer_.take(max_frames, session_clock_.now_ns());
  batch.end = buffer_.empty() && connection_.state() == Connection::State::kStopped;
  balance_reading();
  return batch;
}

void FinnhubWebSocketFeed::await_something() {
  const std::int64_t end_ns = clock_.boot_ns() + options_.poll_wait_ms * kNsPerMs;
  while (buffer_.empty() && connection_.state() != Connection::State::kFailed &&
         connection_.state() != Connection::State::kStopped) {
    const std::int64_t now_ns = clock_.boot_ns();
    const std::int64_t wait_ms = ms_until(now_ns, std::min(end_ns, connection_.next_deadline_ns()));
    if (wait_ms <= 0) return;
    const bool waited = loop_.run_some(wait_ms) == 0;
    tick();
    if (waited) return;
  }
}

void FinnhubWebSocketFeed::tick() {
  const std::int64_t now_ns = clock_.boot_ns();
  if (now_ns < connection_.next_deadline_ns()) return;
  connection_.tick(now_ns);
  perform();
}

void FinnhubWebSocketFeed::close() {
  connection_.stop(clock_.boot_ns());
  perform();
  const std::int64_t end_ns = clock_.boot_ns() + kCloseTimeoutMs * kNsPerMs;
  while (connection_.state() == Connection::State::kStopping) {
    const std::int64_t wait_ms = ms_until(clock_.boot_ns(), end_ns);
    if (wait_ms <= 0 || loop_.run_some(wait_ms) == 0) return;
  }
}

void FinnhubWebSocketFeed::on_open() {
  reading_paused_ = false;
  client_.pause_reading(false);
  connection_.opened(clock_.boot_ns());
  perform();
  balance_reading();
}

void FinnhubWebSocketFeed::on_message(std::string_view message) {
  if (connection_.state() != Connection::State::kOpen) return;
  // A frame that cannot be read is stored as it came.
  const std::optional<std::string> masked = mask_.mask_data(message);
  if (masked) message = *masked;
  buffer_.add_frame(message, session_clock_.now_ns());
  connection_.frame_received(clock_.boot_ns());
  if (may_be_error(message)) hear_vendor_error(message);
  balance_reading();
}

void FinnhubWebSocketFeed::hear_vendor_error(std::string_view frame) {
  const ParsedFrame& parsed = parser_.parse(frame);
  if (parsed.kind != ParsedFrame::Kind::kError) return;
  connection_.vendor_error(mask_.mask(parsed.message), clock_.boot_ns());
  perform();
}

void FinnhubWebSocketFeed::on_pong() { connection_.pong_received(clock_.boot_ns()); }

void FinnhubWebSocketFeed::on_end(const net::ConnectionEnd& end) {
  net::ConnectionEnd safe = end;
  safe.error.detail = mask_.mask(end.error.detail);
  connection_.ended(safe, clock_.boot_ns());
  perform();
}

void FinnhubWebSocketFeed::balance_reading() {
  if (connection_.state() != Connection::State::kOpen) return;
  const std::size_t bound = reading_paused_ ? options_.max_buffer_bytes / 2 : options_.max_buffer_bytes;
  const bool pause = buffer_.bytes() > bound;
  if (pause == reading_paused_) return;
  reading_paused_ = pause;
  client_.pause_reading(pause);
  connection_.reading_paused(pause, clock_.boot_ns());
}

void FinnhubWebSocketFeed::perform() {
  while (auto action = connection_.next_action()) {
    switch (action->kind) {
      case ConnectionAction::Kind::kConnect: connect(); break;
      case ConnectionAction::Kind::kSend: client_.send(std::move(action->text)); break;
      case ConnectionAction::Kind::kPing: client_.ping(); break;
      case ConnectionAction::Kind::kDrop: client_.abort(); break;
      case ConnectionAction::Kind::kClose:
        client_.pause_reading(false);  // or the answer would not be seen
        client_.close();
        break;
      case ConnectionAction::Kind::kTell: tell(std::move(action->event)); break;
    }
  }
  log_failure();
  publish();
}

void FinnhubWebSocketFeed::connect() {
  net::WebSocketClientOptions options;
  options.host = options_.host;
  options.port = options_.port;
  options.target = target_;
  options.tls = options_.tls;
  options.connect_timeout_ms =
      std::max<std::int64_t>(1, std::llround(static_cast<double>(options_.connect_timeout_ms) * options_.time_scale));
  options.close_timeout_ms = kCloseTimeoutMs;
  client_.connect(std::move(options));
}

void FinnhubWebSocketFeed::tell(FeedEvent event) {
  event.at_ns = session_clock_.now_ns();
  log_event(event);
  buffer_.add_event(std::move(event));
}

// A feed that flaps all day must not fill the disk.
bool FinnhubWebSocketFeed::may_log() {
  if (log_budget_.try_take(clock_.boot_ns())) return true;
  ++lines_left_out_;
  return false;
}

void FinnhubWebSocketFeed::log_event(const FeedEvent& event) {
  switch (event.kind) {
    case FeedEvent::Kind::kSubscribed:
      if (!may_log()) return;
      log_info("feed connected", {{"host", options_.host},
                                  {"symbols", fmt::format("{}", event.symbols.size())},
                                  {"lines_left_out", fmt::format("{}", std::exchange(lines_left_out_, 0))}});
      return;
    case FeedEvent::Kind::kRefused:
      if (!may_log()) return;
      log_warn("the vendor refused symbols",
               {{"symbols", fmt::format("{}", fmt::join(event.symbols, " "))}, {"reason", event.detail}});
      return;
    case FeedEvent::Kind::kDisconnected:
    case FeedEvent::Kind::kStalled: return;  // log_failure says more
  }
}

// One line for each connection lost and each attempt that failed.
void FinnhubWebSocketFeed::log_failure() {
  if (std::exchange(failures_logged_, connection_.failures()) == connection_.failures()) return;
  const std::string error = connection_.last_error()->message();
  if (connection_.state() == Connection::State::kFailed) return log_error("feed failed", {{"error", error}});
  if (!may_log()) return;
  log_warn(connection_.attempts() == 0 ? "feed lost its connection" : "feed cannot connect",
           {{"error", error},
            {"attempt", fmt::format("{}", connection_.attempts())},
            {"next", connection_.describe()},
            {"lines_left_out", fmt::format("{}", std::exchange(lines_left_out_, 0))}});
}

void FinnhubWebSocketFeed::publish() {
  Status now{.state = connection_.state(),
             .since_ns = session_clock_.now_ns() - (clock_.boot_ns() - connection_.since_ns()),
             .attempt = connection_.attempts(),
             .text = connection_.describe(),
             .last_error = connection_.last_error(),
             .refused_symbols = connection_.refused_symbols()};
  const std::scoped_lock lock(status_mutex_);
  status_ = std::move(now);
}

FinnhubWebSocketFeed::Status FinnhubWebSocketFeed::status() const {
  const std::scoped_lock lock(status_mutex_);
  return status_;
}

}  // namespace finpipe
