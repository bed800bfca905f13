// Compares the bars and revisions of one symbol with what its trades in the log give: every window anew, trade by
// trade, with nothing kept from one window to the next. Private to verify.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "codec/checkpoint_avro.h"
#include "pipeline/ports.h"
#include "pipeline/verify.h"
#include "pipeline/verify_findings.h"
#include "pipeline/verify_log.h"

namespace finpipe {

// Sorted, disjoint spans of event time in which trades of a symbol may be missing: its gaps and those of all symbols of
// its partition, less what was filled.
[[nodiscard]] std::vector<TimeSpan> missing_spans(std::span<const SpanRow> spans, std::int32_t partition,
                                                  std::string_view symbol);

struct VerifiedSeries {
  std::string_view symbol;
  const LoggedPartition& log;
  std::span<const LoggedTrade> trades;  // of the symbol, in the order of the log
  const avro::StoredCheckpoint& checkpoint;
  std::int64_t generation;
  std::int64_t compare_after_ms;  // windows that start up to then may hold trades that the log no longer has
  std::vector<TimeSpan> missing;
};

class BarCheck {
 public:
  BarCheck(const VerifiedSeries& series, Query& store, VerifyFindings& findings, VerifiedSymbol& report);

  // All six intervals.
  [[nodiscard]] Result<void> run();

 private:
  using WindowTrade = std::pair<std::int64_t, std::uint32_t>;  // start of the window, index of the trade

  [[nodiscard]] Result<void> check_interval(Interval interval);
  [[nodiscard]] std::vector<WindowTrade> windows_of(Interval interval) const;
  void check_block(std::span<const WindowTrade>& windows, std::int64_t to_ms);
  void check_window(std::int64_t start_ms, std::span<const WindowTrade> trades, const BarRow* row,
                    std::span<const RevisionRow> revisions);
  void check_values(std::int64_t start_ms, std::span<const WindowTrade> trades, const Bar& bar,
                    std::span<const Bar* const> revisions);
  void check_chain(std::int64_t start_ms, const Bar& bar, std::span<const Bar* const> chain, bool values_known);
  void check_row(std::int64_t start_ms, const Bar& bar, bool values_known);
  void check_trust(std::int64_t start_ms, const Bar& bar);
  void check_partial(std::int64_t start_ms, std::span<const WindowTrade> trades, const Bar& bar,
                     std::span<const Bar* const> chain);
  // Whether there was a moment in the span for which no trades were asked, by what records below the offset said.
  [[nodiscard]] bool partial_at(TimeSpan span, std::int64_t offset) const;
  void check_unclosed(std::int64_t start_ms, const Bar& bar);
  [[nodiscard]] bool counts(std::int64_t start_ms, const Bar& bar) const;
  [[nodiscard]] bool values_known(std::int64_t start_ms, const Bar& bar) const;
  [[nodiscard]] std::vector<const Bar*> chain_of(std::int64_t start_ms, const Bar& bar,
                                                 std::span<const RevisionRow> revisions) const;
  void add_trade(Bar& bar, std::uint32_t index) const;
  // What the window's bar says after the void: its trades before that anew, under the policy of then.
  [[nodiscard]] Bar after_void(std::int64_t start_ms, const LoggedVoid& made) const;
  [[nodiscard]] std::vector<const LoggedVoid*> voids_of(std::int64_t start_ms) const;
  static void add_values(Bar& bar, const LoggedTrade& trade, const Effect& effect, Writer writer);
  [[nodiscard]] MarketPolicy::TradeEffect effect_of(const LoggedTrade& trade, const MarketPolicy& policy) const;
  [[nodiscard]] std::string name(std::int64_t start_ms) const;

  const VerifiedSeries& series_;
  Query& store_;
  VerifyFindings& findings_;
  VerifiedSymbol& report_;
  const MarketPolicy& policy_;  // in force at the checkpoint
  std::int64_t lag_ms_;
  std::vector<const MarketPolicy*> policy_by_epoch_;
  std::vector<const LoggedVoid*> voids_;                  // of the symbol, that changed something
  std::vector<MarketPolicy::TradeEffect> effects_;        // by trade
  std::set<std::pair<Interval, std::int64_t>> unclosed_;  // listed in the checkpoint and not met yet
  Interval interval_ = Interval::k1s;
  std::vector<BarRow> rows_;            // of the block at hand
  std::vector<RevisionRow> revisions_;  // likewise
};

}  // namespace finpipe
