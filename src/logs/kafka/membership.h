// This process as a member of a consumer group: which partitions it has. It reads none of them itself.
//
// A thread of its own answers the group while the owner is busy, so that others need not wait for it. It ends that for
// an owner that has not polled for half of max_poll_interval_ms, without which the group does after the other half.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "logs/kafka/client.h"
#include "pipeline/ports.h"

namespace finpipe::kafka {

class Membership final : public Client::Owner {
 public:
  // Of a topic with so many partitions. `wake` is called when a poll has news. Errors: kBadSetting, kBadCertificate.
  [[nodiscard]] static Result<std::unique_ptr<Membership>> join(Cluster& cluster, const std::string& topic,
                                                                std::int32_t partitions, const std::string& group,
                                                                const std::string& instance_id,
                                                                std::function<void()> wake);
  // Leaves the group, but for one with an instance id, who may come back. Waits two seconds at most for a coordinator.
  ~Membership() override;

  [[nodiscard]] Client& client() { return *client_; }

  // What changed since the last call, in order. Errors: kLogPermission, kGroupPermission, kGroupRefused, kTopicMissing,
  // kPartitionCountChanged, kLogRefused.
  [[nodiscard]] Result<std::vector<LogReader::Assignment>> poll();
  void commit_hint(std::int32_t partition, std::int64_t offset);

  void on_statistics(const ClientStatistics& statistics) override;
  void on_rebalance(int code, rd_kafka_topic_partition_list_s* partitions) override;

 private:
  Membership(std::string topic, std::int32_t partitions, std::string group, std::function<void()> wake)
      : topic_(std::move(topic)), partitions_(partitions), group_(std::move(group)), wake_(std::move(wake)) {}
  void run(const std::stop_token& stop);
  void answer();
  [[nodiscard]] bool close();  // false: it is not done
  void take_news();
  void drop_news();
  void tell(Error error);
  void send_hints();
  void note_trouble(const ClientStatistics& statistics);
  [[nodiscard]] std::string what() const { return "group " + group_ + " of " + topic_; }

  const std::string topic_;
  const std::int32_t partitions_;
  const std::string group_;
  const std::function<void()> wake_;
  std::unique_ptr<Client> client_;
  std::int64_t answered_ns_ = 0;
  std::int64_t settled_ns_ = 0;  // when it last had a coordinator, and partitions or its share of none
  std::size_t owned_ = 0;        // partitions
  bool has_coordinator_ = false;
  bool was_assigned_ = false;  // anything, or nothing in an assignment

  std::mutex mutex_;  // of what follows
  std::vector<LogReader::Assignment> changes_;
  std::map<std::int32_t, std::int64_t> hints_;  // by partition
  std::int64_t polled_ns_ = 0;
  std::optional<Error> error_;  // permanent

  std::jthread thread_;
};

}  // namespace finpipe::kafka
