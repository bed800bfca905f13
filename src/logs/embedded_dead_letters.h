// Dead letters in an embedded log's database. Private to the adapter; the contract is EmbeddedLog's.
#pragma once

#include <memory>

#include "logs/embedded_database.h"
#include "pipeline/ports.h"

namespace finpipe {

[[nodiscard]] std::unique_ptr<DeadLetters> embedded_dead_letters(EmbeddedDatabase& database);
[[nodiscard]] std::unique_ptr<DeadLetterQuery> embedded_dead_letter_query(EmbeddedDatabase& database,
                                                                          std::int64_t received_since_ms);

}  // namespace finpipe
