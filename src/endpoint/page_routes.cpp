#include "endpoint/page_routes.h"

#include <algorithm>

#include "base/hash.h"

namespace finpipe {
namespace {

constexpr std::string_view kNoPage =
    "This is finpipe. It was built without its page; the HTTP and WebSocket API is here all the same: see "
    "docs/api.md.\n";

// Whether it can stand in a header as a host: nothing that could end the value or add a source.
bool is_plain_host(std::string_view host) {
  return !host.empty() && std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".-:[]").contains(c);
  });
}

// Nothing from elsewhere and no script in the text of the page. The chart library sets styles. The stream's own
// addresses are named for browsers in which 'self' does not cover WebSockets.
std::string content_security_policy(std::string_view host) {
  std::string connect = "'self'";
  if (is_plain_host(host)) connect.append(" ws://").append(host).append(" wss://").append(host);
  return "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src " +
         connect + "; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
}

// If-None-Match is a list of tags, some of them marked weak.
bool matches(std::string_view if_none_match, std::string_view tag) {
  return if_none_match == "*" || if_none_match.contains(tag);
}

}  // namespace

PageRoutes::PageRoutes(std::span<const PageAsset> assets) {
  for (const PageAsset& asset : assets)
    files_.emplace(asset.path, File{asset, '"' + sha256_hex(asset.bytes).substr(0, 32) + '"'});
}

std::optional<net::HttpResponse> PageRoutes::answer(std::string_view path, std::string_view if_none_match,
                                                    std::string_view host) const {
  if (files_.empty() && path == "/")
    return net::HttpResponse{.content_type = "text/plain; charset=utf-8", .body = std::string(kNoPage)};
  const auto found = files_.find(path == "/" ? "/index.html" : path);
  if (found == files_.end()) return std::nullopt;
  const auto& [asset, tag] = found->second;
  net::HttpResponse response{.content_type = std::string(asset.content_type)};
  response.headers.emplace_back("ETag", tag);
  response.headers.emplace_back("Cache-Control", asset.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  response.headers.emplace_back("Content-Security-Policy", content_security_policy(host));
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  if (matches(if_none_match, tag))
    response.status = 304;
  else
    response.static_body = asset.bytes;
  return response;
}

}  // namespace finpipe
