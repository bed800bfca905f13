// Writes records to partitions of one topic, in order, each once: what the log's writer and dead letters have in
// common. Used by one thread, but for the numbers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
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

  // Errors: kBadSetting, kBadCertificate.
  [[nodiscard]] static Result<std::unique_ptr<Producer>> make(Cluster& cluster, const std::string& topic,
                                                              std::int32_t partitions);
  ~Producer() override;

  [[nodiscard]] Client& client() { return *client_; }
  [[nodiscard]] std::int32_t partitions() const { return static_cast<std::int32_t>(ends_.size()); }

  // Copies the record. What is refused at once shows as the error of the next poll.
  void produce(std::int32_t partition, const Record& record);
  // Collects acknowledgements; waits so long for one. An error is permanent, and nothing is written after it:
  // kLogPermission, kTopicMissing, kLogIdsDiffer, kLogRefused.
  [[nodiscard]] Result<void> poll(int wait_ms);
  // Partitions with new acknowledgements, since it was called last.
  [[nodiscard]] std::vector<std::int32_t> take_acknowledged();
  // One past the newest acknowledged record of ours; 0: none yet.
  [[nodiscard]] std::int64_t end(std::int32_t partition) const { return ends_.at(static_cast<std::size_t>(partition)); }
  [[nodiscard]] std::size_t pending_bytes() const { return pending_bytes_; }
  [[nodiscard]] const Numbers& numbers() const { return numbers_; }

  void on_delivery(const Client::Delivery& delivery) override;

 private:
  explicit Producer(std::int32_t partitions)
      : ends_(static_cast<std::size_t>(partitions)), is_new_(ends_.size()), is_unknown_(ends_.size()) {}
  void give_up(Error error);
  [[nodiscard]] Result<void> ask_unknown_ends();

  std::unique_ptr<Client> client_;
  std::vector<std::int64_t> ends_;  // by partition, as the others
  std::vector<bool> is_new_;        // acknowledged since it was told
  std::vector<bool> is_unknown_;    // something is in the log, but the broker did not say where
  bool any_unknown_ = false;
  std::size_t pending_bytes_ = 0;
  std::int64_t now_us_ = 0;  // of this poll
  std::optional<Error> error_;
  Numbers numbers_;
};

}  // namespace finpipe::kafka
