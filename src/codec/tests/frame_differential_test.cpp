// The frame parser against a simple reader of the same rules that shares no code with it (RapidJSON's reader, numbers
// kept as text), on real frames with random changes. Frames in their plain form go the parser's short way, so each is
// also read with spaces in it, which go the long way: both must tell the same.
#include <gtest/gtest.h>
#include <rapidjson/encodedstream.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/decimal.h"
#include "base/random.h"
#include "base/time.h"
#include "codec/finnhub_frame.h"

namespace finpipe {
namespace {

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
    return put({Json::Kind::kString, {text, length}, {}, {}});
  }
  bool Key(const char* text, rapidjson::SizeType length, bool /*copy*/) {
    open_.back().keys.emplace_back(text, length);
    return true;
  }
  bool StartArray() { return open(Json::Kind::kArray); }
  bool StartObject() { return open(Json::Kind::kObject); }
  bool EndArray(rapidjson::SizeType /*items*/) { return close(); }
  bool EndObject(rapidjson::SizeType /*members*/) { return close(); }

  [[nodiscard]] const Json& root() const { return root_; }

 private:
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
    Builder builder;
    rapidjson::Reader reader;
    rapidjson::MemoryStream bytes(frame.data(), frame.size());
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
    constexpr unsigned kFlags = rapidjson::kParseNumbersAsStringsFlag | rapidjson::kParseValidateEncodingFlag;
    const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, builder);
    if (result.Code() == rapidjson::kParseErrorNumberTooBig) return std::nullopt;
    const Json& json = builder.root();
    if (!result || json.kind != Json::Kind::kObject || depth(json) > 16) return outcome;
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
    const auto parsed = parse_decimal(value->text, digits);
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
    const auto time = parse_decimal(time_text->text, 0);
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
