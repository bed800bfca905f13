// cassandra/init.cql, put into the program by tools/embed.py.
#pragma once

#include <string_view>

namespace finpipe::cql {

[[nodiscard]] std::string_view init_cql();

}  // namespace finpipe::cql
