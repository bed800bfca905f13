#include "endpoint/query_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "bars/span_set.h"
#include "codec/flat_json.h"
#include "endpoint/json_writer.h"
#include "endpoint/status.h"
#include "pipeline/query.h"

namespace finpipe {
namespace {

// Rows of one page: at most `limit`, and whether another one follows.
class Page {
 public:
  explicit Page(std::int64_t limit) : limit_(limit) {}

  // Where to write the next row; null: the page is full.
  [[nodiscard]] std::string* next_row() {
    if (rows_ == limit_) {
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
    FINPIPE_TRY_ASSIGN(market, markets_.market_of(row.symbol, policies[row.partition]));
    json::append_comma(out);
    out += "{\"symbol\":";
    append_json_string(out, row.symbol);
    out += ",\"market\":";
    append_json_string(out, market);
    out += '}';
  }
  return out + "]}";
}

Result<std::string> QueryApi::bars(std::string_view query) {
  FINPIPE_TRY_ASSIGN(asked, parse_parameters(query, {"symbol", "interval", "from", "to", "limit", "order", "cursor"},
                                             {"symbol", "interval"}));
  BarReader::Range range{*asked.symbol, *asked.interval, asked.from_ms, asked.to_ms};
  const bool ascending = asked.order == Order::kAscending;
  std::optional<std::int64_t> after_ms;
  if (asked.cursor) {
    FINPIPE_TRY_ASSIGN(cursor, parse_bar_cursor(*asked.cursor));
    after_ms = cursor.time_ms;
    if (ascending)
      range.from_ms = std::max(range.from_ms, cursor.time_ms);
    else
      range.to_ms = std::min(range.to_ms, cursor.time_ms);
  }
  FINPIPE_TRY_ASSIGN(reader, BarReader::open(query_));
  Page page(asked.limit);
  const auto see = [&](const BarRow& row) {
    if (row.key.start_ms == after_ms) return true;
    std::string* to = page.next_row();
    if (to == nullptr) return false;
    json::append_bar(*to, row);
    page.set_cursor(bar_cursor(row.key.start_ms));
    return true;
  };
  FINPIPE_TRY(reader.bars(range, see, asked.order));
  std::string out = "{\"symbol\":";
  append_json_string(out, *asked.symbol);
  fmt::format_to(std::back_inserter(out), ",\"interval\":\"{}\"", to_string(*asked.interval));
  page.finish(out, "bars");
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

}  // namespace finpipe
