#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/http_server.h"
#include "net/tests/support.h"

namespace finpipe::net {
namespace {

using Kind = ConnectionEnd::Kind;

class WebSocketServerTest : public testing::Test {
 protected:
  EventLoop loop_;
  HttpServerOptions options_;
  std::unique_ptr<TestServer> server_;
  Recorder recorder_;
  std::unique_ptr<WebSocketClient> client_ = std::make_unique<WebSocketClient>(loop_, recorder_);

  void start() { server_ = std::make_unique<TestServer>(loop_, options_); }
  // One of ours.
  void open() {
    if (!server_) start();
    client_->connect({.host = "127.0.0.1", .port = server_->port()});
    ASSERT_TRUE(run_until(loop_, [&] { return recorder_.open && !server_->sockets.empty(); }));
  }
  // A raw one.
  RawSocket open_raw(int receive_buffer = 0) {
    if (!server_) start();
    RawSocket socket = RawSocket::connect(server_->port(), receive_buffer);
    socket.send(upgrade_request());
    EXPECT_TRUE(run_until(loop_, [&] { return socket.received().ends_with("\r\n\r\n"); }));
    EXPECT_TRUE(socket.received().starts_with("HTTP/1.1 101 ")) << socket.received();
    EXPECT_TRUE(socket.received().contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")) << "RFC 6455, section 1.3";
    EXPECT_TRUE(run_until(loop_, [&] { return !server_->sockets.empty(); }));
    socket.forget();
    return socket;
  }
  const ConnectionEnd& end() {
    EXPECT_TRUE(run_until(loop_, [&] { return !recorder_.ends.empty(); }));
    static const ConnectionEnd none{};
    return recorder_.ends.empty() ? none : recorder_.ends.front();
  }
  void expect_closed() {
    EXPECT_TRUE(run_until(loop_, [&] { return server_->closed == 1 && server_->server->idle(); }));
  }
};

TEST_F(WebSocketServerTest, MessagesGoBothWays) {
  open();
  std::vector<std::string> sent;
  for (const std::size_t size : {0, 1, 125, 126, 65'535}) {
    sent.emplace_back(size, 'x');
    client_->send(sent.back());
  }
  ASSERT_TRUE(run_until(loop_, [&] { return recorder_.messages.size() == sent.size(); }));
  EXPECT_EQ(server_->messages, sent);
  EXPECT_EQ(recorder_.messages, sent);
  EXPECT_EQ(server_->server->counts().upgrades, 1);
}

TEST_F(WebSocketServerTest, ManyMessagesAreOneQueueThatDrains) {
  open();
  std::size_t bytes = 0;
  for (int i = 0; i < 1'000; ++i) {
    const auto message = shared(fmt::format("{}:{}", i, std::string(static_cast<std::size_t>(i), 'x')));
    bytes += message->size();
    server_->socket().send(message);
  }
  server_->socket().send(shared(std::string(1'000'000, 'y')));
  EXPECT_GT(server_->socket().queued_bytes(), bytes / 2);
  ASSERT_TRUE(run_until(loop_, [&] { return recorder_.messages.size() == 1'001; }));
  for (std::size_t i = 0; i < 1'000; ++i) ASSERT_TRUE(recorder_.messages[i].starts_with(fmt::format("{}:", i)));
  EXPECT_TRUE(run_until(loop_, [&] { return server_->drained >= 1; }));
  EXPECT_EQ(server_->socket().queued_bytes(), 0U);
}

TEST_F(WebSocketServerTest, OneMessageIsSharedByManyConnections) {
  std::vector<RawSocket> sockets;
  for (int i = 0; i < 20; ++i) sockets.push_back(open_raw());
  const auto message = shared(std::string(1'000, 'm'));
  for (WebSocketConnection* const socket : server_->sockets) socket->send(message);
  for (RawSocket& socket : sockets) {
    ASSERT_TRUE(run_until(loop_, [&] { return socket.received() == server_frame(0x81, *message); }));
  }
  EXPECT_TRUE(run_until(loop_, [&] { return message.use_count() == 1; }));
}

TEST_F(WebSocketServerTest, BytesOfAClientBehindItsRequestAreItsFirstMessages) {
  start();
  RawSocket socket = RawSocket::connect(server_->port());
  socket.send(upgrade_request() + client_frame(0x81, "one") + client_frame(0x81, "two"));
  EXPECT_TRUE(run_until(loop_, [&] { return server_->messages.size() == 2; }));
}

TEST_F(WebSocketServerTest, AnUpgradeIsRefusedWithTheHandlersAnswer) {
  start();
  server_->on_upgrade = [](const HttpRequest& request) {
    EXPECT_EQ(request.target, "/");
    Upgrade refused;
    refused.refusal = {.status = 429, .body = "slow down", .headers = {{"Retry-After", "7"}}};
    return refused;
  };
  client_->connect({.host = "127.0.0.1", .port = server_->port()});
  EXPECT_EQ(end().error.code, ErrorCode::kTooManyRequests);
  EXPECT_EQ(end().retry_after_s, 7);
  EXPECT_EQ(end().error.detail, "status 429: slow down");
}

TEST_F(WebSocketServerTest, AnUpgradeThatIsNeverAnsweredStaysOpenUntilTheClientGoes) {
  start();
  server_->on_upgrade = [](const HttpRequest&) {
    Upgrade silent;
    silent.never_answer = true;
    return silent;
  };
  RawSocket socket = RawSocket::connect(server_->port());
  socket.send(upgrade_request());
  run_for(loop_, 30);
  EXPECT_EQ(socket.received(), "");
  EXPECT_FALSE(socket.ended());
  socket.close();
  EXPECT_TRUE(run_until(loop_, [&] { return server_->server->idle(); }));
}

TEST_F(WebSocketServerTest, AnUpgradeWithoutItsHeadersIsRefused) {
  start();
  const auto answer = [&](std::string request, std::string_view cut, std::string_view with) {
    request.replace(request.find(cut), cut.size(), with);
    RawSocket socket = RawSocket::connect(server_->port());
    socket.send(request);
    EXPECT_TRUE(run_until(loop_, [&] { return socket.received().contains("\r\n\r\n"); }));
    return socket.received();
  };
  EXPECT_TRUE(answer(upgrade_request(), "Key: dGhl", "Key: dGh").starts_with("HTTP/1.1 400 "));
  EXPECT_TRUE(answer(upgrade_request(), "Version: 13", "Version: 8").contains("\r\nSec-WebSocket-Version: 13\r\n"));
  EXPECT_TRUE(answer(upgrade_request(), "Upgrade: websocket", "X: y").starts_with("HTTP/1.1 200 "));
}

TEST_F(WebSocketServerTest, ACloseComesBehindWhatWasSentBefore) {
  open();
  server_->socket().send(shared("last"));
  server_->socket().close(1'012, "restart");
  server_->socket().send(shared("never"));
  EXPECT_EQ(end().kind, Kind::kClosedByPeer);
  EXPECT_EQ(end().close_code, 1'012);
  EXPECT_EQ(recorder_.messages, std::vector<std::string>{"last"});
  expect_closed();
}

TEST_F(WebSocketServerTest, AClientThatDoesNotAnswerACloseIsNotWaitedForLong) {
  RawSocket socket = open_raw();
  server_->socket().close(1'000, {});
  expect_closed();
}

TEST_F(WebSocketServerTest, AnAbortIsAResetWithoutCloseFrame) {
  RawSocket socket = open_raw();
  server_->socket().abort();
  EXPECT_EQ(server_->closed, 0) << "it is told from the loop";
  expect_closed();
  EXPECT_TRUE(socket.was_reset());
  EXPECT_EQ(socket.received(), "");
}

TEST_F(WebSocketServerTest, TheClientsCloseIsAnsweredAndTold) {
  RawSocket socket = open_raw();
  socket.send(client_frame(0x88, "\x03\xe8"));
  ASSERT_TRUE(run_until(loop_, [&] { return socket.received() == server_frame(0x88, "\x03\xe8"); }));
  socket.end_sending();
  expect_closed();
}

TEST_F(WebSocketServerTest, TheClientsLossIsTold) {
  RawSocket first = open_raw();
  first.reset();
  expect_closed();
}

TEST_F(WebSocketServerTest, ViolationsOfAClientAreAnsweredWithTheirCloseCode) {
  options_.max_message_bytes = 1'000;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {client_frame(0x83, "x"), "\x03\xea"},                      // unknown opcode: 1002
      {server_frame(0x81, "x"), "\x03\xea"},                      // not masked: 1002
      {client_frame(0x09, "x"), "\x03\xea"},                      // a control frame in fragments: 1002
      {client_frame(0x81, "\xff"), "\x03\xef"},                   // no UTF-8: 1007
      {client_frame(0x81, std::string(1'001, 'x')), "\x03\xf1"},  // too large: 1009
      {client_frame(0x01, std::string(600, 'x')) + client_frame(0x80, std::string(600, 'x')), "\x03\xf1"},
  };
  for (const auto& [bytes, code] : cases) {
    RawSocket socket = open_raw();
    socket.send(bytes);
    ASSERT_TRUE(run_until(loop_, [&] { return socket.received().size() >= 4; }));
    EXPECT_EQ(socket.received().substr(0, 1) + socket.received().substr(2, 2), "\x88" + code);
    socket.end_sending();
    ASSERT_TRUE(run_until(loop_, [&] { return server_->server->idle(); }));
  }
  EXPECT_TRUE(server_->messages.empty());
}

TEST_F(WebSocketServerTest, RawBytesGoOutInTheirPlace) {
  RawSocket socket = open_raw();
  server_->socket().send(shared("a"));
  server_->socket().send_raw("\x83\x01?");
  server_->socket().send(shared("b"));
  const std::string expected = server_frame(0x81, "a") + "\x83\x01?" + server_frame(0x81, "b");
  EXPECT_TRUE(run_until(loop_, [&] { return socket.received() == expected; })) << socket.received();
}

TEST_F(WebSocketServerTest, RawBytesLetOurClientSeeABrokenPeer) {
  const std::vector<std::string> broken = {server_frame(0x83, "x"), server_frame(0x81, "\xc3\x28"),
                                           server_frame(0x81, std::string((std::size_t{4} << 20) + 1, 'x'))};
  for (const std::string& bytes : broken) {
    recorder_ = Recorder();
    open();
    server_->socket().send_raw(bytes);
    EXPECT_EQ(end().kind, Kind::kProtocolError);
  }
}

TEST_F(WebSocketServerTest, APausedConnectionAnswersNothing) {
  RawSocket socket = open_raw();
  socket.send(client_frame(0x81, "one"));
  ASSERT_TRUE(run_until(loop_, [&] { return server_->messages.size() == 1; }));
  ASSERT_TRUE(run_until(loop_, [&] { return !socket.received().empty(); }));
  socket.forget();
  server_->socket().pause_reading(true);
  for (int i = 0; i < 5; ++i) socket.send(client_frame(0x89, "") + client_frame(0x81, "two"));
  run_for(loop_, 20);
  EXPECT_EQ(server_->messages.size(), 1U);
  EXPECT_EQ(socket.received(), "");
  server_->socket().pause_reading(false);
  EXPECT_TRUE(run_until(loop_, [&] { return server_->messages.size() == 6; }));
  EXPECT_TRUE(run_until(loop_, [&] { return socket.received().contains("\x8a"); }));
}

TEST_F(WebSocketServerTest, PausedWhileAMessageIsOnItsWayItHoldsItBack) {
  start();
  server_->when_message = [&](WebSocketConnection& socket, std::string_view) {
    loop_.post([&] { socket.pause_reading(true); });
  };
  RawSocket socket = open_raw();
  socket.send(client_frame(0x81, "one") + client_frame(0x81, "two"));
  ASSERT_TRUE(run_until(loop_, [&] { return server_->messages.size() == 1; }));
  run_for(loop_, 3);
  ASSERT_EQ(server_->messages.size(), 1U);
  server_->socket().pause_reading(false);
  EXPECT_TRUE(run_until(loop_, [&] { return server_->messages.size() == 2; }));
}

TEST_F(WebSocketServerTest, APausedConnectionStillSends) {
  RawSocket socket = open_raw();
  server_->socket().pause_reading(true);
  server_->socket().send(shared("x"));
  EXPECT_TRUE(run_until(loop_, [&] { return socket.received() == server_frame(0x81, "x"); }));
}

TEST_F(WebSocketServerTest, AClientThatAnswersPingsStays) {
  options_.ping_interval_ms = 10;
  open();
  run_for(loop_, 100);
  EXPECT_TRUE(recorder_.open);
  EXPECT_EQ(server_->server->counts().timeouts, 0);
}

TEST_F(WebSocketServerTest, AClientThatDoesNotIsDropped) {
  options_.ping_interval_ms = 10;
  RawSocket socket = open_raw();
  expect_closed();
  EXPECT_EQ(socket.received(), server_frame(0x89, ""));
  EXPECT_EQ(server_->server->counts().timeouts, 1);
}

TEST_F(WebSocketServerTest, AClientThatTakesNothingIsDropped) {
  options_.write_timeout_ms = 40;
  RawSocket socket = open_raw(4'096);
  for (int i = 0; i < 32; ++i) server_->socket().send(shared(std::string(std::size_t{1} << 20, 'x')));
  EXPECT_EQ(server_->closed, 0);
  expect_closed();
  EXPECT_EQ(server_->server->counts().timeouts, 1);
}

TEST_F(WebSocketServerTest, AQueueBeyondItsBoundEndsTheConnection) {
  options_.max_queued_bytes = std::size_t{8} << 20;
  RawSocket socket = open_raw(4'096);
  const auto message = shared(std::string(std::size_t{1} << 20, 'x'));
  for (int i = 0; i < 100; ++i) server_->socket().send(message);
  EXPECT_LE(server_->socket().queued_bytes(), std::size_t{10} << 20);
  expect_closed();
  EXPECT_EQ(server_->server->counts().overflows, 1);
}

TEST_F(WebSocketServerTest, TheHandlerMayEndTheConnectionInEachCallback) {
  start();
  for (const bool hard : {false, true}) {
    const auto end_it = [hard](WebSocketConnection& socket) {
      socket.send(shared("x"));
      if (hard) return socket.abort();
      socket.close(1'000, "enough");
      socket.abort();
      socket.close(1'000, "enough");
    };
    server_->when_open = end_it;
    recorder_ = Recorder();
    client_->connect({.host = "127.0.0.1", .port = server_->port()});
    end();
    ASSERT_TRUE(run_until(loop_, [&] { return server_->server->idle(); }));

    server_->when_open = nullptr;
    server_->when_message = [&](WebSocketConnection& socket, std::string_view) { end_it(socket); };
    recorder_ = Recorder();
    open();
    client_->send("go");
    end();
    ASSERT_TRUE(run_until(loop_, [&] { return server_->server->idle(); }));
    server_->when_message = nullptr;
  }
  EXPECT_EQ(server_->closed, 4);
}

TEST_F(WebSocketServerTest, TheServersEndIsToldToItsWebSockets) {
  open();
  client_->send("under way");
  server_->server.reset();
  EXPECT_EQ(server_->closed, 1);
  EXPECT_EQ(end().kind, Kind::kLost);
  run_for(loop_, 5);
  EXPECT_EQ(server_->closed, 1);
}

TEST_F(WebSocketServerTest, AShutDownWhileAnUpgradeIsBeingAnsweredClosesAfterIt) {
  struct Silent final : WebSocketHandler {
    void on_open(WebSocketConnection& /*connection*/) override { ADD_FAILURE(); }
    void on_message(std::string_view /*message*/) override {}
    void on_drained() override {}
    void on_close() override { ADD_FAILURE(); }
  };
  start();
  server_->on_upgrade = [&](const HttpRequest& /*request*/) {
    loop_.post([&] { server_->server->shut_down(10'000); });
    Upgrade upgrade;
    upgrade.handler = std::make_unique<Silent>();
    return upgrade;
  };
  client_->connect({.host = "127.0.0.1", .port = server_->port()});
  EXPECT_EQ(end().close_code, 1'001);
  EXPECT_TRUE(run_until(loop_, [&] { return server_->server->idle(); }));
}

TEST_F(WebSocketServerTest, EverythingWorksOverTls) {
  const auto certificate = certificate_for("localhost");
  options_.tls = server_tls(certificate);
  start();
  client_->connect({.host = "localhost", .port = server_->port(), .tls = client_tls(certificate)});
  ASSERT_TRUE(run_until(loop_, [&] { return recorder_.open; }));
  std::size_t bytes = 0;
  for (int i = 0; i < 300; ++i) {
    server_->socket().send(shared(std::string(static_cast<std::size_t>(i) * 97, 'x')));
    bytes += static_cast<std::size_t>(i) * 97;
  }
  client_->send("up");
  client_->ping();
  ASSERT_TRUE(run_until(loop_, [&] { return recorder_.messages.size() == 301 && recorder_.pongs == 1; }));
  EXPECT_EQ(recorder_.bytes, bytes + 2);
  server_->socket().close(1'001, "bye");
  EXPECT_EQ(end().close_code, 1'001);
  expect_closed();
}

}  // namespace
}  // namespace finpipe::net
