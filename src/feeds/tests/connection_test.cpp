#include "feeds/connection.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/time.h"

namespace finpipe {
namespace {

using Kind = ConnectionAction::Kind;
using State = Connection::State;
using Event = FeedEvent::Kind;
using EndKind = net::ConnectionEnd::Kind;

net::ConnectionEnd end_of(EndKind kind, ErrorCode code, std::string detail) {
  net::ConnectionEnd end;
  end.kind = kind;
  end.error = {code, std::move(detail)};
  return end;
}

net::ConnectionEnd lost() {
  net::ConnectionEnd end = end_of(EndKind::kLost, ErrorCode::kConnectionLost, "reset");
  end.was_open = true;
  return end;
}

net::ConnectionEnd closed_by_us() { return end_of(EndKind::kClosedByUs, ErrorCode::kConnectionLost, {}); }

net::ConnectionEnd not_connected(ErrorCode code) { return end_of(EndKind::kNotConnected, code, "somewhere"); }

net::ConnectionEnd refused(int status, std::optional<std::int64_t> retry_after_s = std::nullopt) {
  const ErrorCode code = status == 401   ? ErrorCode::kUnauthorized
                         : status == 429 ? ErrorCode::kTooManyRequests
                                         : ErrorCode::kUpgradeRefused;
  net::ConnectionEnd end = end_of(EndKind::kUpgradeRefused, code, fmt::format("HTTP {}", status));
  end.status = status;
  end.retry_after_s = retry_after_s;
  return end;
}

// A machine in virtual time, and what it asked for.
class ConnectionTest : public testing::Test {
 protected:
  void make(std::vector<std::string> symbols, double time_scale = 1.0) {
    machine_.emplace(ConnectionOptions{.symbols = std::move(symbols), .time_scale = time_scale}, random_);
  }
  Connection& machine() {
    if (!machine_) make({"AAPL", "IC MARKETS:1", "BINANCE:BTCUSDT"});
    return *machine_;
  }

  std::vector<ConnectionAction> drain() {
    std::vector<ConnectionAction> actions;
    while (auto action = machine().next_action()) actions.push_back(std::move(*action));
    return actions;
  }
  static std::size_t count(const std::vector<ConnectionAction>& actions, Kind kind) {
    return static_cast<std::size_t>(std::ranges::count(actions, kind, &ConnectionAction::kind));
  }
  static std::vector<FeedEvent> events(const std::vector<ConnectionAction>& actions) {
    std::vector<FeedEvent> told;
    for (const ConnectionAction& action : actions) {
      if (action.kind == Kind::kTell) told.push_back(action.event);
    }
    return told;
  }

  void connect() {
    machine().start(now_);
    ASSERT_EQ(count(drain(), Kind::kConnect), 1);
  }
  void open() {
    connect();
    machine().opened(now_);
    drain();
  }
  // Time passes, and the machine is ticked when it wants to be.
  std::vector<ConnectionAction> pass(std::int64_t by) {
    std::vector<ConnectionAction> actions;
    const std::int64_t until = now_ + by;
    while (machine().next_deadline_ns() <= until) {
      now_ = std::max(now_, machine().next_deadline_ns());
      machine().tick(now_);
      std::ranges::move(drain(), std::back_inserter(actions));
    }
    now_ = until;
    return actions;
  }
  std::int64_t wait() { return machine().next_deadline_ns() - now_; }
  // The connection, or the attempt, ends so; the wait that follows.
  std::int64_t wait_after(const net::ConnectionEnd& end) {
    machine().ended(end, now_);
    drain();
    return wait();
  }
  // Waits until the next attempt is under way.
  void await_attempt() {
    now_ = machine().next_deadline_ns();
    machine().tick(now_);
    ASSERT_EQ(count(drain(), Kind::kConnect), 1);
  }

  Random random_{7};
  std::int64_t now_ = 1'000 * kNsPerSecond;

