// Values of CQL columns in the bytes of the binary protocol (version 4, section 6): each with its length before it, big
// endian; a length of -1 is null.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/int128.h"

namespace finpipe::cql {

// Text as a server takes it: bytes that are no UTF-8 are shown as '?'.
[[nodiscard]] std::string as_utf8(std::string_view text);

// Cells of one row after the other.
class CellWriter {
 public:
  void clear() { bytes_.clear(); }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }

  CellWriter& tinyint(std::int8_t value);
  CellWriter& boolean(bool value) { return tinyint(value ? 1 : 0); }
  CellWriter& integer(std::int32_t value);
  CellWriter& bigint(std::int64_t value);
  CellWriter& timestamp_ms(std::int64_t value) { return bigint(value); }
  CellWriter& varint(std::int64_t value);
  // value / 10^digits without trailing zeros.
  CellWriter& decimal(int128 value, int digits);
  CellWriter& text(std::string_view value);
  CellWriter& blob(std::string_view value) { return text(value); }
  CellWriter& null();
  CellWriter& unset();  // leaves the column as it is

 private:
  void length(std::int32_t bytes);

  std::string bytes_;
};

// Reads what a CellWriter wrote, or a server. Once something is not of its type, or null where it must not be, ok() is
// false and everything after it zero or empty. Text is borrowed.
class CellReader {
 public:
  explicit CellReader(std::string_view cells) : rest_(cells) {}
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool done() const { return rest_.empty(); }

  std::int8_t tinyint();
  bool boolean() { return tinyint() != 0; }
  std::int32_t integer();
  std::int64_t bigint();
  std::int64_t timestamp_ms() { return bigint(); }
  std::int64_t varint();
  // In units of 10^-digits; not ok when it has more digits or does not fit.
  int128 decimal(int digits);
  std::optional<int128> optional_decimal(int digits);
  std::string_view text();
  std::string_view blob() { return text(); }
  // nullopt: null.
  std::optional<std::string_view> raw();
  // The next cells as they are, lengths included.
  std::string_view take(std::size_t cells);

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace finpipe::cql
