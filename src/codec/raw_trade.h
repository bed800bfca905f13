// The bytes of each trade inside a frame, for the rare trade that is refused after it was read.
#pragma once

#include <string_view>
#include <vector>

namespace finpipe {

// The elements of the frame's list of trades, in order, as the bytes they came as. `frame` must be one that
// FrameParser accepted; of a list that comes twice the last one counts, as there.
[[nodiscard]] std::vector<std::string_view> raw_trades(std::string_view frame);

}  // namespace finpipe
