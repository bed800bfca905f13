#include "logs/kafka/kafka_topics.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "base/random.h"
#include "logs/kafka/client.h"
#include "logs/kafka/foreign_values.h"
#include "logs/kafka/log_identity.h"
#include "logs/kafka/owned.h"
#include "logs/kafka/producer.h"
#include "logs/kafka/settings.h"
#include "logs/record_size.h"

namespace finpipe {
namespace kafka {
namespace {

constexpr std::int32_t kDefaultPartitions = 6;
constexpr std::int32_t kDefaultReplicas = 3;
constexpr std::int64_t kAroundBytes = 65'536;
// A weekend is longer, but a day is what it takes to notice that nothing is processed.
constexpr std::int64_t kMinRetentionMs = 86'400'000;

// ---- The table -----------------------------------------------------------------------------------------------------

// Every topic is cleaned by age alone: one that is compacted, or bounded in size, would lose records unseen.
struct TopicSpec {
  std::string (*name)(const KafkaOptions&);
  std::int32_t partitions;  // 0: as many as the log has
  std::int64_t KafkaTopics::* days;
  std::int64_t max_bytes;  // of a record with what is around it, which a broker counts too
};
constexpr std::array kTopics = {
    TopicSpec{ticks_topic, 0, &KafkaTopics::ticks_days, kMaxRecordBytes + kAroundBytes},
    TopicSpec{bars_topic, 0, &KafkaTopics::bars_days, kMaxRecordBytes + kAroundBytes},
    TopicSpec{letters_topic, 1, &KafkaTopics::letters_days, kMaxLetterBytes + kAroundBytes},
};

using Configuration = std::map<std::string, std::string>;

Configuration configuration_of(const TopicSpec& spec, const KafkaTopics& topics, std::int32_t replicas) {
  const std::int64_t days = topics.*spec.days;
  return {{"cleanup.policy", "delete"},
          {"retention.ms", std::to_string(days == 0 ? -1 : days * 86'400'000)},
          {"retention.bytes", "-1"},
          {"min.insync.replicas", replicas >= 3 ? "2" : "1"},
          {"unclean.leader.election.enable", "false"},
          {"max.message.bytes", std::to_string(spec.max_bytes)}};
}

// ---- Asking the brokers ---------------------------------------------------------------------------------------------

struct Topic {
  std::int32_t partitions = 0;
  std::int32_t replicas = 0;
};

class Admin {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Admin>> connect(Cluster& cluster) {
    FINPIPE_TRY_ASSIGN(client, Client::make(Client::Kind::kConsumer, cluster,
                                            reader_settings(cluster.options(), 1, Statistics::kNone)));
    return std::unique_ptr<Admin>(new Admin(std::move(client)));
  }

  // What is there, by name, and the number of brokers.
  [[nodiscard]] Result<std::pair<std::map<std::string, Topic>, std::int32_t>> topics() {
    std::pair<std::map<std::string, Topic>, std::int32_t> found;
    FINPIPE_TRY(client_->cluster().retry(*client_, "topics", [&](int timeout_ms) -> int {
      const struct rd_kafka_metadata* metadata = nullptr;
      const auto code = rd_kafka_metadata(client_->get(), 1, nullptr, &metadata, timeout_ms);
      if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return code;
      const Owned<const struct rd_kafka_metadata, rd_kafka_metadata_destroy> owned(metadata);
      found.first.clear();
      found.second = metadata->broker_cnt;
      for (const auto& topic : std::span(metadata->topics, static_cast<std::size_t>(metadata->topic_cnt))) {
        if (topic.err != RD_KAFKA_RESP_ERR_NO_ERROR || topic.partition_cnt == 0) continue;
        found.first[topic.topic] = {topic.partition_cnt, topic.partitions[0].replica_cnt};
      }
      return RD_KAFKA_RESP_ERR_NO_ERROR;
    }));
    return found;
  }

