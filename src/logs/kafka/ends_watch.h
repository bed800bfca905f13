// Asks the brokers each second where the log's partitions end, in a thread of its own, and so knows of the brokers too:
// a reader that is held up, by its store for example, hears of neither. What its client tells is taken from here, too.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "logs/kafka/client.h"
#include "logs/kafka/shared_state.h"

namespace finpipe::kafka {

class EndsWatch {
 public:
  // Puts what it hears into `asked_ends`. Errors: kBadSetting, kBadCertificate.
  [[nodiscard]] static Result<std::unique_ptr<EndsWatch>> start(SharedState& shared);

  struct Answer {
    std::int64_t asked_ns = 0;  // by Cluster::now_ns; 0: never
    int code = 0;               // librdkafka's, or 0
  };
  // To the last question for the partition that has one.
  [[nodiscard]] Answer answer(std::int32_t partition);
  // It is asked for soon, before the others; but not for long then, so that those behind it need not wait.
  void hurry(std::int32_t partition);

 private:
  explicit EndsWatch(SharedState& shared) : shared_(shared), answers_(static_cast<std::size_t>(shared.partitions())) {}
  void run(const std::stop_token& stop);
  bool ask(std::int32_t partition, int limit_ms);  // false: there was no answer in time
  [[nodiscard]] std::optional<std::int32_t> take_hurried();

  SharedState& shared_;
  std::unique_ptr<Client> client_;
  std::vector<int> limits_ms_;  // by partition
  std::mutex mutex_;            // of what follows
  std::condition_variable_any hurry_;
  std::deque<std::int32_t> hurried_;
  std::vector<Answer> answers_;  // by partition
  std::jthread thread_;
};

}  // namespace finpipe::kafka
