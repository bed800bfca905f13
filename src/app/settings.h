// Every setting of the program, in one table: its name, type, default, help, environment name and secrecy. Values come
// from the command line, the environment, `.env`, `finpipe.toml` and the table, in that order; each remembers where it
// came from. docs/reference/settings.md is generated from the table.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "logs/kafka/kafka_topics.h"
#include "stores/cassandra/cassandra_store.h"
#include "telemetry/log.h"

namespace finpipe {

enum class Setting : std::uint8_t {
  kFeed,
  kLog,
  kStore,
  kSymbols,
  kPartitions,
  kExitAtEnd,
  kCommitInterval,
  kListen,
  kInsecure,
  kInsecureListen,
  kApiKey,
  kCaFile,
  kClientCertificate,
  kClientKey,
  kFeedTimeScale,
  kPolicies,
  kKafkaProfile,
  kKafkaUser,
  kKafkaPassword,
  kKafkaMechanism,
  kKafkaTls,
  kKafkaCaFile,
  kKafkaCertificate,
  kKafkaKey,
  kKafkaKeyPassword,
  kKafkaBuffer,
  kKafkaGroup,
  kKafkaInstanceId,
  kKafkaSessionTimeout,
  kKafkaMaxPoll,
  kKafkaReplication,
  kKafkaKeepTicks,
  kKafkaKeepBars,
  kKafkaKeepLetters,
  kRegistry,
  kRegistryUser,
  kRegistryPassword,
  kRegistryCaFile,
  kRegistryRegister,
  kRegistryCache,
  kCassandraUser,
  kCassandraPassword,
  kCassandraTls,
  kCassandraCaFile,
  kCassandraCertificate,
  kCassandraKey,
  kCassandraDatacenter,
  kCassandraReadConsistency,
  kCassandraWriteConsistency,
  kCassandraReplication,
  kCassandraKeepTicks,
  kCassandraKeepBars1s,
  kCassandraKeepBars,
  kLogLevel,
  kLogFormat,
  kConfig,
};
constexpr std::size_t kSettingCount = 56;

enum class SettingType : std::uint8_t { kUrl, kPath, kList, kInteger, kNumber, kFlag, kChoice, kAddress, kText };
[[nodiscard]] std::string_view to_string(SettingType type);

struct SettingInfo {
  Setting setting;
  std::string_view name;         // as on the command line (without --) and in finpipe.toml
  std::string_view environment;  // as in the environment and in .env
  SettingType type;
  std::string_view default_value;
  std::string_view choices;  // of kChoice, joined by |
  std::string_view help;
  bool secret;  // its value is never printed
};
[[nodiscard]] std::span<const SettingInfo, kSettingCount> setting_table();
[[nodiscard]] const SettingInfo& setting_info(Setting setting);

struct SettingValue {
  std::string text;
  std::string source;  // "command line", "environment", ".env:3", "finpipe.toml:4", "default"
};
using SettingValues = std::array<SettingValue, kSettingCount>;
using SettingFlags = std::array<std::optional<std::string>, kSettingCount>;

// Where values may come from.
struct SettingSources {
  SettingFlags flags;
  std::function<std::optional<std::string>(std::string_view name)> environment;
  std::filesystem::path directory;  // of `.env` and of a relative `config`
};

// The value of each setting by precedence. An empty variable counts as not set.
// Errors: kBadConfigFile naming file and line.
[[nodiscard]] Result<SettingValues> resolve_settings(const SettingSources& sources);

struct RegistrySettings {
  std::string url;  // empty: none
  std::string user;
  std::string password;  // secret
  std::string ca_file;
  bool registers = true;
  std::string cache_directory;
};

// What commands are given. URLs are taken apart by whoever opens the part: see urls.h.
struct Settings {
  std::string feed;  // empty: for whoever needs one to choose
  std::string log;
  std::string store;
  bool log_is_default = true;  // nobody set it
  bool store_is_default = true;
  std::vector<std::string> symbols;  // empty: all
  std::int32_t partitions = 0;       // 0: as the log has
  bool exit_at_end = false;
  std::int64_t commit_interval_ms = 0;
  std::string listen_address;  // an IP address; empty: nothing is served
  std::uint16_t listen_port = 0;
  bool insecure = false;
  std::string api_key;  // secret
  std::string ca_file, client_certificate, client_key;
  double feed_time_scale = 1.0;
  std::string policies;  // directory; empty: the bundled ones
  KafkaOptions kafka;    // without brokers and prefix, which the log's URL has
  KafkaTopics kafka_topics;
  std::string kafka_group, kafka_instance_id;
  RegistrySettings registry;
  CassandraOptions cassandra;  // without contact points and keyspace, which the store's URL has
  std::string cassandra_replication;
  CassandraRetention cassandra_retention;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
};

// Error: kBadSetting naming the setting and where it was set.
[[nodiscard]] Result<Settings> parse_settings(const SettingValues& values);

// "a,b" as its parts. Errors: kBadSetting for an empty one or what cannot be a symbol.
[[nodiscard]] Result<std::vector<std::string>> parse_symbols(std::string_view list);

// ADDRESS:PORT, an IPv6 address in brackets; port 0 is a free one. nullopt: it is not of this form.
struct ListenAddress {
  std::string address;
  std::uint16_t port = 0;

  [[nodiscard]] bool loopback() const { return address == "::1" || address.starts_with("127."); }
};
[[nodiscard]] std::optional<ListenAddress> parse_listen(std::string_view text);

// The value as it may be printed: secrets, and user, password and query inside a URL, become ***.
[[nodiscard]] std::string displayed(const SettingInfo& info, std::string_view value);

}  // namespace finpipe
