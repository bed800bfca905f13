// Feed to log: parses frames, stamps and numbers each trade, sets aside what cannot be used, marks suspected repeats,
// and writes the control records that make the log complete by itself. One live ingest per log.
//
// From a tape, stamps, seqs, heartbeats and `end` are functions of the position in the tape. A tape that is resumed is
// read from its start; what the log has of it already is recognised and not appended again.
//
// From a live feed, time passes without frames too, and what was missed is gone: each interruption, also the time since
// the log's last record, is stated as a gap, in event time and widened by how late (or early) trades arrive.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/time.h"
#include "codec/feed_status_avro.h"
#include "codec/finnhub_frame.h"
#include "market/market_policy.h"
#include "pipeline/lag_tracker.h"
#include "pipeline/log_tail.h"
#include "pipeline/ports.h"
#include "pipeline/recent_trades.h"
#include "pipeline/suspects.h"

namespace finpipe {

struct IngestOptions {
  std::vector<std::string> symbols;  // empty: all that the feed has
  std::vector<MarketPolicy> policies;
  std::size_t frames_per_step = 256;
  std::size_t send_bytes = std::size_t{1024} * 1024;  // of a tape: so many are gathered before the log writes them
  SessionClock* clock = nullptr;  // of a live feed: the one that it stamps its frames with. A live feed has `symbols`
};

// What one ingest has done so far, over all partitions.
struct IngestCounts {
  std::int64_t frames = 0;
  std::int64_t received = 0;  // trades of subscribed symbols, good or bad; bad frames count as one
  std::int64_t already_in_log = 0;
  std::int64_t appended = 0;
  std::int64_t dead_lettered = 0;
  std::int64_t suspects = 0;
  std::int64_t unknown_codes = 0;  // trades appended with a sale condition that their market's policy has no rule for
  std::int64_t rounded = 0;        // numbers with more digits than fit
  std::int64_t unsubscribed = 0;   // trades of symbols that were not asked for
  std::int64_t vendor_errors = 0;
  std::int64_t symbols = 0;                  // that have traded
  std::int64_t gaps = 0;                     // interruptions stated, the one since the log's last record included
  std::int64_t disconnects = 0, stalls = 0;  // what began them
  std::int64_t sessions = 0;                 // begun; more than one when the wall clock was set
  std::int64_t last_stamp_ns = 0;
  std::int64_t last_frame_ns = 0;      // 0: none yet
  bool connected = false;              // a live feed's subscriptions are in force
  std::optional<std::int64_t> lag_ms;  // largest p99 of a market, as of the last heartbeat
  std::int64_t heartbeats = 0;         // written, each to all partitions
};

class Ingest {
 public:
  Ingest(Feed& feed, LogReader& tail, LogWriter& log, DeadLetters& dead_letters, IngestOptions options);

  // Reads the ends of the partitions and begins a session. Fails when this feed must not write to this log.
  [[nodiscard]] Result<void> start();
  // One bounded round; false when the feed has ended and everything is durable.
  [[nodiscard]] Result<bool> step();
  // Makes durable what was received, for an orderly stop before the end.
  [[nodiscard]] Result<void> stop();

  [[nodiscard]] const IngestCounts& counts() const { return counts_; }
  // When the present state of the connection began, connected or not, on the clock of the stamps.
  [[nodiscard]] std::int64_t feed_since_ns() const { return feed_since_ns_; }
  // By market, as of the newest heartbeat; those without a trade in the five minutes before it are left out.
  [[nodiscard]] std::map<std::string, std::int64_t> lags_ms();
  [[nodiscard]] std::int64_t session() const { return session_; }
  [[nodiscard]] std::string_view last_vendor_error() const { return last_vendor_error_; }
  // Sale conditions without a rule, each with the first symbol that had it; the log has a warning for each.
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& unknown_codes() const { return unknown_codes_; }

 private:
  struct Symbol {
    std::int32_t partition = 0;
    std::size_t market = 0;
    const MarketPolicy* policy = nullptr;
    std::int64_t received_ns = 0;  // when its last trade was
  };
  static constexpr std::size_t kMaxUnknownCodes = 100;        // that are told
  static constexpr std::int64_t kHeartbeatNs = kNsPerSecond;  // at most one in so long
  static constexpr std::int64_t kRecentNs = 10 * kNsPerSecond;
  struct Market {
    std::string name;
    LagTracker lag;
    std::optional<std::int64_t> lag_ms;  // as it was last measured
    std::int64_t lag_beyond_ms = 0;      // what it would be more (or less) by, had it no limit
    // Of a live feed.
    LagTracker recent_lag{kRecentNs};
    RecentTrades recent;

    // nullopt: no trade to measure it by.
    std::optional<std::int64_t> measure_lag(std::int64_t now_ns) {
      const auto measured_ms = lag.p99_ms(now_ns);
      if (measured_ms) lag_ms = measured_ms, lag_beyond_ms = 0;
      return measured_ms;
    }
  };
  struct Partition {
    LogTail tail;               // as found at the start
    avro::Counters counters{};  // of this session
    std::int64_t last_seq = 0;
    std::int64_t checked_end = 0;  // offset below which no newer session has begun
    // Of a live feed, in event time: since when trades may be missing, and nullopt while none are.
    std::optional<std::int64_t> silent_since_ms;
  };
  // Subscriptions that were sent, until the gap before them has been stated.
  struct Subscription {
    std::int64_t sent_ns;
    std::set<std::string> symbols;
    bool counts = false;   // is in the log
    bool sampled = false;  // a trade has come since
  };

