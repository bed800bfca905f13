// The frame parser against a simple reader of the same rules that shares no code with it (RapidJSON's DOM, numbers kept
// as text), on real frames with random changes. Frames in their plain form go the parser's short way, so each is also
// read with spaces in it, which go the long way: both must tell the same.
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/error/error.h>

#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "base/decimal.h"
#include "base/random.h"
#include "base/time.h"
#include "codec/finnhub_frame.h"

namespace finpipe {
namespace {

using Json = rapidjson::Value;

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

std::string_view text_of(const Json& value) { return {value.GetString(), value.GetStringLength()}; }

// With kParseNumbersAsStringsFlag numbers and strings look alike, so strings are told by the quote in front of them.
class SimpleReader {
 public:
  // nullopt: a number is beyond a double's range, which RapidJSON refuses even as text.
  static std::optional<Outcome> read(const std::string& frame) {
    Outcome outcome;
    std::string text = marked(frame);
    rapidjson::Document json;
    json.ParseInsitu<rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag>(text.data());
    if (json.GetParseError() == rapidjson::kParseErrorNumberTooBig) return std::nullopt;
    if (json.HasParseError() || !json.IsObject() || depth(json) > 16) return outcome;
    const Json* type = last(json, "\x01type");
    if (type == nullptr || !is_string(*type)) return outcome;
    if (content(*type) == "ping") outcome.kind = ParsedFrame::Kind::kPing;
    if (content(*type) == "error") outcome.kind = ParsedFrame::Kind::kError;
    if (content(*type) == "news" || content(*type) == "pr") outcome.kind = ParsedFrame::Kind::kIgnored;
    const Json* data = last(json,
                            "\x01"
                            "data");
    if (content(*type) != "trade" || data == nullptr || !data->IsArray()) return outcome;
    outcome.kind = ParsedFrame::Kind::kTrades;
    for (const Json& element : data->GetArray()) {
      if (auto trade = read_trade(element)) {
        outcome.trades.push_back(*std::move(trade));
      } else {
        ++outcome.bad;
      }
    }
    return outcome;
  }

 private:
  // The frame with the byte 1 (as an escape) at the beginning of every string.
  static std::string marked(const std::string& frame) {
    std::string result;
    bool inside = false;
    for (std::size_t i = 0; i < frame.size(); ++i) {
      result.push_back(frame[i]);
      if (inside && frame[i] == '\\' && i + 1 < frame.size()) {
        result.push_back(frame[++i]);
      } else if (frame[i] == '"') {
        inside = !inside;
        if (inside) result += "\\u0001";
      }
    }
    return result;
  }
  static bool is_string(const Json& value) { return value.IsString() && text_of(value).starts_with('\x01'); }
  static bool is_number(const Json& value) { return value.IsString() && !text_of(value).starts_with('\x01'); }
  static std::string_view content(const Json& value) { return text_of(value).substr(1); }

  static int depth(const Json& value) {
    int deepest = 0;
    if (value.IsArray()) {
      for (const Json& item : value.GetArray()) deepest = std::max(deepest, depth(item));
      return deepest + 1;
    }
    if (!value.IsObject()) return 0;
    for (const auto& member : value.GetObject()) deepest = std::max(deepest, depth(member.value));
    return deepest + 1;
  }

  static const Json* last(const Json& object, std::string_view key) {
    const Json* found = nullptr;
    for (const auto& member : object.GetObject()) {
      if (text_of(member.name) == key) found = &member.value;
    }
    return found;
  }

  static std::optional<std::int64_t> number(const Json* value, int digits, bool exact) {
    if (value == nullptr || !is_number(*value)) return std::nullopt;
    const auto parsed = parse_decimal(text_of(*value), digits);
    if (!parsed || parsed->value < 0 || (exact && parsed->rounded)) return std::nullopt;
    if (text_of(*value).starts_with('-') && parsed->rounded) return std::nullopt;
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
    if (value->IsNull()) return "null";
    if (!value->IsArray() || value->Size() > 32) return std::nullopt;
    std::string joined;
    for (const Json& code : value->GetArray()) {
      if (!is_string(code) || content(code).empty() || content(code).size() > 16 || !printable(content(code), '!')) {
        return std::nullopt;
      }
      joined += (joined.empty() ? "" : " ") + std::string(content(code));
    }
    return "[" + joined + "]";
  }

