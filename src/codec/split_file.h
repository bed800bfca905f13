// Reads files of share splits. The form is described in policies/README.md and is strict: what is wrong is an error
// with file and line.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "market/splits.h"

namespace finpipe {

constexpr std::string_view kSplitFile = "splits.csv";

// One file's text. `name` stands in error messages. Error: kBadPolicy.
[[nodiscard]] Result<SplitTable> parse_splits(std::string_view text, std::string_view name);

// splits.csv of a directory of policies; the bundled one where there is none. Errors: kIo, kBadPolicy.
[[nodiscard]] Result<SplitTable> load_splits(const std::filesystem::path& directory);

// policies/splits.csv as it was when the program was built. Error: kBadPolicy.
[[nodiscard]] Result<SplitTable> bundled_splits();

}  // namespace finpipe
