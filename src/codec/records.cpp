#include "codec/records.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "codec/confluent.h"
#include "codec/trade_rules.h"

namespace finpipe {
namespace {

template <typename To, typename From>
constexpr To same_number(From value) {
  return static_cast<To>(static_cast<std::underlying_type_t<From>>(value));
}

static_assert(same_number<avro::Writer>(Writer::kLive) == avro::Writer::kLive);
static_assert(same_number<avro::Writer>(Writer::kBackfill) == avro::Writer::kBackfill);
static_assert(same_number<avro::Writer>(Writer::kReplay) == avro::Writer::kReplay);
static_assert(same_number<avro::Writer>(Writer::kOperator) == avro::Writer::kOperator);
static_assert(same_number<avro::Suspect>(Suspect::kNone) == avro::Suspect::kNone);
static_assert(same_number<avro::Suspect>(Suspect::kRepeatedRun) == avro::Suspect::kRepeatedRun);

Result<std::span<const std::byte>> payload_of(std::string_view value, std::uint32_t schema_id) {
  FINPIPE_TRY_ASSIGN(framed, unframe(std::as_bytes(std::span(value))));
  if (framed.id != schema_id) {
    return fail(ErrorCode::kUnknownSchemaId, fmt::format("id {}, expected {}", framed.id, schema_id));
  }
  return framed.payload;
}

void split_codes(std::string_view codes, std::vector<std::string_view>& out) {
  while (!codes.empty()) {
    const std::size_t space = codes.find(' ');
    out.push_back(codes.substr(0, space));
    codes = space == std::string_view::npos ? std::string_view{} : codes.substr(space + 1);
  }
}

}  // namespace

void encode_trade(const Trade& trade, std::string& out) {
  // Kept per thread for the memory of its list of conditions.
  thread_local avro::StockTick tick;
  tick.symbol = trade.symbol;
  tick.event_time = trade.event_time_ms;
  tick.seq = trade.seq;
  tick.price = trade.price_e9;
  tick.volume = trade.volume_e8;
  tick.conditions_present = trade.conditions.form != Conditions::Form::kAbsent;
  if (trade.conditions.form == Conditions::Form::kList) {
    if (!tick.conditions) tick.conditions.emplace();
    tick.conditions->clear();
    split_codes(trade.conditions.codes, *tick.conditions);
  } else {
    tick.conditions.reset();
  }
  tick.received_at = trade.received_at_ns;
  tick.writer = same_number<avro::Writer>(trade.writer);
  tick.session = trade.session;
  tick.suspect = same_number<avro::Suspect>(trade.suspect);
  frame_header(avro::StockTick::kSchemaId, out);
  avro::encode(tick, out);
}

Result<void> TradeDecoder::decode(std::string_view value, Trade& out) {
  FINPIPE_TRY_ASSIGN(payload, payload_of(value, avro::StockTick::kSchemaId));
  FINPIPE_TRY(avro::decode(payload, tick_));
  conditions_.clear();
  out.conditions.form = tick_.conditions_present ? Conditions::Form::kNull : Conditions::Form::kAbsent;
  if (tick_.conditions) {
    out.conditions.form = Conditions::Form::kList;
    if (tick_.conditions->size() > kMaxConditions) {
      return fail(ErrorCode::kBadConditions, fmt::format("{} conditions", tick_.conditions->size()));
    }
    for (const std::string_view code : *tick_.conditions) {
      if (!is_condition(code)) return fail(ErrorCode::kBadConditions, "a condition is no short code");
      if (!conditions_.empty()) conditions_.push_back(' ');
      conditions_.append(code);
    }
  }
  out.conditions.codes = conditions_;
  out.symbol = tick_.symbol;
  out.event_time_ms = tick_.event_time;
  out.price_e9 = tick_.price;
  out.volume_e8 = tick_.volume;
  out.received_at_ns = tick_.received_at;
  out.seq = tick_.seq;
  out.session = tick_.session;
  out.writer = same_number<Writer>(tick_.writer);
  out.suspect = same_number<Suspect>(tick_.suspect);
  if (const auto rule = broken_rule(out)) return fail(*rule, "in a log record");
  return {};
}

void encode_control(const avro::FeedStatus& status, std::string& out) {
  frame_header(avro::FeedStatus::kSchemaId, out);
  avro::encode(status, out);
}

Result<avro::FeedStatus> decode_control(std::string_view value) {
  FINPIPE_TRY_ASSIGN(payload, payload_of(value, avro::FeedStatus::kSchemaId));
  return avro::decode_feed_status(payload);
}

std::optional<avro::LogId> stated_log_id(const avro::FeedStatus& control) {
  if (const auto* session = std::get_if<avro::SessionStarted>(&control.body)) return session->log_id;
  if (const auto* beat = std::get_if<avro::Heartbeat>(&control.body)) return beat->log_id;
  return std::nullopt;
}

}  // namespace finpipe
