// Hashes that others must be able to recompute: Kafka's murmur2 for partitions, SHA-256 for policies and tapes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace finpipe {

// murmur2 with Kafka's seed: what the Java clients and librdkafka's murmur2_random compute.
[[nodiscard]] std::uint32_t murmur2(std::string_view bytes);

// The partition of a symbol, as Kafka's Java clients choose it. partitions > 0.
[[nodiscard]] inline std::int32_t partition_of(std::string_view key, std::int32_t partitions) {
  return static_cast<std::int32_t>((murmur2(key) & 0x7fffffffU) % static_cast<std::uint32_t>(partitions));
}

// SHA-256 in lower-case hexadecimal, 64 characters.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

// Compares a secret in a time that depends on the lengths only.
[[nodiscard]] bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace finpipe
