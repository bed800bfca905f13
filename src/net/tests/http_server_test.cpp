#include "net/http_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "net/tests/support.h"

namespace finpipe::net {
namespace {

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

class HttpServerTest : public testing::Test {
 protected:
  EventLoop loop_;
  HttpServerOptions options_;
  std::unique_ptr<TestServer> server_;

  void start() { server_ = std::make_unique<TestServer>(loop_, options_); }
  RawSocket connect(int receive_buffer = 0) {
    if (!server_) start();
    return RawSocket::connect(server_->port(), receive_buffer);
  }
  bool receives(RawSocket& client, std::string_view text) {
    const bool found = run_until(loop_, [&] { return client.received().contains(text) || client.ended(); });
    EXPECT_TRUE(client.received().contains(text)) << client.received();
    return found;
  }
  // What the server says to these bytes before it ends the connection.
  std::string last_answer(std::string_view bytes) {
    RawSocket client = connect();
    client.send(bytes);
    EXPECT_TRUE(run_until(loop_, [&] { return client.ended(); }));
    return client.received();
  }
  void expect_served() {
    RawSocket client = connect();
    client.send(kGet);
    EXPECT_TRUE(receives(client, "GET /a "));
  }
};

TEST_F(HttpServerTest, AnswersWithWhatTheHandlerSaysAndTheHousesHeaders) {
  start();
  server_->on_request = [](const HttpRequest& request) {
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/a?b=c");
    EXPECT_EQ(request.body, "body");
    EXPECT_EQ(request.header("x-tOkEn"), "1");
    EXPECT_EQ(request.header("X-Other"), "");
    EXPECT_EQ(request.remote, "127.0.0.1");
    EXPECT_FALSE(request.tls);
    return HttpResponse{.status = 404, .body = "{}", .headers = {{"X-A", "b\r\nX-Forged: c"}}};
  };
  RawSocket client = connect();
  client.send("POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Token: 1\r\nContent-Length: 4\r\n\r\nbody");
  ASSERT_TRUE(receives(client, "\r\n\r\n{}"));
  const std::string& text = client.received();
  EXPECT_TRUE(text.starts_with("HTTP/1.1 404 Not Found\r\nDate: ")) << text;
  for (const auto* line : {"Content-Type: application/json", "Content-Length: 2", "X-Content-Type-Options: nosniff",
                           "X-A: b  X-Forged: c", "Connection: keep-alive"}) {
    EXPECT_TRUE(text.contains(fmt::format("\r\n{}\r\n", line))) << line;
  }
}

TEST_F(HttpServerTest, ServesTextThatIsNotCopied) {
  static const std::string page(300'000, 'p');
  start();
  server_->on_request = [](const HttpRequest&) { return HttpResponse{.static_body = page}; };
  RawSocket client = connect();
  client.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return client.received().size() > page.size(); }));
  EXPECT_TRUE(client.received().ends_with(page));
}

TEST_F(HttpServerTest, HeadIsGetWithoutTheBody) {
  RawSocket client = connect();
  client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(receives(client, "Content-Length: 7\r\n"));
  EXPECT_EQ(server_->requests, std::vector<std::string>{"GET /a "});
  client.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return count_of(client.received(), "HTTP/1.1 200 OK\r\n") == 2; }));
  ASSERT_TRUE(receives(client, "GET /a "));
  EXPECT_EQ(count_of(client.received(), "GET /a "), 1U);
}

