#include "logs/kafka/errors.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

namespace finpipe::kafka {
namespace {

ErrorCode code(int librdkafkas, const std::string& reason = "", int certificate = 0) {
  return error_of({librdkafkas, reason, certificate}, "topic t").code;
}

TEST(KafkaErrors, EachCauseHasACodeOfItsOwn) {
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__TRANSPORT), ErrorCode::kBrokerUnreachable);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__AUTHENTICATION), ErrorCode::kLogLogin);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), ErrorCode::kLogPermission);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED), ErrorCode::kGroupPermission);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED), ErrorCode::kLogPermission);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), ErrorCode::kTopicMissing);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET), ErrorCode::kOffsetOutOfRange);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID), ErrorCode::kGroupRefused);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE), ErrorCode::kLogRefused);
}

TEST(KafkaErrors, ACertificateIsRefusedForWhatIsWrongWithIt) {
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__SSL, "SSL handshake failed", 10), ErrorCode::kTlsExpired);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__SSL, "SSL handshake failed", 18), ErrorCode::kTlsSelfSigned);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__SSL, "SSL handshake failed", 20), ErrorCode::kTlsUnknownCa);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__SSL, "SSL handshake failed", 62), ErrorCode::kTlsWrongHost);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__SSL, "SSL handshake failed", 64), ErrorCode::kTlsWrongHost);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__SSL, "wrong version number"), ErrorCode::kTlsFailed);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__SSL, "tlsv13 alert certificate required"), ErrorCode::kBadCertificate);
}

TEST(KafkaErrors, WhatWasTriedAndWhyIsTold) {
  EXPECT_EQ(error_of({RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed"}, "topic t").detail,
            "topic t: Topic authorization failed");
}

TEST(KafkaErrors, AScramLoginThatThisLibraryCannotDoIsExplained) {
  const Failure failure{RD_KAFKA_RESP_ERR__AUTHENTICATION, "invalid credentials"};
  const bool explained = error_of(failure, "", "SCRAM-SHA-512").detail.find("Kafka 4") != std::string::npos;
  EXPECT_EQ(explained, rd_kafka_version() < 0x020601ff);
  EXPECT_EQ(error_of(failure, "", "PLAIN").detail.find("Kafka 4"), std::string::npos);
}

TEST(KafkaErrors, AUserThatKafkaDoesNotKnowIsNoBadPassword) {
  Failure failure{RD_KAFKA_RESP_ERR__AUTHENTICATION, "invalid credentials"};
  EXPECT_EQ(error_of(failure, "", "SCRAM-SHA-512").code, ErrorCode::kLogLogin);
  failure.user_unknown = true;
  const Error error = error_of(failure, "", "SCRAM-SHA-512");
  EXPECT_EQ(error.code, ErrorCode::kLogUserUnknown);
  EXPECT_EQ(error.detail, "invalid credentials");
}

TEST(KafkaErrors, AMethodThatTheBrokerDoesNotHaveIsNoBadPassword) {
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__AUTHENTICATION,
                 "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL "
                 "mechanism: mechanism not supported"),
            ErrorCode::kLogLoginMethod);
}

TEST(KafkaErrors, AnotherProtocolIsNamed) {
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__SSL,
                 "SSL handshake failed: wrong version number: connecting to a PLAINTEXT broker listener?"),
            ErrorCode::kLogProtocol);
  EXPECT_EQ(
      code(RD_KAFKA_RESP_ERR__SSL, "SSL handshake failed: error:0A000126:SSL routines::unexpected eof while reading"),
      ErrorCode::kLogProtocol);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__AUTHENTICATION,
                 "SASL PLAIN mechanism handshake failed: Broker: Request is not valid given the current SASL state: "
                 "broker's supported mechanisms: "),
            ErrorCode::kLogProtocol);
  EXPECT_EQ(code(RD_KAFKA_RESP_ERR__TRANSPORT,
                 "Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol "
                 "configuration (connecting to a SSL listener?) or broker version is < 0.10"),
            ErrorCode::kLogProtocol);
}

TEST(KafkaErrors, AConnectionThatEndsInALoginIsNoRefusal) {
  EXPECT_FALSE(is_refusal({RD_KAFKA_RESP_ERR__AUTHENTICATION,
                           "SASL PLAIN mechanism handshake failed: Local: Broker transport failure: broker's supported "
                           "mechanisms: (n/a)"}));
}

TEST(KafkaErrors, OnlyAnAnswerIsARefusal) {
  EXPECT_TRUE(is_refusal({RD_KAFKA_RESP_ERR__SSL, "x"}));
  EXPECT_TRUE(is_refusal({RD_KAFKA_RESP_ERR__AUTHENTICATION, "x"}));
  EXPECT_FALSE(is_refusal({RD_KAFKA_RESP_ERR__TRANSPORT, "Connection refused"}));
  EXPECT_FALSE(is_refusal({RD_KAFKA_RESP_ERR__RESOLVE, "x"}));
}

}  // namespace
}  // namespace finpipe::kafka
