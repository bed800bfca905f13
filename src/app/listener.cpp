#include "app/listener.h"

#include <optional>
#include <utility>

#include "net/event_loop.h"

namespace finpipe {

std::string reachable_address(const std::string& listen_address) {
  if (listen_address == "0.0.0.0") return "127.0.0.1";
  return listen_address == "::" ? "::1" : listen_address;
}

Result<net::HttpClientResponse> ask_listener(const std::string& host, std::uint16_t port, const std::string& target,
                                             std::int64_t patience_ms) {
  return ask_server({.host = host, .port = port, .target = target, .timeout_ms = patience_ms});
}

Result<net::HttpClientResponse> ask_server(net::HttpClientRequest request) {
  constexpr std::int64_t kRoundMs = 100;
  net::EventLoop loop;
  std::optional<Result<net::HttpClientResponse>> answer;
  net::http_request(loop, std::move(request),
                    [&answer](Result<net::HttpClientResponse> told) { answer = std::move(told); });
  while (!answer) loop.run_some(kRoundMs);
  return *std::move(answer);
}

}  // namespace finpipe
