#include "telemetry/metrics.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace finpipe {
namespace {

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, CountersStandAtZeroForEveryKnownLabel) {
  Metrics metrics;
  const std::string text = metrics.render();
  EXPECT_TRUE(has_line(text, "finpipe_ingest_frames_total 0")) << text;
  EXPECT_TRUE(has_line(text, "finpipe_endpoint_requests_total{route=\"bars\",status=\"5xx\"} 0"));
  EXPECT_TRUE(has_line(text, "finpipe_feed_reconnects_total{reason=\"stalled\"} 0"));
  EXPECT_TRUE(has_line(text, "finpipe_processor_revisions_total{reason=\"void\"} 0"));
}

TEST(Metrics, EveryReasonOfADeadLetterIsThereFromTheStart) {
  Metrics metrics;
  const std::string text = metrics.render();
  for (const ErrorInfo& error : error_table()) {
    const int number = static_cast<int>(error.code);
    const std::string line = "finpipe_ingest_trades_dead_lettered_total{reason=\"" + std::string(error.name) + "\"} 0";
    EXPECT_EQ(has_line(text, line), number >= 300 && number < 500) << line;
  }
}

TEST(Metrics, CountersRiseGaugesAreSetHistogramsCount) {
  Metrics metrics;
  metrics.add(Metric::kIngestFrames);
  metrics.add(Metric::kIngestFrames, 41);
  metrics.set(Metric::kFeedLagSeconds, 0.25, {"crypto"});
  metrics.set(Metric::kFeedLagSeconds, 0.125, {"crypto"});
  metrics.observe(Metric::kLogFlushSeconds, 0.002);
  const std::string text = metrics.render();
  EXPECT_TRUE(has_line(text, "finpipe_ingest_frames_total 42")) << text;
  EXPECT_TRUE(has_line(text, "finpipe_feed_lag_seconds{market=\"crypto\"} 0.125")) << text;
  EXPECT_TRUE(has_line(text, "finpipe_log_flush_seconds_count 1"));
  EXPECT_TRUE(has_line(text, "finpipe_log_flush_seconds_bucket{le=\"+Inf\"} 1"));
  EXPECT_EQ(metrics.value(Metric::kIngestFrames), 42);
  EXPECT_EQ(metrics.value(Metric::kFeedLagSeconds, {"crypto"}), 0.125);
  EXPECT_EQ(metrics.value(Metric::kFeedLagSeconds, {"forex"}), 0);
}

TEST(Metrics, ACounterIsRaisedToATotalAndNeverLowered) {
  Metrics metrics;
  metrics.raise_to(Metric::kIngestAppended, 10);
  metrics.raise_to(Metric::kIngestAppended, 7);
  EXPECT_EQ(metrics.value(Metric::kIngestAppended), 10);
  metrics.raise_to(Metric::kIngestAppended, 12);
  EXPECT_EQ(metrics.value(Metric::kIngestAppended), 12);
}

TEST(Metrics, LargeCountsAreWrittenInFull) {
  Metrics metrics;
  metrics.add(Metric::kStreamBytes, 9'007'199'254'740'991.0, {"bars"});
  EXPECT_TRUE(has_line(metrics.render(), "finpipe_stream_bytes_total{channel=\"bars\"} 9007199254740991"));
}

TEST(Metrics, ACallThatDoesNotFitTheTableIsAProgrammingError) {
  Metrics metrics;
  EXPECT_THROW(metrics.add(Metric::kFeedConnected), std::logic_error);
  EXPECT_THROW(metrics.set(Metric::kIngestFrames, 1), std::logic_error);
  EXPECT_THROW(metrics.add(Metric::kIngestFrames, 1, {"label"}), std::logic_error);
  EXPECT_THROW(metrics.add(Metric::kEndpointRequests, 1, {"bars"}), std::logic_error);
}

TEST(Metrics, NamesFollowTheRulesOfPrometheus) {
  std::set<std::string_view> names;
  for (const MetricInfo& info : metric_table()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(info.name.starts_with("finpipe_")) << info.name;
    EXPECT_EQ(info.name.ends_with("_total"), info.type == MetricType::kCounter) << info.name;
    const std::string_view stem = info.name.ends_with("_total") ? info.name.substr(0, info.name.size() - 6) : info.name;
    EXPECT_TRUE(info.unit.empty() || stem.ends_with("_" + std::string(info.unit))) << info.name;
    for (const char c : info.name) EXPECT_TRUE(std::islower(c) != 0 || c == '_') << info.name;
    for (const MetricLabel& label : info.labels) EXPECT_NE(label.name, "symbol") << info.name;
    EXPECT_FALSE(info.help.empty());
  }
}

TEST(Metrics, ThreadsCountTogether) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&metrics, thread] {
      for (int i = 0; i < 10'000; ++i) {
        metrics.add(Metric::kIngestFrames);
        metrics.set(Metric::kFeedLagSeconds, i, {thread % 2 == 0 ? "crypto" : "forex"});
        if (i % 1'000 == 0) static_cast<void>(metrics.render());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(metrics.value(Metric::kIngestFrames), 40'000);
}

TEST(Metrics, TheProcessTellsAboutItself) {
  Metrics metrics;
  static_cast<void>(metrics.render());
  EXPECT_GT(metrics.value(Metric::kProcessResidentBytes), 1'000'000);
  EXPECT_GE(metrics.value(Metric::kProcessOpenFds), 3);
  EXPECT_GT(metrics.value(Metric::kProcessStartTimeSeconds), 1'600'000'000);
}

}  // namespace
}  // namespace finpipe
