// The windows of a read interval in a market's time: which one a stored bar is part of, and which ones lie next to each
// other inside session time. Pure.
//
//   below a day          at multiples of the interval since 1970-01-01T00:00:00Z
//   regular hours only   each trading day from its regular opening on; the last window ends at the close
//   days                 trading dates, counted from a Monday: windows of 7d are weeks
#pragma once

#include <cstdint>
#include <optional>

#include "market/market_policy.h"
#include "market/read_interval.h"

namespace finpipe {

class BarWindows {
 public:
  using Window = MarketPolicy::Window;

  // `regular`: only regular hours, for intervals below a day; without meaning in a market whose every session hour is
  // regular. `calendar` must outlive it.
  BarWindows(const ReadInterval& interval, bool regular, const Calendar& calendar);

  // The largest stored bars that all windows can be made of.
  [[nodiscard]] Interval part() const { return part_; }
  // What a stored bar covers; the trading date of its start.
  [[nodiscard]] TimeSpan part_span(std::int64_t part_start_ms) const;
  [[nodiscard]] std::int64_t trading_date_ms(std::int64_t part_start_ms) const;
  // The longest way from a window's start to that of a stored bar in it.
  [[nodiscard]] std::int64_t length_ms() const { return length_ms_; }

  // The window of the stored bar that starts there; none outside regular hours.
  [[nodiscard]] std::optional<Window> holding(std::int64_t part_start_ms) const;
  // The first window with session time that starts after `after_ms` and before `before_ms`.
  [[nodiscard]] std::optional<Window> next_open(std::int64_t after_ms, std::int64_t before_ms) const;
  // The last one likewise.
  [[nodiscard]] std::optional<Window> previous_open(std::int64_t before_ms, std::int64_t after_ms) const;

 private:
  [[nodiscard]] Window days_at(std::int64_t label_ms) const;
  [[nodiscard]] Window regular_at(const TradingDay& day, std::int64_t time_ms) const;
  [[nodiscard]] Window grid_at(std::int64_t time_ms) const;

  const Calendar& calendar_;
  std::int64_t length_ms_;
  bool daily_;
  bool regular_ = false;
  Interval part_;
};

}  // namespace finpipe
