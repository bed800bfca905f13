// Asks the brokers each second where the log's partitions end, in a thread of its own, and so knows of the brokers too:
// a reader that is held up, by its store for example, hears of neither. What its client tells is taken from here, too.
#pragma once

#include <memory>
#include <stop_token>
#include <thread>

#include "logs/kafka/client.h"
#include "logs/kafka/shared_state.h"

namespace finpipe::kafka {

class EndsWatch {
 public:
  // Puts what it hears into `asked_ends`. Errors: kBadSetting, kBadCertificate.
  [[nodiscard]] static Result<std::unique_ptr<EndsWatch>> start(SharedState& shared);

 private:
  explicit EndsWatch(SharedState& shared) : shared_(shared) {}
  void run(const std::stop_token& stop);

  SharedState& shared_;
  std::unique_ptr<Client> client_;
  std::jthread thread_;
};

}  // namespace finpipe::kafka
