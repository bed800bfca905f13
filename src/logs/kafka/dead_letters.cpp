#include "logs/kafka/dead_letters.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "logs/dead_letter_codec.h"
#include "logs/kafka/fetcher.h"
#include "logs/kafka/foreign_values.h"
#include "logs/kafka/owned.h"
#include "logs/kafka/producer.h"
#include "telemetry/log.h"

namespace finpipe::kafka {
namespace {

constexpr std::size_t kMaxPendingBytes = std::size_t{4} << 20;
constexpr int kWaitMs = 10;
// All that a letter has besides `raw` fits what kMaxLetterBytes leaves. One that is cut to the short size is no larger
// than letters that are sent together.
constexpr std::size_t kMaxDetailBytes = 4'096;
constexpr std::size_t kShortRawBytes = 4'096;

void cut(DeadLetter& letter, std::size_t raw_bytes) {
  if (letter.detail.size() > kMaxDetailBytes) letter.detail.resize(kMaxDetailBytes);
  if (letter.raw.size() <= raw_bytes) return;
  letter.detail += fmt::format("; raw is cut: {} of {} bytes", raw_bytes, letter.raw.size());
  letter.raw.resize(raw_bytes);
}

// How many partitions the topic has. Errors: those of Client::partitions.
Result<std::int32_t> partitions_of(Cluster& cluster) {
  FINPIPE_TRY_ASSIGN(
      client, Client::make(Client::Kind::kConsumer, cluster, reader_settings(cluster.options(), 1, Statistics::kNone)));
  client->set_topic(letters_topic(cluster.options()));
  return client->partitions();
}

class KafkaDeadLetters final : public DeadLetters {
 public:
  KafkaDeadLetters(Cluster& cluster, Producer::Numbers& numbers)
      : cluster_(cluster), translator_(make_translator(cluster)), numbers_(numbers) {}

  void put(DeadLetter letter) override {
    if (error_) return;
    cut(letter, kMaxRecordBytes);
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
      FINPIPE_TRY_ASSIGN(
          producer,
          Producer::make(cluster_, letters_topic(cluster_.options()), partitions, letters_settings(cluster_.options()),
                         numbers_, [this](const Client::Delivery& delivery) { return shorten(delivery.value); }));
      producer_ = std::move(producer);
    }
    if (producer_->pending_bytes() + letter.raw.size() > kMaxPendingBytes) FINPIPE_TRY(await(kMaxPendingBytes / 2));
    send(letter);
    return {};
  }

  void send(const DeadLetter& letter) {
    value_.clear();
    encode_dead_letter(letter, value_);
    producer_->produce(partition_of(letter.id, producer_->partitions()),
                       {.key = letter.id,
                        .value = translator_.to_wire(value_, scratch_),
                        .header = "reason",
                        .header_value = error_info(letter.reason).name,
                        .bytes = letter.id.size() + value_.size()});
  }

  // What the topic does not take whole, it takes in part.
  bool shorten(std::string_view value) {
    std::string copy(value);
    const auto ours = translator_.from_wire(copy, scratch_);
    auto letter = decode_dead_letter(ours ? ours->value : "");
    if (!letter || letter->raw.size() <= kShortRawBytes) return false;
    cut(*letter, kShortRawBytes);
    send(*letter);
    return true;
  }

  // Until no more than that is not acknowledged.
  [[nodiscard]] Result<void> await(std::size_t pending_bytes) {
    return cluster_.await(producer_.get(), letters_topic(cluster_.options()), [&](int) -> Result<Cluster::Step> {
      const std::size_t before = producer_->pending_bytes();
      FINPIPE_TRY(producer_->poll(before > pending_bytes ? kWaitMs : 0));
      if (producer_->pending_bytes() <= pending_bytes) return Cluster::Step::kDone;
      return producer_->pending_bytes() < before ? Cluster::Step::kProgress : Cluster::Step::kNothing;
    });
  }

  Cluster& cluster_;
  SchemaTranslator translator_;
  Producer::Numbers& numbers_;
  std::unique_ptr<Producer> producer_;
  std::string value_, scratch_;
  std::optional<Error> error_;  // permanent
};

// Reads the topic twice: first which letters there are, then the letters, which are handed out as their turn comes.
// They lie in about the order of receipt, so that few are held meanwhile.
class KafkaDeadLetterQuery final : public DeadLetterQuery {
 public:
  KafkaDeadLetterQuery(Cluster& cluster, std::int64_t sent_since_ms)
      : cluster_(cluster), sent_since_ms_(sent_since_ms), translator_(make_translator(cluster)) {}

  [[nodiscard]] Result<void> dead_letters(const std::function<bool(const DeadLetter&)>& visit) override {
    FINPIPE_TRY_ASSIGN(partitions, partitions_of(cluster_));
    FINPIPE_TRY_ASSIGN(fetcher, Fetcher::make(cluster_, letters_topic(cluster_.options()), partitions));
    FINPIPE_TRY_ASSIGN(order, find_order(*fetcher));
    std::map<Place, std::size_t> ranks;
    for (std::size_t i = 0; i < order.size(); ++i) ranks[order[i]] = i;
    std::map<std::size_t, DeadLetter> held;  // by rank
    std::size_t next = 0;
    bool go_on = true;
    const auto hand_out_first = [&] {
      go_on = visit(held.begin()->second);
      held.erase(held.begin());
    };
    FINPIPE_TRY(read(*fetcher, [&](const Place& place, DeadLetter letter) {
      const auto rank = ranks.find(place);
      if (rank == ranks.end()) return true;  // there is a newer one, or it came meanwhile
      held.emplace(rank->second, std::move(letter));
      for (; go_on && !held.empty() && held.begin()->first == next; ++next) hand_out_first();
      return go_on;
    }));
    // Retention took one meanwhile, whose turn does not come.
    while (go_on && !held.empty()) hand_out_first();
    return {};
  }

