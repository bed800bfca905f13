#include <librdkafka/rdkafka.h>

#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "codec/records.h"
#include "kafka/measure.h"
#include "kafka/sides.h"
#include "logs/kafka/settings.h"

namespace finpipe::kafka_bench {
namespace {

constexpr int kRecordsPerPoll = 100;
constexpr int kMaxPending = 65'536;  // records; about as much as the log's writer takes
constexpr std::size_t kRecordsPerBatch = 1'000;
constexpr int kWaitMs = 100;

rd_kafka_t* make_client(rd_kafka_type_t type, const kafka::Settings& settings, std::int64_t* acknowledged) {
  rd_kafka_conf_t* configuration = rd_kafka_conf_new();
  std::array<char, 512> text{};
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(configuration, name.c_str(), value.c_str(), text.data(), text.size()) != RD_KAFKA_CONF_OK)
      give_up(text.data());
  }
  rd_kafka_conf_set_opaque(configuration, acknowledged);
  if (type == RD_KAFKA_PRODUCER) {
    rd_kafka_conf_set_dr_msg_cb(configuration, [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(rd_kafka_err2str(message->err));
      ++*static_cast<std::int64_t*>(opaque);
    });
  }
  rd_kafka_t* client = rd_kafka_new(type, configuration, text.data(), text.size());
  if (client == nullptr) give_up(text.data());
  return client;
}

std::int32_t partitions_of(rd_kafka_t* client, rd_kafka_topic_t* topic) {
  const struct rd_kafka_metadata* metadata = nullptr;
  const auto code = rd_kafka_metadata(client, 0, topic, &metadata, 10'000);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(rd_kafka_err2str(code));
  const std::int32_t partitions = metadata->topics[0].partition_cnt;
  rd_kafka_metadata_destroy(metadata);
  return partitions;
}

// How many there are is not known to a client without settings.
std::int32_t partitions_of(const KafkaOptions& options) {
  rd_kafka_t* client = make_client(RD_KAFKA_CONSUMER, {{"bootstrap.servers", options.brokers}}, nullptr);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client, kafka::ticks_topic(options).c_str(), nullptr);
  const std::int32_t partitions = partitions_of(client, topic);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(client);
  return partitions;
}

struct Read {
  std::int64_t records = 0;
  std::int32_t ended = 0;  // partitions

  void take(rd_kafka_message_t* message) {
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++records;
    } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ++ended;
    } else {
      give_up(rd_kafka_message_errstr(message));
    }
    rd_kafka_message_destroy(message);
  }
};

}  // namespace

void produce_with_librdkafka(const KafkaOptions& options, const Trades& trades, std::int64_t count) {
  struct Record {
    std::string_view key;
    std::size_t begin, size;
  };
  std::vector<Record> records;
  std::string values;
  std::int64_t bytes = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const Trade trade = trades.at(i);
    const std::size_t begin = values.size();
    encode_trade(trade, values);
    records.push_back({trade.symbol, begin, values.size() - begin});
    bytes += static_cast<std::int64_t>(trade.symbol.size() + records.back().size);
  }
  std::int64_t acknowledged = 0;
  rd_kafka_t* client = make_client(RD_KAFKA_PRODUCER, kafka::writer_settings(options), &acknowledged);
  rd_kafka_topic_conf_t* topic_configuration = rd_kafka_topic_conf_new();
  rd_kafka_topic_conf_set(topic_configuration, "partitioner", "murmur2_random", nullptr, 0);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client, kafka::ticks_topic(options).c_str(), topic_configuration);
  // The log's writer has begun a session by then, so every partition has taken a record.
  const std::int32_t partitions = partitions_of(client, topic);
  for (std::int32_t partition = 0; partition < partitions; ++partition) {
    if (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, values.data(), 1, nullptr, 0, nullptr) != 0)
      give_up(rd_kafka_err2str(rd_kafka_last_error()));
  }
  while (acknowledged < partitions) rd_kafka_poll(client, kWaitMs);
  acknowledged = 0;
  const Stopwatch watch;
  std::int64_t sent = 0;
  for (const Record& record : records) {
    if (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, values.data() + record.begin, record.size,
                         record.key.data(), record.key.size(), nullptr) != 0)
      give_up(rd_kafka_err2str(rd_kafka_last_error()));
    if (++sent % kRecordsPerPoll != 0) continue;
    rd_kafka_poll(client, 0);
    while (rd_kafka_outq_len(client) > kMaxPending) rd_kafka_poll(client, kWaitMs);
  }
  while (acknowledged < count) rd_kafka_poll(client, kWaitMs);
  watch.print(count);
  fmt::print("bytes {}\n", bytes);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(client);
}

kafka::Settings rival_reader_settings(const KafkaOptions& options, std::int32_t partitions) {
  kafka::Settings settings = kafka::reader_settings(options, partitions, kafka::Statistics::kNone);
  settings.emplace_back("queued.max.messages.kbytes", "8192");
  return settings;
}

void consume_with_librdkafka(const KafkaOptions& options) {
  const std::int32_t partitions = partitions_of(options);
  const Stopwatch watch;
  kafka::Settings settings = rival_reader_settings(options, partitions);
  settings.emplace_back("group.id", "bench");
  rd_kafka_t* client = make_client(RD_KAFKA_CONSUMER, settings, nullptr);
  rd_kafka_poll_set_consumer(client);
  const std::string topic = kafka::ticks_topic(options);
  rd_kafka_topic_partition_list_t* assigned = rd_kafka_topic_partition_list_new(partitions);
  for (std::int32_t partition = 0; partition < partitions; ++partition) {
    rd_kafka_topic_partition_list_add(assigned, topic.c_str(), partition)->offset = 0;
  }
  const auto code = rd_kafka_assign(client, assigned);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) give_up(rd_kafka_err2str(code));
  rd_kafka_topic_partition_list_destroy(assigned);
  Read read;
  while (read.ended < partitions) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(client, kWaitMs);
    if (message != nullptr) read.take(message);
  }
  watch.print(read.records);
  rd_kafka_consumer_close(client);
  rd_kafka_destroy(client);
}

void consume_with_librdkafka_batches(const KafkaOptions& options) {
  const std::int32_t partitions = partitions_of(options);
  const Stopwatch watch;
  rd_kafka_t* client = make_client(RD_KAFKA_CONSUMER, rival_reader_settings(options, partitions), nullptr);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(client, kafka::ticks_topic(options).c_str(), nullptr);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  for (std::int32_t partition = 0; partition < partitions; ++partition) {
    if (rd_kafka_consume_start_queue(topic, partition, 0, queue) != 0) give_up(rd_kafka_err2str(rd_kafka_last_error()));
  }
  std::array<rd_kafka_message_t*, kRecordsPerBatch> messages{};
  Read read;
  while (read.ended < partitions) {
    const auto count = rd_kafka_consume_batch_queue(queue, kWaitMs, messages.data(), messages.size());
    for (rd_kafka_message_t* message :
         std::span(messages).first(static_cast<std::size_t>(std::max<ssize_t>(count, 0)))) {
      read.take(message);
    }
  }
  watch.print(read.records);
  for (std::int32_t partition = 0; partition < partitions; ++partition) rd_kafka_consume_stop(topic, partition);
  rd_kafka_queue_destroy(queue);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(client);
}

}  // namespace finpipe::kafka_bench
