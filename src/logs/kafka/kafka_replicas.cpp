#include "logs/kafka/kafka_replicas.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <span>

#include "logs/kafka/client.h"
#include "logs/kafka/owned.h"
#include "logs/kafka/settings.h"

namespace finpipe {
namespace {

std::vector<std::int32_t> ids_of(const std::int32_t* ids, int count) { return {ids, ids + count}; }

}  // namespace

Result<KafkaReplicas> kafka_replicas(const KafkaOptions& options) {
  using kafka::Client;
  kafka::Cluster cluster(options, {});
  FINPIPE_TRY_ASSIGN(client, Client::make(Client::Kind::kConsumer, cluster,
                                          kafka::reader_settings(options, 1, kafka::Statistics::kNone)));
  const std::array ours = {kafka::ticks_topic(options), kafka::bars_topic(options), kafka::letters_topic(options)};
  KafkaReplicas found;
  FINPIPE_TRY(cluster.retry(*client, "topics", [&](int timeout_ms) -> int {
    const struct rd_kafka_metadata* metadata = nullptr;
    const auto code = rd_kafka_metadata(client->get(), 1, nullptr, &metadata, timeout_ms);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
    const kafka::Owned<const struct rd_kafka_metadata, rd_kafka_metadata_destroy> owned(metadata);
    for (const auto& broker : std::span(metadata->brokers, static_cast<std::size_t>(metadata->broker_cnt)))
      found.brokers[broker.id] = fmt::format("{}:{}", broker.host, broker.port);
    for (const auto& topic : std::span(metadata->topics, static_cast<std::size_t>(metadata->topic_cnt))) {
      if (std::ranges::find(ours, topic.topic) == ours.end()) continue;
      for (const auto& one : std::span(topic.partitions, static_cast<std::size_t>(topic.partition_cnt))) {
        found.partitions.push_back({.topic = topic.topic,
                                    .partition = one.id,
                                    .leader = one.leader,
                                    .replicas = ids_of(one.replicas, one.replica_cnt),
                                    .in_sync = ids_of(one.isrs, one.isr_cnt)});
      }
    }
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }));
  return found;
}

}  // namespace finpipe
