#include "endpoint/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <system_error>

#include "base/time.h"
#include "codec/trade_rules.h"
#include "market/trade.h"
#include "net/url.h"

namespace finpipe {
namespace {

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<Error> refuse(std::string detail) { return fail(ErrorCode::kBadRequest, std::move(detail)); }

// A value inside a message, of bounded length.
std::string shown(std::string_view value) {
  return value.size() <= 80 ? fmt::format("'{}'", value) : fmt::format("'{}...'", value.substr(0, 80));
}

Result<void> set_symbol(Parameters& to, std::string_view value) {
  if (!is_symbol(value))
    return refuse(
        fmt::format("symbol must be 1 to {} printable ASCII characters, not {}", kMaxSymbolBytes, shown(value)));
  to.symbol = value;
  return {};
}

Result<void> set_interval(Parameters& to, std::string_view value) {
  to.interval = read_interval_from(value);
  if (!to.interval) return refuse(fmt::format("interval {}, not {}", kReadIntervalForm, shown(value)));
  return {};
}

Result<void> set_time(std::int64_t& to, std::string_view name, std::string_view value) {
  const auto time_ms = parse_time_ms(value);
  if (!time_ms)
    return refuse(fmt::format("{} must be milliseconds since 1970 or ISO-8601 UTC (2024-08-09T00:05:00Z), not {}", name,
                              shown(value)));
  to = *time_ms;
  return {};
}

Result<void> set_limit(Parameters& to, std::string_view value) {
  const auto limit = parse_integer(value);
  if (!limit || *limit < 1 || *limit > kMaxLimit)
    return refuse(fmt::format("limit must be a whole number from 1 to {}, not {}", kMaxLimit, shown(value)));
  to.limit = *limit;
  return {};
}

Result<void> set_order(Parameters& to, std::string_view value) {
  if (value != "asc" && value != "desc") return refuse(fmt::format("order must be asc or desc, not {}", shown(value)));
  to.order = value == "asc" ? Order::kAscending : Order::kDescending;
  return {};
}

// A parameter of two words, of which the second asks for something.
Result<void> set_choice(bool& to, std::string_view name, std::string_view value, std::string_view no,
                        std::string_view yes) {
  if (value != no && value != yes)
    return refuse(fmt::format("{} must be {} or {}, not {}", name, no, yes, shown(value)));
  to = value == yes;
  return {};
}

Result<void> set_parameter(Parameters& to, std::string_view name, std::string_view value) {
  if (name == "symbol") return set_symbol(to, value);
  if (name == "interval") return set_interval(to, value);
  if (name == "from") return set_time(to.from_ms, name, value);
  if (name == "to") return set_time(to.to_ms, name, value);
  if (name == "limit") return set_limit(to, value);
  if (name == "order") return set_order(to, value);
  if (name == "session") return set_choice(to.regular_hours, name, value, "all", "regular");
  if (name == "fill") return set_choice(to.fill, name, value, "none", "previous");
  if (name == "adjusted") return set_choice(to.adjusted, name, value, "false", "true");
  if (name == "as_of") return set_time(to.as_of_ms.emplace(), name, value);
  to.cursor = value;
  return {};
}

std::unexpected<Error> bad_cursor(std::string_view text) {
  return refuse(fmt::format("cursor must be the `next` of the page before, not {}", shown(text)));
}

}  // namespace

Result<Parameters> parse_parameters(std::string_view query, std::initializer_list<std::string_view> known,
                                    std::initializer_list<std::string_view> required) {
  const auto pairs = net::parse_query(query);
  if (!pairs) return refuse("the query has a broken %-escape");
  Parameters parameters;
  std::set<std::string_view> given;
  for (const auto& [name, value] : *pairs) {
    if (std::ranges::find(known, name) == known.end())
      return refuse(fmt::format("there is no parameter {} here; there is: {}", shown(name),
                                known.size() == 0 ? "none" : fmt::format("{}", fmt::join(known, ", "))));
    if (!given.insert(name).second) return refuse(fmt::format("{} is given twice", name));
    FINPIPE_TRY(set_parameter(parameters, name, value));
  }
  for (const std::string_view name : required)
    if (!given.contains(name)) return refuse(fmt::format("{} is required", name));
  if (parameters.from_ms > parameters.to_ms) return refuse("from must not be after to");
  if (parameters.regular_hours && parameters.interval && parameters.interval->daily())
    return refuse("session=regular is for intervals below a day");
  return parameters;
}

Result<Cursor> parse_bar_cursor(std::string_view text) {
  const auto start_ms = parse_integer(text);
  if (!start_ms) return bad_cursor(text);
  return Cursor{*start_ms, 0};
}

Result<Cursor> parse_trade_cursor(std::string_view text) {
  const std::size_t colon = std::min(text.find(':'), text.size());
  const auto time_ms = parse_integer(text.substr(0, colon));
  const auto seq = parse_integer(text.substr(std::min(colon + 1, text.size())));
  if (!time_ms || !seq) return bad_cursor(text);
  return Cursor{*time_ms, *seq};
}

std::string bar_cursor(std::int64_t start_ms) { return fmt::format("{}", start_ms); }
std::string trade_cursor(std::int64_t event_time_ms, std::int64_t seq) {
  return fmt::format("{}:{}", event_time_ms, seq);
}

}  // namespace finpipe
