// Reads policy files: which symbols belong to a market, when it trades, what its sale conditions do. The form is
// described in policies/README.md and is strict: a missing, unknown or wrong key is an error with file, line and key.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "market/market_policy.h"

namespace finpipe {

// One file's text. `name` stands in error messages. Error: kBadPolicy.
[[nodiscard]] Result<MarketPolicy> parse_policy(std::string text, std::string_view name);

// Reads the newest text of each market once, however often it comes; what it gives then shares the calendar.
class PolicyReader {
 public:
  [[nodiscard]] Result<MarketPolicy> parse(std::string_view text, std::string_view market);

 private:
  std::map<std::string, MarketPolicy, std::less<>> newest_;  // by market
};

// Every *.toml of a directory, in the order of their names. Errors: kNotFound, kIo, kBadPolicy; also when a file's name
// is not its market's, or two markets claim a prefix or a form.
[[nodiscard]] Result<std::vector<MarketPolicy>> load_policies(const std::filesystem::path& directory);

// The files of policies/ as they were when the program was built. Error: kBadPolicy when the system has no time zones.
[[nodiscard]] Result<std::vector<MarketPolicy>> bundled_policies();

}  // namespace finpipe
