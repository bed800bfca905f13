#include "endpoint/json_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/decimal.h"
#include "codec/flat_json.h"

namespace finpipe::json {
namespace {

constexpr int kVersionBits = 40;  // a 1d window has fewer events than microseconds: 2^37

void append_quoted_decimal(std::string& out, int128 value, int digits) {
  out += '"';
  append_decimal(out, value, digits);
  out += '"';
}

void append_price(std::string& out, std::string_view name, std::optional<std::int64_t> price_e9) {
  out += name;
  if (price_e9)
    append_quoted_decimal(out, *price_e9, kPriceDigits);
  else
    out += "null";
}

void append_flags(std::string& out, const Bar& bar, BarMarks marks) {
  out += ",\"flags\":[";
  const auto add = [&out](bool set, std::string_view name) {
    if (!set) return;
    append_comma(out);
    fmt::format_to(std::back_inserter(out), "\"{}\"", name);
  };
  add(bar.gap(), "gap");
  add(bar.partial, "partial");
  add(bar.backfilled, "backfilled");
  add(marks.filled, "filled");
  add(marks.adjusted, "adjusted");
  out += ']';
}

void append_conditions(std::string& out, const Conditions& conditions) {
  if (conditions.form != Conditions::Form::kList) {
    out += "null";
    return;
  }
  out += '[';
  std::string_view rest = conditions.codes;
  while (!rest.empty()) {
    const std::string_view code = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(code.size() + 1, rest.size()));
    append_comma(out);
    append_json_string(out, code);
  }
  out += ']';
}

}  // namespace

std::int64_t version_of(const Bar& bar) { return (bar.generation << kVersionBits) + bar.version; }

void append_comma(std::string& out) {
  if (!out.empty() && out.back() != '[' && out.back() != '{') out += ',';
}

void append_bar(std::string& out, const BarRow& row, BarMarks marks) {
  const Bar& bar = row.bar;
  fmt::format_to(std::back_inserter(out), "{{\"start\":{}", row.key.start_ms);
  append_price(out, ",\"open\":", bar.open_e9());
  append_price(out, ",\"high\":", bar.has_high_low ? std::optional(bar.high_e9) : std::nullopt);
  append_price(out, ",\"low\":", bar.has_high_low ? std::optional(bar.low_e9) : std::nullopt);
  append_price(out, ",\"close\":", bar.close_e9());
  out += ",\"volume\":";
  append_quoted_decimal(out, bar.volume_e8, kVolumeDigits);
  out += ",\"vwap\":";
  if (bar.vwap_volume_e8 > 0)
    append_quoted_decimal(out, vwap_e9(bar.notional_e17, bar.vwap_volume_e8), kPriceDigits);
  else
    out += "null";
  fmt::format_to(std::back_inserter(out), ",\"trades\":{},\"state\":\"{}\"", bar.trades, to_string(bar.state));
  append_flags(out, bar, marks);
  fmt::format_to(std::back_inserter(out),
                 ",\"missing_ms\":{},\"revision\":{},\"version\":{},\"policy\":", bar.missing_ms, bar.revision,
                 version_of(bar));
  if (bar.policy != 0)
    fmt::format_to(std::back_inserter(out), "\"{:016x}\"}}", bar.policy);
  else
    out += "null}";
}

void append_revision(std::string& out, const BarRow& row) {
  append_bar(out, row);
  out.pop_back();
  fmt::format_to(std::back_inserter(out), ",\"reason\":\"{}\",\"closed_at\":{}}}", to_string(row.bar.reason),
                 -floor_div(-row.bar.closed_at_ns, kNsPerMs));
}

void append_trade(std::string& out, const Trade& trade) {
  fmt::format_to(std::back_inserter(out), "{{\"time\":{},\"seq\":{},\"price\":", trade.event_time_ms, trade.seq);
  append_quoted_decimal(out, trade.price_e9, kPriceDigits);
  out += ",\"volume\":";
  append_quoted_decimal(out, trade.volume_e8, kVolumeDigits);
  out += ",\"conditions\":";
  append_conditions(out, trade.conditions);
  out += trade.suspect == Suspect::kNone ? ",\"suspect\":false}" : ",\"suspect\":true}";
}

std::string error_body(const Error& error) {
  const ErrorInfo& info = error_info(error.code);
  std::string body = fmt::format(
      "{{\"error\":{{\"code\":\"E{}\",\"name\":\"{}\",\"message\":", static_cast<int>(error.code), info.name);
  append_json_string(body, error.detail.empty() ? info.cause : std::string_view(error.detail));
  return body + "}}";
}

}  // namespace finpipe::json
