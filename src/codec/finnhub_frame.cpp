#include "codec/finnhub_frame.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/decimal.h"
#include "codec/plain_frame.h"
#include "codec/trade_rules.h"

namespace finpipe {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;
using simdjson::SUCCESS;

constexpr std::size_t kPadding = simdjson::SIMDJSON_PADDING;

// What simdjson's errors do not tell by themselves: the walk stopped at the depth limit.
constexpr error_code kNestsTooDeep = simdjson::DEPTH_ERROR;

std::string_view trim_right(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\n\r");
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

bool starts_number(std::string_view token) {
  return !token.empty() && (token.front() == '-' || (token.front() >= '0' && token.front() <= '9'));
}

// Whether a token that is no string, array or object is one whole JSON value.
bool is_scalar(std::string_view token) {
  return token == "null" || token == "true" || token == "false" || is_json_number(token);
}

error_code check_value(ondemand::value value, int depth);

// On-Demand checks only what is read, so everything is: what is not JSON must not pass because nobody looked.
error_code check_array(ondemand::array array, int depth) {
  if (depth > kMaxFrameDepth) return kNestsTooDeep;
  for (auto item : array) {
    ondemand::value value;
    if (const error_code error = std::move(item).get(value)) return error;
    if (const error_code error = check_value(value, depth + 1)) return error;
  }
  return SUCCESS;
}

error_code check_object(ondemand::object object, int depth) {
  if (depth > kMaxFrameDepth) return kNestsTooDeep;
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return error;
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return error;
    if (const error_code error = check_value(value, depth + 1)) return error;
  }
  return SUCCESS;
}

// `depth` is the level that an array or object here would be, from 1.
error_code check_value(ondemand::value value, int depth) {
  ondemand::json_type type;
  if (const error_code error = value.type().get(type)) return error;
  switch (type) {
    case ondemand::json_type::array: {
      ondemand::array array;
      if (const error_code error = value.get_array().get(array)) return error;
      return check_array(array, depth);
    }
    case ondemand::json_type::object: {
      ondemand::object object;
      if (const error_code error = value.get_object().get(object)) return error;
      return check_object(object, depth);
    }
    case ondemand::json_type::string: {
      std::string_view text;
      return value.get_string().get(text);
    }
    default: return is_scalar(trim_right(value.raw_json_token())) ? SUCCESS : simdjson::TAPE_ERROR;
  }
}

// A number of a trade, as far as it could be read.
struct Number {
  enum class State { kMissing, kWrongType, kOutOfRange, kRead };
  State state = State::kMissing;
  bool rounded = false;
  bool negative = false;  // below zero, be it by less than the decimal holds
  std::int64_t value = 0;
};

error_code read_number(ondemand::value value, int digits, int depth, Number& number) {
  number = {};
  const std::string_view token = trim_right(value.raw_json_token());
  if (!starts_number(token)) {
    number.state = Number::State::kWrongType;
    return check_value(value, depth);
  }
  if (const auto parsed = parse_decimal(token, digits)) {
    const bool negative = token.front() == '-' && (parsed->value != 0 || parsed->rounded);
    number = {Number::State::kRead, parsed->rounded, negative, parsed->value};
    return SUCCESS;
  }
  number.state = Number::State::kOutOfRange;
  return is_json_number(token) ? SUCCESS : simdjson::NUMBER_ERROR;
}

struct Symbol {
  enum class State { kMissing, kWrongType, kRead };
  State state = State::kMissing;
  std::string_view text;
};

error_code read_symbol(ondemand::value value, int depth, Symbol& symbol) {
  symbol = {};
  if (value.raw_json_token().front() != '"') {
    symbol.state = Symbol::State::kWrongType;
    return check_value(value, depth);
  }
  symbol.state = Symbol::State::kRead;
  return value.get_string().get(symbol.text);
}

struct ConditionList {
  Conditions conditions;
  std::optional<ErrorCode> broken;
};

// The fields of one trade before they are judged: a key may come again and then replaces what was read.
struct Fields {
  Symbol symbol;
  Number price, volume, time;
  ConditionList conditions;
};

struct Problem {
  ErrorCode reason;
  std::string detail;
};

std::optional<Problem> problem_of(const Number& number, std::string_view key, ErrorCode below_zero) {
  switch (number.state) {
    case Number::State::kMissing: return Problem{ErrorCode::kMissingField, fmt::format("{} is missing", key)};
    case Number::State::kWrongType: return Problem{ErrorCode::kWrongType, fmt::format("{} is no number", key)};
    case Number::State::kOutOfRange: return Problem{ErrorCode::kNumberOutOfRange, fmt::format("{} does not fit", key)};
    case Number::State::kRead: break;
  }
  if (number.negative) return Problem{below_zero, fmt::format("{} is below zero", key)};
  return std::nullopt;
}

std::optional<Problem> problem_of_time(const Number& time) {
  if (time.state == Number::State::kRead && time.rounded) {
    return Problem{ErrorCode::kWrongType, "t is no whole number of milliseconds"};
  }
  if (time.state == Number::State::kRead) return std::nullopt;
  return problem_of(time, "t", ErrorCode::kNumberOutOfRange);
}

std::optional<Problem> problem_of(const Symbol& symbol) {
  if (symbol.state == Symbol::State::kMissing) return Problem{ErrorCode::kMissingField, "s is missing"};
  if (symbol.state == Symbol::State::kWrongType) return Problem{ErrorCode::kWrongType, "s is no string"};
  return std::nullopt;
}

std::string detail_of(ErrorCode rule, const Trade& trade) {
  if (rule == ErrorCode::kBadSymbol) return fmt::format("s has {} bytes", trade.symbol.size());
  return is_time_ms(trade.event_time_ms) ? "p times v is too large" : "t is after the year 9999";
}

}  // namespace

