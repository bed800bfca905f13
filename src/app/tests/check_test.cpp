#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "app/checks.h"
#include "app/tests/temp_directory.h"
#include "base/time.h"
#include "logs/embedded_log.h"
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
  service.here = true;
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

TEST_F(CheckService, WhatWaitsForACommitMayWaitForItsInterval) {
  const std::string waits = "finpipe_processor_commit_age_seconds 65\n";
  EXPECT_EQ(found(waits), Names{"FAULT processor.commit_stalled"});
  EXPECT_EQ(found(waits + "finpipe_commit_interval_seconds 60\n"), Names());
  settings.commit_interval_ms = 60'000;
  EXPECT_EQ(found(waits), Names());
  EXPECT_EQ(found(waits + "finpipe_commit_interval_seconds 0.25\n"), Names{"FAULT processor.commit_stalled"});
}

TEST_F(CheckService, OneThatOnlyServesWaitsForAProcessThatStores) {
  const std::string waits = "finpipe_processor_commit_age_seconds 11\n";
  service.role = "serve";
  service.ready = false;
  EXPECT_EQ(found(waits), (Names{"FAULT processor.not_running", "warn service.not_ready"}));
  EXPECT_EQ(found(waits, "store"),
            (Names{"FAULT store.io_error", "warn processor.not_running", "warn service.not_ready"}));
}

TEST_F(CheckService, WhatDoesNotAnswerAsFinpipeIsAFaultOnlyWhereItIsExpected) {
  const TempDirectory directory;
  settings.log = "embedded:" + directory.path().string();
  const auto found_with = [&](ErrorCode code) {
    service.error = Error{code, "whatever"};
    return found("");
  };
  EXPECT_EQ(found_with(ErrorCode::kConnectFailed), Names{"warn service.not_running"});
  EXPECT_EQ(found_with(ErrorCode::kProtocolError), Names{"warn service.not_finpipe"});
  EXPECT_EQ(found_with(ErrorCode::kTimedOut), Names{"warn service.hangs"});
  EXPECT_EQ(found_with(ErrorCode::kConnectionLost), Names{"warn service.sheds_connections"});
  service.expected = true;
  EXPECT_EQ(found_with(ErrorCode::kConnectFailed), Names{"FAULT service.not_running"});
  EXPECT_EQ(found_with(ErrorCode::kProtocolError), Names{"FAULT service.not_finpipe"});
  EXPECT_EQ(found_with(ErrorCode::kTimedOut), Names{"FAULT service.hangs"});
  EXPECT_EQ(found_with(ErrorCode::kConnectionLost), Names{"FAULT service.sheds_connections"});
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
  settings.kafka.max_pending_bytes = 1;  // here, which is not what the service has
  const std::string limit =
      "finpipe_log_pending_limit_bytes 1000\nfinpipe_kafka_append_latency_seconds{percentile=\"99\"} 1.5\n";
  EXPECT_EQ(found(limit + "finpipe_log_pending_bytes 800\n"), Names{"warn log.slow"});
  EXPECT_EQ(found(limit + "finpipe_log_pending_bytes 900\n"), (Names{"warn log.slow", "FAULT log.queue_full"}));
  EXPECT_EQ(found("finpipe_log_pending_limit_bytes 0\nfinpipe_log_pending_bytes 900\n"), Names());
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
  const std::string ends = "finpipe_certificate_not_after_seconds{certificate=\"kafka\"} 1800086400\n";
  EXPECT_EQ(found(ended + ends, "certificate"), (Names{"FAULT certificate.io_error", "warn certificate.expires"}));
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
    settings.log = "embedded:log";
  }

  Names found(bool ingests, std::string_view subject = {}) {
    ServiceView service = ready_service();
    service.here = here;
    if (ingests) service.feed = {.detail = "connected, 1 symbol subscribed", .error = {}};
    return found_by([&](Findings& findings) {
      if (!subject.empty()) findings.fault(subject, Error{ErrorCode::kIo, ""});
      check_feed(findings, settings, {.checkpoints = {checkpoint}}, {.newest_ns = 0}, service, Trying::kConnect, clock);
    });
  }

  // Of a log on Kafka whose newest record is of then, with a key and nobody who answers.
  Names tried(std::optional<std::int64_t> newest_ns, Trying trying) {
    settings.log = "kafka://127.0.0.1:1";
    settings.api_key = "a key";
    return found_by(
        [&](Findings& findings) { check_feed(findings, settings, {}, {.newest_ns = newest_ns}, {}, trying, clock); });
  }

  Settings settings;
  ManualClock clock{1'800'000'000'000'000'000};
  Checkpoint checkpoint;
  bool here = true;  // the service
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

