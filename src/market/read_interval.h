// The intervals that bars can be read in: the stored ones, and whole multiples of them that are rolled up on reading.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "market/interval.h"

namespace finpipe {

constexpr std::int64_t kMaxIntradayMs =
    kMsPerDay - kMsPerSecond;           // of a multiple of 1s; from 24 hours on days are asked
constexpr std::int64_t kMaxDays = 366;  // of a multiple of 1d
constexpr std::string_view kReadIntervalForm =
    "must be 1s, 1m, 5m, 15m, 1h, 1d or a multiple of them such as 45s, 2m, 4h or 7d, below 24h or up to 366d";

struct ReadInterval {
  Interval base = Interval::k1s;  // the largest stored interval that divides it
  std::int64_t count = 1;         // of them

  ReadInterval() = default;
  ReadInterval(Interval stored) : base(stored) {}  // NOLINT(google-explicit-constructor): every stored one can be read
  ReadInterval(Interval of, std::int64_t times) : base(of), count(times) {}

  [[nodiscard]] bool daily() const { return base == Interval::k1d; }
  [[nodiscard]] std::int64_t length_ms() const { return finpipe::length_ms(base) * count; }
  bool operator==(const ReadInterval&) const = default;
};

// A number without leading zeros and one of s, m, h, d. nullopt: it has not the form of kReadIntervalForm.
[[nodiscard]] std::optional<ReadInterval> read_interval_from(std::string_view name);
// The shortest name: "90m", and "2h" whether that or "120m" was read.
[[nodiscard]] std::string to_string(const ReadInterval& interval);

}  // namespace finpipe
