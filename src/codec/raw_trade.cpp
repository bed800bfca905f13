#include "codec/raw_trade.h"

#include <fmt/format.h>

#include <cstddef>
#include <string>

namespace finpipe {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// Whether the text between two quotes is the key "data"; letters may be escaped, as in "d\u0061ta".
bool is_data_key(std::string_view text) {
  for (const char c : std::string_view("data")) {
    const bool escaped = text.starts_with('\\');
    const std::string expected = escaped ? fmt::format("\\u{:04x}", static_cast<unsigned>(c)) : std::string(1, c);
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
  }
  return text.empty();
}

}  // namespace

std::vector<std::string_view> raw_trades(std::string_view frame) {
  std::vector<std::string_view> trades;
  int depth = 0;
  bool in_list = false;           // inside the value of the top-level key "data"
  std::string_view last_text;     // the newest text in quotes at the top level: a key, when a list follows
  std::size_t element_begin = 0;  // in the list
  for (std::size_t i = 0; i < frame.size(); ++i) {
    const char c = frame[i];
    if (c == '"') {
      const std::size_t begin = ++i;
      while (i < frame.size() && frame[i] != '"') i += frame[i] == '\\' ? 2 : 1;
      if (depth == 1 && i < frame.size()) last_text = frame.substr(begin, i - begin);
    } else if (c == '{' || c == '[') {
      ++depth;
      if (depth == 2 && c == '[' && is_data_key(last_text)) {
        in_list = true;
        trades.clear();
        element_begin = i + 1;
      }
    } else if (in_list && depth == 2 && (c == ',' || c == ']')) {
      const std::string_view element = trimmed(frame.substr(element_begin, i - element_begin));
      if (!element.empty()) trades.push_back(element);
      element_begin = i + 1;
      in_list = c == ',';
      if (c == ']') --depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return trades;
}

}  // namespace finpipe
