// The topics that finpipe needs, declared in one table (kafka_topics.cpp), made and checked.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "logs/kafka/kafka_log.h"

namespace finpipe {

struct KafkaTopics {
  std::int32_t partitions = 0;  // of ticks and bars; to be checked on topics that are there. 0: what is there, else 6
  std::int32_t replicas = 0;    // of new topics; 0: 3, or as many as there are brokers
  std::int64_t ticks_days = 7;  // how long new topics keep records; 0: for ever
  std::int64_t bars_days = 7;   //
  std::int64_t letters_days = 90;  //
};

// Makes topics that are missing, checks those that are there, and gives the log its id. Returns what was done and
// found, a line each; doing it again changes nothing. Errors: those of KafkaLog::open, kPartitionCountChanged,
// kTopicSettings (a topic that loses records by compaction, or that one replica alone may acknowledge), and
// kLogPermission.
[[nodiscard]] Result<std::vector<std::string>> create_kafka_topics(const KafkaOptions& options,
                                                                   const KafkaTopics& topics);

// Begins every empty partition of PREFIX.ticks with a record that states the log id: the one that other partitions
// have, else a new one. Returns the number of partitions that were begun. Errors: those of KafkaLog::open.
[[nodiscard]] Result<std::int32_t> begin_kafka_log(const KafkaOptions& options);

}  // namespace finpipe
