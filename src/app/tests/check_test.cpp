#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "app/checks.h"
#include "app/tests/temp_directory.h"
#include "base/time.h"
#include "stores/embedded_store.h"

namespace finpipe {
namespace {

// The names of what is not well, with their level: "FAULT ledger.unbalanced".
template <typename Look>
std::vector<std::string> found_by(Look look) {
  Findings findings(false);
  testing::internal::CaptureStdout();
  look(findings);
  std::istringstream lines(testing::internal::GetCapturedStdout());
  std::vector<std::string> found;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string level;
    std::string name;
    words >> level >> name;
    if (level == "warn" || level == "FAULT") found.push_back(level + " " + name);
  }
  return found;
}

using Names = std::vector<std::string>;

ServiceView ready_service() {
  ServiceView service;
  service.url = "http://127.0.0.1:1";
  service.ready = true;
  return service;
}

TEST(CheckStore, TellsWhichAccountDoesNotBalance) {
  const TempDirectory directory;
  Settings settings;
  settings.store = "embedded:" + directory.path().string();
  Checkpoint checkpoint;
  checkpoint.ledger[{Writer::kLive, 7}] = {.received = 5, .appended = 5, .in_log = 5, .stored = 5};
  checkpoint.ledger[{Writer::kLive, 8}] = {.received = 9, .appended = 9, .in_log = 9, .stored = 8};
  {
    const auto store = EmbeddedStore::open(directory.path().string(), {});
    ASSERT_TRUE(store);
    Commit commit;
    commit.checkpoints.push_back(encode_checkpoint(checkpoint));
    const Store::Ticket ticket = (*store)->submit(std::move(commit));
    while (*(*store)->poll() < ticket) continue;
  }
  SystemClock clock;
  testing::internal::CaptureStdout();
  Findings findings(false);
  const StoreView view = check_store(findings, settings, false, clock);
  const std::string said = testing::internal::GetCapturedStdout();
  EXPECT_EQ(view.checkpoints.size(), 1U);
  EXPECT_TRUE(findings.faulty("ledger"));
  EXPECT_NE(said.find("FAULT  ledger.unbalanced"), std::string::npos) << said;
  EXPECT_NE(said.find("session 8 of live: "), std::string::npos) << said;
  EXPECT_EQ(said.find("session 7"), std::string::npos) << said;
}

class CheckService : public testing::Test {
 protected:
  // What is found in a service with these samples, after faults of `subject`.
  Names found(std::string_view samples, std::string_view subject = {}, std::string_view later_samples = {}) {
    service.samples = Samples::parse(samples);
    ServiceView later = service;
    if (!later_samples.empty()) later.samples = Samples::parse(later_samples);
    return found_by([&](Findings& findings) {
      if (!subject.empty()) findings.fault(subject, Error{ErrorCode::kIo, ""});
      check_service(findings, settings, service, later, clock);
    });
  }

  Settings settings;
  ManualClock clock{1'800'000'000'000'000'000};
  ServiceView service = ready_service();
};

TEST_F(CheckService, OfAWellOneNothingIsSaid) {
  EXPECT_EQ(found("finpipe_processor_backlog_records{partition=\"0\"} 3e4\nfinpipe_processor_commit_age_seconds 9\n"),
            Names());
}

TEST_F(CheckService, ABacklogAndCommitsThatDoNotComeAreFaultsUnlessTheStoreIs) {
  const std::string samples =
      "finpipe_processor_backlog_records{partition=\"0\"} 2e4\nfinpipe_processor_backlog_records{partition=\"1\"} 2e4\n"
      "finpipe_processor_commit_age_seconds 11\n";
  EXPECT_EQ(found(samples), (Names{"FAULT processor.commit_stalled", "FAULT processor.backlog"}));
  EXPECT_EQ(found(samples, "store"),
            (Names{"FAULT store.io_error", "warn processor.commit_stalled", "warn processor.backlog"}));
}

TEST_F(CheckService, ThatItIsNotReadyIsAConsequenceOfItsPartsFaults) {
  service.ready = false;
  service.reasons = {"the log is in trouble"};
  EXPECT_EQ(found(""), Names{"FAULT service.not_ready"});
  EXPECT_EQ(found("", "log"), (Names{"FAULT log.io_error", "warn service.not_ready"}));
  EXPECT_EQ(found("", "certificate"), (Names{"FAULT certificate.io_error", "FAULT service.not_ready"}));
}

TEST_F(CheckService, WhatGrowsWhileItIsLookedAtIsGoingOn) {
  const std::string shed = "finpipe_endpoint_connections_shed_total 5\n";
  EXPECT_EQ(found(shed), Names{"warn service.sheds_connections"});
  EXPECT_EQ(found(shed, {}, "finpipe_endpoint_connections_shed_total 6\n"), Names{"FAULT service.sheds_connections"});
  const std::string refused = "finpipe_cassandra_timeouts_total 5\nfinpipe_cassandra_overloads_total 1\n";
  EXPECT_EQ(found(refused), Names());
  EXPECT_EQ(found(refused, {}, "finpipe_cassandra_timeouts_total 5\nfinpipe_cassandra_overloads_total 2\n"),
            Names{"warn store.overloaded"});
}

TEST_F(CheckService, AFullQueueToKafkaIsAFaultUnlessTheLogIs) {
  settings.kafka.max_pending_bytes = 1000;
  const std::string brokers = "finpipe_kafka_brokers 3\nfinpipe_kafka_append_latency_seconds{percentile=\"99\"} 1.5\n";
  EXPECT_EQ(found(brokers + "finpipe_log_pending_bytes 800\n"), Names{"warn log.slow"});
  EXPECT_EQ(found(brokers + "finpipe_log_pending_bytes 900\n"), (Names{"warn log.slow", "FAULT log.queue_full"}));
  EXPECT_EQ(found("finpipe_log_pending_bytes 900\n"), Names());  // of an embedded log
}

TEST_F(CheckService, WarnsOfSlowClientsOtherVersionsAndCertificates) {
  EXPECT_EQ(found("finpipe_stream_clients_closed_total{reason=\"too_far_behind\"} 1\n"
                  "finpipe_stream_clients_closed_total{reason=\"overflow\"} 1\n"),
            Names{"warn service.slow_clients"});
  EXPECT_EQ(found("finpipe_build_info{version=\"0.0.1\"} 1\n"), Names{"warn service.other_version"});
  EXPECT_EQ(found("finpipe_certificate_not_after_seconds{certificate=\"kafka\"} 1800086400\n"
                  "finpipe_certificate_not_after_seconds{certificate=\"feed\"} 0\n"),
            Names{"warn certificate.expires"});
  const std::string ended = "finpipe_certificate_not_after_seconds{certificate=\"cassandra\"} 1799999999\n";
  EXPECT_EQ(found(ended), Names{"FAULT certificate.expired"});
  EXPECT_EQ(found(ended, "store"), Names{"FAULT store.io_error"});
}

// A service that serves a log whose ingest is elsewhere, or (`ingests`) has its own feed.
class CheckFeed : public testing::Test {
 protected:
  CheckFeed() {
    checkpoint.origin = "vendor";
    checkpoint.heartbeat_at_ns = clock.wall_ns() - kNsPerSecond;
    checkpoint.feed_state = avro::ConnectionState::kConnected;
    checkpoint.engine.lags_ms = {{"crypto", 40}};
    settings.feed = "ws://127.0.0.1:1";
  }

