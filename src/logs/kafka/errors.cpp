#include "logs/kafka/errors.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <optional>
#include <utility>

namespace finpipe::kafka {
namespace {

constexpr int kNewestScramThatFails = 0x020600ff;  // librdkafka 2.6.0

// OpenSSL's numbers, openssl/x509_vfy.h.
ErrorCode code_of_certificate(int x509) {
  switch (x509) {
    case 2:   // unable to get issuer certificate
    case 19:  // self-signed certificate in chain
    case 20:  // unable to get local issuer certificate
    case 21: return ErrorCode::kTlsUnknownCa;
    case 18: return ErrorCode::kTlsSelfSigned;
    case 9:  // not yet valid
    case 10: return ErrorCode::kTlsExpired;
    case 62:  // host name mismatch
    case 64: return ErrorCode::kTlsWrongHost;
    default: return ErrorCode::kTlsFailed;
  }
}

// The server says by a TLS alert that it does not take our certificate.
bool refuses_our_certificate(std::string_view reason) {
  for (const std::string_view alert :
       {"alert certificate required", "alert bad certificate", "alert unknown ca", "alert certificate expired",
        "alert certificate unknown", "alert handshake failure", "client SSL authentication might be required"}) {
    if (reason.find(alert) != std::string_view::npos) return true;
  }
  return false;
}

// A plaintext listener that is spoken TLS to, one without logins that is asked for one, or a TLS listener that is
// spoken plaintext to: what the broker does is to hang up, so this is a guess, of librdkafka's or ours.
bool is_other_protocol(std::string_view reason) {
  for (const std::string_view sign :
       {"connecting to a PLAINTEXT broker listener", "SSL routines::unexpected eof", "current SASL state",
        "incorrect security.protocol", "security.protocol is correctly configured"}) {
    if (reason.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

ErrorCode code_of(int code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: return ErrorCode::kLogPermission;
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED: return ErrorCode::kGroupPermission;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION: return ErrorCode::kTopicMissing;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: return ErrorCode::kOffsetOutOfRange;
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_INVALID_GROUP_ID:
    case RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_GROUP_MAX_SIZE_REACHED: return ErrorCode::kGroupRefused;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED: return ErrorCode::kLogLogin;
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM: return ErrorCode::kLogLoginMethod;
    case RD_KAFKA_RESP_ERR__BAD_MSG: return ErrorCode::kCorrupt;
    default: return is_passing(code) ? ErrorCode::kBrokerUnreachable : ErrorCode::kLogRefused;
  }
}

}  // namespace

bool is_refusal(const Failure& failure) {
  // The connection ended in the middle of a login.
  if (failure.code == RD_KAFKA_RESP_ERR__AUTHENTICATION && failure.reason.find("failed: Local:") != std::string::npos)
    return false;
  return failure.certificate != 0 || failure.code == RD_KAFKA_RESP_ERR__SSL ||
         failure.code == RD_KAFKA_RESP_ERR__AUTHENTICATION || refuses_our_certificate(failure.reason);
}

bool is_passing(int code) {
  switch (code) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR__WAIT_CACHE:
    case RD_KAFKA_RESP_ERR__IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR__RETRY:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
    case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
    case RD_KAFKA_RESP_ERR_NOT_CONTROLLER:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
    case RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH:
    case RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE: return true;
    default: return false;
  }
}

Error error_of(const Failure& failure, std::string_view what, std::string_view mechanism) {
  std::string detail(what);
  if (!failure.reason.empty()) detail += (detail.empty() ? "" : ": ") + failure.reason;
  if (failure.certificate != 0) return {code_of_certificate(failure.certificate), std::move(detail)};
  if (refuses_our_certificate(failure.reason)) return {ErrorCode::kBadCertificate, std::move(detail)};
  if (is_other_protocol(failure.reason)) return {ErrorCode::kLogProtocol, std::move(detail)};
  if (failure.code == RD_KAFKA_RESP_ERR__SSL) return {ErrorCode::kTlsFailed, std::move(detail)};
  ErrorCode code = code_of(failure.code);
  if (code == ErrorCode::kLogLogin) {
    if (failure.user_unknown) return {ErrorCode::kLogUserUnknown, std::move(detail)};
    if (failure.reason.find("mechanism") != std::string::npos &&
        failure.reason.find("not supported") != std::string::npos)
      code = ErrorCode::kLogLoginMethod;
    if (mechanism.starts_with("SCRAM") && rd_kafka_version() <= kNewestScramThatFails) {
      detail += fmt::format(
          "; librdkafka {} cannot log in by SCRAM to Kafka 4, whatever the password: use PLAIN over TLS there, or "
          "librdkafka 2.6.1",
          rd_kafka_version_str());
    }
  }
  return {code, std::move(detail)};
}

}  // namespace finpipe::kafka
