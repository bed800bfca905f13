#include "feeds/secret_mask.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace finpipe {
namespace {

constexpr std::string_view kMask = "***";
constexpr std::size_t kTellingBytes = 8;  // fewer bytes of a secret tell nothing, and may be there by chance

constexpr std::size_t kMostSlashes = 7;  // in front of one character: escaped three times

constexpr std::array<std::pair<std::string_view, char>, 6> kHtml = {
    {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}, {"&#x27;", '\''}}};

// What RFC 3986 calls unreserved is spelled in one way everywhere.
bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~").contains(c);
}

std::string_view longest_plain_part(std::string_view secret) {
  std::string_view longest;
  for (std::size_t begin = 0; begin < secret.size(); ++begin) {
    const auto part = secret.substr(begin);
    const auto end = std::ranges::find_if_not(part, is_unreserved);
    const auto length = static_cast<std::size_t>(end - part.begin());
    if (length > longest.size()) longest = part.substr(0, length);
    begin += length;
  }
  return longest;
}

// Whether a number in hexadecimal stands at the end of `mark`, at the beginning of the text, and is that character.
bool escapes(std::string_view text, std::string_view mark, std::size_t digits, char c) {
  if (!text.starts_with(mark) || text.size() < mark.size() + digits) return false;
  const char* const begin = text.data() + mark.size();
  unsigned value = 0;
  const auto [end, error] = std::from_chars(begin, begin + digits, value, 16);
  return error == std::errc() && end == begin + digits && value == static_cast<unsigned char>(c);
}

struct Match {
  std::size_t text_bytes = 0;
  std::size_t secret_bytes = 0;
};

// The most of the secret's beginning that the text begins with.
Match match(std::string_view text, std::string_view secret) {
  if (text.empty() || secret.empty()) return {};
  const char c = secret.front();
  Match best;
  const auto try_spelling = [&](std::size_t length) {
    const Match rest = match(text.substr(length), secret.substr(1));
    if (rest.secret_bytes + 1 > best.secret_bytes) best = {rest.text_bytes + length, rest.secret_bytes + 1};
  };
  if (text.front() == c || (c == ' ' && text.front() == '+')) try_spelling(1);
  if (is_unreserved(text.front())) return best;
  for (const std::string_view mark : {"%", "%25"}) {
    if (escapes(text, mark, 2, c)) try_spelling(mark.size() + 2);
  }
  // In JSON inside of JSON backslashes are escaped themselves.
  const std::size_t slashes = std::min(text.find_first_not_of('\\'), text.size());
  if (slashes > 0 && slashes <= kMostSlashes) {
    const std::string_view escaped = text.substr(slashes);
    if (escaped.starts_with(c)) try_spelling(slashes + 1);
    if (escapes(escaped, "u", 4, c)) try_spelling(slashes + 5);
  }
  if (c == '\\' && slashes > 1) try_spelling(2);
  for (const auto& [spelling, meaning] : kHtml) {
    if (meaning == c && text.starts_with(spelling)) try_spelling(spelling.size());
  }
  return best;
}

}  // namespace

SecretMask::SecretMask(std::string secret) : secret_(std::move(secret)), plain_(longest_plain_part(secret_)) {}

std::string SecretMask::mask(std::string_view text) const {
  return mask_from(text, std::min(kTellingBytes, secret_.size()));
}

std::optional<std::string> SecretMask::mask_data(std::string_view data) const {
  if (secret_.size() < kTellingBytes || !data.contains(plain_)) return std::nullopt;
  std::string masked = mask_from(data, secret_.size());
  if (masked == data) return std::nullopt;
  return masked;
}

std::string SecretMask::mask_from(std::string_view text, std::size_t least_bytes) const {
  if (secret_.empty()) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const Match found = match(text, secret_);
    const bool hidden = found.secret_bytes >= least_bytes;
    out += hidden ? kMask : text.substr(0, 1);
    text.remove_prefix(hidden ? found.text_bytes : 1);
  }
  return out;
}

}  // namespace finpipe
