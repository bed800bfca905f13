// Small JSON objects as clients send them to our endpoints: one level of strings, whole numbers, booleans and
// lists of strings. And the
// way back for strings. Other members are checked but not kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

namespace finpipe {

constexpr std::size_t kMaxFlatJsonBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxFlatJsonDepth = 8;

class FlatJson {
 public:
  // Errors: kBadJson (no JSON, or no object), kFrameTooLarge, kTooDeep.
  [[nodiscard]] static Result<FlatJson> parse(std::string_view text, std::size_t max_bytes = kMaxFlatJsonBytes);

  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
  // The names of all members, in order.
  [[nodiscard]] std::vector<std::string_view> names() const;
  // nullopt: absent, or of another type. Of a key that comes twice the last one counts.
  [[nodiscard]] std::optional<std::string_view> string(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key) const;  // whole, and fits 64 bits
  [[nodiscard]] std::optional<bool> boolean(std::string_view key) const;
  // Of a list its strings; none of what is no list.
  [[nodiscard]] std::vector<std::string> strings(std::string_view key) const;

 private:
  using Value = std::variant<std::monostate, bool, std::int64_t, std::string, std::vector<std::string>>;

  [[nodiscard]] const Value* find(std::string_view key) const;

  std::vector<std::pair<std::string, Value>> members_;
};

// Appends text as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace finpipe
