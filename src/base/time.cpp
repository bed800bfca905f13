#include "base/time.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <iterator>

namespace finpipe {
namespace {

// Reads exactly `width` digits at `at`; moves `at` past them.
bool read_digits(std::string_view text, std::size_t& at, std::size_t width, int& value) {
  if (at + width > text.size()) return false;
  const char* begin = text.data() + at;
  const auto [end, error] = std::from_chars(begin, begin + width, value);
  if (error != std::errc{} || end != begin + width || *begin == '-') return false;
  at += width;
  return true;
}

bool read_char(std::string_view text, std::size_t& at, char expected) {
  if (at >= text.size() || text[at] != expected) return false;
  ++at;
  return true;
}

}  // namespace

std::optional<std::int64_t> days_from_date(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date}.time_since_epoch().count();
}

void append_time_ms(std::string& out, std::int64_t time_ms) {
  const std::int64_t days = floor_div(time_ms, kMsPerDay);
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  const std::int64_t rest = time_ms - days * kMsPerDay;
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), rest / kMsPerHour,
                 rest / kMsPerMinute % 60, rest / kMsPerSecond % 60, rest % kMsPerSecond);
}

std::string format_time_ms(std::int64_t time_ms) {
  std::string out;
  append_time_ms(out, time_ms);
  return out;
}

void append_time_ns(std::string& out, std::int64_t time_ns) {
  const std::int64_t ms = floor_div(time_ns, kNsPerMs);
  append_time_ms(out, ms);
  out.pop_back();
  fmt::format_to(std::back_inserter(out), "{:06}Z", time_ns - ms * kNsPerMs);
}

std::string format_time_ns(std::int64_t time_ns) {
  std::string out;
  append_time_ns(out, time_ns);
  return out;
}

std::optional<std::int64_t> parse_time_ms(std::string_view text) {
  if (text.find('-', 1) == std::string_view::npos) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > kMaxTimeMs || value < -kMaxTimeMs)
      return std::nullopt;
    return value;
  }
  std::size_t at = 0;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0;
  if (!read_digits(text, at, 4, year) || !read_char(text, at, '-') || !read_digits(text, at, 2, month) ||
      !read_char(text, at, '-') || !read_digits(text, at, 2, day))
    return std::nullopt;
  const auto days = days_from_date(year, month, day);
  if (!days) return std::nullopt;
  if (at != text.size()) {
    if (!read_char(text, at, 'T') || !read_digits(text, at, 2, hour) || !read_char(text, at, ':') ||
        !read_digits(text, at, 2, minute))
      return std::nullopt;
    if (read_char(text, at, ':')) {
      if (!read_digits(text, at, 2, second)) return std::nullopt;
      if (read_char(text, at, '.') && !read_digits(text, at, 3, ms)) return std::nullopt;
    }
    if (!read_char(text, at, 'Z') || at != text.size() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  }
  return *days * kMsPerDay + hour * kMsPerHour + minute * kMsPerMinute + second * kMsPerSecond + ms;
}

}  // namespace finpipe