TEST_F(HttpServerTest, StatusesWithoutBodyHaveNone) {
  start();
  server_->on_request = [](const HttpRequest&) { return HttpResponse{.status = 304, .body = "no"}; };
  RawSocket client = connect();
  client.send(kGet);
  ASSERT_TRUE(receives(client, "\r\n\r\n"));
  EXPECT_FALSE(client.received().contains("Content-Length"));
  EXPECT_TRUE(client.received().ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, AConnectionServesManyRequests) {
  RawSocket client = connect();
  for (int i = 0; i < 5; ++i) {
    client.forget();
    client.send(kGet);
    ASSERT_TRUE(receives(client, "GET /a "));
  }
  EXPECT_EQ(server_->server->counts().requests, 5);
  EXPECT_EQ(server_->server->counts().accepted, 1);
}

TEST_F(HttpServerTest, PipelinedRequestsAreAnsweredInOrder) {
  RawSocket client = connect();
  std::string bytes;
  for (int i = 0; i < 500; ++i) bytes += fmt::format("POST /{} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", i);
  client.send(bytes);
  ASSERT_TRUE(receives(client, "POST /499 abc"));
  for (std::size_t i = 0; i < 500; ++i) ASSERT_EQ(server_->requests[i], fmt::format("POST /{} abc", i));
}

TEST_F(HttpServerTest, RequestsArriveWholeHoweverTheyAreCut) {
  RawSocket client = connect();
  const std::string bytes =
      "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  for (const char c : bytes) {
    client.send({&c, 1});
    loop_.run_some(1);
  }
  EXPECT_TRUE(receives(client, "POST /a abcde"));
}

TEST_F(HttpServerTest, TheConnectionEndsWhenEitherSideWantsIt) {
  EXPECT_TRUE(last_answer("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").contains("Connection: close\r\n"));
  EXPECT_TRUE(last_answer("GET /a HTTP/1.0\r\n\r\n").contains("Connection: close\r\n"));
  server_->on_request = [](const HttpRequest&) { return HttpResponse{.body = "bye", .close = true}; };
  EXPECT_TRUE(last_answer(kGet).ends_with("bye"));
}

TEST_F(HttpServerTest, AClientThatEndsSendingStillGetsItsAnswer) {
  RawSocket client = connect();
  client.send(kGet);
  client.end_sending();
  EXPECT_TRUE(receives(client, "GET /a "));
}

TEST_F(HttpServerTest, ExpectedContinueIsAnsweredBeforeTheBody) {
  RawSocket client = connect();
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  ASSERT_TRUE(receives(client, "HTTP/1.1 100 Continue\r\n\r\n"));
  client.send("body");
  EXPECT_TRUE(receives(client, "POST /a body"));
}

TEST_F(HttpServerTest, ExpectationsThatCannotBeMetAreRefused) {
  EXPECT_TRUE(last_answer("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n\r\n")
                  .starts_with("HTTP/1.1 413 "));
  EXPECT_TRUE(last_answer("GET /a HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n").starts_with("HTTP/1.1 417 "));
}

