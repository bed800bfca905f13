#include "base/decimal.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <optional>
#include <string>

#include "base/random.h"

namespace finpipe {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

// A second reading of decimals that shares nothing with the first: text in, text out, one step of a digit at a time.
class TextModel {
 public:
  // The value times 10^digits, rounded half to even, as text; `rounded` says whether digits were lost.
  static std::string scaled(const std::string& text, int digits, bool& rounded) {
    const bool negative = text.front() == '-';
    std::string mantissa = text.substr(negative ? 1 : 0);
    long exponent = digits;
    if (const std::size_t e = mantissa.find_first_of("eE"); e != std::string::npos) {
      exponent += std::strtol(mantissa.c_str() + e + 1, nullptr, 10);
      mantissa.resize(e);
    }
    if (const std::size_t point = mantissa.find('.'); point != std::string::npos) {
      exponent -= static_cast<long>(mantissa.size() - point - 1);
      mantissa.erase(point, 1);
    }
    for (; exponent > 0; --exponent) mantissa.push_back('0');
    std::string cut;
    for (; exponent < 0; ++exponent) {
      if (mantissa.empty()) mantissa = "0";
      cut.insert(cut.begin(), mantissa.back());
      mantissa.pop_back();
    }
    if (mantissa.empty()) mantissa = "0";
    rounded = cut.find_first_not_of('0') != std::string::npos;
    if (rounded && rounds_up(mantissa, cut)) increment(mantissa);
    mantissa.erase(0, std::min(mantissa.find_first_not_of('0'), mantissa.size() - 1));
    return negative && mantissa != "0" ? "-" + mantissa : mantissa;
  }

  static bool fits_64_bits(const std::string& integer) {
    const bool negative = integer.front() == '-';
    const std::string magnitude = integer.substr(negative ? 1 : 0);
    const std::string limit = negative ? "9223372036854775808" : "9223372036854775807";
    return magnitude.size() < limit.size() || (magnitude.size() == limit.size() && magnitude <= limit);
  }

