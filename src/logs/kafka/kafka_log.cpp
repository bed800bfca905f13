#include "logs/kafka/kafka_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <utility>

#include "base/clock.h"
#include "base/time.h"
#include "logs/kafka/dead_letters.h"
#include "logs/kafka/ends_watch.h"
#include "logs/kafka/kafka_topics.h"
#include "logs/kafka/log_identity.h"
#include "logs/kafka/reader.h"
#include "logs/kafka/shared_state.h"
#include "logs/kafka/writer.h"

namespace finpipe {
namespace {

using kafka::Cluster;
using kafka::Fetcher;
using kafka::Membership;

// A reader that could not be made says so when it is used.
class FailedReader final : public LogReader {
 public:
  FailedReader(kafka::SharedState& shared, Error error) : shared_(shared), error_(std::move(error)) {}

  [[nodiscard]] const LogId& log_id() const override { return shared_.log_id; }
  [[nodiscard]] std::int32_t partitions() const override { return shared_.partitions(); }
  [[nodiscard]] Result<OffsetRange> range(std::int32_t /*partition*/) override { return fail(error_); }
  [[nodiscard]] Result<void> seek(std::int32_t /*partition*/, std::int64_t /*offset*/) override { return fail(error_); }
  [[nodiscard]] Result<Read> poll(std::size_t /*max_bytes*/) override { return fail(error_); }
  void pause(std::int32_t /*partition*/) override {}
  void resume(std::int32_t /*partition*/) override {}
  void commit_hint(std::int32_t /*partition*/, std::int64_t /*offset*/) override {}

 private:
  kafka::SharedState& shared_;
  Error error_;
};

Result<std::unique_ptr<LogReader>> make_reader(kafka::SharedState& shared, std::unique_ptr<Membership> membership,
                                               kafka::EndsWatch* watch, std::function<void()> wake) {
  FINPIPE_TRY_ASSIGN(fetcher, Fetcher::make(shared.cluster, kafka::ticks_topic(shared.cluster.options()),
                                            shared.partitions(), std::move(wake)));
  return std::make_unique<kafka::Reader>(shared, std::move(fetcher), std::move(membership), watch);
}

Result<std::int32_t> partitions_of(Cluster& cluster, const std::string& topic) {
  FINPIPE_TRY_ASSIGN(probe,
                     kafka::Client::make(kafka::Client::Kind::kConsumer, cluster,
                                         kafka::reader_settings(cluster.options(), 1, kafka::Statistics::kNone)));
  probe->set_topic(topic);
  return probe->partitions();
}

}  // namespace

struct KafkaLog::Parts {
  Parts(const KafkaOptions& options, std::function<bool()> stop) : cluster(options, std::move(stop)) {}

  Cluster cluster;
  std::unique_ptr<kafka::SharedState> shared;
  std::unique_ptr<kafka::Writer> writer, bars;
  std::mutex letters_mutex;
  std::list<kafka::Producer::Numbers> letters;  // of each who puts some
  std::unique_ptr<kafka::EndsWatch> ends_watch;

