// Waiting for schemas: a record's may be known only when a registry has answered. That is no trouble of Kafka's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "logs/kafka/client.h"
#include "logs/schema_translator.h"

struct rd_kafka_message_s;  // NOLINT(readability-identifier-naming)

namespace finpipe::kafka {

[[nodiscard]] SchemaTranslator make_translator(const Cluster& cluster);

// The bytes of a message, in place.
[[nodiscard]] std::span<char> value_of(const rd_kafka_message_s& message);

// Whether what waits for a schema since then may wait on. Errors: kRegistryUnreachable (patience_ms), kInterrupted.
[[nodiscard]] Result<void> check_schema_patience(Cluster& cluster, std::int64_t since_ns, std::string_view what);

// SchemaTranslator::from_wire of who has nothing else to do meanwhile. Errors: as above, and those of
// WireSchemas::poll.
[[nodiscard]] Result<SchemaTranslator::Ours> await_from_wire(Client& client, SchemaTranslator& translator,
                                                             std::span<char> value, std::string& scratch);

}  // namespace finpipe::kafka
