// The bar engine: (state, record) -> bar updates, for one partition of the log. Pure: no clock, no I/O, no threads.
//
// Time is the `received_at` of live records. A row that is not in memory is asked for (kNeedsRows, `needed`,
// `provide`) and the record applied again; nothing has changed until apply answers kApplied. Given the same records at
// the same offsets, every row has the same content at the same version, whatever was evicted, crashed or replayed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bars/recount.h"
#include "bars/trust.h"
#include "base/block_list.h"
#include "market/bar.h"
#include "market/market_policy.h"
#include "market/trade.h"

namespace finpipe {

using SymbolId = std::uint32_t;

// Changes when the same log would give other rows: then older rows need a new generation.
constexpr int kEngineSemanticsVersion = 1;

constexpr std::int64_t kUnknownLagMs = kMsPerHour;  // closing waits so long until a market's lag is known
constexpr std::int64_t kMaxAheadMs = kMsPerHour + 10 * kMsPerMinute;  // no live trade is further ahead of the clock
constexpr std::int64_t kEndSettleMs = 10 * kMsPerSecond;

class BarEngine {
 public:
  struct Identity {
    LogId log_id{};
    std::int64_t generation = 0;
    std::int64_t floor_ms = kBeginningOfTime;  // rows of older generations from here on count as absent
  };

  // What a checkpoint carries besides rows, spans and policies.
  struct State {
    std::int64_t clock_ns = std::numeric_limits<std::int64_t>::min();
    std::int64_t max_clock_ns = std::numeric_limits<std::int64_t>::min();
    std::map<std::string, std::int64_t> lags_ms;  // per market, once known
    TrustBook::Open trust;
    std::vector<BarKey> unclosed;  // rows with a gathered revision, and those that are due and could not close yet
  };

  enum class Apply : std::uint8_t { kApplied, kNeedsRows };

  // Rows of one symbol and interval with from <= start <= to.
  struct RowRange {
    SymbolId symbol;
    Interval interval;
    std::int64_t from_ms;
    std::int64_t to_ms;
  };

  explicit BarEngine(Identity identity) : identity_(identity) {}
  BarEngine(BarEngine&&) noexcept = default;  // moving keeps every address
  BarEngine& operator=(BarEngine&&) noexcept = default;

  // The id of a symbol of this partition, dense from 0.
  [[nodiscard]] SymbolId symbol(std::string_view name);
  [[nodiscard]] const MarketPolicy& policy_of(SymbolId id) const { return *symbols_[id].policy; }
  [[nodiscard]] std::string_view symbol_name(SymbolId id) const { return symbols_[id].name; }
  [[nodiscard]] std::size_t symbol_count() const { return symbols_.size(); }

  // ---- Going on from a checkpoint: set_policy for each policy in force, restore, then the rows of restore_ranges.
  void restore(const State& state, std::span<const TrustSpan> spans);
  // Rows that may be open: those that must be in memory before the first record.
  [[nodiscard]] std::vector<RowRange> restore_ranges(SymbolId id) const;
  void admit(const BarRow& row);
  [[nodiscard]] State state() const;

  // ---- Records. `at` is what a record says of itself; trades must have passed the session and seq rules.
  struct At {
    std::int64_t offset;
    std::int64_t stamp_ns;
    bool live;  // only live records move the clock
  };
  [[nodiscard]] Apply apply_trade(SymbolId id, const Trade& trade, std::int64_t offset);
  void apply_session(const At& at, bool is_new, std::optional<std::int64_t> silent_since_ms);
  void apply_policy(const At& at, MarketPolicy policy);
  // Returns absences that ended; they go to the store.
  [[nodiscard]] std::vector<TrustSpan> apply_subscribed(const At& at, std::span<const std::string> symbols);
  void apply_unsubscribed(const At& at, std::span<const std::string> symbols);
  void apply_silence(const At& at, std::int64_t since_ms);
  // Gap and filled spans; an empty symbol means every symbol of the partition.
  [[nodiscard]] Apply apply_spans(const At& at, std::span<const TrustSpan> spans);
  // The bars of one symbol with a trade that was voided, or is no longer: `recount` holds its trades below the record.
  [[nodiscard]] Apply apply_void(const At& at, SymbolId id, const Recount& recount);
  void apply_lags(const At& at, std::span<const std::pair<std::string, std::int64_t>> lags_ms);
  void apply_end(const At& at);
  // A live record that says nothing to bars.
  void apply_clock(const At& at) { advance(at); }

