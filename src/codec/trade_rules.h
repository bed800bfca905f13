// What a trade's values may be, in one place for all that reads trades from outside: frames and log records.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "base/int128.h"
#include "base/time.h"
#include "market/trade.h"

namespace finpipe {

// |price * volume| of one trade stays below 2^100 in 1e-17, so that 2^27 of the largest fit a 128-bit sum.
constexpr int kMaxNotionalBits = 100;

[[nodiscard]] constexpr bool is_printable(char c) { return c > ' ' && c < '\x7f'; }

// Printable ASCII, 1 to 64 bytes; spaces only inside.
[[nodiscard]] inline bool is_symbol(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSymbolBytes && text.front() != ' ' && text.back() != ' ' &&
         std::ranges::all_of(text, [](char c) { return is_printable(c) || c == ' '; });
}

// One sale condition code.
[[nodiscard]] inline bool is_condition(std::string_view text) {
  return !text.empty() && text.size() <= kMaxConditionBytes && std::ranges::all_of(text, is_printable);
}

[[nodiscard]] constexpr bool is_time_ms(std::int64_t time_ms) {
  return time_ms >= -kMaxTimeMs && time_ms <= kMaxTimeMs;
}

// The rule that time, price or volume break, if any.
[[nodiscard]] inline std::optional<ErrorCode> broken_number_rule(const Trade& trade) {
  if (trade.price_e9 < 0) return ErrorCode::kBadPrice;
  if (trade.volume_e8 < 0) return ErrorCode::kBadVolume;
  const auto notional = static_cast<uint128>(trade.price_e9) * static_cast<uint128>(trade.volume_e8);
  if ((notional >> kMaxNotionalBits) != 0 || !is_time_ms(trade.event_time_ms)) return ErrorCode::kNumberOutOfRange;
  return std::nullopt;
}

// The rule that the trade breaks, if any; conditions are checked where they are read.
[[nodiscard]] inline std::optional<ErrorCode> broken_rule(const Trade& trade) {
  if (!is_symbol(trade.symbol)) return ErrorCode::kBadSymbol;
  return broken_number_rule(trade);
}

}  // namespace finpipe
