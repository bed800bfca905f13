// One HTTP/1.1 request on a connection of its own, plain or TLS. Redirects are not followed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "net/event_loop.h"
#include "net/tls.h"

namespace finpipe::net {

struct HttpClientRequest {
  std::string host;
  std::uint16_t port = 0;
  std::string method = "GET";
  std::string target = "/";  // may hold a secret: it appears in no error and no log
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  std::shared_ptr<TlsContext> tls{};  // null: plain
  std::int64_t timeout_ms = 10'000;
  std::size_t max_body_bytes = std::size_t{64} << 20;
};

struct HttpClientResponse {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
};

// `done` is called once, from the loop. Errors: as ConnectionEnd has them, kProtocolError, and kFrameTooLarge for a
// body that is larger than max_body_bytes.
void http_request(EventLoop& loop, HttpClientRequest request,
                  std::move_only_function<void(Result<HttpClientResponse>)> done);

}  // namespace finpipe::net
