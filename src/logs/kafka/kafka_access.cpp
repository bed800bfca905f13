#include "logs/kafka/kafka_access.h"

#include <librdkafka/rdkafka.h>

#include <optional>
#include <utility>

#include "logs/kafka/client.h"
#include "logs/kafka/kafka_topics.h"
#include "logs/kafka/settings.h"

namespace finpipe {
namespace kafka {
namespace {

class Answer final : public Client::Owner {
 public:
  void on_delivery(const Client::Delivery& delivery) override { code = delivery.code; }

  std::optional<int> code;
};

// By a record that no broker takes, whose acknowledgement is to be that of two: first it looks who asks for that.
Result<void> ask_to_write(Cluster& cluster, const std::string& topic) {
  FINPIPE_TRY_ASSIGN(
      probe, Client::make(Client::Kind::kConsumer, cluster, reader_settings(cluster.options(), 1, Statistics::kNone)));
  probe->set_topic(topic);
  FINPIPE_TRY(probe->partitions());  // a producer would have it made
  Answer answer;
  FINPIPE_TRY_ASSIGN(client,
                     Client::make(Client::Kind::kProducer, cluster, asking_settings(cluster.options()), &answer));
  client->set_topic(topic);
  bool asked = false;
  return cluster.retry(*client, topic, [&](int timeout_ms) -> int {
    if (!std::exchange(asked, true) &&
        rd_kafka_produce(client->topic(), 0, RD_KAFKA_MSG_F_COPY, nullptr, 0, nullptr, 0, nullptr) != 0)
      answer.code = rd_kafka_last_error();
    if (!answer.code) client->poll(timeout_ms);
    if (!answer.code) return RD_KAFKA_RESP_ERR__TIMED_OUT;
    asked = false;
    const int code = *std::exchange(answer.code, std::nullopt);
    return code == RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS ? RD_KAFKA_RESP_ERR_NO_ERROR : code;
  });
}

}  // namespace
}  // namespace kafka

Result<std::vector<Error>> kafka_refusals(const KafkaOptions& options, const KafkaAccess& access) {
  kafka::Cluster cluster(options, {});
  std::vector<Error> refusals;
  const auto tell = [&refusals](const Result<void>& asked) -> Result<void> {
    if (asked) return {};
    Error error = asked.error();
    if (error.code == ErrorCode::kLogPermission) error.code = ErrorCode::kLogWritePermission;
    if (error.code != ErrorCode::kLogWritePermission && error.code != ErrorCode::kGroupPermission &&
        error.code != ErrorCode::kTopicMissing)
      return fail(std::move(error));
    refusals.push_back(std::move(error));
    return {};
  };
  if (access.ticks) FINPIPE_TRY(tell(kafka::ask_to_write(cluster, kafka::ticks_topic(options))));
  if (access.bars) FINPIPE_TRY(tell(kafka::ask_to_write(cluster, kafka::bars_topic(options))));
  if (access.letters) FINPIPE_TRY(tell(kafka::ask_to_write(cluster, kafka::letters_topic(options))));
  if (!access.group.empty()) FINPIPE_TRY(tell(kafka::check_member(cluster, access.group)));
  return refusals;
}

}  // namespace finpipe