  [[nodiscard]] Result<void> create(const std::string& name, const Topic& topic, const Configuration& configuration) {
    std::array<char, 512> text{};
    Owned<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy> wanted(
        rd_kafka_NewTopic_new(name.c_str(), topic.partitions, topic.replicas, text.data(), text.size()));
    if (!wanted) return fail(ErrorCode::kBadSetting, fmt::format("topic {}: {}", name, text.data()));
    for (const auto& [key, value] : configuration) {
      static_cast<void>(rd_kafka_NewTopic_set_config(wanted.get(), key.c_str(), value.c_str()));
    }
    std::array<rd_kafka_NewTopic_t*, 1> topics{wanted.get()};
    return ask(
        fmt::format("create topic {}", name),
        [&](const rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
          rd_kafka_CreateTopics(client_->get(), topics.data(), topics.size(), options, queue);
        },
        [](rd_kafka_event_t* event) -> Failure {
          std::size_t count = 0;
          const auto* results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
          if (count != 1) return {};
          const auto code = rd_kafka_topic_result_error(results[0]);
          // Another one was quicker.
          if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return {};
          const char* why = rd_kafka_topic_result_error_string(results[0]);
          return {code, why == nullptr ? error_text(code) : why};
        });
  }

  [[nodiscard]] Result<std::size_t> members(const std::string& group) {
    std::size_t members = 0;
    std::array<const char*, 1> groups{group.c_str()};
    FINPIPE_TRY(ask(
        fmt::format("describe group {}", group),
        [&](const rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
          rd_kafka_DescribeConsumerGroups(client_->get(), groups.data(), groups.size(), options, queue);
        },
        [&](rd_kafka_event_t* event) -> Failure {
          std::size_t count = 0;
          const auto* results = rd_kafka_DescribeConsumerGroups_result_groups(
              rd_kafka_event_DescribeConsumerGroups_result(event), &count);
          if (count != 1) return {};
          if (const auto* error = rd_kafka_ConsumerGroupDescription_error(results[0]); error != nullptr)
            return {rd_kafka_error_code(error), rd_kafka_error_string(error)};
          members = rd_kafka_ConsumerGroupDescription_member_count(results[0]);
          return {};
        }));
    return members;
  }

