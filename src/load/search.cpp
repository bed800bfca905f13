#include "load/search.h"

#include <fmt/format.h>

#include <algorithm>

namespace finpipe {

std::string why_not_held(const RunFigures& run, std::int64_t limit_ns) {
  constexpr double kNsPerMillisecondReal = 1e6;
  constexpr double kGrowthOfLimit = 0.25;
  if (run.missing > 0) return fmt::format("{} trades did not arrive", run.missing);
  if (run.dropped > 0) return fmt::format("{} connections were dropped", run.dropped);
  if (run.measured == 0) return "nothing was measured: it takes longer, or a higher rate";
  const auto limit = static_cast<double>(limit_ns);
  if (run.p99_ns > limit_ns) {
    return fmt::format("p99 is {:.1f} ms, above {:.1f} ms", static_cast<double>(run.p99_ns) / kNsPerMillisecondReal,
                       limit / kNsPerMillisecondReal);
  }
  const double allowed = kGrowthOfLimit * static_cast<double>(run.trades_per_second) * limit / 1e9;
  if (run.backlog_late - run.backlog_early > allowed) {
    return fmt::format("the backlog grows, from {:.0f} to {:.0f} trades", run.backlog_early, run.backlog_late);
  }
  return "";
}

std::optional<RateSearch::Try> RateSearch::next() const {
  if (over_) return std::nullopt;
  return Try{rate_, confirming_};
}

bool RateSearch::close_enough() const {
  return bad_ && static_cast<double>(*bad_ - good_) <= std::max(options_.precision * static_cast<double>(*bad_), 1.0);
}

void RateSearch::choose() {
  if (bad_ == 1) {
    over_ = true;
  } else if (good_ == options_.highest || (good_ > 0 && close_enough())) {
    confirming_ = true;
    rate_ = good_;
  } else if (!bad_) {
    rate_ = std::min(2 * good_, options_.highest);
  } else {
    rate_ = good_ == 0 ? std::max<std::int64_t>(*bad_ / 2, 1) : good_ + (*bad_ - good_) / 2;
  }
}

void RateSearch::tell(bool held) {
  if (!held && !failed_once_) {
    failed_once_ = true;
    return;
  }
  failed_once_ = false;
  if (confirming_ && held) {
    found_ = rate_;
    over_ = true;
  } else if (confirming_) {
    const auto lower = static_cast<std::int64_t>(static_cast<double>(rate_) * (1 - options_.precision));
    rate_ = std::min(lower, rate_ - 1);
    over_ = rate_ < 1;
  } else {
    if (held) {
      good_ = rate_;
    } else {
      bad_ = rate_;
    }
    choose();
  }
}

}  // namespace finpipe
