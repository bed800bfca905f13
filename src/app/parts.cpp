#include "app/parts.h"

#include <fmt/format.h>

#include <filesystem>
#include <string>

#include "app/late_store.h"
#include "app/registry_part.h"
#include "app/urls.h"
#include "codec/policy_file.h"
#include "codec/split_file.h"
#include "logs/embedded_log.h"
#include "logs/kafka/kafka_log.h"
#include "logs/kafka/kafka_topics.h"
#include "stores/embedded_store.h"
#include "telemetry/log.h"

namespace finpipe {
namespace {

// The directory behind a URL, or the demo's.
Result<std::string> directory_of(std::string_view setting, const std::string& url, bool is_default,
                                 std::string_view demo_url, Access access) {
  FINPIPE_TRY_ASSIGN(directory, embedded_directory(setting, url));
  if (access == Access::kWrite) return directory;
  std::error_code error;
  if (is_default && !std::filesystem::exists(directory, error)) {
    FINPIPE_TRY_ASSIGN(demo, embedded_directory(setting, demo_url));
    if (std::filesystem::exists(demo, error)) directory = std::move(demo);
  }
  if (access == Access::kChange && !std::filesystem::exists(directory, error)) {
    return fail(ErrorCode::kNotFound, fmt::format("{}, the {}", directory, setting));
  }
  return directory;
}

constexpr std::int64_t kPatienceMs = 30'000;       // of Patience::kSome
constexpr std::int64_t kBriefPatienceMs = 10'000;  // of kBrief

bool gives_up(Patience patience) { return patience == Patience::kBrief || patience == Patience::kSome; }
std::int64_t patience_ms_of(Patience patience) {
  if (patience == Patience::kEndless) return 0;
  return patience == Patience::kBrief ? kBriefPatienceMs : kPatienceMs;
}

Result<KafkaOptions> kafka_options(const Settings& settings, const KafkaUrl& url) {
  KafkaOptions options = settings.kafka;
  options.brokers = url.brokers;
  options.prefix = url.prefix;
  const bool in_the_clear = options.protocol == KafkaOptions::Protocol::kSaslPlaintext && options.mechanism == "PLAIN";
  if (in_the_clear && !settings.insecure && !url.is_loopback()) {
    return fail(ErrorCode::kBadSetting,
                fmt::format("kafka-mechanism PLAIN shows the password to whoever can listen on the way to {}: set "
                            "kafka-tls, or insecure",
                            url.brokers));
  }
  return options;
}

Result<std::unique_ptr<KafkaLog>> open_kafka(KafkaOptions options, Patience patience, const std::function<bool()>& stop,
                                             const WaitsFor& waits) {
  constexpr std::int64_t kFirstPatienceMs = 5'000;
  options.patience_ms = patience == Patience::kEndless ? kFirstPatienceMs : patience_ms_of(patience);
  auto log = KafkaLog::open(options, stop);
  if (gives_up(patience)) return log;
  if (!log && (patience != Patience::kEndless || log.error().code != ErrorCode::kBrokerUnreachable)) return log;
  if (!log) {
    log_warn("waiting for Kafka", {{"reason", log.error().detail}});
    if (waits) waits(kTheLog, log.error().detail);
  }
  options.patience_ms = 0;
  return KafkaLog::open(options, stop);
}

template <typename Log>
class OpenedLog final : public LogPart {
 public:
  explicit OpenedLog(std::unique_ptr<Log> log, std::unique_ptr<SchemaRegistry> registry = nullptr)
      : registry_(std::move(registry)), log_(std::move(log)) {}
  [[nodiscard]] const LogId& log_id() const override { return log_->log_id(); }
  [[nodiscard]] std::int32_t partitions() const override { return log_->partitions(); }
  [[nodiscard]] LogWriter& writer() override { return log_->writer(); }
  [[nodiscard]] Result<LogWriter*> bars() override {
    if constexpr (kIsServer) return log_->bars();
    return nullptr;
  }
  [[nodiscard]] std::unique_ptr<LogReader> reader(std::function<void()> wake) override {
    if constexpr (kIsServer) return log_->reader(std::move(wake));
    return log_->reader();
  }
  [[nodiscard]] std::unique_ptr<LogReader> group_reader(const std::string& group, const std::string& instance_id,
                                                        std::function<void()> wake) override {
    if constexpr (kIsServer) return log_->group_reader(group, instance_id, std::move(wake));
    return nullptr;
  }
  [[nodiscard]] Result<void> check_idle(const std::string& group) override {
    if constexpr (kIsServer) return log_->check_idle(group);
    return {};
  }
  [[nodiscard]] std::unique_ptr<DeadLetters> dead_letters() override { return log_->dead_letters(); }
  [[nodiscard]] std::unique_ptr<DeadLetterQuery> dead_letter_query(std::int64_t received_since_ms) override {
    return log_->dead_letter_query(received_since_ms);  // on Kafka: sent since, which is after its receipt
  }
  [[nodiscard]] std::optional<std::string> trouble() const override {
    if constexpr (kIsServer) return log_->trouble();
    return std::nullopt;
  }
  [[nodiscard]] std::optional<KafkaStatistics> statistics() const override {
    if constexpr (kIsServer) return log_->statistics();
    return std::nullopt;
  }
  [[nodiscard]] std::vector<std::int64_t> ends() const override { return log_->ends(); }
  [[nodiscard]] std::optional<std::string> registry_trouble() const override {
    return registry_ ? registry_->trouble() : std::nullopt;
  }
  [[nodiscard]] std::int64_t registry_not_after_s(std::int64_t now_s) const override {
    return registry_ ? registry_->certificate_not_after_s(now_s) : 0;
  }
  void interrupt() override {
    if constexpr (kIsServer) log_->interrupt();
  }

