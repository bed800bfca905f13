#include "app/csv.h"

#include <fmt/format.h>

#include <iterator>
#include <optional>

#include "base/decimal.h"
#include "base/time.h"

namespace finpipe::csv {
namespace {

void append_text(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

void append_price(std::string& out, std::optional<std::int64_t> price_e9) {
  if (price_e9) append_decimal(out, *price_e9, kPriceDigits);
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<std::uint8_t>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      // One byte fills two characters, two fill three.
      out += i + j <= bytes.size() ? kAlphabet[group >> (18 - 6 * j) & 0x3F] : '=';
    }
  }
}

// All columns of a bar, without the newline.
void append_bar_columns(std::string& out, const BarRow& row, const ReadInterval& interval, BarMarks marks) {
  const Bar& bar = row.bar;
  append_text(out, row.key.symbol);
  out += ',';
  out += to_string(interval);
  out += ',';
  append_time_ms(out, row.key.start_ms);
  out += ',';
  append_price(out, bar.open_e9());
  out += ',';
  append_price(out, bar.has_high_low ? std::optional(bar.high_e9) : std::nullopt);
  out += ',';
  append_price(out, bar.has_high_low ? std::optional(bar.low_e9) : std::nullopt);
  out += ',';
  append_price(out, bar.close_e9());
  out += ',';
  append_decimal(out, bar.volume_e8, kVolumeDigits);
  out += ',';
  if (bar.vwap_volume_e8 > 0) append_decimal(out, vwap_e9(bar.notional_e17, bar.vwap_volume_e8), kPriceDigits);
  fmt::format_to(std::back_inserter(out), ",{},{},{},{},{}", bar.trades, to_string(bar.state), flags_of(bar, marks),
                 bar.missing_ms, bar.revision);
}

}  // namespace

std::string flags_of(const Bar& bar, BarMarks marks) {
  std::string flags;
  const auto add = [&flags](bool set, std::string_view name) {
    if (!set) return;
    if (!flags.empty()) flags += '+';
    flags += name;
  };
  add(bar.gap(), "gap");
  add(bar.partial, "partial");
  add(bar.backfilled, "backfilled");
  add(marks.filled, "filled");
  add(marks.adjusted, "adjusted");
  return flags;
}

void append_bar(std::string& out, const BarRow& row, const ReadInterval& interval, BarMarks marks) {
  append_bar_columns(out, row, interval, marks);
  out += '\n';
}

void append_revision(std::string& out, const RevisionRow& row) {
  append_bar_columns(out, row, row.key.interval, {});
  out += ',';
  out += to_string(row.bar.reason);
  out += ',';
  append_time_ns(out, row.bar.closed_at_ns);
  out += '\n';
}

void append_trade(std::string& out, const Trade& trade) {
  append_text(out, trade.symbol);
  out += ',';
  append_time_ms(out, trade.event_time_ms);
  fmt::format_to(std::back_inserter(out), ",{},", trade.seq);
  append_decimal(out, trade.price_e9, kPriceDigits);
  out += ',';
  append_decimal(out, trade.volume_e8, kVolumeDigits);
  out += ',';
  switch (trade.conditions.form) {
    case Conditions::Form::kAbsent: out += '-'; break;
    case Conditions::Form::kNull: break;
    case Conditions::Form::kList:
      append_text(out, trade.conditions.codes.empty() ? "[]" : trade.conditions.codes);
      break;
  }
  out += ',';
  append_time_ns(out, trade.received_at_ns);
  out += ',';
  out += to_string(trade.writer);
  out += ',';
  out += to_string(trade.suspect);
  out += '\n';
}

void append_gap(std::string& out, std::string_view symbol, const SpanRow& gap, bool filled) {
  append_text(out, symbol);
  out += ',';
  append_time_ms(out, gap.from_ms);
  out += ',';
  append_time_ms(out, gap.to_ms);
  out += ',';
  append_text(out, gap.reason);
  out += filled ? ",true\n" : ",false\n";
}

void append_void(std::string& out, const VoidRow& row) {
  append_text(out, row.symbol);
  out += ',';
  append_time_ms(out, row.event_time_ms);
  fmt::format_to(std::back_inserter(out), ",{},{},", row.seq, to_string(row.action));
  append_text(out, row.reason);
  out += ',';
  append_time_ns(out, row.at_ns);
  out += '\n';
}

void append_dead_letter(std::string& out, const DeadLetter& letter) {
  append_time_ns(out, letter.received_at_ns);
  out += ',';
  out += error_info(letter.reason).name;
  out += ',';
  out += to_string(letter.stage);
  out += ',';
  append_base64(out, letter.raw);
  out += '\n';
}

}  // namespace finpipe::csv