  [[nodiscard]] Result<void> begin_session(std::int64_t first_stamp_ns);
  [[nodiscard]] Result<void> check_newer_session();
  [[nodiscard]] Result<void> check_replaced();
  [[nodiscard]] Result<void> check_source(std::int64_t first_stamp_ns) const;
  [[nodiscard]] Result<void> write_session(std::int32_t partition, std::int64_t stamp_ns,
                                           std::optional<std::int64_t> silent_since_ms);
  [[nodiscard]] Result<void> write_policies(std::int32_t partition, std::int64_t stamp_ns, bool repeat);
  [[nodiscard]] Result<void> write_subscribed(std::int32_t partition, std::int64_t stamp_ns);
  [[nodiscard]] Result<void> write_heartbeats(std::int64_t stamp_ns);
  [[nodiscard]] Result<void> write_end();

  // A live feed.
  [[nodiscard]] Result<bool> step_live();
  [[nodiscard]] Result<void> begin_live_session();
  void take_over();
  [[nodiscard]] Result<void> follow_wall_clock();
  [[nodiscard]] Result<void> take_event(const FeedEvent& event);
  [[nodiscard]] Result<void> lose_feed(const FeedEvent& event);
  [[nodiscard]] Result<void> refuse_symbols(const FeedEvent& event);
  [[nodiscard]] std::int64_t undelivered_since_ms(const std::string& symbol);
  [[nodiscard]] Result<void> write_refused_gap(const std::string& symbol, std::int64_t stamp_ns, std::int64_t to_ms,
                                               std::string_view reason);
  [[nodiscard]] Result<void> settle_subscription(std::int64_t now_ns);
  [[nodiscard]] Result<void> count_subscription();
  [[nodiscard]] Result<void> end_gap();
  [[nodiscard]] Result<void> write_symbols(std::int32_t partition, std::int64_t stamp_ns);
  [[nodiscard]] Result<void> write_joined(std::int32_t partition, std::int64_t stamp_ns);
  [[nodiscard]] std::int64_t complete_until_ms();               // event time before which nothing is missing
  [[nodiscard]] std::int64_t earliest_ms(std::int64_t now_ns);  // how early trades come: a slow host clock's skew, >= 0
  [[nodiscard]] std::int64_t stamp_now(std::int64_t at_ns);
  [[nodiscard]] Result<void> take_frame(const FeedFrame& frame);
  [[nodiscard]] Result<void> take_trades(const FeedFrame& frame, std::int64_t stamp_ns,
                                         std::span<const BadElement> bad);
  [[nodiscard]] Result<void> take_trade(Trade& trade, const FeedFrame& frame, std::size_t position);
  [[nodiscard]] std::int64_t stamp_of(const FeedFrame& frame, const ParsedFrame& parsed) const;
  [[nodiscard]] static std::optional<std::int64_t> time_of(const FeedFrame& frame, const ParsedFrame& parsed);
  void seed_stamps(std::span<const FeedFrame> frames);
  void note_unknown_codes(const Trade& trade, const MarketPolicy& policy);
  void dead_letter(const FeedFrame& frame, std::int64_t stamp_ns, std::int32_t partition, std::size_t index,
                   const Error& error, std::string_view raw);
  [[nodiscard]] Result<void> append(std::int32_t partition, const LogRecord& record);
  [[nodiscard]] Result<void> append_control(std::int32_t partition, std::int64_t stamp_ns,
                                            decltype(avro::FeedStatus::body) body);
  [[nodiscard]] Result<void> poll_log();
  // Lets the log write what was appended, and takes what it has acknowledged.
  [[nodiscard]] Result<void> send();
  [[nodiscard]] Result<void> flush();  // until all is durable
  [[nodiscard]] std::size_t market_of(std::string_view name);
  // nullptr: it was not asked for.
  Symbol* symbol_of(std::string_view name);

  Feed& feed_;
  LogReader& tail_reader_;
  LogWriter& log_;
  DeadLetters& dead_letters_;
  IngestOptions options_;
  std::string source_id_;
  PolicySet policies_;
  FrameParser parser_;
  SuspectFinder suspects_;
  std::vector<Partition> partitions_;
  std::deque<std::string> symbol_names_;
  std::unordered_map<std::string_view, Symbol> symbols_;
  std::deque<Market> markets_;
  IngestCounts counts_;
  std::string last_vendor_error_;
  std::map<std::string, std::string, std::less<>> unknown_codes_;
  std::string scratch_;
  std::vector<Trade> trades_;                 // of the frame at hand
  std::vector<std::string_view> raw_trades_;  // likewise, once one of them was refused
  bool started_ = false;
  bool ended_ = false;
  bool others_wrote_ = false;  // since check_replaced looked
  bool restate_lags_ = false;  // the next heartbeat tells lags without new samples
  // Of a live feed.
  avro::ConnectionState feed_state_ = avro::ConnectionState::kConnected;  // a tape is always there
  std::int64_t feed_since_ns_ = 0;
  std::optional<std::int64_t> last_frame_ns_;
  std::string silence_reason_;
  std::optional<Subscription> subscription_;
  std::set<std::string> in_force_;                        // symbols subscribed in the log
  std::int64_t asked_ns_ = 0;                             // when the newest subscription was sent
  std::map<std::string, std::int64_t> refused_since_ms_;  // symbols that are asked for in vain, in event time
  std::int64_t session_ = 0;
  std::int64_t first_stamp_ns_ = 0;
  std::int64_t last_stamp_ns_ = kYear2000Ms * kNsPerMs;
  std::int64_t last_heartbeat_ns_ = 0;
  std::int64_t last_repeat_ns_ = 0;
  std::int64_t heartbeat_ordinal_ = 0;
  std::int64_t last_seq_ = 0;
};

}  // namespace finpipe
