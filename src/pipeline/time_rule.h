// Which times a trade may have that comes into the log: from a feed, or out of a dead letter.
#pragma once

#include <cstdint>
#include <optional>

#include "base/error.h"
#include "base/time.h"
#include "market/trade.h"

namespace finpipe {

constexpr std::int64_t kFutureToleranceMs = 10 * kMsPerMinute;  // of a trade ahead of its receipt
constexpr std::int64_t kUnknownLagToleranceMs = kFutureToleranceMs + kMsPerHour;

// The rule that its times break, if any: kTimeTooOld, kTimeInFuture. `lag_ms`: of its market when it was received;
// nullopt: not known. Nothing else is too old.
[[nodiscard]] std::optional<Error> broken_time_rule(const Trade& trade, std::optional<std::int64_t> lag_ms);

}  // namespace finpipe
