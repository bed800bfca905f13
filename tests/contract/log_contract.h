// The contract that every log keeps, as one parameterised suite. An adapter takes part by a LogSubject and a line of
// INSTANTIATE_TEST_SUITE_P; what only one adapter promises is tested beside it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "pipeline/ports.h"

namespace finpipe {

// One log under test, new and empty. References end with rest().
class LogSubject {
 public:
  virtual ~LogSubject() = default;
  [[nodiscard]] virtual LogWriter& writer() = 0;
  [[nodiscard]] virtual std::unique_ptr<LogReader> reader() = 0;  // of all partitions
  [[nodiscard]] virtual std::unique_ptr<DeadLetters> dead_letters() = 0;
  [[nodiscard]] virtual std::unique_ptr<DeadLetterQuery> dead_letter_query() = 0;
  // Of the first record that is appended to a partition: a log may begin with records of its own.
  [[nodiscard]] virtual std::int64_t first_offset() const { return 0; }
  // 0: one poll does all that there is to do. Else what a cluster does is asked for until it is done, and that nothing
  // comes is believed after so long.
  [[nodiscard]] virtual std::chrono::milliseconds delay() const { return std::chrono::milliseconds(0); }
  // Called where nothing is in flight and no reference is held: a durable log may close and open itself.
  virtual void rest() {}
};

struct LogFactory {
  std::string name;
  std::function<std::unique_ptr<LogSubject>(std::int32_t partitions, std::size_t max_pending_bytes)> make;
};

class LogContract : public testing::TestWithParam<LogFactory> {
 protected:
  static constexpr std::size_t kPendingBytes = std::size_t{4} << 20;

  void start(std::int32_t partitions, std::size_t max_pending_bytes = kPendingBytes) {
    log_ = GetParam().make(partitions, max_pending_bytes);
    ASSERT_NE(log_, nullptr);
  }
  [[nodiscard]] LogSubject& log() { return *log_; }

 private:
  std::unique_ptr<LogSubject> log_;
};

}  // namespace finpipe
