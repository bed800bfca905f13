#include "logs/kafka/cluster.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <functional>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/time.h"

namespace finpipe::kafka {
namespace {

// What comes of waiting for something that never comes, while one broker refuses the password.
ErrorCode wait_while_refused(int brokers_up, int patience_ms = 50, std::function<bool()> stop = {}) {
  KafkaOptions options;
  options.patience_ms = patience_ms;
  Cluster cluster(options, std::move(stop));
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

TEST(KafkaCluster, AWrongPasswordIsTold) { EXPECT_EQ(wait_while_refused(0), ErrorCode::kLogLogin); }

// Whoever waits may lose the processor between two looks at the clock, and the patience ends meanwhile.
TEST(KafkaCluster, AWrongPasswordIsToldAlsoWhenThePatienceEndsBetweenTwoLooks) {
  constexpr int patience_ms = 600;
  SystemClock clock;
  const std::int64_t begun_ns = clock.boot_ns();
  const auto passed_ms = [&] { return (clock.boot_ns() - begun_ns) / kNsPerMs; };
  const auto lose_it = [&] {
    while (passed_ms() > 500 && passed_ms() <= patience_ms) std::this_thread::yield();
    return false;
  };
  EXPECT_EQ(wait_while_refused(0, patience_ms, lose_it), ErrorCode::kLogLogin);
}

TEST(KafkaCluster, OneBrokerThatRefusesIsNoWrongPasswordWhileAnotherIsUp) {
  EXPECT_EQ(wait_while_refused(1), ErrorCode::kBrokerUnreachable);
}

TEST(KafkaCluster, ARefusalIsNoneWhenTheNextBrokerThatIsTriedTakesUs) {
  Cluster cluster(KafkaOptions(), {});
  int steps = 0;
  EXPECT_TRUE(cluster.await(&cluster, "topic t", [&](int) -> Result<Cluster::Step> {
    cluster.note({RD_KAFKA_RESP_ERR__AUTHENTICATION, "invalid credentials"});
    return ++steps == 3 ? Cluster::Step::kDone : Cluster::Step::kNothing;
  }));
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

TEST(KafkaCluster, CertificatesOfARenewedChainTakeTheOthersPlace) {
  constexpr std::int64_t now_s = 60;
  Cluster cluster(KafkaOptions(), {});
  EXPECT_EQ(cluster.certificate_not_after_s(now_s), 0);
  const auto show = [&](std::string_view broker, int depth, std::int64_t end_s) {
    cluster.note_shown(broker, depth, end_s);
  };
  show("a:1", 2, 900), show("a:1", 1, 100), show("a:1", 0, 700);
  EXPECT_EQ(cluster.certificate_not_after_s(now_s), 100);
  show("b:1", 1, 600), show("b:1", 0, 500);
  show("a:1", 1, 900);
  EXPECT_EQ(cluster.certificate_not_after_s(now_s), 100) << "the new chain is not whole yet";
  show("a:1", 0, 800);
  EXPECT_EQ(cluster.certificate_not_after_s(now_s), 500);
  show("b:1", 0, 900);
  EXPECT_EQ(cluster.certificate_not_after_s(now_s), 800);
  show("b:1", 1, 50);
  EXPECT_EQ(cluster.certificate_not_after_s(now_s), 50) << "and is refused";
}

// Its broker may have a new one by now, which is shown to who connects anew only.
TEST(KafkaCluster, ACertificateThatEndedWhileItsBrokerWasConnectedIsNotTold) {
  const std::int64_t now_s = SystemClock().wall_ns() / kNsPerSecond;
  Cluster cluster(KafkaOptions(), {});
  cluster.note_shown("a:1", 0, now_s + 100);
  cluster.note_shown("b:1", 0, now_s + 500);
  EXPECT_EQ(cluster.certificate_not_after_s(now_s + 99), now_s + 100);
  EXPECT_EQ(cluster.certificate_not_after_s(now_s + 100), now_s + 500);
  cluster.note_shown("a:1", 0, now_s - 1);
  EXPECT_EQ(cluster.certificate_not_after_s(now_s + 100), now_s - 1) << "it is refused";
}

}  // namespace
}  // namespace finpipe::kafka
