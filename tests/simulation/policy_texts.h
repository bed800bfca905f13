// Policies of a market that differ in what they do, made of the bundled one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace finpipe::simulation {

// A market's policy and the versions of it that a history may change to.
struct PolicyTexts {
  std::string market;
  std::vector<std::string> versions;
};

// `calendar`: with the bundled trading calendar, which is slow to compile; else the market is always open.
[[nodiscard]] PolicyTexts policy_texts(std::string_view market, bool calendar);

}  // namespace finpipe::simulation
