// Whether a feed is busy, and how far it has come: a busy one that sends nothing may have trades on their way, whatever
// its pings say.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace finpipe {

class RecentTrades {
 public:
  static constexpr std::size_t kBusyTrades = 20;  // within
  static constexpr std::int64_t kBusyNs = 300 * kNsPerSecond;

  void add(std::int64_t received_at_ns, std::int64_t event_time_ms) {
    event_time_ms_[count_ % kBusyTrades] = event_time_ms;
    received_at_ns_[count_++ % kBusyTrades] = received_at_ns;
    newest_event_ms_ = std::max(newest_event_ms_, event_time_ms);
  }
  // By receipt or by event: a log may hold receipts on a clock that was set in between, and events that came late.
  [[nodiscard]] bool busy() const {
    if (count_ < kBusyTrades) return false;
    const auto [oldest, newest] = std::ranges::minmax(event_time_ms_);
    return newest - oldest < kBusyNs / kNsPerMs || last_received_ns() - received_at_ns_[count_ % kBusyTrades] < kBusyNs;
  }
  [[nodiscard]] std::int64_t newest_event_ms() const { return newest_event_ms_; }
  // Of the last trade; 0: none yet.
  [[nodiscard]] std::int64_t last_received_ns() const {
    return count_ == 0 ? 0 : received_at_ns_[(count_ - 1) % kBusyTrades];
  }
  // The clock of receipts was set.
  void shift_receipts(std::int64_t by_ns) {
    for (std::int64_t& time_ns : received_at_ns_) time_ns += by_ns;
  }

 private:
  std::array<std::int64_t, kBusyTrades> received_at_ns_{};
  std::array<std::int64_t, kBusyTrades> event_time_ms_{};
  std::size_t count_ = 0;
  std::int64_t newest_event_ms_ = 0;
};

}  // namespace finpipe
