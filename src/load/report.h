// What is said of a load: a line each second, a report for people with HdrHistogram's table of percentiles, and the
// same as JSON. docs/load.md explains the fields.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "load/flow.h"
#include "load/histogram.h"
#include "load/run.h"
#include "load/search.h"

namespace finpipe {

// A run that is over, or was ended.
struct RunReport {
  std::int64_t trades_per_second = 0;  // as asked for
  std::int64_t measured_ms = 0;        // of the schedule, as far as it came
  LoadRun::Counts counts;
  RunFigures figures;
  std::int64_t largest_backlog = 0;
  LatencyHistogram latency;
  LatencyHistogram sent_late;
  std::string not_held;  // why; empty: the rate is sustained

  [[nodiscard]] bool held() const { return not_held.empty(); }
};

// One try of a search.
struct SearchStep {
  std::int64_t trades_per_second = 0;
  std::int64_t p50_ns = 0, p99_ns = 0, max_ns = 0;
  std::string not_held;
};

struct LoadReport {
  std::string target;   // "websocket", "log", "bars", "store"
  std::string arrival;  // what latency is measured to
  FlowOptions flow;
  std::int64_t limit_ms = 0;  // of p99
  bool interrupted = false;
  std::vector<SearchStep> steps;          // of a search
  std::optional<std::int64_t> sustained;  // found by it
  bool searched = false;
  std::optional<RunReport> run;  // the one that is reported: the last
  // What the parts of this process counted besides.
  std::vector<std::pair<std::string, std::int64_t>> accounts;
};

// "  12 s   5,000/s  p50 1.20 ms  p99 3.40 ms  max 9.10 ms  backlog 12"
[[nodiscard]] std::string live_line(std::int64_t second, double trades_per_second, const LatencyHistogram& recent,
                                    std::int64_t backlog);
[[nodiscard]] std::string step_line(const SearchStep& step);
[[nodiscard]] std::string to_text(const LoadReport& report);
[[nodiscard]] std::string to_json(const LoadReport& report);

}  // namespace finpipe
