// Rules of the pipeline that a test can switch off, to show that its search would find their absence. Nothing outside
// of tests sets this, and no hot path reads it.
#pragma once

#include <cstdint>

namespace finpipe {

enum class PlantedFault : std::uint8_t {
  kNone,
  kOpenRowsNotLoaded,       // an assignment does not load the rows that may be open
  kRowsNotLookedUp,         // a window that is not in memory is taken for new
  kTransitionStampsOffset,  // a clock transition claims the record that moved the clock
  kVersionCountsWrites,     // a version is not a function of the log
  kCountedTwice,            // a trade that a row knows already is merged again
  kDroppedOnDisconnect,     // the last frame before a disconnect is not taken
  kCheckpointFirst,         // the checkpoint is written before the rows that it covers are acknowledged
  kStateKept,               // what an earlier assignment left in memory is used again
};

inline PlantedFault planted_fault = PlantedFault::kNone;

[[nodiscard]] inline bool planted(PlantedFault fault) { return planted_fault == fault; }

}  // namespace finpipe
