// The Confluent wire format: a zero byte, the schema's id as four big-endian bytes, then the Avro encoding.
// Without a schema registry the id is the generated struct's kSchemaId.
// Source: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

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
// Errors: kAvroMalformed when the bytes are shorter than a header or do not begin with zero; that of a refused value.
[[nodiscard]] Result<Framed> unframe(std::span<const std::byte> bytes);

// A value that was refused where it was read from its log, before anything here could see it: its schema is unknown,
// for example. It goes on as a frame with an id that no registry gives out, which unframe answers with that error, so
// that whatever reads the log refuses it alike. What a log gives out has passed a place that knows what it holds: such
// a frame in the log itself is to be refused as well.
struct RefusedValue {
  Error why;
  std::string_view value;  // as it came
};
void refuse_value(const RefusedValue& refused, std::string& out);  // appends
// nullopt: it is no such frame.
[[nodiscard]] std::optional<RefusedValue> refused_value(std::string_view value);
// As it came, whether it was refused or not.
[[nodiscard]] inline std::string_view original_value(std::string_view value) {
  const auto refused = refused_value(value);
  return refused ? refused->value : value;
}

}  // namespace finpipe
