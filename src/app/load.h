// `finpipe load`, as commands.h has the other subcommands.
#pragma once

#include "app/commands.h"

namespace finpipe {

void add_load(CLI::App& program, CommandLine& line);

}  // namespace finpipe
