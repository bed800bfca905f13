#include "app/bar_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <vector>

#include "app/csv.h"
#include "base/decimal.h"
#include "base/time.h"
#include "pipeline/query.h"

namespace finpipe {
namespace {

constexpr std::size_t kColumns = 10;
using Row = std::array<std::string, kColumns>;

constexpr int kVolumePlaces = 4;
constexpr std::int64_t kLookBackMs = kMsPerDay;  // first; then ever further

// The newest bars of a symbol, oldest first. Looks back step by step: a store may hold years.
Result<std::deque<BarRow>> last_bars(const BarReader& reader, std::string_view symbol, std::int64_t newest_ms,
                                     const BarTableOptions& options) {
  constexpr std::int64_t kFurther = 32;
  for (std::int64_t look_back_ms = kLookBackMs;; look_back_ms *= kFurther) {
    const bool everything = look_back_ms > kMaxTimeMs;
    BarReader::Range range{symbol, options.interval};
    if (!everything) range.from_ms = newest_ms - look_back_ms;
    std::deque<BarRow> rows;
    FINPIPE_TRY(reader.bars(range, [&](const BarRow& row) {
      rows.push_back(row);
      if (rows.size() > options.bars) rows.pop_front();
      return true;
    }));
    if (everything || rows.size() == options.bars) return rows;
  }
}

// The start of the symbol's newest day, to look back from.
Result<std::int64_t> newest_day(const BarReader& reader, std::string_view symbol) {
  std::int64_t newest_ms = 0;
  FINPIPE_TRY(reader.bars({symbol, Interval::k1d}, [&](const BarRow& row) {
    newest_ms = row.key.start_ms;
    return true;
  }));
  return newest_ms;
}

Row cells_of(const BarRow& row) {
  const Bar& bar = row.bar;
  const auto price = [](std::optional<std::int64_t> price_e9) {
    return price_e9 ? format_decimal(*price_e9, kPriceDigits) : std::string("-");
  };
  const auto or_none = [&](std::int64_t price_e9) { return bar.has_high_low ? price(price_e9) : std::string("-"); };
  std::string vwap = "-";
  if (bar.vwap_volume_e8 > 0) {
    const int128 value_e9 = vwap_e9(bar.notional_e17, bar.vwap_volume_e8);
    constexpr std::int64_t kOne = 1'000'000'000;
    vwap = rounded_decimal(value_e9, kPriceDigits, value_e9 >= kOne ? 4 : kPriceDigits);
  }
  std::string start = format_time_ms(row.key.start_ms);
  start = start.substr(0, 10) + ' ' + start.substr(11, 8);
  return {std::move(start),    price(bar.open_e9()),       or_none(bar.high_e9),
          or_none(bar.low_e9), price(bar.close_e9()),      rounded_decimal(bar.volume_e8, kVolumeDigits, kVolumePlaces),
          std::move(vwap),     fmt::to_string(bar.trades), std::string(to_string(bar.state)),
          csv::flags_of(bar)};
}

void append_rows(std::string& out, const std::vector<Row>& rows, const std::array<std::size_t, kColumns>& widths) {
  for (const Row& row : rows) {
    std::string line = "  ";
    for (std::size_t i = 0; i < kColumns; ++i) {
      const bool words = i == 0 || i >= kColumns - 2;
      line += words ? fmt::format("{:<{}}  ", row[i], widths[i]) : fmt::format("{:>{}}  ", row[i], widths[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
}

}  // namespace

std::string rounded_decimal(int128 value, int digits, int kept) {
  int128 unit = 1;
  for (int i = kept; i < digits; ++i) unit *= 10;
  return format_decimal(divide_half_even(value, unit), std::min(digits, kept));
}

Result<std::string> bar_table(Query& query, const BarTableOptions& options) {
  FINPIPE_TRY_ASSIGN(symbols, query.symbols());
  FINPIPE_TRY_ASSIGN(reader, BarReader::open(query));
  const Row header = {"start (UTC)", "open", "high", "low", "close", "volume", "vwap", "trades", "state", "flags"};
  std::array<std::size_t, kColumns> widths{};
  const auto widen = [&](const Row& row) {
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  };
  widen(header);
  std::vector<std::pair<std::string, std::vector<Row>>> tables;
  const std::size_t shown = std::min(symbols.size(), options.max_symbols);
  for (std::size_t i = 0; i < shown; ++i) {
    FINPIPE_TRY_ASSIGN(newest_ms, newest_day(reader, symbols[i].symbol));
    FINPIPE_TRY_ASSIGN(bars, last_bars(reader, symbols[i].symbol, newest_ms, options));
    std::vector<Row> rows = {header};
    for (const BarRow& bar : bars) rows.push_back(cells_of(bar));
    std::ranges::for_each(rows, widen);
    tables.emplace_back(symbols[i].symbol, std::move(rows));
  }
  std::string out;
  for (const auto& [symbol, rows] : tables) {
    out += fmt::format("\n{}, {} bars\n", symbol, to_string(options.interval));
    append_rows(out, rows, widths);
  }
  if (symbols.size() > shown)
    out += fmt::format("\nand {} more symbols: see `finpipe export bars`\n", symbols.size() - shown);
  return out;
}

}  // namespace finpipe
