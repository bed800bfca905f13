// Keeps one WebSocket connection to Finnhub alive: when to connect, what to subscribe, when a silent connection is
// dead, how long to wait before the next attempt. Pure: what happens and what time it is come in, what to do comes out,
// and the randomness of the waits is given. It never asks for a second connection before the first one has ended.
//
// Times are ns of a clock that does not step. Rules from outside are those of Finnhub as third parties have seen them:
// one connection a key (429 while the old one lingers), a text ping about every 60 s, errors that do not name a symbol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "net/websocket_client.h"
#include "pipeline/ports.h"

namespace finpipe {

struct ConnectionTimers {
  std::int64_t silence_ms = 150'000;        // without any frame: the connection has stalled
  std::int64_t probe_after_ms = 20'000;     // without any frame: ask by a WebSocket ping whether somebody is there
  std::int64_t probe_timeout_ms = 10'000;   // for the pong, of a peer that is known to answer pings
  std::int64_t backoff_base_ms = 1'000;     // waits are drawn from [base, 3 x the one before], at most the cap
  std::int64_t backoff_cap_ms = 60'000;     //
  std::int64_t healthy_after_ms = 30'000;   // open for so long, and a frame came: the next wait is at most the base
  std::int64_t too_many_floor_ms = 75'000;  // after a 429 that says nothing: the old connection lingers at the vendor
  std::int64_t retry_after_min_ms = 1'000;  // bounds of what a 429 may ask for
  std::int64_t retry_after_max_ms = 900'000;
  std::int64_t refused_floor_ms = 30'000;  // after another status, or no answer in time
  std::int64_t tls_floor_ms = 60'000;      // after a certificate that cannot be trusted
};

struct ConnectionOptions {
  std::vector<std::string> symbols;  // of one that comes twice the first counts
  ConnectionTimers timers{};
  double time_scale = 1.0;  // multiplies every timer, Retry-After too; above 0
};

struct ConnectionAction {
  enum class Kind : std::uint8_t {
    kConnect,
    kSend,   // `text`
    kPing,   // a WebSocket ping
    kDrop,   // abort the connection, or the attempt; its end is awaited
    kClose,  // end the connection politely; its end is awaited
    kTell,   // `event`, whose at_ns is on the clock of this machine and whose `before` is not set
  };
  Kind kind = Kind::kConnect;
  std::string text{};
  FeedEvent event{};
};

class Connection {
 public:
  enum class State : std::uint8_t {
    kIdle,        // not started
    kConnecting,  // an attempt is under way
    kOpen,        // connected and subscribed
    kDropping,    // given up; its end has not been told yet
    kWaiting,     // for the next attempt
    kFailed,      // for good: see last_error()
    kStopping,    // being closed as asked
    kStopped,
  };
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  // `random` must outlive it.
  Connection(ConnectionOptions options, Random& random);

  // What happens. What does not fit the state changes nothing.
  void start(std::int64_t now_ns);
  void opened(std::int64_t now_ns);
  void ended(const net::ConnectionEnd& end, std::int64_t now_ns);
  void frame_received(std::int64_t now_ns);  // any text of the vendor, {"type":"ping"} included
  void pong_received(std::int64_t now_ns);
  void vendor_error(std::string_view message, std::int64_t now_ns);  // "msg" of {"type":"error","msg":…}
  // Reading stops because the buffer is full, or goes on: meanwhile silence proves nothing.
  void reading_paused(bool paused, std::int64_t now_ns);
  void tick(std::int64_t now_ns);
  // No more attempts; what is open is closed.
  void stop(std::int64_t now_ns);

  // What to do now, in order; nullopt when all is done. To be drained after each of the calls above.
  [[nodiscard]] std::optional<ConnectionAction> next_action();
  // When `tick` has something to do; kNever when it only depends on others.
  [[nodiscard]] std::int64_t next_deadline_ns() const;

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] std::int64_t since_ns() const { return since_ns_; }  // of the state
  // Attempts since a connection was open the last time, the one under way included.
  [[nodiscard]] int attempts() const { return attempts_; }
  // Attempts and connections that ended otherwise than asked, ever, and the error of the newest one.
  [[nodiscard]] std::int64_t failures() const { return failures_; }
  [[nodiscard]] const std::optional<Error>& last_error() const { return last_error_; }
  [[nodiscard]] const std::string& last_vendor_message() const { return last_vendor_message_; }
  // Of this connection, or of the last one.
  [[nodiscard]] std::vector<std::string> refused_symbols() const;
  // What it does and why, for people: "429: waiting 75 s; the vendor allows one connection a key".
  [[nodiscard]] std::string describe() const;

 private:
  // What the newest failure means for the next attempt.
  struct Verdict {
    std::int64_t floor_ns = 0;
    std::string cause;   // in front of "waiting 75 s"
    std::string advice;  // behind it; may be empty
  };

  [[nodiscard]] std::int64_t scaled_ns(std::int64_t ms) const;
  [[nodiscard]] Verdict judge(const net::ConnectionEnd& end) const;
  void enter(State state, std::int64_t now_ns);
  void connect(std::int64_t now_ns);
  void act(ConnectionAction::Kind kind, std::string text = {});
  void tell(FeedEvent::Kind kind, std::int64_t now_ns, std::string detail, std::vector<std::string> symbols = {});
  // The connection is gone: tells so unless it has been told, and decides when to try again.
  void lose(FeedEvent::Kind kind, Error error, Verdict verdict, std::int64_t now_ns);
  void drop(FeedEvent::Kind kind, std::string detail, std::string cause, std::int64_t now_ns);
  [[nodiscard]] std::int64_t draw_wait_ns(bool healthy);
  [[nodiscard]] bool awaits_pong() const { return peer_answers_pings_ && pinged_ns_.has_value(); }
  // Tells which symbols are refused that were not before.
  void judge_refusals(std::string_view message, std::int64_t now_ns);

  ConnectionOptions options_;
  Random& random_;
  std::deque<ConnectionAction> actions_;

  State state_ = State::kIdle;
  std::int64_t since_ns_ = 0;
  int attempts_ = 0;
  bool outage_told_ = false;
  std::int64_t failures_ = 0;
  std::optional<Error> last_error_;
  std::string last_vendor_message_;

  std::int64_t previous_draw_ns_;
  std::int64_t retry_ns_ = 0;
  std::int64_t wait_ns_ = 0;
  Verdict verdict_;

  // Of the open connection.
  std::int64_t last_frame_ns_ = 0;         // or when it was opened
  std::int64_t quiet_since_ns_ = 0;        // last frame, pong or ping
  std::optional<std::int64_t> pinged_ns_;  // a ping that nothing has followed yet
  bool frame_seen_ = false;
  bool paused_ = false;
  bool peer_answers_pings_ = false;  // has done so once, on this or an earlier connection

  // Of the subscriptions sent on it, by index of the symbol.
  std::vector<bool> invalid_;
  std::vector<bool> refused_;
  std::size_t too_many_ = 0;
};

[[nodiscard]] std::string_view to_string(Connection::State state);

}  // namespace finpipe
