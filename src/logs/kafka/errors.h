// What librdkafka says as errors of ours.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace finpipe::kafka {

// `code` is an rd_kafka_resp_err_t, `reason` what librdkafka says of it, `certificate` an X509_V_ERR of OpenSSL or 0,
// `user_unknown` that a login ended before the password came into play.
struct Failure {
  int code = 0;
  std::string reason;
  int certificate = 0;
  bool user_unknown = false;
};

// Whether the broker answered, and will not have us: waiting does not help.
[[nodiscard]] bool is_refusal(const Failure& failure);
// Whether trying again can help.
[[nodiscard]] bool is_passing(int code);
// `what`: what was tried, on which topic or group; may be empty. `mechanism`: of SASL.
[[nodiscard]] Error error_of(const Failure& failure, std::string_view what, std::string_view mechanism = {});

}  // namespace finpipe::kafka
