// Avro's binary encoding, as the building blocks of the code generated from schemas/ (tools/avro_codegen.py).
// A codec type describes one Avro type: put() writes a value, get() reads one, bound() says how many bytes put() may
// touch, kMinBytes how few an encoded value can have. Reading is strict: every length is checked against the bytes
// that are left before anything is allocated, and nothing malformed is repaired. Nothing here throws on bad input.
// Strings and bytes are views: into the decoded buffer after get(), into the caller's memory before put(). Text is
// passed through as it is; whether it is UTF-8 is not checked.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/int128.h"

namespace finpipe::avro {

// The most items that one array may have; more is refused as malformed.
inline constexpr std::size_t kMaxArrayItems = std::size_t{1} << 20;

[[nodiscard]] inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// A position in a buffer that must outlive every view taken from it. After a refusal the position is unspecified.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes)
      : next_(reinterpret_cast<const char*>(bytes.data())), end_(next_ + bytes.size()) {}

  [[nodiscard]] std::size_t remaining() const { return static_cast<std::size_t>(end_ - next_); }

  // Takes the next `count` bytes; false when fewer are left.
  [[nodiscard]] bool take(std::size_t count, const char*& bytes) {
    if (count > remaining()) return false;
    bytes = next_;
    next_ += count;
    return true;
  }

  // A zigzag varint. Refuses more than 64 bits, and padding that the value does not need.
  [[nodiscard]] bool take_long(std::int64_t& value) {
    const char* next = next_;
    if (next == end_) return false;
    auto byte = static_cast<unsigned char>(*next++);
    std::uint64_t raw = byte & 0x7FU;
    unsigned shift = 7;
    if (byte >= 0x80U && std::endian::native == std::endian::little && remaining() >= kMaxVarintBytes) {
      // The first eight bytes at once: those up to the last one of the value, if that is among them.
      constexpr std::uint64_t kMore = 0x8080'8080'8080'8080U;
      std::uint64_t word = 0;
      std::memcpy(&word, next_, sizeof word);
      const std::uint64_t last = ~word & kMore;
      const auto bytes = last == 0 ? 8U : (static_cast<unsigned>(std::countr_zero(last)) + 1) / 8;
      if (last != 0) word &= last ^ (last - 1);
      word &= ~kMore;
      word = (word & 0x007F'007F'007F'007FU) | ((word & 0x7F00'7F00'7F00'7F00U) >> 1);
      word = (word & 0x0000'3FFF'0000'3FFFU) | ((word & 0x3FFF'0000'3FFF'0000U) >> 2);
      raw = (word & 0x0000'0000'0FFF'FFFFU) | ((word & 0x0FFF'FFFF'0000'0000U) >> 4);
      next = next_ + bytes;
      byte = static_cast<unsigned char>(next[-1]);
      if (byte == 0) return false;
      shift = 7 * bytes;
    }
    for (; byte >= 0x80U; shift += 7) {
      if (next == end_) return false;
      byte = static_cast<unsigned char>(*next++);
      if (byte == 0 || (shift == kMaxVarintShift && byte > 1)) return false;
      raw |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    }
    next_ = next;
    value = static_cast<std::int64_t>((raw >> 1) ^ (0 - (raw & 1)));
    return true;
  }

  // A length that prefixes bytes which are all still there.
  [[nodiscard]] bool take_length(std::size_t& length) {
    std::int64_t value = 0;
    if (!take_long(value) || value < 0 || static_cast<std::uint64_t>(value) > remaining()) return false;
    length = static_cast<std::size_t>(value);
    return true;
  }

 private:
  static constexpr std::size_t kMaxVarintBytes = 10;
  static constexpr unsigned kMaxVarintShift = 63;  // of the tenth and last byte

  const char* next_;
  const char* end_;
};

struct LongCodec {
  using Value = std::int64_t;
  static constexpr std::size_t kMinBytes = 1;

  static std::size_t bound(Value /*value*/) { return 10; }
  static char* put(char* out, Value value) {
    auto raw = (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
    for (; raw >= 0x80U; raw >>= 7) *out++ = static_cast<char>(raw | 0x80U);
    *out++ = static_cast<char>(raw);
    return out;
  }
  [[nodiscard]] static bool get(Reader& in, Value& value) { return in.take_long(value); }
};

struct IntCodec {
  using Value = std::int32_t;
  static constexpr std::size_t kMinBytes = 1;

  static std::size_t bound(Value /*value*/) { return 5; }
  static char* put(char* out, Value value) { return LongCodec::put(out, value); }
  [[nodiscard]] static bool get(Reader& in, Value& value) {
    std::int64_t wide = 0;
    if (!in.take_long(wide) || !std::in_range<Value>(wide)) return false;
    value = static_cast<Value>(wide);
    return true;
  }
};

struct BooleanCodec {
  using Value = bool;
  static constexpr std::size_t kMinBytes = 1;

