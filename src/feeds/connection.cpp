#include "feeds/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/time.h"
#include "codec/flat_json.h"

namespace finpipe {
namespace {

constexpr std::size_t kMaxVendorMessageBytes = 256;

std::string subscribe_text(std::string_view symbol) {
  std::string text = R"({"type":"subscribe","symbol":)";
  append_json_string(text, symbol);
  text += '}';
  return text;
}

std::string duration_text(std::int64_t ns) {
  const double seconds = static_cast<double>(ns) / static_cast<double>(kNsPerSecond);
  if (seconds >= 9.95) return fmt::format("{:.0f} s", seconds);
  return fmt::format("{:.3g} s", std::max(seconds, 0.001));
}

std::string reason_text(const Error& error) {
  const std::string_view name = error_info(error.code).name;
  return error.detail.empty() ? std::string(name) : fmt::format("{}: {}", name, error.detail);
}

bool is_untrusted_certificate(ErrorCode code) {
  switch (code) {
    case ErrorCode::kTlsUnknownCa:
    case ErrorCode::kTlsSelfSigned:
    case ErrorCode::kTlsExpired:
    case ErrorCode::kTlsWrongHost:
    case ErrorCode::kTlsFailed:
    case ErrorCode::kBadCertificate: return true;
    default: return false;
  }
}

// The symbol that "Invalid symbol X" names.
std::optional<std::string_view> invalid_symbol(std::string_view message) {
  constexpr std::string_view kPrefix = "Invalid symbol ";
  if (!message.starts_with(kPrefix)) return std::nullopt;
  return message.substr(kPrefix.size());
}

bool says_too_many(std::string_view message) { return message.starts_with("Subscribing to too many symbols"); }

void remove_repeated(std::vector<std::string>& symbols) {
  std::vector<std::string> once;
  for (std::string& symbol : symbols) {
    if (std::ranges::find(once, symbol) == once.end()) once.push_back(std::move(symbol));
  }
  symbols = std::move(once);
}

}  // namespace

std::string_view to_string(Connection::State state) {
  switch (state) {
    case Connection::State::kIdle: return "idle";
    case Connection::State::kConnecting: return "connecting";
    case Connection::State::kOpen: return "open";
    case Connection::State::kDropping: return "dropping";
    case Connection::State::kWaiting: return "waiting";
    case Connection::State::kFailed: return "failed";
    case Connection::State::kStopping: return "stopping";
    case Connection::State::kStopped: return "stopped";
  }
  return "";
}

Connection::Connection(ConnectionOptions options, Random& random) : options_(std::move(options)), random_(random) {
  remove_repeated(options_.symbols);
  previous_draw_ns_ = scaled_ns(options_.timers.backoff_base_ms);
}

std::int64_t Connection::scaled_ns(std::int64_t ms) const {
  const double ns = static_cast<double>(ms) * static_cast<double>(kNsPerMs) * options_.time_scale;
  return std::max<std::int64_t>(1, std::llround(ns));
}

void Connection::enter(State state, std::int64_t now_ns) {
  state_ = state;
  since_ns_ = now_ns;
}

void Connection::act(ConnectionAction::Kind kind, std::string text) {
  actions_.push_back({.kind = kind, .text = std::move(text)});
}

void Connection::tell(FeedEvent::Kind kind, std::int64_t now_ns, std::string detail, std::vector<std::string> symbols) {
  actions_.push_back(
      {.kind = ConnectionAction::Kind::kTell,
       .event = {.kind = kind, .at_ns = now_ns, .symbols = std::move(symbols), .detail = std::move(detail)}});
}

std::optional<ConnectionAction> Connection::next_action() {
  if (actions_.empty()) return std::nullopt;
  ConnectionAction action = std::move(actions_.front());
  actions_.pop_front();
  return action;
}

void Connection::start(std::int64_t now_ns) {
  if (state_ == State::kIdle) connect(now_ns);
}

void Connection::connect(std::int64_t now_ns) {
  enter(State::kConnecting, now_ns);
  ++attempts_;
  act(ConnectionAction::Kind::kConnect);
}

void Connection::opened(std::int64_t now_ns) {
  if (state_ != State::kConnecting) return;
  enter(State::kOpen, now_ns);
  attempts_ = 0;
  last_frame_ns_ = now_ns;
  quiet_since_ns_ = now_ns;
  pinged_ns_.reset();
  frame_seen_ = false;
  paused_ = false;
  invalid_.assign(options_.symbols.size(), false);
  refused_.assign(options_.symbols.size(), false);
  too_many_ = 0;
  for (const std::string& symbol : options_.symbols) {
    act(ConnectionAction::Kind::kSend, subscribe_text(symbol));
  }
  tell(FeedEvent::Kind::kSubscribed, now_ns, {}, options_.symbols);
  outage_told_ = false;
}

Connection::Verdict Connection::judge(const net::ConnectionEnd& end) const {
  const ConnectionTimers& timers = options_.timers;
  const Error& error = end.error;
  if (end.kind == net::ConnectionEnd::Kind::kUpgradeRefused) {
    if (end.status != 429) {
      return {scaled_ns(timers.refused_floor_ms), fmt::format("HTTP {} instead of a WebSocket", end.status),
              "trouble at the vendor, or a proxy in between"};
    }
    if (!end.retry_after_s) {
      return {scaled_ns(timers.too_many_floor_ms), "429", "the vendor allows one connection a key"};
    }
    // Clamped in seconds, before a product could overflow.
    const std::int64_t max_s = timers.retry_after_max_ms / 1'000;
    const std::int64_t asked_ms = std::clamp<std::int64_t>(*end.retry_after_s, 0, max_s) * 1'000;
    return {scaled_ns(std::max(asked_ms, timers.retry_after_min_ms)), "429", "the vendor asked for a pause"};
  }
  if (end.was_open) return {0, reason_text(error), {}};
  if (is_untrusted_certificate(error.code)) {
    return {scaled_ns(timers.tls_floor_ms), reason_text(error), std::string(error_info(error.code).remedy)};
  }
  if (error.code == ErrorCode::kTimedOut) return {scaled_ns(timers.refused_floor_ms), "no answer", {}};
  return {0, reason_text(error), {}};
}

void Connection::ended(const net::ConnectionEnd& end, std::int64_t now_ns) {
  if (state_ == State::kStopping) return enter(State::kStopped, now_ns);
  if (state_ == State::kDropping) return enter(State::kWaiting, now_ns);
  if (state_ != State::kConnecting && state_ != State::kOpen) return;

  const bool refused = end.kind == net::ConnectionEnd::Kind::kUpgradeRefused;
  if (end.error.code == ErrorCode::kUnauthorized || (refused && (end.status == 401 || end.status == 403))) {
    std::string detail = end.error.detail;
    if (detail.empty()) detail = fmt::format("HTTP {}", end.status);
    lose(FeedEvent::Kind::kDisconnected, {ErrorCode::kUnauthorized, std::move(detail)}, {}, now_ns);
    return enter(State::kFailed, now_ns);
  }
  lose(FeedEvent::Kind::kDisconnected, end.error, judge(end), now_ns);
  enter(State::kWaiting, now_ns);
}

void Connection::lose(FeedEvent::Kind kind, Error error, Verdict verdict, std::int64_t now_ns) {
  if (!std::exchange(outage_told_, true)) tell(kind, now_ns, reason_text(error));
  const bool healthy =
      state_ == State::kOpen && frame_seen_ && now_ns - since_ns_ >= scaled_ns(options_.timers.healthy_after_ms);
  wait_ns_ = std::max(draw_wait_ns(healthy), verdict.floor_ns);
  retry_ns_ = now_ns + wait_ns_;
  verdict_ = std::move(verdict);
  last_error_ = std::move(error);
  ++failures_;
}

// Decorrelated jitter: many clients that lose one server at once do not come back at once. After a healthy connection
// it begins anew, and at once: a single loss is over soon, and each second of it is a gap in the data.
std::int64_t Connection::draw_wait_ns(bool healthy) {
  const std::int64_t base_ns = scaled_ns(options_.timers.backoff_base_ms);
  if (healthy) {
    previous_draw_ns_ = base_ns;
    return random_.between(base_ns / 4, base_ns);
  }
  previous_draw_ns_ = std::min(scaled_ns(options_.timers.backoff_cap_ms),
                               random_.between(base_ns, std::max(base_ns, 3 * previous_draw_ns_)));
  return previous_draw_ns_;
}

void Connection::drop(FeedEvent::Kind kind, std::string detail, std::string cause, std::int64_t now_ns) {
  lose(kind, {ErrorCode::kConnectionLost, std::move(detail)}, {0, std::move(cause), {}}, now_ns);
  act(ConnectionAction::Kind::kDrop);
  enter(State::kDropping, now_ns);
}

void Connection::frame_received(std::int64_t now_ns) {
  if (state_ != State::kOpen) return;
  last_frame_ns_ = now_ns;
  quiet_since_ns_ = now_ns;
  pinged_ns_.reset();
  frame_seen_ = true;
}

void Connection::pong_received(std::int64_t now_ns) {
  if (state_ != State::kOpen) return;
  peer_answers_pings_ = true;
  quiet_since_ns_ = now_ns;
  pinged_ns_.reset();
}

void Connection::reading_paused(bool paused, std::int64_t now_ns) {
  if (state_ != State::kOpen || paused == paused_) return;
  paused_ = paused;
  last_frame_ns_ = now_ns;
  quiet_since_ns_ = now_ns;
  pinged_ns_.reset();
}

void Connection::vendor_error(std::string_view message, std::int64_t now_ns) {
  if (state_ != State::kOpen) return;
  last_vendor_message_ = message.substr(0, kMaxVendorMessageBytes);
  if (const auto symbol = invalid_symbol(message)) {
    const auto found = std::ranges::find(options_.symbols, *symbol);
    if (found == options_.symbols.end()) return;
    invalid_[static_cast<std::size_t>(found - options_.symbols.begin())] = true;
    judge_refusals(last_vendor_message_, now_ns);
  } else if (says_too_many(message)) {
    ++too_many_;
    judge_refusals(last_vendor_message_, now_ns);
  }
}

// The vendor serves subscriptions in the order in which they were sent and refuses what exceeds the plan's limit
// without naming it: k such errors mean the last k, invalid ones not counted.
void Connection::judge_refusals(std::string_view message, std::int64_t now_ns) {
  std::vector<bool> refused = invalid_;
  std::size_t left = too_many_;
  for (std::size_t i = refused.size(); i-- > 0 && left > 0;) {
    if (refused[i]) continue;
    refused[i] = true;
    --left;
  }
  std::vector<std::string> news;
  for (std::size_t i = 0; i < refused.size(); ++i) {
    if (refused[i] && !refused_[i]) news.push_back(options_.symbols[i]);
  }
  refused_ = std::move(refused);
  if (!news.empty()) tell(FeedEvent::Kind::kRefused, now_ns, std::string(message), std::move(news));
}

void Connection::tick(std::int64_t now_ns) {
  if (now_ns < next_deadline_ns()) return;
  if (state_ == State::kWaiting) return connect(now_ns);
  const ConnectionTimers& timers = options_.timers;
  const std::int64_t silence_ns = scaled_ns(timers.silence_ms);
  const std::int64_t timeout_ns = scaled_ns(timers.probe_timeout_ms);
  if (now_ns - last_frame_ns_ >= silence_ns) {
    std::string detail = fmt::format("no frame for {}", duration_text(silence_ns));
    return drop(FeedEvent::Kind::kStalled, detail, "stalled, " + detail, now_ns);
  }
  if (awaits_pong() && now_ns - *pinged_ns_ >= timeout_ns) {
    std::string detail = fmt::format("half-open: no answer to a ping for {}", duration_text(timeout_ns));
    return drop(FeedEvent::Kind::kDisconnected, detail, detail, now_ns);
  }
  if (now_ns - quiet_since_ns_ < scaled_ns(timers.probe_after_ms)) return;
  act(ConnectionAction::Kind::kPing);
  quiet_since_ns_ = now_ns;
  if (!pinged_ns_) pinged_ns_ = now_ns;
}

std::int64_t Connection::next_deadline_ns() const {
  if (state_ == State::kWaiting) return retry_ns_;
  if (state_ != State::kOpen || paused_) return kNever;
  std::int64_t deadline = std::min(last_frame_ns_ + scaled_ns(options_.timers.silence_ms),
                                   quiet_since_ns_ + scaled_ns(options_.timers.probe_after_ms));
  if (awaits_pong()) deadline = std::min(deadline, *pinged_ns_ + scaled_ns(options_.timers.probe_timeout_ms));
  return deadline;
}

void Connection::stop(std::int64_t now_ns) {
  switch (state_) {
    case State::kConnecting: act(ConnectionAction::Kind::kDrop); return enter(State::kStopping, now_ns);
    case State::kOpen: act(ConnectionAction::Kind::kClose); return enter(State::kStopping, now_ns);
    case State::kDropping: return enter(State::kStopping, now_ns);
    case State::kIdle:
    case State::kWaiting: return enter(State::kStopped, now_ns);
    case State::kFailed:
    case State::kStopping:
    case State::kStopped: return;
  }
}

std::vector<std::string> Connection::refused_symbols() const {
  std::vector<std::string> symbols;
  for (std::size_t i = 0; i < refused_.size(); ++i) {
    if (refused_[i]) symbols.push_back(options_.symbols[i]);
  }
  return symbols;
}

std::string Connection::describe() const {
  switch (state_) {
    case State::kIdle: return "not started";
    case State::kConnecting: return attempts_ > 1 ? fmt::format("connecting, attempt {}", attempts_) : "connecting";
    case State::kOpen: {
      const auto refused = std::ranges::count(refused_, true);
      const std::size_t all = options_.symbols.size();
      if (refused == 0)
        return fmt::format("connected, {} subscribed", all == 1 ? "1 symbol" : fmt::format("{} symbols", all));
      return fmt::format("connected, {} of {} symbols refused: {}", refused, all, last_vendor_message_);
    }
    case State::kDropping:
    case State::kWaiting:
      return fmt::format("{}: waiting {}{}{}", verdict_.cause, duration_text(wait_ns_),
                         verdict_.advice.empty() ? "" : "; ", verdict_.advice);
    case State::kFailed: return last_error_ ? last_error_->message() : "failed";
    case State::kStopping: return "closing";
    case State::kStopped: return "closed";
  }
  return {};
}

}  // namespace finpipe
