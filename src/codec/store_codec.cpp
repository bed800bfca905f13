#include "codec/store_codec.h"

#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "codec/stored_bar_avro.h"

namespace finpipe {
namespace {

// The enums of market and of the schemas number their values alike.
template <typename To, typename From>
constexpr To same(From value) {
  return static_cast<To>(std::to_underlying(value));
}

static_assert(same<Writer>(avro::Writer::kOperator) == Writer::kOperator);
static_assert(same<Suspect>(avro::Suspect::kRepeatedRun) == Suspect::kRepeatedRun);
static_assert(same<BarState>(avro::BarState::kRevised) == BarState::kRevised);
static_assert(same<RevisionReason>(avro::RevisionReason::kVoid) == RevisionReason::kVoid);

std::optional<avro::PricePoint> to_stored(const PricePoint& point) {
  if (point == PricePoint{}) return std::nullopt;
  return avro::PricePoint{.event_time = point.event_time_ms, .seq = point.seq, .price = point.price_e9};
}

PricePoint from_stored(const std::optional<avro::PricePoint>& point) {
  if (!point) return {};
  return {.event_time_ms = point->event_time, .seq = point->seq, .price_e9 = point->price};
}

void split(std::string_view codes, std::vector<std::string_view>& list) {
  list.clear();
  if (codes.empty()) return;
  for (std::size_t space = 0; (space = codes.find(' ')) != std::string_view::npos; codes.remove_prefix(space + 1))
    list.push_back(codes.substr(0, space));
  list.push_back(codes);
}

}  // namespace

void encode_bar(const Bar& bar, std::string& out) {
  const avro::StoredBar row{
      .first = to_stored(bar.first),
      .last = to_stored(bar.last),
      .first_if_alone = to_stored(bar.first_if_alone),
      .last_if_alone = to_stored(bar.last_if_alone),
      .has_high_low = bar.has_high_low,
      .high = bar.high_e9,
      .low = bar.low_e9,
      .volume = bar.volume_e8,
      .vwap_volume = bar.vwap_volume_e8,
      .notional = bar.notional_e17,
      .trades = bar.trades,
      .excluded = bar.excluded,
      .policy = static_cast<std::int64_t>(bar.policy),
      .state = same<avro::BarState>(bar.state),
      .revision = bar.revision,
      .reason = same<avro::RevisionReason>(bar.reason),
      .pending_reason = same<avro::RevisionReason>(bar.pending_reason),
      .closed_at = bar.closed_at_ns,
      .pending_deadline =
          bar.pending_deadline_ns == kNoDeadline ? std::nullopt : std::optional(bar.pending_deadline_ns),
      .missing_ms = bar.missing_ms,
      .partial = bar.partial,
      .backfilled = bar.backfilled,
      .version = bar.version,
      .applied_through = bar.applied_through,
      .generation = bar.generation,
      .log_id = bar.log_id,
  };
  avro::encode(row, out);
}

Result<void> decode_bar(std::string_view bytes, Bar& bar) {
  avro::StoredBar row;
  FINPIPE_TRY(avro::decode(avro::as_bytes(bytes), row));
  bar = {
      .first = from_stored(row.first),
      .last = from_stored(row.last),
      .first_if_alone = from_stored(row.first_if_alone),
      .last_if_alone = from_stored(row.last_if_alone),
      .high_e9 = row.high,
      .low_e9 = row.low,
      .has_high_low = row.has_high_low,
      .volume_e8 = row.volume,
      .vwap_volume_e8 = row.vwap_volume,
      .notional_e17 = row.notional,
      .trades = row.trades,
      .excluded = row.excluded,
      .policy = static_cast<std::uint64_t>(row.policy),
      .state = same<BarState>(row.state),
      .revision = row.revision,
      .reason = same<RevisionReason>(row.reason),
      .pending_reason = same<RevisionReason>(row.pending_reason),
      .closed_at_ns = row.closed_at,
      .pending_deadline_ns = row.pending_deadline.value_or(kNoDeadline),
      .missing_ms = row.missing_ms,
      .partial = row.partial,
      .backfilled = row.backfilled,
      .version = row.version,
      .applied_through = row.applied_through,
      .generation = row.generation,
      .log_id = row.log_id,
  };
  return {};
}

void TickCodec::encode(const Trade& trade, std::int64_t offset, const LogId& log_id, std::string& out) {
  const bool has_list = trade.conditions.form == Conditions::Form::kList;
  row_.price = trade.price_e9;
  row_.volume = trade.volume_e8;
  if (has_list) {
    split(trade.conditions.codes, list_);
    row_.conditions.emplace(std::move(list_));
  }
  row_.conditions_present = trade.conditions.form != Conditions::Form::kAbsent;
  row_.received_at = trade.received_at_ns;
  row_.writer = same<avro::Writer>(trade.writer);
  row_.session = trade.session;
  row_.suspect = same<avro::Suspect>(trade.suspect);
  row_.log_id = log_id;
  row_.offset = offset;
  avro::encode(row_, out);
  if (has_list) {
    list_ = std::move(*row_.conditions);
    row_.conditions.reset();
  }
}

Result<void> TickCodec::decode(std::string_view bytes, Trade& trade, std::int64_t& offset, LogId& log_id) {
  auto read = avro::decode(avro::as_bytes(bytes), row_);
  codes_.clear();
  trade.conditions.form = row_.conditions           ? Conditions::Form::kList
                          : row_.conditions_present ? Conditions::Form::kNull
                                                    : Conditions::Form::kAbsent;
  if (row_.conditions) {
    for (const std::string_view code : *row_.conditions) codes_.append(code).push_back(' ');
    if (!codes_.empty()) codes_.pop_back();
    list_ = std::move(*row_.conditions);
    row_.conditions.reset();
  }
  if (!read) return fail(std::move(read).error());
  trade.price_e9 = row_.price;
  trade.volume_e8 = row_.volume;
  trade.conditions.codes = codes_;
  trade.received_at_ns = row_.received_at;
  trade.writer = same<Writer>(row_.writer);
  trade.session = row_.session;
  trade.suspect = same<Suspect>(row_.suspect);
  offset = row_.offset;
  log_id = row_.log_id;
  return {};
}

}  // namespace finpipe
