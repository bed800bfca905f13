// The policies in force of each partition, as the store has them.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "market/market_policy.h"
#include "pipeline/ports.h"

namespace finpipe {

class StoredPolicies {
 public:
  // `query` must outlive it.
  explicit StoredPolicies(Query& query) : query_(query) {}

  // The policy of a symbol, valid until the next call. `policies`: market to hash, of a checkpoint. A policy that is
  // not in the store claims nothing. Policies are read once and kept.
  [[nodiscard]] Result<const MarketPolicy*> policy_for(std::string_view symbol,
                                                       const std::map<std::string, std::string>& policies);

 private:
  static constexpr std::size_t kMaxSets = 16;

  Query& query_;
  std::map<std::map<std::string, std::string>, PolicySet> sets_;
};

}  // namespace finpipe
