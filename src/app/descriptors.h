// File descriptors of this process: log and store must always get theirs, whatever clients do.
#pragma once

#include <cstddef>

namespace finpipe {

// Raises the limit of open files as far as this process may, and gives it.
std::size_t raise_descriptor_limit();

// How many connections a server may hold at once, at most `wanted`: of the limit 512 descriptors, or half of a small
// one, are left to log, store and feed.
[[nodiscard]] std::size_t connections_within(std::size_t descriptor_limit, std::size_t wanted);

}  // namespace finpipe
