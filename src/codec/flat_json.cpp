#include "codec/flat_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <iterator>
#include <ranges>

#include "base/utf8.h"

namespace finpipe {
namespace {

namespace dom = simdjson::dom;

// Stands for itself in a JSON string.
bool is_plain(char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

std::vector<std::string> strings_of(dom::array array) {
  std::vector<std::string> strings;
  for (const dom::element element : array) {
    if (element.is_string()) strings.emplace_back(std::string_view(element));
  }
  return strings;
}

}  // namespace

Result<FlatJson> FlatJson::parse(std::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes) return fail(ErrorCode::kFrameTooLarge, fmt::format("{} bytes", text.size()));
  dom::parser parser;
  dom::element root;
  auto error = parser.allocate(text.size() + 1, kMaxFlatJsonDepth);
  if (error == simdjson::SUCCESS) error = parser.parse(text.data(), text.size()).get(root);
  if (error == simdjson::DEPTH_ERROR) return fail(ErrorCode::kTooDeep);
  if (error != simdjson::SUCCESS) return fail(ErrorCode::kBadJson, simdjson::error_message(error));
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return fail(ErrorCode::kBadJson, "no object");

  FlatJson json;
  for (const dom::key_value_pair member : object) {
    Value& value = json.members_.emplace_back(member.key, Value{}).second;
    switch (member.value.type()) {
      case dom::element_type::STRING: value = std::string(std::string_view(member.value)); break;
      case dom::element_type::INT64: value = std::int64_t(member.value); break;
      case dom::element_type::BOOL: value = bool(member.value); break;
      case dom::element_type::ARRAY: value = strings_of(dom::array(member.value)); break;
      default: break;
    }
  }
  return json;
}

std::vector<std::string_view> FlatJson::names() const {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : members_) names.push_back(name);
  return names;
}

const FlatJson::Value* FlatJson::find(std::string_view key) const {
  for (const auto& [name, value] : std::views::reverse(members_)) {
    if (name == key) return &value;
  }
  return nullptr;
}

std::optional<std::string_view> FlatJson::string(std::string_view key) const {
  const Value* value = find(key);
  const auto* text = value == nullptr ? nullptr : std::get_if<std::string>(value);
  return text == nullptr ? std::nullopt : std::optional<std::string_view>(*text);
}

std::optional<std::int64_t> FlatJson::integer(std::string_view key) const {
  const Value* value = find(key);
  const auto* number = value == nullptr ? nullptr : std::get_if<std::int64_t>(value);
  return number == nullptr ? std::nullopt : std::optional(*number);
}

std::optional<bool> FlatJson::boolean(std::string_view key) const {
  const Value* value = find(key);
  const auto* flag = value == nullptr ? nullptr : std::get_if<bool>(value);
  return flag == nullptr ? std::nullopt : std::optional(*flag);
}

std::vector<std::string> FlatJson::strings(std::string_view key) const {
  const Value* value = find(key);
  const auto* list = value == nullptr ? nullptr : std::get_if<std::vector<std::string>>(value);
  return list == nullptr ? std::vector<std::string>() : *list;
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const auto end = std::ranges::find_if_not(text, is_plain);
    out.append(text.begin(), end);
    text.remove_prefix(static_cast<std::size_t>(end - text.begin()));
    if (text.empty()) break;
    const std::size_t length = utf8_length(text);
    const char first = text.front();
    if (length == 0) {
      out += "\\ufffd";
    } else if (first == '"' || first == '\\') {
      out += '\\';
      out += first;
    } else if (static_cast<unsigned char>(first) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(first));
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

}  // namespace finpipe
