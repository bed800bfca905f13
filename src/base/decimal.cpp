#include "base/decimal.h"

#include <algorithm>
#include <array>
#include <limits>

namespace finpipe {
namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The parts of a JSON number.
struct NumberText {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  std::int64_t exponent = 0;
};

constexpr std::int64_t kExponentLimit = 1'000'000'000;  // far beyond any text length that a frame can hold

std::optional<NumberText> split_number(std::string_view text) {
  NumberText parts;
  std::size_t at = 0;
  if (at < text.size() && text[at] == '-') {
    parts.negative = true;
    ++at;
  }
  const std::size_t whole_begin = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  parts.whole = text.substr(whole_begin, at - whole_begin);
  if (parts.whole.empty() || (parts.whole.size() > 1 && parts.whole.front() == '0')) return std::nullopt;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction_begin = ++at;
    while (at < text.size() && is_digit(text[at])) ++at;
    parts.fraction = text.substr(fraction_begin, at - fraction_begin);
    if (parts.fraction.empty()) return std::nullopt;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    bool negative = false;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) negative = text[at++] == '-';
    if (at == text.size()) return std::nullopt;
    for (; at < text.size() && is_digit(text[at]); ++at)
      parts.exponent = std::min(parts.exponent * 10 + (text[at] - '0'), kExponentLimit);
    if (!is_digit(text[at - 1])) return std::nullopt;
    if (negative) parts.exponent = -parts.exponent;
  }
  if (at != text.size()) return std::nullopt;
  return parts;
}

// The common case, up to 18 significant digits and no exponent, without the general walk.
std::optional<ParsedDecimal> parse_plain(std::string_view text, int digits) {
  std::int64_t value = 0;
  std::size_t at = 0;
  const bool negative = !text.empty() && text[0] == '-';
  if (negative) ++at;
  const std::size_t begin = at;
  if (text.size() - begin > 18) return std::nullopt;
  while (at < text.size() && is_digit(text[at])) value = value * 10 + (text[at++] - '0');
  const std::size_t whole = at - begin;
  if (whole == 0 || (whole > 1 && text[begin] == '0')) return std::nullopt;
  int fraction = 0;
  if (at < text.size()) {
    if (text[at++] != '.') return std::nullopt;
    const std::size_t fraction_begin = at;
    while (at < text.size() && is_digit(text[at])) value = value * 10 + (text[at++] - '0');
    if (at != text.size() || at == fraction_begin) return std::nullopt;
    fraction = static_cast<int>(at - fraction_begin);
  }
  if (fraction > digits || whole + static_cast<std::size_t>(digits) > 18) return std::nullopt;
  static constexpr auto kPowers = [] {
    std::array<std::int64_t, 19> powers{1};
    for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
    return powers;
  }();
  value *= kPowers[static_cast<std::size_t>(digits - fraction)];
  return ParsedDecimal{negative ? -value : value, false};
}

std::optional<ParsedDecimal> parse_general(std::string_view text, int digits) {
  const auto parts = split_number(text);
  if (!parts) return std::nullopt;
  const auto length = static_cast<std::int64_t>(parts->whole.size() + parts->fraction.size());
  const auto digit = [&](std::int64_t i) -> int {
    const auto index = static_cast<std::size_t>(i);
    if (i < 0 || i >= length) return 0;
    return index < parts->whole.size() ? parts->whole[index] - '0' : parts->fraction[index - parts->whole.size()] - '0';
  };
  // Digits left of `cut` make the integer; the rest decides the rounding.
  const std::int64_t cut = static_cast<std::int64_t>(parts->whole.size()) + parts->exponent + digits;
  std::int64_t first = 0;
  while (first < length && digit(first) == 0) ++first;
  if (first == length) return ParsedDecimal{0, false};
  if (cut - first > 20) return std::nullopt;
  int128 value = 0;
  for (std::int64_t i = first; i < cut; ++i) value = value * 10 + digit(i);
  bool rest = false;
  for (std::int64_t i = std::max<std::int64_t>(cut + 1, first); i < length && !rest; ++i) rest = digit(i) != 0;
  const int half = digit(cut);
  const bool rounded = half != 0 || rest;
  if (half > 5 || (half == 5 && (rest || (value & 1) != 0))) ++value;
  if (parts->negative) value = -value;
  if (value > std::numeric_limits<std::int64_t>::max() || value < std::numeric_limits<std::int64_t>::min())
    return std::nullopt;
  return ParsedDecimal{static_cast<std::int64_t>(value), rounded};
}

}  // namespace

std::optional<ParsedDecimal> parse_decimal(std::string_view text, int digits) {
  if (auto plain = parse_plain(text, digits)) return plain;
  return parse_general(text, digits);
}

bool is_json_number(std::string_view text) { return split_number(text).has_value(); }

void append_decimal(std::string& out, int128 value, int digits) {
  uint128 magnitude = value < 0 ? -static_cast<uint128>(value) : static_cast<uint128>(value);
  if (value < 0) out.push_back('-');
  while (digits > 0 && magnitude % 10 == 0) {
    magnitude /= 10;
    --digits;
  }
  std::array<char, 64> buffer;
  std::size_t at = buffer.size();
  for (int written = 0; magnitude != 0 || written <= digits; ++written) {
    if (written == digits && digits > 0) buffer[--at] = '.';
    buffer[--at] = static_cast<char>('0' + static_cast<int>(magnitude % 10));
    magnitude /= 10;
  }
  out.append(buffer.data() + at, buffer.size() - at);
}

std::string format_decimal(int128 value, int digits) {
  std::string out;
  append_decimal(out, value, digits);
  return out;
}

int128 divide_half_even(int128 numerator, int128 denominator) {
  const bool negative = numerator < 0;
  const auto magnitude = negative ? -static_cast<uint128>(numerator) : static_cast<uint128>(numerator);
  const auto divisor = static_cast<uint128>(denominator);
  uint128 quotient = magnitude / divisor;
  const uint128 remainder = magnitude % divisor;
  const uint128 rest = divisor - remainder;
  if (remainder > rest || (remainder == rest && (quotient & 1) != 0)) ++quotient;
  const auto result = static_cast<int128>(quotient);
  return negative ? -result : result;
}

}  // namespace finpipe
