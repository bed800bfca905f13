#include "net/http_client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>

#include "net/tests/support.h"

namespace finpipe::net {
namespace {

class HttpClientTest : public testing::Test {
 protected:
  EventLoop loop_;
  RawServer server_;
  RawSocket peer_;
  std::optional<Result<HttpClientResponse>> result_;

  [[nodiscard]] HttpClientRequest request(std::string target = "/a?token=s3cr3t") const {
    return {.host = "127.0.0.1", .port = server_.port(), .target = std::move(target)};
  }
  void start(HttpClientRequest request) {
    http_request(loop_, std::move(request), [&](Result<HttpClientResponse> result) {
      EXPECT_FALSE(result_) << "it was told twice";
      result_ = std::move(result);
    });
  }
  std::string received(HttpClientRequest request) {
    start(std::move(request));
    EXPECT_TRUE(run_until(loop_, [&] { return server_.accept(peer_); }));
    EXPECT_TRUE(run_until(loop_, [&] { return peer_.received().contains("\r\n\r\n"); }));
    return peer_.received();
  }
  // What the client makes of this answer; `ends` when the connection ends behind it.
  Result<HttpClientResponse> result_of(std::string_view answer, bool ends) {
    received(request());
    peer_.send(answer);
    if (ends) peer_.end_sending();
    return result();
  }
  Result<HttpClientResponse> result() {
    EXPECT_TRUE(run_until(loop_, [&] { return result_.has_value(); }));
    EXPECT_TRUE(*result_ || !result_->error().message().contains("s3cr3t"));
    return *result_;
  }
};

TEST_F(HttpClientTest, AsksAndGetsTheAnswer) {
  TestServer server(loop_);
  server.on_request = [](const HttpRequest& asked) {
    EXPECT_EQ(asked.method, "POST");
    EXPECT_EQ(asked.target, "/a");
    EXPECT_EQ(asked.body, "body");
    EXPECT_EQ(asked.header("X-Finnhub-Token"), "t");
    return HttpResponse{.status = 403, .body = "no", .headers = {{"X-A", "b"}}};
  };
  start({.host = "127.0.0.1",
         .port = server.port(),
         .method = "POST",
         .target = "/a",
         .headers = {{"X-Finnhub-Token", "t"}},
         .body = "body"});
  const auto response = result();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 403);
  EXPECT_EQ(response->body, "no");
  EXPECT_EQ(std::ranges::count(response->headers, std::pair<std::string, std::string>("X-A", "b")), 1);
}

TEST_F(HttpClientTest, TheRequestIsProper) {
  EXPECT_EQ(received(request()), fmt::format("GET /a?token=s3cr3t HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: "
                                             "finpipe\r\nConnection: close\r\n\r\n",
                                             server_.port()));
}

TEST_F(HttpClientTest, AHeaderCannotForgeAnother) {
  auto forged = request();
  forged.headers = {{"X-A", "b\r\nX-Forged: c"}};
  EXPECT_TRUE(received(forged).contains("\r\nX-A: b  X-Forged: c\r\n"));
}

TEST_F(HttpClientTest, BodiesOfEveryKindAreRead) {
  const std::pair<std::string, bool> answers[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", false},
      {"HTTP/1.1 200 OK\r\n\r\nhello", true},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 200 OK\r\n\r\nhello", true},
  };
  for (const auto& [answer, ends] : answers) {
    result_.reset();
    const auto response = result_of(answer, ends);
    ASSERT_TRUE(response) << answer << response.error().message();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "hello");
  }
}

TEST_F(HttpClientTest, AnAnswerToHeadHasNoBody) {
  auto head = request();
  head.method = "HEAD";
  received(head);
  peer_.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_TRUE(result());
}

TEST_F(HttpClientTest, WhatIsCutShortIsALoss) {
  EXPECT_EQ(result_of("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", true).error().code,
            ErrorCode::kConnectionLost);
  result_.reset();
  EXPECT_EQ(result_of("HTTP/1.1 2", true).error().code, ErrorCode::kConnectionLost);
  result_.reset();
  EXPECT_EQ(result_of("", true).error().code, ErrorCode::kConnectionLost);
}

TEST_F(HttpClientTest, WhatIsNoHttpIsAProtocolError) {
  EXPECT_EQ(result_of("hello\r\n\r\n", false).error().code, ErrorCode::kProtocolError);
}

TEST_F(HttpClientTest, TooLargeABodyIsRefused) {
  auto small = request();
  small.max_body_bytes = 4;
  received(small);
  peer_.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_EQ(result().error().code, ErrorCode::kFrameTooLarge);
}

TEST_F(HttpClientTest, AHeadWithoutEndIsRefused) {
  EXPECT_EQ(result_of("HTTP/1.1 200 OK\r\nX: " + std::string(80'000, 'x'), false).error().code,
            ErrorCode::kProtocolError);
}

TEST_F(HttpClientTest, NoAnswerTimesOut) {
  auto hasty = request();
  hasty.timeout_ms = 30;
  received(hasty);
  EXPECT_EQ(result().error().code, ErrorCode::kTimedOut);
  EXPECT_TRUE(run_until(loop_, [&] { return peer_.ended(); }));
}

TEST_F(HttpClientTest, WhoIsNotThereCannotBeConnectedTo) {
  auto nobody = request();
  nobody.port = RawServer().port();
  start(nobody);
  EXPECT_EQ(result().error().code, ErrorCode::kConnectFailed);
  result_.reset();
  nobody.host = "no such host";
  start(nobody);
  EXPECT_EQ(result().error().code, ErrorCode::kNameNotFound);
}

TEST_F(HttpClientTest, VerifiesTheServer) {
  TestServer server(loop_, {.tls = server_tls(certificate_for("127.0.0.1"))});
  start({.host = "127.0.0.1", .port = server.port(), .tls = client_tls(certificate_for("127.0.0.1"))});
  EXPECT_EQ(result().error().code, ErrorCode::kTlsUnknownCa);
}

TEST(HttpClient, ALoopMayEndBeforeTheAnswer) {
  RawServer server;
  bool told = false;
  {
    EventLoop loop;
    http_request(loop, {.host = "127.0.0.1", .port = server.port()}, [&](auto) { told = true; });
    http_request(loop, {.host = "localhost", .port = server.port()}, [&](auto) { told = true; });
    loop.run_some(1);
  }
  EXPECT_FALSE(told);
}

}  // namespace
}  // namespace finpipe::net
