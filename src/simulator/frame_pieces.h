// Where the trades of a Finnhub trade frame lie in its text, and where each one's event time: what has to be known to
// take a frame apart by symbol and to put other times in, leaving every other byte as it is.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "codec/finnhub_frame.h"

namespace finpipe {

struct TradePiece {
  std::uint32_t begin = 0;  // the trade's object in the frame, with its braces
  std::uint32_t end = 0;
  std::uint32_t time_begin = 0;  // the number behind its "t"
  std::uint32_t time_end = 0;    // 0: there is none that could be moved
  std::int64_t time_ms = 0;
  std::string_view symbol;  // of a damaged trade: as it stands, or that of a neighbour
};

// Replaces `pieces` by the trades of `frame`, which `parsed` was read from. False, and no piece: it is no trade frame,
// or it cannot be taken apart without a doubt. Symbols are views of `frame` or of the parser's memory.
[[nodiscard]] bool find_pieces(std::string_view frame, const ParsedFrame& parsed, std::vector<TradePiece>& pieces);

}  // namespace finpipe
