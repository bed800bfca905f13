// The parameters of an API request, checked strictly: what is unknown, given twice or out of range is refused with an
// error that names it. docs/api.md is the contract.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "market/read_interval.h"
#include "pipeline/ports.h"

namespace finpipe {

constexpr std::int64_t kDefaultLimit = 500;
constexpr std::int64_t kMaxLimit = 5'000;

// The place behind the last row of a page.
struct Cursor {
  std::int64_t time_ms = 0;  // start of a bar, or event time
  std::int64_t seq = 0;      // of a trade
};

struct Parameters {
  std::optional<std::string> symbol;
  std::optional<ReadInterval> interval;
  std::int64_t from_ms = std::numeric_limits<std::int64_t>::min();
  std::int64_t to_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t limit = kDefaultLimit;
  Order order = Order::kAscending;
  std::optional<std::string> cursor;
  bool regular_hours = false;
  bool fill = false;
  std::optional<std::int64_t> as_of_ms;
  bool adjusted = false;
};

// `query`: what stands behind '?'. Of the names in `known` each may be given once; those in `required` must be. Error:
// kBadRequest.
[[nodiscard]] Result<Parameters> parse_parameters(std::string_view query, std::initializer_list<std::string_view> known,
                                                  std::initializer_list<std::string_view> required = {});

// Of bars "1723161240000", of trades "1723161255617:1723161254347673567". Error: kBadRequest.
[[nodiscard]] Result<Cursor> parse_bar_cursor(std::string_view text);
[[nodiscard]] Result<Cursor> parse_trade_cursor(std::string_view text);
[[nodiscard]] std::string bar_cursor(std::int64_t start_ms);
[[nodiscard]] std::string trade_cursor(std::int64_t event_time_ms, std::int64_t seq);

}  // namespace finpipe
