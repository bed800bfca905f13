#include "mock_cluster.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdexcept>
#include <vector>

#include "logs/kafka/kafka_topics.h"
#include "logs/kafka/settings.h"

namespace finpipe::kafka {

MockCluster::MockCluster(int brokers) {
  rd_kafka_conf_t* configuration = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(configuration, [](const rd_kafka_t*, int, const char*, const char*) {});
  client_ = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nullptr, 0);
  cluster_ = rd_kafka_mock_cluster_new(client_, brokers);
  if (cluster_ == nullptr) throw std::runtime_error("no mock cluster");
}

MockCluster::~MockCluster() {
  rd_kafka_mock_cluster_destroy(cluster_);
  rd_kafka_destroy(client_);
}

KafkaOptions MockCluster::options() const {
  KafkaOptions options;
  options.brokers = rd_kafka_mock_cluster_bootstraps(cluster_);
  options.patience_ms = 20'000;
  return options;
}

void MockCluster::create_topic(const std::string& name, std::int32_t partitions) {
  rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions, 1);
}

KafkaOptions MockCluster::new_log(std::int32_t partitions, const WireSchemas& schemas) {
  KafkaOptions made = options();
  made.schemas = schemas;
  made.prefix = "log" + std::to_string(++logs_);
  create_topic(ticks_topic(made), partitions);
  create_topic(letters_topic(made), 1);
  const auto begun = begin_kafka_log(made);
  if (!begun) throw std::runtime_error(begun.error().message());
  return made;
}

void MockCluster::set_down(bool down) {
  if (down) {
    rd_kafka_mock_broker_set_down(cluster_, 1);
  } else {
    rd_kafka_mock_broker_set_up(cluster_, 1);
  }
}

void MockCluster::set_delay(int ms) { rd_kafka_mock_broker_set_rtt(cluster_, 1, ms); }

void MockCluster::set_leader(const std::string& topic, std::int32_t broker, std::int32_t partition) {
  rd_kafka_mock_partition_set_leader(cluster_, topic.c_str(), partition, broker);
}

void MockCluster::set_coordinator(const std::string& group, std::int32_t broker) {
  rd_kafka_mock_coordinator_set(cluster_, "group", group.c_str(), broker);
}

void MockCluster::refuse(std::int16_t request, int code, int times) {
  const std::vector<rd_kafka_resp_err_t> errors(static_cast<std::size_t>(times),
                                                static_cast<rd_kafka_resp_err_t>(code));
  rd_kafka_mock_push_request_errors_array(cluster_, request, errors.size(), errors.data());
}

}  // namespace finpipe::kafka
