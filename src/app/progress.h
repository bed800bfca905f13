// How a run is doing, in one line: rewritten in place on a terminal, else printed every few seconds (of a live feed
// every minute).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/pipeline_threads.h"

namespace finpipe {

class Progress {
 public:
  Progress(bool terminal, bool live, std::int64_t now_ns) : terminal_(terminal), live_(live), last_ns_(now_ns) {}

  // Prints to standard error when it is time to. `feed`: what a live feed does just now; `trouble`: which
  // server does nothing, and why.
  void tick(const PipelineThreads::Status& status, std::int64_t stored, const std::string& feed,
            const std::optional<std::string>& trouble, std::int64_t now_ns);
  // Takes the line away, for other output.
  void clear();

 private:
  bool terminal_;
  bool live_;
  bool shown_ = false;
  std::int64_t last_ns_;
  std::int64_t last_received_ = 0;
};

// Writes to standard error. That nobody reads it any more, or that its disk is full, ends nothing.
void tell(std::string_view text);

// "12,345".
[[nodiscard]] std::string with_separators(std::int64_t count);
// Memory of this process that is in RAM; 0 when the system does not tell.
[[nodiscard]] std::int64_t resident_bytes();

}  // namespace finpipe