  // ---- Rows that were asked for.
  [[nodiscard]] std::span<const RowRange> needed() const { return needed_; }
  void provide(std::span<const BarRow> rows);

  // ---- Results since the last call. Rows taken with `commit` may leave memory once acknowledge(commit) was called.
  void take(std::int64_t commit, BlockList<BarRow>& rows, BlockList<BarRow>& revisions);
  void acknowledge(std::int64_t commit);
  // Appends the bars of a symbol that changed since the last call for it; the first call appends all that are in
  // memory. Rows that were not asked for so may have left memory in between: they are in the store.
  void take_changes(SymbolId id, std::vector<BarRow>& rows);

  void set_policy(MarketPolicy policy);
  [[nodiscard]] const PolicySet& policies() const { return policies_; }
  [[nodiscard]] std::int64_t clock_ns() const { return clock_ns_; }
  // The feed is interrupted, and when trades are complete again is not known yet.
  [[nodiscard]] bool interrupted() const { return trust_.open().silent_since_ms.has_value(); }
  [[nodiscard]] std::size_t windows_in_memory() const { return window_count_; }
  // About so many rows would be taken now, never fewer.
  [[nodiscard]] std::size_t dirty_rows() const { return dirty_.size() + running_.size() * kIntervalCount; }
  // A sum left its 128 bits: what came after it is not to be trusted or stored.
  [[nodiscard]] bool overflowed() const { return overflowed_; }

 private:
  struct Window {
    Bar bar;
    TimeSpan span;
    std::int64_t start_ms;
    SymbolId symbol;
    std::uint8_t interval;
    bool dirty;
    std::int64_t commit;  // the newest that took it
    std::int64_t told;    // version that take_changes has seen
  };
  // Plain trades of one symbol that are not in its windows yet. Merging is associative, so they go in together when
  // anything else wants to know those windows: a row at version n is the same either way.
  struct Run {
    std::int64_t trades = 0;  // 0: what follows says nothing
    std::int64_t last_offset = 0;
    PricePoint first, last;
    std::int64_t high_e9 = 0, low_e9 = 0;
    int128 volume_e8 = 0;
    int128 notional_e17 = 0;
  };
  // What a plain trade touches comes first.
  struct alignas(64) SymbolState {
    TimeSpan second_span{0, 0};  // where trades may join `second`: inside its window; empty: nowhere
    TimeSpan longer_span{0, 0};  // likewise for `longer`, which `second` goes into
    const MarketPolicy* policy = nullptr;
    std::size_t market = 0;
    bool running = false;                           // is listed in running_
    Run second;                                     // for the current 1s window
    Run longer;                                     // for the other five
    std::array<Window*, kIntervalCount> current{};  // last used
    std::string_view name;
    std::array<std::int64_t, kIntervalCount> newest_start_ms;
    std::array<std::vector<std::pair<std::int64_t, Window*>>, kIntervalCount> windows;  // in memory, by start
  };
  struct MarketState {
    std::string name;
    std::optional<std::int64_t> lag_ms;
    std::int64_t allowed_delay_ms = 0;
    std::map<std::int64_t, std::vector<Window*>> open;  // provisional windows by end

    [[nodiscard]] std::int64_t close_after_ms() const { return lag_ms.value_or(kUnknownLagMs) + allowed_delay_ms; }
  };

