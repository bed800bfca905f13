// The last bars of each symbol as a table for people: aligned, plain ASCII, rounded to what can be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/int128.h"
#include "pipeline/ports.h"

namespace finpipe {

struct BarTableOptions {
  std::size_t max_symbols = 10;
  std::size_t bars = 5;  // of each symbol
  Interval interval = Interval::k1m;
};

[[nodiscard]] Result<std::string> bar_table(Query& query, const BarTableOptions& options);

// value / 10^digits rounded half to even to at most `kept` places.
[[nodiscard]] std::string rounded_decimal(int128 value, int digits, int kept);

}  // namespace finpipe