 private:
  static constexpr bool kIsServer = std::is_same_v<Log, KafkaLog>;
  std::unique_ptr<SchemaRegistry> registry_;  // which the log asks as long as it lives
  std::unique_ptr<Log> log_;
};

CassandraOptions cassandra_options(const Settings& settings, const CassandraUrl& url) {
  CassandraOptions options = settings.cassandra;
  options.contact_points = url.contact_points;
  options.keyspace = url.keyspace;
  return options;
}

#ifdef FINPIPE_CASSANDRA
Result<StorePart> open_now(const CassandraOptions& options) {
  FINPIPE_TRY_ASSIGN(store, CassandraStore::open(options));
  return StorePart(std::move(store));
}

Result<StorePart> open_cassandra(CassandraOptions options, Patience patience) {
  constexpr std::int64_t kFirstConnectMs = 5'000;
  options.check_bar_columns = gives_up(patience);  // who verifies and exports
  if (gives_up(patience)) options.patience_ms = options.query_patience_ms = patience_ms_of(patience);
  if (patience != Patience::kEndless) return open_now(options);
  // What is received waits for this one.
  CassandraOptions first = options;
  first.connect_timeout_ms = kFirstConnectMs;
  auto opened = open_now(first);
  if (opened || opened.error().code != ErrorCode::kStoreUnreachable) return opened;
  return StorePart(std::make_unique<LateStore>([options] { return open_now(options); }, opened.error()));
}
#else
Result<StorePart> open_cassandra(CassandraOptions /*options*/, Patience /*patience*/) {
  return fail(ErrorCode::kNotBuilt, "Cassandra");
}
#endif

}  // namespace

Result<std::unique_ptr<LogPart>> open_log(const Settings& settings, Access access, Patience patience,
                                          const std::function<bool()>& stop, const WaitsFor& waits) {
  FINPIPE_TRY_ASSIGN(url, parse_log_url(settings.log));
  if (const auto* kafka = std::get_if<KafkaUrl>(&url)) {
    FINPIPE_TRY_ASSIGN(options, kafka_options(settings, *kafka));
    FINPIPE_TRY_ASSIGN(
        registry, open_registry(settings, *kafka, access == Access::kWrite ? Registering::kAsSet : Registering::kNo,
                                patience_ms_of(patience), stop, [&waits](const std::string& reason) {
                                  if (waits) waits(kTheRegistry, reason);
                                }));
    if (registry) options.schemas = registry->wire_schemas();
    if (waits) waits(kTheLog, "");
    FINPIPE_TRY_ASSIGN(log, open_kafka(options, patience, stop, waits));
    if (access == Access::kWrite && settings.partitions != 0 && settings.partitions != log->partitions()) {
      return fail(ErrorCode::kPartitionCountChanged,
                  fmt::format("{} are asked for, the topic has {}", settings.partitions, log->partitions()));
    }
    return std::make_unique<OpenedLog<KafkaLog>>(std::move(log), std::move(registry));
  }
  FINPIPE_TRY_ASSIGN(directory, directory_of("log", settings.log, settings.log_is_default, kDemoLog, access));
  EmbeddedLogOptions options;
  options.read_only = access == Access::kRead;
  // All others take the log as it is.
  if (access == Access::kWrite) options.partitions = settings.partitions;
  FINPIPE_TRY_ASSIGN(log, EmbeddedLog::open(directory, options));
  return std::make_unique<OpenedLog<EmbeddedLog>>(std::move(log));
}

std::string group_of(const Settings& settings) {
  if (!settings.kafka_group.empty()) return settings.kafka_group;
  const auto url = parse_log_url(settings.log);
  const auto* const kafka = url ? std::get_if<KafkaUrl>(&*url) : nullptr;
  return kafka != nullptr ? kafka->prefix + ".process" : std::string();
}

Result<std::vector<std::string>> create_log(const Settings& settings, const KafkaUrl& url,
                                            const std::optional<LogId>& known) {
  FINPIPE_TRY_ASSIGN(options, kafka_options(settings, url));
  options.patience_ms = kPatienceMs;
  FINPIPE_TRY_ASSIGN(registry, open_registry(settings, url, Registering::kAsSet, kPatienceMs, {}));
  if (registry) options.schemas = registry->wire_schemas();
  return create_kafka_topics(options, settings.kafka_topics, known);
}

Result<KafkaReplicas> log_replicas(const Settings& settings, const KafkaUrl& url) {
  FINPIPE_TRY_ASSIGN(options, kafka_options(settings, url));
  options.patience_ms = kBriefPatienceMs;
  return kafka_replicas(options);
}

Result<std::vector<Error>> log_refusals(const Settings& settings, const KafkaUrl& url, const KafkaAccess& access) {
  FINPIPE_TRY_ASSIGN(options, kafka_options(settings, url));
  options.patience_ms = kBriefPatienceMs;
  return kafka_refusals(options, access);
}

Result<std::string> check_registry(const Settings& settings, const KafkaUrl& url, bool create) {
  FINPIPE_TRY_ASSIGN(registry, open_registry(settings, url, create ? Registering::kAsSet : Registering::kNo,
                                             create ? kPatienceMs : kBriefPatienceMs, {}));
  if (!registry) return "";
  std::vector<std::uint32_t> ids;
  for (const WireSchema& one : registry->schemas()) ids.push_back(one.wire_id);
  return fmt::format("{}: ids {}{}", displayed(setting_info(Setting::kRegistry), settings.registry.url),
                     fmt::join(ids, ", "), registry->confirmed() ? "" : ", as it said before: it is away now");
}

Result<StorePart> open_store(const Settings& settings, Access access, Patience patience) {
  FINPIPE_TRY_ASSIGN(url, parse_store_url(settings.store));
  if (const auto* cassandra = std::get_if<CassandraUrl>(&url))
    return open_cassandra(cassandra_options(settings, *cassandra), patience);
  FINPIPE_TRY_ASSIGN(directory, directory_of("store", settings.store, settings.store_is_default, kDemoStore, access));
  FINPIPE_TRY_ASSIGN(store, EmbeddedStore::open(directory, {.read_only = access == Access::kRead}));
  return StorePart(std::move(store));
}

#ifdef FINPIPE_CASSANDRA
Result<std::vector<std::string>> create_store(const Settings& settings, const CassandraUrl& url) {
  return create_cassandra_schema(cassandra_options(settings, url), settings.cassandra_replication,
                                 settings.cassandra_retention);
}
#else
Result<std::vector<std::string>> create_store(const Settings& /*settings*/, const CassandraUrl& /*url*/) {
  return fail(ErrorCode::kNotBuilt, "Cassandra");
}
#endif

Result<std::vector<MarketPolicy>> open_policies(const Settings& settings) {
  return settings.policies.empty() ? bundled_policies() : load_policies(settings.policies);
}

Result<SplitTable> open_splits(const Settings& settings) {
  return settings.policies.empty() ? bundled_splits() : load_splits(settings.policies);
}

}  // namespace finpipe
