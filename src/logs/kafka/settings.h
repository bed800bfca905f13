// What librdkafka's clients are told: names and values of its CONFIGURATION.md.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "logs/kafka/kafka_log.h"

namespace finpipe::kafka {

using Settings = std::vector<std::pair<std::string, std::string>>;

// The largest record that is written; topics are made to take it.
constexpr std::int64_t kMaxRecordBytes = std::int64_t{4} << 20;

[[nodiscard]] std::string ticks_topic(const KafkaOptions& options);
[[nodiscard]] std::string bars_topic(const KafkaOptions& options);
[[nodiscard]] std::string letters_topic(const KafkaOptions& options);

[[nodiscard]] Settings writer_settings(const KafkaOptions& options);
// Of one that reads so many partitions of a topic.
[[nodiscard]] Settings reader_settings(const KafkaOptions& options, std::int32_t partitions);
// Of a group's member that reads nothing by itself.
[[nodiscard]] Settings member_settings(const KafkaOptions& options, const std::string& group,
                                       const std::string& instance_id);

}  // namespace finpipe::kafka
