// A reader of Finnhub frames by the rules of codec/finnhub_frame.h that shares no code with it: RapidJSON's reader,
// numbers kept as text and made decimals digit by digit. The parser is held against it by the tests beside this and by
// tests/fuzz.
#pragma once

#include <rapidjson/encodedstream.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/time.h"
#include "codec/finnhub_frame.h"

namespace finpipe {

// Any JSON value; of a number its text.
struct Json {
  enum class Kind { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  std::string text;
  std::vector<Json> items;        // of an array; of an object the members' values
  std::vector<std::string> keys;  // of an object
};

class Builder : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Builder> {
 public:
  bool Null() { return put({}); }
  bool Bool(bool /*value*/) { return put({Json::Kind::kBool, {}, {}, {}}); }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool /*copy*/) {
    return put({Json::Kind::kNumber, {text, length}, {}, {}});
  }
  bool String(const char* text, rapidjson::SizeType length, bool /*copy*/) {
    return !has_surrogate({text, length}) && put({Json::Kind::kString, {text, length}, {}, {}});
  }
  bool Key(const char* text, rapidjson::SizeType length, bool /*copy*/) {
    open_.back().keys.emplace_back(text, length);
    return !has_surrogate({text, length});
  }
  bool StartArray() { return open(Json::Kind::kArray); }
  bool StartObject() { return open(Json::Kind::kObject); }
  bool EndArray(rapidjson::SizeType /*items*/) { return close(); }
  bool EndObject(rapidjson::SizeType /*members*/) { return close(); }

  [[nodiscard]] const Json& root() const { return root_; }

 private:
  // Of a pair's halves RapidJSON refuses only the first one alone: "\ude00" becomes bytes that are no UTF-8.
  static bool has_surrogate(std::string_view text) {
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
      if (text[i] == '\xed' && static_cast<unsigned char>(text[i + 1]) >= 0xa0) return true;
    }
    return false;
  }

  bool open(Json::Kind kind) {
    open_.push_back({kind, {}, {}, {}});
    return true;
  }
  bool close() {
    Json done = std::move(open_.back());
    open_.pop_back();
    return put(std::move(done));
  }
  bool put(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  std::vector<Json> open_;
  Json root_;
};

struct JsonText {
  bool valid = false;
  bool too_large = false;  // a number is beyond a double's range, which RapidJSON refuses even as text
  Json root;
};

inline JsonText read_json(const std::string& text) {
  Builder builder;
  rapidjson::Reader reader;
  rapidjson::MemoryStream bytes(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
  constexpr unsigned kFlags = rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, builder);
  // RapidJSON takes a zero byte for the end, and passes over each byte of a byte order mark.
  const bool odd =
      text.find('\0') != std::string::npos || (!text.empty() && static_cast<unsigned char>(text[0]) >= 0x80);
  const bool valid = !result.IsError() && !odd;
  return {valid, result.Code() == rapidjson::kParseErrorNumberTooBig, builder.root()};
}

// A decimal as a person would do it on paper: the digits in a row, the point moved, the rest looked at.
struct SimpleDecimal {
  std::int64_t value = 0;
  bool rounded = false;
};

inline std::optional<SimpleDecimal> simple_decimal(std::string_view json_number, int digits) {
  const bool negative = json_number.starts_with('-');
  if (negative) json_number.remove_prefix(1);
  const std::size_t e = std::min(json_number.find_first_of("eE"), json_number.size());
  std::string_view exponent_text = json_number.substr(std::min(e + 1, json_number.size()));
  if (exponent_text.starts_with('+')) exponent_text.remove_prefix(1);
  std::int64_t exponent = 0;
  const auto read = std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
  constexpr std::int64_t kFar = 10'000'000;  // more than a frame has digits
  if (read.ec == std::errc::result_out_of_range) exponent = exponent_text.starts_with('-') ? -kFar : kFar;
  exponent = std::clamp(exponent, -kFar, kFar);

  std::string row;
  for (const char c : json_number.substr(0, e)) {
    if (c != '.') row.push_back(c);
  }
  const std::size_t point = json_number.substr(0, e).find('.');
  if (point != std::string_view::npos) exponent -= static_cast<std::int64_t>(e - point - 1);
  row.erase(0, row.find_first_not_of('0'));
  if (row.empty()) return SimpleDecimal{};
  // The value is `row` times ten to this power.
  const std::int64_t power = exponent + digits;
  std::string rest;
  if (power >= 0) {
    if (power > 40) return std::nullopt;
    row.append(static_cast<std::size_t>(power), '0');
  } else {
    const auto cut = static_cast<std::size_t>(-power);
    if (cut > row.size()) return SimpleDecimal{0, true};  // below a tenth of the last place
    rest = row.substr(row.size() - cut);
    row.erase(row.size() - cut);
  }
  const bool rounded = rest.find_first_not_of('0') != std::string::npos;
  const bool half = rest.starts_with('5') && rest.find_first_not_of('0', 1) == std::string::npos;
  const bool odd = !row.empty() && (row.back() - '0') % 2 == 1;
  if (half ? odd : rest > "5") {
    row.insert(0, 1, '0');
    std::size_t at = row.size() - 1;
    for (; row[at] == '9'; --at) row[at] = '0';
    ++row[at];
    row.erase(0, row.find_first_not_of('0'));
  }
  if (row.empty()) return SimpleDecimal{0, rounded};
  if (negative) row.insert(0, 1, '-');
  std::int64_t value = 0;
  if (std::from_chars(row.data(), row.data() + row.size(), value).ec != std::errc{}) return std::nullopt;
  return SimpleDecimal{value, rounded};
}

struct SimpleTrade {
  std::string symbol;
  std::int64_t time = 0, price = 0, volume = 0;
  std::string conditions;  // "absent", "null" or "[codes]"

