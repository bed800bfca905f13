// Writes records to partitions of one topic, in order, each once: what the log's writer and dead letters have in
// common. Used by one thread, but for the numbers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "logs/kafka/client.h"
#include "logs/kafka/latency.h"

namespace finpipe::kafka {

class Producer final : public Client::Owner {
 public:
  struct Record {
    std::optional<std::string_view> key;
    std::string_view value;
    std::string_view header, header_value;  // an empty name: none
    std::size_t bytes = 0;                  // what it counts for
  };
  struct Numbers {
    std::atomic<std::int64_t> records = 0;        // acknowledged
    std::atomic<std::int64_t> pending_bytes = 0;  //
    Latency latency;                              // from produce to acknowledgement
  };

  // Decides of a record that the topic does not take because of its size; false: that is an error.
  using OnTooLarge = std::function<bool(const Client::Delivery&)>;

  // Errors: kBadSetting, kBadCertificate.
  [[nodiscard]] static Result<std::unique_ptr<Producer>> make(Cluster& cluster, const std::string& topic,
                                                              std::int32_t partitions, const Settings& settings,
                                                              Numbers& numbers, OnTooLarge on_too_large = {});
  ~Producer() override;

  [[nodiscard]] Client& client() { return *client_; }
  [[nodiscard]] std::int32_t partitions() const { return static_cast<std::int32_t>(partitions_.size()); }

  // Copies the record. What is refused at once shows as the error of the next poll.
  void produce(std::int32_t partition, const Record& record);
  // Collects acknowledgements; waits so long for one. An error is permanent, and nothing is written after it:
  // kLogWritePermission, kTopicMissing, kLogIdsDiffer, kLogRefused.
  [[nodiscard]] Result<void> poll(int wait_ms);
  // Nothing more is sent, and the error is that of every poll from now on.
  void give_up(Error error);
  // Partitions with new acknowledgements, since it was called last.
  [[nodiscard]] std::vector<std::int32_t> take_acknowledged();
  // Those where somebody else wrote between records of ours, or may have, since it was called last.
  [[nodiscard]] std::vector<std::int32_t> take_shared();
  // One past the newest acknowledged record of ours; 0: none yet.
  [[nodiscard]] std::int64_t end(std::int32_t partition) const {
    return partitions_.at(static_cast<std::size_t>(partition)).end;
  }
  [[nodiscard]] std::size_t pending_bytes() const { return pending_bytes_; }
  // Records of one that are not acknowledged yet.
  [[nodiscard]] std::int64_t pending(std::int32_t partition) const {
    return partitions_.at(static_cast<std::size_t>(partition)).pending;
  }

  void on_delivery(const Client::Delivery& delivery) override;

 private:
  struct Partition {
    std::int64_t pending = 0;
    std::int64_t end = 0;
    std::int64_t newest = -1;  // offset that was told of a record of ours
    // Something is in the log, but the broker did not say where; librdkafka counts on from there through the batch.
    std::optional<std::int64_t> next_of_unknown;
    bool is_unknown = false;  // the same, until the end was asked for
    bool is_new = false;      // acknowledged since it was told
    bool is_shared = false;
  };

  Producer(std::int32_t partitions, Numbers& numbers, OnTooLarge on_too_large)
      : partitions_(static_cast<std::size_t>(partitions)), on_too_large_(std::move(on_too_large)), numbers_(numbers) {}
  [[nodiscard]] Result<void> ask_unknown_ends();
  [[nodiscard]] Error error_at(const Failure& failure, std::int32_t partition) const;
  [[nodiscard]] static Error error_about(const Failure& failure, const std::string& what);

  std::unique_ptr<Client> client_;
  std::vector<Partition> partitions_;
  OnTooLarge on_too_large_;
  bool any_unknown_ = false;
  std::size_t pending_bytes_ = 0;
  std::int64_t now_us_ = 0;  // of this poll
  std::optional<Error> error_;
  Numbers& numbers_;
};

}  // namespace finpipe::kafka
