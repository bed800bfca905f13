#include "pipeline/verify_ticks.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "base/decimal.h"
#include "base/time.h"

namespace finpipe {
namespace {

std::string text(const Conditions& conditions) {
  switch (conditions.form) {
    case Conditions::Form::kAbsent: return "absent";
    case Conditions::Form::kNull: return "null";
    case Conditions::Form::kList: break;
  }
  return fmt::format("[{}]", conditions.codes);
}

}  // namespace

TickCheck::TickCheck(std::string_view symbol, const LoggedPartition& log, std::span<const LoggedTrade> trades,
                     bool store_is_ahead, VerifyFindings& findings, VerifiedSymbol& report)
    : symbol_(symbol),
      log_(log),
      store_is_ahead_(store_is_ahead),
      findings_(findings),
      report_(report),
      newest_expired_ms_(std::numeric_limits<std::int64_t>::min()) {
  expected_.reserve(trades.size());
  for (const LoggedTrade& trade : trades) expected_.push_back(&trade);
  std::ranges::sort(expected_, {}, [](const LoggedTrade* trade) {
    return std::tuple(trade->event_time_ms, trade->seq, trade->offset);
  });
  report_.trades = static_cast<std::int64_t>(trades.size());
}

std::string TickCheck::name(std::int64_t event_time_ms, std::int64_t seq, std::int64_t offset) const {
  return fmt::format("{} {} seq {}, partition {} offset {}", symbol_, format_time_ms(event_time_ms), seq,
                     log_.partition, offset);
}

Result<void> TickCheck::run(Query& store) {
  const auto read = store.ticks({symbol_}, [&](const Tick& tick) {
    take(tick);
    return true;
  });
  if (!read)
    return findings_.accept(read, "row unreadable", fmt::format("the ticks of {} after it were not compared", symbol_));
  while (next_ < expected_.size()) missing(*expected_[next_++]);
  return {};
}

void TickCheck::missing(const LoggedTrade& logged) {
  findings_.add("tick missing", "{}", name(logged.event_time_ms, logged.seq, logged.offset));
}

void TickCheck::take(const Tick& tick) {
  const Trade& trade = tick.trade;
  const std::pair key(trade.event_time_ms, trade.seq);
  while (next_ < expected_.size() && std::pair(expected_[next_]->event_time_ms, expected_[next_]->seq) < key) {
    missing(*expected_[next_++]);
  }
  if (next_ < expected_.size() && std::pair(expected_[next_]->event_time_ms, expected_[next_]->seq) == key) {
    ++report_.stored;
    compare(*expected_[next_++], tick);
  } else if (tick.log_id != log_.log_id || (tick.offset >= 0 && tick.offset < log_.begin)) {
    ++report_.not_in_log;
    newest_expired_ms_ = std::max(newest_expired_ms_, trade.event_time_ms);
  } else if (tick.offset < log_.end || !store_is_ahead_) {
    findings_.add("tick extra", "{}: {}", name(trade.event_time_ms, trade.seq, tick.offset),
                  tick.offset < log_.end ? "no such trade in the log" : "beyond the checkpoint");
  }
}

void TickCheck::compare(const LoggedTrade& logged, const Tick& tick) {
  const LoggedContext& context = log_.contexts[logged.context];
  const Trade& trade = tick.trade;
  std::string out;
  const auto add = [&](std::string_view field, const auto& got, const auto& expected) {
    fmt::format_to(std::back_inserter(out), "{}{} {}, the log has {}", out.empty() ? "" : "; ", field, got, expected);
  };
  const auto decimal = [&](std::string_view field, std::int64_t got, std::int64_t expected, int digits) {
    if (got != expected) add(field, format_decimal(got, digits), format_decimal(expected, digits));
  };
  decimal("price", trade.price_e9, logged.price_e9, kPriceDigits);
  decimal("volume", trade.volume_e8, logged.volume_e8, kVolumeDigits);
  const Conditions conditions{context.form, context.codes};
  if (trade.conditions != conditions) add("conditions", text(trade.conditions), text(conditions));
  if (trade.received_at_ns != logged.received_at_ns) {
    add("received_at", format_time_ns(trade.received_at_ns), format_time_ns(logged.received_at_ns));
  }
  if (trade.writer != context.writer) add("writer", to_string(trade.writer), to_string(context.writer));
  if (trade.session != context.session) add("session", trade.session, context.session);
  if (trade.suspect != context.suspect) {
    add("suspect", fmt::format("'{}'", to_string(trade.suspect)), fmt::format("'{}'", to_string(context.suspect)));
  }
  if (tick.offset != logged.offset) add("offset", tick.offset, logged.offset);
  if (tick.log_id != log_.log_id) add("log id", "another", "its own");
  if (!out.empty()) findings_.add("tick differs", "{}: {}", name(logged.event_time_ms, logged.seq, logged.offset), out);
}

}  // namespace finpipe
