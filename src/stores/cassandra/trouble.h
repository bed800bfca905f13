// Whether the cluster answers, as seen by whoever waits for it, and said to any thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/time.h"

namespace finpipe::cql {

class Trouble {
 public:
  static constexpr std::int64_t kPatienceNs = 2 * kNsPerSecond;  // a shorter silence is none

  // Nothing is asked for, or something has succeeded.
  void all_is_well() {
    waiting_since_ns_.reset();
    failure_.clear();
    const std::lock_guard lock(mutex_);
    text_.reset();
  }
  // Something is asked for and has not succeeded; `failure` is why, when an attempt has failed. Returns for how
  // long, in ns.
  std::int64_t waiting(std::int64_t now_ns, std::string failure = {}) {
    if (!waiting_since_ns_) waiting_since_ns_ = now_ns;
    if (!failure.empty()) failure_ = std::move(failure);
    const std::int64_t waited_ns = now_ns - *waiting_since_ns_;
    if (waited_ns < kPatienceNs) return waited_ns;
    const std::lock_guard lock(mutex_);
    text_ = "Cassandra: " + (failure_.empty() ? "no answer yet" : failure_);
    return waited_ns;
  }
  [[nodiscard]] std::optional<std::string> text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::optional<std::int64_t> waiting_since_ns_;
  std::string failure_;
  mutable std::mutex mutex_;
  std::optional<std::string> text_;
};

}  // namespace finpipe::cql
