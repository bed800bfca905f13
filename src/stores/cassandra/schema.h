// Keyspace and tables: what has to be there, and whether what is written can be read.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "stores/cassandra/link.h"

namespace finpipe::cql {

// The statements of a .cql file, comments left out.
[[nodiscard]] std::vector<std::string> statements_of(std::string_view file);

// Copies of each row by data center; a keyspace without data centers has one of an empty name.
using Replication = std::map<std::string, std::int64_t>;

// "3", or "dc1:3,dc2:3". Error: kBadSetting.
[[nodiscard]] Result<Replication> parse_replication(std::string_view text);

// Whether every read meets a replica that has what was written. `datacenter`: whose nodes are asked; empty: any.
// Error: kWeakConsistency saying why not.
[[nodiscard]] Result<void> check_overlap(const Replication& replication, const std::string& datacenter,
                                         CassandraConsistency read, CassandraConsistency write);

// Of the session's keyspace. Error: kNoKeyspace.
[[nodiscard]] Result<Replication> replication_of(Session& session, std::string_view keyspace);

// Whether the tables are those of this program. Errors: kSchemaMissing, kSchemaVersion.
[[nodiscard]] Result<void> check_version(Session& session);

// TWCS should have some tens of windows; a window of a table that is kept for ever is a week.
[[nodiscard]] std::int64_t compaction_window_hours(std::int64_t days);

}  // namespace finpipe::cql