class FrameParser::Reader {
 public:
  const ParsedFrame& parse(std::string_view frame) {
    trades_.clear();
    bad_.clear();
    text_.clear();
    result_ = {};
    if (frame.size() > kMaxFrameBytes) {
      return bad_frame(ErrorCode::kFrameTooLarge, fmt::format("{} bytes", frame.size()), frame);
    }
    bytes_ = copy(frame);
    if (read_plain_frame(bytes_, trades_, text_)) {
      result_.kind = ParsedFrame::Kind::kTrades;
      result_.trades = trades_;
      return result_;
    }
    trades_.clear();
    text_.clear();
    error_code error = json_.iterate(bytes_.data(), bytes_.size(), bytes_.size() + kPadding).get(document_);
    if (!error) error = read_root();
    if (error == kNestsTooDeep) {
      return bad_frame(ErrorCode::kTooDeep, fmt::format("more than {} levels", kMaxFrameDepth), bytes_);
    }
    if (error) return bad_frame(ErrorCode::kBadJson, simdjson::error_message(error), bytes_);
    return judge_frame();
  }

 private:
  enum class Member { kMissing, kWrongType, kRead };

  // simdjson reads past the end, so the frame needs room behind it; joined conditions never take more than the frame.
  std::string_view copy(std::string_view frame) {
    if (buffer_.size() < frame.size() + kPadding) buffer_.resize(2 * frame.size() + kPadding);
    std::memcpy(buffer_.data(), frame.data(), frame.size());
    std::memset(buffer_.data() + frame.size(), 0, kPadding);
    text_.reserve(frame.size());
    return {buffer_.data(), frame.size()};
  }

  const ParsedFrame& bad_frame(ErrorCode reason, std::string detail, std::string_view raw) {
    trades_.clear();
    bad_.clear();
    bad_.push_back({reason, std::move(detail), raw, 0});
    result_ = {};
    result_.bad = bad_;
    return result_;
  }

  // `type` comes last in real frames, so `data` is read as trades before it is known whether it holds any.
  const ParsedFrame& judge_frame() {
    if (!is_object_) return bad_frame(ErrorCode::kUnknownFrame, "no object", bytes_);
    if (type_state_ == Member::kMissing) return bad_frame(ErrorCode::kUnknownFrame, "no type", bytes_);
    if (type_state_ == Member::kWrongType) return bad_frame(ErrorCode::kUnknownFrame, "type is no string", bytes_);
    if (type_ == "trade") {
      if (data_state_ == Member::kMissing) return bad_frame(ErrorCode::kMissingField, "data is missing", bytes_);
      if (data_state_ == Member::kWrongType) return bad_frame(ErrorCode::kWrongType, "data is no list", bytes_);
      result_.kind = ParsedFrame::Kind::kTrades;
      result_.trades = trades_;
      result_.bad = bad_;
      return result_;
    }
    result_ = {};
    if (type_ == "ping") {
      result_.kind = ParsedFrame::Kind::kPing;
    } else if (type_ == "error") {
      result_.kind = ParsedFrame::Kind::kError;
      result_.message = message_;
    } else if (type_ == "news" || type_ == "pr") {
      result_.kind = ParsedFrame::Kind::kIgnored;
    } else {
      return bad_frame(ErrorCode::kUnknownFrame, fmt::format("type \"{}\"", type_.substr(0, 64)), bytes_);
    }
    return result_;
  }

