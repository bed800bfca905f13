// The vendor's side of a simulation: trades that happen and leave in frames, one connection a key, and a record of its
// own of what it sent. It is as careless as a vendor may be: slow at times, in bursts, with frames that come twice or
// in another order, stamps that cannot be, symbols that it refuses, and connections that it ends, leaves open and
// silent, or believes in although nobody is there any more.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/random.h"

namespace finpipe::simulation {

struct VendorTrade {
  std::size_t symbol = 0;
  std::int64_t event_ms = 0;
  std::int64_t price_cents = 0;  // no two trades have the same
  std::int64_t volume = 0;
  std::string conditions;
  bool possible = true;   // its stamp is one that a trade can have
  std::int64_t sent = 0;  // so often
};

// One connection, as both ends see it. Times are true ones.
struct Wire {
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  struct ToHost {
    enum class Kind : std::uint8_t { kFrame, kPong, kEnd };
    std::int64_t at_ms = 0;
    Kind kind = Kind::kFrame;
    std::string text{};
    std::vector<std::size_t> trades{};  // in the frame, as numbers of the vendor's record
  };
  struct ToVendor {
    std::int64_t at_ms = 0;
    std::optional<std::string> text{};  // nullopt: a ping
  };
  std::deque<ToHost> to_host;
  std::deque<ToVendor> to_vendor;
  std::int64_t latency_ms = 0;
  bool half_open = false;                // nothing arrives any more, at either end
  bool silent = false;                   // the vendor sends nothing more, but answers pings
  std::int64_t vendor_ends_ms = kNever;  // then the vendor gives it up
  std::set<std::size_t> subscribed;
  std::size_t max_subscriptions = std::numeric_limits<std::size_t>::max();
  std::optional<std::size_t> invalid;  // symbol that the vendor says it does not know
};

struct VendorCounts {
  std::int64_t trades = 0;
  std::int64_t duplicates = 0;  // frames
  std::int64_t reordered = 0;   // frames
  std::int64_t slow = 0;        // times that it became slow
  std::int64_t bursts = 0;
  std::int64_t refusals = 0;
  std::int64_t too_many = 0;  // connections refused
  std::int64_t far_future = 0, ancient = 0;
};

class Vendor {
 public:
  Vendor(Random& random, std::vector<std::string> symbols, std::int64_t start_ms);

  // What happens until `now_ms`. `calm`: nothing but what a good vendor does. `may_slow`: it may become slow.
  void pass(std::int64_t now_ms, bool calm, bool may_slow);
  // nullptr: refused, for there is another connection.
  [[nodiscard]] std::shared_ptr<Wire> connect(std::int64_t now_ms);
  // The connection in force; may be nullptr.
  [[nodiscard]] const std::shared_ptr<Wire>& wire() const { return wire_; }
  // No more trades, only pings.
  void close_market() { open_ = false; }

  [[nodiscard]] const std::vector<VendorTrade>& trades() const { return trades_; }
  [[nodiscard]] const std::vector<std::string>& symbols() const { return symbols_; }
  [[nodiscard]] const VendorCounts& counts() const { return counts_; }
  // By its price as a frame has it, "12.34".
  [[nodiscard]] std::optional<std::size_t> trade_of(std::string_view price) const;

 private:
  struct Frame {
    std::string text;
    std::vector<std::size_t> trades;
  };

  void listen(std::int64_t now_ms);
  void trade(std::int64_t now_ms, bool calm);
  void make_trade(std::size_t symbol, std::int64_t event_ms, bool calm);
  void leave(std::int64_t now_ms, bool calm);
  [[nodiscard]] Frame frame_of(std::vector<std::size_t> trades) const;
  void send(const Frame& frame, std::int64_t now_ms);

  Random& random_;
  std::vector<std::string> symbols_;
  std::vector<std::int64_t> next_ms_;  // by symbol
  std::vector<VendorTrade> trades_;
  std::unordered_map<std::string, std::size_t> by_price_;
  std::multimap<std::int64_t, std::size_t> waiting_;  // trades by when they leave
  std::optional<Frame> held_;                         // to be overtaken by the next one
  std::shared_ptr<Wire> wire_;
  std::int64_t delay_ms_;
  std::int64_t newest_leave_ms_ = 0;
  std::int64_t next_ping_ms_;
  bool open_ = true;
  VendorCounts counts_;
};

}  // namespace finpipe::simulation
