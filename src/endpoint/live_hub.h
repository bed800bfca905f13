// The bridge from the processor's thread to the endpoint's: gathers what changed between two wake-ups of the loop, bars
// by key and trades one by one, of the symbols that somebody watches.
//
// It also says when a snapshot may be read from the store so that snapshot and updates together miss nothing. The first
// round that ends after a watch began may have begun before it, so what that round applied may not have been told;
// from the next round on everything is. So the watch's target is the offset at which that first round ended: once a
// round tells that everything below it is in the store, the watch is covered, and what a reader then finds there plus
// the updates since the watch began is everything.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "market/bar.h"
#include "market/trade.h"
#include "pipeline/ports.h"

namespace finpipe {

struct LiveHubLimits {
  std::size_t bars = 200'000;   // beyond, everything gathered is let go and `overflowed` is told
  std::size_t trades = 50'000;  // beyond, the oldest are let go and counted
};

// A trade that owns its text.
struct LiveTrade {
  explicit LiveTrade(const Trade& from) : symbol(from.symbol), codes(from.conditions.codes), trade(from) {}
  [[nodiscard]] Trade view() const {
    Trade out = trade;
    out.symbol = symbol;
    out.conditions.codes = codes;
    return out;
  }

  std::string symbol;
  std::string codes;
  Trade trade;  // its text is that of the two above
};

// Watches and takes: one thread. BarListener: the processor's thread.
class LiveHub final : public BarListener {
 public:
  enum class Channel : std::uint8_t { kBars, kTrades };
  using Watch = std::uint64_t;  // rises

  // What was told since the last take.
  struct Updates {
    std::vector<BarRow> bars;                                  // the newest version of each, ordered by key
    std::vector<LiveTrade> trades;                             // in the order in which they were stored
    std::map<std::string, std::int64_t, std::less<>> dropped;  // trades let go, by symbol: older than those above
    std::vector<Watch> covered;                                // their snapshots may be read from now on, once each
    bool overflowed = false;                                   // bars were let go: every reader has to begin anew
  };

  // `partitions`: of the log that the processor reads.
  explicit LiveHub(std::int32_t partitions, LiveHubLimits limits = {}) : partitions_(partitions), limits_(limits) {}

  // `wake` is called from any thread when there is something to take, and not again until it was taken. It must not
  // call back. Null: nobody takes.
  void set_wake(std::function<void()> wake);
  // From here on updates of the symbol are told.
  [[nodiscard]] Watch watch(std::string_view symbol, Channel channel);
  void unwatch(Watch watch);
  [[nodiscard]] Updates take();
  // No round will come any more and what was told is in the store: every watch is covered.
  void end_rounds();

  [[nodiscard]] std::uint64_t interest() const override { return interest_.load(std::memory_order_acquire); }
  [[nodiscard]] bool wants_bars(std::string_view symbol) override { return wants(symbol, Channel::kBars); }
  [[nodiscard]] bool wants_trades(std::string_view symbol) override { return wants(symbol, Channel::kTrades); }
  void on_bar(const BarRow& row) override { staged_bars_.push_back(row); }
  void on_trade(const Trade& trade) override { staged_trades_.emplace_back(trade); }
  void on_round(std::int32_t partition, std::int64_t applied, std::int64_t committed) override;

 private:
  struct Watched {
    std::string symbol;
    Channel channel;
  };
  struct Wait {
    Watch watch;
    std::optional<std::int64_t> target;
  };
  struct Watchers {
    int bars = 0;
    int trades = 0;
    [[nodiscard]] int& of(Channel channel) { return channel == Channel::kBars ? bars : trades; }
  };

  [[nodiscard]] bool wants(std::string_view symbol, Channel channel);
  void gather_staged();
  void wake();

  const std::int32_t partitions_;
  const LiveHubLimits limits_;
  std::atomic<std::uint64_t> interest_ = 1;

  // Of the processor's thread: told in the round at hand.
  std::vector<BarRow> staged_bars_;
  std::vector<LiveTrade> staged_trades_;

  std::mutex mutex_;  // guards all below
  std::function<void()> wake_;
  bool woken_ = false;
  bool rounds_ended_ = false;
  Watch next_watch_ = 1;
  std::unordered_map<Watch, Watched> watched_;
  std::map<std::string, Watchers, std::less<>> watchers_;  // by symbol
  std::map<std::int32_t, std::vector<Wait>> waits_;        // not covered yet, by partition
  std::map<BarKey, Bar> bars_;
  std::deque<LiveTrade> trades_;
  Updates gathered_;  // all but bars and trades
};

}  // namespace finpipe
