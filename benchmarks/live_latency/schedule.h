// What the vendor sends and when it is due, all of it made before the first frame leaves. The load is open loop: a
// frame is due at its time whether or not anybody keeps up, and latencies are counted from that time, so that a sender
// or a reader that falls behind makes them longer and not rarer.
//
// Trade n of all is due at n / rate. Symbols and the sizes of frames are drawn from a seed; every price is another one,
// so that nothing looks like a repeat.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace finpipe::live_latency {

struct Load {
  std::int64_t trades_per_second = 5'000;
  std::size_t symbols = 50;
  std::int64_t warm_up_ms = 2'000;  // sent and awaited, but not measured
  std::int64_t measured_ms = 15'000;
  std::int64_t max_trades_per_frame = 10;  // 1 to so many, each as likely
};

[[nodiscard]] std::vector<std::string> symbol_names(std::size_t count);

class Schedule {
 public:
  struct Frame {
    std::int64_t due_ns;  // on the boot clock
    std::shared_ptr<const std::string> text;
  };

  // The first frame is due at start_boot_ns, which is start_wall_ns by the wall clock.
  Schedule(const Load& load, std::int64_t start_boot_ns, std::int64_t start_wall_ns);

  [[nodiscard]] std::span<const Frame> frames() const { return frames_; }
  // When the trades of a 1s bar were due, in the order in which they are sent; empty when there are none.
  [[nodiscard]] std::span<const std::int64_t> due_in_bar(std::size_t symbol, std::int64_t bar_start_ms) const;
  // All trades of a symbol.
  [[nodiscard]] std::int64_t trades_of(std::size_t symbol) const;
  [[nodiscard]] bool measured(std::int64_t due_ns) const { return due_ns >= measured_from_ns_; }
  // The bar's place among the bars of its symbol, from 0.
  [[nodiscard]] std::int64_t bar_index(std::int64_t bar_start_ms) const {
    return (bar_start_ms - first_bar_ms_) / kBarMs;
  }

 private:
  static constexpr std::int64_t kBarMs = 1'000;

  std::int64_t measured_from_ns_;
  std::int64_t first_bar_ms_;
  std::vector<Frame> frames_;
  std::vector<std::vector<std::vector<std::int64_t>>> due_;  // by symbol and bar
};

}  // namespace finpipe::live_latency