  static std::optional<SimpleTrade> read_trade(const Json& element) {
    if (!element.IsObject()) return std::nullopt;
    const Json* symbol = last(element, "\x01s");
    const auto price = number(last(element, "\x01p"), 9, false);
    const auto volume = number(last(element, "\x01v"), 8, false);
    // Event times may be before 1970.
    const Json* time_text = last(element, "\x01t");
    if (time_text == nullptr || !is_number(*time_text)) return std::nullopt;
    const auto time = parse_decimal(text_of(*time_text), 0);
    const auto codes = conditions(last(element,
                                       "\x01"
                                       "c"));
    if (symbol == nullptr || !is_string(*symbol) || !price || !volume || !time || time->rounded || !codes) {
      return std::nullopt;
    }
    const std::string_view name = content(*symbol);
    if (name.empty() || name.size() > 64 || name.front() == ' ' || name.back() == ' ' || !printable(name, ' ')) {
      return std::nullopt;
    }
    if (time->value > kMaxTimeMs || time->value < -kMaxTimeMs) return std::nullopt;
    if (static_cast<long double>(*price) * static_cast<long double>(*volume) >= 0x1p100L) return std::nullopt;
    return SimpleTrade{std::string(name), time->value, *price, *volume, *codes};
  }
};

Outcome outcome_of(const ParsedFrame& parsed) {
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

std::vector<std::string> real_frames() {
  std::vector<std::string> frames;
  for (const char* name : {"finnhub.tape", "binance.tape"}) {
    std::ifstream file(std::string(FINPIPE_SOURCE_DIR) + "/data/" + name);
    std::size_t taken = 0;
    for (std::string line; taken < 200 && std::getline(file, line); ++taken)
      frames.push_back(line.substr(line.find('{')));
  }
  frames.emplace_back(R"({"data":[{"p":280.235,"s":"SPY","t":1587739079469,"v":100}],"type":"trade"})");
  frames.emplace_back(R"({"msg":"Invalid symbol OANDA:EUR_USD","type":"error"})");
  return frames;
}

// Pieces that are likely to matter when they turn up in the wrong place.
const std::vector<std::string> kPieces = {"null",
                                          "true",
                                          "[",
                                          "]",
                                          "{",
                                          "}",
                                          ",",
                                          ":",
                                          "\"",
                                          "\\",
                                          "\\u0041",
                                          "-",
                                          "0",
                                          "00",
                                          "1e3",
                                          "1e-3",
                                          ".",
                                          ".5",
                                          "e",
                                          "E+",
                                          " ",
                                          "\n",
                                          "\t",
                                          "\x7f",
                                          "\xc3\xa9",
                                          "\xff",
                                          "\"c\"",
                                          "\"p\":",
                                          "\"v\":-1",
                                          "\"s\":\" A\"",
                                          "99999999999",
                                          "NaN",
                                          "[]",
                                          "{}",
                                          "\"x\":[{}],",
                                          "0.0000000005",
                                          "123456789.123456789123",
                                          "\"type\":\"ping\",",
                                          "\"data\":5,",
                                          "[\"\"]",
                                          "1 ",
                                          "nul"};

std::string mutate(std::string frame, Random& random) {
  for (std::uint64_t changes = 1 + random.below(3); changes > 0 && !frame.empty(); --changes) {
    const std::size_t at = random.below(frame.size());
    switch (random.below(5)) {
      case 0: frame.erase(at, 1 + random.below(4)); break;
      case 1: frame[at] = static_cast<char>(random.between(1, 255)); break;
      case 2: frame.insert(at, kPieces[random.below(kPieces.size())]); break;
      case 3:
        frame.replace(at, std::min<std::size_t>(1 + random.below(6), frame.size() - at),
                      kPieces[random.below(kPieces.size())]);
        break;
      default: frame.insert(at, frame.substr(random.below(frame.size()), random.below(40))); break;
    }
  }
  return frame;
}

// The same JSON with a space behind each comma between values, which makes the parser go the long way.
std::string spaced(const std::string& frame) {
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

TEST(FrameParserAgainstASimpleReader, TellsTheSameOfRealAndDamagedFrames) {
  Random random(41);
  const std::vector<std::string> frames = real_frames();
  FrameParser parser;
  std::size_t bad_frames = 0, bad_trades = 0, good_trades = 0;
  for (int i = 0; i < 60'000; ++i) {
    const std::string& original = frames[random.below(frames.size())];
    const std::string frame = i % 10 == 0 ? original : mutate(original, random);
    const Outcome told = outcome_of(parser.parse(frame));
    ASSERT_EQ(outcome_of(parser.parse(spaced(frame))), told) << spaced(frame);
    const auto expected = SimpleReader::read(frame);
    ASSERT_EQ(told, expected.value_or(told)) << frame;
    bad_frames += told.kind == ParsedFrame::Kind::kBad ? 1U : 0U;
    bad_trades += told.bad;
    good_trades += told.trades.size();
  }
  EXPECT_GT(bad_frames, 10'000);
  EXPECT_GT(bad_trades, 1'000);
  EXPECT_GT(good_trades, 40'000);
}

}  // namespace
}  // namespace finpipe