TEST_F(CheckFeed, HeartbeatsInTheStoreAreAsOldAsItsCommits) {
  checkpoint.heartbeat_at_ns = clock.wall_ns() - 65 * kNsPerSecond;
  EXPECT_EQ(found(false), Names{"FAULT feed.no_heartbeat"});
  settings.commit_interval_ms = 60'000;
  EXPECT_EQ(found(false), Names());
}

// Nothing listens there: who connects is refused.
TEST_F(CheckFeed, IsNotConnectedToWithTheKeyWhileSomebodyMayBe) {
  EXPECT_EQ(tried(clock.wall_ns() - 11 * kNsPerSecond, Trying::kConnect), Names{"FAULT feed.connect_failed"});
  EXPECT_EQ(tried(clock.wall_ns() - 9 * kNsPerSecond, Trying::kConnect), Names());
  EXPECT_EQ(tried(std::nullopt, Trying::kConnect), Names());
  EXPECT_EQ(tried(clock.wall_ns(), Trying::kReach), Names{"FAULT feed.connect_failed"});
  EXPECT_EQ(tried(0, Trying::kNo), Names());
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

TEST_F(CheckFeed, TheClockOfAnIngestElsewhereIsNotThisMachines) {
  settings.log = "kafka://127.0.0.1:1";
  checkpoint.engine.lags_ms = {{"crypto", kMsPerHour}};
  EXPECT_EQ(found(true), Names{"FAULT clock.ahead"});
  EXPECT_EQ(found(false), Names{"FAULT clock.differs"});
  here = false;
  EXPECT_EQ(found(true), Names{"FAULT clock.differs"});
  checkpoint.engine.lags_ms = {{"crypto", -kMsPerHour}};
  EXPECT_EQ(found(true), Names{"FAULT clock.differs"});
}

TEST(CheckReplicas, TellsBrokersThatAreMissingFromThoseThatAreBehind) {
  const auto said = [](const KafkaReplicas& replicas) {
    testing::internal::CaptureStdout();
    Findings findings(false);
    check_replicas(findings, replicas);
    const std::string text = testing::internal::GetCapturedStdout();
    return text.substr(0, text.find('\n'));
  };
  KafkaReplicas replicas{
      .brokers = {{1, "a:1"}, {2, "b:1"}},
      .partitions = {{.topic = "t", .partition = 0, .leader = 1, .replicas = {1, 2}, .in_sync = {1, 2}}}};
  EXPECT_EQ(said(replicas), "ok     brokers                    1 at a:1, 2 at b:1: all replicas are in sync");
  replicas.partitions[0] = {.topic = "t", .partition = 0, .leader = 1, .replicas = {1, 2, 3}, .in_sync = {1}};
  EXPECT_EQ(said(replicas),
            "FAULT  log.under_replicated       1 partitions, t 0; brokers that answer: 1 at a:1, 2 at b:1; of these "
            "behind: 2; that are missing: 3");
  replicas.partitions[0] = {.topic = "t", .partition = 0, .leader = -1, .replicas = {3}, .in_sync = {3}};
  EXPECT_EQ(said(replicas),
            "FAULT  log.no_leader              1 partitions, t 0; brokers that answer: 1 at a:1, 2 at b:1; that are "
            "missing: 3");
  replicas.partitions.resize(64, replicas.partitions[0]);
  EXPECT_EQ(
      said(replicas),
      "FAULT  log.no_leader              64 partitions, t 0, t 0, t 0, t 0, t 0, t 0 ...; brokers that answer: 1 at "
      "a:1, 2 at b:1; that are missing: 3");
  replicas.partitions.clear();
  EXPECT_EQ(said(replicas),
            "ok     brokers                    brokers that answer: 1 at a:1, 2 at b:1; they do not tell this user how "
            "the topics are replicated");
}

TEST(CheckLog, SaysWhatItCouldNotFinishInTime) {
  const TempDirectory directory;
  Settings settings;
  settings.log = "embedded:" + (directory.path() / "log").string();
  SystemClock clock;
  const std::int64_t now_ns = clock.wall_ns();
  {
    auto log = EmbeddedLog::open((directory.path() / "log").string(), {.partitions = 1});
    ASSERT_TRUE(log);
    const std::string value = "no trade";
    const std::vector<LogRecord> records = {{RecordType::kTrade, "A", value}};
    ASSERT_EQ((*log)->writer().append(0, records), LogWriter::Append::kAccepted);
    while ((*log)->writer().pending_bytes() > 0) ASSERT_TRUE((*log)->writer().poll());
    const auto letters = (*log)->dead_letters();
    const auto put = [&](const std::string& id, std::int64_t received_at_ns) {
      DeadLetter letter;
      letter.id = id;
      letter.received_at_ns = received_at_ns;
      letter.reason = ErrorCode::kBadPrice;
      letters->put(std::move(letter));
    };
    put("a", now_ns);
    put("b", now_ns);
    put("old", now_ns - 16 * 60 * kNsPerSecond);
    ASSERT_TRUE(letters->flush());
  }
  LogView view;
  const auto found_until = [&](std::int64_t deadline_ns) {
    return found_by(
        [&](Findings& findings) { view = check_log(findings, settings, false, {}, {}, {}, deadline_ns, clock); });
  };
  EXPECT_EQ(found_until(clock.boot_ns() + 60 * kNsPerSecond), Names{"FAULT dead_letters.bad_price"});
  EXPECT_EQ(view.newest_ns, 0);
  EXPECT_EQ(found_until(clock.boot_ns()),
            (Names{"warn check.not_finished", "FAULT dead_letters.bad_price", "warn check.not_finished"}));
  EXPECT_EQ(view.newest_ns, std::nullopt);
}

TEST(CheckDirectory, WhoMayNotLookAtALockTakesItAsHeld) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  const TempDirectory directory;
  directory.write("LOCK", "");
  const std::string path = directory.path().string();
  EXPECT_EQ(owner_of(path), std::nullopt);
  std::filesystem::permissions(path, std::filesystem::perms::all);
  std::filesystem::permissions(path + "/LOCK", std::filesystem::perms::owner_read);
  constexpr uid_t kNobody = 65'534;
  ASSERT_EQ(seteuid(kNobody), 0);
  const auto owner = owner_of(path);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(owner.value_or("").substr(0, 9), "somebody ");
}

TEST(Findings, OfWhatIsMadeOnlyWhatIsBrokenCounts) {
  Findings findings(false, Findings::Faults::kBroken);
  testing::internal::CaptureStdout();
  findings.fault("dead_letters", Error{ErrorCode::kBadPrice, ""});
  findings.fault(Finding::kLedgerUnbalanced, "");
  EXPECT_TRUE(findings.faulty("ledger"));
  EXPECT_FALSE(findings.any_fault());
  findings.broken("log", Error{ErrorCode::kBrokerUnreachable, ""});
  EXPECT_TRUE(findings.any_fault());
  const std::string said = testing::internal::GetCapturedStdout();
  EXPECT_NE(said.find("warn   dead_letters.bad_price"), std::string::npos) << said;
  EXPECT_NE(said.find("warn   ledger.unbalanced"), std::string::npos) << said;
  EXPECT_NE(said.find("FAULT  log.broker_unreachable"), std::string::npos) << said;
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
