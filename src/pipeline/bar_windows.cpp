#include "pipeline/bar_windows.h"

#include <algorithm>
#include <numeric>

namespace finpipe {
namespace {

constexpr std::int64_t kMondayMs = 4 * kMsPerDay;  // 1970-01-05

bool empty(TimeSpan span) { return span.from_ms >= span.to_ms; }
bool holds(TimeSpan span, std::int64_t time_ms) { return span.from_ms <= time_ms && time_ms < span.to_ms; }

std::int64_t aligned(std::int64_t time_ms, std::int64_t length_ms) { return floor_div(time_ms, length_ms) * length_ms; }

// What the regular hours of every day begin and end on; 0: they are the whole session on every day.
std::int64_t regular_step_ms(const Calendar& calendar) {
  std::int64_t step_ms = 0;
  bool distinct = false;
  for (const TradingDay& day : calendar.days()) {
    if (empty(day.regular)) continue;
    step_ms = std::gcd(step_ms, std::gcd(day.regular.from_ms, day.regular.to_ms));
    distinct = distinct || day.regular != day.session;
  }
  return distinct ? step_ms : 0;
}

}  // namespace

BarWindows::BarWindows(const ReadInterval& interval, bool regular, const Calendar& calendar)
    : calendar_(calendar), length_ms_(interval.length_ms()), daily_(interval.daily()), part_(interval.base) {
  const std::int64_t step_ms = regular && !daily_ ? regular_step_ms(calendar) : 0;
  regular_ = step_ms > 0;
  if (!regular_) return;
  const std::int64_t shared_ms = std::gcd(length_ms_, step_ms);
  const auto fits = [&](Interval part) { return shared_ms % finpipe::length_ms(part) == 0; };
  part_ = *std::find_if(kIntervals.rbegin() + 1, kIntervals.rend(), fits);
}

TimeSpan BarWindows::part_span(std::int64_t part_start_ms) const {
  if (daily_) return calendar_.day_labelled(part_start_ms).window;
  return {part_start_ms, part_start_ms + finpipe::length_ms(part_)};
}

std::int64_t BarWindows::trading_date_ms(std::int64_t part_start_ms) const {
  return daily_ ? part_start_ms : calendar_.day_of(part_start_ms).label_ms;
}

BarWindows::Window BarWindows::days_at(std::int64_t label_ms) const {
  const std::int64_t start_ms = aligned(label_ms - kMondayMs, length_ms_) + kMondayMs;
  const std::int64_t last_ms = start_ms + length_ms_ - kMsPerDay;
  return {start_ms, {calendar_.day_labelled(start_ms).window.from_ms, calendar_.day_labelled(last_ms).window.to_ms}};
}

BarWindows::Window BarWindows::regular_at(const TradingDay& day, std::int64_t time_ms) const {
  const std::int64_t start_ms = day.regular.from_ms + aligned(time_ms - day.regular.from_ms, length_ms_);
  return {start_ms, {start_ms, std::min(start_ms + length_ms_, day.regular.to_ms)}};
}

BarWindows::Window BarWindows::grid_at(std::int64_t time_ms) const {
  const std::int64_t start_ms = aligned(time_ms, length_ms_);
  return {start_ms, {start_ms, start_ms + length_ms_}};
}

std::optional<BarWindows::Window> BarWindows::holding(std::int64_t part_start_ms) const {
  const bool as_stored = !regular_ && length_ms_ == finpipe::length_ms(part_);
  if (as_stored) return Window{part_start_ms, part_span(part_start_ms)};
  if (daily_) return days_at(part_start_ms);
  if (!regular_) return grid_at(part_start_ms);
  const TradingDay day = calendar_.day_of(part_start_ms);
  return holds(day.regular, part_start_ms) ? std::optional(regular_at(day, part_start_ms)) : std::nullopt;
}

std::optional<BarWindows::Window> BarWindows::next_open(std::int64_t after_ms, std::int64_t before_ms) const {
  const auto if_before = [&](const Window& window) {
    return window.start_ms < before_ms ? std::optional(window) : std::nullopt;
  };
  if (daily_) {
    Window window = days_at(after_ms + length_ms_);
    while (window.start_ms < before_ms && calendar_.session_ms(window.span) == 0)
      window = days_at(window.start_ms + length_ms_);
    return if_before(window);
  }
  const std::int64_t next_ms = regular_ ? after_ms + 1 : aligned(after_ms, length_ms_) + length_ms_;
  for (TradingDay day = calendar_.day_of(next_ms); day.window.from_ms < before_ms + length_ms_;
       day = calendar_.day_of(day.window.to_ms)) {
    const TimeSpan open = regular_ ? day.regular : day.session;
    if (empty(open) || open.to_ms <= next_ms) continue;
    if (!regular_) return if_before(grid_at(std::max(next_ms, open.from_ms)));
    Window window = regular_at(day, std::max(next_ms, open.from_ms));
    if (window.start_ms <= after_ms) window = regular_at(day, window.start_ms + length_ms_);
    if (window.start_ms < open.to_ms) return if_before(window);
  }
  return std::nullopt;
}

std::optional<BarWindows::Window> BarWindows::previous_open(std::int64_t before_ms, std::int64_t after_ms) const {
  const auto if_after = [&](const Window& window) {
    return window.start_ms > after_ms ? std::optional(window) : std::nullopt;
  };
  if (daily_) {
    Window window = days_at(before_ms - 1);
    while (window.start_ms > after_ms && calendar_.session_ms(window.span) == 0) window = days_at(window.start_ms - 1);
    return if_after(window);
  }
  // Where the last window that starts before ends.
  const std::int64_t end_ms = regular_ ? before_ms : aligned(before_ms - 1, length_ms_) + length_ms_;
  for (TradingDay day = calendar_.day_of(end_ms - 1); day.window.to_ms > after_ms;
       day = calendar_.day_of(day.window.from_ms - 1)) {
    const TimeSpan open = regular_ ? day.regular : day.session;
    if (empty(open) || open.from_ms >= end_ms) continue;
    const std::int64_t last_ms = std::min(end_ms, open.to_ms) - 1;
    return if_after(regular_ ? regular_at(day, last_ms) : grid_at(last_ms));
  }
  return std::nullopt;
}

}  // namespace finpipe
