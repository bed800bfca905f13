// What `finpipe export` writes, in its order: symbol, interval, start; for trades symbol, event_time, seq.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "app/output.h"
#include "base/error.h"
#include "pipeline/bar_view.h"
#include "pipeline/ports.h"

namespace finpipe {

struct ExportSelection {
  std::vector<std::string> symbols;  // empty: all
  std::vector<ReadInterval> intervals{kIntervals.begin(), kIntervals.end()};
  std::int64_t from_ms = std::numeric_limits<std::int64_t>::min();  // [from, to)
  std::int64_t to_ms = std::numeric_limits<std::int64_t>::max();
  BarViewOptions view;  // of bars
};

// Each returns the number of rows written below the header.
[[nodiscard]] Result<std::int64_t> export_bars(Query& query, const ExportSelection& selection, Output& output);
[[nodiscard]] Result<std::int64_t> export_revisions(Query& query, const ExportSelection& selection, Output& output);
[[nodiscard]] Result<std::int64_t> export_trades(Query& query, const ExportSelection& selection, Output& output);
// A gap of all symbols is listed for each symbol of its partition; selected by its start.
[[nodiscard]] Result<std::int64_t> export_gaps(Query& query, const ExportSelection& selection, Output& output);
// Selected by the time of the trade; in the order of symbol, event_time, seq, at.
[[nodiscard]] Result<std::int64_t> export_voids(Query& query, const ExportSelection& selection, Output& output);
// Selected by the time of receipt only.
[[nodiscard]] Result<std::int64_t> export_dead_letters(DeadLetterQuery& query, const ExportSelection& selection,
                                                       Output& output);

}  // namespace finpipe
