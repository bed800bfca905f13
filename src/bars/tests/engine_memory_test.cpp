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
constexpr std::size_t kSymbols = 40;
constexpr std::int64_t kGapMs = 3'000;

class Days {
 public:
  Days() : engine_({}) {
    MarketPolicy policy;
    policy.market = "crypto";
    policy.prefixes = {"BINANCE:"};
    engine_.set_policy(policy);
    const std::vector<std::string> all = {""};
    (void)engine_.apply_subscribed(at(kStartMs), all);
    for (std::size_t i = 0; i < kSymbols; ++i) names_.push_back("BINANCE:S" + std::to_string(i));
  }

  // One trade of each symbol in 20 s, some of them hours late; a gap each hour; a commit each second, acknowledged at
  // the next. Returns the most windows that were in memory.
  std::size_t run(std::int64_t day) {
    std::size_t most = 0;
    for (std::int64_t s = 0; s < kMsPerDay / kMsPerSecond; ++s) {
      const std::int64_t now_ms = kStartMs + day * kMsPerDay + s * kMsPerSecond;
      if (now_ms % kMsPerHour == 0) engine_.apply_silence(at(now_ms), now_ms);
      if (now_ms % kMsPerHour == kGapMs) gap(now_ms);
      if (now_ms % kMsPerHour >= kGapMs) {
        for (std::size_t i = 0; i < kSymbols / 20; ++i) trade(now_ms);
      }
      engine_.apply_lags(at(now_ms), lags_);
      rows_.clear();
      revisions_.clear();
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
    const std::string& name = names_[random_.below(kSymbols)];
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
  Random random_{7};
  std::vector<std::string> names_;
  std::vector<std::pair<std::string, std::int64_t>> lags_ = {{"crypto", 1'000}};
  std::vector<BarRow> rows_, revisions_;
  std::int64_t offset_ = 0;
  std::int64_t commits_ = 0;
};

// Bytes that are allocated now; does not move under a sanitizer's allocator.
std::size_t allocated_bytes() { return ::mallinfo2().uordblks; }

TEST(EngineMemory, DoesNotGrowWithTheDays) {
  Days days;
  const std::size_t first_windows = days.run(0);
  const std::size_t first_bytes = allocated_bytes();
  EXPECT_LT(first_windows, 12 * kSymbols);  // six open ones, and those that wait to close or to be stored
  for (std::int64_t day = 1; day <= 6; ++day) {
    EXPECT_LE(days.run(day), first_windows + first_windows / 10) << "day " << day + 1;
    EXPECT_LE(allocated_bytes(), first_bytes + first_bytes / 20) << "day " << day + 1;
  }
}

}  // namespace
}  // namespace finpipe
