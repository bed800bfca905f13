#include "simulator/frame_pieces.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <system_error>

namespace finpipe {
namespace {

constexpr std::size_t kMaxTimeDigits = 15;

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
  [[nodiscard]] std::string_view of(std::string_view text) const { return text.substr(begin, end - begin); }
};

// Walks over text that is known to be JSON.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  char peek() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  // Passes over `c`; false when something else comes.
  [[nodiscard]] bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  // Passes over one value of any type.
  Range value() {
    const char first = peek();
    const std::size_t begin = at_;
    if (first == '"') {
      string();
    } else if (first == '{' || first == '[') {
      nested();
    } else {
      at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
    }
    return {begin, at_};
  }
  // Calls `member(key, walker)`, which must pass over the value, for each member of the object that comes.
  template <typename Member>
  [[nodiscard]] bool object(Member member) {
    if (!take('{')) return false;
    if (take('}')) return true;
    do {
      const Range key = value();
      if (key.end < key.begin + 2 || !take(':')) return false;
      if (!member(text_.substr(key.begin + 1, key.end - key.begin - 2), *this)) return false;
    } while (take(','));
    return take('}');
  }
  [[nodiscard]] std::size_t at() const { return at_; }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

  void string() {
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_ + 1, text_.size());
  }
  void nested() {
    int depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        string();
        continue;
      }
      ++at_;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return;
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<std::int64_t> plain_integer(std::string_view number) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error != std::errc{} || end != number.data() + number.size() || number.size() > kMaxTimeDigits) return {};
  return value;
}

// One element of "data". False: it is no object, or has keys of which nobody knows what they hide.
bool find_trade(std::string_view frame, Walker& walker, TradePiece& piece) {
  walker.peek();
  piece.begin = static_cast<std::uint32_t>(walker.at());
  Range time;
  const bool whole = walker.object([&](std::string_view key, Walker& inside) {
    if (key.find('\\') != std::string_view::npos) return false;
    const Range value = inside.value();
    const std::string_view text = value.of(frame);
    if (key == "t") time = value;
    if (key == "s" && text.size() > 2 && text.front() == '"' && text.find('\\') == std::string_view::npos) {
      piece.symbol = text.substr(1, text.size() - 2);
    }
    return true;
  });
  piece.end = static_cast<std::uint32_t>(walker.at());
  piece.time_begin = static_cast<std::uint32_t>(time.begin);
  piece.time_end = static_cast<std::uint32_t>(time.end);
  return whole;
}

bool find_trades(std::string_view frame, Walker& walker, std::vector<TradePiece>& pieces) {
  if (!pieces.empty() || !walker.take('[')) return false;
  if (walker.take(']')) return true;
  do {
    if (!find_trade(frame, walker, pieces.emplace_back())) return false;
  } while (walker.take(','));
  return walker.take(']');
}

// Good trades are as the parser read them. A damaged one without symbol goes where its neighbours go, and its time
// moves if it is plain.
bool apply_values(std::string_view frame, const ParsedFrame& parsed, std::vector<TradePiece>& pieces) {
  if (parsed.trades.empty() || parsed.trades.size() + parsed.bad.size() != pieces.size()) return false;
  std::size_t good = 0;
  std::string_view neighbour = parsed.trades.front().symbol;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    TradePiece& piece = pieces[i];
    if (std::ranges::find(parsed.bad, i, &BadElement::position) == parsed.bad.end()) {
      const Trade& trade = parsed.trades[good++];
      piece.symbol = trade.symbol;
      piece.time_ms = trade.event_time_ms;
    } else {
      const auto time = plain_integer(Range{piece.time_begin, piece.time_end}.of(frame));
      if (piece.symbol.empty()) piece.symbol = neighbour;
      if (!time) piece.time_end = 0;
      piece.time_ms = time.value_or(0);
    }
    neighbour = piece.symbol;
  }
  return true;
}

}  // namespace

bool find_pieces(std::string_view frame, const ParsedFrame& parsed, std::vector<TradePiece>& pieces) {
  pieces.clear();
  if (parsed.kind != ParsedFrame::Kind::kTrades) return false;
  Walker walker(frame);
  const bool found = walker.object([&](std::string_view key, Walker& inside) {
    if (key.find('\\') != std::string_view::npos) return false;
    if (key == "data") return find_trades(frame, inside, pieces);
    inside.value();
    return true;
  });
  if (found && apply_values(frame, parsed, pieces)) return true;
  pieces.clear();
  return false;
}

}  // namespace finpipe
