#include "codec/confluent.h"

#include <fmt/format.h>

#include <algorithm>

namespace finpipe {
namespace {

// Ids of registries are positive ints.
constexpr std::uint32_t kRefusedId = 0xffffffff;

void put_short(std::size_t value, std::string& out) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}

std::size_t get_short(std::string_view bytes) {
  return static_cast<std::size_t>(static_cast<unsigned char>(bytes[0])) << 8 | static_cast<unsigned char>(bytes[1]);
}

bool is_known(ErrorCode code) {
  return std::ranges::find(error_table(), code, &ErrorInfo::code) != error_table().end();
}

}  // namespace

void frame_header(std::uint32_t id, std::string& out) {
  const char header[kFrameHeaderBytes] = {'\0', static_cast<char>(id >> 24), static_cast<char>(id >> 16),
                                          static_cast<char>(id >> 8), static_cast<char>(id)};
  out.append(header, kFrameHeaderBytes);
}

Result<Framed> unframe(std::span<const std::byte> bytes) {
  if (bytes.size() < kFrameHeaderBytes) {
    return fail(ErrorCode::kAvroMalformed, fmt::format("{} bytes, shorter than a frame header", bytes.size()));
  }
  if (bytes[0] != std::byte{0}) {
    return fail(ErrorCode::kAvroMalformed,
                fmt::format("frame begins with byte {}, not 0", std::to_integer<unsigned>(bytes[0])));
  }
  std::uint32_t id = 0;
  for (const std::byte byte : bytes.subspan(1, kFrameHeaderBytes - 1)) {
    id = (id << 8) | std::to_integer<std::uint32_t>(byte);
  }
  if (id == kRefusedId) {
    const auto refused = refused_value({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return refused ? fail(refused->why) : fail(ErrorCode::kUnknownSchemaId, fmt::format("id {}", id));
  }
  return Framed{id, bytes.subspan(kFrameHeaderBytes)};
}

// After the header: the error's code, the length of its detail (two bytes each), the detail, the value.
void refuse_value(const RefusedValue& refused, std::string& out) {
  const std::string_view detail = std::string_view(refused.why.detail).substr(0, 0xffff);
  frame_header(kRefusedId, out);
  put_short(static_cast<std::size_t>(refused.why.code), out);
  put_short(detail.size(), out);
  out += detail;
  out += refused.value;
}

std::optional<RefusedValue> refused_value(std::string_view value) {
  const std::string_view header("\0\xff\xff\xff\xff", kFrameHeaderBytes);
  if (!value.starts_with(header) || value.size() < kFrameHeaderBytes + 4) return std::nullopt;
  value.remove_prefix(kFrameHeaderBytes);
  const auto code = static_cast<ErrorCode>(get_short(value));
  const std::size_t length = get_short(value.substr(2));
  value.remove_prefix(4);
  if (length > value.size() || !is_known(code)) return std::nullopt;
  return RefusedValue{Error{code, std::string(value.substr(0, length))}, value.substr(length)};
}

}  // namespace finpipe
