#include "net/websocket_client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "net/tests/support.h"

namespace finpipe::net {
namespace {

using Kind = ConnectionEnd::Kind;

constexpr std::string_view kSecret = "s3cr3t/t0ken";
const ConnectionEnd kNoEnd{};  // of a connection that has not ended

// A client against a server that says whatever a test wants.
class WebSocketClientTest : public testing::Test {
 protected:
  EventLoop loop_;
  RawServer server_;
  RawSocket peer_;
  Recorder recorder_;
  std::unique_ptr<WebSocketClient> client_ = std::make_unique<WebSocketClient>(loop_, recorder_);

  [[nodiscard]] WebSocketClientOptions options() const {
    return {.host = "127.0.0.1",
            .port = server_.port(),
            .target = "/ws?token=s3cr3t%2Ft0ken",
            .connect_timeout_ms = 10'000,
            .close_timeout_ms = 10'000};
  }

  // Up to the whole request; gives it.
  std::string request(WebSocketClientOptions options) {
    client_->connect(std::move(options));
    EXPECT_TRUE(run_until(loop_, [&] { return server_.accept(peer_); }));
    EXPECT_TRUE(run_until(loop_, [&] { return peer_.received().ends_with("\r\n\r\n"); }));
    const std::string text = peer_.received();
    peer_.forget();
    return text;
  }
  void open() { open(options()); }
  void open(WebSocketClientOptions options) {
    peer_.send(upgrade_answer(request(std::move(options))));
    EXPECT_TRUE(run_until(loop_, [&] { return recorder_.open; }));
  }
  // The one end of this connection.
  const ConnectionEnd& end() {
    EXPECT_TRUE(run_until(loop_, [&] { return !recorder_.ends.empty(); }));
    run_for(loop_, 2);
    EXPECT_EQ(recorder_.ends.size(), 1U);
    if (recorder_.ends.empty()) return kNoEnd;
    const ConnectionEnd& end = recorder_.ends.front();
    EXPECT_FALSE(end.error.message().contains(kSecret)) << end.error.message();
    EXPECT_FALSE(end.error.message().contains("s3cr3t")) << end.error.message();
    return end;
  }
  const ConnectionEnd& refused_with(const std::string& answer) {
    request(options());
    peer_.send(answer);
    return end();
  }
};

TEST_F(WebSocketClientTest, AsksForTheTargetInOneProperRequest) {
  const std::string text = request(options());
  EXPECT_TRUE(text.starts_with("GET /ws?token=s3cr3t%2Ft0ken HTTP/1.1\r\n")) << text;
  EXPECT_TRUE(text.contains(fmt::format("\r\nHost: 127.0.0.1:{}\r\n", server_.port()))) << text;
  EXPECT_TRUE(text.contains("\r\nUser-Agent: finpipe\r\n")) << text;
  EXPECT_FALSE(text.contains("Sec-WebSocket-Extensions")) << text;
}

TEST_F(WebSocketClientTest, WhatIsSentArrivesInOrderAndMasked) {
  open();
  client_->send("one");
  client_->send("two");
  ASSERT_TRUE(run_until(loop_, [&] { return peer_.received().size() == 2U * (2 + 4 + 3); }));
  EXPECT_EQ(peer_.received()[0], '\x81');
  EXPECT_EQ(peer_.received()[1], '\x83');
}

TEST_F(WebSocketClientTest, FramesArriveWholeHoweverTheyAreCut) {
  open();
  const std::string large(70'000, 'x');
  const std::string bytes = server_frame(0x81, "first") + server_frame(0x01, "sec") + server_frame(0x89, "?") +
                            server_frame(0x80, "ond") + server_frame(0x82, "third") + server_frame(0x81, large);
  for (std::size_t i = 0; i < 64; ++i) {
    peer_.send(bytes.substr(i, 1));
    loop_.run_some(1);
  }
  peer_.send(bytes.substr(64));
  ASSERT_TRUE(run_until(loop_, [&] { return recorder_.messages.size() == 4; }));
  EXPECT_EQ(recorder_.messages, (std::vector<std::string>{"first", "second", "third", large}));
  EXPECT_EQ(peer_.received()[0], '\x8a') << "the ping was not answered";
}

TEST_F(WebSocketClientTest, FramesBehindTheAnswerToTheUpgradeAreNotLost) {
  peer_.send(upgrade_answer(request(options())) + server_frame(0x81, "early"));
  EXPECT_TRUE(run_until(loop_, [&] { return recorder_.messages.size() == 1; }));
}

TEST_F(WebSocketClientTest, APongIsTold) {
  open();
  client_->ping();
  ASSERT_TRUE(run_until(loop_, [&] { return peer_.received().size() == 6; }));
  EXPECT_EQ(peer_.received()[0], '\x89');
  peer_.send(server_frame(0x8a, ""));
  EXPECT_TRUE(run_until(loop_, [&] { return recorder_.pongs == 1; }));
}

TEST_F(WebSocketClientTest, ACloseFrameOfThePeerIsAnsweredAndTold) {
  open();
  peer_.send(server_frame(0x88, "\x03\xe9gone"));
  ASSERT_TRUE(run_until(loop_, [&] { return peer_.received().size() >= 8; }));
  EXPECT_EQ(peer_.received()[0], '\x88');
  peer_.close();
  EXPECT_EQ(end().kind, Kind::kClosedByPeer);
  EXPECT_EQ(end().close_code, 1'001);
  EXPECT_TRUE(end().was_open);
}

TEST_F(WebSocketClientTest, ACloseFrameWithoutCodeIs1005) {
  open();
  peer_.send(server_frame(0x88, ""));
  peer_.end_sending();
  EXPECT_EQ(end().kind, Kind::kClosedByPeer);
  EXPECT_EQ(end().close_code, 1'005);
}

TEST_F(WebSocketClientTest, APeerThatClosesAndThenHangsIsNotWaitedForLong) {
  open();
  peer_.send(server_frame(0x88, "\x03\xe8"));
  EXPECT_EQ(end().kind, Kind::kClosedByPeer);
}

TEST_F(WebSocketClientTest, AnEndWithoutCloseFrameIsALoss) {
  open();
  peer_.close();
  EXPECT_EQ(end().kind, Kind::kLost);
  EXPECT_EQ(end().error.code, ErrorCode::kConnectionLost);
  EXPECT_TRUE(end().was_open);
}

TEST_F(WebSocketClientTest, AResetIsALoss) {
  open();
  peer_.reset();
  EXPECT_EQ(end().kind, Kind::kLost);
}

struct Violation {
  std::string bytes;
  int close_code;
};
class WebSocketClientViolation : public WebSocketClientTest, public testing::WithParamInterface<Violation> {};

TEST_P(WebSocketClientViolation, IsAnsweredWithItsCloseCodeAndEndsTheConnection) {
  auto small = options();
  small.max_message_bytes = 1'000;
  open(small);
  peer_.send(GetParam().bytes);
  ASSERT_TRUE(run_until(loop_, [&] { return peer_.received().size() >= 8; }));
  const std::string frame = peer_.received();
  EXPECT_EQ(frame[0], '\x88');
  const auto unmasked = [&](std::size_t i) { return static_cast<unsigned char>(frame[6 + i] ^ frame[2 + i]); };
  EXPECT_EQ(unmasked(0) << 8 | unmasked(1), GetParam().close_code);
  peer_.close();
  EXPECT_EQ(end().kind, Kind::kProtocolError);
  EXPECT_EQ(end().error.code, ErrorCode::kProtocolError);
  EXPECT_TRUE(recorder_.messages.empty());
}

INSTANTIATE_TEST_SUITE_P(, WebSocketClientViolation,
                         testing::Values(Violation{server_frame(0x83, "x"), 1'002},         // unknown opcode
                                         Violation{server_frame(0xc1, "x"), 1'002},         // reserved bit
                                         Violation{client_frame(0x81, "x"), 1'002},         // masked by a server
                                         Violation{server_frame(0x80, "x"), 1'002},         // continues nothing
                                         Violation{server_frame(0x81, "\xc3\x28"), 1'007},  // no UTF-8
                                         Violation{server_frame(0x81, "\xe2\x82"), 1'007},  // UTF-8 without its end
                                         Violation{server_frame(0x81, std::string(1'001, 'x')), 1'009}));

struct Refusal {
  std::string head;
  ErrorCode code;
  int status;
  std::optional<std::int64_t> retry_after_s;
};
class WebSocketClientRefusal : public WebSocketClientTest, public testing::WithParamInterface<Refusal> {};

TEST_P(WebSocketClientRefusal, IsToldWithStatusAndRetryAfter) {
  const auto& [head, code, status, retry_after_s] = GetParam();
  const ConnectionEnd& end = refused_with("HTTP/1.1 " + head + "Content-Length: 5\r\n\r\nsorry");
  EXPECT_EQ(end.kind, Kind::kUpgradeRefused);
  EXPECT_EQ(end.error.code, code);
  EXPECT_EQ(end.status, status);
  EXPECT_EQ(end.retry_after_s, retry_after_s);
  EXPECT_EQ(end.error.detail, fmt::format("status {}: sorry", status));
  EXPECT_FALSE(end.was_open);
}

INSTANTIATE_TEST_SUITE_P(
    , WebSocketClientRefusal,
    testing::Values(Refusal{"200 OK\r\n", ErrorCode::kUpgradeRefused, 200, {}},
                    Refusal{"401 Unauthorized\r\n", ErrorCode::kUnauthorized, 401, {}},
                    Refusal{"429 Too Many Requests\r\n", ErrorCode::kTooManyRequests, 429, {}},
                    Refusal{"429 Too Many Requests\r\nRetry-After: 17\r\n", ErrorCode::kTooManyRequests, 429, 17},
                    Refusal{"429 Too Many Requests\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n",
                            ErrorCode::kTooManyRequests,
                            429,
                            {}},
                    Refusal{"524 A Timeout Occurred\r\n", ErrorCode::kUpgradeRefused, 524, {}}));

TEST_F(WebSocketClientTest, ARefusalRepeatingTheSecretDoesNotTellIt) {
  const std::string body =
      "no such page: /ws?token=s3cr3t%2Ft0ken\r\n\r\n<b>s3cr3t/t0ken</b> (s3cr3t%2Ft0ken)\x01\xff is unknown";
  const auto& end =
      refused_with(fmt::format("HTTP/1.1 404 Not Found\r\nContent-Length: {}\r\n\r\n{}", body.size(), body));
  EXPECT_EQ(end.error.detail, "status 404: no such page: ... <b>...</b> (...) is unknown");
}

TEST_F(WebSocketClientTest, ALongRefusalIsCutShort) {
  const auto& end = refused_with("HTTP/1.1 500 X\r\nContent-Length: 3000\r\n\r\n" + std::string(3'000, 'x'));
  EXPECT_EQ(end.error.detail, "status 500: " + std::string(200, 'x'));
}

TEST_F(WebSocketClientTest, AWrongAcceptIsARefusal) {
  const auto& end = refused_with(upgrade_answer("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"));
  EXPECT_EQ(end.kind, Kind::kUpgradeRefused);
  EXPECT_EQ(end.status, 101);
}

TEST_F(WebSocketClientTest, AnAnswerThatIsNoHttpIsAProtocolError) {
  EXPECT_EQ(refused_with("SSH-2.0-OpenSSH_9.2\r\n\r\n").kind, Kind::kProtocolError);
}

TEST_F(WebSocketClientTest, AnEndInsteadOfAnAnswerIsALoss) {
  request(options());
  peer_.close();
  EXPECT_EQ(end().kind, Kind::kLost);
  EXPECT_FALSE(end().was_open);
}

TEST_F(WebSocketClientTest, NoAnswerToTheUpgradeTimesOut) {
  auto hasty = options();
  hasty.connect_timeout_ms = 50;
  request(hasty);
  EXPECT_EQ(end().kind, Kind::kNotConnected);
  EXPECT_EQ(end().error.code, ErrorCode::kTimedOut);
  EXPECT_TRUE(end().error.detail.contains("upgrade")) << end().error.detail;
  EXPECT_TRUE(run_until(loop_, [&] { return peer_.ended(); }));
}

TEST_F(WebSocketClientTest, AServerThatDoesNotShakeHandsTimesOut) {
  auto hasty = options();
  hasty.connect_timeout_ms = 50;
  hasty.tls = client_tls(certificate_for("127.0.0.1"));
  client_->connect(hasty);
  EXPECT_EQ(end().error.code, ErrorCode::kTimedOut);
  EXPECT_TRUE(end().error.detail.contains("TLS handshake")) << end().error.detail;
}

TEST_F(WebSocketClientTest, AClosedPortIsNotConnected) {
  auto nobody = options();
  nobody.port = RawServer().port();
  client_->connect(nobody);
  EXPECT_EQ(end().kind, Kind::kNotConnected);
  EXPECT_EQ(end().error.code, ErrorCode::kConnectFailed);
}

TEST_F(WebSocketClientTest, AnUnknownNameIsNotFound) {
  auto unknown = options();
  unknown.host = "no such host";
  client_->connect(unknown);
  EXPECT_EQ(end().kind, Kind::kNotConnected);
  EXPECT_EQ(end().error.code, ErrorCode::kNameNotFound);
}

TEST_F(WebSocketClientTest, ANameIsLookedUp) {
  auto named = options();
  named.host = "localhost";
  EXPECT_TRUE(request(named).contains(fmt::format("\r\nHost: localhost:{}\r\n", server_.port())));
}

TEST_F(WebSocketClientTest, OurCloseWaitsForThePeersAnswer) {
  open();
  client_->send("last words");
  client_->close();
  ASSERT_TRUE(run_until(loop_, [&] { return peer_.received().size() == 16 + 8; }));
  EXPECT_EQ(peer_.received()[16], '\x88') << "the close frame comes behind what was sent before";
  EXPECT_TRUE(recorder_.ends.empty());
  peer_.send(server_frame(0x81, "crossing") + server_frame(0x88, "\x03\xe8"));
  peer_.end_sending();
  EXPECT_EQ(end().kind, Kind::kClosedByUs);
  EXPECT_TRUE(recorder_.messages.empty());
}

TEST_F(WebSocketClientTest, OurCloseDoesNotWaitForever) {
  auto hasty = options();
  hasty.close_timeout_ms = 30;
  open(hasty);
  client_->close();
  EXPECT_EQ(end().kind, Kind::kClosedByUs);
}

TEST_F(WebSocketClientTest, AnAbortSendsNoCloseFrame) {
  open();
  client_->abort();
  EXPECT_TRUE(recorder_.ends.empty()) << "it is told from the loop";
  EXPECT_EQ(end().kind, Kind::kClosedByUs);
  ASSERT_TRUE(run_until(loop_, [&] { return peer_.ended(); }));
  EXPECT_EQ(peer_.received(), "");
}

TEST_F(WebSocketClientTest, AnAbortWhileConnectingIsAnEnd) {
  client_->connect(options());
  client_->abort();
  EXPECT_EQ(end().kind, Kind::kClosedByUs);
  EXPECT_FALSE(end().was_open);
}

TEST_F(WebSocketClientTest, AfterAnEndItConnectsAnewFromTheHandler) {
  recorder_.when_end = [&] {
    if (recorder_.ends.size() == 1) client_->connect(options());
  };
  open();
  peer_.reset();
  ASSERT_TRUE(run_until(loop_, [&] { return server_.accept(peer_); }));
  ASSERT_TRUE(run_until(loop_, [&] { return peer_.received().ends_with("\r\n\r\n"); }));
  peer_.send(upgrade_answer(peer_.received()));
  EXPECT_TRUE(run_until(loop_, [&] { return recorder_.open; }));
}

TEST_F(WebSocketClientTest, ItMayBeDestroyedInEachHandler) {
  recorder_.when_open = [&] { client_.reset(); };
  open();
  ASSERT_TRUE(run_until(loop_, [&] { return peer_.ended(); }));

  recorder_ = Recorder();
  client_ = std::make_unique<WebSocketClient>(loop_, recorder_);
  recorder_.when_message = [&] { client_.reset(); };
  open();
  peer_.send(server_frame(0x81, "one") + server_frame(0x81, "two"));
  ASSERT_TRUE(run_until(loop_, [&] { return peer_.ended(); }));
  EXPECT_EQ(recorder_.messages.size(), 1U);
  EXPECT_TRUE(recorder_.ends.empty());

  recorder_ = Recorder();
  client_ = std::make_unique<WebSocketClient>(loop_, recorder_);
  recorder_.when_end = [&] { client_.reset(); };
  open();
  peer_.reset();
  EXPECT_EQ(end().kind, Kind::kLost);
}

TEST_F(WebSocketClientTest, NobodyIsToldAfterItsEnd) {
  open();
  peer_.send(server_frame(0x81, "late"));
  client_.reset();
  run_for(loop_, 20);
  EXPECT_TRUE(recorder_.messages.empty());
  EXPECT_TRUE(recorder_.ends.empty());
}

TEST_F(WebSocketClientTest, PausedItLeavesEverythingWithThePeer) {
  open();
  peer_.send(server_frame(0x81, "one"));
  ASSERT_TRUE(run_until(loop_, [&] { return recorder_.messages.size() == 1; }));
  client_->pause_reading(true);
  for (int i = 0; i < 10; ++i) peer_.send(server_frame(0x89, "") + server_frame(0x81, fmt::format("{}", i)));
  run_for(loop_, 20);
  EXPECT_EQ(recorder_.messages.size(), 1U);
  EXPECT_EQ(peer_.received(), "") << "a ping was answered";
  client_->pause_reading(false);
  client_->pause_reading(true);
  client_->pause_reading(false);
  ASSERT_TRUE(run_until(loop_, [&] { return recorder_.messages.size() == 11; }));
  EXPECT_EQ(recorder_.messages.back(), "9");
}

TEST_F(WebSocketClientTest, PausedForNoTimeItReadsOn) {
  open();
  run_for(loop_, 5);
  client_->pause_reading(true);
  client_->pause_reading(false);
  run_for(loop_, 5);
  peer_.send(server_frame(0x81, "one"));
  EXPECT_TRUE(run_until(loop_, [&] { return recorder_.messages.size() == 1; }));
}

TEST_F(WebSocketClientTest, PausedInAHandlerItHoldsTheNextMessageBack) {
  recorder_.when_message = [&] { client_->pause_reading(true); };
  open();
  peer_.send(server_frame(0x81, "one") + server_frame(0x81, "two") + server_frame(0x81, "three"));
  for (std::size_t count = 1; count <= 3; ++count) {
    ASSERT_TRUE(run_until(loop_, [&] { return recorder_.messages.size() == count; }));
    run_for(loop_, 3);
    ASSERT_EQ(recorder_.messages.size(), count);
    client_->pause_reading(false);
  }
}

TEST_F(WebSocketClientTest, PausedWhileAMessageIsOnItsWayItHoldsItBack) {
  recorder_.when_message = [&] { loop_.post([&] { client_->pause_reading(true); }); };
  open();
  peer_.send(server_frame(0x81, "one") + server_frame(0x81, "two") + server_frame(0x81, "three"));
  for (std::size_t count = 1; count <= 3; ++count) {
    ASSERT_TRUE(run_until(loop_, [&] { return recorder_.messages.size() == count; }));
    run_for(loop_, 3);
    ASSERT_EQ(recorder_.messages.size(), count);
    client_->pause_reading(false);
  }
}

TEST_F(WebSocketClientTest, APeerThatTakesNothingIsDroppedAndNotQueuedForWithoutEnd) {
  open();
  const std::string message(std::size_t{1} << 20, 'x');
  for (int i = 0; i < 64 && recorder_.ends.empty(); ++i) {
    client_->send(message);
    loop_.run_some(0);
  }
  EXPECT_EQ(end().kind, Kind::kLost);
}

}  // namespace
}  // namespace finpipe::net
