// The 128-bit integer of the compiler, under a name that -Wpedantic accepts.
#pragma once

namespace finpipe {

__extension__ using int128 = __int128;
__extension__ using uint128 = unsigned __int128;

}  // namespace finpipe
