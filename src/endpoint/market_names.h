// Which market each symbol belongs to, by the policies in force of its partition.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "market/market_policy.h"
#include "pipeline/checkpoint.h"
#include "pipeline/ports.h"

namespace finpipe {

class MarketNames {
 public:
  explicit MarketNames(Query& query) : query_(query) {}

  // `policies`: market to hash, of a checkpoint. A policy that is not in the store claims nothing. Policies are read
  // once and kept.
  [[nodiscard]] Result<std::string_view> market_of(std::string_view symbol,
                                                   const std::map<std::string, std::string>& policies);

 private:
  static constexpr std::size_t kMaxSets = 16;

  Query& query_;
  std::map<std::map<std::string, std::string>, PolicySet> sets_;
};

}  // namespace finpipe
