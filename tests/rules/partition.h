// One partition's engine under the bundled policies, with a store of its own: trades in, bars out.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bars/engine.h"
#include "codec/policy_file.h"

namespace finpipe {

class Partition {
 public:
  // All is subscribed from `start_ms` on, and trades come `lag_ms` late in every market.
  explicit Partition(std::int64_t start_ms, std::int64_t lag_ms = 100);

  // As it comes from the seq rule: with time of receipt and seq.
  void apply(const Trade& trade);
  // A trade that is received 50 ms after it happened; seqs rise.
  struct Print {
    std::string_view time;
    std::int64_t price = 0;
    std::string_view codes{};
    std::int64_t volume = 1;
  };
  void trade(std::string_view symbol, const Print& print);
  // A heartbeat moves the clock.
  void heartbeat(std::int64_t stamp_ms);
  // All that changed goes to the store; what may leave the engine's memory leaves it.
  void commit();

  // Both commit first.
  [[nodiscard]] const std::map<BarKey, Bar>& rows();
  [[nodiscard]] std::optional<Bar> bar(std::string_view symbol, Interval interval, std::string_view start);
  [[nodiscard]] std::size_t revisions() const { return revisions_; }  // closed ones after the first final

 private:
  void provide();

  BarEngine engine_;
  std::vector<std::pair<std::string, std::int64_t>> lags_;
  std::int64_t offset_ = 0;
  std::int64_t seq_ = 0;
  std::int64_t commits_ = 0;
  std::size_t revisions_ = 0;
  std::map<BarKey, Bar> rows_;
};

[[nodiscard]] inline std::int64_t at(std::string_view time) { return *parse_time_ms(time); }
// open high low close volume trades, "-" for what is not there; prices and volumes in whole numbers.
[[nodiscard]] std::string text_of(const std::optional<Bar>& bar);

}  // namespace finpipe
