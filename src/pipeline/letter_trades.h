// The trades in the bytes of a dead letter, as they came or as somebody mended them.
#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "market/trade.h"

namespace finpipe {

// Trades with the text that they borrow.
class LetterTrades {
 public:
  LetterTrades() = default;
  LetterTrades(LetterTrades&&) noexcept = default;  // not to be copied: trades borrow from it
  LetterTrades& operator=(LetterTrades&&) noexcept = default;

  void add(const Trade& trade);
  [[nodiscard]] std::span<Trade> all() { return trades_; }
  [[nodiscard]] std::span<const Trade> all() const { return trades_; }
  [[nodiscard]] std::size_t size() const { return trades_.size(); }

 private:
  std::vector<Trade> trades_;
  std::deque<std::string> text_;
};

// Whether two trades say the same: all but how and when they came into the log.
[[nodiscard]] bool say_the_same(const Trade& a, const Trade& b);

// Of a Finnhub frame, or of one element of its list of trades; receipt, seq and session are not set. All trades or an
// error: the rule that the first bad one breaks, or kNotReplayable when there is none.
[[nodiscard]] Result<LetterTrades> read_letter_trades(std::string_view bytes);

}  // namespace finpipe
