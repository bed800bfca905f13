// Which trades a bar's update brings. A bar says how many trades it holds, and the sender knows in which order it sent
// those of a bar: the first update with n trades or more is the one by which the n-th arrived. So nothing has to be
// added to trades to find them again. Of a bar that lost trades on the way those behind count as late, and the last as
// missing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace finpipe {

// Of 1s bars. Any thread may call anything.
class BarExpectations {
 public:
  static constexpr std::int64_t kBarMs = 1'000;
  // Per symbol. A bar that is not whole after so many newer ones never will be: what is missing of it is forgotten.
  static constexpr std::size_t kKeptBars = 120;

  explicit BarExpectations(std::span<const std::string> symbols);

  // A trade that counts in its bar is about to be sent.
  void expect(std::size_t symbol, std::int64_t event_time_ms, std::int64_t due_ns);
  // Appends when those trades were due that a bar shows for the first time.
  void arrive(std::string_view symbol, std::int64_t bar_start_ms, std::int64_t trades,
              std::vector<std::int64_t>& due_ns);

 private:
  struct Bar {
    std::vector<std::int64_t> due_ns;  // in the order in which they were sent
    std::size_t arrived = 0;
  };

  std::mutex mutex_;
  std::unordered_map<std::string_view, std::size_t> numbers_;  // of symbols; text of the caller
  std::vector<std::map<std::int64_t, Bar>> bars_;              // by symbol and start
};

}  // namespace finpipe