 private:
  static bool rounds_up(const std::string& kept, const std::string& cut) {
    if (cut.front() != '5') return cut.front() > '5';
    return cut.find_first_not_of('0', 1) != std::string::npos || (kept.back() - '0') % 2 == 1;
  }
  static void increment(std::string& number) {
    for (std::size_t i = number.size(); i-- > 0;) {
      if (number[i] != '9') {
        ++number[i];
        return;
      }
      number[i] = '0';
    }
    number.insert(number.begin(), '1');
  }
};

std::string digits_of(Random& random, std::uint64_t most) {
  std::string digits;
  for (std::uint64_t left = random.below(most + 1); left > 0; --left) {
    digits.push_back(random.chance(0.3) ? '0' : random.chance(0.3) ? '5' : static_cast<char>('0' + random.below(10)));
  }
  return digits;
}

std::string random_number(Random& random) {
  std::string text = random.chance(0.3) ? "-" : "";
  std::string whole = digits_of(random, 21);
  whole.erase(0, whole.find_first_not_of('0'));
  text += whole.empty() ? "0" : whole;
  if (const std::string fraction = digits_of(random, 24); !fraction.empty()) text += "." + fraction;
  if (random.chance(0.3)) text += (random.chance(0.5) ? "e" : "E-") + std::to_string(random.below(30));
  return text;
}

TEST(Decimal, AgreesWithASecondReadingOfRandomNumbers) {
  Random random(20240808);
  int fitting = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::string text = random_number(random);
    const int digits = static_cast<int>(random.below(10));
    bool rounded = false;
    const std::string expected = TextModel::scaled(text, digits, rounded);
    const auto parsed = parse_decimal(text, digits);
    ASSERT_EQ(parsed.has_value(), TextModel::fits_64_bits(expected)) << text << " with " << digits;
    if (!parsed) continue;
    ++fitting;
    ASSERT_EQ(std::to_string(parsed->value), expected) << text << " with " << digits;
    ASSERT_EQ(parsed->rounded, rounded) << text << " with " << digits;
  }
  EXPECT_GT(fitting, 50'000);
}

std::optional<std::int64_t> price_of(std::string_view text) {
  const auto parsed = parse_decimal(text, kPriceDigits);
  return parsed ? std::optional(parsed->value) : std::nullopt;
}

TEST(Decimal, ReadsPricesExactly) {
  EXPECT_EQ(price_of("61837.63"), 61'837'630'000'000);
  EXPECT_EQ(price_of("0.000000001"), 1);
  EXPECT_EQ(price_of("1e-9"), 1);
  EXPECT_EQ(price_of("1.5E+3"), 1'500'000'000'000);
  EXPECT_EQ(price_of("-0"), 0);
  EXPECT_EQ(price_of("9223372036.854775807"), kMax);
  EXPECT_EQ(price_of("-9223372036.854775808"), kMin);
}

TEST(Decimal, RefusesWhatDoesNotFit) {
  EXPECT_EQ(price_of("9223372036.854775808"), std::nullopt);
  EXPECT_EQ(price_of("-9223372036.8547758085001"), std::nullopt);
  EXPECT_EQ(price_of("1e10"), std::nullopt);
  EXPECT_EQ(price_of("1e999999999999"), std::nullopt);
}

TEST(Decimal, RoundingCanStillFitOrNot) {
  EXPECT_EQ(price_of("9223372036.8547758074999"), kMax);
  EXPECT_EQ(price_of("9223372036.8547758075"), std::nullopt);  // half to even goes up, past the limit
  EXPECT_EQ(price_of("-9223372036.8547758085"), kMin);
}

TEST(Decimal, RoundsHalfToEvenAndSaysSo) {
  const auto rounded = [](std::string_view text) { return parse_decimal(text, 0); };
  EXPECT_EQ(rounded("0.5")->value, 0);
  EXPECT_EQ(rounded("1.5")->value, 2);
  EXPECT_EQ(rounded("2.5")->value, 2);
  EXPECT_EQ(rounded("2.5000001")->value, 3);
  EXPECT_EQ(rounded("-2.5")->value, -2);
  EXPECT_TRUE(rounded("2.5")->rounded);
  EXPECT_FALSE(rounded("2.0")->rounded);
  EXPECT_EQ(price_of("133.19799999999998"), 133'198'000'000);
}

TEST(Decimal, ManyDigitsAndGreatExponentsAreReadInOneGo) {
  EXPECT_EQ(parse_decimal("0." + std::string(1'000'000, '0') + "1e1000001", 0)->value, 1);
  EXPECT_EQ(parse_decimal("0e999999999", 9)->value, 0);
  EXPECT_TRUE(parse_decimal("1e-999999999", 9)->rounded);
}

TEST(Decimal, RefusesWhatIsNoJsonNumber) {
  for (const char* text : {"",     "-",   "+1",       "01", "-01", ".5",  "1.",  "1e",    "1e+",   "1ex", "1e+-5",
                           "0x10", "NaN", "Infinity", "1 ", " 1",  "1,5", "--1", "1.2.3", "\"1\"", "00",  "1e5.0"}) {
    EXPECT_FALSE(parse_decimal(text, 9)) << text;
    EXPECT_FALSE(is_json_number(text)) << text;
  }
  EXPECT_TRUE(is_json_number("-0.0e-0"));
  EXPECT_TRUE(is_json_number("1e400"));
}

TEST(Decimal, WritesPlainNotationWithoutTrailingZeros) {
  EXPECT_EQ(format_decimal(0, 9), "0");
  EXPECT_EQ(format_decimal(-1'500'000'000, 9), "-1.5");
  EXPECT_EQ(format_decimal(1, 9), "0.000000001");
  EXPECT_EQ(format_decimal(100, 0), "100");
  EXPECT_EQ(format_decimal(static_cast<int128>(kMax) * kMax, 17), "850705917302346158473.96907784232501249");
}

TEST(Decimal, WhatIsWrittenIsReadBack) {
  Random random(7);
  for (int i = 0; i < 10'000; ++i) {
    const auto value = static_cast<std::int64_t>(random.next() >> random.below(64));
    ASSERT_EQ(parse_decimal(format_decimal(value, 9), 9)->value, value);
  }
}

TEST(Decimal, DividesHalfToEvenOnBothSidesOfZero) {
  EXPECT_EQ(divide_half_even(5, 2), 2);
  EXPECT_EQ(divide_half_even(7, 2), 4);
  EXPECT_EQ(divide_half_even(-5, 2), -2);
  EXPECT_EQ(divide_half_even(-7, 2), -4);
  EXPECT_EQ(divide_half_even(8, 3), 3);
  EXPECT_EQ(divide_half_even(7, 3), 2);
  const int128 large = static_cast<int128>(kMax) * kMax;
  EXPECT_EQ(divide_half_even(large, kMax), kMax);
}

TEST(Decimal, VwapIsNotionalOverVolume) {
  // 2 at 100.5 and 1 at 100.0 make 100.333333333.
  const int128 notional =
      static_cast<int128>(200'000'000) * 100'500'000'000 + static_cast<int128>(100'000'000) * 100'000'000'000;
  EXPECT_EQ(vwap_e9(notional, 300'000'000), 100'333'333'333);
}

}  // namespace
}  // namespace finpipe
