// The Confluent wire format: a zero byte, the schema's id as four big-endian bytes, then the Avro encoding.
// Without a schema registry the id is the generated struct's kSchemaId.
// Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"

namespace finpipe {

inline constexpr std::size_t kFrameHeaderBytes = 5;

struct Framed {
  std::uint32_t id;
  std::span<const std::byte> payload;  // a view into the framed bytes
};

// Appends the header; the encoded value is to be appended next.
void frame_header(std::uint32_t id, std::string& out);

// Takes header and payload apart. Whether the id is a known one is the caller's to judge (kUnknownSchemaId).
// Error: kAvroMalformed when the bytes are shorter than a header or do not begin with zero.
[[nodiscard]] Result<Framed> unframe(std::span<const std::byte> bytes);

}  // namespace finpipe