  bool operator==(const SimpleTrade&) const = default;
};

struct Outcome {
  ParsedFrame::Kind kind = ParsedFrame::Kind::kBad;
  std::vector<SimpleTrade> trades;
  std::size_t bad = 0;

  bool operator==(const Outcome&) const = default;
};

class SimpleReader {
 public:
  // nullopt: a number is beyond a double's range, which RapidJSON refuses even as text.
  static std::optional<Outcome> read(const std::string& frame) {
    Outcome outcome;
    const JsonText read = read_json(frame);
    if (read.too_large) return std::nullopt;
    const Json& json = read.root;
    if (!read.valid || json.kind != Json::Kind::kObject || depth(json) > 16) return outcome;
    const Json* type = last(json, "type");
    if (type == nullptr || type->kind != Json::Kind::kString) return outcome;
    if (type->text == "ping") outcome.kind = ParsedFrame::Kind::kPing;
    if (type->text == "error") outcome.kind = ParsedFrame::Kind::kError;
    if (type->text == "news" || type->text == "pr") outcome.kind = ParsedFrame::Kind::kIgnored;
    const Json* data = last(json, "data");
    if (type->text != "trade" || data == nullptr || data->kind != Json::Kind::kArray) return outcome;
    outcome.kind = ParsedFrame::Kind::kTrades;
    for (const Json& element : data->items) {
      if (auto trade = read_trade(element)) {
        outcome.trades.push_back(*std::move(trade));
      } else {
        ++outcome.bad;
      }
    }
    return outcome;
  }

 private:
  static int depth(const Json& value) {
    if (value.kind != Json::Kind::kArray && value.kind != Json::Kind::kObject) return 0;
    int deepest = 0;
    for (const Json& item : value.items) deepest = std::max(deepest, depth(item));
    return deepest + 1;
  }

  static const Json* last(const Json& object, std::string_view key) {
    const Json* found = nullptr;
    for (std::size_t i = 0; i < object.keys.size(); ++i) {
      if (object.keys[i] == key) found = &object.items[i];
    }
    return found;
  }

