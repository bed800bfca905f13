// What the engine keeps in memory depends on how many symbols there are, not on how long it runs.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <string>
#include <vector>

#include "bars/engine.h"
#include "base/random.h"

namespace finpipe {
namespace {

constexpr std::int64_t kStartMs = 1'717'372'800'000;  // a Monday, 00:00 UTC
constexpr std::int64_t kGapMs = 3'000;

class Market {
 public:
  // Each symbol trades so often on average.
  Market(std::size_t symbols, std::size_t seconds_between_trades)
      : engine_({}), trades_a_second_(symbols / seconds_between_trades) {
    MarketPolicy policy;
    policy.market = "crypto";
    policy.prefixes = {"BINANCE:"};
    engine_.set_policy(policy);
    const std::vector<std::string> all = {""};
    (void)engine_.apply_subscribed(at(kStartMs), all);
    for (std::size_t i = 0; i < symbols; ++i) names_.push_back("BINANCE:S" + std::to_string(i));
  }

  // Some trades are hours late; a gap each hour; a commit each second, acknowledged at the next. Returns the most
  // windows that were in memory.
  std::size_t run(std::int64_t seconds) {
    std::size_t most = 0;
    for (const std::int64_t end_ms = now_ms_ + seconds * kMsPerSecond; now_ms_ < end_ms; now_ms_ += kMsPerSecond) {
      const std::int64_t now_ms = now_ms_;
      if (now_ms % kMsPerHour == 0) engine_.apply_silence(at(now_ms), now_ms);
      if (now_ms % kMsPerHour == kGapMs) gap(now_ms);
      if (now_ms % kMsPerHour >= kGapMs) {
        for (std::size_t i = 0; i < trades_a_second_; ++i) trade(now_ms);
      }
      engine_.apply_lags(at(now_ms), lags_);
      rows_ = {};
      revisions_ = {};
      engine_.take(++commits_, rows_, revisions_);
      engine_.acknowledge(commits_ - 1);
      most = std::max(most, engine_.windows_in_memory());
    }
    return most;
  }

 private:
  BarEngine::At at(std::int64_t stamp_ms) { return {offset_++, stamp_ms * kNsPerMs, true}; }

  void gap(std::int64_t now_ms) {
    const TrustSpan span{TrustSpan::Kind::kGap, "", {now_ms - kGapMs - kMsPerSecond, now_ms + kMsPerSecond}};
    const BarEngine::At now = at(now_ms);
    while (engine_.apply_spans(now, {&span, 1}) == BarEngine::Apply::kNeedsRows) engine_.provide({});
  }
  void trade(std::int64_t now_ms) {
    const std::string& name = names_[random_.below(names_.size())];
    Trade trade;
    trade.symbol = name;
    trade.received_at_ns = now_ms * kNsPerMs;
    trade.seq = trade.received_at_ns + offset_;
    trade.event_time_ms = now_ms - random_.between(0, random_.chance(0.01) ? 5 * kMsPerHour : kMsPerSecond);
    trade.price_e9 = trade.volume_e8 = 1'000'000'000;
    trade.session = 1;
    while (engine_.apply_trade(engine_.symbol(name), trade, offset_) == BarEngine::Apply::kNeedsRows) {
      engine_.provide({});
    }
    ++offset_;
  }

  BarEngine engine_;
  std::size_t trades_a_second_;
  std::int64_t now_ms_ = kStartMs;
  Random random_{7};
  std::vector<std::string> names_;
  std::vector<std::pair<std::string, std::int64_t>> lags_ = {{"crypto", 1'000}};
  BlockList<BarRow> rows_, revisions_;
  std::int64_t offset_ = 0;
  std::int64_t commits_ = 0;
};

// Bytes that are allocated now; does not move under a sanitizer's allocator.
std::size_t allocated_bytes() { return ::mallinfo2().uordblks; }

TEST(EngineMemory, DoesNotGrowWithTheDays) {
  constexpr std::size_t kSymbols = 40;
  constexpr std::int64_t kDayS = kMsPerDay / kMsPerSecond;
  Market market(kSymbols, 20);
  const std::size_t first_windows = market.run(kDayS);
  const std::size_t first_bytes = allocated_bytes();
  EXPECT_LT(first_windows, 12 * kSymbols);  // six open ones, and those that wait to close or to be stored
  for (int day = 2; day <= 7; ++day) {
    EXPECT_LE(market.run(kDayS), first_windows + first_windows / 10) << "day " << day;
    EXPECT_LE(allocated_bytes(), first_bytes + first_bytes / 20) << "day " << day;
  }
}

TEST(EngineMemory, TenThousandSymbolsOfSixIntervalsFitInto200MB) {
  const std::size_t before_bytes = allocated_bytes();
  Market market(10'000, 10);
  EXPECT_GT(market.run(120), 55'000U);  // nearly all windows that can be open are
  EXPECT_LT(allocated_bytes() - before_bytes, 200'000'000U);
}

}  // namespace
}  // namespace finpipe
