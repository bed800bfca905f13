// The pages of docs/reference/, made from the tables in code; a test compares the files with these.
#pragma once

#include <string>

namespace finpipe {

[[nodiscard]] std::string settings_page();
[[nodiscard]] std::string errors_page();
[[nodiscard]] std::string metrics_page();
[[nodiscard]] std::string findings_page();

}  // namespace finpipe
