// One line of a tape: `[<receive time in ns> ]<frame>`; docs/tapes.md has the format.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace finpipe {

struct TapeLine {
  std::optional<std::int64_t> received_ns;
  std::string_view frame;  // of a line without a valid receive time: all of it
  bool bad = false;  // it begins like a receive time but has none from the years 2000 to 2255, or no frame behind it
};

// `line` is not empty and has no line end.
[[nodiscard]] TapeLine read_tape_line(std::string_view line);

}  // namespace finpipe
