#include "app/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <variant>

#include "app/urls.h"
#include "base/time.h"
#include "net/tls.h"

namespace finpipe {
namespace {

constexpr double kUsPerSecond = 1e6;

double in_seconds(std::int64_t ns) { return static_cast<double>(ns) / static_cast<double>(kNsPerSecond); }

template <typename Url>
std::string directory_in(const Result<Url>& url) {
  if (!url) return {};
  const auto* const directory = std::get_if<DirectoryUrl>(&*url);
  return directory != nullptr ? directory->directory : std::string();
}

// The disk that one works on who has none for log and store may be that of their servers, as in docker-compose.yaml.
std::array<Figures::Disk, 3> disks_of(const Settings& settings, bool stores) {
  std::array<Figures::Disk, 3> disks = {{{"log", directory_in(parse_log_url(settings.log))},
                                         {"store", stores ? directory_in(parse_store_url(settings.store)) : ""},
                                         {"work", ""}}};
  if (disks[0].directory.empty() && disks[1].directory.empty()) disks[2].directory = ".";
  return disks;
}

std::optional<std::int64_t> not_after_s_of_file(const std::string& path) {
  if (path.empty()) return std::nullopt;
  std::ifstream file(path, std::ios::binary);
  return net::not_after_s_of_pem({std::istreambuf_iterator<char>(file), {}});
}

// 0: neither is known.
double earlier(std::optional<std::int64_t> own_s, std::int64_t shown_s) {
  if (!own_s || (shown_s != 0 && shown_s < *own_s)) return static_cast<double>(shown_s);
  return static_cast<double>(*own_s);
}

}  // namespace

Figures::Figures(const Settings& settings, bool stores, Metrics& metrics, Clock& clock)
    : metrics_(metrics),
      clock_(clock),
      disks_(disks_of(settings, stores)),
      max_pending_bytes_(static_cast<double>(settings.kafka.max_pending_bytes)),
      kafka_not_after_s_(not_after_s_of_file(settings.kafka.certificate_file)),
      cassandra_not_after_s_(stores ? not_after_s_of_file(settings.cassandra.certificate_file) : std::nullopt) {
  metrics_.set(Metric::kLedgerBalanced, 1);  // the account of nothing
}

void Figures::publish(const PipelineThreads::Status& status) {
  publish_ingest(status.ingest);
  publish_feed(status);
  publish_processor(status);
  publish_ledger(status.overview);
}

void Figures::publish_ingest(const IngestCounts& ingest) {
  const auto raise = [&](Metric metric, std::int64_t total, Metrics::Labels labels = {}) {
    metrics_.raise_to(metric, static_cast<double>(total), labels);
  };
  raise(Metric::kIngestFrames, ingest.frames);
  raise(Metric::kIngestReceived, ingest.received);
  raise(Metric::kIngestAlreadyInLog, ingest.already_in_log);
  raise(Metric::kIngestAppended, ingest.appended);
  raise(Metric::kIngestSuspects, ingest.suspects);
  raise(Metric::kIngestUnknownCodes, ingest.unknown_codes);
  raise(Metric::kIngestRounded, ingest.rounded);
  raise(Metric::kIngestUnsubscribed, ingest.unsubscribed);
  raise(Metric::kIngestVendorErrors, ingest.vendor_errors);
  raise(Metric::kFeedReconnects, ingest.disconnects, {"disconnected"});
  raise(Metric::kFeedReconnects, ingest.stalls, {"stalled"});
}

// Of the feed itself where it is received, else as the log says. In a tape's log time has stopped: nothing in it has an
// age.
void Figures::publish_feed(const PipelineThreads::Status& status) {
  const Overview& log = status.overview;
  bool connected = false;
  double silence = 0, frame_age = 0, heartbeat_age = 0;
  if (status.feed) {
    connected = status.feed->connected;
    if (!connected) silence = seconds_since(status.feed->since_ns);
    frame_age = quiet_for(status.feed->last_frame_ns, connected, status.feed->since_ns);
    if (status.feed->heartbeat_ns) heartbeat_age = in_seconds(clock_.boot_ns() - *status.feed->heartbeat_ns);
    publish_lags(status.feed->lags_ms);
  } else if (log.newest_heartbeat_ns > 0) {
    connected = log.feed_state == avro::ConnectionState::kConnected;
    if (log.origin != "tape") {
      if (!connected) silence = seconds_since(log.feed_since_ms * kNsPerMs);
      frame_age = quiet_for(log.last_frame_at_ns, connected, log.feed_since_ms * kNsPerMs);
      heartbeat_age = seconds_since(log.newest_heartbeat_ns);
    }
  }
  metrics_.set(Metric::kFeedConnected, connected ? 1 : 0);
  metrics_.set(Metric::kFeedSilenceSeconds, silence);
  metrics_.set(Metric::kFeedLastFrameAgeSeconds, frame_age);
  metrics_.set(Metric::kHeartbeatAgeSeconds, heartbeat_age);
}

void Figures::publish_lags(const std::map<std::string, std::int64_t>& lags_ms) {
  for (const auto& [market, lag_ms] : lags_ms_)
    if (!lags_ms.contains(market)) metrics_.remove(Metric::kFeedLagSeconds, {market});
  for (const auto& [market, lag_ms] : lags_ms)
    metrics_.set(Metric::kFeedLagSeconds, static_cast<double>(lag_ms) / kMsPerSecond, {market});
  lags_ms_ = lags_ms;
}

void Figures::publish_processor(const PipelineThreads::Status& status) {
  metrics_.raise_to(Metric::kProcessorRecords, static_cast<double>(status.records_applied));
  std::int64_t gaps_open = 0;
  for (std::size_t p = 0; p < status.partitions.size(); ++p) {
    const PipelineThreads::PartitionPlace& place = status.partitions[p];
    const std::string partition = fmt::to_string(p);
    metrics_.set(Metric::kProcessorBacklog, static_cast<double>(place.unapplied()), {partition});
    metrics_.set(Metric::kProcessorClockSeconds, in_seconds(place.clock_ns), {partition});
    if (place.gap_open) ++gaps_open;
  }
  metrics_.set(Metric::kProcessorGapsOpen, static_cast<double>(gaps_open));
  metrics_.set(Metric::kProcessorWindows, static_cast<double>(status.windows));
  const auto oldest_ns = status.oldest_unstored_ns;
  metrics_.set(Metric::kProcessorCommitAgeSeconds, oldest_ns ? in_seconds(clock_.boot_ns() - *oldest_ns) : 0);
}

void Figures::publish_ledger(const Overview& all) {
  const auto set = [this](std::string_view term, std::int64_t value) {
    metrics_.set(Metric::kLedgerTrades, static_cast<double>(value), {term});
  };
  set("received", all.trades.received);
  set("already_in_log", all.trades.already_in_log);
  set("appended", all.trades.appended);
  set("dead_lettered_before", all.trades.dead_lettered_before);
  set("in_log", all.trades.in_log);
  set("stored", all.trades.stored);
  set("skipped", all.trades.skipped);
  set("dead_lettered_after", all.trades.dead_lettered_after);
  metrics_.set(Metric::kLedgerBalanced, all.balanced ? 1 : 0);
}

void Figures::publish_log(const LogPart& log, bool trouble) {
  metrics_.set(Metric::kLogTrouble, trouble ? 1 : 0);
  metrics_.set(Metric::kRegistryTrouble, log.registry_trouble() ? 1 : 0);
  const auto kafka = log.statistics();
  if (!kafka) return;
  metrics_.set(Metric::kLogPendingLimitBytes, max_pending_bytes_);
  metrics_.set(Metric::kKafkaBrokers, static_cast<double>(kafka->brokers));
  metrics_.set(Metric::kKafkaBrokersUp, static_cast<double>(kafka->brokers_up));
  metrics_.raise_to(Metric::kKafkaRecordsWritten, static_cast<double>(kafka->records_written));
  metrics_.raise_to(Metric::kKafkaRecordsRead, static_cast<double>(kafka->records_read));
  metrics_.set(Metric::kKafkaPrefetchedBytes, static_cast<double>(kafka->prefetched_bytes));
  metrics_.raise_to(Metric::kKafkaRetries, static_cast<double>(kafka->retries));
  metrics_.raise_to(Metric::kKafkaRebalances, static_cast<double>(kafka->rebalances));
  metrics_.set(Metric::kKafkaLatencySeconds, static_cast<double>(kafka->append_latency_us_p50) / kUsPerSecond, {"50"});
  metrics_.set(Metric::kKafkaLatencySeconds, static_cast<double>(kafka->append_latency_us_p99) / kUsPerSecond, {"99"});
}

void Figures::publish_store(const StorePart& store, bool trouble) {
  metrics_.set(Metric::kStoreTrouble, trouble ? 1 : 0);
  const auto cassandra = store.statistics();
  if (!cassandra) return;
  const auto set = [&](Metric metric, std::int64_t value) { metrics_.set(metric, static_cast<double>(value)); };
  const auto raise = [&](Metric metric, std::int64_t total) { metrics_.raise_to(metric, static_cast<double>(total)); };
  set(Metric::kCassandraNodes, cassandra->nodes);
  set(Metric::kCassandraNodesUp, cassandra->nodes_up);
  set(Metric::kCassandraConnections, cassandra->connections);
  raise(Metric::kCassandraRequests, cassandra->requests);
  raise(Metric::kCassandraRowsWritten, cassandra->rows_written);
  raise(Metric::kCassandraRetries, cassandra->retries);
  raise(Metric::kCassandraTimeouts, cassandra->timeouts);
  raise(Metric::kCassandraOverloads, cassandra->overloads);
  set(Metric::kCassandraInFlight, cassandra->in_flight);
  set(Metric::kCassandraWindow, cassandra->window);
  metrics_.set(Metric::kCassandraLatencySeconds, static_cast<double>(cassandra->latency_us_p50) / kUsPerSecond, {"50"});
  metrics_.set(Metric::kCassandraLatencySeconds, static_cast<double>(cassandra->latency_us_p99) / kUsPerSecond, {"99"});
}

void Figures::publish_outlook(const FeedParts& feed, const LogPart& log) {
  const std::int64_t now_ns = clock_.boot_ns();
  if (outlook_ns_ && now_ns - *outlook_ns_ < kNsPerSecond) return;
  outlook_ns_ = now_ns;
  for (const auto& [use, directory] : disks_) {
    std::error_code error;
    const auto space = directory.empty() ? std::filesystem::space_info{} : std::filesystem::space(directory, error);
    if (error) continue;
    metrics_.set(Metric::kDiskFreeBytes, static_cast<double>(space.available), {use});
    metrics_.set(Metric::kDiskSizeBytes, static_cast<double>(space.capacity), {use});
  }
  const auto kafka = log.statistics();
  const auto certificate = [this](std::string_view server, double not_after_s) {
    metrics_.set(Metric::kCertificateNotAfterSeconds, not_after_s, {server});
  };
  const std::int64_t now_s = clock_.wall_ns() / kNsPerSecond;
  certificate("feed", feed.tls ? earlier(feed.tls->not_after_s(now_s), 0) : 0);
  certificate("kafka", earlier(kafka_not_after_s_, kafka ? kafka->certificate_not_after_s : 0));
  certificate("registry", static_cast<double>(log.registry_not_after_s(now_s)));
  certificate("cassandra", earlier(cassandra_not_after_s_, 0));
}

// A connection is not yet silent when the last frame came by the one before.
double Figures::quiet_for(std::int64_t last_frame_ns, bool connected, std::int64_t since_ns) {
  const std::int64_t from_ns = connected ? std::max(last_frame_ns, since_ns) : last_frame_ns;
  return from_ns > 0 ? seconds_since(from_ns) : 0;
}

double Figures::seconds_since(std::int64_t wall_ns) {
  return in_seconds(std::max<std::int64_t>(clock_.wall_ns() - wall_ns, 0));
}

}  // namespace finpipe
