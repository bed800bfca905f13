#include "telemetry/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <sstream>
#include <stdexcept>
#include <variant>
#include <vector>

#include "base/error.h"
#include "telemetry/process_figures.h"

namespace finpipe {
namespace {

using enum Metric;
using enum MetricType;

constexpr MetricLabel kRoute{
    "route", "bars revisions trades symbols gaps voids status ledger stream healthz readyz metrics page other"};
constexpr MetricLabel kStatus{"status", "2xx 3xx 4xx 5xx"};
constexpr MetricLabel kChannel{"channel", "bars trades status"};
constexpr MetricLabel kDeadLetterReason{"reason", "", true};
constexpr MetricLabel kDisk{"use", "log store work"};

// Bounds in seconds. Each list has those that a promise is about, and goes on to what an operator calls an outage.
constexpr auto kAnswerBuckets = std::to_array<double>(
    {0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10});
constexpr auto kCommitBuckets =
    std::to_array<double>({0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60});
// A bar closes the lag of its market and 2 s (equities 5 s) after its end.
constexpr auto kCloseBuckets =
    std::to_array<double>({0.5, 1, 2, 2.25, 2.5, 3, 3.5, 4, 5, 5.5, 6, 7.5, 10, 15, 30, 60, 300, 3'600});
constexpr auto kRowBuckets = std::to_array<double>({1, 3, 10, 30, 100, 300, 1'000, 3'000, 10'000, 30'000, 100'000});

constexpr auto kMetrics = std::to_array<MetricInfo>({
    {kEndpointConnections, "finpipe_endpoint_connections", kGauge, "", "Connections open now, of HTTP and WebSocket"},
    {kEndpointAccepted, "finpipe_endpoint_connections_accepted_total", kCounter, "", "Connections accepted"},
    {kEndpointShed, "finpipe_endpoint_connections_shed_total", kCounter, "",
     "Connections closed for want of room: too many of them, or no file descriptors"},
    {kEndpointBadRequests, "finpipe_endpoint_bad_requests_total", kCounter, "",
     "Requests that were malformed or beyond a limit, and reached no route"},
    {kEndpointTimeouts, "finpipe_endpoint_timeouts_total", kCounter, "",
     "Connections dropped for being slow: requests, idle time, writes, pongs"},
    {kEndpointRequests, "finpipe_endpoint_requests_total", kCounter, "", "Requests answered", {kRoute, kStatus}},
    {kEndpointRequestSeconds,
     "finpipe_endpoint_request_seconds",
     kHistogram,
     "seconds",
     "From a whole request to its answer",
     {kRoute},
     kAnswerBuckets},
    {kStreamClients, "finpipe_stream_clients", kGauge, "", "Clients of the live stream now"},
    {kStreamSubscriptions, "finpipe_stream_subscriptions", kGauge, "", "Their subscriptions"},
    {kStreamMessages,
     "finpipe_stream_messages_total",
     kCounter,
     "",
     "Messages sent to clients of the stream",
     {kChannel}},
    {kStreamBytes, "finpipe_stream_bytes_total", kCounter, "bytes", "Text of those messages", {kChannel}},
    {kStreamConflatedBars, "finpipe_stream_conflated_bars_total", kCounter, "",
     "Versions of bars that a slow client was not sent because a newer one came before it had read"},
    {kStreamDroppedTrades, "finpipe_stream_dropped_trades_total", kCounter, "",
     "Trades that a slow client was not sent; it was told their number"},
    {kStreamClientsClosed,
     "finpipe_stream_clients_closed_total",
     kCounter,
     "",
     "Clients of the stream that were disconnected by a rule",
     {MetricLabel{"reason", "too_far_behind too_many_messages overflow"}}},
    {kStreamSnapshotSeconds,
     "finpipe_stream_snapshot_seconds",
     kHistogram,
     "seconds",
     "To read and write one snapshot",
     {},
     kAnswerBuckets},

    {kFeedConnected, "finpipe_feed_connected", kGauge, "",
     "1 while the feed is connected, else 0; where nothing is received, as the log says that is processed"},
    {kFeedLastFrameAgeSeconds, "finpipe_feed_last_frame_age_seconds", kGauge, "seconds",
     "Since the last frame or ping of the feed, or since it was connected when that was later; 0 before and of a "
     "tape"},
    {kFeedSilenceSeconds, "finpipe_feed_silence_seconds", kGauge, "seconds",
     "Since the present interruption of the feed began; 0 while it is connected, not known, or a tape"},
    {kFeedReconnects,
     "finpipe_feed_reconnects_total",
     kCounter,
     "",
     "Interruptions of the feed, by what began them",
     {MetricLabel{"reason", "disconnected stalled"}}},
    {kFeedLagSeconds,
     "finpipe_feed_lag_seconds",
     kGauge,
     "seconds",
     "From a trade to its receipt, where a live feed is received: the 99th percentile of the last five minutes; "
     "absent where none came",
     {MetricLabel{"market", ""}}},
    {kHeartbeatAgeSeconds, "finpipe_heartbeat_age_seconds", kGauge, "seconds",
     "Since the newest heartbeat was written to the log; where nothing is received, since the newest that was "
     "processed "
     "was; 0 before the first and of a tape"},
    {kIngestFrames, "finpipe_ingest_frames_total", kCounter, "", "Frames received"},
    {kIngestReceived, "finpipe_ingest_trades_received_total", kCounter, "",
     "Trades received of subscribed symbols, good or bad"},
    {kIngestAlreadyInLog, "finpipe_ingest_trades_already_in_log_total", kCounter, "",
     "Of those, already in the log: a tape was resumed"},
    {kIngestAppended, "finpipe_ingest_trades_appended_total", kCounter, "", "Of those, appended to the log"},
    {kIngestDeadLettered,
     "finpipe_ingest_trades_dead_lettered_total",
     kCounter,
     "",
     "Of those, set aside before the log",
     {kDeadLetterReason}},
    {kIngestSuspects, "finpipe_ingest_suspects_total", kCounter, "",
     "Trades appended that look like a repeat of earlier ones; bars leave them out"},
    {kIngestUnknownCodes, "finpipe_ingest_unknown_conditions_total", kCounter, "",
     "Trades appended with a sale condition that no policy has a rule for; bars take them as regular"},
    {kIngestRounded, "finpipe_ingest_numbers_rounded_total", kCounter, "",
     "Prices and volumes with more digits than fit"},
    {kIngestUnsubscribed, "finpipe_ingest_trades_unsubscribed_total", kCounter, "",
     "Trades of symbols that were not asked for"},
    {kIngestVendorErrors, "finpipe_ingest_vendor_errors_total", kCounter, "", "Error frames of the vendor"},

    {kLogAppended, "finpipe_log_records_appended_total", kCounter, "", "Records handed to the log"},
    {kLogPendingBytes, "finpipe_log_pending_bytes", kGauge, "bytes", "Appended and not durable yet"},
    {kLogPendingLimitBytes, "finpipe_log_pending_limit_bytes", kGauge, "bytes",
     "Of that, with which the feed has to wait (kafka-buffer); 0: there is no such limit"},
    {kLogFlushSeconds,
     "finpipe_log_flush_seconds",
     kHistogram,
     "seconds",
     "To make appended records durable, where the log does it at once",
     {},
     kAnswerBuckets},
    {kLogTrouble, "finpipe_log_trouble", kGauge, "",
     "1 while the log takes or gives nothing because a server is away, else 0"},
    {kRegistryTrouble, "finpipe_registry_trouble", kGauge, "",
     "1 while the schema registry does not answer as it should, or what it said cannot be kept in a file, else 0"},
    {kKafkaBrokers, "finpipe_kafka_brokers", kGauge, "", "Brokers of the Kafka cluster"},
    {kKafkaBrokersUp, "finpipe_kafka_brokers_up", kGauge, "", "Of those, connected to"},
    {kKafkaRecordsWritten, "finpipe_kafka_records_written_total", kCounter, "",
     "Records that Kafka acknowledged: of the log, bars and dead letters"},
    {kKafkaRecordsRead, "finpipe_kafka_records_read_total", kCounter, "", "Records received from Kafka"},
    {kKafkaPrefetchedBytes, "finpipe_kafka_prefetched_bytes", kGauge, "bytes", "Received and not processed yet"},
    {kKafkaRetries, "finpipe_kafka_retries_total", kCounter, "", "Requests to Kafka that were sent again"},
    {kKafkaRebalances, "finpipe_kafka_rebalances_total", kCounter, "",
     "Times that the group shared the partitions anew with this process as a member; its joining is the first"},
    {kKafkaLatencySeconds,
     "finpipe_kafka_append_latency_seconds",
     kGauge,
     "seconds",
     "From appending a record to Kafka's acknowledgement, by percentile; the slowest of log, bars and dead letters",
     {MetricLabel{"percentile", "50 99"}}},

    {kProcessorRecords, "finpipe_processor_records_total", kCounter, "", "Records of the log applied"},
    {kProcessorBacklog,
     "finpipe_processor_backlog_records",
     kGauge,
     "",
     "Records in the log that are not applied yet; 0 for a partition that another process has",
     {MetricLabel{"partition", ""}}},
    {kProcessorClockSeconds,
     "finpipe_processor_clock_seconds",
     kGauge,
     "seconds",
     "The time by which bars close, since 1970: of the newest live record applied; 0 where it is not known",
     {MetricLabel{"partition", ""}}},
    {kProcessorGapsOpen, "finpipe_processor_gaps_open", kGauge, "",
     "Partitions whose feed is interrupted, as far as they are applied"},
    {kProcessorWindows, "finpipe_processor_windows", kGauge, "", "Bars in memory"},
    {kProcessorLookUps, "finpipe_processor_look_ups_total", kCounter, "",
     "Reads of bars that were no longer, or not yet, in memory"},
    {kProcessorRevisions,
     "finpipe_processor_revisions_total",
     kCounter,
     "",
     "Final bars revised",
     {MetricLabel{"reason", "late backfill gap void"}}},
    {kProcessorCloseDelaySeconds,
     "finpipe_processor_close_delay_seconds",
     kHistogram,
     "seconds",
     "From the end of a bar of up to 1h until its final state is durable, of bars that ended since this process "
     "started",
     {},
     kCloseBuckets},
    {kProcessorDeadLettered,
     "finpipe_processor_dead_lettered_total",
     kCounter,
     "",
     "Records of the log set aside by the processor",
     {kDeadLetterReason}},
    {kProcessorCommitSeconds,
     "finpipe_processor_commit_seconds",
     kHistogram,
     "seconds",
     "From handing a commit to the store until it is durable",
     {},
     kCommitBuckets},
    {kProcessorCommitAgeSeconds, "finpipe_processor_commit_age_seconds", kGauge, "seconds",
     "Since the oldest record was applied that the store does not have yet; 0 while it has all"},
    {kCommitIntervalSeconds, "finpipe_commit_interval_seconds", kGauge, "seconds",
     "The longest that a commit gathers: the setting; 0 where nothing is processed"},

    {kStoreTrouble, "finpipe_store_trouble", kGauge, "",
     "1 while the store takes and gives nothing because a server is away, else 0"},
    {kStoreCommitsInFlight, "finpipe_store_commits_in_flight", kGauge, "",
     "Commits handed to the store that are not durable yet"},
    {kStoreCommitRows, "finpipe_store_commit_rows", kHistogram, "", "Rows of a commit", {}, kRowBuckets},
    {kCassandraNodes, "finpipe_cassandra_nodes", kGauge, "", "Nodes of the Cassandra cluster"},
    {kCassandraNodesUp, "finpipe_cassandra_nodes_up", kGauge, "", "Of those, connected to"},
    {kCassandraConnections, "finpipe_cassandra_connections", kGauge, "", "Connections to them"},
    {kCassandraRequests, "finpipe_cassandra_requests_total", kCounter, "", "Requests sent, every attempt"},
    {kCassandraRowsWritten, "finpipe_cassandra_rows_written_total", kCounter, "", "Rows that were acknowledged"},
    {kCassandraRetries, "finpipe_cassandra_retries_total", kCounter, "", "Attempts after the first"},
    {kCassandraTimeouts, "finpipe_cassandra_timeouts_total", kCounter, "",
     "Attempts that were not answered in time; they may have been applied"},
    {kCassandraOverloads, "finpipe_cassandra_overloads_total", kCounter, "",
     "Attempts that a node refused because it had too much to do"},
    {kCassandraInFlight, "finpipe_cassandra_requests_in_flight", kGauge, "", "Requests under way now"},
    {kCassandraWindow, "finpipe_cassandra_request_window", kGauge, "", "As many requests may be under way"},
    {kCassandraLatencySeconds,
     "finpipe_cassandra_latency_seconds",
     kGauge,
     "seconds",
     "From a request to its answer, by percentile",
     {MetricLabel{"percentile", "50 99"}}},

    {kLedgerTrades,
     "finpipe_ledger_trades",
     kGauge,
     "",
     "The account of trades over all sessions, of the partitions that this process has, as far as it has applied them",
     {MetricLabel{"term",
                  "received already_in_log appended dead_lettered_before in_log stored skipped "
                  "dead_lettered_after"}}},
    {kLedgerBalanced, "finpipe_ledger_balanced", kGauge, "",
     "1 while the account of every session and partition balances, else 0"},

    {kDiskFreeBytes,
     "finpipe_disk_free_bytes",
     kGauge,
     "bytes",
     "Left for this user where the log or the store has its directory, or where one with both on servers works; 0 "
     "where it "
     "has none",
     {kDisk}},
    {kDiskSizeBytes, "finpipe_disk_size_bytes", kGauge, "bytes", "Of that file system", {kDisk}},
    {kCertificateNotAfterSeconds,
     "finpipe_certificate_not_after_seconds",
     kGauge,
     "seconds",
     "When the first certificate ends, since 1970, of those in use with that server: our own; those that it showed "
     "last, "
     "but for Cassandra; of feed and registry also what they are trusted by; 0 where none is known",
     {MetricLabel{"certificate", "feed kafka cassandra registry"}}},

    {kReady, "finpipe_ready", kGauge, "", "1 while /readyz answers that the process is ready, else 0"},
    {kProcessResidentBytes, "finpipe_process_resident_bytes", kGauge, "bytes", "Resident memory"},
    {kProcessOpenFds, "finpipe_process_open_fds", kGauge, "", "Open file descriptors"},
    {kProcessCpuSeconds, "finpipe_process_cpu_seconds_total", kCounter, "seconds", "Processor time, user and system"},
    {kProcessStartTimeSeconds, "finpipe_process_start_time_seconds", kGauge, "seconds", "When it started, since 1970"},
    {kBuildInfo,
     "finpipe_build_info",
     kGauge,
     "",
     "Always 1; the label tells the version",
     {MetricLabel{"version", ""}}},
});

constexpr bool in_the_order_of_their_ids() {
  for (std::size_t i = 0; i < kMetrics.size(); ++i)
    if (static_cast<std::size_t>(kMetrics[i].id) != i) return false;
  return kMetrics.size() == static_cast<std::size_t>(kBuildInfo) + 1;
}
static_assert(in_the_order_of_their_ids());

constexpr bool histograms_have_rising_bounds() {
  for (const MetricInfo& info : kMetrics)
    if (info.buckets.empty() != (info.type != kHistogram) || !std::ranges::is_sorted(info.buckets)) return false;
  return true;
}
static_assert(histograms_have_rising_bounds());

std::size_t label_count(const MetricInfo& info) {
  return static_cast<std::size_t>(
      std::ranges::count_if(info.labels, [](const MetricLabel& label) { return !label.name.empty(); }));
}

std::vector<std::string> known_values(const MetricLabel& label) {
  std::vector<std::string> values;
  if (label.dead_letter_reasons) {
    for (const ErrorInfo& error : error_table()) {
      const int number = static_cast<int>(error.code);
      if (number >= 300 && number < 500) values.emplace_back(error.name);
    }
    return values;
  }
  std::istringstream words{std::string(label.values)};
  for (std::string word; words >> word;) values.push_back(word);
  return values;
}

// One metric of the registry: its series by label values, in the order of the table.
class Slot {
 public:
  Slot(const MetricInfo& info, prometheus::Registry& registry) : info_(info), labels_(label_count(info)) {
    const std::string name(info.name);
    const std::string help(info.help);
    switch (info.type) {
      case kCounter: family_ = &prometheus::BuildCounter().Name(name).Help(help).Register(registry); break;
      case kGauge: family_ = &prometheus::BuildGauge().Name(name).Help(help).Register(registry); break;
      case kHistogram: family_ = &prometheus::BuildHistogram().Name(name).Help(help).Register(registry); break;
    }
    create_known({});
  }

  [[nodiscard]] prometheus::Counter& counter(Metrics::Labels labels) {
    return *std::get<prometheus::Counter*>(at(kCounter, labels));
  }
  [[nodiscard]] prometheus::Gauge& gauge(Metrics::Labels labels) {
    return *std::get<prometheus::Gauge*>(at(kGauge, labels));
  }
  [[nodiscard]] prometheus::Histogram& histogram(Metrics::Labels labels) {
    return *std::get<prometheus::Histogram*>(at(kHistogram, labels));
  }
  void remove(Metrics::Labels labels) {
    const std::unique_lock lock(mutex_);
    const auto found = std::ranges::find_if(series_, [&](const auto& entry) { return same(entry.first, labels); });
    if (found == series_.end()) return;
    std::get<prometheus::Family<prometheus::Gauge>*>(family_)->Remove(std::get<prometheus::Gauge*>(found->second));
    series_.erase(found);
  }
  [[nodiscard]] double value(Metrics::Labels labels) const {
    const std::shared_lock lock(mutex_);
    const auto found = std::ranges::find_if(series_, [&](const auto& entry) { return same(entry.first, labels); });
    if (found == series_.end()) return 0;
    if (const auto* counter = std::get_if<prometheus::Counter*>(&found->second)) return (*counter)->Value();
    if (const auto* gauge = std::get_if<prometheus::Gauge*>(&found->second)) return (*gauge)->Value();
    return 0;
  }
  void raise_to(double total, Metrics::Labels labels) {
    prometheus::Counter& series = counter(labels);
    const std::lock_guard lock(raising_);
    if (const double present = series.Value(); total > present) series.Increment(total - present);
  }

 private:
  using Values = std::vector<std::string>;
  using Series = std::variant<prometheus::Counter*, prometheus::Gauge*, prometheus::Histogram*>;
  using Family = std::variant<prometheus::Family<prometheus::Counter>*, prometheus::Family<prometheus::Gauge>*,
                              prometheus::Family<prometheus::Histogram>*>;

  static bool same(const Values& values, Metrics::Labels labels) { return std::ranges::equal(values, labels); }

  Series at(MetricType type, Metrics::Labels labels) {
    if (type != info_.type || labels.size() != labels_)
      throw std::logic_error("metric " + std::string(info_.name) + " is used as another one");
    {
      const std::shared_lock lock(mutex_);
      for (const auto& [values, series] : series_)
        if (same(values, labels)) return series;
    }
    return create(Values(labels.begin(), labels.end()));
  }

  Series create(const Values& values) {
    const std::unique_lock lock(mutex_);
    for (const auto& [known, series] : series_)
      if (known == values) return series;
    prometheus::Labels labels;
    for (std::size_t i = 0; i < values.size(); ++i) labels.emplace(info_.labels[i].name, values[i]);
    const auto add = [&](auto* family) -> Series {
      if constexpr (std::is_same_v<decltype(family), prometheus::Family<prometheus::Histogram>*>)
        return &family->Add(labels, std::vector<double>(info_.buckets.begin(), info_.buckets.end()));
      else
        return &family->Add(labels);
    };
    return series_.emplace_back(values, std::visit(add, family_)).second;
  }

  // Every combination of values that the table knows.
  void create_known(Values values) {
    if (values.size() == labels_) {
      create(values);
      return;
    }
    for (std::string& value : known_values(info_.labels[values.size()])) {
      values.push_back(std::move(value));
      create_known(values);
      values.pop_back();
    }
  }

  const MetricInfo& info_;
  std::size_t labels_;
  Family family_;
  mutable std::shared_mutex mutex_;
  std::vector<std::pair<Values, Series>> series_;
  std::mutex raising_;
};

}  // namespace

std::string_view to_string(MetricType type) {
  switch (type) {
    case kCounter: return "counter";
    case kGauge: return "gauge";
    case kHistogram: return "histogram";
  }
  return "";
}

std::span<const MetricInfo> metric_table() { return kMetrics; }

class Metrics::Implementation {
 public:
  Implementation() {
    for (const MetricInfo& info : kMetrics) slots_.push_back(std::make_unique<Slot>(info, registry_));
  }
  [[nodiscard]] Slot& slot(Metric metric) { return *slots_[static_cast<std::size_t>(metric)]; }
  [[nodiscard]] std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, registry_.Collect());
    return std::move(out).str();
  }

 private:
  prometheus::Registry registry_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

Metrics::Metrics() : implementation_(std::make_unique<Implementation>()) {}
Metrics::~Metrics() = default;

void Metrics::add(Metric metric, double by, Labels labels) {
  implementation_->slot(metric).counter(labels).Increment(by);
}
void Metrics::raise_to(Metric metric, double total, Labels labels) {
  implementation_->slot(metric).raise_to(total, labels);
}
void Metrics::set(Metric metric, double value, Labels labels) {
  implementation_->slot(metric).gauge(labels).Set(value);
}
void Metrics::remove(Metric metric, Labels labels) { implementation_->slot(metric).remove(labels); }
void Metrics::observe(Metric metric, double value, Labels labels) {
  implementation_->slot(metric).histogram(labels).Observe(value);
}
double Metrics::value(Metric metric, Labels labels) const { return implementation_->slot(metric).value(labels); }

std::string Metrics::render() {
  if (const auto figures = process_figures()) {
    set(kProcessResidentBytes, static_cast<double>(figures->resident_bytes));
    set(kProcessOpenFds, static_cast<double>(figures->open_fds));
    raise_to(kProcessCpuSeconds, figures->cpu_seconds);
    set(kProcessStartTimeSeconds, figures->start_time_seconds);
  }
  return implementation_->text();
}

}  // namespace finpipe
