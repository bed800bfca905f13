#include "endpoint/query_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "bars/span_set.h"
#include "codec/flat_json.h"
#include "endpoint/json_writer.h"
#include "endpoint/status.h"
#include "pipeline/bar_view.h"
#include "pipeline/query.h"

namespace finpipe {
namespace {

constexpr std::int64_t kMaxBarsRead = 100'000;  // stored bars for one page; it ends at the bar where there were more

// Rows of one page: at most `limit`, and whether another one follows.
class Page {
 public:
  explicit Page(std::int64_t limit) : limit_(limit) {}

  // Where to write the next row; null: the page is full, or ends here although it is not.
  [[nodiscard]] std::string* next_row(bool enough = false) {
    if (rows_ == limit_ || (enough && rows_ > 0)) {
      more_ = true;
      return nullptr;
    }
    ++rows_;
    json::append_comma(text_);
    return &text_;
  }
  void set_cursor(std::string cursor) { cursor_ = std::move(cursor); }
  // `,"<name>":[…],"next":…}`
  void finish(std::string& out, std::string_view name) const {
    fmt::format_to(std::back_inserter(out), ",\"{}\":[{}],\"next\":", name, text_);
    if (more_)
      append_json_string(out, cursor_);
    else
      out += "null";
    out += '}';
  }

 private:
  std::int64_t limit_;
  std::int64_t rows_ = 0;
  bool more_ = false;
  std::string text_;
  std::string cursor_;  // of the row written last
};

// A gap as one symbol sees it.
void append_gap(std::string& out, std::string_view symbol, const SpanRow& gap, bool filled) {
  json::append_comma(out);
  out += "{\"symbol\":";
  append_json_string(out, symbol);
  fmt::format_to(std::back_inserter(out), ",\"from\":{},\"to\":{},\"reason\":", gap.from_ms, gap.to_ms);
  append_json_string(out, gap.reason);
  out += filled ? ",\"filled\":true}" : ",\"filled\":false}";
}

// The place of a revision among those of its bar.
std::int64_t revision_place(const Bar& bar) { return (bar.generation << 32) + bar.revision; }

void append_void(std::string& out, const VoidRow& row) {
  json::append_comma(out);
  out += "{\"symbol\":";
  append_json_string(out, row.symbol);
  fmt::format_to(std::back_inserter(out), ",\"time\":{},\"seq\":{},\"action\":\"{}\",\"reason\":", row.event_time_ms,
                 row.seq, to_string(row.action));
  append_json_string(out, row.reason);
  fmt::format_to(std::back_inserter(out), ",\"at\":{}}}", floor_div(row.at_ns, kNsPerMs));
}

// Whether a span of a partition concerns a symbol.
bool concerns(const SpanRow& span, const SymbolRow& symbol) {
  return span.partition == symbol.partition && (span.symbol.empty() || span.symbol == symbol.symbol);
}

// What was filled, per symbol, computed when first asked for.
class FilledSpans {
 public:
  explicit FilledSpans(const std::vector<SpanRow>& spans) : spans_(spans) {}

  [[nodiscard]] bool cover(const SpanRow& gap, const SymbolRow& symbol) {
    const auto [at, is_new] = by_symbol_.try_emplace(symbol.symbol);
    if (is_new) {
      for (const SpanRow& span : spans_)
        if (span.kind == SpanRow::Kind::kFilled && concerns(span, symbol)) at->second.add({span.from_ms, span.to_ms});
    }
    SpanSet rest;
    rest.add({gap.from_ms, gap.to_ms});
    return rest.minus(at->second).empty();
  }

