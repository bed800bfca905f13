#include "pipeline/time_rule.h"

#include <fmt/format.h>

#include <algorithm>

namespace finpipe {

std::optional<Error> broken_time_rule(const Trade& trade, std::optional<std::int64_t> lag_ms) {
  if (trade.event_time_ms < kYear2000Ms) return Error{ErrorCode::kTimeTooOld, fmt::to_string(trade.event_time_ms)};
  // A host clock that is slow makes every trade look early by the market's (then negative) lag.
  const std::int64_t tolerance_ms =
      lag_ms ? kFutureToleranceMs + std::max<std::int64_t>(0, -*lag_ms) : kUnknownLagToleranceMs;
  const std::int64_t ahead_ms = trade.event_time_ms - floor_div(trade.received_at_ns, kNsPerMs);
  if (ahead_ms <= tolerance_ms) return std::nullopt;
  return Error{ErrorCode::kTimeInFuture, fmt::format("{} ms ahead, tolerance {} ms", ahead_ms, tolerance_ms)};
}

}  // namespace finpipe
