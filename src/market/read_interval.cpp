#include "market/read_interval.h"

#include <array>
#include <charconv>
#include <ranges>
#include <system_error>
#include <utility>

namespace finpipe {
namespace {

using Unit = std::pair<char, std::int64_t>;
constexpr std::array<Unit, 4> kUnits = {
    {{'d', kMsPerDay}, {'h', kMsPerHour}, {'m', kMsPerMinute}, {'s', kMsPerSecond}}};

}  // namespace

std::optional<ReadInterval> read_interval_from(std::string_view name) {
  if (name.size() < 2 || name.front() < '1' || name.front() > '9') return std::nullopt;
  const char unit = name.back();
  const std::string_view digits = name.substr(0, name.size() - 1);
  std::int32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  for (const auto& [letter, unit_ms] : kUnits) {
    if (letter != unit) continue;
    if (unit == 'd') return number <= kMaxDays ? std::optional(ReadInterval(Interval::k1d, number)) : std::nullopt;
    const std::int64_t length = number * unit_ms;
    if (length > kMaxIntradayMs) return std::nullopt;
    for (const Interval base : std::views::reverse(kIntervals)) {
      if (base != Interval::k1d && length % length_ms(base) == 0) return ReadInterval(base, length / length_ms(base));
    }
  }
  return std::nullopt;
}

std::string to_string(const ReadInterval& interval) {
  const std::int64_t length = interval.length_ms();
  if (interval.daily()) return std::to_string(interval.count) + 'd';
  for (const auto& [letter, unit_ms] : kUnits) {
    if (length % unit_ms == 0) return std::to_string(length / unit_ms) + letter;
  }
  return {};
}

}  // namespace finpipe