TEST_F(HttpServerTest, WhatIsMalformedOrTooLargeIsRefusedWithItsStatus) {
  options_.max_header_bytes = 1'000;
  options_.max_body_bytes = 1'000;
  const std::string post = "POST /a HTTP/1.1\r\nHost: x\r\n";
  const std::vector<std::pair<std::string, int>> cases = {
      {"\r\n\r\nnonsense\r\n\r\n", 400},
      {"GET /a\r\n\r\n", 400},
      {"GET /a HTTP/1.1\r\n\r\n", 400},
      {"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
      {"GET /a HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400},
      {"GET /a HTTP/1.1\r\nHost : x\r\n\r\n", 400},
      {"GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /a HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"\x16\x03\x01\x02\x01\x03\x03", 400},
      {"GET /" + std::string(2'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 431},
      {"GET /a HTTP/1.1\r\nX: " + std::string(2'000, 'a') + "\r\n\r\n", 431},
      {"GET /a HTTP/1.1\r\nX: " + std::string(2'000, 'a'), 431},
      {post + "Content-Length: 1001\r\n\r\n", 413},
      {post + "Content-Length: 99999999999999999999999\r\n\r\n", 400},
      {post + "Content-Length: -1\r\n\r\n", 400},
      {post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1'001, 'x') + "\r\n0\r\n\r\n", 413},
  };
  for (const auto& [bytes, status] : cases) {
    const std::string answer = last_answer(bytes);
    EXPECT_TRUE(answer.starts_with(fmt::format("HTTP/1.1 {} ", status))) << bytes.substr(0, 60) << "\n" << answer;
    EXPECT_TRUE(answer.contains(R"({"error":{"code":"E100",)")) << answer;
  }
  EXPECT_EQ(server_->server->counts().bad_requests, static_cast<std::int64_t>(cases.size()));
  EXPECT_TRUE(server_->requests.empty());
  expect_served();
}

TEST_F(HttpServerTest, AClientThatIsStillSendingGetsTheRefusal) {
  RawSocket client = connect();
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + std::string(200'000, 'x'));
  ASSERT_TRUE(receives(client, "HTTP/1.1 413 "));
  client.send(std::string(100'000, 'x'));
  client.end_sending();
  ASSERT_TRUE(run_until(loop_, [&] { return client.ended(); }));
  EXPECT_FALSE(client.was_reset());
}

TEST_F(HttpServerTest, ChunkExtensionsWithoutEndAreRefused) {
  options_.max_header_bytes = 1'000;
  const std::string answer =
      last_answer("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(60'000, 'e'));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 4")) << answer;
}

TEST_F(HttpServerTest, ASlowLorisIsAnswered408AndDropped) {
  options_.request_timeout_ms = 60;
  RawSocket client = connect();
  Stopwatch watch;
  const std::string bytes = "GET /a HTTP/1.1\r\nHost: x\r\nX-A: " + std::string(10'000, 'a');
  std::size_t sent = 0;
  ASSERT_TRUE(run_until(loop_, [&] {
    if (!client.ended()) client.send(bytes.substr(sent++, 1));
    return client.ended();
  }));
  EXPECT_TRUE(client.received().starts_with("HTTP/1.1 408 ")) << client.received();
  EXPECT_GE(watch.elapsed_ms(), 59);
  EXPECT_EQ(server_->server->counts().timeouts, 1);
}

TEST_F(HttpServerTest, ASilentConnectionIsDroppedAsWell) {
  options_.request_timeout_ms = 20;
  RawSocket client = connect();
  Stopwatch watch;
  EXPECT_TRUE(run_until(loop_, [&] { return client.ended(); }));
  client.close();
  EXPECT_TRUE(run_until(loop_, [&] { return server_->server->idle(); }));
  EXPECT_LT(watch.elapsed_ms(), 1'500) << "the client's end was not noticed";
}

TEST_F(HttpServerTest, TheTimeOfARequestBeginsWithItsFirstByte) {
  options_.request_timeout_ms = 100;
  RawSocket client = connect();
  client.send(kGet);
  ASSERT_TRUE(receives(client, "GET /a "));
  run_for(loop_, 130);
  client.forget();
  client.send(kGet);
  EXPECT_TRUE(receives(client, "GET /a "));
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  options_.idle_timeout_ms = 20;
  RawSocket client = connect();
  client.send(kGet);
  ASSERT_TRUE(receives(client, "GET /a "));
  client.forget();
  ASSERT_TRUE(run_until(loop_, [&] { return client.ended(); }));
  EXPECT_EQ(client.received(), "");
  EXPECT_EQ(server_->server->counts().timeouts, 1);
}

TEST_F(HttpServerTest, AClientThatReadsNothingIsDropped) {
  options_.write_timeout_ms = 40;
  start();
  server_->on_request = [](const HttpRequest&) {
    return HttpResponse{.body = std::string(std::size_t{32} << 20, 'x')};
  };
  RawSocket client = connect(4'096);
  client.send(kGet);
  ASSERT_TRUE(run_until(loop_, [&] { return server_->server->counts().timeouts == 1; }));
  EXPECT_TRUE(server_->server->idle());
}

TEST_F(HttpServerTest, AClientThatReadsSlowlyIsNot) {
  options_.write_timeout_ms = 500;
  constexpr std::size_t kBytes = std::size_t{32} << 20;
  start();
  server_->on_request = [](const HttpRequest&) { return HttpResponse{.body = std::string(kBytes, 'x')}; };
  RawSocket client = connect();
  client.send(kGet);
  // A little every 100 ms, until it has taken longer than the timeout; then the rest.
  for (int i = 0; i < 16; ++i) {
    run_for(loop_, 100);
    client.receive_some(std::size_t{1} << 20);
  }
  ASSERT_TRUE(run_until(loop_, [&] { return client.received().size() > kBytes || client.ended(); }));
  EXPECT_FALSE(client.ended());
  EXPECT_EQ(server_->server->counts().timeouts, 0);
}

TEST_F(HttpServerTest, ANewConnectionDisplacesTheLongestIdleOne) {
  options_.max_connections = 3;
  RawSocket first = connect();
  first.send(kGet);
  ASSERT_TRUE(receives(first, "GET /a "));
  RawSocket second = connect();
  second.send(kGet);
  ASSERT_TRUE(receives(second, "GET /a "));
  first.send(kGet);  // now the second is the one that has been idle longest
  ASSERT_TRUE(run_until(loop_, [&] { return server_->requests.size() == 3; }));
  RawSocket third = connect();
  third.send(kGet);
  ASSERT_TRUE(receives(third, "GET /a "));

  RawSocket fourth = connect();
  fourth.send(kGet);
  ASSERT_TRUE(receives(fourth, "GET /a "));
  ASSERT_TRUE(run_until(loop_, [&] { return second.ended(); }));
  EXPECT_FALSE(first.ended());
  EXPECT_EQ(server_->server->counts().shed, 1);
  EXPECT_EQ(server_->server->counts().open, 3);
}

TEST_F(HttpServerTest, WebSocketsAreNotDisplacedButNewConnectionsRefused) {
  options_.max_connections = 2;
  RawSocket first = connect();
  RawSocket second = connect();
  first.send(upgrade_request());
  second.send(upgrade_request());
  ASSERT_TRUE(receives(first, "101"));
  ASSERT_TRUE(receives(second, "101"));
  RawSocket third = connect();
  ASSERT_TRUE(run_until(loop_, [&] { return third.ended(); }));
  EXPECT_EQ(server_->server->counts().shed, 1);
  EXPECT_FALSE(first.ended());
  EXPECT_FALSE(second.ended());
}

TEST_F(HttpServerTest, TwoThousandIdleConnectionsTakeNothingFromAGoodClient) {
  options_.max_connections = 500;
  std::vector<RawSocket> idle;
  RawSocket good = connect();
  for (int i = 0; i < 2'000; ++i) {
    idle.push_back(connect());
    if (i % 2 == 0) idle.back().send("GET /slow HTTP/1.1\r\nX-");
    if (i % 100 != 0) continue;
    loop_.run_some(0);
    good = connect();
    good.send(kGet);
    ASSERT_TRUE(receives(good, "GET /a "));
  }
  ASSERT_TRUE(run_until(loop_, [&] { return server_->server->counts().accepted == 2'021; }));
  expect_served();
  EXPECT_EQ(server_->server->counts().open, 500);
  EXPECT_GE(server_->server->counts().shed, 1'500);
}

// Lowers the number of descriptors that this process may have, for a while.
class FewDescriptors {
 public:
  explicit FewDescriptors(rlim_t count) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    few.rlim_cur = count;
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;

 private:
  rlimit before_{};
};

TEST_F(HttpServerTest, WithoutDescriptorsItRefusesAndGoesOnAfterwards) {
  start();
  RawSocket socket = connect();
  socket.send(upgrade_request());
  ASSERT_TRUE(receives(socket, "101"));
  std::vector<RawSocket> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(RawSocket::connect(server_->port()));
  {
    const FewDescriptors few(3);  // fewer than are open: none can be accepted
    std::size_t handlers = 0;
    Stopwatch watch;
    while (watch.elapsed_ms() < 200) handlers += loop_.run_some(10);
    EXPECT_LT(handlers, 50U) << "the listener spins";
  }
  clients.clear();
  expect_served();
  EXPECT_FALSE(socket.ended()) << "an open WebSocket has been given up";
}

TEST_F(HttpServerTest, WithoutDescriptorsIdleConnectionsMakeRoom) {
  start();
  std::vector<RawSocket> idle;
  for (int i = 0; i < 4; ++i) idle.push_back(connect());
  ASSERT_TRUE(run_until(loop_, [&] { return server_->server->counts().open == 4; }));
  RawSocket client = connect();
  const int spare = ::dup(0);  // the lowest descriptor that is free
  ::close(spare);
  const FewDescriptors few(static_cast<rlim_t>(spare));
  client.send(kGet);
  ASSERT_TRUE(receives(client, "GET /a "));
  EXPECT_TRUE(run_until(loop_, [&] { return idle[0].ended(); }));
  EXPECT_GE(server_->server->counts().shed, 1);
}

TEST_F(HttpServerTest, ShuttingDownEndsWhatIsIdleAndFinishesWhatIsUnderWay) {
  RawSocket idle = connect();
  idle.send(kGet);
  ASSERT_TRUE(receives(idle, "GET /a "));
  RawSocket socket = connect();
  socket.send(upgrade_request());
  ASSERT_TRUE(receives(socket, "101"));
  socket.forget();
  RawSocket busy = connect();
  busy.send(kGet.substr(0, 10));
  run_for(loop_, 10);

  server_->server->shut_down(10'000);
  ASSERT_TRUE(run_until(loop_, [&] { return idle.ended(); }));
  ASSERT_TRUE(run_until(loop_, [&] { return socket.received().size() > 4; }));
  EXPECT_EQ(socket.received().substr(2, 2), "\x03\xe9");  // 1001
  socket.send(client_frame(0x88, "\x03\xe9"));
  socket.end_sending();
  EXPECT_FALSE(server_->server->idle());
  busy.send(kGet.substr(10));
  ASSERT_TRUE(receives(busy, "Connection: close"));
  busy.end_sending();
  EXPECT_TRUE(run_until(loop_, [&] { return server_->server->idle(); }));
}

TEST_F(HttpServerTest, ShuttingDownEndsByItsDeadline) {
  RawSocket busy = connect();
  busy.send(kGet.substr(0, 10));
  run_for(loop_, 10);
  server_->server->shut_down(20);
  EXPECT_TRUE(run_until(loop_, [&] { return server_->server->idle(); }));
}

TEST_F(HttpServerTest, AnAddressInUseOrNotOursCannotBeListenedOn) {
  start();
  options_.port = server_->port();
  const auto in_use = HttpServer::listen(loop_, options_, *server_);
  ASSERT_FALSE(in_use);
  EXPECT_EQ(in_use.error().code, ErrorCode::kListenFailed);
  EXPECT_TRUE(in_use.error().detail.starts_with(fmt::format("127.0.0.1:{}: ", options_.port)));
  for (const auto* address : {"192.0.2.1", "localhost", ""}) {
    options_.address = address;
    EXPECT_FALSE(HttpServer::listen(loop_, options_, *server_)) << address;
  }
}

TEST_F(HttpServerTest, ManyClientsOverTlsAreServed) {
  const auto certificate = certificate_for("127.0.0.1");
  options_.tls = server_tls(certificate);
  start();
  server_->on_request = [](const HttpRequest& request) {
    EXPECT_TRUE(request.tls);
    return HttpResponse{.body = std::string(100'000, 'x')};
  };
  int done = 0;
  for (int i = 0; i < 20; ++i) {
    http_request(loop_, {.host = "127.0.0.1", .port = server_->port(), .tls = client_tls(certificate)},
                 [&](Result<HttpClientResponse> response) {
                   ASSERT_TRUE(response) << response.error().message();
                   EXPECT_EQ(response->body.size(), 100'000U);
                   ++done;
                 });
  }
  EXPECT_TRUE(run_until(loop_, [&] { return done == 20; }));
}

TEST_F(HttpServerTest, AClientThatNeverShakesHandsIsDropped) {
  options_.tls = server_tls(certificate_for("127.0.0.1"));
  options_.request_timeout_ms = 20;
  RawSocket silent = connect();
  RawSocket wrong = connect();
  wrong.send(kGet);
  EXPECT_TRUE(run_until(loop_, [&] { return silent.ended() && wrong.ended() && server_->server->idle(); }));
}

}  // namespace
}  // namespace finpipe::net