  error_code read_root() {
    type_state_ = data_state_ = Member::kMissing;
    message_ = {};
    ondemand::json_type type;
    if (const error_code error = document_.type().get(type)) return error;
    is_object_ = type == ondemand::json_type::object;
    if (!is_object_) {
      if (const error_code error = check_other_root(type)) return error;
    } else {
      ondemand::object root;
      if (const error_code error = document_.get_object().get(root)) return error;
      for (auto field : root) {
        if (const error_code error = read_member(field)) return error;
      }
    }
    const char* next = nullptr;
    return document_.current_location().get(next) == simdjson::OUT_OF_BOUNDS ? SUCCESS : simdjson::TRAILING_CONTENT;
  }

  error_code check_other_root(ondemand::json_type type) {
    if (type == ondemand::json_type::array) {
      ondemand::array array;
      if (const error_code error = document_.get_array().get(array)) return error;
      return check_array(array, 1);
    }
    if (type == ondemand::json_type::string) {
      std::string_view text;
      return document_.get_string().get(text);
    }
    std::string_view token;
    if (const error_code error = document_.raw_json_token().get(token)) return error;
    if (!is_scalar(trim_right(token))) return simdjson::TAPE_ERROR;
    bool is_null = false;
    double number = 0;
    if (type == ondemand::json_type::null) return document_.is_null().get(is_null);
    if (type == ondemand::json_type::boolean) return document_.get_bool().get(is_null);
    return document_.get_double().get(number);
  }