  // Asks for what only who may be a member gets: to keep a place, of a partition that there is not.
  [[nodiscard]] Result<void> keep_no_place(const std::string& group) {
    const Owned<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy> places(
        rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(places.get(), ticks_topic(client_->cluster().options()).c_str(),
                                      std::numeric_limits<std::int32_t>::max())
        ->offset = 0;
    const Owned<rd_kafka_AlterConsumerGroupOffsets_t, rd_kafka_AlterConsumerGroupOffsets_destroy> wanted(
        rd_kafka_AlterConsumerGroupOffsets_new(group.c_str(), places.get()));
    std::array<rd_kafka_AlterConsumerGroupOffsets_t*, 1> groups{wanted.get()};
    return ask(
        fmt::format("group {}", group),
        [&](const rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
          rd_kafka_AlterConsumerGroupOffsets(client_->get(), groups.data(), groups.size(), options, queue);
        },
        [](rd_kafka_event_t* event) -> Failure {
          std::size_t count = 0;
          const auto* results = rd_kafka_AlterConsumerGroupOffsets_result_groups(
              rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count);
          if (count != 1) return {};
          if (const auto* error = rd_kafka_group_result_error(results[0]); error != nullptr)
            return {rd_kafka_error_code(error), rd_kafka_error_string(error)};
          const auto* places_told = rd_kafka_group_result_partitions(results[0]);
          if (places_told == nullptr || places_told->cnt != 1) return {};
          const auto code = places_told->elems[0].err;
          return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ? Failure{} : Failure{code, error_text(code)};
        });
  }

  [[nodiscard]] Result<Configuration> describe(const std::string& name) {
    Configuration found;
    const Owned<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy> resource(
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
    std::array<rd_kafka_ConfigResource_t*, 1> resources{resource.get()};
    FINPIPE_TRY(ask(
        fmt::format("describe the configuration of topic {}", name),
        [&](const rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
          rd_kafka_DescribeConfigs(client_->get(), resources.data(), resources.size(), options, queue);
        },
        [&](rd_kafka_event_t* event) -> Failure {
          std::size_t count = 0;
          const auto* results =
              rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
          if (count != 1) return {};
          const auto code = rd_kafka_ConfigResource_error(results[0]);
          if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            const char* why = rd_kafka_ConfigResource_error_string(results[0]);
            return {code, why == nullptr ? error_text(code) : why};
          }
          std::size_t entries_count = 0;
          const auto* entries = rd_kafka_ConfigResource_configs(results[0], &entries_count);
          for (const rd_kafka_ConfigEntry_t* entry : std::span(entries, entries_count)) {
            const char* value = rd_kafka_ConfigEntry_value(entry);
            found[rd_kafka_ConfigEntry_name(entry)] = value == nullptr ? "" : value;
          }
          return {};
        }));
    return found;
  }

 private:
  using Request = std::function<void(const rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>;
  using Answer = std::function<Failure(rd_kafka_event_t*)>;

  explicit Admin(std::unique_ptr<Client> client) : client_(std::move(client)) {}

  [[nodiscard]] Result<void> ask(const std::string& what, const Request& request, const Answer& answer) {
    constexpr int kRequestMs = 5'000;
    std::array<char, 128> text{};
    const Owned<rd_kafka_AdminOptions_t, rd_kafka_AdminOptions_destroy> options(
        rd_kafka_AdminOptions_new(client_->get(), RD_KAFKA_ADMIN_OP_ANY));
    static_cast<void>(rd_kafka_AdminOptions_set_request_timeout(options.get(), kRequestMs, text.data(), text.size()));
    const Owned<rd_kafka_queue_t, rd_kafka_queue_destroy> queue(rd_kafka_queue_new(client_->get()));
    bool asked = false;
    return client_->cluster().await(client_.get(), what, [&](int timeout_ms) -> Result<Cluster::Step> {
      client_->poll(0);
      if (!std::exchange(asked, true)) request(options.get(), queue.get());
      const Owned<rd_kafka_event_t, rd_kafka_event_destroy> event(rd_kafka_queue_poll(queue.get(), timeout_ms));
      if (!event) return Cluster::Step::kNothing;
      Failure failure{rd_kafka_event_error(event.get()), ""};
      if (failure.code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        failure.reason = rd_kafka_event_error_string(event.get());
      } else {
        failure = answer(event.get());
      }
      if (failure.code == RD_KAFKA_RESP_ERR_NO_ERROR) return Cluster::Step::kDone;
      if (!is_passing(failure.code)) return fail(error_of(failure, what, client_->cluster().options().mechanism));
      asked = false;  // once more
      client_->poll(100);
      return Cluster::Step::kNothing;
    });
  }

  std::unique_ptr<Client> client_;
};

// ---- Checking ------------------------------------------------------------------------------------------------------

Result<std::string> check_topic(Admin& admin, const TopicSpec& spec, const std::string& name, const Topic& topic,
                                std::int32_t partitions) {
  if (partitions > 0 && topic.partitions != partitions) {
    return fail(ErrorCode::kPartitionCountChanged,
                fmt::format("topic {} has {} partitions, not {}", name, topic.partitions, partitions));
  }
  FINPIPE_TRY_ASSIGN(configuration, admin.describe(name));
  const std::string policy = configuration["cleanup.policy"];
  if (policy.find("compact") != std::string::npos) {
    return fail(ErrorCode::kTopicSettings, fmt::format("topic {}: cleanup.policy is {}, not delete", name, policy));
  }
  const auto refuse = [&](std::string_view setting, std::string_view why) {
    return fail(ErrorCode::kTopicSettings,
                fmt::format("topic {}: {} is {}, {}", name, setting, configuration[std::string(setting)], why));
  };
  const auto number = [&](const std::string& setting) {
    std::int64_t value = 0;
    const std::string& text = configuration[setting];
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  const std::int64_t in_sync = number("min.insync.replicas");
  if (topic.replicas >= 3 && in_sync == 1)
    return refuse("min.insync.replicas", fmt::format("with {} replicas it must be 2", topic.replicas));
  if (in_sync > topic.replicas) return refuse("min.insync.replicas", fmt::format("of {} replicas", topic.replicas));
  if (configuration["unclean.leader.election.enable"] == "true")
    return refuse("unclean.leader.election.enable", "so acknowledged records can be lost");
  if (number("max.message.bytes") < spec.max_bytes)
    return refuse("max.message.bytes", fmt::format("not {} or more", spec.max_bytes));
  const std::int64_t retention_ms = number("retention.ms");
  if (retention_ms >= 0 && retention_ms < kMinRetentionMs)
    return refuse("retention.ms", fmt::format("not {} or more, or -1", kMinRetentionMs));
  if (const std::int64_t most = number("retention.bytes"); most >= 0)
    return refuse("retention.bytes", "so a busy day ends what nobody has read; not -1");
  return fmt::format("topic {}: partitions: {}, replicas: {}, min.insync.replicas {}, retention.ms {}", name,
                     topic.partitions, topic.replicas, in_sync, configuration["retention.ms"]);
}

// What was created is known by every broker, with a leader for each partition, only a little later.
Result<void> await_topic(Cluster& cluster, const std::string& name) {
  FINPIPE_TRY_ASSIGN(
      client, Client::make(Client::Kind::kConsumer, cluster, reader_settings(cluster.options(), 1, Statistics::kNone)));
  client->set_topic(name);
  return cluster.await(client.get(), "topic " + name, [&](int timeout_ms) -> Result<Cluster::Step> {
    const struct rd_kafka_metadata* metadata = nullptr;
    const auto code = rd_kafka_metadata(client->get(), 0, client->topic(), &metadata, timeout_ms);
    bool ready = false;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const Owned<const struct rd_kafka_metadata, rd_kafka_metadata_destroy> owned(metadata);
      if (metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const auto& topic = metadata->topics[0];
        const std::span partitions(topic.partitions, static_cast<std::size_t>(topic.partition_cnt));
        ready = std::ranges::all_of(partitions, [](const auto& one) { return one.leader >= 0; });
      }
    }
    if (!ready) client->poll(50);
    return ready ? Cluster::Step::kDone : Cluster::Step::kNothing;
  });
}

// Writes the record that states the log id to partitions, and waits until it is there.
Result<void> begin_partitions(Cluster& cluster, Producer& producer, const LogId& id,
                              std::span<const std::int32_t> partitions) {
  std::string scratch;
  const std::string record = first_record(id);
  const std::string_view value = make_translator(cluster).to_wire(record, scratch);
  for (const std::int32_t partition : partitions) {
    producer.produce(partition, {.key = std::nullopt,
                                 .value = value,
                                 .header = "type",
                                 .header_value = "control",
                                 .bytes = kRecordOverheadBytes + value.size()});
  }
  return cluster.await(&producer, producer.client().topic_name(), [&](int) -> Result<Cluster::Step> {
    FINPIPE_TRY(producer.poll(10));
    return producer.pending_bytes() == 0 ? Cluster::Step::kDone : Cluster::Step::kNothing;
  });
}

// The partitions that are to be begun, the first of which decides when two do so at once.
Result<std::vector<std::int32_t>> partitions_to_begin(const std::string& topic, std::int32_t partitions,
                                                      const LogIdentity& identity, bool id_known) {
  if (identity.id) {
    if (!identity.in_use || identity.new_partitions.empty()) return identity.new_partitions;
    return fail(ErrorCode::kPartitionCountChanged,
                fmt::format("topic {}: partition {} was added to a log in use: the keys of its records would be "
                            "elsewhere from now on",
                            topic, identity.new_partitions.front()));
  }
  if (!identity.not_understood.empty()) return fail(missing_identity(topic, identity));
  const std::size_t empty = identity.new_partitions.size() + identity.expired_partitions.size();
  if (empty < static_cast<std::size_t>(partitions))
    return fail(ErrorCode::kTopicSettings, fmt::format("topic {} holds records, and none of finpipe", topic));
  if (identity.expired_partitions.empty()) return identity.new_partitions;
  if (!id_known) {
    return fail(ErrorCode::kLogIdMissing,
                fmt::format("topic {}: all records have expired; only the store's checkpoints know the log id", topic));
  }
  return identity.expired_partitions;
}

Result<std::int32_t> begin_log(Cluster& cluster, const std::optional<LogId>& known, std::string* told_id) {
  const std::string topic = ticks_topic(cluster.options());
  FINPIPE_TRY_ASSIGN(
      probe, Client::make(Client::Kind::kConsumer, cluster, reader_settings(cluster.options(), 1, Statistics::kNone)));
  probe->set_topic(topic);
  FINPIPE_TRY_ASSIGN(partitions, probe->partitions());
  FINPIPE_TRY_ASSIGN(fetcher, Fetcher::make(cluster, topic, partitions));
  FINPIPE_TRY_ASSIGN(identity, find_log_identity(*fetcher));
  FINPIPE_TRY_ASSIGN(begun, partitions_to_begin(topic, partitions, identity, known.has_value()));
  if (!begun.empty()) {
    Producer::Numbers numbers;
    FINPIPE_TRY_ASSIGN(producer,
                       Producer::make(cluster, topic, partitions, writer_settings(cluster.options()), numbers));
    std::span<const std::int32_t> rest(begun);
    if (!identity.id) {
      const LogId id = identity.expired_partitions.empty() ? random_id() : *known;
      FINPIPE_TRY(begin_partitions(cluster, *producer, id, rest.first(1)));
      FINPIPE_TRY_ASSIGN(decided, find_log_identity(*fetcher, rest.front()));
      identity.id = decided.id.value_or(id);
      rest = rest.subspan(1);
    }
    FINPIPE_TRY(begin_partitions(cluster, *producer, *identity.id, rest));
  }
  if (told_id != nullptr) *told_id = fmt::format("{:02x}", fmt::join(*identity.id, ""));
  return static_cast<std::int32_t>(begun.size());
}

}  // namespace

Result<void> check_idle(Cluster& cluster, const std::string& group) {
  FINPIPE_TRY_ASSIGN(admin, Admin::connect(cluster));
  FINPIPE_TRY_ASSIGN(members, admin->members(group));
  if (members == 0) return {};
  return fail(ErrorCode::kGroupInUse, fmt::format("group {}: {} members", group, members));
}

Result<void> check_member(Cluster& cluster, const std::string& group) {
  FINPIPE_TRY_ASSIGN(admin, Admin::connect(cluster));
  return admin->keep_no_place(group);
}

}  // namespace kafka

Result<std::vector<std::string>> create_kafka_topics(const KafkaOptions& options, const KafkaTopics& topics,
                                                     const std::optional<LogId>& known) {
  kafka::Cluster cluster(options, {});
  FINPIPE_TRY_ASSIGN(admin, kafka::Admin::connect(cluster));
  FINPIPE_TRY_ASSIGN(found, admin->topics());
  const auto& [there, brokers] = found;
  const std::int32_t replicas = topics.replicas > 0 ? topics.replicas : std::min(kafka::kDefaultReplicas, brokers);
  const bool complete = std::ranges::all_of(
      kafka::kTopics, [&](const kafka::TopicSpec& spec) { return there.contains(spec.name(options)); });
  // Those that are away may be among the addresses, or the third.
  const auto named = static_cast<std::int32_t>(std::ranges::count(options.brokers, ',')) + 1;
  const std::int32_t expected = brokers == 1 ? std::min(kafka::kDefaultReplicas, named) : kafka::kDefaultReplicas;
  if (!complete && topics.replicas == 0 && brokers < expected) {
    return fail(ErrorCode::kTopicSettings,
                fmt::format("{} of {} brokers answer: try again when all are there, or ask for kafka-replication {}",
                            brokers, expected, brokers));
  }
  std::int32_t partitions = topics.partitions;
  if (const auto ticks = there.find(kafka::ticks_topic(options)); partitions == 0) {
    partitions = ticks == there.end() ? kafka::kDefaultPartitions : ticks->second.partitions;
  }
  std::vector<std::string> lines;
  for (const kafka::TopicSpec& spec : kafka::kTopics) {
    const std::string name = spec.name(options);
    if (const auto at = there.find(name); at != there.end()) {
      FINPIPE_TRY_ASSIGN(line,
                         kafka::check_topic(*admin, spec, name, at->second, spec.partitions > 0 ? 0 : partitions));
      lines.push_back(std::move(line));
      continue;
    }
    const kafka::Topic wanted{spec.partitions > 0 ? spec.partitions : partitions, replicas};
    FINPIPE_TRY(admin->create(name, wanted, kafka::configuration_of(spec, topics, replicas)));
    FINPIPE_TRY(kafka::await_topic(cluster, name));
    lines.push_back(
        fmt::format("created topic {}: partitions: {}, replicas: {}", name, wanted.partitions, wanted.replicas));
  }
  std::string id;
  FINPIPE_TRY_ASSIGN(begun, kafka::begin_log(cluster, known, &id));
  lines.push_back(begun == 0 ? "log id " + id
                             : fmt::format("log id {}; partitions that were begun with it: {}", id, begun));
  return lines;
}

Result<std::int32_t> begin_kafka_log(const KafkaOptions& options, const std::optional<LogId>& known) {
  kafka::Cluster cluster(options, {});
  return kafka::begin_log(cluster, known, nullptr);
}

}  // namespace finpipe