  static std::optional<std::int64_t> number(const Json* value, int digits, bool exact) {
    if (value == nullptr || value->kind != Json::Kind::kNumber) return std::nullopt;
    const auto parsed = simple_decimal(value->text, digits);
    if (!parsed || parsed->value < 0 || (exact && parsed->rounded)) return std::nullopt;
    if (value->text.starts_with('-') && parsed->rounded) return std::nullopt;
    return parsed->value;
  }

  static bool printable(std::string_view text, char lowest) {
    for (const char c : text) {
      if (c < lowest || c > '~') return false;
    }
    return true;
  }

  static std::optional<std::string> conditions(const Json* value) {
    if (value == nullptr) return "absent";
    if (value->kind == Json::Kind::kNull) return "null";
    if (value->kind != Json::Kind::kArray || value->items.size() > 32) return std::nullopt;
    std::string joined;
    for (const Json& code : value->items) {
      if (code.kind != Json::Kind::kString || code.text.empty() || code.text.size() > 16 ||
          !printable(code.text, '!')) {
        return std::nullopt;
      }
      joined += (joined.empty() ? "" : " ") + code.text;
    }
    return "[" + joined + "]";
  }

  static std::optional<SimpleTrade> read_trade(const Json& element) {
    if (element.kind != Json::Kind::kObject) return std::nullopt;
    const Json* symbol = last(element, "s");
    const auto price = number(last(element, "p"), 9, false);
    const auto volume = number(last(element, "v"), 8, false);
    // Event times may be before 1970.
    const Json* time_text = last(element, "t");
    if (time_text == nullptr || time_text->kind != Json::Kind::kNumber) return std::nullopt;
    const auto time = simple_decimal(time_text->text, 0);
    const auto codes = conditions(last(element, "c"));
    if (symbol == nullptr || symbol->kind != Json::Kind::kString || !price || !volume || !time || time->rounded ||
        !codes) {
      return std::nullopt;
    }
    const std::string_view name = symbol->text;
    if (name.empty() || name.size() > 64 || name.front() == ' ' || name.back() == ' ' || !printable(name, ' ')) {
      return std::nullopt;
    }
    if (time->value > kMaxTimeMs || time->value < -kMaxTimeMs) return std::nullopt;
    if (static_cast<long double>(*price) * static_cast<long double>(*volume) >= 0x1p100L) return std::nullopt;
    return SimpleTrade{std::string(name), time->value, *price, *volume, *codes};
  }
};

inline Outcome outcome_of(const ParsedFrame& parsed) {
  Outcome outcome;
  outcome.kind = parsed.kind;
  if (parsed.kind == ParsedFrame::Kind::kBad) return outcome;
  outcome.bad = parsed.bad.size();
  for (const Trade& trade : parsed.trades) {
    const std::string_view codes = trade.conditions.codes;
    const std::string form = trade.conditions.form == Conditions::Form::kAbsent ? "absent"
                             : trade.conditions.form == Conditions::Form::kNull ? "null"
                                                                                : "[" + std::string(codes) + "]";
    outcome.trades.push_back({std::string(trade.symbol), trade.event_time_ms, trade.price_e9, trade.volume_e8, form});
  }
  return outcome;
}

// The same JSON with a space behind each comma between values, which makes the parser go the long way.
inline std::string spaced(const std::string& frame) {
  std::string result;
  bool inside = false;
  for (std::size_t i = 0; i < frame.size(); ++i) {
    result.push_back(frame[i]);
    if (inside && frame[i] == '\\' && i + 1 < frame.size()) {
      result.push_back(frame[++i]);
    } else if (frame[i] == '"') {
      inside = !inside;
    } else if (!inside && (frame[i] == ',' || frame[i] == '{')) {
      result.push_back(' ');
    }
  }
  return result;
}

}  // namespace finpipe
