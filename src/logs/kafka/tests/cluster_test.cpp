#include "logs/kafka/cluster.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

namespace finpipe::kafka {
namespace {

// What comes of waiting for something that never comes, while one broker refuses the password.
ErrorCode wait_while_refused(int brokers_up) {
  KafkaOptions options;
  options.patience_ms = 50;
  Cluster cluster(options, {});
  const auto waited = cluster.await(&options, "topic t", [&](int) -> Result<Cluster::Step> {
    ClientStatistics statistics;
    statistics.brokers = 2;
    statistics.brokers_up = brokers_up;
    cluster.note(&options, statistics);
    cluster.note({RD_KAFKA_RESP_ERR__AUTHENTICATION, "invalid credentials"});
    return Cluster::Step::kNothing;
  });
  return waited.error().code;
}

TEST(KafkaCluster, AWrongPasswordIsToldAtOnce) { EXPECT_EQ(wait_while_refused(0), ErrorCode::kLogLogin); }

TEST(KafkaCluster, OneBrokerThatRefusesIsNoWrongPasswordWhileAnotherIsUp) {
  EXPECT_EQ(wait_while_refused(1), ErrorCode::kBrokerUnreachable);
}

TEST(KafkaCluster, AGuessAtTheProtocolIsToldAfterThePatience) {
  KafkaOptions options;
  options.patience_ms = 50;
  Cluster cluster(options, {});
  cluster.note({RD_KAFKA_RESP_ERR__TRANSPORT,
                "Disconnected while requesting ApiVersion: might be caused by incorrect "
                "security.protocol configuration (connecting to a SSL listener?)"});
  const auto waited =
      cluster.await(&options, "topic t", [](int) -> Result<Cluster::Step> { return Cluster::Step::kNothing; });
  EXPECT_EQ(waited.error().code, ErrorCode::kLogProtocol) << waited.error().message();
}

}  // namespace
}  // namespace finpipe::kafka
