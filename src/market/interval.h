// The six stored bar intervals. Windows are [start, end), labelled by their start.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.h"

namespace finpipe {

enum class Interval : std::uint8_t { k1s, k1m, k5m, k15m, k1h, k1d };

constexpr std::size_t kIntervalCount = 6;
constexpr std::array<Interval, kIntervalCount> kIntervals = {Interval::k1s,  Interval::k1m, Interval::k5m,
                                                             Interval::k15m, Interval::k1h, Interval::k1d};
constexpr std::array<std::int64_t, kIntervalCount> kIntervalLengthsMs = {
    kMsPerSecond, kMsPerMinute, 5 * kMsPerMinute, 15 * kMsPerMinute, kMsPerHour, kMsPerDay};
constexpr std::array<std::string_view, kIntervalCount> kIntervalNames = {"1s", "1m", "5m", "15m", "1h", "1d"};

[[nodiscard]] constexpr std::size_t index_of(Interval interval) { return static_cast<std::size_t>(interval); }
// The nominal length; a 1d window's real span comes from the market's calendar.
[[nodiscard]] constexpr std::int64_t length_ms(Interval interval) { return kIntervalLengthsMs[index_of(interval)]; }
[[nodiscard]] constexpr std::string_view to_string(Interval interval) { return kIntervalNames[index_of(interval)]; }

[[nodiscard]] constexpr std::optional<Interval> interval_from(std::string_view name) {
  for (const Interval interval : kIntervals)
    if (to_string(interval) == name) return interval;
  return std::nullopt;
}

}  // namespace finpipe
