// Compiles a market's opening hours, stated in local time, into a table of UTC spans, so that nothing above this needs
// a time zone. Daylight saving comes from the system's tzdata.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/error.h"
#include "market/market_policy.h"

namespace finpipe {

// A compiled table has every date of these years. The compiled zone files of tzdata state daylight saving up to 2037.
constexpr int kFirstCalendarYear = 2000;
constexpr int kLastCalendarYear = 2037;

// Times are local, in seconds since midnight; dates are days since 1970-01-01; week days count from Sunday = 0.
struct SessionRules {
  enum class Kind { kAlways, kWeekly, kDaily };

  struct Closing {
    std::int64_t regular_close_s = 0;
    std::int64_t post_close_s = 0;
  };

  std::string timezone;
  Kind kind = Kind::kAlways;
  // Where the trading date begins: 0 is midnight of the date itself, any other time is on the day before.
  std::int64_t trading_day_start_s = 0;
  // Weekly: one span a week, [open, close).
  unsigned open_day = 0, close_day = 0;
  std::int64_t open_s = 0, close_s = 0;
  // Daily: trades can be expected in [pre_open, post_close), regular hours are [regular_open, regular_close).
  std::array<bool, 7> weekdays{};
  std::int64_t pre_open_s = 0, regular_open_s = 0;
  Closing closing;
  std::set<std::int64_t> closed;
  std::map<std::int64_t, Closing> half_days;
};

// Of a date; Sunday is 0.
[[nodiscard]] unsigned weekday_of(std::int64_t day);

// Whether the system's time zone data has this IANA name.
[[nodiscard]] bool is_time_zone(const std::string& name);

// Every date gets a window; a date without trading has empty `session` and `regular` spans at its window's start.
// Error: kBadPolicy when the time zone is unknown, or when a date would hold parts of two weekly spans.
[[nodiscard]] Result<Calendar> compile_calendar(const SessionRules& rules);

// The release of the system's time zone data ("2025b"); "unknown" when it does not say.
[[nodiscard]] std::string tzdata_version();

}  // namespace finpipe