  Names found(bool ingests, std::string_view subject = {}) {
    ServiceView service = ready_service();
    if (ingests) service.feed = {.detail = "connected, 1 symbol subscribed", .error = {}};
    return found_by([&](Findings& findings) {
      if (!subject.empty()) findings.fault(subject, Error{ErrorCode::kIo, ""});
      check_feed(findings, settings, {.rows = {}, .checkpoints = {checkpoint}}, service, Trying::kYes, clock);
    });
  }

  Settings settings;
  ManualClock clock{1'800'000'000'000'000'000};
  Checkpoint checkpoint;
};

TEST_F(CheckFeed, OfAWellOneNothingIsSaid) {
  EXPECT_EQ(found(true), Names());
  EXPECT_EQ(found(false), Names());
}

TEST_F(CheckFeed, HeartbeatsThatDoNotComeAreAFaultUnlessSomethingElseIs) {
  checkpoint.heartbeat_at_ns = clock.wall_ns() - 11 * kNsPerSecond;
  EXPECT_EQ(found(false), Names{"FAULT feed.no_heartbeat"});
  EXPECT_EQ(found(true), Names{"FAULT feed.no_heartbeat"});
  EXPECT_EQ(found(true, "store"), Names{"FAULT store.io_error"});
}

TEST_F(CheckFeed, WhatTheLogSaysOfAnIngestElsewhereIsToldByItsState) {
  checkpoint.feed_since_ms = clock.wall_ns() / kNsPerMs - 60'000;
  checkpoint.feed_state = avro::ConnectionState::kDisconnected;
  EXPECT_EQ(found(false), Names{"FAULT feed.disconnected"});
  checkpoint.feed_state = avro::ConnectionState::kStalled;
  EXPECT_EQ(found(false), Names{"FAULT feed.stalled"});
  EXPECT_EQ(found(true), Names{"FAULT feed.gap_open"});
}

TEST_F(CheckFeed, LagsOfAllMarketsTellOfTheClock) {
  checkpoint.engine.lags_ms = {{"crypto", kMsPerHour}, {"forex", 61'000}};
  EXPECT_EQ(found(false), Names{"warn feed.lag"});
  checkpoint.engine.lags_ms["forex"] = kMsPerHour;
  EXPECT_EQ(found(false), Names{"FAULT clock.ahead"});
  checkpoint.engine.lags_ms = {{"crypto", -11'000}, {"forex", -kMsPerHour}};
  EXPECT_EQ(found(false), Names{"FAULT clock.behind"});
  EXPECT_EQ(found(false, "clock"), (Names{"FAULT clock.io_error", "warn feed.lag"}));
}

TEST(Samples, AreSummedByMetricAndLabel) {
  const Samples samples = Samples::parse(
      "# HELP a of it\na{x=\"1\",y=\"2\"} 3\na{x=\"2\",y=\"2\"} 4e1\na_total 5\nb 6\nnonsense\nc NaNsense\n");
  EXPECT_EQ(samples.sum("a"), 43);
  EXPECT_EQ(samples.sum("a", "x=\"2\""), 40);
  EXPECT_EQ(samples.sum("a_total"), 5);
  EXPECT_EQ(samples.sum("b"), 6);
  EXPECT_EQ(samples.sum("none"), std::nullopt);
}

}  // namespace
}  // namespace finpipe
