#include "logs/kafka/settings.h"

#include <algorithm>
#include <string>

namespace finpipe::kafka {
namespace {

// librdkafka counts only keys and values, and needs some hundred bytes more for each record that waits; and what is
// fetched comes compressed. Both bounds are of a partition, and together hold 64 partitions in about 200 MB.
constexpr std::int64_t kPrefetchBytes = std::int64_t{4} << 20;
constexpr std::int64_t kFetchBytes = std::int64_t{4} << 20;  // of one answer of a broker

// A broker that has nothing new keeps a question for so long, and no other one is asked meanwhile: what a seek waits.
constexpr int kFetchWaitMs = 20;

std::string protocol(KafkaOptions::Protocol protocol) {
  switch (protocol) {
    case KafkaOptions::Protocol::kPlaintext: return "plaintext";
    case KafkaOptions::Protocol::kTls: return "ssl";
    case KafkaOptions::Protocol::kSaslPlaintext: return "sasl_plaintext";
    case KafkaOptions::Protocol::kSaslTls: return "sasl_ssl";
  }
  return "";
}

Settings common_settings(const KafkaOptions& options, Statistics statistics, std::int64_t max_bytes = kMaxRecordBytes) {
  Settings settings = {
      {"bootstrap.servers", options.brokers},
      {"client.id", "finpipe"},
      {"security.protocol", protocol(options.protocol)},
      {"statistics.interval.ms", statistics == Statistics::kEachSecond ? "1000" : "0"},
      {"reconnect.backoff.ms", "100"},
      {"reconnect.backoff.max.ms", "1000"},
      {"socket.nagle.disable", "true"},
      {"socket.keepalive.enable", "true"},
      // One that stopped answering is noticed so soon.
      {"socket.timeout.ms", "10000"},
      {"socket.connection.setup.timeout.ms", "10000"},
      {"message.max.bytes", std::to_string(max_bytes)},
      // A topic that is gone for longer than a broker needs to start is gone.
      {"topic.metadata.propagation.max.ms", "30000"},
      {"topic.metadata.refresh.interval.ms", "60000"},
  };
  const bool tls =
      options.protocol == KafkaOptions::Protocol::kTls || options.protocol == KafkaOptions::Protocol::kSaslTls;
  const bool sasl = options.protocol == KafkaOptions::Protocol::kSaslPlaintext ||
                    options.protocol == KafkaOptions::Protocol::kSaslTls;
  if (sasl) {
    settings.emplace_back("sasl.mechanism", options.mechanism);
    settings.emplace_back("sasl.username", options.user);
    settings.emplace_back("sasl.password", options.password);
    // Says how far a login came; it is read by Client and goes no further.
    if (options.mechanism.starts_with("SCRAM")) settings.emplace_back("debug", "security");
  }
  if (tls) {
    settings.emplace_back("ssl.endpoint.identification.algorithm", "https");
    if (!options.ca_file.empty()) settings.emplace_back("ssl.ca.location", options.ca_file);
    if (!options.certificate_file.empty()) settings.emplace_back("ssl.certificate.location", options.certificate_file);
    if (!options.key_file.empty()) settings.emplace_back("ssl.key.location", options.key_file);
    if (!options.key_password.empty()) settings.emplace_back("ssl.key.password", options.key_password);
  }
  return settings;
}

Settings producer_settings(const KafkaOptions& options, Statistics statistics, std::int64_t max_bytes) {
  Settings settings = common_settings(options, statistics, max_bytes);
  settings.insert(settings.end(), {
                                      {"enable.idempotence", "true"},
                                      {"acks", "all"},
                                      // With more, librdkafka before 2.3 gives up for good when a leader dies with
                                      // several on their way and the next one is not ready (its issue 4438).
                                      {"max.in.flight", "1"},
                                      {"message.timeout.ms", "0"},  // none is given up
                                      {"retry.backoff.ms", "100"},
                                  });
  return settings;
}

Settings record_settings(const KafkaOptions& options, Statistics statistics) {
  Settings settings = producer_settings(options, statistics, kMaxRecordBytes);
  const bool fast = options.profile == KafkaOptions::Profile::kLatency;
  settings.insert(settings.end(), {
                                      {"enable.gapless.guarantee", "true"},
                                      {"queue.buffering.max.messages", "0"},
                                      {"queue.buffering.max.kbytes", "2147483647"},  // our own bound holds
                                      {"linger.ms", fast ? "1" : "25"},
                                      {"compression.type", fast ? "lz4" : "zstd"},
                                      // Readers have such a batch in memory for each partition.
                                      {"batch.size", "262144"},
                                      {"batch.num.messages", "10000"},
                                  });
  return settings;
}

}  // namespace

std::string ticks_topic(const KafkaOptions& options) { return options.prefix + ".ticks"; }
std::string bars_topic(const KafkaOptions& options) { return options.prefix + ".bars"; }
std::string letters_topic(const KafkaOptions& options) { return options.prefix + ".dead-letters"; }

Settings writer_settings(const KafkaOptions& options) { return record_settings(options, Statistics::kEachSecond); }
Settings bars_settings(const KafkaOptions& options) { return record_settings(options, Statistics::kNone); }

Settings letters_settings(const KafkaOptions& options) {
  Settings settings = producer_settings(options, Statistics::kNone, kMaxLetterBytes);
  settings.insert(settings.end(), {
                                      {"linger.ms", "1"},
                                      {"compression.type", "lz4"},
                                      {"batch.size", std::to_string(kLettersBatchBytes)},
                                  });
  return settings;
}

Settings asking_settings(const KafkaOptions& options) {
  Settings settings = common_settings(options, Statistics::kNone);
  settings.emplace_back("acks", "2");
  return settings;
}

Settings reader_settings(const KafkaOptions& options, std::int32_t partitions, Statistics statistics) {
  Settings settings = common_settings(options, statistics);
  const std::int64_t queued_kb = std::max<std::int64_t>(kPrefetchBytes / 1024 / std::max(partitions, 1), 64);
  // Compressed: they become several times as much.
  const std::int64_t fetch_bytes = std::clamp<std::int64_t>(queued_kb * 1024 / 8, 4'096, 1'048'576);
  settings.insert(settings.end(), {
                                      {"allow.auto.create.topics", "false"},
                                      {"auto.offset.reset", "error"},
                                      {"enable.auto.commit", "false"},
                                      {"enable.auto.offset.store", "false"},
                                      {"check.crcs", "true"},
                                      {"enable.partition.eof", "true"},
                                      // What others write in transactions has offsets too.
                                      {"isolation.level", "read_uncommitted"},
                                      {"fetch.wait.max.ms", std::to_string(kFetchWaitMs)},
                                      {"fetch.error.backoff.ms", "100"},
                                      {"fetch.message.max.bytes", std::to_string(fetch_bytes)},
                                      {"fetch.max.bytes", std::to_string(kFetchBytes)},
                                      {"queued.max.messages.kbytes", std::to_string(queued_kb)},
                                      {"queued.min.messages", "1000000"},  // the bound in bytes holds
                                  });
  return settings;
}

std::int64_t hung_ms(const KafkaOptions& options) {
  return std::max(options.session_timeout_ms, options.max_poll_interval_ms / 2);
}

Settings member_settings(const KafkaOptions& options, const std::string& group, const std::string& instance_id) {
  Settings settings = common_settings(options, Statistics::kEachSecond);
  // A member learns by its heartbeats that others came or went.
  const std::int64_t heartbeat_ms = std::clamp<std::int64_t>(options.session_timeout_ms / 10, 100, 500);
  settings.insert(settings.end(), {
                                      {"group.id", group},
                                      {"partition.assignment.strategy", "cooperative-sticky"},
                                      {"session.timeout.ms", std::to_string(options.session_timeout_ms)},
                                      {"heartbeat.interval.ms", std::to_string(heartbeat_ms)},
                                      {"max.poll.interval.ms", std::to_string(hung_ms(options))},
                                      {"allow.auto.create.topics", "false"},
                                      {"auto.offset.reset", "error"},
                                      {"enable.auto.commit", "false"},
                                      {"enable.auto.offset.store", "false"},
                                  });
  if (!instance_id.empty()) settings.emplace_back("group.instance.id", instance_id);
  return settings;
}

}  // namespace finpipe::kafka