  error_code read_member(simdjson::simdjson_result<ondemand::field>& field) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key)) return error;
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return error;
    if (key == "data") return read_data(value);
    if (key == "type") return read_text(value, type_state_, type_);
    if (key == "msg") {
      Member state = Member::kMissing;
      message_ = {};
      return read_text(value, state, message_);
    }
    return check_value(value, 2);
  }

  static error_code read_text(ondemand::value value, Member& state, std::string_view& text) {
    const bool is_string = value.raw_json_token().front() == '"';
    state = is_string ? Member::kRead : Member::kWrongType;
    return is_string ? value.get_string().get(text) : check_value(value, 2);
  }

  error_code read_data(ondemand::value value) {
    trades_.clear();
    bad_.clear();
    result_.rounded = 0;
    data_state_ = Member::kWrongType;
    if (value.raw_json_token().front() != '[') return check_value(value, 2);
    data_state_ = Member::kRead;
    ondemand::array array;
    if (const error_code error = value.get_array().get(array)) return error;
    for (auto item : array) {
      ondemand::value element;
      if (const error_code error = std::move(item).get(element)) return error;
      if (const error_code error = read_element(element)) return error;
    }
    return SUCCESS;
  }

  error_code read_element(ondemand::value element) {
    const char* begin = element.raw_json_token().data();
    if (*begin != '{') {
      const std::string_view token = trim_right(element.raw_json_token());
      if (const error_code error = check_value(element, 3)) return error;
      if (*begin != '[') return put_bad({ErrorCode::kWrongType, "no object"}, token);
      return put_bad_from(begin, {ErrorCode::kWrongType, "no object"});
    }
    ondemand::object object;
    if (const error_code error = element.get_object().get(object)) return error;
    Fields fields;
    for (auto field : object) {
      if (const error_code error = read_field(field, fields)) return error;
    }
    if (auto problem = judge_trade(fields)) return put_bad_from(begin, std::move(*problem));
    return SUCCESS;
  }

  error_code read_field(simdjson::simdjson_result<ondemand::field>& field, Fields& fields) {
    ondemand::raw_json_string raw_key;
    if (const error_code error = field.key().get(raw_key)) return error;
    char key = '\0';
    if (raw_key.raw()[0] != '\\' && raw_key.raw()[1] == '"') {
      key = raw_key.raw()[0];
    } else {
      std::string_view text;
      if (const error_code error = field.unescaped_key().get(text)) return error;
      if (text.size() == 1) key = text.front();
    }
    ondemand::value value;
    if (const error_code error = field.value().get(value)) return error;
    switch (key) {
      case 'c': return read_conditions(value, fields.conditions);
      case 'p': return read_number(value, kPriceDigits, 4, fields.price);
      case 's': return read_symbol(value, 4, fields.symbol);
      case 't': return read_number(value, 0, 4, fields.time);
      case 'v': return read_number(value, kVolumeDigits, 4, fields.volume);
      default: return check_value(value, 4);
    }
  }

  error_code read_conditions(ondemand::value value, ConditionList& list) {
    list = {};
    const std::string_view token = value.raw_json_token();
    if (trim_right(token) == "null") {
      list.conditions.form = Conditions::Form::kNull;
      return SUCCESS;
    }
    if (token.front() != '[') {
      list.broken = ErrorCode::kWrongType;
      return check_value(value, 4);
    }
    ondemand::array array;
    if (const error_code error = value.get_array().get(array)) return error;
    const std::size_t begin = text_.size();
    std::size_t count = 0;
    for (auto item : array) {
      ondemand::value element;
      if (const error_code error = std::move(item).get(element)) return error;
      if (element.raw_json_token().front() != '"') {
        list.broken = ErrorCode::kWrongType;
        if (const error_code error = check_value(element, 5)) return error;
        continue;
      }
      std::string_view code;
      if (const error_code error = element.get_string().get(code)) return error;
      if (!list.broken && (++count > kMaxConditions || !is_condition(code))) list.broken = ErrorCode::kBadConditions;
      if (list.broken) continue;
      if (text_.size() != begin) text_.push_back(' ');
      text_.append(code);
    }
    list.conditions = {Conditions::Form::kList, std::string_view(text_).substr(begin)};
    return SUCCESS;
  }

  // Keeps the trade, or says what is wrong with it.
  std::optional<Problem> judge_trade(const Fields& fields) {
    if (auto problem = problem_of(fields.symbol)) return problem;
    if (auto problem = problem_of(fields.price, "p", ErrorCode::kBadPrice)) return problem;
    if (auto problem = problem_of(fields.volume, "v", ErrorCode::kBadVolume)) return problem;
    if (auto problem = problem_of_time(fields.time)) return problem;
    if (fields.conditions.broken) {
      return Problem{*fields.conditions.broken, fmt::format("c is no list of at most {} short codes", kMaxConditions)};
    }
    Trade& trade = trades_.emplace_back();
    trade.symbol = fields.symbol.text;
    trade.event_time_ms = fields.time.value;
    trade.price_e9 = fields.price.value;
    trade.volume_e8 = fields.volume.value;
    trade.conditions = fields.conditions.conditions;
    if (const auto rule = broken_rule(trade)) {
      Problem problem{*rule, detail_of(*rule, trade)};
      trades_.pop_back();
      return problem;
    }
    result_.rounded += (fields.price.rounded ? 1U : 0U) + (fields.volume.rounded ? 1U : 0U);
    return std::nullopt;
  }

  error_code put_bad(Problem problem, std::string_view raw) {
    bad_.push_back({problem.reason, std::move(problem.detail), raw, trades_.size() + bad_.size()});
    return SUCCESS;
  }

  // Of an element that has been walked to its end: the document stands at what follows it.
  error_code put_bad_from(const char* begin, Problem problem) {
    const char* next = nullptr;
    if (const error_code error = document_.current_location().get(next)) return error;
    return put_bad(std::move(problem), trim_right({begin, static_cast<std::size_t>(next - begin)}));
  }

  ondemand::parser json_;
  ondemand::document document_;
  std::vector<char> buffer_;  // the frame and simdjson's padding
  std::string_view bytes_;    // the frame in it
  std::string text_;          // joined conditions
  std::vector<Trade> trades_;
  std::vector<BadElement> bad_;
  ParsedFrame result_;
  // Members of the root object.
  bool is_object_ = false;
  Member type_state_ = Member::kMissing;
  Member data_state_ = Member::kMissing;
  std::string_view type_;
  std::string_view message_;
};

FrameParser::FrameParser() : reader_(std::make_unique<Reader>()) {}
FrameParser::FrameParser(FrameParser&&) noexcept = default;
FrameParser& FrameParser::operator=(FrameParser&&) noexcept = default;
FrameParser::~FrameParser() = default;

const ParsedFrame& FrameParser::parse(std::string_view frame) { return reader_->parse(frame); }

}  // namespace finpipe
