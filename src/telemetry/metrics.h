// What monitoring reads: counters, gauges and histograms by one table, in Prometheus' text form. Names and label values
// come from the table alone; no metric has a symbol in its labels. Counters whose label values are known stand at 0
// from the start, so that a rate over them is right from the first event on.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace finpipe {

enum class Metric : std::uint8_t {
  // Endpoint
  kEndpointConnections,
  kEndpointAccepted,
  kEndpointShed,
  kEndpointBadRequests,
  kEndpointTimeouts,
  kEndpointRequests,
  kEndpointRequestSeconds,
  kStreamClients,
  kStreamSubscriptions,
  kStreamMessages,
  kStreamBytes,
  kStreamConflatedBars,
  kStreamDroppedTrades,
  kStreamClientsClosed,
  kStreamSnapshotSeconds,
  // Feed and ingest
  kFeedConnected,
  kFeedLastFrameAgeSeconds,
  kFeedSilenceSeconds,
  kFeedReconnects,
  kFeedLagSeconds,
  kHeartbeatAgeSeconds,
  kIngestFrames,
  kIngestReceived,
  kIngestAlreadyInLog,
  kIngestAppended,
  kIngestDeadLettered,
  kIngestSuspects,
  kIngestUnknownCodes,
  kIngestRounded,
  kIngestUnsubscribed,
  kIngestVendorErrors,
  // Log
  kLogAppended,
  kLogPendingBytes,
  kLogPendingLimitBytes,
  kLogFlushSeconds,
  kLogTrouble,
  kRegistryTrouble,
  kKafkaBrokers,
  kKafkaBrokersUp,
  kKafkaRecordsWritten,
  kKafkaRecordsRead,
  kKafkaPrefetchedBytes,
  kKafkaRetries,
  kKafkaRebalances,
  kKafkaLatencySeconds,
  // Processor
  kProcessorRecords,
  kProcessorBacklog,
  kProcessorClockSeconds,
  kProcessorGapsOpen,
  kProcessorWindows,
  kProcessorLookUps,
  kProcessorRevisions,
  kProcessorCloseDelaySeconds,
  kProcessorDeadLettered,
  kProcessorCommitSeconds,
  kProcessorCommitAgeSeconds,
  kCommitIntervalSeconds,
  // Store
  kStoreTrouble,
  kStoreCommitsInFlight,
  kStoreCommitRows,
  kCassandraNodes,
  kCassandraNodesUp,
  kCassandraConnections,
  kCassandraRequests,
  kCassandraRowsWritten,
  kCassandraRetries,
  kCassandraTimeouts,
  kCassandraOverloads,
  kCassandraInFlight,
  kCassandraWindow,
  kCassandraLatencySeconds,
  // Ledger
  kLedgerTrades,
  kLedgerBalanced,
  // What runs out
  kDiskFreeBytes,
  kDiskSizeBytes,
  kCertificateNotAfterSeconds,
  // Process
  kReady,
  kProcessResidentBytes,
  kProcessOpenFds,
  kProcessCpuSeconds,
  kProcessStartTimeSeconds,
  kBuildInfo,
};

enum class MetricType : std::uint8_t { kCounter, kGauge, kHistogram };
[[nodiscard]] std::string_view to_string(MetricType type);

// A label and its values.
struct MetricLabel {
  std::string_view name;    // empty: no such label
  std::string_view values;  // separated by spaces; empty: known only when they come
  // Its values are the names of the errors that make dead letters (3xx and 4xx).
  bool dead_letter_reasons = false;
};

constexpr std::size_t kMaxMetricLabels = 2;

struct MetricInfo {
  Metric id;
  std::string_view name;
  MetricType type;
  std::string_view unit;  // "seconds", "bytes" or empty: a count or a flag
  std::string_view help;
  std::array<MetricLabel, kMaxMetricLabels> labels{};
  std::span<const double> buckets{};  // of a histogram: upper bounds, rising; the last one, without end, is not told
};
[[nodiscard]] std::span<const MetricInfo> metric_table();

// Any thread may call anything. A call that does not fit the table (another type, another number of labels) is a
// programming error and throws std::logic_error.
class Metrics {
 public:
  using Labels = std::initializer_list<std::string_view>;  // values, in the order of the table

  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // A counter goes up by `by` >= 0.
  void add(Metric metric, double by = 1, Labels labels = {});
  // A counter whose total somebody else keeps; a total below the present one changes nothing.
  void raise_to(Metric metric, double total, Labels labels = {});
  // A gauge has this value now.
  void set(Metric metric, double value, Labels labels = {});
  // There is no such gauge any more; nobody sets it meanwhile.
  void remove(Metric metric, Labels labels);
  // A histogram gets this value, in the unit of the table.
  void observe(Metric metric, double value, Labels labels = {});

  // Of a counter or a gauge; 0 when there is no such series.
  [[nodiscard]] double value(Metric metric, Labels labels = {}) const;

  // The text of GET /metrics. Reads the process's own figures first.
  [[nodiscard]] std::string render();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace finpipe
