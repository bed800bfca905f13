#include "kafka_server.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <cstdlib>
#include <functional>
#include <stdexcept>

#include "base/random.h"
#include "logs/kafka/kafka_topics.h"

namespace finpipe::kafka_test {
namespace {

using Request = std::function<void(rd_kafka_t*, rd_kafka_queue_t*)>;

// Asks by a client of its own and waits for the answer.
void administrate(const KafkaOptions& options, const Request& request) {
  rd_kafka_conf_t* configuration = rd_kafka_conf_new();
  rd_kafka_conf_set(configuration, "bootstrap.servers", options.brokers.c_str(), nullptr, 0);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nullptr, 0);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  request(client, queue);
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 30'000);
  EXPECT_NE(event, nullptr);
  EXPECT_EQ(rd_kafka_event_error(event), RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_event_error_string(event);
  rd_kafka_event_destroy(event);
  rd_kafka_queue_destroy(queue);
  rd_kafka_destroy(client);
}

}  // namespace

KafkaOptions server() {
  const char* const address = std::getenv("FINPIPE_KAFKA");
  if (address == nullptr) {
    ADD_FAILURE() << "FINPIPE_KAFKA=host:port must name a server";
    std::abort();
  }
  KafkaOptions options;
  options.brokers = address;
  options.patience_ms = 60'000;
  return options;
}

KafkaOptions new_log(std::int32_t partitions) {
  KafkaOptions options = server();
  options.prefix = fmt::format("t{:02x}", fmt::join(random_id(), ""));
  const auto created = create_kafka_topics(options, {.partitions = partitions});
  if (!created) throw std::runtime_error(created.error().message());
  return options;
}

void create_topic(const KafkaOptions& options, const std::string& name, std::int32_t partitions,
                  const std::map<std::string, std::string>& configuration) {
  administrate(options, [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, 1, nullptr, 0);
    for (const auto& [key, value] : configuration) rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
    rd_kafka_CreateTopics(client, &topic, 1, nullptr, queue);
    rd_kafka_NewTopic_destroy(topic);
  });
}

void delete_topic(const KafkaOptions& options, const std::string& name) {
  administrate(options, [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(name.c_str());
    rd_kafka_DeleteTopics(client, &topic, 1, nullptr, queue);
    rd_kafka_DeleteTopic_destroy(topic);
  });
}

void write_transactions(const KafkaOptions& options, const std::string& topic, const std::vector<std::string>& values) {
  std::vector<rd_kafka_t*> clients;
  for (const std::string& value : values) {
    rd_kafka_conf_t* configuration = rd_kafka_conf_new();
    rd_kafka_conf_set(configuration, "bootstrap.servers", options.brokers.c_str(), nullptr, 0);
    rd_kafka_conf_set(configuration, "transactional.id", (topic + value).c_str(), nullptr, 0);
    rd_kafka_t* client = clients.emplace_back(rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nullptr, 0));
    ASSERT_EQ(rd_kafka_init_transactions(client, 30'000), nullptr);
    ASSERT_EQ(rd_kafka_begin_transaction(client), nullptr);
    ASSERT_EQ(
        rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_KEY("K", 1),
                          RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END),
        RD_KAFKA_RESP_ERR_NO_ERROR);
    ASSERT_EQ(rd_kafka_flush(client, 30'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  for (rd_kafka_t* client : clients) {
    ASSERT_EQ(rd_kafka_commit_transaction(client, 30'000), nullptr);
    rd_kafka_destroy(client);
  }
}

void delete_records_below(const KafkaOptions& options, const std::string& topic, std::int32_t partition,
                          std::int64_t offset) {
  administrate(options, [&](rd_kafka_t* client, rd_kafka_queue_t* queue) {
    rd_kafka_topic_partition_list_t* offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, topic.c_str(), partition)->offset = offset;
    rd_kafka_DeleteRecords_t* records = rd_kafka_DeleteRecords_new(offsets);
    rd_kafka_DeleteRecords(client, &records, 1, nullptr, queue);
    rd_kafka_DeleteRecords_destroy(records);
    rd_kafka_topic_partition_list_destroy(offsets);
  });
}

}  // namespace finpipe::kafka_test
