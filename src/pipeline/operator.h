// An operator's word on stored trades, as records of a session of their own. `finpipe run` and this do not write one
// log at a time: the embedded log belongs to one process.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "pipeline/checkpoint.h"
#include "pipeline/ports.h"

namespace finpipe {

// Appends what `row` says (action, symbol, event time, seq, reason, at) to the log and waits until it is durable.
// `checkpoint`: of the symbol's partition, at the end of the log.
[[nodiscard]] Result<void> append_void(LogWriter& log, const Checkpoint& checkpoint, const VoidRow& row);

}  // namespace finpipe
