// Bars as a reader wants to see them, made of stored ones: any multiple of a stored interval, regular hours only, as
// they were at a past moment, split-adjusted, without holes. Nothing of it is ever stored.
//
// In this order: rows (as of a moment), adjusted one by one, rolled up into windows, holes filled. A rolled-up bar says
// what a stored one of that window would say: values are exact, `missing_ms` and `partial` cover the whole window, also
// where a part of it has no bar.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bars/trust.h"
#include "base/error.h"
#include "market/read_interval.h"
#include "market/splits.h"
#include "pipeline/bar_windows.h"
#include "pipeline/query.h"
#include "pipeline/stored_policies.h"

namespace finpipe {

struct BarViewOptions {
  bool regular_hours = false;              // only these, in windows from the opening on; of intervals below a day
  bool fill = false;                       // windows without a bar between the first and the last one get one
  std::optional<std::int64_t> as_of_ms{};  // as bars were at this moment of the engine's clock
  const SplitTable* splits = nullptr;      // adjusted for these
};

struct ViewedBar {
  BarRow row;  // the key's interval is that of the stored bars it is made of
  BarMarks marks;
};

class BarSeries;

class BarView {
 public:
  // Bars of one symbol with from <= start < to. `after_ms`: only those behind the bar that starts there, in the order
  // asked for; what they say does not depend on it.
  struct Range {
    std::string_view symbol;
    ReadInterval interval;
    std::int64_t from_ms = std::numeric_limits<std::int64_t>::min();
    std::int64_t to_ms = std::numeric_limits<std::int64_t>::max();
    Order order = Order::kAscending;
    std::optional<std::int64_t> after_ms;
  };

  // Reads what all series share, once. `query`, `policies` and the splits must outlive it.
  [[nodiscard]] static Result<BarView> open(Query& query, StoredPolicies& policies, const BarViewOptions& options);

  // The view must outlive what it returns. One series at a time.
  [[nodiscard]] Result<BarSeries> read(const Range& range);

 private:
  friend class BarSeries;

  BarView(Query& query, StoredPolicies& policies, const BarViewOptions& options, BarReader reader)
      : query_(&query), policies_(&policies), options_(options), reader_(std::move(reader)) {}
  [[nodiscard]] Result<const TrustBook*> trust_of(const Checkpoint& checkpoint);

  Query* query_;
  StoredPolicies* policies_;
  BarViewOptions options_;
  BarReader reader_;
  std::optional<std::vector<SpanRow>> spans_;  // once they are needed
  std::map<std::int32_t, TrustBook> trust_;    // by partition
};

// The bars of one range, one after another.
class BarSeries {
 public:
  // nullopt: there are no more.
  [[nodiscard]] Result<std::optional<ViewedBar>> next();
  // Stored bars read so far: what it has cost.
  [[nodiscard]] std::int64_t bars_read() const { return bars_read_; }

 private:
  friend class BarView;

  // What reading a symbol needs to know.
  struct Market {
    const MarketPolicy* policy = nullptr;
    const TrustBook* trust = nullptr;                // null: nothing is known
    const SplitTable::Series* splits = nullptr;      // null: not adjusted
    std::int64_t over_before_ms = kBeginningOfTime;  // windows that end until then wait for nothing
    std::optional<std::int64_t> as_of_ns;
  };
  // Where in the stored bars one direction of reading is.
  struct Reading {
    Order order = Order::kAscending;
    std::int64_t from_ms = 0;  // of windows, by start
    std::int64_t to_ms = 0;
    BarReader::Range rest;  // of stored bars, not read yet
    std::deque<BarRow> batch{};
    bool exhausted = false;
  };
  // The neighbour that filling goes out from.
  struct Neighbour {
    BarState state = BarState::kProvisional;
    std::optional<std::int64_t> close_e9;
    bool adjusted = false;
  };

  BarSeries(const BarReader& reader, const BarView::Range& range, const BarViewOptions& options, const Market& market);

  [[nodiscard]] Reading reading(std::int64_t from_ms, std::int64_t to_ms, Order order) const;
  [[nodiscard]] Result<const BarRow*> peek(Reading& reading);
  [[nodiscard]] Result<std::optional<ViewedBar>> next_rolled(Reading& reading);
  [[nodiscard]] Result<ViewedBar> roll_up(Reading& reading, const BarWindows::Window& window);
  void conclude(ViewedBar& bar, const BarWindows::Window& window, bool any_open, bool any_revised, bool ended) const;

  [[nodiscard]] Result<void> find_neighbours();
  [[nodiscard]] Result<std::optional<ViewedBar>> next_filled();
  [[nodiscard]] Result<std::optional<ViewedBar>> next_filled_back();
  [[nodiscard]] ViewedBar filled(const BarWindows::Window& window, const Neighbour& before, BarState after) const;

  const BarReader* reader_;
  std::string symbol_;
  BarViewOptions options_;
  Market market_;
  BarWindows windows_;
  std::int64_t from_ms_;
  std::int64_t to_ms_;
  std::optional<std::int64_t> at_ms_;  // start of the bar told last
  Reading reading_;
  bool started_ = false;
  std::optional<Neighbour> told_;  // the bar told last that was not filled; descending: its close is of no interest
  std::deque<ViewedBar> ahead_;    // read, not told yet
  std::int64_t bars_read_ = 0;
};

}  // namespace finpipe
