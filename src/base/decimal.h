// Exact fixed-point decimals: an integer and a power of ten that is fixed by the name (price_e9, volume_e8, notional
// 1e-17). Text in and out without a double between; one rounding rule, half to even.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/int128.h"

namespace finpipe {

constexpr int kPriceDigits = 9;      // price: int64 in 1e-9
constexpr int kVolumeDigits = 8;     // volume: int64 in 1e-8 (what Binance itself uses)
constexpr int kNotionalDigits = 17;  // price * volume: int128 in 1e-17

struct ParsedDecimal {
  std::int64_t value;  // in units of 10^-digits
  bool rounded;        // the text had more digits than fit: rounded half to even
};

// Reads one whole JSON number (sign, fraction, exponent) as an exact decimal. nullopt: no JSON number, or the rounded
// value does not fit 64 bits. Any length and any exponent are accepted in time linear in the text.
[[nodiscard]] std::optional<ParsedDecimal> parse_decimal(std::string_view text, int digits);

// Whether the whole text is one number by JSON's grammar.
[[nodiscard]] bool is_json_number(std::string_view text);

// Appends value / 10^digits in plain notation: no exponent, no trailing zeros, no point when whole ("0", "-1.5").
void append_decimal(std::string& out, int128 value, int digits);

[[nodiscard]] std::string format_decimal(int128 value, int digits);

// numerator / denominator rounded half to even. denominator > 0.
[[nodiscard]] int128 divide_half_even(int128 numerator, int128 denominator);

// Volume-weighted average price in 1e-9 from a notional sum (1e-17) and a volume sum (1e-8, > 0), half to even.
[[nodiscard]] inline int128 vwap_e9(int128 notional_e17, int128 volume_e8) {
  return divide_half_even(notional_e17, volume_e8);
}

}  // namespace finpipe
