#include "logs/kafka/settings.h"

#include <gtest/gtest.h>

#include <map>

#include "logs/kafka/client.h"

namespace finpipe::kafka {
namespace {

std::map<std::string, std::string> as_map(const Settings& settings) { return {settings.begin(), settings.end()}; }

KafkaOptions on(const std::string& brokers) {
  KafkaOptions options;
  options.brokers = brokers;
  return options;
}

TEST(KafkaSettings, TheWriterLosesNothingAndKeepsTheOrder) {
  for (const auto profile : {KafkaOptions::Profile::kLatency, KafkaOptions::Profile::kThroughput}) {
    KafkaOptions options = on("b:1");
    options.profile = profile;
    auto settings = as_map(writer_settings(options));
    EXPECT_EQ(settings["enable.idempotence"], "true");
    EXPECT_EQ(settings["enable.gapless.guarantee"], "true");
    EXPECT_EQ(settings["acks"], "all");
    EXPECT_EQ(settings["message.timeout.ms"], "0");
  }
}

TEST(KafkaSettings, AProfileIsForLatencyOrForThroughput) {
  KafkaOptions options = on("b:1");
  options.profile = KafkaOptions::Profile::kLatency;
  auto latency = as_map(writer_settings(options));
  options.profile = KafkaOptions::Profile::kThroughput;
  auto throughput = as_map(writer_settings(options));
  EXPECT_EQ(latency["compression.type"], "lz4");
  EXPECT_EQ(throughput["compression.type"], "zstd");
  EXPECT_LE(std::stod(latency["linger.ms"]), 1);
  EXPECT_GE(std::stod(throughput["linger.ms"]), 20);
}

TEST(KafkaSettings, NoProducerIsEndedByALeaderThatDies) {
  for (auto settings :
       {as_map(writer_settings(on("b:1"))), as_map(bars_settings(on("b:1"))), as_map(letters_settings(on("b:1")))}) {
    EXPECT_EQ(settings["enable.idempotence"], "true");
    EXPECT_EQ(settings["max.in.flight"], "1");
    EXPECT_EQ(settings["message.timeout.ms"], "0");
  }
}

TEST(KafkaSettings, AReaderNeverJumpsAndNeverCommits) {
  for (auto settings :
       {as_map(reader_settings(on("b:1"), 6, Statistics::kNone)), as_map(member_settings(on("b:1"), "g", ""))}) {
    EXPECT_EQ(settings["auto.offset.reset"], "error");
    EXPECT_EQ(settings["enable.auto.commit"], "false");
    EXPECT_EQ(settings["allow.auto.create.topics"], "false");
  }
}

// librdkafka keeps them until the client is polled.
TEST(KafkaSettings, ClientsThatMayNotBePolledHaveNoStatistics) {
  EXPECT_EQ(as_map(reader_settings(on("b:1"), 6, Statistics::kNone))["statistics.interval.ms"], "0");
  EXPECT_EQ(as_map(letters_settings(on("b:1")))["statistics.interval.ms"], "0");
}

TEST(KafkaSettings, AHungMemberIsGivenUpWithinMaxPollInterval) {
  KafkaOptions options = on("b:1");
  EXPECT_EQ(as_map(member_settings(options, "g", ""))["max.poll.interval.ms"], "150000");
  options.max_poll_interval_ms = options.session_timeout_ms;
  EXPECT_EQ(hung_ms(options), options.session_timeout_ms);
}

TEST(KafkaSettings, WhatReadersPrefetchIsBoundedInTotal) {
  for (const std::int32_t partitions : {1, 6, 64, 128}) {
    auto settings = as_map(reader_settings(on("b:1"), partitions, Statistics::kNone));
    EXPECT_LE(std::stoll(settings["queued.max.messages.kbytes"]) * partitions, 8 * 1024) << partitions;
    EXPECT_LE(std::stoll(settings["fetch.message.max.bytes"]) * partitions, 4 << 20) << partitions;
  }
}

TEST(KafkaSettings, SecretsGoOnlyWhereALoginIsUsed) {
  KafkaOptions options = on("b:1");
  options.user = "u";
  options.password = "secret";
  options.key_file = "/nowhere/key.pem";
  options.key_password = "secret too";
  EXPECT_EQ(as_map(writer_settings(options)).count("sasl.password"), 0U);
  options.protocol = KafkaOptions::Protocol::kSaslTls;
  auto settings = as_map(writer_settings(options));
  EXPECT_EQ(settings["security.protocol"], "sasl_ssl");
  EXPECT_EQ(settings["sasl.mechanism"], "SCRAM-SHA-512");
  EXPECT_EQ(settings["sasl.password"], "secret");
  EXPECT_EQ(settings["ssl.key.password"], "secret too");
  EXPECT_EQ(settings["ssl.endpoint.identification.algorithm"], "https");
}

// librdkafka knows every name and takes every value.
TEST(KafkaSettings, EveryClientCanBeMade) {
  for (const auto protocol : {KafkaOptions::Protocol::kPlaintext, KafkaOptions::Protocol::kTls,
                              KafkaOptions::Protocol::kSaslPlaintext, KafkaOptions::Protocol::kSaslTls}) {
    KafkaOptions options = on("127.0.0.1:1");
    options.protocol = protocol;
    options.user = "u";
    options.password = "p";
    Cluster cluster(options, {});
    EXPECT_TRUE(Client::make(Client::Kind::kProducer, cluster, writer_settings(options)));
    EXPECT_TRUE(Client::make(Client::Kind::kProducer, cluster, letters_settings(options)));
    EXPECT_TRUE(Client::make(Client::Kind::kConsumer, cluster, reader_settings(options, 64, Statistics::kNone)));
    EXPECT_TRUE(Client::make(Client::Kind::kConsumer, cluster, member_settings(options, "g", "one")));
  }
}

TEST(KafkaSettings, ABadOneIsNamed) {
  KafkaOptions options = on("127.0.0.1:1");
  options.protocol = KafkaOptions::Protocol::kSaslPlaintext;
  options.mechanism = "TELEPATHY";
  options.user = "u";
  options.password = "secret";
  Cluster cluster(options, {});
  const auto made = Client::make(Client::Kind::kProducer, cluster, writer_settings(options));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kBadSetting);
  EXPECT_NE(made.error().detail.find("TELEPATHY"), std::string::npos) << made.error().detail;
  EXPECT_EQ(made.error().detail.find("secret"), std::string::npos);
}

TEST(KafkaSettings, ACertificateFileThatIsNotThereIsNamed) {
  KafkaOptions options = on("127.0.0.1:1");
  options.protocol = KafkaOptions::Protocol::kTls;
  options.ca_file = "/nowhere/ca.pem";
  Cluster cluster(options, {});
  const auto made = Client::make(Client::Kind::kConsumer, cluster, reader_settings(options, 1, Statistics::kNone));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kBadCertificate);
  EXPECT_NE(made.error().detail.find("ssl.ca.location"), std::string::npos) << made.error().detail;
}

}  // namespace
}  // namespace finpipe::kafka
