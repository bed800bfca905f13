#include "codec/confluent.h"

#include <fmt/format.h>

namespace finpipe {

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
  return Framed{id, bytes.subspan(kFrameHeaderBytes)};
}

}  // namespace finpipe
