// What a load sends: trades of made-up symbols in frames as the vendor writes them, each due at its time of a schedule
// (arrivals.h). All of it is drawn from a seed, so that the same options give the same load again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "load/arrivals.h"
#include "load/zipf.h"
#include "market/market_policy.h"
#include "simulator/faults.h"
#include "simulator/looped_tape.h"

namespace finpipe {

enum class LoadMarket : std::uint8_t {
  kCrypto,      // no sale conditions
  kUsEquities,  // with sale conditions mixed as on the tapes of US equities: some count into no bar, some set no price
};

// Names that no exchange gives, of the market's form: BINANCE:LOAD0000USDT, ZZAAA.
[[nodiscard]] std::vector<std::string> load_symbols(LoadMarket market, std::size_t count);
// Whether it is one of those.
[[nodiscard]] bool is_load_symbol(std::string_view symbol);

// What a load takes of a tape: when trades come, how many in a frame, at which prices and volumes.
struct TapeShape {
  struct Print {
    std::int64_t price_e9 = 0;
    std::int64_t volume_e8 = 0;
  };
  std::shared_ptr<const ArrivalShape> arrivals;
  std::vector<Print> prints;              // of each trade of a loop
  std::vector<std::int64_t> frame_sizes;  // in trades, of each frame of a loop that has some
};
// Error: kBadSetting for a tape without trades.
[[nodiscard]] Result<std::shared_ptr<const TapeShape>> shape_of(const LoopedTape& tape);

constexpr std::size_t kMaxLoadSymbols = 10'000;
constexpr std::int64_t kMaxLoadRate = 1'000'000;  // trades a second

struct FlowOptions {
  std::int64_t trades_per_second = 1'000;
  std::size_t symbols = 50;
  double zipf = 1;  // exponent of Zipf's law; 0: all symbols alike
  LoadMarket market = LoadMarket::kCrypto;
  std::int64_t max_trades_per_frame = 10;  // of the synthetic flow: 1 to so many, each as likely
  Bursts bursts{};
  double bad = 0;  // how many bad frames come for each good one
  std::uint64_t seed = 1;
  std::shared_ptr<const TapeShape> tape{};  // null: the synthetic flow, even but for the bursts
};

class Flow {
 public:
  struct PlannedTrade {
    std::size_t symbol = 0;
    std::int64_t event_time_ms = 0;
    std::string_view json;  // in the frame
    bool in_bars = true;    // the market's policy counts it into volume and trades of a bar
  };
  struct Frame {
    std::int64_t due_ns = 0;  // since the start; that of its first trade
    std::string text;
    std::vector<PlannedTrade> trades;  // empty: a frame that cannot be used
  };

  // `trades` in all. Event times count from start_wall_ns. The policies say what counts.
  Flow(const FlowOptions& options, const PolicySet& policies, std::int64_t trades, std::int64_t start_wall_ns);

  [[nodiscard]] bool ended() const { return number_ == trades_ && !bad_follows_; }
  // Of the next frame; only before the end.
  [[nodiscard]] std::int64_t next_due_ns() const { return bad_follows_ ? frame_.due_ns : arrivals_.due_ns(number_); }
  // Lives until the next call.
  [[nodiscard]] const Frame& next();

  // How many trades the schedule has before or at that time, sent or not.
  [[nodiscard]] std::int64_t due_by(std::int64_t offset_ns) const;
  [[nodiscard]] std::int64_t trades() const { return trades_; }
  [[nodiscard]] std::span<const std::string> symbols() const { return names_; }

 private:
  struct ConditionChoice {
    std::string_view json;
    bool in_bars = true;
  };

  [[nodiscard]] std::int64_t next_frame_size();
  void append_trade(std::size_t symbol, std::int64_t event_time_ms);
  void make_bad_frame();

  FlowOptions options_;
  std::int64_t trades_;
  std::int64_t start_wall_ns_;
  std::vector<std::string> names_;
  Arrivals arrivals_;
  Zipf zipf_;
  std::vector<ConditionChoice> conditions_;
  std::vector<std::uint32_t> condition_weights_;  // summed up to each choice
  Random random_;
  std::int64_t number_ = 0;  // of the next trade
  std::size_t tape_frame_ = 0;
  std::size_t bad_dealt_ = 0;
  bool bad_follows_ = false;
  Frame frame_;
  std::vector<std::pair<std::size_t, std::size_t>> places_;  // of the trades in the text
};

}  // namespace finpipe