 private:
  std::optional<Connection> machine_;
};

TEST_F(ConnectionTest, NothingHappensBeforeTheStart) {
  EXPECT_EQ(machine().next_deadline_ns(), Connection::kNever);
  machine().tick(now_);
  EXPECT_TRUE(drain().empty());
  EXPECT_EQ(machine().describe(), "not started");
}

TEST_F(ConnectionTest, EachSymbolIsSubscribedOnceOpenAndThenTold) {
  connect();
  machine().opened(now_);
  const auto actions = drain();
  ASSERT_EQ(actions.size(), 4);
  EXPECT_EQ(actions[0].text, R"({"type":"subscribe","symbol":"AAPL"})");
  EXPECT_EQ(actions[1].text, R"({"type":"subscribe","symbol":"IC MARKETS:1"})");
  EXPECT_EQ(actions[2].text, R"({"type":"subscribe","symbol":"BINANCE:BTCUSDT"})");
  EXPECT_EQ(actions[3].kind, Kind::kTell);
  EXPECT_EQ(actions[3].event.kind, Event::kSubscribed);
  EXPECT_EQ(actions[3].event.at_ns, now_);
  EXPECT_EQ(actions[3].event.symbols, (std::vector<std::string>{"AAPL", "IC MARKETS:1", "BINANCE:BTCUSDT"}));
  EXPECT_EQ(machine().describe(), "connected, 3 symbols subscribed");
}

TEST_F(ConnectionTest, ASymbolIsWrittenAsJsonAndOnlyOnce) {
  make({"A\"\\\n", "B", "A\"\\\n"});
  connect();
  machine().opened(now_);
  const auto actions = drain();
  ASSERT_EQ(actions.size(), 3);
  EXPECT_EQ(actions[0].text, R"({"type":"subscribe","symbol":"A\"\\\u000a"})");
  EXPECT_EQ(actions[1].text, R"({"type":"subscribe","symbol":"B"})");
}

TEST_F(ConnectionTest, PingsOfTheVendorKeepAConnectionWithoutTrades) {
  open();
  for (int minute = 0; minute < 100; ++minute) {
    const auto actions = pass(60 * kNsPerSecond);
    EXPECT_TRUE(events(actions).empty());
    EXPECT_EQ(count(actions, Kind::kDrop), 0);
    machine().frame_received(now_);
  }
  EXPECT_EQ(machine().state(), State::kOpen);
}

TEST_F(ConnectionTest, ASilentConnectionIsStalledAfter150Seconds) {
  open();
  pass(10 * kNsPerSecond);
  machine().frame_received(now_);
  EXPECT_EQ(count(pass(150 * kNsPerSecond - 1), Kind::kDrop), 0);
  const auto actions = pass(1);
  ASSERT_EQ(events(actions).size(), 1);
  EXPECT_EQ(events(actions)[0].kind, Event::kStalled);
  EXPECT_EQ(events(actions)[0].at_ns, now_);
  EXPECT_EQ(events(actions)[0].detail, "connection_lost: no frame for 150 s");
  EXPECT_EQ(count(actions, Kind::kDrop), 1);
  EXPECT_EQ(machine().state(), State::kDropping);
  machine().ended(closed_by_us(), now_);
  EXPECT_TRUE(drain().empty()) << "an outage is told once";
  EXPECT_EQ(machine().state(), State::kWaiting);
  await_attempt();
}

TEST_F(ConnectionTest, APongIsNoSignThatDataFlows) {
  open();
  std::size_t stalled = 0;
  for (int i = 0; i < 149; ++i) {
    pass(kNsPerSecond);
    machine().pong_received(now_);
  }
  for (const FeedEvent& event : events(pass(kNsPerSecond))) stalled += event.kind == Event::kStalled ? 1 : 0;
  EXPECT_EQ(stalled, 1);
}

TEST_F(ConnectionTest, AQuietConnectionIsProbedAfter20Seconds) {
  open();
  pass(5 * kNsPerSecond);
  machine().frame_received(now_);
  EXPECT_EQ(count(pass(20 * kNsPerSecond - 1), Kind::kPing), 0);
  EXPECT_EQ(count(pass(1), Kind::kPing), 1);
}

TEST_F(ConnectionTest, APeerThatHasAnsweredAndStopsToIsHalfOpenAfter10Seconds) {
  open();
  pass(20 * kNsPerSecond);
  machine().pong_received(now_);
  EXPECT_EQ(count(pass(20 * kNsPerSecond), Kind::kPing), 1);
  EXPECT_EQ(count(pass(10 * kNsPerSecond - 1), Kind::kDrop), 0);
  const auto actions = pass(1);
  EXPECT_EQ(count(actions, Kind::kDrop), 1);
  ASSERT_EQ(events(actions).size(), 1);
  EXPECT_EQ(events(actions)[0].kind, Event::kDisconnected);
  EXPECT_EQ(events(actions)[0].detail, "connection_lost: half-open: no answer to a ping for 10 s");
}

TEST_F(ConnectionTest, APeerThatAnsweredOnAnEarlierConnectionIsKnownToAnswer) {
  open();
  machine().pong_received(now_);
  wait_after(lost());
  await_attempt();
  machine().opened(now_);
  drain();
  EXPECT_EQ(count(pass(30 * kNsPerSecond), Kind::kDrop), 1);
}

TEST_F(ConnectionTest, APeerThatNeverAnswersPingsIsJudgedBySilenceAlone) {
  open();
  const auto actions = pass(150 * kNsPerSecond - 1);
  EXPECT_EQ(count(actions, Kind::kPing), 7);
  EXPECT_EQ(count(actions, Kind::kDrop), 0);
}

TEST_F(ConnectionTest, AFrameAnswersAProbeAsWellAsAPong) {
  open();
  machine().pong_received(now_);
  EXPECT_EQ(count(pass(20 * kNsPerSecond), Kind::kPing), 1);
  pass(5 * kNsPerSecond);
  machine().frame_received(now_);
  EXPECT_EQ(count(pass(20 * kNsPerSecond - 1), Kind::kDrop), 0);
}

TEST_F(ConnectionTest, SilenceProvesNothingWhileReadingIsPaused) {
  open();
  machine().pong_received(now_);
  pass(20 * kNsPerSecond);
  machine().reading_paused(true, now_);
  EXPECT_TRUE(pass(1'000 * kNsPerSecond).empty());
  machine().reading_paused(false, now_);
  EXPECT_TRUE(pass(20 * kNsPerSecond - 1).empty());
  EXPECT_EQ(count(pass(1), Kind::kPing), 1);
}

TEST_F(ConnectionTest, AnOutageIsToldOnceWhateverTheNumberOfAttempts) {
  connect();
  machine().ended(not_connected(ErrorCode::kConnectFailed), now_);
  auto told = events(drain());
  ASSERT_EQ(told.size(), 1) << "also when there never was a connection";
  EXPECT_EQ(told[0].kind, Event::kDisconnected);
  EXPECT_EQ(told[0].detail, "connect_failed: somewhere");
  for (int attempt = 2; attempt < 10; ++attempt) {
    await_attempt();
    EXPECT_EQ(machine().attempts(), attempt);
    machine().ended(not_connected(ErrorCode::kNameNotFound), now_);
    EXPECT_TRUE(drain().empty());
    EXPECT_EQ(machine().last_error()->code, ErrorCode::kNameNotFound);
    EXPECT_EQ(machine().failures(), attempt);
  }
  await_attempt();
  machine().opened(now_);
  drain();
  EXPECT_EQ(machine().attempts(), 0);
  machine().ended(lost(), now_);
  EXPECT_EQ(events(drain()).size(), 1) << "the next outage is another one";
}

TEST_F(ConnectionTest, WaitsGrowWithJitterFromOneSecondToAMinute) {
  connect();
  std::int64_t previous = kNsPerSecond;
  std::int64_t longest = 0;
  std::int64_t shortest = Connection::kNever;
  for (int attempt = 0; attempt < 200; ++attempt) {
    const std::int64_t waited = wait_after(not_connected(ErrorCode::kConnectFailed));
    EXPECT_GE(waited, kNsPerSecond);
    EXPECT_LE(waited, std::min(60 * kNsPerSecond, 3 * previous));
    longest = std::max(longest, waited);
    shortest = std::min(shortest, waited);
    previous = waited;
    await_attempt();
  }
  EXPECT_EQ(longest, 60 * kNsPerSecond);
  EXPECT_LT(shortest, 5 * kNsPerSecond) << "it is a draw, not a staircase";
}

TEST_F(ConnectionTest, AfterAHealthyConnectionTheFirstRetryIsQuick) {
  connect();
  for (int attempt = 0; attempt < 20; ++attempt) {
    wait_after(not_connected(ErrorCode::kConnectFailed));
    await_attempt();
  }
  machine().opened(now_);
  machine().frame_received(now_);
  pass(15 * kNsPerSecond);
  machine().frame_received(now_);
  pass(15 * kNsPerSecond);
  EXPECT_LE(wait_after(lost()), kNsPerSecond);
  await_attempt();
  EXPECT_LE(wait_after(not_connected(ErrorCode::kConnectFailed)), 3 * kNsPerSecond) << "and the backoff began anew";
}

TEST_F(ConnectionTest, AConnectionThatDiesSoonOrWithoutAFrameWasNotHealthy) {
  for (const bool with_frame : {true, false}) {
    make({"AAPL"});
    connect();
    std::int64_t longest = 0;
    for (int attempt = 0; attempt < 100; ++attempt) {
      machine().opened(now_);
      if (with_frame) machine().frame_received(now_);
      drain();
      pass((with_frame ? 29 : 100) * kNsPerSecond);
      longest = std::max(longest, wait_after(lost()));
      await_attempt();
    }
    EXPECT_GT(longest, 30 * kNsPerSecond) << "a feed that flaps is asked less and less often";
  }
}

TEST_F(ConnectionTest, TooManyConnectionsWaitsAtLeast75Seconds) {
  connect();
  EXPECT_EQ(wait_after(refused(429)), 75 * kNsPerSecond);
  EXPECT_EQ(machine().describe(), "429: waiting 75 s; the vendor allows one connection a key");
}

TEST_F(ConnectionTest, RetryAfterIsObeyedWithinBounds) {
  const std::vector<std::pair<std::int64_t, std::int64_t>> asked_and_waited = {
      {120, 120}, {900, 900}, {901, 900}, {std::numeric_limits<std::int64_t>::max(), 900}};
  for (const auto& [asked, waited] : asked_and_waited) {
    make({"AAPL"});
    connect();
    EXPECT_EQ(wait_after(refused(429, asked)), waited * kNsPerSecond) << asked;
  }
  for (const std::int64_t asked : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-5}, std::int64_t{0}}) {
    make({"AAPL"});
    connect();
    EXPECT_GE(wait_after(refused(429, asked)), kNsPerSecond) << asked;
    EXPECT_LE(wait(), 3 * kNsPerSecond) << asked;
  }
}

TEST_F(ConnectionTest, ABackoffThatIsLongerThanRetryAfterCounts) {
  connect();
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (wait_after(refused(429, 1)) > 10 * kNsPerSecond) return;
    await_attempt();
  }
  FAIL() << "the waits did not grow";
}

