// The two files that settings may come from. Both are strict: a name that is no setting is an error with file and line.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "app/settings.h"
#include "base/error.h"

namespace finpipe {

struct FileValue {
  Setting setting;
  SettingValue value;  // its source is file:line
};

// `.env` in `directory`: NAME=VALUE lines, # comments, optional quotes and `export`. Names that do not begin with
// FINPIPE_ are other programs' and passed over; a missing file and empty values say nothing. Error: kBadConfigFile.
[[nodiscard]] Result<std::vector<FileValue>> read_dotenv(const std::filesystem::path& directory);

// A TOML file of settings; a relative path starts in `directory`. Lists may be arrays of strings.
// Error: kBadConfigFile; also when the file is missing, unless it `may_be_missing`.
[[nodiscard]] Result<std::vector<FileValue>> read_toml(const std::filesystem::path& directory, const std::string& path,
                                                       bool may_be_missing);

}  // namespace finpipe
