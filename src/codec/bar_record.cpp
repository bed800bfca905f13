#include "codec/bar_record.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <span>

#include "codec/confluent.h"
#include "codec/stock_bar_avro.h"
#include "codec/trade_rules.h"

namespace finpipe {
namespace {

// Numbered alike.
static_assert(static_cast<int>(BarState::kRevised) == static_cast<int>(avro::BarState::kRevised));
static_assert(static_cast<int>(RevisionReason::kVoid) == static_cast<int>(avro::RevisionReason::kVoid));

constexpr std::size_t kPolicyDigits = 16;

std::optional<std::uint64_t> policy_of(std::string_view digits) {
  std::uint64_t policy = 0;
  if (digits.empty()) return policy;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), policy, 16);
  const bool whole = error == std::errc() && end == digits.data() + digits.size() && digits.size() == kPolicyDigits;
  return whole ? std::optional(policy) : std::nullopt;
}

// A trade at the window's start of which only the price is known.
PricePoint price_point(std::int64_t start_ms, std::optional<std::int64_t> price_e9) {
  return price_e9 ? PricePoint{start_ms, 1, *price_e9} : PricePoint{};
}

}  // namespace

void encode_bar_record(const BarRow& row, std::string& out) {
  const Bar& bar = row.bar;
  const std::string policy = bar.policy == 0 ? std::string() : fmt::format("{:016x}", bar.policy);
  avro::StockBar record{.symbol = row.key.symbol,
                        .interval = to_string(row.key.interval),
                        .start = row.key.start_ms,
                        .open = bar.open_e9(),
                        .high = bar.has_high_low ? std::optional(bar.high_e9) : std::nullopt,
                        .low = bar.has_high_low ? std::optional(bar.low_e9) : std::nullopt,
                        .close = bar.close_e9(),
                        .volume = bar.volume_e8,
                        .vwap_volume = bar.vwap_volume_e8,
                        .notional = bar.notional_e17,
                        .trades = bar.trades,
                        .excluded = bar.excluded,
                        .policy = policy,
                        .state = static_cast<avro::BarState>(bar.state),
                        .revision = bar.revision,
                        .reason = static_cast<avro::RevisionReason>(bar.reason),
                        .closed_at = bar.closed_at_ns == 0 ? std::nullopt : std::optional(bar.closed_at_ns),
                        .missing_ms = bar.missing_ms,
                        .partial = bar.partial,
                        .backfilled = bar.backfilled,
                        .version = bar.version,
                        .generation = bar.generation,
                        .log_id = bar.log_id,
                        .applied_through = bar.applied_through};
  frame_header(avro::StockBar::kSchemaId, out);
  encode(record, out);
}

Result<BarRow> decode_bar_record(std::string_view value) {
  FINPIPE_TRY_ASSIGN(framed, unframe(std::as_bytes(std::span(value))));
  if (framed.id != avro::StockBar::kSchemaId) {
    return fail(ErrorCode::kUnknownSchemaId, fmt::format("id {}, expected {}", framed.id, avro::StockBar::kSchemaId));
  }
  FINPIPE_TRY_ASSIGN(record, avro::decode_stock_bar(framed.payload));
  if (!is_symbol(record.symbol)) return fail(ErrorCode::kBadSymbol, "in a bar's record");
  const auto interval = interval_from(record.interval);
  const auto policy = policy_of(record.policy);
  const bool pairs =
      record.open.has_value() == record.close.has_value() && record.high.has_value() == record.low.has_value();
  if (!interval || !policy || !pairs || !is_time_ms(record.start)) {
    return fail(ErrorCode::kWrongType, "a bar's interval, start, policy or prices");
  }
  return BarRow{{std::string(record.symbol), *interval, record.start},
                {.first = price_point(record.start, record.open),
                 .last = price_point(record.start, record.close),
                 .first_if_alone = {},
                 .last_if_alone = {},
                 .high_e9 = record.high.value_or(0),
                 .low_e9 = record.low.value_or(0),
                 .has_high_low = record.high.has_value(),
                 .volume_e8 = record.volume,
                 .vwap_volume_e8 = record.vwap_volume,
                 .notional_e17 = record.notional,
                 .trades = record.trades,
                 .excluded = record.excluded,
                 .policy = *policy,
                 .state = static_cast<BarState>(record.state),
                 .revision = record.revision,
                 .reason = static_cast<RevisionReason>(record.reason),
                 .closed_at_ns = record.closed_at.value_or(0),
                 .missing_ms = record.missing_ms,
                 .partial = record.partial,
                 .backfilled = record.backfilled,
                 .version = record.version,
                 .applied_through = record.applied_through,
                 .generation = record.generation,
                 .log_id = record.log_id}};
}

}  // namespace finpipe
