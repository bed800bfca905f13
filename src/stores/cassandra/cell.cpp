#include "stores/cassandra/cell.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "base/utf8.h"

namespace finpipe::cql {
namespace {

constexpr std::int32_t kNullLength = -1, kUnsetLength = -2;

template <typename Integer>
void append_big_endian(std::string& out, Integer value, std::size_t bytes = sizeof(Integer)) {
  for (std::size_t shift = 8 * bytes; shift > 0; shift -= 8) out.push_back(static_cast<char>(value >> (shift - 8)));
}

// Sign-extended; `bytes` are at most 16.
int128 read_big_endian(std::string_view bytes) {
  if (bytes.empty()) return 0;
  auto value = static_cast<uint128>(static_cast<int128>(static_cast<signed char>(bytes.front())));
  for (const char byte : bytes.substr(1)) value = (value << 8) | static_cast<unsigned char>(byte);
  return static_cast<int128>(value);
}

// How many bytes two's complement needs.
std::size_t minimal_bytes(int128 value) {
  std::size_t bytes = 1;
  while (bytes < sizeof value && (value >> (8 * bytes - 1)) != 0 && (value >> (8 * bytes - 1)) != -1) ++bytes;
  return bytes;
}

}  // namespace

std::string as_utf8(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    shown += length > 0 ? text.substr(0, length) : "?";
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return shown;
}

void CellWriter::length(std::int32_t bytes) { append_big_endian(bytes_, bytes); }

CellWriter& CellWriter::tinyint(std::int8_t value) {
  length(1);
  bytes_.push_back(static_cast<char>(value));
  return *this;
}

CellWriter& CellWriter::integer(std::int32_t value) {
  length(4);
  append_big_endian(bytes_, value);
  return *this;
}

CellWriter& CellWriter::bigint(std::int64_t value) {
  length(8);
  append_big_endian(bytes_, value);
  return *this;
}

CellWriter& CellWriter::varint(std::int64_t value) {
  const std::size_t bytes = minimal_bytes(value);
  length(static_cast<std::int32_t>(bytes));
  append_big_endian(bytes_, value, bytes);
  return *this;
}

CellWriter& CellWriter::decimal(int128 value, int digits) {
  for (; digits > 0 && value % 10 == 0; --digits) value /= 10;
  const std::size_t bytes = minimal_bytes(value);
  length(static_cast<std::int32_t>(4 + bytes));
  append_big_endian(bytes_, static_cast<std::int32_t>(digits));
  append_big_endian(bytes_, value, bytes);
  return *this;
}

CellWriter& CellWriter::text(std::string_view value) {
  length(static_cast<std::int32_t>(value.size()));
  bytes_ += value;
  return *this;
}

CellWriter& CellWriter::null() {
  length(kNullLength);
  return *this;
}

CellWriter& CellWriter::unset() {
  length(kUnsetLength);
  return *this;
}

std::optional<std::string_view> CellReader::raw() {
  if (rest_.size() < 4) ok_ = false;
  if (!ok_) return std::nullopt;
  const auto length = static_cast<std::int32_t>(read_big_endian(rest_.substr(0, 4)));
  rest_.remove_prefix(4);
  if (length < 0) return std::nullopt;
  if (rest_.size() < static_cast<std::size_t>(length)) {
    ok_ = false;
    return std::nullopt;
  }
  const std::string_view value = rest_.substr(0, static_cast<std::size_t>(length));
  rest_.remove_prefix(value.size());
  return value;
}

std::string_view CellReader::take(std::size_t cells) {
  const std::string_view all = rest_;
  for (; ok_ && cells > 0; --cells) (void)raw();
  return all.substr(0, all.size() - rest_.size());
}

std::string_view CellReader::text() {
  const auto value = raw();
  if (!value) ok_ = false;
  return value.value_or(std::string_view());
}

std::int8_t CellReader::tinyint() {
  const std::string_view value = text();
  if (value.size() != 1) ok_ = false;
  return ok_ ? static_cast<std::int8_t>(value.front()) : std::int8_t{0};
}

std::int32_t CellReader::integer() {
  const std::string_view value = text();
  if (value.size() != 4) ok_ = false;
  return ok_ ? static_cast<std::int32_t>(read_big_endian(value)) : 0;
}

std::int64_t CellReader::bigint() {
  const std::string_view value = text();
  if (value.size() != 8) ok_ = false;
  return ok_ ? static_cast<std::int64_t>(read_big_endian(value)) : 0;
}

std::int64_t CellReader::varint() {
  const std::string_view value = text();
  if (value.empty() || value.size() > 8) ok_ = false;
  return ok_ ? static_cast<std::int64_t>(read_big_endian(value)) : 0;
}

int128 CellReader::decimal(int digits) {
  const auto value = optional_decimal(digits);
  if (!value) ok_ = false;
  return value.value_or(0);
}

std::optional<int128> CellReader::optional_decimal(int digits) {
  constexpr int128 kMost = static_cast<int128>(static_cast<uint128>(-1) >> 1);
  const auto cell = raw();
  if (!cell) return std::nullopt;
  if (cell->size() < 5 || cell->size() > 4 + sizeof(int128)) ok_ = false;
  if (!ok_) return std::nullopt;
  auto scale = static_cast<std::int32_t>(read_big_endian(cell->substr(0, 4)));
  int128 value = read_big_endian(cell->substr(4));
  for (; ok_ && scale < digits; ++scale) {
    if (value > kMost / 10 || value < -(kMost / 10)) ok_ = false;
    if (ok_) value *= 10;
  }
  if (scale > digits) ok_ = false;
  return ok_ ? std::optional(value) : std::nullopt;
}

}  // namespace finpipe::cql
