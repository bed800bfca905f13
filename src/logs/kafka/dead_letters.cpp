#include "logs/kafka/dead_letters.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "logs/dead_letter_codec.h"
#include "logs/kafka/fetcher.h"
#include "logs/kafka/owned.h"
#include "logs/kafka/producer.h"

namespace finpipe::kafka {
namespace {

constexpr std::size_t kMaxPendingBytes = std::size_t{4} << 20;
constexpr int kWaitMs = 10;

// How many partitions the topic has. Errors: those of Client::partitions.
Result<std::int32_t> partitions_of(Cluster& cluster) {
  FINPIPE_TRY_ASSIGN(client, Client::make(Client::Kind::kConsumer, cluster, reader_settings(cluster.options(), 1)));
  client->set_topic(letters_topic(cluster.options()));
  return client->partitions();
}

class KafkaDeadLetters final : public DeadLetters {
 public:
  explicit KafkaDeadLetters(Cluster& cluster) : cluster_(cluster) {}

  void put(DeadLetter letter) override {
    if (error_) return;
    if (const auto done = produce(letter); !done) error_ = done.error();
  }

  [[nodiscard]] Result<void> flush() override {
    if (error_) return fail(*error_);
    if (!producer_) return {};
    return await(0);
  }

 private:
  // The first letter connects: most processes never have one.
  [[nodiscard]] Result<void> produce(const DeadLetter& letter) {
    if (!producer_) {
      FINPIPE_TRY_ASSIGN(partitions, partitions_of(cluster_));
      FINPIPE_TRY_ASSIGN(producer, Producer::make(cluster_, letters_topic(cluster_.options()), partitions));
      producer_ = std::move(producer);
    }
    value_.clear();
    encode_dead_letter(letter, value_);
    const std::size_t bytes = letter.id.size() + value_.size();
    if (producer_->pending_bytes() + bytes > kMaxPendingBytes) FINPIPE_TRY(await(kMaxPendingBytes / 2));
    producer_->produce(partition_of(letter.id, producer_->partitions()),
                       {.key = letter.id,
                        .value = value_,
                        .header = "reason",
                        .header_value = error_info(letter.reason).name,
                        .bytes = bytes});
    return {};
  }

  // Until no more than that is not acknowledged.
  [[nodiscard]] Result<void> await(std::size_t pending_bytes) {
    return cluster_.await(producer_.get(), letters_topic(cluster_.options()), [&](int) -> Result<bool> {
      const bool waits = producer_->pending_bytes() > pending_bytes;
      FINPIPE_TRY(producer_->poll(waits ? kWaitMs : 0));
      return producer_->pending_bytes() <= pending_bytes;
    });
  }

  Cluster& cluster_;
  std::unique_ptr<Producer> producer_;
  std::string value_;
  std::optional<Error> error_;  // permanent
};

class KafkaDeadLetterQuery final : public DeadLetterQuery {
 public:
  explicit KafkaDeadLetterQuery(Cluster& cluster) : cluster_(cluster) {}

  [[nodiscard]] Result<void> dead_letters(const std::function<bool(const DeadLetter&)>& visit) override {
    FINPIPE_TRY_ASSIGN(partitions, partitions_of(cluster_));
    FINPIPE_TRY_ASSIGN(fetcher, Fetcher::make(cluster_, letters_topic(cluster_.options()), partitions));
    letters_.clear();
    for (std::int32_t p = 0; p < partitions; ++p) FINPIPE_TRY(read_partition(*fetcher, p));
    std::vector<const DeadLetter*> order;
    for (const auto& [id, letter] : letters_) order.push_back(&letter);
    std::ranges::sort(order, [](const DeadLetter* one, const DeadLetter* other) {
      return std::tie(one->received_at_ns, one->id) < std::tie(other->received_at_ns, other->id);
    });
    for (const DeadLetter* letter : order) {
      if (!visit(*letter)) break;
    }
    letters_.clear();
    return {};
  }

 private:
  [[nodiscard]] Result<void> read_partition(Fetcher& fetcher, std::int32_t partition) {
    FINPIPE_TRY_ASSIGN(range, fetcher.ask_range(partition));
    if (range.begin >= range.end) return {};
    FINPIPE_TRY(fetcher.start(partition, range.begin));
    std::int64_t next = range.begin;
    const auto read = [&](int) -> Result<bool> {
      fetcher.client().poll(0);
      fetcher.wait();
      while (next < range.end && fetcher.has(partition)) FINPIPE_TRY(take(fetcher, partition, next));
      return next >= range.end;
    };
    FINPIPE_TRY(cluster_.await(this, letters_topic(cluster_.options()), read));
    fetcher.stop(partition);
    return {};
  }

  [[nodiscard]] Result<void> take(Fetcher& fetcher, std::int32_t partition, std::int64_t& next) {
    std::array<rd_kafka_message_s*, 64> messages{};
    const std::size_t count = fetcher.take(partition, messages);
    std::optional<Error> error;
    for (rd_kafka_message_s* one : std::span(messages).first(count)) {
      const Owned<rd_kafka_message_t, rd_kafka_message_destroy> message(one);
      const std::string where =
          fmt::format("{}: partition {}, offset {}", fetcher.client().topic_name(), partition, next);
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        Failure failure{message->err, rd_kafka_message_errstr(message.get())};
        if (!is_passing(failure.code) && !error) error = error_of(failure, where);
        cluster_.note(std::move(failure));
        continue;
      }
      next = message->offset + 1;
      if (message->payload == nullptr) continue;  // somebody's tombstone
      auto letter = decode_dead_letter({static_cast<const char*>(message->payload), message->len});
      if (letter) {
        std::string id = letter->id;
        letters_.insert_or_assign(std::move(id), *std::move(letter));
      } else if (!error) {
        error = {ErrorCode::kCorrupt, fmt::format("{}: {}", where, letter.error().message())};
      }
    }
    if (error) return fail(*std::move(error));
    return {};
  }

  Cluster& cluster_;
  std::unordered_map<std::string, DeadLetter> letters_;  // of this call, by id
};

}  // namespace

std::unique_ptr<DeadLetters> dead_letters(Cluster& cluster) { return std::make_unique<KafkaDeadLetters>(cluster); }
std::unique_ptr<DeadLetterQuery> dead_letter_query(Cluster& cluster) {
  return std::make_unique<KafkaDeadLetterQuery>(cluster);
}

}  // namespace finpipe::kafka
