// The stored form of log records: chunks of consecutive ones of a partition, under the offset of the first. A key per
// record would make appending ten times as dear. Each record is one byte of flags (1: control record, 2: has a key),
// the key's length and the key when there is one, the value's length and the value; lengths are varints.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/ports.h"

namespace finpipe {

// A chunk that has reached this is closed.
constexpr std::size_t kChunkBytes = std::size_t{32} << 10;

constexpr std::uint8_t kControlFlag = 1;
constexpr std::uint8_t kKeyFlag = 2;

inline void append_text(std::string& chunk, std::string_view text) {
  std::size_t length = text.size();
  for (; length >= 0x80; length >>= 7) chunk += static_cast<char>(length | 0x80);
  chunk += static_cast<char>(length);
  chunk += text;
}

inline void append_record(std::string& chunk, const LogRecord& record) {
  chunk += static_cast<char>((record.type == RecordType::kControl ? kControlFlag : 0) | (record.key ? kKeyFlag : 0));
  if (record.key) append_text(chunk, *record.key);
  append_text(chunk, record.value);
}

// Takes a length and so many bytes off the front of `rest`; false when that is malformed.
[[nodiscard]] inline bool take_text(std::string_view& rest, std::string_view& text) {
  std::uint64_t length = 0;
  std::size_t at = 0;
  for (int shift = 0; shift < 63 && at < rest.size(); shift += 7) {
    const auto byte = static_cast<std::uint8_t>(rest[at++]);
    length |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte >= 0x80) continue;
    if (length > rest.size() - at) return false;
    text = rest.substr(at, length);
    rest.remove_prefix(at + length);
    return true;
  }
  return false;
}

// Takes one record, as views, off the front of `rest`; nullopt when that is malformed.
[[nodiscard]] inline std::optional<LogRecord> take_record(std::string_view& rest) {
  if (rest.empty()) return std::nullopt;
  const auto flags = static_cast<std::uint8_t>(rest[0]);
  if (flags > (kControlFlag | kKeyFlag)) return std::nullopt;
  rest.remove_prefix(1);
  LogRecord record;
  record.type = (flags & kControlFlag) != 0 ? RecordType::kControl : RecordType::kTrade;
  if ((flags & kKeyFlag) != 0 && !take_text(rest, record.key.emplace())) return std::nullopt;
  if (!take_text(rest, record.value)) return std::nullopt;
  return record;
}

}  // namespace finpipe
