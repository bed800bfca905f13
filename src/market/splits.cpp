#include "market/splits.h"

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

#include "base/decimal.h"
#include "base/time.h"

namespace finpipe {
namespace {

int128 common_divisor(int128 a, int128 b) {
  while (b != 0) a = std::exchange(b, a % b);
  return a;
}

bool multiply(int128& value, std::int64_t by) {
  return !__builtin_mul_overflow(value, static_cast<int128>(by), &value);
}

bool scale_price(std::int64_t& price_e9, std::int64_t numerator, std::int64_t denominator) {
  const int128 scaled = divide_half_even(static_cast<int128>(price_e9) * numerator, denominator);
  price_e9 = static_cast<std::int64_t>(scaled);
  return scaled == price_e9;
}

}  // namespace

Result<SplitTable> SplitTable::make(std::vector<Split> splits) {
  // The latest first: what multiplies grows with every step back.
  std::ranges::sort(splits, std::greater<>(), [](const Split& split) { return std::tie(split.symbol, split.date_ms); });
  SplitTable table;
  for (const Split& split : splits) {
    Series& series = table.by_symbol_[split.symbol];
    const bool latest = series.steps_.empty();
    const Series::Step later = latest ? Series::Step{0, 1, 1} : series.steps_.back();
    const std::string name = split.symbol + " on " + format_time_ms(split.date_ms).substr(0, 10);
    if (!latest && later.before_ms == split.date_ms) return fail(ErrorCode::kBadPolicy, "two splits of " + name);
    const int128 prices = static_cast<int128>(later.numerator) * split.from;
    const int128 volumes = static_cast<int128>(later.denominator) * split.to;
    const int128 shared = common_divisor(prices, volumes);
    const int128 numerator = prices / shared;
    const int128 denominator = volumes / shared;
    const int128 scale = series.scale_ / common_divisor(series.scale_, numerator) * numerator;
    if (std::max({numerator, denominator, scale}) > kMaxFactor) {
      return fail(ErrorCode::kBadPolicy, "too large a factor: all splits from that of " + name + " on");
    }
    series.steps_.push_back(
        {split.date_ms, static_cast<std::int64_t>(numerator), static_cast<std::int64_t>(denominator)});
    series.scale_ = static_cast<std::int64_t>(scale);
  }
  for (auto& [symbol, series] : table.by_symbol_) std::ranges::reverse(series.steps_);
  return table;
}

const SplitTable::Series& SplitTable::of(std::string_view symbol) const {
  static const Series kNone;
  const auto found = by_symbol_.find(symbol);
  return found == by_symbol_.end() ? kNone : found->second;
}

Result<bool> SplitTable::Series::adjust(Bar& bar, std::int64_t label_ms) const {
  const auto step = std::ranges::upper_bound(steps_, label_ms, {}, &Step::before_ms);
  const bool applies = step != steps_.end();
  const std::int64_t numerator = applies ? step->numerator : 1;
  const std::int64_t denominator = applies ? step->denominator : 1;
  bool fits = true;
  for (std::int64_t* price : {&bar.first.price_e9, &bar.last.price_e9, &bar.first_if_alone.price_e9,
                              &bar.last_if_alone.price_e9, &bar.high_e9, &bar.low_e9}) {
    fits &= scale_price(*price, numerator, denominator);
  }
  for (int128* volume : {&bar.volume_e8, &bar.vwap_volume_e8}) {
    fits &= multiply(*volume, denominator) && multiply(*volume, scale_ / numerator);
  }
  fits &= multiply(bar.notional_e17, scale_);
  if (!fits) return fail(ErrorCode::kBadPolicy, "the splits make a price or a sum too large");
  return applies;
}

void SplitTable::Series::round_sums(Bar& bar) const { bar.volume_e8 = divide_half_even(bar.volume_e8, scale_); }

}  // namespace finpipe
