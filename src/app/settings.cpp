#include "app/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "app/config_files.h"
#include "base/time.h"
#include "market/trade.h"

namespace finpipe {
namespace {

constexpr std::int32_t kMaxPartitions = 1'024;
constexpr std::string_view kRedacted = "***";
constexpr std::string_view kDefaultSource = "default";

constexpr std::string_view kConsistencyChoices = "ONE|TWO|THREE|QUORUM|ALL|LOCAL_QUORUM|EACH_QUORUM|LOCAL_ONE";
constexpr auto kConsistencies = std::to_array<CassandraConsistency>(  // in this order
    {CassandraConsistency::kOne, CassandraConsistency::kTwo, CassandraConsistency::kThree,
     CassandraConsistency::kQuorum, CassandraConsistency::kAll, CassandraConsistency::kLocalQuorum,
     CassandraConsistency::kEachQuorum, CassandraConsistency::kLocalOne});
constexpr std::int32_t kMinSessionTimeoutS = 6, kMaxSessionTimeoutS = 1'800;  // what brokers allow by default
constexpr std::int32_t kMinCommitIntervalMs = 10, kMaxCommitIntervalMs = 60'000;
constexpr std::int32_t kMaxPollS = 86'400;
constexpr std::int32_t kMaxKafkaBufferMib = 4'096, kMaxReplicas = 100;
constexpr std::int32_t kMaxKeepDays = 3'650;  // Cassandra takes no row that would expire after January 2038

constexpr std::array<SettingInfo, kSettingCount> kSettings = {{
    {Setting::kFeed, "feed", "FINPIPE_FEED", SettingType::kUrl, "", "",
     "where trades come from: finnhub: is the vendor, sim: the demo (recorded trades played as if they came now), "
     "tape:PATH a recorded tape at full speed, wss://HOST or ws://HOST another server that speaks Finnhub's protocol; "
     "empty: finnhub: with an API key, else sim:",
     false},
    {Setting::kLog, "log", "FINPIPE_LOG", SettingType::kUrl, "embedded:./finpipe-data/log", "",
     "the durable log of all that was received: embedded:DIR, or kafka://HOST[:PORT][,HOST...][/PREFIX] with the "
     "prefix "
     "of the topics' names, finnhub unless given; the demo's is in finpipe-data/demo unless set",
     false},
    {Setting::kStore, "store", "FINPIPE_STORE", SettingType::kUrl, "embedded:./finpipe-data/store", "",
     "where trades and bars are stored: embedded:DIR, or cassandra://HOST[:PORT][,HOST...]/KEYSPACE; the demo's is in "
     "finpipe-data/demo unless set",
     false},
    {Setting::kSymbols, "symbols", "FINPIPE_SYMBOLS", SettingType::kList, "", "",
     "symbols to take from the feed, separated by commas; empty: all that a tape has, a handful of a live feed", false},
    {Setting::kPartitions, "partitions", "FINPIPE_PARTITIONS", SettingType::kInteger, "0", "",
     "partitions of the log; 0: those it has, for a new one 1, of Kafka 6", false},
    {Setting::kExitAtEnd, "exit-at-end", "FINPIPE_EXIT_AT_END", SettingType::kFlag, "false", "",
     "end when the feed has ended and everything is stored", false},
    {Setting::kCommitInterval, "commit-interval", "FINPIPE_COMMIT_INTERVAL", SettingType::kInteger, "250", "",
     "ms after which what was processed is stored, and bars that changed are published (to PREFIX.bars of Kafka), from "
     "10 "
     "to 60000",
     false},
    {Setting::kListen, "listen", "FINPIPE_LISTEN", SettingType::kAddress, "127.0.0.1:8080", "",
     "where the page and the API are served: ADDRESS:PORT, port 0 for a free one, or none", false},
    {Setting::kInsecure, "insecure", "FINPIPE_INSECURE", SettingType::kFlag, "false", "",
     "allow all that has no protection: listening beyond this machine, sending the API key or a password without TLS",
     false},
    {Setting::kInsecureListen, "insecure-listen", "FINPIPE_INSECURE_LISTEN", SettingType::kFlag, "false", "",
     "allow listening beyond this machine without protection, and nothing else: for a container, whose network is its "
     "own",
     false},
    {Setting::kApiKey, "api-key", "FINNHUB_API_KEY", SettingType::kText, "", "",
     "the vendor's key; there is no flag for it, since other users of a machine can see flags", true},
    {Setting::kCaFile, "ca-file", "FINPIPE_CA_FILE", SettingType::kPath, "", "",
     "PEM file of the authorities that the feed's server may be certified by; empty: the system's", false},
    {Setting::kClientCertificate, "client-certificate", "FINPIPE_CLIENT_CERTIFICATE", SettingType::kPath, "", "",
     "PEM file of the certificate to show to the feed's server", false},
    {Setting::kClientKey, "client-key", "FINPIPE_CLIENT_KEY", SettingType::kPath, "", "",
     "PEM file of the key of that certificate", false},
    {Setting::kFeedTimeScale, "feed-time-scale", "FINPIPE_FEED_TIME_SCALE", SettingType::kNumber, "1", "",
     "multiplies every timer of the feed's connection: for drills against `finpipe simulate`", false},
    {Setting::kPolicies, "policies", "FINPIPE_POLICIES", SettingType::kPath, "", "",
     "directory of sale-condition policies and trading calendars; empty: the bundled ones", false},
    {Setting::kKafkaProfile, "kafka-profile", "FINPIPE_KAFKA_PROFILE", SettingType::kChoice, "latency",
     "latency|throughput", "records go to Kafka within a millisecond, or in larger and better compressed batches",
     false},
    {Setting::kKafkaUser, "kafka-user", "FINPIPE_KAFKA_USER", SettingType::kText, "", "",
     "who to log in to Kafka as, by SASL; empty: nobody", false},
    {Setting::kKafkaPassword, "kafka-password", "FINPIPE_KAFKA_PASSWORD", SettingType::kText, "", "",
     "the password of that user; there is no flag for it, since other users of a machine can see flags", true},
    {Setting::kKafkaMechanism, "kafka-mechanism", "FINPIPE_KAFKA_MECHANISM", SettingType::kChoice, "SCRAM-SHA-512",
     "SCRAM-SHA-512|SCRAM-SHA-256|PLAIN", "how to log in", false},
    {Setting::kKafkaTls, "kafka-tls", "FINPIPE_KAFKA_TLS", SettingType::kFlag, "false", "", "talk to Kafka by TLS",
     false},
    {Setting::kKafkaCaFile, "kafka-ca-file", "FINPIPE_KAFKA_CA_FILE", SettingType::kPath, "", "",
     "PEM file of the authorities that Kafka's brokers may be certified by; empty: the system's", false},
    {Setting::kKafkaCertificate, "kafka-certificate", "FINPIPE_KAFKA_CERTIFICATE", SettingType::kPath, "", "",
     "PEM file of the certificate to show to Kafka's brokers", false},
    {Setting::kKafkaKey, "kafka-key", "FINPIPE_KAFKA_KEY", SettingType::kPath, "", "",
     "PEM file of the key of that certificate", false},
    {Setting::kKafkaKeyPassword, "kafka-key-password", "FINPIPE_KAFKA_KEY_PASSWORD", SettingType::kText, "", "",
     "the password of that file; there is no flag for it, since other users of a machine can see flags", true},
    {Setting::kKafkaBuffer, "kafka-buffer", "FINPIPE_KAFKA_BUFFER", SettingType::kInteger, "64", "",
     "MiB of records that may wait for Kafka; beyond that the feed waits", false},
    {Setting::kKafkaGroup, "kafka-group", "FINPIPE_KAFKA_GROUP", SettingType::kText, "", "",
     "the consumer group of the processes that share the partitions; empty: PREFIX.process", false},
    {Setting::kKafkaInstanceId, "kafka-instance-id", "FINPIPE_KAFKA_INSTANCE_ID", SettingType::kText, "", "",
     "a lasting name in that group: who comes back under it within kafka-session-timeout gets its partitions back "
     "without "
     "a pause of the others; empty: none",
     false},
    {Setting::kKafkaSessionTimeout, "kafka-session-timeout", "FINPIPE_KAFKA_SESSION_TIMEOUT", SettingType::kInteger,
     "45", "", "seconds of silence after which a process of the group counts as dead, from 6 to 1800", false},
    {Setting::kKafkaMaxPoll, "kafka-max-poll", "FINPIPE_KAFKA_MAX_POLL", SettingType::kInteger, "300", "",
     "seconds after which one that is alive but does nothing loses its partitions; at least kafka-session-timeout",
     false},
    {Setting::kKafkaReplication, "kafka-replication", "FINPIPE_KAFKA_REPLICATION", SettingType::kInteger, "0", "",
     "replicas of topics that `check --create` makes; 0: 3, or 1 on a single broker", false},
    {Setting::kKafkaKeepTicks, "kafka-keep-ticks", "FINPIPE_KAFKA_KEEP_TICKS", SettingType::kInteger, "7", "",
     "days for which topics that `check --create` makes keep trades; 0: for ever", false},
    {Setting::kKafkaKeepBars, "kafka-keep-bars", "FINPIPE_KAFKA_KEEP_BARS", SettingType::kInteger, "7", "",
     "likewise for bars", false},
    {Setting::kKafkaKeepLetters, "kafka-keep-letters", "FINPIPE_KAFKA_KEEP_LETTERS", SettingType::kInteger, "90", "",
     "likewise for dead letters", false},
    {Setting::kRegistry, "registry", "FINPIPE_REGISTRY", SettingType::kUrl, "", "",
     "the schema registry of a log on Kafka, with the path of its API: https://HOST:PORT/PATH; empty: none, values "
     "carry the ids of schemas/",
     false},
    {Setting::kRegistryUser, "registry-user", "FINPIPE_REGISTRY_USER", SettingType::kText, "", "",
     "who to log in to the registry as; empty: nobody", false},
    {Setting::kRegistryPassword, "registry-password", "FINPIPE_REGISTRY_PASSWORD", SettingType::kText, "", "",
     "the password of that user; there is no flag for it, since other users of a machine can see flags", true},
    {Setting::kRegistryCaFile, "registry-ca-file", "FINPIPE_REGISTRY_CA_FILE", SettingType::kPath, "", "",
     "PEM file of the authorities that the registry may be certified by; empty: the system's", false},
    {Setting::kRegistryRegister, "registry-register", "FINPIPE_REGISTRY_REGISTER", SettingType::kChoice, "true",
     "true|false", "whether schemas that the registry does not have are registered by who writes", false},
    {Setting::kRegistryCache, "registry-cache", "FINPIPE_REGISTRY_CACHE", SettingType::kPath, "./finpipe-data/registry",
     "", "directory of what the registry has said, so that a start does not need it; empty: none", false},
    {Setting::kCassandraUser, "cassandra-user", "FINPIPE_CASSANDRA_USER", SettingType::kText, "", "",
     "who to log in to Cassandra as; empty: nobody", false},
    {Setting::kCassandraPassword, "cassandra-password", "FINPIPE_CASSANDRA_PASSWORD", SettingType::kText, "", "",
     "the password of that user; there is no flag for it, since other users of a machine can see flags", true},
    {Setting::kCassandraTls, "cassandra-tls", "FINPIPE_CASSANDRA_TLS", SettingType::kFlag, "false", "",
     "talk to Cassandra by TLS", false},
    {Setting::kCassandraCaFile, "cassandra-ca-file", "FINPIPE_CASSANDRA_CA_FILE", SettingType::kPath, "", "",
     "PEM file of the authorities that Cassandra's nodes may be certified by; empty: the system's", false},
    {Setting::kCassandraCertificate, "cassandra-certificate", "FINPIPE_CASSANDRA_CERTIFICATE", SettingType::kPath, "",
     "", "PEM file of the certificate to show to Cassandra's nodes", false},
    {Setting::kCassandraKey, "cassandra-key", "FINPIPE_CASSANDRA_KEY", SettingType::kPath, "", "",
     "PEM file of the key of that certificate", false},
    {Setting::kCassandraDatacenter, "cassandra-datacenter", "FINPIPE_CASSANDRA_DATACENTER", SettingType::kText, "", "",
     "the data center whose nodes alone are asked; empty: all alike", false},
    {Setting::kCassandraReadConsistency, "cassandra-read-consistency", "FINPIPE_CASSANDRA_READ_CONSISTENCY",
     SettingType::kChoice, "LOCAL_QUORUM", kConsistencyChoices,
     "how many replicas answer a read; with the next one it must be more than there are replicas", false},
    {Setting::kCassandraWriteConsistency, "cassandra-write-consistency", "FINPIPE_CASSANDRA_WRITE_CONSISTENCY",
     SettingType::kChoice, "LOCAL_QUORUM", kConsistencyChoices,
     "how many replicas have a row before it counts as stored", false},
    {Setting::kCassandraReplication, "cassandra-replication", "FINPIPE_CASSANDRA_REPLICATION", SettingType::kText, "1",
     "", "replicas of a keyspace that `check --create` makes: a number, or one for each data center: dc1:3,dc2:3",
     false},
    {Setting::kCassandraKeepTicks, "cassandra-keep-ticks", "FINPIPE_CASSANDRA_KEEP_TICKS", SettingType::kText, "", "",
     "days for which `check --create` keeps trades; 0: for ever; empty: as it is, new tables for ever", false},
    {Setting::kCassandraKeepBars1s, "cassandra-keep-bars-1s", "FINPIPE_CASSANDRA_KEEP_BARS_1S", SettingType::kText, "",
     "", "likewise for bars of a second", false},
    {Setting::kCassandraKeepBars, "cassandra-keep-bars", "FINPIPE_CASSANDRA_KEEP_BARS", SettingType::kText, "", "",
     "likewise for longer bars", false},
    {Setting::kLogLevel, "log-level", "FINPIPE_LOG_LEVEL", SettingType::kChoice, "info", "info|warn|error",
     "what the program reports of itself on standard error", false},
    {Setting::kLogFormat, "log-format", "FINPIPE_LOG_FORMAT", SettingType::kChoice, "text", "text|json",
     "the form of those reports", false},
    {Setting::kConfig, "config", "FINPIPE_CONFIG", SettingType::kPath, "finpipe.toml", "",
     "the settings file; the default one may be missing", false},
}};

std::size_t index_of(Setting setting) { return static_cast<std::size_t>(setting); }

// Names the setting and where its value was set.
std::unexpected<Error> bad(const SettingValues& values, Setting setting, std::string_view what) {
  const SettingInfo& info = setting_info(setting);
  const SettingValue& value = values[index_of(setting)];
  return fail(ErrorCode::kBadSetting,
              fmt::format("{} = '{}' from {}: {}", info.name, displayed(info, value.text), value.source, what));
}

Result<bool> parse_flag(const SettingValues& values, Setting setting) {
  const std::string& text = values[index_of(setting)].text;
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return bad(values, setting, "must be true or false");
}

Result<std::int32_t> parse_integer(const SettingValues& values, Setting setting, std::int32_t max,
                                   std::int32_t min = 0) {
  const std::string& text = values[index_of(setting)].text;
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < min || value > max) {
    return bad(values, setting, fmt::format("must be a number from {} to {}", min, max));
  }
  return value;
}

// The position of the value among the setting's choices.
Result<std::size_t> parse_choice(const SettingValues& values, Setting setting) {
  const std::string_view text = values[index_of(setting)].text;
  std::string_view rest = setting_info(setting).choices;
  for (std::size_t position = 0;; ++position) {
    const std::size_t end = rest.find('|');
    if (rest.substr(0, end) == text) return position;
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return bad(values, setting, fmt::format("must be one of {}", setting_info(setting).choices));
}

Result<double> parse_scale(const SettingValues& values, Setting setting) {
  const std::string& text = values[index_of(setting)].text;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= 0.001 && value <= 100) return value;
  return bad(values, setting, "must be a number from 0.001 to 100");
}

Result<void> parse_listen_setting(const SettingValues& values, Settings& settings) {
  FINPIPE_TRY_ASSIGN(insecure_listen, parse_flag(values, Setting::kInsecureListen));
  const std::string& text = values[index_of(Setting::kListen)].text;
  if (text == "none") return {};
  auto listen = parse_listen(text);
  if (!listen) return bad(values, Setting::kListen, "must be ADDRESS:PORT, such as 127.0.0.1:8080, or none");
  if (!listen->loopback() && !settings.insecure && !insecure_listen) return fail(ErrorCode::kInsecureListen, text);
  settings.listen_address = std::move(listen->address);
  settings.listen_port = listen->port;
  return {};
}

// `setting` means nothing without `other`.
Result<void> check_goes_with(const SettingValues& values, Setting setting, Setting other, bool other_is_set) {
  if (values[index_of(setting)].text.empty() || other_is_set) return {};
  return bad(values, setting, fmt::format("it needs {}", setting_info(other).name));
}

// Files of TLS need `tls`; a certificate and its key, and a user and a password, each other.
Result<void> check_access(const SettingValues& values, Setting tls, bool tls_is_set, Setting ca_file,
                          std::span<const std::pair<Setting, Setting>> together) {
  FINPIPE_TRY(check_goes_with(values, ca_file, tls, tls_is_set));
  FINPIPE_TRY(check_goes_with(values, together[0].first, tls, tls_is_set));
  FINPIPE_TRY(check_goes_with(values, together[0].second, tls, tls_is_set));
  for (const auto& [one, other] : together) {
    FINPIPE_TRY(check_goes_with(values, one, other, !values[index_of(other)].text.empty()));
    FINPIPE_TRY(check_goes_with(values, other, one, !values[index_of(one)].text.empty()));
  }
  return {};
}

Result<void> parse_kafka_settings(const SettingValues& values, Settings& settings) {
  const auto text = [&](Setting setting) { return values[index_of(setting)].text; };
  KafkaOptions& options = settings.kafka;
  FINPIPE_TRY_ASSIGN(profile, parse_choice(values, Setting::kKafkaProfile));
  options.profile = static_cast<KafkaOptions::Profile>(profile);
  FINPIPE_TRY(parse_choice(values, Setting::kKafkaMechanism));
  options.mechanism = text(Setting::kKafkaMechanism);
  options.user = text(Setting::kKafkaUser);
  options.password = text(Setting::kKafkaPassword);
  options.ca_file = text(Setting::kKafkaCaFile);
  options.certificate_file = text(Setting::kKafkaCertificate);
  options.key_file = text(Setting::kKafkaKey);
  options.key_password = text(Setting::kKafkaKeyPassword);
  FINPIPE_TRY_ASSIGN(tls, parse_flag(values, Setting::kKafkaTls));
  FINPIPE_TRY(check_access(values, Setting::kKafkaTls, tls, Setting::kKafkaCaFile,
                           std::array{std::pair(Setting::kKafkaCertificate, Setting::kKafkaKey),
                                      std::pair(Setting::kKafkaUser, Setting::kKafkaPassword)}));
  using Protocol = KafkaOptions::Protocol;
  options.protocol = options.user.empty() ? (tls ? Protocol::kTls : Protocol::kPlaintext)
                                          : (tls ? Protocol::kSaslTls : Protocol::kSaslPlaintext);
  FINPIPE_TRY_ASSIGN(buffer, parse_integer(values, Setting::kKafkaBuffer, kMaxKafkaBufferMib, 1));
  options.max_pending_bytes = static_cast<std::size_t>(buffer) << 20;
  settings.kafka_group = text(Setting::kKafkaGroup);
  settings.kafka_instance_id = text(Setting::kKafkaInstanceId);
  FINPIPE_TRY_ASSIGN(session_s,
                     parse_integer(values, Setting::kKafkaSessionTimeout, kMaxSessionTimeoutS, kMinSessionTimeoutS));
  FINPIPE_TRY_ASSIGN(max_poll_s, parse_integer(values, Setting::kKafkaMaxPoll, kMaxPollS));
  if (max_poll_s < session_s) return bad(values, Setting::kKafkaMaxPoll, "must be at least kafka-session-timeout");
  options.session_timeout_ms = std::int64_t{session_s} * kMsPerSecond;
  options.max_poll_interval_ms = std::int64_t{max_poll_s} * kMsPerSecond;
  FINPIPE_TRY_ASSIGN(replicas, parse_integer(values, Setting::kKafkaReplication, kMaxReplicas));
  FINPIPE_TRY_ASSIGN(ticks_days, parse_integer(values, Setting::kKafkaKeepTicks, kMaxKeepDays));
  FINPIPE_TRY_ASSIGN(bars_days, parse_integer(values, Setting::kKafkaKeepBars, kMaxKeepDays));
  FINPIPE_TRY_ASSIGN(letters_days, parse_integer(values, Setting::kKafkaKeepLetters, kMaxKeepDays));
  settings.kafka_topics.partitions = settings.partitions;
  settings.kafka_topics.replicas = replicas;
  settings.kafka_topics.ticks_days = ticks_days;
  settings.kafka_topics.bars_days = bars_days;
  settings.kafka_topics.letters_days = letters_days;
  return {};
}

Result<void> parse_registry_settings(const SettingValues& values, Settings& settings) {
  const auto text = [&](Setting setting) { return values[index_of(setting)].text; };
  RegistrySettings& registry = settings.registry;
  registry.url = text(Setting::kRegistry);
  registry.user = text(Setting::kRegistryUser);
  registry.password = text(Setting::kRegistryPassword);
  registry.ca_file = text(Setting::kRegistryCaFile);
  registry.cache_directory = text(Setting::kRegistryCache);
  FINPIPE_TRY_ASSIGN(register_choice, parse_choice(values, Setting::kRegistryRegister));
  registry.registers = register_choice == 0;
  const bool is_set = !registry.url.empty();
  FINPIPE_TRY(check_goes_with(values, Setting::kRegistryUser, Setting::kRegistry, is_set));
  FINPIPE_TRY(check_goes_with(values, Setting::kRegistryCaFile, Setting::kRegistry, is_set));
  FINPIPE_TRY(check_goes_with(values, Setting::kRegistryUser, Setting::kRegistryPassword, !registry.password.empty()));
  return check_goes_with(values, Setting::kRegistryPassword, Setting::kRegistryUser, !registry.user.empty());
}

Result<void> parse_cassandra_settings(const SettingValues& values, Settings& settings) {
  const auto text = [&](Setting setting) { return values[index_of(setting)].text; };
  CassandraOptions& options = settings.cassandra;
  options.user = text(Setting::kCassandraUser);
  options.password = text(Setting::kCassandraPassword);
  options.ca_file = text(Setting::kCassandraCaFile);
  options.certificate_file = text(Setting::kCassandraCertificate);
  options.key_file = text(Setting::kCassandraKey);
  options.datacenter = text(Setting::kCassandraDatacenter);
  FINPIPE_TRY_ASSIGN(tls, parse_flag(values, Setting::kCassandraTls));
  options.tls = tls;
  FINPIPE_TRY(check_access(values, Setting::kCassandraTls, tls, Setting::kCassandraCaFile,
                           std::array{std::pair(Setting::kCassandraCertificate, Setting::kCassandraKey),
                                      std::pair(Setting::kCassandraUser, Setting::kCassandraPassword)}));
  FINPIPE_TRY_ASSIGN(read, parse_choice(values, Setting::kCassandraReadConsistency));
  FINPIPE_TRY_ASSIGN(write, parse_choice(values, Setting::kCassandraWriteConsistency));
  options.read_consistency = kConsistencies.at(read);
  options.write_consistency = kConsistencies.at(write);
  settings.cassandra_replication = text(Setting::kCassandraReplication);
  const auto days = [&](Setting setting) -> Result<std::optional<std::int64_t>> {
    if (text(setting).empty()) return std::nullopt;
    FINPIPE_TRY_ASSIGN(number, parse_integer(values, setting, kMaxKeepDays));
    return number;
  };
  FINPIPE_TRY_ASSIGN(ticks, days(Setting::kCassandraKeepTicks));
  FINPIPE_TRY_ASSIGN(bars_1s, days(Setting::kCassandraKeepBars1s));
  FINPIPE_TRY_ASSIGN(bars, days(Setting::kCassandraKeepBars));
  settings.cassandra_retention = {.ticks_days = ticks, .bars_1s_days = bars_1s, .bars_days = bars};
  return {};
}

bool is_symbol(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSymbolBytes && text.front() != ' ' && text.back() != ' ' &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

std::string_view to_string(SettingType type) {
  switch (type) {
    case SettingType::kUrl: return "URL";
    case SettingType::kPath: return "path";
    case SettingType::kList: return "list";
    case SettingType::kInteger: return "integer";
    case SettingType::kNumber: return "number";
    case SettingType::kFlag: return "flag";
    case SettingType::kChoice: return "choice";
    case SettingType::kAddress: return "address";
    case SettingType::kText: return "text";
  }
  return "";
}

std::span<const SettingInfo, kSettingCount> setting_table() { return kSettings; }

const SettingInfo& setting_info(Setting setting) { return kSettings[index_of(setting)]; }

Result<SettingValues> resolve_settings(const SettingSources& sources) {
  SettingValues values;
  for (const SettingInfo& info : kSettings) {
    values[index_of(info.setting)] = {std::string(info.default_value), std::string(kDefaultSource)};
  }
  const auto put_stronger = [&] {
    for (const SettingInfo& info : kSettings) {
      SettingValue& value = values[index_of(info.setting)];
      if (auto text = sources.environment(info.environment); text && !text->empty()) value = {*text, "environment"};
      if (const auto& flag = sources.flags[index_of(info.setting)]) value = {*flag, "command line"};
    }
  };
  const auto put = [&](std::vector<FileValue> lines) {
    for (FileValue& line : lines) values[index_of(line.setting)] = std::move(line.value);
  };
  FINPIPE_TRY_ASSIGN(dotenv, read_dotenv(sources.directory));
  // Which finpipe.toml to read may itself be set in the stronger places.
  put(dotenv);
  put_stronger();
  const SettingValue config = values[index_of(Setting::kConfig)];
  FINPIPE_TRY_ASSIGN(toml, read_toml(sources.directory, config.text, config.source == "default"));
  put(std::move(toml));
  put(std::move(dotenv));
  put_stronger();
  return values;
}

Result<std::vector<std::string>> parse_symbols(std::string_view list) {
  std::vector<std::string> symbols;
  if (list.empty()) return symbols;
  for (std::string_view rest = list;;) {
    const std::size_t end = rest.find(',');
    const std::string_view symbol = rest.substr(0, end);
    if (!is_symbol(symbol)) return fail(ErrorCode::kBadSetting, fmt::format("'{}' is no symbol", symbol));
    if (std::ranges::find(symbols, symbol) == symbols.end()) symbols.emplace_back(symbol);
    if (end == std::string_view::npos) return symbols;
    rest.remove_prefix(end + 1);
  }
}

std::optional<ListenAddress> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find(':') != std::string_view::npos)) return std::nullopt;
  if (host == "localhost") host = "127.0.0.1";
  ListenAddress listen{std::string(host), 0};
  const char* const end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data() + colon + 1, end, listen.port);
  if (error != std::errc{} || read != end) return std::nullopt;
  return listen;
}

