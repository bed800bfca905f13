// The short way through a trade frame that has exactly the bytes Finnhub sends: no spaces, keys in the order c, p, s,
// t, v, plain numbers, nothing escaped and nothing wrong. Real frames are of this form, and reading them without a
// general JSON parser takes a quarter of its time. Whatever deviates is left to that parser, which is the only judge
// of what is wrong.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "market/trade.h"

namespace finpipe {

// Appends the trades of a plain frame; their text lies in `frame` and `text`, whose capacity must be the frame's size
// at least. False: the frame is not plain; `trades` and `text` then hold a part of it.
[[nodiscard]] bool read_plain_frame(std::string_view frame, std::vector<Trade>& trades, std::string& text);

}  // namespace finpipe
