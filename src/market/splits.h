// Share splits, and what they do to prices and volumes of bars before them. Stored bars are never adjusted: this is for
// those who read them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "market/bar.h"

namespace finpipe {

constexpr std::int64_t kMaxFactor = 1'000'000'000'000;  // of one split, and of all of a symbol; prices times it fit

// From `date` on, `to` shares stand for what were `from` before: 1 to 4 of a 4-for-1 split, 8 to 1 of a reverse one.
struct Split {
  std::string symbol;
  std::int64_t date_ms = 0;  // 00:00 UTC of the first trading date at the new price (ex-date)
  std::int64_t from = 1;     // 1 to kMaxFactor, as is `to`
  std::int64_t to = 1;
};

class SplitTable {
 public:
  // The splits of one symbol. Of trading dates before a split prices are multiplied by from / to and volumes by
  // to / from; several splits multiply.
  class Series {
   public:
    // Puts a bar of the trading date labelled `label_ms` into today's shares. Prices are rounded half to even to 1e-9.
    // The sums are kept exact, `scale` times too large, so that bars of several dates can be merged before they are
    // rounded by `round_sums`. False: no split came after the date. Error: kBadPolicy, when it does not fit.
    [[nodiscard]] Result<bool> adjust(Bar& bar, std::int64_t label_ms) const;
    // Volume in 1e-8 again, rounded half to even. What the VWAP is made of stays, as only its ratio counts.
    void round_sums(Bar& bar) const;

   private:
    friend class SplitTable;
    struct Step {
      std::int64_t before_ms;  // of dates before this one and from the step before it on
      std::int64_t numerator;  // prices times numerator / denominator, in lowest terms
      std::int64_t denominator;
    };
    std::vector<Step> steps_;  // by date
    std::int64_t scale_ = 1;   // a multiple of every numerator
  };

  SplitTable() = default;
  // Error: kBadPolicy, when a symbol has two splits on one date or its factors grow out of bounds.
  [[nodiscard]] static Result<SplitTable> make(std::vector<Split> splits);

  [[nodiscard]] const Series& of(std::string_view symbol) const;

 private:
  std::map<std::string, Series, std::less<>> by_symbol_;
};

}  // namespace finpipe