  static std::size_t bound(Value /*value*/) { return 1; }
  static char* put(char* out, Value value) {
    *out = value ? '\1' : '\0';
    return out + 1;
  }
  [[nodiscard]] static bool get(Reader& in, Value& value) {
    const char* byte = nullptr;
    if (!in.take(1, byte) || static_cast<unsigned char>(*byte) > 1) return false;
    value = *byte == '\1';
    return true;
  }
};

// Strings and bytes have the same form.
struct TextCodec {
  using Value = std::string_view;
  static constexpr std::size_t kMinBytes = 1;

  static std::size_t bound(Value value) { return 10 + value.size(); }
  static char* put(char* out, Value value) {
    out = LongCodec::put(out, static_cast<std::int64_t>(value.size()));
    return std::copy_n(value.data(), value.size(), out);
  }
  [[nodiscard]] static bool get(Reader& in, Value& value) {
    std::size_t length = 0;
    const char* bytes = nullptr;
    if (!in.take_length(length) || !in.take(length, bytes)) return false;
    value = {bytes, length};
    return true;
  }
};

template <std::size_t Size>
struct FixedCodec {
  using Value = std::array<std::byte, Size>;
  static constexpr std::size_t kMinBytes = Size;

  static std::size_t bound(const Value& /*value*/) { return Size; }
  static char* put(char* out, const Value& value) {
    std::memcpy(out, value.data(), Size);
    return out + Size;
  }
  [[nodiscard]] static bool get(Reader& in, Value& value) {
    const char* bytes = nullptr;
    if (!in.take(Size, bytes)) return false;
    std::memcpy(value.data(), bytes, Size);
    return true;
  }
};

// The unscaled value of a decimal: big-endian two's complement, written in as few bytes as hold it. More bytes than
// needed are read too, up to 16, when the value fits `Integer` (std::int64_t or int128).
template <typename Integer>
struct DecimalCodec {
  using Value = Integer;
  static constexpr std::size_t kMinBytes = 2;

  static std::size_t bound(Value /*value*/) { return 1 + sizeof(Value); }

  static char* put(char* out, Value value) {
    const auto narrow = static_cast<std::int64_t>(value);
    return narrow == value ? put_narrow(out, narrow) : put_wide(out, value);
  }

  [[nodiscard]] static bool get(Reader& in, Value& value) {
    std::size_t length = 0;
    const char* bytes = nullptr;
    if (!in.take_length(length) || length == 0 || length > kMaxBytes || !in.take(length, bytes)) return false;
    if (length <= sizeof(std::int64_t)) {
      value = from_bytes<std::int64_t, std::uint64_t>(bytes, length);
      return true;
    }
    const auto wide = from_bytes<int128, uint128>(bytes, length);
    value = static_cast<Value>(wide);
    return value == wide;
  }

 private:
  static constexpr std::size_t kMaxBytes = 16;

  template <typename Signed, typename Unsigned>
  static Signed from_bytes(const char* bytes, std::size_t length) {
    auto raw = static_cast<Unsigned>(static_cast<Signed>(static_cast<signed char>(bytes[0])));
    for (std::size_t i = 1; i < length; ++i) raw = (raw << 8) | static_cast<unsigned char>(bytes[i]);
    return static_cast<Signed>(raw);
  }

  // Stores all eight bytes, of which the first ones count: bound() leaves room for them.
  static char* put_narrow(char* out, std::int64_t value) {
    const auto magnitude = static_cast<std::uint64_t>(value ^ (value >> 63));
    const auto size = static_cast<std::size_t>((64 - std::countl_zero(magnitude)) / 8 + 1);
    const std::uint64_t high_first = static_cast<std::uint64_t>(value) << (64 - 8 * size);
    *out++ = static_cast<char>(size << 1);
    for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(high_first >> (56 - 8 * i));
    return out + size;
  }

  static char* put_wide(char* out, int128 value) {
    std::size_t size = 9;
    while (size < kMaxBytes && (value >> (8 * size - 1)) != (value < 0 ? -1 : 0)) ++size;
    *out++ = static_cast<char>(size << 1);
    for (std::size_t i = size; i-- > 0;) *out++ = static_cast<char>(value >> (8 * i));
    return out;
  }
};

// An enum whose enumerators are numbered 0 to Count - 1 in the schema's order.
template <typename Enum, std::int64_t Count>
struct EnumCodec {
  using Value = Enum;
  static constexpr std::size_t kMinBytes = 1;

  static std::size_t bound(Value /*value*/) { return 5; }
  static char* put(char* out, Value value) { return LongCodec::put(out, static_cast<std::int64_t>(value)); }
  [[nodiscard]] static bool get(Reader& in, Value& value) {
    std::int64_t index = 0;
    if (!in.take_long(index) || index < 0 || index >= Count) return false;
    value = static_cast<Enum>(index);
    return true;
  }
};

// Written as one block; read in any number of blocks, with or without their sizes in bytes.
template <typename Item>
struct ArrayCodec {
  using Value = std::vector<typename Item::Value>;
  static constexpr std::size_t kMinBytes = 1;
  static_assert(Item::kMinBytes > 0, "an item count could not be checked against the bytes that are left");