Result<Settings> parse_settings(const SettingValues& values) {
  Settings settings;
  const auto text = [&](Setting setting) { return values[index_of(setting)].text; };
  settings.feed = text(Setting::kFeed);
  settings.log = text(Setting::kLog);
  settings.store = text(Setting::kStore);
  settings.log_is_default = values[index_of(Setting::kLog)].source == kDefaultSource;
  settings.store_is_default = values[index_of(Setting::kStore)].source == kDefaultSource;
  settings.api_key = text(Setting::kApiKey);
  settings.ca_file = text(Setting::kCaFile);
  settings.client_certificate = text(Setting::kClientCertificate);
  settings.client_key = text(Setting::kClientKey);
  settings.policies = text(Setting::kPolicies);
  auto symbols = parse_symbols(text(Setting::kSymbols));
  if (!symbols) return bad(values, Setting::kSymbols, symbols.error().detail);
  settings.symbols = *std::move(symbols);
  FINPIPE_TRY_ASSIGN(partitions, parse_integer(values, Setting::kPartitions, kMaxPartitions));
  settings.partitions = partitions;
  FINPIPE_TRY_ASSIGN(exit_at_end, parse_flag(values, Setting::kExitAtEnd));
  settings.exit_at_end = exit_at_end;
  FINPIPE_TRY_ASSIGN(commit_interval,
                     parse_integer(values, Setting::kCommitInterval, kMaxCommitIntervalMs, kMinCommitIntervalMs));
  settings.commit_interval_ms = commit_interval;
  FINPIPE_TRY_ASSIGN(insecure, parse_flag(values, Setting::kInsecure));
  settings.insecure = insecure;
  FINPIPE_TRY(parse_listen_setting(values, settings));
  FINPIPE_TRY_ASSIGN(scale, parse_scale(values, Setting::kFeedTimeScale));
  settings.feed_time_scale = scale;
  FINPIPE_TRY(parse_kafka_settings(values, settings));
  FINPIPE_TRY(parse_registry_settings(values, settings));
  FINPIPE_TRY(parse_cassandra_settings(values, settings));
  FINPIPE_TRY_ASSIGN(level, parse_choice(values, Setting::kLogLevel));
  settings.log_level = static_cast<LogLevel>(level);
  FINPIPE_TRY_ASSIGN(format, parse_choice(values, Setting::kLogFormat));
  settings.log_format = static_cast<LogFormat>(format);
  return settings;
}

std::string displayed(const SettingInfo& info, std::string_view value) {
  if (info.secret && !value.empty()) return std::string(kRedacted);
  for (const std::string_view scheme : {"cassandra", "kafka"}) {
    if (info.type != SettingType::kUrl || !value.starts_with(fmt::format("{}:", scheme))) continue;
    // It has no place for an @ but behind credentials, in whatever form those are.
    const std::size_t at = value.rfind('@');
    if (at != std::string_view::npos) return fmt::format("{}://{}{}", scheme, kRedacted, value.substr(at));
  }
  const std::size_t scheme = value.find("://");
  if (info.type != SettingType::kUrl || scheme == std::string_view::npos) return std::string(value);
  const std::size_t begin = scheme + 3;
  const std::size_t query = value.find('?', begin);
  std::string shown(value.substr(0, query));
  if (query != std::string_view::npos) shown.append("?").append(kRedacted);
  const std::size_t at = value.substr(0, value.find_first_of("/?", begin)).rfind('@');
  if (at != std::string_view::npos && at > begin) shown.replace(begin, at - begin, kRedacted);
  return shown;
}

}  // namespace finpipe
