// How a process of this machine that listens is asked.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "net/http_client.h"

namespace finpipe {

// Where one can be reached that listens at this address, which may stand for all.
[[nodiscard]] std::string reachable_address(const std::string& listen_address);

// The answer to one GET. Errors: those of net::http_request.
[[nodiscard]] Result<net::HttpClientResponse> ask_listener(const std::string& host, std::uint16_t port,
                                                           const std::string& target, std::int64_t patience_ms);
// Likewise of any server.
[[nodiscard]] Result<net::HttpClientResponse> ask_server(net::HttpClientRequest request);

}  // namespace finpipe