TEST_F(ConnectionTest, OtherAnswersAndNoAnswerAreRetriedSlowly) {
  for (const int status : {200, 301, 404, 500, 502, 503, 524}) {
    make({"AAPL"});
    connect();
    EXPECT_EQ(wait_after(refused(status)), 30 * kNsPerSecond) << status;
    EXPECT_EQ(machine().describe(),
              fmt::format("HTTP {} instead of a WebSocket: waiting 30 s; trouble at the vendor, or "
                          "a proxy in between",
                          status));
  }
  make({"AAPL"});
  connect();
  EXPECT_EQ(wait_after(not_connected(ErrorCode::kTimedOut)), 30 * kNsPerSecond);
  EXPECT_EQ(machine().describe(), "no answer: waiting 30 s");
}

TEST_F(ConnectionTest, ACertificateThatCannotBeTrustedIsRetriedOnceAMinute) {
  for (const ErrorCode code : {ErrorCode::kTlsUnknownCa, ErrorCode::kTlsSelfSigned, ErrorCode::kTlsExpired,
                               ErrorCode::kTlsWrongHost, ErrorCode::kTlsFailed}) {
    make({"AAPL"});
    connect();
    EXPECT_EQ(wait_after(not_connected(code)), 60 * kNsPerSecond);
    EXPECT_NE(machine().describe().find(error_info(code).remedy), std::string::npos);
    await_attempt();
  }
}

