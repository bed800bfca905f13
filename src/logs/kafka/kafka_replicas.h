// How finpipe's topics are replicated just now, for people who look after the brokers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "logs/kafka/kafka_log.h"

namespace finpipe {

struct KafkaReplicas {
  struct Partition {
    std::string topic;
    std::int32_t partition = 0;
    std::int32_t leader = -1;                     // -1: none, so that it can neither be written nor read
    std::vector<std::int32_t> replicas, in_sync;  // ids of brokers
  };
  std::map<std::int32_t, std::string> brokers;  // that are up: address by id
  std::vector<Partition> partitions;            // of topics that the user may describe
};

// Errors: those of KafkaLog::open that concern all brokers.
[[nodiscard]] Result<KafkaReplicas> kafka_replicas(const KafkaOptions& options);

}  // namespace finpipe
