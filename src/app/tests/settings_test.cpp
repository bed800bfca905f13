#include "app/settings.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "app/tests/temp_directory.h"

namespace finpipe {
namespace {

class SettingsTest : public testing::Test {
 protected:
  Result<SettingValues> resolve() {
    return resolve_settings({flags,
                             [this](std::string_view name) {
                               const auto found = environment.find(std::string(name));
                               return found == environment.end() ? std::nullopt : std::optional(found->second);
                             },
                             directory.path()});
  }
  SettingValue value_of(Setting setting) {
    const auto values = resolve();
    if (!values) return {"", values.error().message()};
    return (*values)[static_cast<std::size_t>(setting)];
  }
  void expect(Setting setting, std::string_view text, std::string_view source) {
    const SettingValue value = value_of(setting);
    EXPECT_EQ(value.text, text);
    EXPECT_EQ(value.source, source);
  }
  // The detail of the error, which must be of this kind.
  std::string refusal(ErrorCode code) {
    const auto values = resolve();
    if (values) {
      const auto settings = parse_settings(*values);
      if (settings) return "accepted";
      EXPECT_EQ(settings.error().code, code);
      return settings.error().detail;
    }
    EXPECT_EQ(values.error().code, code);
    return values.error().detail;
  }
  std::optional<std::string>& flag(Setting setting) { return flags[static_cast<std::size_t>(setting)]; }

