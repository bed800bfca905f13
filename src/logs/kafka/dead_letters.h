// Dead letters in the topic PREFIX.dead-letters: key = id, value = dead_letter_codec's, a header with the reason.
#pragma once

#include <memory>

#include "logs/kafka/cluster.h"
#include "logs/kafka/producer.h"
#include "pipeline/ports.h"

namespace finpipe::kafka {

// `numbers` is for this one alone.
[[nodiscard]] std::unique_ptr<DeadLetters> dead_letters(Cluster& cluster, Producer::Numbers& numbers);
[[nodiscard]] std::unique_ptr<DeadLetterQuery> dead_letter_query(Cluster& cluster);

}  // namespace finpipe::kafka
