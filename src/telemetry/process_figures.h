// What the kernel says about this process.
#pragma once

#include <cstdint>
#include <optional>

namespace finpipe {

struct ProcessFigures {
  std::int64_t resident_bytes = 0;
  std::int64_t open_fds = 0;
  double cpu_seconds = 0;         // user and system, all threads
  double start_time_seconds = 0;  // since 1970
};
// nullopt: there is no readable /proc.
[[nodiscard]] std::optional<ProcessFigures> process_figures();

}  // namespace finpipe
