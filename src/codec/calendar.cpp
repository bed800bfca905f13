#include "codec/calendar.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <fstream>
#include <utility>
#include <vector>

namespace finpipe {
namespace {

constexpr std::int64_t kDayS = 86'400;

// Local to UTC. Asked in rising order it looks into the zone only around its changes of offset.
class LocalTime {
 public:
  explicit LocalTime(const date::time_zone* zone) : zone_(zone) {}

  // UTC ms of a local time. A time that occurs twice is the first one; one that is skipped is the moment of the jump.
  std::int64_t to_utc_ms(std::int64_t day, std::int64_t second_of_day) {
    const std::chrono::seconds local{day * kDayS + second_of_day};
    date::sys_seconds utc{local - info_.offset};
    if (utc < info_.begin + kNear || utc >= info_.end - kNear) {
      utc = zone_->to_sys(date::local_seconds{local}, date::choose::earliest);
      info_ = zone_->get_info(utc);
    }
    return utc.time_since_epoch().count() * kMsPerSecond;
  }

 private:
  static constexpr std::chrono::hours kNear{48};  // no zone's offset changes by more

  const date::time_zone* zone_;
  date::sys_info info_{};  // an empty range: the first question goes to the zone
};

class Compiler {
 public:
  Compiler(const SessionRules& rules, const date::time_zone* zone)
      : rules_(rules), windows_(zone), spans_(zone), noons_(zone) {}

  Result<Calendar> compile() {
    const std::int64_t first = *days_from_date(kFirstCalendarYear, 1, 1) - 1;
    const std::int64_t last = *days_from_date(kLastCalendarYear, 12, 31);
    std::vector<TradingDay> days;
    days.reserve(static_cast<std::size_t>(last - first + 1));
    std::int64_t start_ms = window_start_ms(first);
    for (std::int64_t day = first; day <= last; ++day) {
      TradingDay& row = days.emplace_back();
      row.label_ms = day * kMsPerDay;
      row.window = {start_ms, window_start_ms(day + 1)};
      row.utc_offset_ms = row.label_ms + kMsPerDay / 2 - noons_.to_utc_ms(day, kDayS / 2);
      FINPIPE_TRY(set_spans(day, row));
      start_ms = row.window.to_ms;
    }
    return Calendar(std::move(days));
  }

 private:
  std::int64_t window_start_ms(std::int64_t day) {
    return windows_.to_utc_ms(rules_.trading_day_start_s == 0 ? day : day - 1, rules_.trading_day_start_s);
  }

  Result<void> set_spans(std::int64_t day, TradingDay& row) {
    row.session = row.regular = {row.window.from_ms, row.window.from_ms};
    switch (rules_.kind) {
      case SessionRules::Kind::kAlways: row.session = row.regular = row.window; break;
      case SessionRules::Kind::kWeekly: return set_weekly(day, row);
      case SessionRules::Kind::kDaily: set_daily(day, row); break;
    }
    return {};
  }

  void set_daily(std::int64_t day, TradingDay& row) {
    if (!rules_.weekdays[weekday_of(day)] || rules_.closed.contains(day)) return;
    const auto half = rules_.half_days.find(day);
    const SessionRules::Closing& closing = half == rules_.half_days.end() ? rules_.closing : half->second;
    row.session = {spans_.to_utc_ms(day, rules_.pre_open_s), spans_.to_utc_ms(day, closing.post_close_s)};
    row.regular = {spans_.to_utc_ms(day, rules_.regular_open_s), spans_.to_utc_ms(day, closing.regular_close_s)};
  }

  // The window's share of the spans that open in this week and the week before.
  Result<void> set_weekly(std::int64_t day, TradingDay& row) {
    const std::int64_t length_days = (rules_.close_day + 7 - rules_.open_day) % 7;
    const bool whole_week = length_days == 0 && rules_.close_s <= rules_.open_s;
    const std::int64_t this_week = day - (weekday_of(day) + 7 - rules_.open_day) % 7;
    bool found = false;
    for (const std::int64_t open_day : {this_week - 7, this_week}) {
      const std::int64_t close_day = open_day + (whole_week ? 7 : length_days);
      const TimeSpan share{std::max(row.window.from_ms, spans_.to_utc_ms(open_day, rules_.open_s)),
                           std::min(row.window.to_ms, spans_.to_utc_ms(close_day, rules_.close_s))};
      if (share.from_ms >= share.to_ms) continue;
      if (found) return fail(ErrorCode::kBadPolicy, "would make a trading date hold parts of two weekly spans");
      row.session = row.regular = share;
      found = true;
    }
    return {};
  }

  const SessionRules& rules_;
  LocalTime windows_, spans_, noons_;
};

bool is_utc_all_day(const SessionRules& rules) {
  return rules.kind == SessionRules::Kind::kAlways && rules.trading_day_start_s == 0 && rules.timezone == "UTC";
}

}  // namespace

unsigned weekday_of(std::int64_t day) {
  return static_cast<unsigned>(((day + 4) % 7 + 7) % 7);  // 1970-01-01: Thursday
}

bool is_time_zone(const std::string& name) {
  try {
    return date::locate_zone(name) != nullptr;
  } catch (const std::exception&) {
    return false;
  }
}

Result<Calendar> compile_calendar(const SessionRules& rules) {
  if (is_utc_all_day(rules)) return Calendar{};
  try {
    return Compiler(rules, date::locate_zone(rules.timezone)).compile();
  } catch (const std::exception& error) {
    return fail(ErrorCode::kBadPolicy,
                fmt::format("\"{}\" is not in the system's time zone data: {}", rules.timezone, error.what()));
  }
}

std::string tzdata_version() {
  std::ifstream file("/usr/share/zoneinfo/tzdata.zi");
  constexpr std::string_view kBegin = "# version ";
  std::string line;
  if (!std::getline(file, line) || !line.starts_with(kBegin)) return "unknown";
  return line.substr(kBegin.size());
}

}  // namespace finpipe
