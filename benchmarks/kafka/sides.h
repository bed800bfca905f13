// The two that write and read the same trades: finpipe, and librdkafka used bare. Each prints what it measured.
#pragma once

#include <cstdint>

#include "kafka/trades.h"
#include "logs/kafka/kafka_log.h"
#include "logs/kafka/settings.h"

namespace finpipe::kafka_bench {

// Trades become Avro and go through the log's writer, until all are acknowledged.
void produce_with_finpipe(const KafkaOptions& options, const Trades& trades, std::int64_t count);
// The whole log through the log's reader and the processor, into the store in memory.
void consume_with_finpipe(const KafkaOptions& options);
// The same, but every commit is thrown away.
void consume_with_finpipe_and_keep_nothing(const KafkaOptions& options);

// As finpipe's reader has them. librdkafka's bound of what is fetched ahead is of each queue: the one of all partitions
// gets what finpipe's, one for each, get together.
[[nodiscard]] kafka::Settings rival_reader_settings(const KafkaOptions& options, std::int32_t partitions);

// The same keys and values, which are there before the time begins; librdkafka copies them, finds their partition, and
// tells of each that it was acknowledged.
void produce_with_librdkafka(const KafkaOptions& options, const Trades& trades, std::int64_t count);
// rd_kafka_consumer_poll, which its documentation recommends and its examples use; nobody looks at what comes.
void consume_with_librdkafka(const KafkaOptions& options);
// The same by rd_kafka_consume_batch_queue, its older and cheapest way, which knows no groups.
void consume_with_librdkafka_batches(const KafkaOptions& options);

}  // namespace finpipe::kafka_bench
