// The server that these tests run on: FINPIPE_KAFKA=host:port names it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "logs/kafka/kafka_log.h"

namespace finpipe::kafka_test {

[[nodiscard]] KafkaOptions server();
// Of a log whose topics nobody else has, created.
[[nodiscard]] KafkaOptions new_log(std::int32_t partitions);

void create_topic(const KafkaOptions& options, const std::string& name, std::int32_t partitions,
                  const std::map<std::string, std::string>& configuration);
void delete_topic(const KafkaOptions& options, const std::string& name);
// Transactions of one record each, all begun before the first commits.
void write_transactions(const KafkaOptions& options, const std::string& topic, const std::vector<std::string>& values);
// As retention does.
void delete_records_below(const KafkaOptions& options, const std::string& topic, std::int32_t partition,
                          std::int64_t offset);

}  // namespace finpipe::kafka_test
