// The connection state machine against a naive vendor that flaps, refuses, falls silent and limits, in virtual time and
// from a seed. What must hold is checked at each step from what the vendor and the driver saw, not from the machine.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "feeds/connection.h"

namespace finpipe {
namespace {

using EndKind = net::ConnectionEnd::Kind;
using Event = FeedEvent::Kind;

constexpr std::int64_t kSecond = kNsPerSecond;
constexpr std::int64_t kTroubleNs = 6 * 3'600 * kSecond;
// The attempt under way, the longest Retry-After, a paused reader, and a stalled connection that is found out.
constexpr std::int64_t kRecoveryNs = (30 + 900 + 400 + 150) * kSecond;

struct Tally {
  int opens = 0;
  int drops = 0;
  int refusals = 0;
  int symbols_refused = 0;
  int steps = 0;
};

class Simulation {
 public:
  Simulation(std::uint64_t seed, Tally& tally)
      : random_(seed), machine_random_(seed + 1), tally_(tally), machine_(options(), machine_random_) {
    answers_pings_ = random_.chance(0.6);
    plan_limit_ = static_cast<std::size_t>(random_.between(0, 8));
    for (const std::string& symbol : symbols_) {
      if (random_.chance(0.15)) invalid_.insert(symbol);
    }
    ends_by_refused_key_ = random_.chance(0.1);
  }

