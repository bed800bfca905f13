// Whether a user has the rights of those who write the topics and are one of a group, without doing any of it.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "logs/kafka/kafka_log.h"

namespace finpipe {

struct KafkaAccess {
  bool ticks = false, bars = false, letters = false;  // to write the topic
  std::string group;                                  // to be one of it; empty: of none
};

// What of it the brokers refuse to the user of `options`, an error each: kLogWritePermission, kGroupPermission,
// kTopicMissing. They are asked for what they cannot do, which they say only to who may; nothing is changed.
// Errors: those of KafkaLog::open that concern all brokers.
[[nodiscard]] Result<std::vector<Error>> kafka_refusals(const KafkaOptions& options, const KafkaAccess& access);

}  // namespace finpipe
