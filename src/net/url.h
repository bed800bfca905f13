// Takes http, https, ws and wss URLs apart, and reads and writes percent-encoding. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace finpipe::net {

struct Url {
  std::string scheme;  // lower case
  std::string host;    // without brackets
  std::uint16_t port = 0;
  std::string target;  // path and query as they stand in a request; at least "/"

  [[nodiscard]] bool tls() const { return scheme == "https" || scheme == "wss"; }
};
// nullopt: another scheme, no host, a bad port, user information, or a character that does not belong in a URL.
[[nodiscard]] std::optional<Url> parse_url(std::string_view text);

// "%41" -> "A", and '+' -> ' ' in queries; nullopt for a broken escape.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
// Everything but unreserved characters is escaped.
[[nodiscard]] std::string percent_encode(std::string_view text);

// What stands behind '?', decoded, in order; a parameter without '=' has an empty value. nullopt: a broken escape.
using Query = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] std::optional<Query> parse_query(std::string_view query);

// The path of a request target, decoded and safe to look up: begins with '/', no empty, "." or ".." segment, no zero
// byte, no backslash; a double slash counts as one (Finnhub's own client sends them). nullopt otherwise.
[[nodiscard]] std::optional<std::string> safe_path(std::string_view target);

}  // namespace finpipe::net
