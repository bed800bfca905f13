#include "app/figures.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "app/tests/temp_directory.h"
#include "net/tls.h"

namespace finpipe {
namespace {

constexpr std::int64_t kNowNs = 1'800'000'000 * kNsPerSecond;

class FiguresTest : public testing::Test {
 protected:
  // A checkpoint of a healthy live session, its heartbeat half a second old.
  static Checkpoint checkpoint() {
    Checkpoint at;
    at.origin = "vendor";
    at.feed_state = avro::ConnectionState::kConnected;
    at.feed_since_ms = kNowNs / kNsPerMs - 60'000;
    at.heartbeat_at_ns = kNowNs - kNsPerSecond / 2;
    at.last_frame_at_ns = kNowNs - 2 * kNsPerSecond;
    at.ledger[{Writer::kLive, 7}] = {.received = 10, .appended = 10, .in_log = 10, .stored = 10};
    return at;
  }
  PipelineThreads::Status with(const Checkpoint& at) {
    PipelineThreads::Status status;
    status.overview.add(at);
    return status;
  }
  double value(Metric metric, Metrics::Labels labels = {}) { return metrics.value(metric, labels); }

  TempDirectory directory;
  Settings settings;
  ManualClock clock{kNowNs};
  Metrics metrics;
};

TEST_F(FiguresTest, WhatIsNotReceivedHereIsAsTheLogSays) {
  Figures figures(settings, true, metrics, clock);
  figures.publish({});
  EXPECT_EQ(value(Metric::kFeedConnected), 0) << "nobody knows";
  EXPECT_EQ(value(Metric::kFeedSilenceSeconds), 0) << "and so nothing is silent";
  EXPECT_EQ(value(Metric::kHeartbeatAgeSeconds), 0);
  EXPECT_EQ(value(Metric::kLedgerBalanced), 1);
  Checkpoint at = checkpoint();
  figures.publish(with(at));
  EXPECT_EQ(value(Metric::kFeedConnected), 1);
  EXPECT_EQ(value(Metric::kFeedSilenceSeconds), 0);
  EXPECT_EQ(value(Metric::kFeedLastFrameAgeSeconds), 2);
  EXPECT_EQ(value(Metric::kHeartbeatAgeSeconds), 0.5);
  EXPECT_EQ(value(Metric::kLedgerTrades, {"stored"}), 10);
  at.feed_state = avro::ConnectionState::kStalled;
  at.ledger.begin()->second.stored = 9;
  clock.advance_ns(kNsPerSecond);
  figures.publish(with(at));
  EXPECT_EQ(value(Metric::kFeedConnected), 0);
  EXPECT_EQ(value(Metric::kFeedSilenceSeconds), 61);
  EXPECT_EQ(value(Metric::kHeartbeatAgeSeconds), 1.5);
  EXPECT_EQ(value(Metric::kLedgerBalanced), 0);
}

TEST_F(FiguresTest, WhatIsReceivedHereIsKnownWhileTheProcessorStandsStill) {
  Figures figures(settings, true, metrics, clock);
  PipelineThreads::Status status = with(checkpoint());
  status.feed = {.connected = true,
                 .since_ns = kNowNs - 60 * kNsPerSecond,
                 .last_frame_ns = kNowNs + 99 * kNsPerSecond,
                 .lags_ms = {{"crypto", 250}},
                 .heartbeat_ns = 99 * kNsPerSecond};
  clock.advance_ns(100 * kNsPerSecond);
  figures.publish(status);
  EXPECT_EQ(value(Metric::kFeedConnected), 1);
  EXPECT_EQ(value(Metric::kFeedLastFrameAgeSeconds), 1);
  EXPECT_EQ(value(Metric::kHeartbeatAgeSeconds), 1);
  EXPECT_EQ(value(Metric::kFeedLagSeconds, {"crypto"}), 0.25);
  status.feed->connected = false;
  status.feed->since_ns = kNowNs + 70 * kNsPerSecond;
  figures.publish(status);
  EXPECT_EQ(value(Metric::kFeedConnected), 0);
  EXPECT_EQ(value(Metric::kFeedSilenceSeconds), 30);
  EXPECT_EQ(value(Metric::kFeedLastFrameAgeSeconds), 1);
}

TEST_F(FiguresTest, AConnectionThatIsNewIsNotSilentYet) {
  Figures figures(settings, true, metrics, clock);
  PipelineThreads::Status status;
  status.feed = {
      .connected = true, .since_ns = kNowNs - 3 * kNsPerSecond, .last_frame_ns = 0, .lags_ms = {}, .heartbeat_ns = {}};
  figures.publish(status);
  EXPECT_EQ(value(Metric::kFeedLastFrameAgeSeconds), 3) << "no frame ever";
  status.feed->last_frame_ns = kNowNs - 400 * kNsPerSecond;
  figures.publish(status);
  EXPECT_EQ(value(Metric::kFeedLastFrameAgeSeconds), 3) << "none since an outage";
  Checkpoint at = checkpoint();
  at.last_frame_at_ns = kNowNs - 400 * kNsPerSecond;
  figures.publish(with(at));
  EXPECT_EQ(value(Metric::kFeedLastFrameAgeSeconds), 60) << "as the log says";
}

TEST_F(FiguresTest, ALagIsToldOnlyWhileTradesCome) {
  Figures figures(settings, true, metrics, clock);
  PipelineThreads::Status status;
  status.feed.emplace().lags_ms = {{"crypto", 250}, {"us", 20'000}};
  figures.publish(status);
  EXPECT_EQ(value(Metric::kFeedLagSeconds, {"us"}), 20);
  status.feed->lags_ms.erase("us");
  figures.publish(status);
  EXPECT_EQ(value(Metric::kFeedLagSeconds, {"crypto"}), 0.25);
  const std::string page = metrics.render();
  EXPECT_TRUE(page.contains("finpipe_feed_lag_seconds{market=\"crypto\"}")) << page;
  EXPECT_FALSE(page.contains("market=\"us\"")) << page;
}

TEST_F(FiguresTest, NothingInATapeHasAnAge) {
  Figures figures(settings, true, metrics, clock);
  Checkpoint at = checkpoint();
  at.origin = "tape";
  clock.advance_ns(kNowNs);
  figures.publish(with(at));
  EXPECT_EQ(value(Metric::kFeedConnected), 1);
  EXPECT_EQ(value(Metric::kFeedLastFrameAgeSeconds), 0);
  EXPECT_EQ(value(Metric::kHeartbeatAgeSeconds), 0);
}

TEST_F(FiguresTest, TheProcessorsPartitionsAndWhatItHasNotStored) {
  Figures figures(settings, true, metrics, clock);
  PipelineThreads::Status status;
  status.partitions = {{.log_end = 120, .next = 100, .clock_ns = kNowNs, .gap_open = true}, {}};
  status.oldest_unstored_ns = 2 * kNsPerSecond;
  clock.advance_ns(14 * kNsPerSecond);
  figures.publish(status);
  EXPECT_EQ(value(Metric::kProcessorBacklog, {"0"}), 20);
  EXPECT_EQ(value(Metric::kProcessorBacklog, {"1"}), 0);
  EXPECT_EQ(value(Metric::kProcessorClockSeconds, {"0"}), 1'800'000'000);
  EXPECT_EQ(value(Metric::kProcessorClockSeconds, {"1"}), 0);
  EXPECT_EQ(value(Metric::kProcessorGapsOpen), 1);
  EXPECT_EQ(value(Metric::kProcessorCommitAgeSeconds), 12);
  status.oldest_unstored_ns.reset();
  figures.publish(status);
  EXPECT_EQ(value(Metric::kProcessorCommitAgeSeconds), 0);
}

TEST_F(FiguresTest, DisksAreThoseOfTheDirectories) {
  settings.log = "embedded:" + (directory.path() / "log").string();
  settings.store = "cassandra://127.0.0.1:1/bars";
  const auto log = open_log(settings, Access::kWrite);
  ASSERT_TRUE(log) << log.error().message();
  Figures figures(settings, true, metrics, clock);
  figures.publish_outlook({}, **log);
  const auto space = std::filesystem::space(directory.path());
  EXPECT_EQ(value(Metric::kDiskSizeBytes, {"log"}), static_cast<double>(space.capacity));
  EXPECT_GT(value(Metric::kDiskFreeBytes, {"log"}), 0);
  EXPECT_EQ(value(Metric::kDiskSizeBytes, {"store"}), 0) << "a server has it";
  EXPECT_EQ(value(Metric::kDiskSizeBytes, {"work"}), 0);
  settings.log = "kafka://127.0.0.1:1";
  Figures on_servers(settings, true, metrics, clock);
  on_servers.publish_outlook({}, **log);
  EXPECT_EQ(value(Metric::kDiskSizeBytes, {"work"}),
            static_cast<double>(std::filesystem::space(std::filesystem::current_path()).capacity));
}

TEST_F(FiguresTest, TheFirstCertificateThatEndsIsTold) {
  settings.log = "embedded:" + (directory.path() / "log").string();
  const auto log = open_log(settings, Access::kWrite);
  ASSERT_TRUE(log) << log.error().message();
  const std::vector<std::string> names = {"client"};
  const auto soon = *net::generate_certificate(names, 3);
  const auto late = *net::generate_certificate(names, 30);
  directory.write("kafka.pem", late.certificate_pem + soon.certificate_pem);
  settings.kafka.certificate_file = (directory.path() / "kafka.pem").string();
  FeedParts feed;
  feed.tls = *net::TlsContext::client({.ca_pem = late.ca_pem, .certificate_pem = {}, .key_pem = {}});
  Figures figures(settings, true, metrics, clock);
  figures.publish_outlook(feed, **log);
  const auto not_after = [&](std::string_view server) { return value(Metric::kCertificateNotAfterSeconds, {server}); };
  EXPECT_EQ(not_after("kafka"), static_cast<double>(*net::not_after_s_of_pem(soon.certificate_pem)));
  EXPECT_EQ(not_after("feed"), static_cast<double>(*net::not_after_s_of_pem(late.ca_pem)));
  EXPECT_EQ(not_after("cassandra"), 0);
  EXPECT_EQ(not_after("registry"), 0);
}

}  // namespace
}  // namespace finpipe
