// What every reader of bars shares: half-open ranges, the generation filter, and which rows are bars at all.
// After `checkpoint reset` the store still holds the rows of older generations. From the new generation's floor on they
// count as absent, so that a reader sees one generation only; before the floor they stay valid.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "pipeline/checkpoint.h"
#include "pipeline/ports.h"

namespace finpipe {

// Whether a row is a bar that users see. Rows that hold only trades which policy keeps out are the engine's business.
[[nodiscard]] bool is_visible(const Bar& bar);

class BarReader {
 public:
  // Bars of one symbol and interval with from <= start < to.
  struct Range {
    std::string_view symbol;
    Interval interval = Interval::k1s;
    std::int64_t from_ms = std::numeric_limits<std::int64_t>::min();
    std::int64_t to_ms = std::numeric_limits<std::int64_t>::max();
  };

  // Reads symbols and checkpoints once: what is reset later needs a new reader. `query` must outlive it.
  [[nodiscard]] static Result<BarReader> open(Query& query);

  // Visits in the order of start, or in the opposite one (revisions: then generation, revision), until `visit` returns
  // false.
  [[nodiscard]] Result<void> bars(const Range& range, const std::function<bool(const BarRow&)>& visit,
                                  Order order = Order::kAscending) const;
  [[nodiscard]] Result<void> revisions(const Range& range, const std::function<bool(const RevisionRow&)>& visit) const;
  // The bars as they were at a moment of the engine's clock: of each the last revision closed until then. What was not
  // closed then is absent. Visits as `bars` does.
  [[nodiscard]] Result<void> bars_as_of(const Range& range, std::int64_t at_ns,
                                        const std::function<bool(const BarRow&)>& visit,
                                        Order order = Order::kAscending) const;

  // Of the symbol's partition; null: there is none yet.
  [[nodiscard]] const Checkpoint* checkpoint_of(std::string_view symbol) const;

 private:
  explicit BarReader(Query& query) : query_(&query) {}

  Query* query_;
  std::map<std::int32_t, Checkpoint> checkpoints_;               // by partition
  std::map<std::string, std::int32_t, std::less<>> partitions_;  // by symbol
};

}  // namespace finpipe
