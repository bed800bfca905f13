// Puts what a service knows of itself into its metrics. Nothing here waits for a server: what it says stays true while
// one is away.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "app/feed_parts.h"
#include "app/parts.h"
#include "app/pipeline_threads.h"
#include "app/settings.h"
#include "base/clock.h"
#include "telemetry/metrics.h"

namespace finpipe {

class Figures {
 public:
  struct Disk {
    std::string_view use;
    std::string directory;  // empty: there is none
  };

  // Certificates of our own are read now, as they are by who uses them.
  Figures(const Settings& settings, bool stores, Metrics& metrics, Clock& clock);

  void publish(const PipelineThreads::Status& status);
  void publish_ready(bool ready) { metrics_.set(Metric::kReady, ready ? 1 : 0); }
  void publish_log(const LogPart& log, bool trouble);
  void publish_store(const StorePart& store, bool trouble);
  // What changes slowly: at most once a second.
  void publish_outlook(const FeedParts& feed, const LogPart& log);

 private:
  void publish_ingest(const IngestCounts& ingest);
  void publish_feed(const PipelineThreads::Status& status);
  void publish_lags(const std::map<std::string, std::int64_t>& lags_ms);
  void publish_processor(const PipelineThreads::Status& status);
  void publish_ledger(const Overview& all);
  [[nodiscard]] double quiet_for(std::int64_t last_frame_ns, bool connected, std::int64_t since_ns);
  [[nodiscard]] double seconds_since(std::int64_t wall_ns);

  Metrics& metrics_;
  Clock& clock_;
  std::array<Disk, 3> disks_;
  std::map<std::string, std::int64_t> lags_ms_;                            // as they were told last
  double max_pending_bytes_;                                               // of a log on Kafka
  std::optional<std::int64_t> kafka_not_after_s_, cassandra_not_after_s_;  // of our own certificates
  std::optional<std::int64_t> outlook_ns_;                                 // boot clock: when it was told
};

}  // namespace finpipe
