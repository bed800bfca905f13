#include "logs/kafka/log_identity.h"

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <span>
#include <string>
#include <utility>

#include "base/time.h"
#include "codec/records.h"
#include "logs/kafka/foreign_values.h"
#include "logs/kafka/owned.h"
#include "logs/kafka/reader.h"

namespace finpipe::kafka {
namespace {

class Search {
 public:
  explicit Search(Fetcher& fetcher)
      : fetcher_(fetcher),
        translator_(make_translator(fetcher.client().cluster())),
        partitions_(static_cast<std::size_t>(fetcher.partitions())) {}

  Result<LogIdentity> run(std::optional<std::int32_t> only) {
    std::size_t open = 0;
    for (std::int32_t p = 0; p < fetcher_.partitions(); ++p) {
      if (only && p != *only) continue;
      FINPIPE_TRY_ASSIGN(range, fetcher_.client().ask_range(p));
      identity_.in_use = identity_.in_use || range.end > 1;
      if (range.begin >= range.end) {
        (range.end == 0 ? identity_.new_partitions : identity_.expired_partitions).push_back(p);
        continue;
      }
      partitions_[static_cast<std::size_t>(p)] = {range.begin, range.end};
      FINPIPE_TRY(fetcher_.start(p, range.begin));
      ++open;
    }
    const auto look = [&](int) -> Result<Cluster::Step> {
      bool any = false;
      fetcher_.client().poll(0);
      fetcher_.wait();
      for (std::int32_t p = 0; p < fetcher_.partitions(); ++p) {
        if (!fetcher_.started(p)) continue;
        any = any || fetcher_.has(p);
        FINPIPE_TRY_ASSIGN(done, look_at(p));
        if (!done) continue;
        fetcher_.stop(p);
        --open;
      }
      if (open == 0) return Cluster::Step::kDone;
      return any ? Cluster::Step::kProgress : Cluster::Step::kNothing;
    };
    FINPIPE_TRY(fetcher_.client().cluster().await(this, fetcher_.client().topic_name(), look));
    return std::move(identity_);
  }

 private:
  // Whether the partition has said it, or has nothing more to say.
  [[nodiscard]] Result<bool> look_at(std::int32_t partition) {
    auto& [next, end] = partitions_[static_cast<std::size_t>(partition)];
    while (fetcher_.has(partition)) {
      std::array<rd_kafka_message_s*, 256> messages{};
      const std::size_t count = fetcher_.take(partition, messages);
      std::optional<Error> error;
      bool said = false;
      for (rd_kafka_message_s* one : std::span(messages).first(count)) {
        const Owned<rd_kafka_message_t, rd_kafka_message_destroy> message(one);
        if (said || error) continue;  // only to be freed
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
          next = message->offset;
          continue;
        }
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
          Failure failure{message->err, rd_kafka_message_errstr(message.get())};
          if (!is_passing(failure.code))
            error = error_of(failure, fmt::format("{}: partition {}", fetcher_.client().topic_name(), partition));
          fetcher_.client().cluster().note(std::move(failure));
          continue;
        }
        next = message->offset + 1;
        if (message->key != nullptr || message->payload == nullptr) continue;
        const auto control = read_control(partition, value_of(*message));
        if (!control) {
          error = control.error();
          continue;
        }
        const std::optional<LogId>& id = *control;
        if (!id) continue;
        said = true;
        if (identity_.id && *identity_.id != *id) error = differ(partition);
        identity_.id = *id;
      }
      if (error) return fail(*std::move(error));
      if (said) return true;
    }
    return next >= end;
  }

  // The id that a control record states, if it does.
  [[nodiscard]] Result<std::optional<LogId>> read_control(std::int32_t partition, std::span<char> value) {
    FINPIPE_TRY_ASSIGN(ours, await_from_wire(fetcher_.client(), translator_, value, scratch_));
    const auto control = decode_control(ours.value);
    if (control) return finpipe::stated_log_id(*control);
    const Error& why = control.error();
    const bool unknown = why.code == ErrorCode::kUnknownSchemaId || why.code == ErrorCode::kIncompatibleSchema;
    if (unknown && identity_.not_understood.empty()) {
      identity_.not_understood = fmt::format("partition {}: {}", partition, why.detail);
    }
    return std::nullopt;
  }

  [[nodiscard]] Error differ(std::int32_t partition) const {
    return {ErrorCode::kLogIdsDiffer, fmt::format("{}: partition {} is of another log than those before it",
                                                  fetcher_.client().topic_name(), partition)};
  }

  Fetcher& fetcher_;
  SchemaTranslator translator_;
  std::string scratch_;
  std::vector<std::pair<std::int64_t, std::int64_t>> partitions_;  // next and last offset
  LogIdentity identity_;
};

}  // namespace

Result<LogIdentity> find_log_identity(Fetcher& fetcher, std::optional<std::int32_t> only) {
  return Search(fetcher).run(only);
}

Result<void> check_still_the_log(SharedState& shared, std::int32_t partition) {
  const std::string topic = ticks_topic(shared.cluster.options());
  FINPIPE_TRY_ASSIGN(fetcher, Fetcher::make(shared.cluster, topic, shared.partitions()));
  FINPIPE_TRY_ASSIGN(identity, find_log_identity(*fetcher, partition));
  if (!identity.id || *identity.id == shared.log_id) return {};
  return fail(ErrorCode::kLogIdsDiffer, fmt::format("{}: partition {} begins another log", topic, partition));
}

Error missing_identity(const std::string& topic, const LogIdentity& identity) {
  if (identity.not_understood.empty()) return {ErrorCode::kLogIdMissing, topic};
  return {ErrorCode::kUnknownSchemaId,
          fmt::format("{} {}: the log is of another schema registry, or of none: set `registry` as it was when the log "
                      "was begun",
                      topic, identity.not_understood)};
}

std::string first_record(const LogId& id) {
  constexpr std::int64_t kStampNs = kYear2000Ms * kNsPerMs;
  std::string value;
  encode_control(
      {.stamp = kStampNs,
       .writer = avro::Writer::kOperator,
       .session = 1,
       .body =
           avro::SessionStarted{
               .id = 1, .origin = "", .source_id = "", .start = kStampNs, .silent_since = std::nullopt, .log_id = id}},
      value);
  return value;
}

}  // namespace finpipe::kafka
