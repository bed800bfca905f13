// What goes on until it is told to stop: the whole pipeline in one process, or one side of it beside other processes.
#pragma once

#include "app/settings.h"
#include "base/error.h"

namespace finpipe {

enum class Role : std::uint8_t {
  kRun,      // everything
  kIngest,   // feed to log
  kProcess,  // log to store, one of a group that shares the partitions
  kServe,    // page and API, from store and log
};

[[nodiscard]] Result<void> run_service(Settings settings, Role role);

}  // namespace finpipe
