// Times: event times are milliseconds since the UNIX epoch (`_ms`), receive times nanoseconds (`_ns`), both int64.
// Text is ISO-8601 UTC. No clock here: see clock.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace finpipe {

constexpr std::int64_t kMsPerSecond = 1'000;
constexpr std::int64_t kMsPerMinute = 60 * kMsPerSecond;
constexpr std::int64_t kMsPerHour = 60 * kMsPerMinute;
constexpr std::int64_t kMsPerDay = 24 * kMsPerHour;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerSecond = 1'000 * kNsPerMs;
constexpr std::int64_t kYear2000Ms = 946'684'800'000;       // 2000-01-01T00:00:00Z
constexpr std::int64_t kLatestEventMs = 7'258'118'400'000;  // 2200-01-01T00:00:00Z; no trade is accepted from then on
// 9999-12-31T23:59:59.999Z is the last time that can be written; nanoseconds end earlier, in 2262.
constexpr std::int64_t kMaxTimeMs = 253'402'300'799'999;

// Division that rounds towards minus infinity, so that times before 1970 fall into the right window.
[[nodiscard]] constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - ((a % b != 0 && (a % b < 0) != (b < 0)) ? 1 : 0);
}

// "2024-08-08T23:54:15.342Z".
void append_time_ms(std::string& out, std::int64_t time_ms);
[[nodiscard]] std::string format_time_ms(std::int64_t time_ms);
// "2024-08-08T23:54:14.087896568Z".
void append_time_ns(std::string& out, std::int64_t time_ns);
[[nodiscard]] std::string format_time_ns(std::int64_t time_ns);

// Reads YYYY-MM-DD or YYYY-MM-DDTHH:MM[:SS[.mmm]]Z (UTC), or a plain integer of epoch milliseconds.
[[nodiscard]] std::optional<std::int64_t> parse_time_ms(std::string_view text);

// Days since the epoch of a proleptic Gregorian date; nullopt when there is no such day.
[[nodiscard]] std::optional<std::int64_t> days_from_date(int year, int month, int day);

}  // namespace finpipe
