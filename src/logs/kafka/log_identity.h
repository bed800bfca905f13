// Which log a topic holds: its first session or heartbeat records say it, in every partition.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "logs/kafka/fetcher.h"
#include "logs/kafka/shared_state.h"
#include "market/bar.h"

namespace finpipe::kafka {

struct LogIdentity {
  std::optional<LogId> id;                       // nullopt: no partition says it
  std::vector<std::int32_t> new_partitions;      // never had a record
  std::vector<std::int32_t> expired_partitions;  // have none any more
  std::string not_understood;                    // where a record might say it, of what schema; empty: nowhere
  bool in_use = false;                           // a partition had more than the record that begins it
};

// Reads each partition, or one, from its begin until a record says it. Errors: kLogIdsDiffer, those of Cluster::retry
// and of await_from_wire.
[[nodiscard]] Result<LogIdentity> find_log_identity(Fetcher& fetcher, std::optional<std::int32_t> only = std::nullopt);

// Whether the topic, of which a record or an acknowledgement is strange, still is the log: what is at the partition's
// begin says so. Errors: those of find_log_identity.
[[nodiscard]] Result<void> check_still_the_log(SharedState& shared, std::int32_t partition);

// Of a topic whose `id` is not known: kLogIdMissing, or kUnknownSchemaId.
[[nodiscard]] Error missing_identity(const std::string& topic, const LogIdentity& identity);

// What begin_kafka_log writes, in its fixed schema: a session of the operator, older than any other record, which
// changes nothing.
[[nodiscard]] std::string first_record(const LogId& id);

}  // namespace finpipe::kafka
