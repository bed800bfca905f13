// Parts are chosen by URL. This says which part of this program a URL names, or why it names none (kBadUrl).
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace finpipe {

// tape:PATH, the path of the tape.
[[nodiscard]] Result<std::string> tape_path(std::string_view feed_url);

// embedded:DIR, the directory. `setting` is how messages call the URL: log or store.
[[nodiscard]] Result<std::string> embedded_directory(std::string_view setting, std::string_view url);

}  // namespace finpipe
