// A cluster of librdkafka's own making, in this process: it speaks the protocol, and forgets all in the end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "logs/kafka/kafka_log.h"

struct rd_kafka_s;
struct rd_kafka_mock_cluster_s;

namespace finpipe::kafka {

class MockCluster {
 public:
  explicit MockCluster(int brokers = 1);
  ~MockCluster();
  MockCluster(const MockCluster&) = delete;
  MockCluster& operator=(const MockCluster&) = delete;

  // Of a new log with topics of its own, begun.
  [[nodiscard]] KafkaOptions new_log(std::int32_t partitions, const WireSchemas& schemas = fixed_wire_schemas());
  [[nodiscard]] KafkaOptions options() const;
  void create_topic(const std::string& name, std::int32_t partitions);
  void set_down(bool down);  // the first broker
  // Brokers are numbered from 1; -1: none.
  void set_leader(const std::string& topic, std::int32_t broker, std::int32_t partition = 0);
  void set_coordinator(const std::string& group, std::int32_t broker);
  // How long the broker takes for each answer.
  void set_delay(int ms);
  // The next produce requests fail with this rd_kafka_resp_err_t.
  void refuse_produce(int code, int times) { refuse(0, code, times); }
  // The same of what members ask for after they joined: what they shall read.
  void refuse_assignments(int code, int times) { refuse(14, code, times); }

 private:
  void refuse(std::int16_t request, int code, int times);  // `request`: its number in Kafka's protocol

  rd_kafka_s* client_ = nullptr;
  rd_kafka_mock_cluster_s* cluster_ = nullptr;
  int logs_ = 0;
};

}  // namespace finpipe::kafka
