// The bytes of one trade inside a frame, for the rare trade that is refused after it was read.
#pragma once

#include <cstddef>
#include <string_view>

namespace finpipe {

// The element at `position` (from 0) of the frame's list of trades; the whole frame when there is none. The frame must
// be one that FrameParser accepted.
[[nodiscard]] std::string_view raw_trade(std::string_view frame, std::size_t position);

}  // namespace finpipe
