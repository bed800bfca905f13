// Fetches records of one topic's partitions, each from where it is started, into a queue of its own: what is not taken
// from one queue holds up no other. Knows nothing of groups.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "logs/kafka/client.h"
#include "pipeline/ports.h"

struct rd_kafka_message_s;  // NOLINT(readability-identifier-naming)
struct rd_kafka_queue_s;

namespace finpipe::kafka {

class Fetcher {
 public:
  // `wake`: see KafkaLog::reader; the log's EndsWatch polls the client of one that has it. Errors: kBadSetting,
  // kBadCertificate.
  [[nodiscard]] static Result<std::unique_ptr<Fetcher>> make(Cluster& cluster, const std::string& topic,
                                                             std::int32_t partitions, std::function<void()> wake = {});
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  [[nodiscard]] Client& client() { return *client_; }
  [[nodiscard]] std::int32_t partitions() const { return static_cast<std::int32_t>(queues_.size()); }

  // Fetching starts with the record at `offset`. What was fetched before is dropped.
  [[nodiscard]] Result<void> start(std::int32_t partition, std::int64_t offset);
  void stop(std::int32_t partition);
  [[nodiscard]] bool started(std::int32_t partition) const { return queue(partition).started; }

  // Whether something waits to be taken.
  [[nodiscard]] bool has(std::int32_t partition) const;
  // Takes what waits, at most as many as `messages` holds: records, and messages with an error. Each is to be freed.
  [[nodiscard]] std::size_t take(std::int32_t partition, std::span<rd_kafka_message_s*> messages);
  // Waits until something comes, or a millisecond has passed.
  void wait();

  // What the newest answers said; an end or begin that is not known is -1.
  [[nodiscard]] OffsetRange known_range(std::int32_t partition) const;

 private:
  struct Queue {
    rd_kafka_queue_s* queue = nullptr;
    bool started = false;
  };

  explicit Fetcher(std::function<void()> wake) : wake_(std::move(wake)) {}
  static void on_arrival(rd_kafka_s* client, void* opaque);
  [[nodiscard]] const Queue& queue(std::int32_t partition) const {
    return queues_.at(static_cast<std::size_t>(partition));
  }

  std::unique_ptr<Client> client_;
  std::vector<Queue> queues_;  // by partition
  std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  bool has_arrived_ = false;
};

}  // namespace finpipe::kafka
