#include "codec/plain_frame.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "base/decimal.h"
#include "codec/trade_rules.h"

namespace finpipe {
namespace {

constexpr auto kPowersOfTen = [] {
  std::array<std::int64_t, 10> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

// Eight characters at once, the first one in the lowest byte.
static_assert(std::endian::native == std::endian::little);

// Every high half is 3 and stays 3 when 6 is added: '0' to '9'.
bool are_digits(std::uint64_t chunk) {
  constexpr std::uint64_t kHighHalves = 0xf0f0f0f0f0f0f0f0;
  constexpr std::uint64_t kThrees = 0x3030303030303030;
  return (chunk & kHighHalves) == kThrees && ((chunk + 0x0606060606060606) & kHighHalves) == kThrees;
}

// Pairs of digits, then of pairs, then of fours.
std::uint64_t eight_digits(std::uint64_t chunk) {
  chunk &= 0x0f0f0f0f0f0f0f0f;
  chunk = (chunk * 10 + (chunk >> 8)) & 0x00ff00ff00ff00ff;
  chunk = (chunk * 100 + (chunk >> 16)) & 0x0000ffff0000ffff;
  return (chunk * 10'000 + (chunk >> 32)) & 0xffffffff;
}

// Moves over a frame; every function says whether what it expects stood there.
class Scanner {
 public:
  explicit Scanner(std::string_view frame) : at_(frame.data()), end_(frame.data() + frame.size()) {}

  template <std::size_t Size>
  [[nodiscard]] bool skip(const char (&text)[Size]) {
    constexpr std::size_t kLength = Size - 1;
    if (left() < kLength || std::memcmp(at_, text, kLength) != 0) return false;
    at_ += kLength;
    return true;
  }

  [[nodiscard]] bool skip(std::string_view text) {
    if (left() < text.size() || std::memcmp(at_, text.data(), text.size()) != 0) return false;
    at_ += text.size();
    return true;
  }

  // A number without sign and exponent that fits 18 digits, as an integer of 10^-kDigits.
  template <int kDigits>
  [[nodiscard]] bool read_decimal(std::int64_t& value) {
    const char* const begin = at_;
    value = 0;
    read_digits(value);
    const auto whole = at_ - begin;
    if (whole == 0 || whole > 18 - kDigits || (whole > 1 && *begin == '0')) return false;
    std::ptrdiff_t fraction = 0;
    if (at_ != end_ && *at_ == '.') {
      const char* const fraction_begin = ++at_;
      read_digits(value);
      fraction = at_ - fraction_begin;
      if (fraction == 0 || fraction > kDigits) return false;
    }
    value *= kPowersOfTen[static_cast<std::size_t>(kDigits - fraction)];
    return true;
  }

  // Text up to the next quote, which is skipped: printable ASCII without escapes.
  [[nodiscard]] bool read_text(std::string_view& text) {
    const char* const begin = at_;
    while (at_ != end_ && *at_ != '"' && *at_ != '\\' && *at_ >= ' ' && *at_ < '\x7f') ++at_;
    text = {begin, static_cast<std::size_t>(at_ - begin)};
    return skip("\"");
  }

  [[nodiscard]] bool at_end() const { return at_ == end_; }

 private:
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  // Digits up to something else. Past 19 digits the value wraps, which the caller's count of digits refuses.
  void read_digits(std::int64_t& value) {
    auto digits = static_cast<std::uint64_t>(value);
    if (left() >= 8) {
      std::uint64_t chunk = 0;
      std::memcpy(&chunk, at_, sizeof chunk);
      if (are_digits(chunk)) {
        digits = digits * 100'000'000 + eight_digits(chunk);
        at_ += 8;
      }
    }
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') digits = digits * 10 + static_cast<std::uint64_t>(*at_++ - '0');
    value = static_cast<std::int64_t>(digits);
  }

  const char* at_;
  const char* end_;
};

[[nodiscard]] bool read_codes(Scanner& scan, std::string& joined, Conditions& conditions) {
  conditions.form = Conditions::Form::kList;
  if (scan.skip("]")) return true;
  const std::size_t begin = joined.size();
  for (std::size_t count = 0; count < kMaxConditions; ++count) {
    std::string_view code;
    if (!scan.skip("\"") || !scan.read_text(code) || !is_condition(code)) return false;
    if (count > 0) joined.push_back(' ');
    joined.append(code);
    if (scan.skip("]")) {
      conditions.codes = std::string_view(joined).substr(begin);
      return true;
    }
    if (!scan.skip(",")) return false;
  }
  return false;
}

// Copied for each trade: g++ clears a new one with a string instruction that takes longer than reading it.
constexpr Trade kBlank;

// Behind the trade's opening brace.
[[nodiscard]] bool read_trade(Scanner& scan, Trade& trade, std::string_view last_symbol, std::string& text) {
  if (scan.skip("\"c\":")) {
    if (scan.skip("null")) {
      trade.conditions.form = Conditions::Form::kNull;
    } else if (!scan.skip("[") || !read_codes(scan, text, trade.conditions)) {
      return false;
    }
    if (!scan.skip(",")) return false;
  }
  if (!scan.skip("\"p\":") || !scan.read_decimal<kPriceDigits>(trade.price_e9) || !scan.skip(",\"s\":\"")) return false;
  // Neighbours mostly share their symbol, quote included in the comparison.
  if (!last_symbol.empty() && scan.skip(std::string_view(last_symbol.data(), last_symbol.size() + 1))) {
    trade.symbol = last_symbol;
  } else if (!scan.read_text(trade.symbol) || !is_symbol(trade.symbol)) {
    return false;
  }
  return scan.skip(",\"t\":") && scan.read_decimal<0>(trade.event_time_ms) && scan.skip(",\"v\":") &&
         scan.read_decimal<kVolumeDigits>(trade.volume_e8) && scan.skip("}") && !broken_number_rule(trade);
}

}  // namespace

bool read_plain_frame(std::string_view frame, std::vector<Trade>& trades, std::string& text) {
  Scanner scan(frame);
  if (!scan.skip("{\"data\":[{")) return false;
  std::string_view last_symbol;
  do {
    trades.push_back(kBlank);
    Trade& trade = trades.back();
    if (!read_trade(scan, trade, last_symbol, text)) return false;
    last_symbol = trade.symbol;
  } while (scan.skip(",{"));
  return scan.skip("],\"type\":\"trade\"}") && scan.at_end();
}

}  // namespace finpipe