  TempDirectory directory;
  SettingFlags flags;
  std::map<std::string, std::string> environment;
};

TEST_F(SettingsTest, EachStrongerPlaceWins) {
  expect(Setting::kLog, "embedded:./finpipe-data/log", "default");
  directory.write("finpipe.toml", "# mine\nlog = \"embedded:toml\"\n");
  expect(Setting::kLog, "embedded:toml", "finpipe.toml:2");
  directory.write(".env", "\nFINPIPE_LOG=embedded:dotenv\n");
  expect(Setting::kLog, "embedded:dotenv", ".env:2");
  environment["FINPIPE_LOG"] = "embedded:environment";
  expect(Setting::kLog, "embedded:environment", "environment");
  flag(Setting::kLog) = "embedded:flag";
  expect(Setting::kLog, "embedded:flag", "command line");
}

TEST_F(SettingsTest, AnEmptyVariableIsNotSet) {
  directory.write(".env", "FINPIPE_STORE=\n");
  environment["FINPIPE_STORE"] = "";
  expect(Setting::kStore, "embedded:./finpipe-data/store", "default");
}

TEST_F(SettingsTest, DotenvHasCommentsQuotesAndOtherProgramsNames) {
  directory.write(".env",
                  "# comment\r\nexport FINPIPE_FEED='tape:my tape # 1'\r\nFINPIPE_LOG=embedded:a # why\n"
                  "FINPIPE_STORE=\"embedded:b\" # why\n\nAWS_SECRET=x\n");
  expect(Setting::kFeed, "tape:my tape # 1", ".env:2");
  expect(Setting::kLog, "embedded:a", ".env:3");
  expect(Setting::kStore, "embedded:b", ".env:4");
}

TEST_F(SettingsTest, DotenvErrorsNameFileAndLine) {
  directory.write(".env", "FINPIPE_LOG=embedded:a\nFINPIPE_LGO=embedded:b\n");
  EXPECT_EQ(refusal(ErrorCode::kBadConfigFile), ".env:2: FINPIPE_LGO is no setting");
  directory.write(".env", "what is this\n");
  EXPECT_EQ(refusal(ErrorCode::kBadConfigFile), ".env:1: is not NAME=VALUE");
  directory.write(".env", "FINPIPE_LOG=\"embedded:a\n");
  EXPECT_EQ(refusal(ErrorCode::kBadConfigFile), ".env:1: FINPIPE_LOG has a broken quote");
}

TEST_F(SettingsTest, TomlHasTypedValues) {
  directory.write(
      "finpipe.toml",
      "symbols = [\"BINANCE:BTCUSDT\", \"AAPL\"]\npartitions = 4\nexit-at-end = true\nlog-level = \"warn\"\n");
  const auto values = resolve();
  ASSERT_TRUE(values) << values.error().message();
  const auto settings = parse_settings(*values);
  ASSERT_TRUE(settings) << settings.error().message();
  EXPECT_EQ(settings->symbols, (std::vector<std::string>{"BINANCE:BTCUSDT", "AAPL"}));
  EXPECT_EQ(settings->partitions, 4);
  EXPECT_TRUE(settings->exit_at_end);
  EXPECT_EQ(settings->log_level, LogLevel::kWarn);
}

TEST_F(SettingsTest, TomlErrorsNameFileAndLine) {
  directory.write("finpipe.toml", "partitions = 4\nlgo = \"embedded:b\"\n");
  EXPECT_EQ(refusal(ErrorCode::kBadConfigFile), "finpipe.toml:2: lgo is no setting");
  directory.write("finpipe.toml", "partitions = \"4\"\n");
  EXPECT_EQ(refusal(ErrorCode::kBadConfigFile), "finpipe.toml:1: partitions must be an integer");
  directory.write("finpipe.toml", "config = \"other.toml\"\n");
  EXPECT_EQ(refusal(ErrorCode::kBadConfigFile), "finpipe.toml:1: config is no setting");
  directory.write("finpipe.toml", "log = \n");
  EXPECT_EQ(refusal(ErrorCode::kBadConfigFile).find("finpipe.toml:1: "), 0U);
}

TEST_F(SettingsTest, AnotherConfigFileMustExist) {
  directory.write("mine.toml", "log = \"embedded:mine\"\n");
  directory.write(".env", "FINPIPE_CONFIG=mine.toml\n");
  expect(Setting::kLog, "embedded:mine", "mine.toml:1");
  flag(Setting::kConfig) = "missing.toml";
  EXPECT_EQ(refusal(ErrorCode::kBadConfigFile), "missing.toml: there is no such file");
}

TEST_F(SettingsTest, BadValuesNameSettingAndPlace) {
  environment["FINPIPE_PARTITIONS"] = "4x";
  EXPECT_EQ(refusal(ErrorCode::kBadSetting), "partitions = '4x' from environment: must be a number from 0 to 1024");
  environment["FINPIPE_PARTITIONS"] = "-1";
  EXPECT_NE(refusal(ErrorCode::kBadSetting), "accepted");
  environment.clear();
  flag(Setting::kLogLevel) = "warn|error";
  EXPECT_EQ(refusal(ErrorCode::kBadSetting),
            "log-level = 'warn|error' from command line: must be one of info|warn|error");
  flags = {};
  directory.write(".env", "FINPIPE_EXIT_AT_END=perhaps\n");
  EXPECT_EQ(refusal(ErrorCode::kBadSetting), "exit-at-end = 'perhaps' from .env:1: must be true or false");
  directory.write(".env", "FINPIPE_SYMBOLS=AAPL,,MSFT\n");
  EXPECT_EQ(refusal(ErrorCode::kBadSetting), "symbols = 'AAPL,,MSFT' from .env:1: '' is no symbol");
}

TEST_F(SettingsTest, ListeningBeyondThisMachineIsAllowedAloneOrWithEverythingElse) {
  flag(Setting::kListen) = "0.0.0.0:8080";
  EXPECT_EQ(refusal(ErrorCode::kInsecureListen), "0.0.0.0:8080");
  environment["FINPIPE_INSECURE_LISTEN"] = "true";
  const auto listening = parse_settings(*resolve());
  ASSERT_TRUE(listening) << listening.error().message();
  EXPECT_EQ(listening->listen_address, "0.0.0.0");
  EXPECT_FALSE(listening->insecure);
  environment = {{"FINPIPE_INSECURE", "true"}};
  EXPECT_TRUE(parse_settings(*resolve()));
}

TEST_F(SettingsTest, CassandraIsAskedAndAnswersByQuorumUnlessSaidOtherwise) {
  const auto plain = parse_settings(*resolve());
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_EQ(plain->cassandra.read_consistency, CassandraConsistency::kLocalQuorum);
  EXPECT_EQ(plain->cassandra.write_consistency, CassandraConsistency::kLocalQuorum);
  EXPECT_EQ(plain->cassandra_replication, "1");
  EXPECT_EQ(plain->cassandra_retention.ticks_days, std::nullopt);

  environment = {{"FINPIPE_CASSANDRA_USER", "me"},
                 {"FINPIPE_CASSANDRA_PASSWORD", "secret"},
                 {"FINPIPE_CASSANDRA_TLS", "true"},
                 {"FINPIPE_CASSANDRA_CA_FILE", "ca.pem"},
                 {"FINPIPE_CASSANDRA_CERTIFICATE", "own.pem"},
                 {"FINPIPE_CASSANDRA_KEY", "own.key"},
                 {"FINPIPE_CASSANDRA_DATACENTER", "dc1"},
                 {"FINPIPE_CASSANDRA_READ_CONSISTENCY", "LOCAL_ONE"},
                 {"FINPIPE_CASSANDRA_WRITE_CONSISTENCY", "ALL"},
                 {"FINPIPE_CASSANDRA_REPLICATION", "dc1:3,dc2:2"},
                 {"FINPIPE_CASSANDRA_KEEP_TICKS", "30"},
                 {"FINPIPE_CASSANDRA_KEEP_BARS_1S", "90"},
                 {"FINPIPE_CASSANDRA_KEEP_BARS", "3650"}};
  const auto settings = parse_settings(*resolve());
  ASSERT_TRUE(settings) << settings.error().message();
  const CassandraOptions& options = settings->cassandra;
  EXPECT_EQ(options.user + options.password + options.datacenter, "mesecretdc1");
  EXPECT_TRUE(options.tls);
  EXPECT_EQ(options.ca_file + " " + options.certificate_file + " " + options.key_file, "ca.pem own.pem own.key");
  EXPECT_EQ(options.read_consistency, CassandraConsistency::kLocalOne);
  EXPECT_EQ(options.write_consistency, CassandraConsistency::kAll);
  EXPECT_EQ(settings->cassandra_replication, "dc1:3,dc2:2");
  EXPECT_EQ(settings->cassandra_retention.ticks_days, 30);
  EXPECT_EQ(settings->cassandra_retention.bars_1s_days, 90);
  EXPECT_EQ(settings->cassandra_retention.bars_days, 3'650);
}

TEST_F(SettingsTest, SettingsOfCassandraThatContradictEachOtherAreRefused) {
  const auto said = [this](std::map<std::string, std::string> set) {
    environment = std::move(set);
    return refusal(ErrorCode::kBadSetting);
  };
  EXPECT_EQ(said({{"FINPIPE_CASSANDRA_CA_FILE", "ca.pem"}}),
            "cassandra-ca-file = 'ca.pem' from environment: it needs cassandra-tls");
  EXPECT_EQ(said({{"FINPIPE_CASSANDRA_TLS", "true"}, {"FINPIPE_CASSANDRA_CERTIFICATE", "own.pem"}}),
            "cassandra-certificate = 'own.pem' from environment: it needs cassandra-key");
  EXPECT_EQ(said({{"FINPIPE_CASSANDRA_TLS", "true"}, {"FINPIPE_CASSANDRA_KEY", "own.key"}}),
            "cassandra-key = 'own.key' from environment: it needs cassandra-certificate");
  EXPECT_EQ(said({{"FINPIPE_CASSANDRA_USER", "me"}}),
            "cassandra-user = 'me' from environment: it needs cassandra-password");
  EXPECT_EQ(said({{"FINPIPE_CASSANDRA_PASSWORD", "secret"}}),
            "cassandra-password = '***' from environment: it needs cassandra-user");
  EXPECT_EQ(said({{"FINPIPE_CASSANDRA_KEEP_TICKS", "3651"}}),
            "cassandra-keep-ticks = '3651' from environment: must be a number from 0 to 3650");
  EXPECT_EQ(said({{"FINPIPE_CASSANDRA_READ_CONSISTENCY", "quorum"}}).find("cassandra-read-consistency"), 0U);
}

TEST_F(SettingsTest, KafkaIsTalkedToAsTheSettingsSay) {
  const auto plain = parse_settings(*resolve());
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_EQ(plain->kafka.protocol, KafkaOptions::Protocol::kPlaintext);
  EXPECT_EQ(plain->kafka.profile, KafkaOptions::Profile::kLatency);
  EXPECT_EQ(plain->kafka.max_pending_bytes, std::size_t{64} << 20);
  EXPECT_EQ(plain->kafka_topics.ticks_days, 7);
  EXPECT_EQ(plain->kafka_topics.bars_days, 7);

  environment = {
      {"FINPIPE_KAFKA_USER", "me"},  {"FINPIPE_KAFKA_PASSWORD", "secret"},   {"FINPIPE_KAFKA_MECHANISM", "PLAIN"},
      {"FINPIPE_KAFKA_TLS", "true"}, {"FINPIPE_KAFKA_CA_FILE", "ca.pem"},    {"FINPIPE_KAFKA_PROFILE", "throughput"},
      {"FINPIPE_KAFKA_BUFFER", "1"}, {"FINPIPE_KAFKA_SESSION_TIMEOUT", "6"}, {"FINPIPE_KAFKA_MAX_POLL", "6"},
      {"FINPIPE_PARTITIONS", "12"},  {"FINPIPE_KAFKA_KEEP_LETTERS", "0"},    {"FINPIPE_KAFKA_KEEP_BARS", "30"}};
  const auto settings = parse_settings(*resolve());
  ASSERT_TRUE(settings) << settings.error().message();
  const KafkaOptions& options = settings->kafka;
  EXPECT_EQ(options.user + options.password + options.mechanism + options.ca_file, "mesecretPLAINca.pem");
  EXPECT_EQ(options.protocol, KafkaOptions::Protocol::kSaslTls);
  EXPECT_EQ(options.profile, KafkaOptions::Profile::kThroughput);
  EXPECT_EQ(options.max_pending_bytes, std::size_t{1} << 20);
  EXPECT_EQ(options.session_timeout_ms, 6'000);
  EXPECT_EQ(options.max_poll_interval_ms, 6'000);
  EXPECT_EQ(settings->kafka_topics.partitions, 12);
  EXPECT_EQ(settings->kafka_topics.letters_days, 0);
  EXPECT_EQ(settings->kafka_topics.bars_days, 30);
  environment.erase("FINPIPE_KAFKA_TLS");
  environment.erase("FINPIPE_KAFKA_CA_FILE");
  EXPECT_EQ(parse_settings(*resolve())->kafka.protocol, KafkaOptions::Protocol::kSaslPlaintext);
}

TEST_F(SettingsTest, SettingsOfKafkaThatContradictEachOtherOrTheirLimitsAreRefused) {
  const auto said = [this](std::map<std::string, std::string> set) {
    environment = std::move(set);
    return refusal(ErrorCode::kBadSetting);
  };
  EXPECT_EQ(said({{"FINPIPE_KAFKA_CA_FILE", "ca.pem"}}),
            "kafka-ca-file = 'ca.pem' from environment: it needs kafka-tls");
  EXPECT_EQ(said({{"FINPIPE_KAFKA_PASSWORD", "secret"}}),
            "kafka-password = '***' from environment: it needs kafka-user");
  EXPECT_EQ(said({{"FINPIPE_KAFKA_TLS", "true"}, {"FINPIPE_KAFKA_KEY", "own.key"}}),
            "kafka-key = 'own.key' from environment: it needs kafka-certificate");
  EXPECT_EQ(said({{"FINPIPE_KAFKA_BUFFER", "0"}}),
            "kafka-buffer = '0' from environment: must be a number from 1 to 4096");
  EXPECT_EQ(said({{"FINPIPE_KAFKA_SESSION_TIMEOUT", "5"}}),
            "kafka-session-timeout = '5' from environment: must be a number from 6 to 1800");
  EXPECT_EQ(said({{"FINPIPE_KAFKA_MAX_POLL", "44"}}),
            "kafka-max-poll = '44' from environment: must be at least kafka-session-timeout");
  EXPECT_EQ(said({{"FINPIPE_COMMIT_INTERVAL", "9"}}),
            "commit-interval = '9' from environment: must be a number from 10 to 60000");
}

TEST_F(SettingsTest, ARegistryIsSetWithItsAccessOrNotAtAll) {
  const auto parse = [&](const std::map<std::string, std::string>& set) {
    environment = set;
    return *parse_settings(*resolve());
  };
  EXPECT_EQ(parse({}).registry.url, "");
  EXPECT_TRUE(parse({}).registry.registers);
  EXPECT_EQ(parse({}).registry.cache_directory, "./finpipe-data/registry");
  const RegistrySettings registry = parse({{"FINPIPE_REGISTRY", "https://r/api"},
                                           {"FINPIPE_REGISTRY_USER", "me"},
                                           {"FINPIPE_REGISTRY_PASSWORD", "secret"},
                                           {"FINPIPE_REGISTRY_CA_FILE", "ca.pem"},
                                           {"FINPIPE_REGISTRY_REGISTER", "false"},
                                           {"FINPIPE_REGISTRY_CACHE", "/cache"}})
                                        .registry;
  EXPECT_EQ(registry.url + registry.user + registry.password, "https://r/apimesecret");
  EXPECT_EQ(registry.ca_file + registry.cache_directory, "ca.pem/cache");
  EXPECT_FALSE(registry.registers);
  const auto said = [&](const std::map<std::string, std::string>& set) {
    environment = set;
    return refusal(ErrorCode::kBadSetting);
  };
  EXPECT_EQ(said({{"FINPIPE_REGISTRY_CA_FILE", "ca.pem"}}),
            "registry-ca-file = 'ca.pem' from environment: it needs registry");
  EXPECT_EQ(said({{"FINPIPE_REGISTRY", "http://r"}, {"FINPIPE_REGISTRY_USER", "me"}}),
            "registry-user = 'me' from environment: it needs registry-password");
  EXPECT_EQ(said({{"FINPIPE_REGISTRY", "http://r"}, {"FINPIPE_REGISTRY_PASSWORD", "secret"}}),
            "registry-password = '***' from environment: it needs registry-user");
  EXPECT_EQ(said({{"FINPIPE_REGISTRY_REGISTER", "no"}}),
            "registry-register = 'no' from environment: must be one of true|false");
}

TEST(Settings, TheTableIsInItsOrderAndItsNamesAreUnique) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kSettingCount; ++i) {
    const SettingInfo& info = setting_table()[i];
    EXPECT_EQ(static_cast<std::size_t>(info.setting), i);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(names.insert(info.environment).second) << info.environment;
    EXPECT_FALSE(info.help.empty());
  }
}

TEST(Settings, SecretsAndCredentialsInUrlsAreNotShown) {
  SettingInfo info = setting_info(Setting::kFeed);
  EXPECT_EQ(displayed(info, "wss://me:password@host/path?x=a@b"), "wss://***@host/path?***");
  EXPECT_EQ(displayed(info, "wss://host?token=key"), "wss://host?***");
  EXPECT_EQ(displayed(info, "tape:a@b"), "tape:a@b");
  EXPECT_EQ(displayed(info, "wss://host/a@b"), "wss://host/a@b");
  info = setting_info(Setting::kStore);
  EXPECT_EQ(displayed(info, "cassandra://me:pass/word@host/k"), "cassandra://***@host/k");
  EXPECT_EQ(displayed(info, "cassandra:me:password@host/k"), "cassandra://***@host/k");
  EXPECT_EQ(displayed(info, "cassandra://host:9042/k"), "cassandra://host:9042/k");
  info.secret = true;
  EXPECT_EQ(displayed(info, "key"), "***");
  EXPECT_EQ(displayed(info, ""), "");
}

TEST(Settings, SymbolsAreCheckedAndKeptOnce) {
  EXPECT_EQ(*parse_symbols("B,A,B"), (std::vector<std::string>{"B", "A"}));
  EXPECT_TRUE(parse_symbols("")->empty());
  EXPECT_FALSE(parse_symbols(std::string(65, 'A')));
  EXPECT_FALSE(parse_symbols("A\n"));
  EXPECT_FALSE(parse_symbols("A, B"));
}

}  // namespace
}  // namespace finpipe
