// The topics that finpipe needs, declared in one table (kafka_topics.cpp), made and checked; and whether a group is
// idle, and may be joined.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "logs/kafka/kafka_log.h"

namespace finpipe {

struct KafkaTopics {
  std::int32_t partitions = 0;  // of ticks and bars; to be checked on topics that are there. 0: what is there, else 6
  // Of new topics. 0: 3, or 1 of a single broker; fewer than the addresses that are named, or two, are refused.
  std::int32_t replicas = 0;
  std::int64_t ticks_days = 7;  // how long new topics keep records; 0: for ever
  std::int64_t bars_days = 7;
  std::int64_t letters_days = 90;  //
};

// Makes topics that are missing, checks those that are there, and gives the log its id. Returns what was done and
// found, a line each; doing it again changes nothing. Errors: those of KafkaLog::open and begin_kafka_log,
// kPartitionCountChanged, kTopicSettings (a topic that loses records or does not take large ones).
[[nodiscard]] Result<std::vector<std::string>> create_kafka_topics(const KafkaOptions& options,
                                                                   const KafkaTopics& topics,
                                                                   const std::optional<LogId>& known = std::nullopt);

// Begins PREFIX.ticks: every partition gets a record that states the log id. Completes what was cut short. Returns the
// number of partitions that were begun; the log has one id, also when two do it at once.
// A log whose records have all expired keeps its id only if it is `known`, from a store's checkpoints.
// Errors: those of KafkaLog::open; kLogIdMissing (expired and not known), kPartitionCountChanged (a partition was added
// to a log in use).
[[nodiscard]] Result<std::int32_t> begin_kafka_log(const KafkaOptions& options,
                                                   const std::optional<LogId>& known = std::nullopt);

namespace kafka {

class Cluster;
// As KafkaLog::check_idle.
[[nodiscard]] Result<void> check_idle(Cluster& cluster, const std::string& group);
// Whether the user may be a member; it is none, and nothing is changed. Errors: kGroupPermission, those of
// KafkaLog::open that concern all brokers.
[[nodiscard]] Result<void> check_member(Cluster& cluster, const std::string& group);

}  // namespace kafka
}  // namespace finpipe
