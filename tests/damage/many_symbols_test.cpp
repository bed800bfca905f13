// More symbols in one partition than a processor remembers at a time: each trade counts for its own.
#include <fmt/format.h>

#include "hand_made_log.h"

namespace finpipe {
namespace {

class ManySymbols : public HandMadeLog {};

TEST_F(ManySymbols, KeepTheirTradesApart) {
  constexpr int kSymbols = 600;
  constexpr int kRounds = 3;
  for (int i = 0; i < kRounds * kSymbols; ++i) {
    const std::string symbol = fmt::format("BINANCE:S{}USDT", i % kSymbols);
    Trade made = trade(i, 1 + i);
    made.symbol = symbol;
    put(made);
  }
  control(kStartNs + 10 * kNsPerSecond, beat(kRounds * kSymbols, 1));
  const VerifyReport report = verify();
  EXPECT_EQ(report.symbols.size(), static_cast<std::size_t>(kSymbols));
  EXPECT_EQ(report.differences, 0) << report.first.front().what;
}

}  // namespace
}  // namespace finpipe
