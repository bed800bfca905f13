// This process as a member of a consumer group: which partitions it has. It reads none of them itself.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "logs/kafka/client.h"
#include "pipeline/ports.h"

namespace finpipe::kafka {

class Membership final : public Client::Owner {
 public:
  // Errors: kBadSetting, kBadCertificate.
  [[nodiscard]] static Result<std::unique_ptr<Membership>> join(Cluster& cluster, const std::string& topic,
                                                                const std::string& group,
                                                                const std::string& instance_id);
  // Leaves the group, but for one with an instance id, who may come back.
  ~Membership() override;

  // What changed since the last call, in order. Errors: kLogPermission, kGroupRefused, kTopicMissing, kLogRefused.
  [[nodiscard]] Result<std::vector<LogReader::Assignment>> poll();
  void commit_hint(std::int32_t partition, std::int64_t offset) { hints_[partition] = offset; }

  void on_statistics(const ClientStatistics& statistics) override;
  void on_rebalance(int code, rd_kafka_topic_partition_list_s* partitions) override;

 private:
  Membership(std::string topic, std::string group) : topic_(std::move(topic)), group_(std::move(group)) {}
  void send_hints();
  [[nodiscard]] std::string what() const { return "group " + group_ + " of " + topic_; }

  std::string topic_;
  std::string group_;
  std::unique_ptr<Client> client_;
  std::vector<LogReader::Assignment> changes_;
  std::map<std::int32_t, std::int64_t> hints_;  // by partition
  std::int64_t polled_ns_ = 0;
  std::optional<Error> error_;  // permanent
};

}  // namespace finpipe::kafka
