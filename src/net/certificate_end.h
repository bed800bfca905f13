// When a certificate ends: for those who get one from a client library that does TLS by itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace finpipe::net {

// In seconds since 1970, of one certificate as DER; nullopt: it cannot be read, or never ends.
[[nodiscard]] std::optional<std::int64_t> not_after_s_of_der(std::string_view der);

// Whether the end of a certificate that was shown at a time still says something. One that has passed since does not:
// its server may have another one by now, which it shows to who connects anew.
[[nodiscard]] constexpr bool counts_still(std::int64_t not_after_s, std::int64_t shown_s, std::int64_t now_s) {
  return not_after_s > now_s || not_after_s <= shown_s;
}

}  // namespace finpipe::net
