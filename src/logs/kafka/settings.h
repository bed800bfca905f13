// What librdkafka's clients are told: names and values of its CONFIGURATION.md.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "logs/kafka/kafka_log.h"

namespace finpipe::kafka {

using Settings = std::vector<std::pair<std::string, std::string>>;

// The largest record that is written, and the largest letter, which holds one; topics are made to take them.
constexpr std::int64_t kMaxRecordBytes = std::int64_t{4} << 20;
constexpr std::int64_t kMaxLetterBytes = kMaxRecordBytes + (std::int64_t{1} << 20);
// Of letters that are sent together. One that is larger is sent alone.
constexpr std::int64_t kLettersBatchBytes = std::int64_t{16} << 10;

[[nodiscard]] std::string ticks_topic(const KafkaOptions& options);
[[nodiscard]] std::string bars_topic(const KafkaOptions& options);
[[nodiscard]] std::string letters_topic(const KafkaOptions& options);

// Of clients that somebody polls whatever their owner does: librdkafka keeps what it tells, each second, until then.
enum class Statistics : bool { kNone, kEachSecond };

[[nodiscard]] Settings writer_settings(const KafkaOptions& options);
// Who writes bars does not poll while its store is away, and nobody else may take its acknowledgements.
[[nodiscard]] Settings bars_settings(const KafkaOptions& options);
// One that is refused does not hold up the others.
[[nodiscard]] Settings letters_settings(const KafkaOptions& options);
// Of one whose records are refused: no broker acknowledges by two.
[[nodiscard]] Settings asking_settings(const KafkaOptions& options);
// Of one that reads so many partitions of a topic.
[[nodiscard]] Settings reader_settings(const KafkaOptions& options, std::int32_t partitions, Statistics statistics);
// How long librdkafka waits for a member that is not polled any more. It takes no less than a session.
[[nodiscard]] std::int64_t hung_ms(const KafkaOptions& options);
// Of a group's member that reads nothing by itself.
[[nodiscard]] Settings member_settings(const KafkaOptions& options, const std::string& group,
                                       const std::string& instance_id);

}  // namespace finpipe::kafka
