// A log on Kafka under the contract of tests/contract/log_contract.h.
#pragma once

#include <chrono>
#include <memory>

#include "log_contract.h"
#include "logs/kafka/kafka_log.h"

namespace finpipe::kafka_test {

// `reopens`: the log is opened anew after each write.
[[nodiscard]] std::unique_ptr<LogSubject> log_subject(const KafkaOptions& options, bool reopens,
                                                      std::chrono::milliseconds delay);

[[nodiscard]] std::unique_ptr<KafkaLog> open_log(const KafkaOptions& options);

}  // namespace finpipe::kafka_test