  // Windows whose trust a record may change.
  struct Touched {
    SymbolId symbol;
    TimeSpan span;
  };

  [[nodiscard]] std::size_t market_index(std::string_view market);
  void assign_market(SymbolState& symbol);
  [[nodiscard]] std::int64_t deadline_ns(const Window& window) const;

  [[nodiscard]] Window* find(SymbolState& symbol, std::size_t interval, std::int64_t start_ms);
  [[nodiscard]] bool must_look_up(SymbolId id, std::size_t interval, std::int64_t start_ms, Writer writer) const;
  Window& open(SymbolId id, std::size_t interval, MarketPolicy::Window span, Writer writer);
  Window& insert(SymbolId id, std::size_t interval, std::int64_t start_ms, TimeSpan span);
  void remove(Window& window);
  void watch(Window& window);

  [[nodiscard]] static bool is_plain(const SymbolState& symbol, const Trade& trade);
  [[nodiscard]] Window* look_up(SymbolId id, std::size_t interval, const Trade& trade);
  [[nodiscard]] bool join(SymbolId id, const Trade& trade, std::int64_t offset);
  void start_runs(SymbolState& symbol, std::int64_t offset);
  static void add(Run& run, const Run& more, bool& overflowed);
  void merge(Window& window, const Run& run);
  void end_second(SymbolState& symbol);
  void end_runs(SymbolState& symbol);
  void end_all_runs();
  void merge(Window& window, const Trade& trade, const Effect& effect, int128 notional_e17, std::int64_t offset);
  void gather(Window& window, RevisionReason reason);
  void touch(Window& window);
  void advance(const At& at);
  void move_clock(std::int64_t clock_ns, std::int64_t offset);
  void judge(std::int64_t offset);
  void judge_window(Window& window, std::int64_t offset);
  void close(Window& window, std::int64_t offset);
  void close_revision(Window& window, std::int64_t offset);
  [[nodiscard]] static bool ends_silence(const TrustSpan& span);
  [[nodiscard]] std::vector<Touched> touched_by(std::span<const TrustSpan> spans) const;
  [[nodiscard]] static RowRange rows_over(SymbolId id, Interval interval, TimeSpan span);
  void refresh_missing(Window& window, std::int64_t offset);
  void refresh_partial(Window& window, std::int64_t offset);
  void replace_values(Window& window, const Bar& values, std::int64_t offset);
  void update_next_due();

  Identity identity_;
  PolicySet policies_;
  TrustBook trust_;
  std::deque<std::string> names_;  // what all views of names point into
  std::vector<SymbolState> symbols_;
  std::unordered_map<std::string_view, SymbolId> symbol_ids_;
  std::deque<MarketState> markets_;
  std::deque<Window> pool_;
  std::vector<Window*> free_;
  std::size_t window_count_ = 0;

  std::int64_t clock_ns_ = std::numeric_limits<std::int64_t>::min();
  std::int64_t max_clock_ns_ = std::numeric_limits<std::int64_t>::min();
  std::int64_t lookup_bound_ms_ = kBeginningOfTime;  // of the checkpoint: rows that start later cannot be stored
  std::int64_t next_due_ns_ = kNoDeadline;
  std::map<std::int64_t, std::vector<Window*>> pending_;  // gathered revisions by deadline
  std::vector<Window*> ahead_;  // due, but their row was written by an owner that had read further

  std::vector<SymbolId> running_;  // symbols whose runs may hold trades
  std::vector<Window*> dirty_;
  BlockList<BarRow> revisions_;
  std::deque<std::pair<std::int64_t, Window*>> leaving_;  // closed windows by the commit that took them
  std::vector<RowRange> needed_;
  std::vector<RowRange> known_absent_;  // looked up for the record at hand
  std::int64_t writes_ = 0;             // read by a planted fault only
  bool overflowed_ = false;
};

}  // namespace finpipe