  void run() {
    machine_.start(now_);
    perform();
    trouble_ = true;
    run_until(kTroubleNs);
    if (machine_.state() == Connection::State::kFailed) return;
    trouble_ = false;
    run_until(now_ + kRecoveryNs);
    EXPECT_EQ(link_, Link::kOpen) << "not connected again: " << machine_.describe();
    const int opens = tally_.opens;
    run_until(now_ + 3'600 * kSecond);
    EXPECT_EQ(tally_.opens, opens) << "a healthy connection was given up";
    stop();
  }

 private:
  enum class Link { kNone, kConnecting, kOpen, kAborting };

  ConnectionOptions options() {
    for (int i = 0; i < 8; ++i) symbols_.push_back(fmt::format("S{}", i));
    return {.symbols = symbols_};
  }

  // Calls later, unless the connection it belongs to is gone by then.
  void after(std::int64_t delay_ns, std::function<void()> call) {
    agenda_.emplace(now_ + delay_ns, [this, link = link_number_, call = std::move(call)] {
      if (link == link_number_) call();
    });
  }

  void run_until(std::int64_t end_ns) {
    while (!testing::Test::HasFailure()) {
      const std::int64_t deadline = machine_.next_deadline_ns();
      // The driver may come a little late.
      const std::int64_t tick_ns =
          deadline == Connection::kNever ? deadline : std::max(now_, deadline) + random_.between(0, 20 * kNsPerMs);
      const std::int64_t next = std::min(tick_ns, agenda_.empty() ? Connection::kNever : agenda_.begin()->first);
      if (next > end_ns) break;
      ++tally_.steps;
      now_ = next;
      if (next == tick_ns) {
        machine_.tick(now_);
      } else {
        auto call = agenda_.extract(agenda_.begin());
        call.mapped()();
      }
      perform();
    }
    now_ = end_ns;
  }

  void perform() {
    while (auto action = machine_.next_action()) {
      switch (action->kind) {
        case ConnectionAction::Kind::kConnect: on_connect(); break;
        case ConnectionAction::Kind::kSend: on_subscribe(action->text); break;
        case ConnectionAction::Kind::kPing: on_ping(); break;
        case ConnectionAction::Kind::kDrop: on_drop(); break;
        case ConnectionAction::Kind::kClose: ADD_FAILURE() << "nobody asked to stop"; break;
        case ConnectionAction::Kind::kTell: on_event(action->event); break;
      }
    }
    if (machine_.state() == Connection::State::kFailed) {
      EXPECT_EQ(link_, Link::kNone);
      EXPECT_EQ(machine_.next_deadline_ns(), Connection::kNever);
    }
  }

  void on_connect() {
    EXPECT_EQ(link_, Link::kNone) << "two connections at once";
    if (lost_ns_) {
      EXPECT_GE(now_ - *lost_ns_, floor_ns_) << "below the floor";
      EXPECT_LE(now_ - *lost_ns_, std::max(floor_ns_, 60 * kSecond) + 20 * kNsPerMs) << "waits too long";
    }
    EXPECT_FALSE(failed_) << "an attempt with a refused key";
    link_ = Link::kConnecting;
    ++link_number_;
    if (trouble_ && random_.chance(0.6)) {
      fail_attempt();
    } else {
      after(random_.between(1, 3 * kSecond), [this] { accept(); });
    }
  }

  void fail_attempt() {
    const std::int64_t soon = random_.between(1, 5 * kSecond);
    switch (random_.below(8)) {
      case 0: after(soon, [this] { end(EndKind::kNotConnected, ErrorCode::kConnectFailed, 0); }); break;
      case 1: after(soon, [this] { end(EndKind::kNotConnected, ErrorCode::kNameNotFound, 0); }); break;
      case 2: after(soon, [this] { end(EndKind::kNotConnected, ErrorCode::kTlsExpired, 60 * kSecond); }); break;
      case 3: after(30 * kSecond, [this] { end(EndKind::kNotConnected, ErrorCode::kTimedOut, 30 * kSecond); }); break;
      case 4: after(soon, [this] { refuse(429, 75 * kSecond, std::nullopt); }); break;
      case 5: {
        const std::int64_t asked_s = random_.between(-10, 2'000);
        const std::int64_t floor_ns = std::clamp<std::int64_t>(asked_s, 1, 900) * kSecond;
        after(soon, [this, asked_s, floor_ns] { refuse(429, floor_ns, asked_s); });
        break;
      }
      case 6: {
        constexpr int kStatuses[] = {200, 404, 500, 503, 524};
        const int status = kStatuses[random_.below(std::size(kStatuses))];
        after(soon, [this, status] { refuse(status, 30 * kSecond, std::nullopt); });
        break;
      }
      default:
        if (!ends_by_refused_key_) return after(soon, [this] { accept(); });
        after(soon, [this] {
          failed_ = true;
          refuse(401, 0, std::nullopt);
          EXPECT_EQ(machine_.state(), Connection::State::kFailed);
        });
    }
  }

  void accept() {
    EXPECT_EQ(link_, Link::kConnecting);
    link_ = Link::kOpen;
    ++tally_.opens;
    subscribed_.clear();
    refused_.clear();
    told_refused_.clear();
    sent_ = 0;
    subscriptions_told_ = 0;
    paused_ = false;
    silent_ = false;
    pongs_ = answers_pings_;
    machine_.opened(now_);
    perform();
    EXPECT_EQ(sent_, symbols_.size());
    EXPECT_EQ(subscriptions_told_, 1);
    send_next_frame();
    if (trouble_) after(random_.between(1, 900 * kSecond), [this] { break_connection(); });
    if (random_.chance(0.3)) after(random_.between(1, 300 * kSecond), [this] { pause(); });
  }

  void break_connection() {
    if (!trouble_) return;
    switch (random_.below(4)) {
      case 0: return end(EndKind::kLost, ErrorCode::kConnectionLost, 0);
      case 1: return end(EndKind::kClosedByPeer, ErrorCode::kConnectionLost, 0);
      case 2: silent_ = true; return;           // stalls: somebody still answers pings, if it ever did
      default: silent_ = true, pongs_ = false;  // half-open
    }
  }

  void send_next_frame() {
    after(random_.between(1, random_.chance(0.1) ? 60 * kSecond : 3 * kSecond), [this] {
      if (!silent_ && !paused_) machine_.frame_received(now_);
      send_next_frame();
    });
  }

  void pause() {
    paused_ = true;
    machine_.reading_paused(true, now_);
    after(random_.between(1, 400 * kSecond), [this] {
      paused_ = false;
      machine_.reading_paused(false, now_);
    });
  }

  void on_subscribe(const std::string& text) {
    EXPECT_EQ(link_, Link::kOpen) << "sent without a connection";
    EXPECT_EQ(subscriptions_told_, 0) << "told before it was sent";
    EXPECT_EQ(text, fmt::format(R"({{"type":"subscribe","symbol":"{}"}})", symbols_.at(sent_)));
    const std::string& symbol = symbols_.at(sent_++);
    std::string message;
    if (invalid_.contains(symbol)) {
      message = "Invalid symbol " + symbol;
    } else if (subscribed_.size() >= plan_limit_) {
      message = "Subscribing to too many symbols";
    } else {
      subscribed_.insert(symbol);
      return;
    }
    refused_.insert(symbol);
    after(kSecond, [this, message] {
      machine_.frame_received(now_);
      machine_.vendor_error(message, now_);
    });
    after(kSecond + 1, [this] { expect_refusals_known(); });
  }

  // What the machine has concluded is what the vendor did; refused symbols were each told once.
  void expect_refusals_known() {
    const std::vector<std::string> known = machine_.refused_symbols();
    EXPECT_EQ(std::set<std::string>(known.begin(), known.end()), refused_);
    EXPECT_EQ(told_refused_, refused_);
  }

  void on_ping() {
    EXPECT_EQ(link_, Link::kOpen) << "pinged without a connection";
    EXPECT_FALSE(paused_);
    if (!pongs_) return;
    after(random_.between(1, 9 * kSecond), [this] {
      if (pongs_ && !paused_) machine_.pong_received(now_);
    });
  }

  void on_drop() {
    EXPECT_TRUE(link_ == Link::kOpen && silent_) << "gave up what was not dead";
    EXPECT_NE(connected_told_, true) << "the end was not told";
    ++tally_.drops;
    await_retry(0);
    link_ = Link::kAborting;
    ++link_number_;
    after(random_.between(0, 50 * kNsPerMs), [this] { end(EndKind::kClosedByUs, ErrorCode::kConnectionLost, 0); });
  }

  void on_event(const FeedEvent& event) {
    EXPECT_EQ(event.at_ns, now_);
    switch (event.kind) {
      case Event::kSubscribed:
        EXPECT_EQ(link_, Link::kOpen);
        EXPECT_EQ(event.symbols, symbols_);
        EXPECT_NE(connected_told_, true) << "subscribed twice without an outage";
        EXPECT_EQ(++subscriptions_told_, 1);
        connected_told_ = true;
        break;
      case Event::kDisconnected:
      case Event::kStalled:
        EXPECT_NE(connected_told_, false) << "one outage was told twice";
        EXPECT_FALSE(event.detail.empty());
        connected_told_ = false;
        break;
      case Event::kRefused:
        ++tally_.symbols_refused;
        for (const std::string& symbol : event.symbols) EXPECT_TRUE(told_refused_.insert(symbol).second) << symbol;
        break;
    }
  }

  void refuse(int status, std::int64_t floor_ns, std::optional<std::int64_t> retry_after_s) {
    ++tally_.refusals;
    net::ConnectionEnd end;
    end.kind = EndKind::kUpgradeRefused;
    end.error = {status == 401   ? ErrorCode::kUnauthorized
                 : status == 429 ? ErrorCode::kTooManyRequests
                                 : ErrorCode::kUpgradeRefused,
                 fmt::format("HTTP {}", status)};
    end.status = status;
    end.retry_after_s = retry_after_s;
    end_with(end, floor_ns);
  }
  void end(EndKind kind, ErrorCode code, std::int64_t floor_ns) {
    net::ConnectionEnd end;
    end.kind = kind;
    end.error = {code, "simulated"};
    end.was_open = link_ == Link::kOpen || link_ == Link::kAborting;
    end_with(end, floor_ns);
  }
  void end_with(const net::ConnectionEnd& end, std::int64_t floor_ns) {
    link_ = Link::kNone;
    ++link_number_;
    if (end.kind != EndKind::kClosedByUs) await_retry(floor_ns);
    machine_.ended(end, now_);
    perform();
    EXPECT_TRUE(connected_told_ != true || end.kind == EndKind::kClosedByUs) << "the end was not told";
  }

  // From now on the wait for the next attempt is measured. None is shorter than a quarter of the base.
  void await_retry(std::int64_t floor_ns) {
    lost_ns_ = now_;
    floor_ns_ = std::max(floor_ns, kSecond / 4);
  }

  void stop() {
    machine_.stop(now_);
    const auto action = machine_.next_action();
    EXPECT_TRUE(action && action->kind == ConnectionAction::Kind::kClose);
    end(EndKind::kClosedByUs, ErrorCode::kConnectionLost, 0);
    EXPECT_EQ(machine_.state(), Connection::State::kStopped);
  }

  Random random_;
  Random machine_random_;
  Tally& tally_;
  std::vector<std::string> symbols_;
  Connection machine_;
  std::int64_t now_ = 1;
  std::multimap<std::int64_t, std::function<void()>> agenda_;

  // The vendor.
  bool trouble_ = false;
  bool answers_pings_ = false;
  bool ends_by_refused_key_ = false;
  std::size_t plan_limit_ = 0;
  std::set<std::string> invalid_;

  // The connection as the driver and the vendor see it.
  Link link_ = Link::kNone;
  int link_number_ = 0;
  bool silent_ = false;
  bool pongs_ = false;
  bool paused_ = false;
  bool failed_ = false;
  std::size_t sent_ = 0;
  int subscriptions_told_ = 0;
  std::set<std::string> subscribed_;
  std::set<std::string> refused_;
  std::set<std::string> told_refused_;
  std::optional<bool> connected_told_;
  std::optional<std::int64_t> lost_ns_;
  std::int64_t floor_ns_ = 0;
};

TEST(ConnectionSimulation, ItComesBackFromEveryFaultAndBreaksNoRule) {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Simulation(seed * 2, tally).run();
  }
  EXPECT_GT(tally.opens, 1'000);
  EXPECT_GT(tally.drops, 1'000);
  EXPECT_GT(tally.refusals, 1'000);
  EXPECT_GT(tally.symbols_refused, 1'000);
  EXPECT_GT(tally.steps, 100'000);
}

}  // namespace
}  // namespace finpipe
