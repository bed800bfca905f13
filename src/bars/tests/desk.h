// What the engine's tests share: an engine at a desk with a small store, so that a test reads as a story of trades and
// control records. Times are ms after a Monday midnight in UTC; prices and volumes are whole numbers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bars/engine.h"

namespace finpipe {

constexpr std::int64_t kMidnightMs = 1'717'372'800'000;  // 2024-06-03T00:00:00Z
constexpr std::string_view kCoin = "BINANCE:BTCUSDT";
constexpr std::string_view kStock = "AAPL";

// Crypto: closes 2 s after the lag. Stocks: 5 s; code 1 is a plain trade, 2 an "F" trade, 3 counts into volume only.
[[nodiscard]] MarketPolicy crypto_policy(std::int64_t allowed_delay_ms = 2'000);
[[nodiscard]] MarketPolicy stock_policy();

class Desk {
 public:
  explicit Desk(BarEngine::Identity identity = {});

  struct Print {
    std::int64_t price = 100;
    std::int64_t volume = 1;
    std::string_view codes = {};
    Suspect suspect = Suspect::kNone;
    Writer writer = Writer::kLive;
  };
  // A trade that happened at `event_ms` and was received at `received_ms`.
  void trade(std::string_view symbol, std::int64_t event_ms, std::int64_t received_ms, Print print);
  void trade(std::string_view symbol, std::int64_t event_ms, std::int64_t received_ms) {
    trade(symbol, event_ms, received_ms, Print());
  }
  // Returns what the engine asked for before it could apply the last record.
  [[nodiscard]] std::size_t asked() const { return asked_; }

  void heartbeat(std::int64_t stamp_ms, std::vector<std::pair<std::string, std::int64_t>> lags = {});
  void session(std::int64_t stamp_ms, std::optional<std::int64_t> silent_since_ms = std::nullopt, bool is_new = true);
  void subscribed(std::int64_t stamp_ms, std::vector<std::string> symbols = {""});
  void unsubscribed(std::int64_t stamp_ms, std::vector<std::string> symbols = {""});
  void silence(std::int64_t stamp_ms, std::int64_t since_ms);
  void gap(std::int64_t stamp_ms, std::int64_t from_ms, std::int64_t to_ms, std::string symbol = "");
  void filled(std::int64_t stamp_ms, std::string symbol, std::int64_t from_ms, std::int64_t to_ms);
  void policy(std::int64_t stamp_ms, MarketPolicy policy);
  void end(std::int64_t stamp_ms);

  // Writes what changed to the store; what may leave the engine's memory leaves it.
  void commit();
  // A new engine goes on from the last commit. `load`: with the rows that may be open.
  void restart(bool load = true);

  // The bar as it stands now; nullopt when there is none. Writes first.
  [[nodiscard]] std::optional<Bar> bar(std::string_view symbol, Interval interval, std::int64_t start_ms);
  // Every closed version of the bar, in order.
  [[nodiscard]] std::vector<Bar> revisions(std::string_view symbol, Interval interval, std::int64_t start_ms);
  [[nodiscard]] BarEngine& engine() { return engine_; }
  [[nodiscard]] std::int64_t next_offset() const { return offset_; }
  void go_back_to(std::int64_t offset) { offset_ = offset; }

 private:
  [[nodiscard]] BarEngine::At at(std::int64_t stamp_ms);
  void spans(std::int64_t stamp_ms, TrustSpan span);
  void provide();

  BarEngine::Identity identity_;
  BarEngine engine_;
  std::int64_t offset_ = 0;
  std::int64_t commits_ = 0;
  std::size_t asked_ = 0;
  std::map<BarKey, Bar> rows_;
  BlockList<BarRow> revisions_;
  std::vector<TrustSpan> spans_;
  BarEngine::State checkpoint_;
};

// A desk on which everything is known: subscribed to all and lag 0 in both markets, since midnight.
[[nodiscard]] Desk quiet_desk();

[[nodiscard]] inline std::int64_t at_ms(std::int64_t ms) { return kMidnightMs + ms; }

}  // namespace finpipe
