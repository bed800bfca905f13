#include "logs/kafka/client_statistics.h"

#include <gtest/gtest.h>

namespace finpipe::kafka {
namespace {

TEST(KafkaClientStatistics, BrokersThatAreUpAndWhatWaitsAreCounted) {
  const auto read = read_statistics(R"({"brokers": {
      "h:1/bootstrap": {"source": "configured", "nodeid": -1, "state": "DOWN", "txretries": 1},
      "h:1/1": {"source": "learned", "nodeid": 1, "state": "UP", "txretries": 2},
      "h:2/2": {"source": "learned", "nodeid": 2, "state": "CONNECT", "txretries": 3},
      "GroupCoordinator": {"source": "logical", "nodeid": 1, "state": "UP", "txretries": 0}},
    "topics": {"t": {"partitions": {"0": {"fetchq_size": 10}, "1": {"fetchq_size": 5}, "-1": {"fetchq_size": 0}}}}})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->brokers, 2);
  EXPECT_EQ(read->brokers_up, 1);
  EXPECT_EQ(read->retries, 6);
  EXPECT_EQ(read->prefetched_bytes, 15);
}

TEST(KafkaClientStatistics, BeforeABrokerHasAnsweredTheConfiguredOnesCount) {
  const auto read =
      read_statistics(R"({"brokers": {"h:1/bootstrap": {"source": "configured", "nodeid": -1, "state": "INIT"}}})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->brokers, 1);
  EXPECT_EQ(read->brokers_up, 0);
}

TEST(KafkaClientStatistics, AMemberIsSteadyOnceItHasItsPartitions) {
  EXPECT_TRUE(read_statistics(R"({"brokers": {}, "cgrp": {"state": "up", "join_state": "steady"}})")->steady);
  EXPECT_FALSE(read_statistics(R"({"brokers": {}, "cgrp": {"state": "up", "join_state": "wait-join"}})")->steady);
  EXPECT_FALSE(read_statistics(R"({"brokers": {}})")->steady);
}

TEST(KafkaClientStatistics, AGroupHasACoordinatorOnceItIsConnectedTo) {
  EXPECT_TRUE(read_statistics(R"({"brokers": {}, "cgrp": {"state": "up"}})")->has_coordinator);
  EXPECT_FALSE(read_statistics(R"({"brokers": {}, "cgrp": {"state": "wait-coord"}})")->has_coordinator);
  EXPECT_FALSE(read_statistics(R"({"brokers": {}})")->has_coordinator);
}

TEST(KafkaClientStatistics, OtherTextIsNone) {
  EXPECT_FALSE(read_statistics("{"));
  EXPECT_FALSE(read_statistics("[]"));
  EXPECT_FALSE(read_statistics(R"({"brokers": 1})"));
}

}  // namespace
}  // namespace finpipe::kafka
