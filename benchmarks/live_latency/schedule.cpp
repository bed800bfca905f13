#include "live_latency/schedule.h"

#include <fmt/format.h>

#include <iterator>

#include "base/random.h"
#include "base/time.h"

namespace finpipe::live_latency {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::int64_t kPriceStepsPerUnit = 10'000;

}  // namespace

std::vector<std::string> symbol_names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(fmt::format("BINANCE:BENCH{:03}USDT", i));
  return names;
}

Schedule::Schedule(const Load& load, std::int64_t start_boot_ns, std::int64_t start_wall_ns)
    : measured_from_ns_(start_boot_ns + load.warm_up_ms * kNsPerMs),
      first_bar_ms_(start_wall_ns / kNsPerSecond * kBarMs),
      due_(load.symbols) {
  const std::vector<std::string> names = symbol_names(load.symbols);
  const std::int64_t total = load.trades_per_second * (load.warm_up_ms + load.measured_ms) / 1'000;
  Random random(kSeed);
  for (std::int64_t trade = 0; trade < total;) {
    const std::int64_t after_ns = trade * kNsPerSecond / load.trades_per_second;
    const std::int64_t due_ns = start_boot_ns + after_ns;
    const std::int64_t event_time_ms = (start_wall_ns + after_ns) / kNsPerMs;
    const auto bar = static_cast<std::size_t>(bar_index(event_time_ms));
    const std::int64_t last = std::min(total, trade + random.between(1, load.max_trades_per_frame));
    std::string text = R"({"data":[)";
    for (const char* separator = ""; trade < last; ++trade, separator = ",") {
      const std::size_t symbol = random.below(load.symbols);
      const std::int64_t price = 100 * kPriceStepsPerUnit + trade;
      fmt::format_to(std::back_inserter(text), R"({}{{"c":null,"p":{}.{:04},"s":"{}","t":{},"v":0.5}})", separator,
                     price / kPriceStepsPerUnit, price % kPriceStepsPerUnit, names[symbol], event_time_ms);
      if (due_[symbol].size() <= bar) due_[symbol].resize(bar + 1);
      due_[symbol][bar].push_back(due_ns);
    }
    text += R"(],"type":"trade"})";
    frames_.push_back({due_ns, std::make_shared<const std::string>(std::move(text))});
  }
}

std::span<const std::int64_t> Schedule::due_in_bar(std::size_t symbol, std::int64_t bar_start_ms) const {
  const std::int64_t bar = bar_index(bar_start_ms);
  if (bar < 0 || static_cast<std::size_t>(bar) >= due_[symbol].size()) return {};
  return due_[symbol][static_cast<std::size_t>(bar)];
}

std::int64_t Schedule::trades_of(std::size_t symbol) const {
  std::int64_t count = 0;
  for (const auto& bar : due_[symbol]) count += static_cast<std::int64_t>(bar.size());
  return count;
}

}  // namespace finpipe::live_latency