 private:
  using Place = std::pair<std::int32_t, std::int64_t>;  // partition and offset
  using Take = std::function<bool(const Place&, DeadLetter)>;

  // Where the newest letter of each id is, in the order of receipt.
  [[nodiscard]] Result<std::vector<Place>> find_order(Fetcher& fetcher) {
    std::unordered_map<std::string, std::pair<std::int64_t, Place>> newest;  // when it was received, by id
    std::size_t unreadable = 0;
    FINPIPE_TRY(read(
        fetcher,
        [&](const Place& place, DeadLetter letter) {
          newest.insert_or_assign(std::move(letter.id), std::pair(letter.received_at_ns, place));
          return true;
        },
        &unreadable));
    if (unreadable > 0) {
      log_warn("dead letters are left out that cannot be read",
               {{"topic", fetcher.client().topic_name()}, {"letters", fmt::to_string(unreadable)}});
    }
    std::vector<std::tuple<std::int64_t, std::string_view, Place>> sorted;
    for (const auto& [id, at] : newest) sorted.emplace_back(at.first, id, at.second);
    std::ranges::sort(sorted);
    std::vector<Place> order;
    for (const auto& one : sorted) order.push_back(std::get<Place>(one));
    return order;
  }

  // Hands out every letter that can be read, until `take` returns false.
  [[nodiscard]] Result<void> read(Fetcher& fetcher, const Take& take, std::size_t* unreadable = nullptr) {
    bool go_on = true;
    for (std::int32_t p = 0; p < fetcher.partitions() && go_on; ++p) {
      FINPIPE_TRY_ASSIGN(range, fetcher.client().ask_range(p));
      if (sent_since_ms_ > 0) {
        FINPIPE_TRY_ASSIGN(first, fetcher.client().ask_offset_at(p, sent_since_ms_));
        range.begin = first.value_or(range.end);
      }
      if (range.begin >= range.end) continue;
      FINPIPE_TRY(fetcher.start(p, range.begin));
      std::int64_t next = range.begin;
      const auto step = [&](int) -> Result<Cluster::Step> {
        const std::int64_t before = next;
        fetcher.client().poll(0);
        fetcher.wait();
        while (go_on && next < range.end && fetcher.has(p))
          FINPIPE_TRY(read_some(fetcher, p, next, take, go_on, unreadable));
        if (!go_on || next >= range.end) return Cluster::Step::kDone;
        return next > before ? Cluster::Step::kProgress : Cluster::Step::kNothing;
      };
      FINPIPE_TRY(cluster_.await(this, letters_topic(cluster_.options()), step));
      fetcher.stop(p);
    }
    return {};
  }

  [[nodiscard]] Result<void> read_some(Fetcher& fetcher, std::int32_t partition, std::int64_t& next, const Take& take,
                                       bool& go_on, std::size_t* unreadable) {
    std::array<rd_kafka_message_s*, 64> messages{};
    const std::size_t count = fetcher.take(partition, messages);
    std::optional<Error> error;
    for (rd_kafka_message_s* one : std::span(messages).first(count)) {
      const Owned<rd_kafka_message_t, rd_kafka_message_destroy> message(one);
      if (!go_on || error) continue;  // only to be freed
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        next = message->offset;
        continue;
      }
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        Failure failure{message->err, rd_kafka_message_errstr(message.get())};
        if (!is_passing(failure.code))
          error = error_of(failure,
                           fmt::format("{}: partition {}, offset {}", fetcher.client().topic_name(), partition, next));
        cluster_.note(std::move(failure));
        continue;
      }
      next = message->offset + 1;
      if (message->payload == nullptr) continue;  // somebody's tombstone
      const auto ours = await_from_wire(fetcher.client(), translator_, value_of(*message), scratch_);
      if (!ours) {
        error = ours.error();
        continue;
      }
      auto letter = decode_dead_letter(ours->value);
      if (letter) {
        go_on = take({partition, message->offset}, *std::move(letter));
      } else if (unreadable != nullptr) {
        ++*unreadable;
      }
    }
    if (error) return fail(*std::move(error));
    return {};
  }

  Cluster& cluster_;
  const std::int64_t sent_since_ms_;
  SchemaTranslator translator_;
  std::string scratch_;
};

}  // namespace

std::unique_ptr<DeadLetters> dead_letters(Cluster& cluster, Producer::Numbers& numbers) {
  return std::make_unique<KafkaDeadLetters>(cluster, numbers);
}
std::unique_ptr<DeadLetterQuery> dead_letter_query(Cluster& cluster, std::int64_t sent_since_ms) {
  return std::make_unique<KafkaDeadLetterQuery>(cluster, sent_since_ms);
}

}  // namespace finpipe::kafka
