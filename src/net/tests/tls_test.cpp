#include "net/tls.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/time.h"
#include "net/certificate_end.h"
#include "net/tests/support.h"

namespace finpipe::net {
namespace {

// What becomes of a client that trusts `trusted` and connects as `host` to a server that shows `shown`.
struct Attempt {
  GeneratedCertificate shown = certificate_for("127.0.0.1");
  GeneratedCertificate trusted = shown;
  std::string host = "127.0.0.1";

  Recorder run() const {
    EventLoop loop;
    TestServer server(loop, {.tls = server_tls(shown)});
    Recorder recorder;
    WebSocketClient client(loop, recorder);
    client.connect({.host = host, .port = server.port(), .tls = client_tls(trusted)});
    EXPECT_TRUE(run_until(loop, [&] { return recorder.open || !recorder.ends.empty(); }));
    if (recorder.open) {
      client.send("over TLS");
      EXPECT_TRUE(run_until(loop, [&] { return !recorder.messages.empty(); }));
    }
    return recorder;
  }

  // The error of a connection that must not come about.
  Error refusal() const {
    const Recorder recorder = run();
    if (recorder.ends.empty()) return {ErrorCode::kUsage, "it connected"};
    EXPECT_EQ(recorder.ends.front().kind, ConnectionEnd::Kind::kNotConnected);
    EXPECT_FALSE(recorder.ends.front().was_open);
    return recorder.ends.front().error;
  }
};

TEST(Tls, ACertificateOfATrustedAuthorityForTheHostWorks) { EXPECT_EQ(Attempt().run().messages.at(0), "over TLS"); }

TEST(Tls, ACertificateForANameWorksUnderThatName) {
  const auto certificate = certificate_for("localhost");
  EXPECT_EQ((Attempt{.shown = certificate, .trusted = certificate, .host = "localhost"}).run().messages.size(), 1U);
}

TEST(Tls, AnotherHostIsRefused) {
  const auto certificate = certificate_for("ws.finnhub.io");
  EXPECT_EQ((Attempt{.shown = certificate, .trusted = certificate}).refusal().code, ErrorCode::kTlsWrongHost);
  EXPECT_EQ((Attempt{.shown = certificate, .trusted = certificate, .host = "localhost"}).refusal().code,
            ErrorCode::kTlsWrongHost);
}

TEST(Tls, AnotherAuthorityIsRefused) {
  EXPECT_EQ(Attempt{.trusted = certificate_for("127.0.0.1")}.refusal().code, ErrorCode::kTlsUnknownCa);
}

TEST(Tls, AnExpiredCertificateIsRefused) {
  const auto certificate = certificate_for("127.0.0.1", 0);
  EXPECT_EQ((Attempt{.shown = certificate, .trusted = certificate}).refusal().code, ErrorCode::kTlsExpired);
}

TEST(Tls, ASelfSignedCertificateIsRefused) {
  Attempt attempt{.trusted = certificate_for("localhost"), .host = "localhost"};
  attempt.shown = self_signed_certificate("localhost");
  EXPECT_EQ(attempt.refusal().code, ErrorCode::kTlsSelfSigned);
}

TEST(Tls, ASelfSignedCertificateThatIsTrustedWorks) {
  const auto certificate = self_signed_certificate("localhost");
  EXPECT_EQ((Attempt{.shown = certificate, .trusted = certificate, .host = "localhost"}).run().messages.size(), 1U);
}

TEST(Tls, TheSystemsAuthoritiesDoNotKnowOurs) {
  Attempt attempt;
  attempt.trusted.ca_pem.clear();
  EXPECT_EQ(attempt.refusal().code, ErrorCode::kTlsUnknownCa);
}

TEST(Tls, APortThatSpeaksNoTlsIsToldApart) {
  EventLoop loop;
  TestServer server(loop);
  Recorder recorder;
  WebSocketClient client(loop, recorder);
  client.connect({.host = "127.0.0.1", .port = server.port(), .tls = client_tls(certificate_for("127.0.0.1"))});
  ASSERT_TRUE(run_until(loop, [&] { return !recorder.ends.empty(); }));
  EXPECT_EQ(recorder.ends.front().error.code, ErrorCode::kTlsFailed);
}

class ClientCertificate : public testing::Test {
 protected:
  GeneratedCertificate server_certificate_ = certificate_for("127.0.0.1");
  GeneratedCertificate client_certificate_ = certificate_for("client");

