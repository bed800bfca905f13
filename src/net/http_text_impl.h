// Lines of HTTP heads as both sides write them.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace finpipe::net {

// Control characters become spaces: a value cannot end its line.
inline void append_header(std::string& head, std::string_view name, std::string_view value) {
  head.append(name).append(": ");
  for (const char c : value) head += static_cast<unsigned char>(c) < 0x20 && c != '\t' ? ' ' : c;
  head += "\r\n";
}

// "host", "host:port" or "[v6]:port", as it stands in a Host header: without the scheme's own port.
[[nodiscard]] inline std::string host_header(std::string_view host, std::uint16_t port, bool tls) {
  const std::string name = host.contains(':') ? fmt::format("[{}]", host) : std::string(host);
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

}  // namespace finpipe::net
