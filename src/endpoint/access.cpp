#include "endpoint/access.h"

#include <algorithm>
#include <string>

namespace finpipe {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

// "[::1]:8080" -> "[::1]"
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.find(':'));
}

std::string_view without(std::string_view text, std::string_view ending) {
  return text.ends_with(ending) ? text.substr(0, text.size() - ending.size()) : text;
}

// Whether an origin ("http://127.0.0.1:8080") is that of the pages under `host`.
bool is_same_origin(std::string_view origin, std::string_view host) {
  for (const auto& [scheme, default_port] : {std::pair("http://", ":80"), std::pair("https://", ":443")}) {
    if (!origin.starts_with(scheme)) continue;
    origin.remove_prefix(std::string_view(scheme).size());
    return !origin.empty() && without(origin, default_port) == without(host, default_port);
  }
  return false;
}

// A header's text inside an error message.
std::string cut(std::string_view text) { return std::string(text.substr(0, 100)); }

}  // namespace

bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

Result<void> check_access(bool loopback_listener, std::string_view host, std::string_view origin) {
  const std::string asked = lower(host);
  const std::string_view name = without_port(asked);
  if (loopback_listener && !asked.empty() && name != "localhost" && name != "127.0.0.1" && name != "[::1]")
    return fail(ErrorCode::kForeignHost,
                "this listener answers to localhost, 127.0.0.1 and [::1], not to '" + cut(host) + "'");
  if (!origin.empty() && !is_same_origin(lower(origin), asked))
    return fail(ErrorCode::kForeignOrigin, "a page of '" + cut(origin) + "' may not ask '" + cut(host) + "'");
  return {};
}

}  // namespace finpipe
