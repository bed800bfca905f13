#include "app/exports.h"

#include <algorithm>
#include <tuple>

#include "app/csv.h"
#include "bars/span_set.h"
#include "base/time.h"
#include "pipeline/query.h"

namespace finpipe {
namespace {

// Gathers lines and writes them in large pieces. Visitors stop when it has failed.
class Lines {
 public:
  Lines(Output& output, std::string_view header) : output_(output), text_(header) {}

  [[nodiscard]] std::string& next() {
    ++count_;
    return text_;
  }
  [[nodiscard]] bool written() {
    status_ = output_.write_gathered(text_);
    return status_.has_value();
  }
  [[nodiscard]] const Result<void>& status() const { return status_; }
  [[nodiscard]] Result<std::int64_t> finish() {
    FINPIPE_TRY(output_.finish(text_));
    return count_;
  }

 private:
  Output& output_;
  std::string text_;
  std::int64_t count_ = 0;
  Result<void> status_;
};

Result<std::vector<SymbolRow>> selected_symbols(Query& query, const ExportSelection& selection) {
  FINPIPE_TRY_ASSIGN(symbols, query.symbols());
  std::erase_if(symbols, [&](const SymbolRow& row) {
    return !selection.symbols.empty() && std::ranges::find(selection.symbols, row.symbol) == selection.symbols.end();
  });
  return std::move(symbols);
}

bool selected(const ExportSelection& selection, std::int64_t time_ms) {
  return selection.from_ms <= time_ms && time_ms < selection.to_ms;
}

struct GapLine {
  std::string_view symbol;
  const SpanRow* gap;
  bool filled;

  [[nodiscard]] auto order() const { return std::tuple(symbol, gap->from_ms, gap->to_ms, gap->offset, gap->index); }
};

// Gaps of one symbol, and whether backfills cover them wholly.
void add_gaps(const SymbolRow& symbol, const std::vector<SpanRow>& spans, const ExportSelection& selection,
              std::vector<GapLine>& lines) {
  const auto concerns = [&](const SpanRow& row, SpanRow::Kind kind) {
    return row.kind == kind && row.partition == symbol.partition && (row.symbol.empty() || row.symbol == symbol.symbol);
  };
  SpanSet filled;
  for (const SpanRow& row : spans) {
    if (concerns(row, SpanRow::Kind::kFilled)) filled.add({row.from_ms, row.to_ms});
  }
  for (const SpanRow& row : spans) {
    if (!concerns(row, SpanRow::Kind::kGap) || !selected(selection, row.from_ms)) continue;
    SpanSet gap;
    gap.add({row.from_ms, row.to_ms});
    lines.push_back({symbol.symbol, &row, gap.minus(filled).empty()});
  }
}

}  // namespace

Result<std::int64_t> export_bars(Query& query, const ExportSelection& selection, Output& output) {
  FINPIPE_TRY_ASSIGN(symbols, selected_symbols(query, selection));
  StoredPolicies policies(query);
  FINPIPE_TRY_ASSIGN(view, BarView::open(query, policies, selection.view));
  Lines lines(output, csv::kBarHeader);
  for (const SymbolRow& symbol : symbols) {
    for (const ReadInterval& interval : selection.intervals) {
      FINPIPE_TRY_ASSIGN(
          series, view.read({symbol.symbol, interval, selection.from_ms, selection.to_ms, Order::kAscending, {}}));
      for (;;) {
        FINPIPE_TRY_ASSIGN(bar, series.next());
        if (!bar) break;
        csv::append_bar(lines.next(), bar->row, interval, bar->marks);
        if (!lines.written()) break;
      }
      FINPIPE_TRY(lines.status());
    }
  }
  return lines.finish();
}

Result<std::int64_t> export_revisions(Query& query, const ExportSelection& selection, Output& output) {
  FINPIPE_TRY_ASSIGN(symbols, selected_symbols(query, selection));
  FINPIPE_TRY_ASSIGN(reader, BarReader::open(query));
  Lines lines(output, csv::kRevisionHeader);
  for (const SymbolRow& symbol : symbols) {
    for (const ReadInterval& interval : selection.intervals) {
      const BarReader::Range range{symbol.symbol, interval.base, selection.from_ms, selection.to_ms};
      FINPIPE_TRY(reader.revisions(range, [&](const RevisionRow& row) {
        csv::append_revision(lines.next(), row);
        return lines.written();
      }));
      FINPIPE_TRY(lines.status());
    }
  }
  return lines.finish();
}

Result<std::int64_t> export_trades(Query& query, const ExportSelection& selection, Output& output) {
  FINPIPE_TRY_ASSIGN(symbols, selected_symbols(query, selection));
  Lines lines(output, csv::kTradeHeader);
  for (const SymbolRow& symbol : symbols) {
    FINPIPE_TRY(query.ticks({symbol.symbol, selection.from_ms, selection.to_ms}, [&](const Tick& tick) {
      csv::append_trade(lines.next(), tick.trade);
      return lines.written();
    }));
    FINPIPE_TRY(lines.status());
  }
  return lines.finish();
}

Result<std::int64_t> export_gaps(Query& query, const ExportSelection& selection, Output& output) {
  FINPIPE_TRY_ASSIGN(symbols, selected_symbols(query, selection));
  FINPIPE_TRY_ASSIGN(spans, query.spans());
  std::vector<GapLine> gaps;
  for (const SymbolRow& symbol : symbols) add_gaps(symbol, spans, selection, gaps);
  std::ranges::sort(gaps, {}, &GapLine::order);
  Lines lines(output, csv::kGapHeader);
  for (const GapLine& line : gaps) {
    csv::append_gap(lines.next(), line.symbol, *line.gap, line.filled);
    if (!lines.written()) break;
  }
  FINPIPE_TRY(lines.status());
  return lines.finish();
}

Result<std::int64_t> export_voids(Query& query, const ExportSelection& selection, Output& output) {
  FINPIPE_TRY_ASSIGN(voids, query.voids());
  std::erase_if(voids, [&](const VoidRow& row) {
    const bool named =
        selection.symbols.empty() || std::ranges::find(selection.symbols, row.symbol) != selection.symbols.end();
    return !named || !selected(selection, row.event_time_ms);
  });
  std::ranges::sort(voids, {}, [](const VoidRow& row) {
    return std::tie(row.symbol, row.event_time_ms, row.seq, row.at_ns, row.offset);
  });
  Lines lines(output, csv::kVoidHeader);
  for (const VoidRow& row : voids) {
    csv::append_void(lines.next(), row);
    if (!lines.written()) break;
  }
  FINPIPE_TRY(lines.status());
  return lines.finish();
}

Result<std::int64_t> export_dead_letters(DeadLetterQuery& query, const ExportSelection& selection, Output& output) {
  Lines lines(output, csv::kDeadLetterHeader);
  FINPIPE_TRY(query.dead_letters([&](const DeadLetter& letter) {
    if (!selected(selection, floor_div(letter.received_at_ns, kNsPerMs))) return true;
    csv::append_dead_letter(lines.next(), letter);
    return lines.written();
  }));
  FINPIPE_TRY(lines.status());
  return lines.finish();
}

}  // namespace finpipe
