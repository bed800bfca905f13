#include "codec/raw_trade.h"

namespace finpipe {

std::string_view raw_trade(std::string_view frame, std::size_t position) {
  // Only the vendor's own form is taken apart: {"data":[{...},{...}], ...}. Text in quotes has no structure.
  if (!frame.starts_with(R"({"data":[{)")) return frame;
  int depth = 0;
  std::size_t begin = std::string_view::npos;
  bool quoted = false;
  for (std::size_t i = 0; i < frame.size(); ++i) {
    const char c = frame[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
      continue;
    }
    if (c == '"') quoted = true;
    if (depth == 2 && c != ',' && c != '{' && c != ']') return frame;
    if (c == '{' || c == '[') {
      ++depth;
      if (depth == 3) begin = i;
    } else if (c == '}' || c == ']') {
      if (depth == 3 && position-- == 0) return frame.substr(begin, i - begin + 1);
      --depth;
    }
  }
  return frame;
}

}  // namespace finpipe
