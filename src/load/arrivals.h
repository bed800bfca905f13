// When the trades of a load are due: a pure function of the trade's number, so that the schedule stands before anything
// is sent and nobody who falls behind can change it. Over whole periods the mean rate is exact, whatever the shape.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace finpipe {

// In each period of `every_ms` the first `length_ms` run at `factor` times the mean rate, the rest at what is left.
struct Bursts {
  std::int64_t factor = 1;  // 1: none; factor * length_ms <= every_ms
  std::int64_t every_ms = 0;
  std::int64_t length_ms = 0;
};

// The times of a tape's trades, to be played again and again at another rate.
struct ArrivalShape {
  std::vector<std::int64_t> offsets_ns;  // of each trade since the first, ascending; not empty
  std::int64_t loop_ns = 0;              // from the first trade of a loop to that of the next, > 0
};

class Arrivals {
 public:
  // trades_per_second > 0. `shape` null: evenly.
  Arrivals(std::int64_t trades_per_second, Bursts bursts = {}, std::shared_ptr<const ArrivalShape> shape = {});

  // Since the start of trade n >= 0; never falls with n.
  [[nodiscard]] std::int64_t due_ns(std::int64_t n) const;
  // How many are due before or at that time.
  [[nodiscard]] std::int64_t due_by(std::int64_t offset_ns) const;

 private:
  [[nodiscard]] std::int64_t even_ns(std::int64_t n) const;

  std::int64_t rate_;
  Bursts bursts_;
  std::shared_ptr<const ArrivalShape> shape_;
};

}  // namespace finpipe
