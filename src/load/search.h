// Whether a run held, and the search for the highest rate that does. Pure: rates go out, verdicts come in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace finpipe {

// What a run is judged by.
struct RunFigures {
  std::int64_t trades_per_second = 0;
  std::int64_t measured = 0;  // trades
  std::int64_t p99_ns = 0;
  // Trades that were due and had not arrived, as a mean over the second and the last quarter of the run.
  double backlog_early = 0, backlog_late = 0;
  std::int64_t missing = 0;  // never arrived
  std::int64_t dropped = 0;  // connections
};

// A rate is sustained when the 99th percentile of latency is within the limit, the backlog does not grow, and nothing
// is lost. The backlog grows when its mean over the last quarter of the run exceeds that over the second quarter by
// more than what is due in a quarter of the limit. Why it was not sustained; empty: it was.
[[nodiscard]] std::string why_not_held(const RunFigures& run, std::int64_t limit_ns);

// Doubles the rate until one fails (from a first rate that fails it halves until one holds), then halves the distance
// until it is within the precision. A rate fails when it fails twice: a busy machine fails once. At last the highest
// one is to hold for the time of a report, or gives way to one that is lower by the precision.
class RateSearch {
 public:
  struct Options {
    std::int64_t first = 1'000;  // trades a second
    std::int64_t highest = 1'000'000;
    double precision = 0.05;  // of the rate
  };
  struct Try {
    std::int64_t trades_per_second = 0;
    bool confirms = false;  // is to be run as long as a report's
  };

  explicit RateSearch(const Options& options) : options_(options), rate_(options.first) {}

  // What to run next; nullopt: the search is over.
  [[nodiscard]] std::optional<Try> next() const;
  void tell(bool held);
  // The highest rate that was confirmed; nullopt: none was, not even one trade a second.
  [[nodiscard]] std::optional<std::int64_t> found() const { return found_; }

 private:
  [[nodiscard]] bool close_enough() const;
  void choose();

  Options options_;
  std::int64_t rate_;
  std::int64_t good_ = 0;            // highest that held
  std::optional<std::int64_t> bad_;  // lowest that failed
  bool failed_once_ = false;
  bool confirming_ = false;
  bool over_ = false;
  std::optional<std::int64_t> found_;
};

}  // namespace finpipe
