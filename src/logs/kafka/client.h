// One client of librdkafka and what it tells: failures and statistics go to the cluster, deliveries and rebalances to
// its owner, its warnings to the program's log. Calls its owner only from poll, and from the owner's own calls.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "logs/kafka/cluster.h"
#include "logs/kafka/settings.h"
#include "pipeline/ports.h"

struct rd_kafka_s;
struct rd_kafka_topic_s;
struct rd_kafka_topic_partition_list_s;  // NOLINT(readability-identifier-naming)

namespace finpipe::kafka {

[[nodiscard]] std::string error_text(int code);

class Client {
 public:
  enum class Kind : std::uint8_t { kProducer, kConsumer };
  struct Delivery {
    std::int32_t partition;
    std::int64_t offset;  // negative: it is in the log, but the broker no longer knows where
    std::uint64_t tag;    // that was given with the record
    int code;             // 0: acknowledged
    std::string_view value;
  };
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_delivery(const Delivery& /*delivery*/) {}
    virtual void on_statistics(const ClientStatistics& /*statistics*/) {}
    // `code`: _ASSIGN_PARTITIONS or _REVOKE_PARTITIONS.
    virtual void on_rebalance(int /*code*/, rd_kafka_topic_partition_list_s* /*partitions*/) {}
  };

  // `owner` may be null. Errors: kBadSetting, kBadCertificate.
  [[nodiscard]] static Result<std::unique_ptr<Client>> make(Kind kind, Cluster& cluster, const Settings& settings,
                                                            Owner* owner = nullptr);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] rd_kafka_s* get() const { return client_; }
  [[nodiscard]] rd_kafka_topic_s* topic() const { return topic_; }
  [[nodiscard]] const std::string& topic_name() const { return topic_name_; }
  [[nodiscard]] Cluster& cluster() const { return cluster_; }
  void set_topic(const std::string& name);
  // Hands on what has come; waits so long for the first thing.
  void poll(int wait_ms);
  // Waits for the topic's metadata. Errors: those of Cluster::retry; kTopicMissing, kLogPermission.
  [[nodiscard]] Result<std::int32_t> partitions();
  // Asks the leader of a partition of the topic. Errors: those of Cluster::retry.
  [[nodiscard]] Result<OffsetRange> ask_range(std::int32_t partition);
  // Where records begin that were sent at that time or later, ms since 1970; nullopt: there are none.
  [[nodiscard]] Result<std::optional<std::int64_t>> ask_offset_at(std::int32_t partition, std::int64_t time_ms);
  // That range, and its end alone, asked for once, with up to three questions that may each take so long. Return
  // librdkafka's code; 0: it was told.
  [[nodiscard]] int try_range(std::int32_t partition, int timeout_ms, OffsetRange& range);
  [[nodiscard]] int try_end(std::int32_t partition, int timeout_ms, std::int64_t& end);

  // Instead of destroying it: what librdkafka has of it stays until the program ends, and calls nothing of ours.
  static void leave(std::unique_ptr<Client> client);

 private:
  friend struct Callbacks;
  // `which`: RD_KAFKA_OFFSET_BEGINNING or _END, or a time in ms. Returns librdkafka's code.
  [[nodiscard]] int ask_offset(std::int32_t partition, std::int64_t which, int timeout_ms, std::int64_t& offset);
  [[nodiscard]] int ask_metadata(int timeout_ms, std::int32_t& partitions);
  Client(Cluster& cluster, Owner* owner) : cluster_(cluster), owner_(owner) {}

  Cluster& cluster_;
  Owner* owner_;
  std::atomic<bool> left_ = false;
  rd_kafka_s* client_ = nullptr;
  rd_kafka_topic_s* topic_ = nullptr;
  std::string topic_name_;
};

}  // namespace finpipe::kafka
