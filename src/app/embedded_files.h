// Files that the build puts into the program, so that it needs nothing beside itself. Their definitions are generated:
// see cmake/web.cmake and tools/embed.py.
#pragma once

#include <span>
#include <string_view>

namespace finpipe {

struct EmbeddedFile {
  std::string_view path;  // as in a URL: "/index.html"
  std::string_view content_type;
  std::string_view bytes;
  bool immutable = false;  // its name changes with its content: may be cached for ever
};

// The page of web/, ordered by path; empty in a program built with FINPIPE_WEB=OFF.
[[nodiscard]] std::span<const EmbeddedFile> embedded_page();

// data/binance.tape: real trades for the demo.
[[nodiscard]] std::string_view embedded_tape();

}  // namespace finpipe