  // A reader that is there to follow the log has `wake`, or is a member.
  [[nodiscard]] std::unique_ptr<LogReader> reader(Result<std::unique_ptr<Membership>> membership,
                                                  std::function<void()> wake) {
    const auto make = [&]() -> Result<std::unique_ptr<LogReader>> {
      if (!membership) return fail(membership.error());
      if ((wake || *membership) && !ends_watch) {
        FINPIPE_TRY_ASSIGN(watch, kafka::EndsWatch::start(*shared));
        ends_watch = std::move(watch);
      }
      return make_reader(*shared, *std::move(membership), ends_watch.get(), std::move(wake));
    };
    auto made = make();
    return made ? *std::move(made) : std::make_unique<FailedReader>(*shared, made.error());
  }
};

Result<std::unique_ptr<KafkaLog>> KafkaLog::open(const KafkaOptions& options, std::function<bool()> stop) {
  auto parts = std::make_unique<Parts>(options, std::move(stop));
  Cluster& cluster = parts->cluster;
  const std::string topic = kafka::ticks_topic(options);
  FINPIPE_TRY_ASSIGN(partitions, partitions_of(cluster, topic));
  FINPIPE_TRY_ASSIGN(fetcher, Fetcher::make(cluster, topic, partitions));
  FINPIPE_TRY_ASSIGN(identity, kafka::find_log_identity(*fetcher));
  if (!identity.id) return fail(kafka::missing_identity(topic, identity));
  if (!identity.new_partitions.empty()) {
    return fail(identity.in_use ? ErrorCode::kPartitionCountChanged : ErrorCode::kLogIdMissing,
                fmt::format("{}: partition {} never had a record", topic, identity.new_partitions.front()));
  }
  parts->shared = std::make_unique<kafka::SharedState>(cluster, *identity.id, partitions);
  // What cannot be processed needs a place before there is any.
  FINPIPE_TRY(partitions_of(cluster, kafka::letters_topic(options)));
  parts->writer = std::make_unique<kafka::Writer>(*parts->shared, kafka::Writer::Of::kLog);
  parts->bars = std::make_unique<kafka::Writer>(*parts->shared, kafka::Writer::Of::kBars);
  return std::unique_ptr<KafkaLog>(new KafkaLog(std::move(parts)));
}

KafkaLog::KafkaLog(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
KafkaLog::~KafkaLog() = default;

const LogId& KafkaLog::log_id() const { return parts_->shared->log_id; }
std::int32_t KafkaLog::partitions() const { return parts_->shared->partitions(); }
LogWriter& KafkaLog::writer() { return *parts_->writer; }

Result<LogWriter*> KafkaLog::bars() {
  const KafkaOptions& options = parts_->cluster.options();
  FINPIPE_TRY_ASSIGN(partitions, partitions_of(parts_->cluster, kafka::bars_topic(options)));
  if (partitions == this->partitions()) return parts_->bars.get();
  return fail(ErrorCode::kPartitionCountChanged,
              fmt::format("topic {}: {} partitions, and the log has {}", kafka::bars_topic(options), partitions,
                          this->partitions()));
}

std::unique_ptr<LogReader> KafkaLog::reader(std::function<void()> wake) {
  return parts_->reader(nullptr, std::move(wake));
}

std::unique_ptr<LogReader> KafkaLog::group_reader(const std::string& group, const std::string& instance_id,
                                                  std::function<void()> wake) {
  auto member = Membership::join(parts_->cluster, kafka::ticks_topic(parts_->cluster.options()), partitions(), group,
                                 instance_id, wake);
  return parts_->reader(std::move(member), std::move(wake));
}

Result<void> KafkaLog::check_idle(const std::string& group) { return kafka::check_idle(parts_->cluster, group); }

std::unique_ptr<DeadLetters> KafkaLog::dead_letters() {
  const std::lock_guard lock(parts_->letters_mutex);
  return kafka::dead_letters(parts_->cluster, parts_->letters.emplace_back());
}
std::unique_ptr<DeadLetterQuery> KafkaLog::dead_letter_query(std::int64_t sent_since_ms) {
  return kafka::dead_letter_query(parts_->cluster, sent_since_ms);
}

std::vector<std::int64_t> KafkaLog::ends() const {
  std::vector<std::int64_t> ends;
  for (std::size_t p = 0; p < parts_->shared->ends.size(); ++p) {
    const std::int64_t end = std::max(parts_->shared->ends[p].load(), parts_->shared->asked_ends[p].load());
    ends.push_back(end == 0 ? -1 : end);
  }
  return ends;
}

KafkaStatistics KafkaLog::statistics() const {
  const kafka::ClientStatistics clients = parts_->cluster.statistics();
  KafkaStatistics all{
      .brokers = clients.brokers,
      .brokers_up = clients.brokers_up,
      .records_read = parts_->shared->records_read,
      .prefetched_bytes = clients.prefetched_bytes,
      .retries = clients.retries,
      .rebalances = parts_->cluster.rebalances(),
      .certificate_not_after_s = parts_->cluster.certificate_not_after_s(SystemClock().wall_ns() / kNsPerSecond)};
  const std::int64_t now_ns = parts_->cluster.now_ns();
  const auto add = [&all, now_ns](const kafka::Producer::Numbers& written) {
    all.records_written += written.records;
    all.pending_bytes += written.pending_bytes;
    all.append_latency_us_p50 = std::max(all.append_latency_us_p50, written.latency.p50_us(now_ns));
    all.append_latency_us_p99 = std::max(all.append_latency_us_p99, written.latency.p99_us(now_ns));
  };
  add(parts_->writer->numbers());
  add(parts_->bars->numbers());
  const std::lock_guard lock(parts_->letters_mutex);
  std::ranges::for_each(parts_->letters, add);
  return all;
}

std::optional<std::string> KafkaLog::trouble() const {
  auto trouble = parts_->cluster.trouble();
  return trouble ? trouble : parts_->cluster.options().schemas.trouble();
}
void KafkaLog::interrupt() { parts_->cluster.interrupt(); }

}  // namespace finpipe