  Recorder connect(const std::string& certificate_pem, const std::string& key_pem) {
    EventLoop loop;
    const auto server_context = TlsContext::server({.certificate_pem = server_certificate_.certificate_pem,
                                                    .key_pem = server_certificate_.key_pem,
                                                    .client_ca_pem = client_certificate_.ca_pem});
    const auto client_context = TlsContext::client(
        {.ca_pem = server_certificate_.ca_pem, .certificate_pem = certificate_pem, .key_pem = key_pem});
    EXPECT_TRUE(server_context && client_context);
    TestServer server(loop, {.tls = *server_context});
    Recorder recorder;
    WebSocketClient client(loop, recorder);
    client.connect({.host = "127.0.0.1", .port = server.port(), .tls = *client_context});
    EXPECT_TRUE(run_until(loop, [&] { return recorder.open || !recorder.ends.empty(); }));
    return recorder;
  }
};

TEST_F(ClientCertificate, IsAcceptedWhenItsAuthorityIs) {
  EXPECT_TRUE(connect(client_certificate_.certificate_pem, client_certificate_.key_pem).open);
}

TEST_F(ClientCertificate, IsMissed) {
  const Recorder recorder = connect({}, {});
  ASSERT_EQ(recorder.ends.size(), 1U);
  EXPECT_EQ(recorder.ends.front().kind, ConnectionEnd::Kind::kNotConnected);
  EXPECT_EQ(recorder.ends.front().error.code, ErrorCode::kTlsFailed);
}

TEST_F(ClientCertificate, OfAnotherAuthorityIsRefused) {
  const auto other = certificate_for("client");
  const Recorder recorder = connect(other.certificate_pem, other.key_pem);
  ASSERT_EQ(recorder.ends.size(), 1U);
  EXPECT_EQ(recorder.ends.front().error.code, ErrorCode::kTlsFailed);
}

// When a context's first certificate ends, in days from now, once it has tried to connect.
std::int64_t days_left(const std::shared_ptr<TlsContext>& context, const GeneratedCertificate& shown) {
  EventLoop loop;
  TestServer server(loop, {.tls = server_tls(shown)});
  Recorder recorder;
  WebSocketClient client(loop, recorder);
  client.connect({.host = "127.0.0.1", .port = server.port(), .tls = context});
  EXPECT_TRUE(run_until(loop, [&] { return recorder.open || !recorder.ends.empty(); }));
  constexpr std::int64_t kDayS = 86'400;
  const std::int64_t now_s = SystemClock().wall_ns() / kNsPerSecond;
  const std::int64_t left_s = context->not_after_s(now_s).value_or(0) - now_s;
  return floor_div(left_s + kDayS / 2, kDayS);
}

TEST(TlsContext, TellsWhenWhatItsServerShowedEnds) {
  const auto shown = certificate_for("127.0.0.1", 40);
  const auto system = *TlsContext::client({});
  EXPECT_EQ(system->not_after_s(0), std::nullopt);
  EXPECT_EQ(days_left(system, shown), 39) << "refused: nobody knows its authority";
  EXPECT_EQ(days_left(client_tls(shown), shown), 39);
  const auto expired = certificate_for("127.0.0.1", 0);
  EXPECT_EQ(days_left(client_tls(expired), expired), -1) << "refused: it has ended";
  EXPECT_EQ(days_left(system, certificate_for("127.0.0.1", 60)), 59) << "renewed";
  const std::int64_t later_s = SystemClock().wall_ns() / kNsPerSecond + 100 * std::int64_t{86'400};
  EXPECT_EQ(system->not_after_s(later_s), std::nullopt) << "another one may be there by then";
}

TEST(TlsContext, TellsWhenWhatItWasGivenEnds) {
  const auto shown = certificate_for("127.0.0.1", 40);
  const auto own = certificate_for("client", 20);
  const auto old = certificate_for("old", 10);
  const auto context = *TlsContext::client(
      {.ca_pem = old.ca_pem + shown.ca_pem, .certificate_pem = own.certificate_pem, .key_pem = own.key_pem});
  EXPECT_EQ(context->not_after_s(0), not_after_s_of_pem(own.certificate_pem));
  EXPECT_EQ(days_left(context, shown), 19) << "the old authority is not needed any more";
  EXPECT_EQ(not_after_s_of_pem("nothing"), std::nullopt);
  EXPECT_EQ(not_after_s_of_der("nothing"), std::nullopt);
  EXPECT_EQ(not_after_s_of_pem(shown.ca_pem + old.ca_pem), not_after_s_of_pem(old.ca_pem));
}

TEST(TlsContext, WhatIsNoPemIsNamed) {
  const auto good = certificate_for("a");
  const auto other = certificate_for("b");
  const auto failure = [](const auto& result) {
    EXPECT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kBadCertificate);
    return result.error().detail;
  };
  EXPECT_TRUE(failure(TlsContext::client({.ca_pem = "x"})).starts_with("auth"));
  EXPECT_TRUE(failure(TlsContext::client(
                          {.ca_pem = good.ca_pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}))
                  .starts_with("authority"));
  EXPECT_TRUE(failure(TlsContext::server({.certificate_pem = {}, .key_pem = good.key_pem})).starts_with("certificate"));
  EXPECT_TRUE(
      failure(TlsContext::server({.certificate_pem = good.certificate_pem, .key_pem = "x"})).starts_with("key"));
  EXPECT_TRUE(failure(TlsContext::server({.certificate_pem = good.certificate_pem, .key_pem = other.key_pem}))
                  .starts_with("key"));
  EXPECT_TRUE(failure(TlsContext::server(
                          {.certificate_pem = good.certificate_pem, .key_pem = good.key_pem, .client_ca_pem = "x"}))
                  .starts_with("clients' authority"));
}

TEST(TlsContext, ACertificateNeedsAName) {
  EXPECT_EQ(generate_certificate({}, 1).error().code, ErrorCode::kBadCertificate);
}

}  // namespace
}  // namespace finpipe::net
