// The dashboard's files, from a table that the app has in memory: nothing is ever looked up on the disk.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/http_server.h"

namespace finpipe {

// One file. Its text must live as long as the routes.
struct PageAsset {
  std::string_view path;  // "/index.html"
  std::string_view content_type;
  std::string_view bytes;
  bool immutable = false;  // its name holds a hash of its content
};

class PageRoutes {
 public:
  // Without assets `/` says so in plain text.
  explicit PageRoutes(std::span<const PageAsset> assets);

  // `path`: decoded, of net::safe_path; `/` is /index.html. `if_none_match` and `host` are headers of the request.
  // nullopt: no such file.
  [[nodiscard]] std::optional<net::HttpResponse> answer(std::string_view path, std::string_view if_none_match,
                                                        std::string_view host) const;

 private:
  struct File {
    PageAsset asset;
    std::string tag;
  };
  std::map<std::string_view, File> files_;  // by path
};

}  // namespace finpipe
