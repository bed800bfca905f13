#include "pipeline/stored_policies.h"

#include <utility>

#include "codec/policy_file.h"

namespace finpipe {

Result<const MarketPolicy*> StoredPolicies::policy_for(std::string_view symbol,
                                                       const std::map<std::string, std::string>& policies) {
  auto set = sets_.find(policies);
  if (set == sets_.end()) {
    if (sets_.size() == kMaxSets) sets_.clear();
    PolicySet read;
    for (const auto& [market, hash] : policies) {
      FINPIPE_TRY_ASSIGN(row, query_.policy(hash));
      if (!row) continue;
      FINPIPE_TRY_ASSIGN(policy, parse_policy(row->text, market));
      read.put(std::move(policy));
    }
    set = sets_.emplace(policies, std::move(read)).first;
  }
  return &set->second.policy_for(symbol);
}

}  // namespace finpipe
