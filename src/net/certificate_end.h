// When a certificate ends: for those who get one from a client library that does TLS by itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace finpipe::net {

// In seconds since 1970, of one certificate as DER; nullopt: it cannot be read, or never ends.
[[nodiscard]] std::optional<std::int64_t> not_after_s_of_der(std::string_view der);

}  // namespace finpipe::net
