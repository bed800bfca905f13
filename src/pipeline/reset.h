// `checkpoint reset`: the store's bars are made anew from the log, as a new generation.
#pragma once

#include <span>
#include <vector>

#include "base/error.h"
#include "market/market_policy.h"
#include "pipeline/checkpoint.h"
#include "pipeline/ports.h"

namespace finpipe {

// Gives every partition of the log a checkpoint at its first record, in one generation above all that the store has,
// under the newest policies of the log (`bundled` where it has none) and this program's engine rules. What the old
// checkpoints say does not matter: they may be of another log or version. Nobody else may use the store meanwhile.
[[nodiscard]] Result<std::vector<Checkpoint>> reset_checkpoints(LogReader& log, Store& store, Query& query,
                                                                std::span<const MarketPolicy> bundled);

}  // namespace finpipe
