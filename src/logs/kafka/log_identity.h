// Which log a topic holds: its first session or heartbeat records say it, in every partition.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "logs/kafka/fetcher.h"
#include "market/bar.h"

namespace finpipe::kafka {

struct LogIdentity {
  std::optional<LogId> id;  // nullopt: no partition says it
  std::vector<std::int32_t> empty_partitions;
};

// Reads each partition from its begin until a record says it. Errors: kLogIdsDiffer, and those of Cluster::retry.
[[nodiscard]] Result<LogIdentity> find_log_identity(Fetcher& fetcher);

// What begin_kafka_log writes: a session of the operator, older than any other record, which changes nothing.
[[nodiscard]] std::string first_record(const LogId& id);

}  // namespace finpipe::kafka