TEST_F(ConnectionTest, ARefusedKeyIsFinal) {
  for (const int status : {401, 403}) {
    make({"AAPL"});
    connect();
    machine().ended(refused(status), now_);
    EXPECT_EQ(machine().state(), State::kFailed);
    ASSERT_TRUE(machine().last_error());
    EXPECT_EQ(machine().last_error()->code, ErrorCode::kUnauthorized);
    EXPECT_EQ(machine().last_error()->detail, fmt::format("HTTP {}", status));
    const auto told = events(drain());
    ASSERT_EQ(told.size(), 1);
    EXPECT_EQ(told[0].kind, Event::kDisconnected);
    EXPECT_NE(machine().describe().find("FINNHUB_API_KEY"), std::string::npos);
    EXPECT_EQ(machine().next_deadline_ns(), Connection::kNever);
    EXPECT_TRUE(pass(100'000 * kNsPerSecond).empty());
  }
}

TEST_F(ConnectionTest, AnInvalidSymbolIsRefusedByNameAndAskedAgainNextTime) {
  open();
  machine().vendor_error("Invalid symbol IC MARKETS:1", now_);
  auto told = events(drain());
  ASSERT_EQ(told.size(), 1);
  EXPECT_EQ(told[0].kind, Event::kRefused);
  EXPECT_EQ(told[0].symbols, std::vector<std::string>{"IC MARKETS:1"});
  EXPECT_EQ(told[0].detail, "Invalid symbol IC MARKETS:1");
  machine().vendor_error("Invalid symbol IC MARKETS:1", now_);
  EXPECT_TRUE(drain().empty()) << "told once";
  EXPECT_EQ(machine().describe(), "connected, 1 of 3 symbols refused: Invalid symbol IC MARKETS:1");

  wait_after(lost());
  await_attempt();
  machine().opened(now_);
  EXPECT_EQ(count(drain(), Kind::kSend), 3);
  EXPECT_TRUE(machine().refused_symbols().empty());
  machine().vendor_error("Invalid symbol AAPL", now_);
  EXPECT_EQ(machine().refused_symbols(), std::vector<std::string>{"AAPL"});
}

TEST_F(ConnectionTest, TooManySymbolsMeansTheLastOnesSent) {
  make({"A", "B", "C", "D", "E"});
  open();
  const std::string message = "Subscribing to too many symbols";
  machine().vendor_error(message, now_);
  auto told = events(drain());
  ASSERT_EQ(told.size(), 1);
  EXPECT_EQ(told[0].symbols, std::vector<std::string>{"E"});
  machine().vendor_error(message, now_);
  told = events(drain());
  ASSERT_EQ(told.size(), 1);
  EXPECT_EQ(told[0].symbols, std::vector<std::string>{"D"});
  EXPECT_EQ(machine().refused_symbols(), (std::vector<std::string>{"D", "E"}));
  for (int more = 0; more < 10; ++more) machine().vendor_error(message, now_);
  EXPECT_EQ(machine().refused_symbols().size(), 5);
}

TEST_F(ConnectionTest, AnInvalidSymbolTakesNoSlotOfThePlan) {
  for (const bool invalid_first : {true, false}) {
    make({"A", "B", "C", "D", "E"});
    open();
    if (invalid_first) machine().vendor_error("Invalid symbol E", now_);
    machine().vendor_error("Subscribing to too many symbols", now_);
    if (!invalid_first) machine().vendor_error("Invalid symbol E", now_);
    EXPECT_EQ(machine().refused_symbols(), (std::vector<std::string>{"D", "E"}));
  }
}

TEST_F(ConnectionTest, OtherMessagesOfTheVendorAreKeptAndChangeNothing) {
  open();
  machine().vendor_error("Invalid symbol NOT:OURS", now_);
  machine().vendor_error(std::string(10'000, 'x'), now_);
  EXPECT_TRUE(drain().empty());
  EXPECT_EQ(machine().last_vendor_message().size(), 256);
  EXPECT_EQ(machine().state(), State::kOpen);
}

TEST_F(ConnectionTest, EveryTimerIsScaled) {
  make({"AAPL"}, 0.02);
  connect();
  EXPECT_EQ(wait_after(refused(429)), 1'500'000'000);
  await_attempt();
  EXPECT_EQ(wait_after(refused(429, 500)), 10 * kNsPerSecond);
  await_attempt();
  machine().opened(now_);
  drain();
  EXPECT_EQ(count(pass(400'000'000), Kind::kPing), 1);
  EXPECT_EQ(count(pass(2'600'000'000), Kind::kDrop), 1);
  EXPECT_NE(machine().describe().find("no frame for 3 s"), std::string::npos) << machine().describe();
}

TEST_F(ConnectionTest, AStopClosesWhatIsOpenAndEndsTheAttempts) {
  open();
  machine().stop(now_);
  EXPECT_EQ(count(drain(), Kind::kClose), 1);
  EXPECT_EQ(machine().state(), State::kStopping);
  machine().ended(closed_by_us(), now_);
  EXPECT_EQ(machine().state(), State::kStopped);
  EXPECT_TRUE(pass(1'000 * kNsPerSecond).empty());

  make({"AAPL"});
  connect();
  machine().stop(now_);
  EXPECT_EQ(count(drain(), Kind::kDrop), 1);
  machine().opened(now_);
  EXPECT_TRUE(drain().empty());

  make({"AAPL"});
  connect();
  wait_after(lost());
  machine().stop(now_);
  EXPECT_EQ(machine().state(), State::kStopped);
  EXPECT_TRUE(pass(1'000 * kNsPerSecond).empty());
}

}  // namespace
}  // namespace finpipe
