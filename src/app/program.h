// The program: command line in, exit code out.
#pragma once

#include "base/error.h"

namespace finpipe {

// 0 done, 1 failed, 2 usage (unknown flag, malformed URL, bad setting), 3 a verification found a difference.
[[nodiscard]] int exit_code_of(ErrorCode code);

[[nodiscard]] int run_program(int argc, char** argv);

}  // namespace finpipe