  static std::size_t bound(const Value& value) {
    std::size_t total = 11;
    for (const auto& item : value) total += Item::bound(item);
    return total;
  }
  static char* put(char* out, const Value& value) {
    if (!value.empty()) {
      out = LongCodec::put(out, static_cast<std::int64_t>(value.size()));
      for (const auto& item : value) out = Item::put(out, item);
    }
    *out = '\0';
    return out + 1;
  }
  [[nodiscard]] static bool get(Reader& in, Value& value) {
    value.clear();
    for (;;) {
      std::int64_t count = 0;
      if (!in.take_long(count)) return false;
      if (count == 0) return true;
      if (!get_block(in, count, value)) return false;
    }
  }

 private:
  // A negative count is followed by the block's size in bytes, which must be what the items then take.
  [[nodiscard]] static bool get_block(Reader& in, std::int64_t count, Value& value) {
    const bool sized = count < 0;
    const std::uint64_t items = sized ? 0 - static_cast<std::uint64_t>(count) : static_cast<std::uint64_t>(count);
    std::size_t block_bytes = 0;
    if (sized && !in.take_length(block_bytes)) return false;
    const std::size_t before = in.remaining();
    if (items > before / Item::kMinBytes || items > kMaxArrayItems - value.size()) return false;
    const std::size_t first = value.size();
    value.resize(first + static_cast<std::size_t>(items));
    for (std::size_t i = first; i < value.size(); ++i) {
      if (!Item::get(in, value[i])) return false;
    }
    return !sized || before - in.remaining() == block_bytes;
  }
};

// A union of null and one other type; `NullIndex` is null's place in it.
template <typename Item, std::int64_t NullIndex>
struct NullableCodec {
  using Value = std::optional<typename Item::Value>;
  static constexpr std::size_t kMinBytes = 1;

  static std::size_t bound(const Value& value) { return value ? 1 + Item::bound(*value) : 1; }
  static char* put(char* out, const Value& value) {
    out = LongCodec::put(out, value ? 1 - NullIndex : NullIndex);
    return value ? Item::put(out, *value) : out;
  }
  [[nodiscard]] static bool get(Reader& in, Value& value) {
    std::int64_t index = 0;
    if (!in.take_long(index)) return false;
    if (index == NullIndex) {
      value.reset();
      return true;
    }
    if (index != 1 - NullIndex) return false;
    if (!value) value.emplace();
    return Item::get(in, *value);
  }
};

// A union of records; the alternatives stand in the schema's order.
template <typename... Items>
struct UnionCodec {
  using Value = std::variant<typename Items::Value...>;
  static constexpr std::size_t kMinBytes = 1 + std::min({Items::kMinBytes...});

  static std::size_t bound(const Value& value) {
    std::size_t total = 5;
    visit_item(value.index(), [&]<std::size_t I, typename Item>() { total += Item::bound(*std::get_if<I>(&value)); });
    return total;
  }
  static char* put(char* out, const Value& value) {
    out = LongCodec::put(out, static_cast<std::int64_t>(value.index()));
    visit_item(value.index(), [&]<std::size_t I, typename Item>() { out = Item::put(out, *std::get_if<I>(&value)); });
    return out;
  }
  [[nodiscard]] static bool get(Reader& in, Value& value) {
    std::int64_t index = 0;
    if (!in.take_long(index)) return false;
    bool good = false;  // and stays so for an index without an alternative
    visit_item(static_cast<std::size_t>(index),
               [&]<std::size_t I, typename Item>() { good = Item::get(in, value.template emplace<I>()); });
    return good;
  }

 private:
  template <typename Action>
  static void visit_item(std::size_t index, Action action) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((index == I ? action.template operator()<I, Items>() : void()), ...);
    }(std::index_sequence_for<Items...>{});
  }
};

// Appends the encoded value to `out`; what `out` holds already stays.
template <typename Codec>
void append(const typename Codec::Value& value, std::string& out) {
  const std::size_t start = out.size();
  out.resize_and_overwrite(start + Codec::bound(value), [&](char* buffer, std::size_t /*size*/) {
    return static_cast<std::size_t>(Codec::put(buffer + start, value) - buffer);
  });
}

// Reads one value that must take up all of `bytes`, into a value that may be reused: its vectors keep their memory.
// After an error `value` holds anything. Error: kAvroMalformed, naming `type` and where reading stopped.
template <typename Codec>
[[nodiscard]] Result<void> decode_all(std::span<const std::byte> bytes, std::string_view type,
                                      typename Codec::Value& value) {
  Reader in(bytes);
  const bool good = Codec::get(in, value);
  if (good && in.remaining() == 0) return {};
  const std::size_t position = bytes.size() - in.remaining();
  return fail(ErrorCode::kAvroMalformed,
              fmt::format("{} {} byte {} of {}", type, good ? "ends at" : "refused near", position, bytes.size()));
}

}  // namespace finpipe::avro
