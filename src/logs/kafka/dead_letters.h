// Dead letters in the topic PREFIX.dead-letters: key = id, value = dead_letter_codec's, a header with the reason.
#pragma once

#include <cstdint>
#include <memory>

#include "logs/kafka/cluster.h"
#include "logs/kafka/producer.h"
#include "pipeline/ports.h"

namespace finpipe::kafka {

// `numbers` is for this one alone.
[[nodiscard]] std::unique_ptr<DeadLetters> dead_letters(Cluster& cluster, Producer::Numbers& numbers);
// `sent_since_ms`: only of those that were sent from then on, since 1970; 0: all.
[[nodiscard]] std::unique_ptr<DeadLetterQuery> dead_letter_query(Cluster& cluster, std::int64_t sent_since_ms);

}  // namespace finpipe::kafka