 private:
  const std::vector<SpanRow>& spans_;
  std::map<std::string_view, SpanSet> by_symbol_;
};

bool newer_gap(const SpanRow* a, const SpanRow* b) {
  return std::tie(a->from_ms, a->to_ms, a->partition, a->offset, a->index) >
         std::tie(b->from_ms, b->to_ms, b->partition, b->offset, b->index);
}

std::vector<const SpanRow*> gaps_within(const std::vector<SpanRow>& spans, const Parameters& asked) {
  std::vector<const SpanRow*> gaps;
  for (const SpanRow& span : spans) {
    if (span.kind == SpanRow::Kind::kGap && span.from_ms < asked.to_ms && span.to_ms > asked.from_ms)
      gaps.push_back(&span);
  }
  std::ranges::sort(gaps, newer_gap);
  return gaps;
}

}  // namespace

Result<std::string> QueryApi::symbols(std::string_view query) {
  FINPIPE_TRY(parse_parameters(query, {}));
  FINPIPE_TRY_ASSIGN(rows, query_.symbols());
  FINPIPE_TRY_ASSIGN(checkpoints, read_checkpoints(query_));
  std::map<std::int32_t, std::map<std::string, std::string>> policies;
  for (Checkpoint& checkpoint : checkpoints) policies.emplace(checkpoint.partition, std::move(checkpoint.policies));
  std::string out = "{\"symbols\":[";
  for (const SymbolRow& row : rows) {
    FINPIPE_TRY_ASSIGN(policy, policies_.policy_for(row.symbol, policies[row.partition]));
    json::append_comma(out);
    out += "{\"symbol\":";
    append_json_string(out, row.symbol);
    out += ",\"market\":";
    append_json_string(out, policy->market);
    out += '}';
  }
  return out + "]}";
}

Result<std::string> QueryApi::bars(std::string_view query) {
  FINPIPE_TRY_ASSIGN(asked, parse_parameters(query,
                                             {"symbol", "interval", "from", "to", "limit", "order", "cursor", "session",
                                              "fill", "as_of", "adjusted"},
                                             {"symbol", "interval"}));
  BarView::Range range{*asked.symbol, *asked.interval, asked.from_ms, asked.to_ms, asked.order, {}};
  if (asked.cursor) {
    FINPIPE_TRY_ASSIGN(cursor, parse_bar_cursor(*asked.cursor));
    range.after_ms = cursor.time_ms;
  }
  const BarViewOptions options{asked.regular_hours, asked.fill, asked.as_of_ms, asked.adjusted ? &splits_ : nullptr};
  FINPIPE_TRY_ASSIGN(view, BarView::open(query_, policies_, options));
  FINPIPE_TRY_ASSIGN(series, view.read(range));
  Page page(asked.limit);
  for (;;) {
    FINPIPE_TRY_ASSIGN(bar, series.next());
    if (!bar) break;
    std::string* to = page.next_row(series.bars_read() > kMaxBarsRead);
    if (to == nullptr) break;
    json::append_bar(*to, bar->row, bar->marks);
    page.set_cursor(bar_cursor(bar->row.key.start_ms));
  }
  std::string out = "{\"symbol\":";
  append_json_string(out, *asked.symbol);
  fmt::format_to(std::back_inserter(out), ",\"interval\":\"{}\"", to_string(*asked.interval));
  page.finish(out, "bars");
  return out;
}

Result<std::string> QueryApi::revisions(std::string_view query) {
  FINPIPE_TRY_ASSIGN(
      asked, parse_parameters(query, {"symbol", "interval", "from", "to", "limit", "cursor"}, {"symbol", "interval"}));
  if (asked.interval->count != 1)
    return fail(ErrorCode::kBadRequest, "interval must be 1s, 1m, 5m, 15m, 1h or 1d: only these have revisions");
  BarReader::Range range{*asked.symbol, asked.interval->base, asked.from_ms, asked.to_ms};
  std::optional<Cursor> after;
  if (asked.cursor) {
    FINPIPE_TRY_ASSIGN(cursor, parse_trade_cursor(*asked.cursor));
    after = cursor;
    range.from_ms = std::max(range.from_ms, cursor.time_ms);
  }
  FINPIPE_TRY_ASSIGN(reader, BarReader::open(query_));
  Page page(asked.limit);
  FINPIPE_TRY(reader.revisions(range, [&](const RevisionRow& row) {
    const std::int64_t place = revision_place(row.bar);
    if (after && row.key.start_ms == after->time_ms && place <= after->seq) return true;
    std::string* to = page.next_row();
    if (to == nullptr) return false;
    json::append_revision(*to, row);
    page.set_cursor(trade_cursor(row.key.start_ms, place));
    return true;
  }));
  std::string out = "{\"symbol\":";
  append_json_string(out, *asked.symbol);
  fmt::format_to(std::back_inserter(out), ",\"interval\":\"{}\"", to_string(*asked.interval));
  page.finish(out, "revisions");
  return out;
}

Result<std::string> QueryApi::trades(std::string_view query) {
  FINPIPE_TRY_ASSIGN(asked, parse_parameters(query, {"symbol", "from", "to", "limit", "order", "cursor"}, {"symbol"}));
  TickRange range{*asked.symbol, asked.from_ms, asked.to_ms};
  const bool ascending = asked.order == Order::kAscending;
  std::optional<Cursor> after;
  if (asked.cursor) {
    FINPIPE_TRY_ASSIGN(cursor, parse_trade_cursor(*asked.cursor));
    after = cursor;
    if (ascending)
      range.from_ms = std::max(range.from_ms, cursor.time_ms);
    else if (cursor.time_ms < range.to_ms)
      range.to_ms = cursor.time_ms + 1;
  }
  Page page(asked.limit);
  const auto see = [&](const Tick& tick) {
    const Trade& trade = tick.trade;
    const bool before_page = after && trade.event_time_ms == after->time_ms &&
                             (ascending ? trade.seq <= after->seq : trade.seq >= after->seq);
    if (before_page) return true;
    std::string* to = page.next_row();
    if (to == nullptr) return false;
    json::append_trade(*to, trade);
    page.set_cursor(trade_cursor(trade.event_time_ms, trade.seq));
    return true;
  };
  // Trades lie by time, so a search for one that never traded would visit every five minutes of the store.
  FINPIPE_TRY_ASSIGN(symbols, query_.symbols());
  const bool known = std::ranges::find(symbols, *asked.symbol, &SymbolRow::symbol) != symbols.end();
  if (known) FINPIPE_TRY(query_.ticks(range, see, asked.order));
  std::string out = "{\"symbol\":";
  append_json_string(out, *asked.symbol);
  page.finish(out, "trades");
  return out;
}

Result<std::string> QueryApi::gaps(std::string_view query) {
  FINPIPE_TRY_ASSIGN(asked, parse_parameters(query, {"symbol", "from", "to", "limit"}));
  FINPIPE_TRY_ASSIGN(symbols, query_.symbols());
  if (asked.symbol) std::erase_if(symbols, [&](const SymbolRow& row) { return row.symbol != *asked.symbol; });
  FINPIPE_TRY_ASSIGN(spans, query_.spans());
  FilledSpans filled(spans);
  std::string out = "{\"gaps\":[";
  std::int64_t rows = 0;
  for (const SpanRow* gap : gaps_within(spans, asked)) {
    for (const SymbolRow& symbol : symbols) {
      if (!concerns(*gap, symbol)) continue;
      if (rows++ == asked.limit) return out + "]}";
      append_gap(out, symbol.symbol, *gap, filled.cover(*gap, symbol));
    }
  }
  return out + "]}";
}

Result<std::string> QueryApi::voids(std::string_view query) {
  FINPIPE_TRY_ASSIGN(asked, parse_parameters(query, {"symbol", "from", "to", "limit"}));
  FINPIPE_TRY_ASSIGN(rows, query_.voids());
  std::erase_if(rows, [&](const VoidRow& row) {
    const bool in_range = asked.from_ms <= row.event_time_ms && row.event_time_ms < asked.to_ms;
    return !in_range || (asked.symbol && row.symbol != *asked.symbol);
  });
  std::ranges::sort(rows, std::greater<>(),
                    [](const VoidRow& row) { return std::tie(row.at_ns, row.partition, row.offset); });
  if (static_cast<std::int64_t>(rows.size()) > asked.limit) rows.resize(static_cast<std::size_t>(asked.limit));
  std::string out = "{\"voids\":[";
  for (const VoidRow& row : rows) append_void(out, row);
  return out + "]}";
}

}  // namespace finpipe
