#include "differences.h"

#include <fmt/format.h>

#include "base/time.h"

namespace finpipe::simulation {
namespace {

std::string text_of(const PricePoint& point) {
  return fmt::format("({} {} {})", point.event_time_ms, point.seq, point.price_e9);
}
std::string text_of(const LogId& id) { return fmt::format("{}", static_cast<int>(id[0])); }
std::string text_of(BarState state) { return std::string(to_string(state)); }
std::string text_of(RevisionReason reason) { return std::string(to_string(reason)); }
std::string text_of(int128 value) { return fmt::format("{}", value); }
std::string text_of(std::uint64_t value) { return fmt::format("{:x}", value); }
std::string text_of(std::int64_t value) { return fmt::format("{}", value); }
std::string text_of(std::int32_t value) { return fmt::format("{}", value); }
std::string text_of(bool value) { return value ? "yes" : "no"; }

}  // namespace

std::string describe(const BarKey& key) {
  return fmt::format("{} {} {}", key.symbol, to_string(key.interval), format_time_ms(key.start_ms));
}

std::string first_difference(const Bar& a, const Bar& b) {
  std::string found;
  const auto compare = [&](std::string_view name, const auto& x, const auto& y) {
    if (found.empty() && !(x == y)) found = fmt::format("{}: {}, {}", name, text_of(x), text_of(y));
  };
  compare("first", a.first, b.first);
  compare("last", a.last, b.last);
  compare("first_if_alone", a.first_if_alone, b.first_if_alone);
  compare("last_if_alone", a.last_if_alone, b.last_if_alone);
  compare("has_high_low", a.has_high_low, b.has_high_low);
  compare("high_e9", a.high_e9, b.high_e9);
  compare("low_e9", a.low_e9, b.low_e9);
  compare("volume_e8", a.volume_e8, b.volume_e8);
  compare("vwap_volume_e8", a.vwap_volume_e8, b.vwap_volume_e8);
  compare("notional_e17", a.notional_e17, b.notional_e17);
  compare("trades", a.trades, b.trades);
  compare("excluded", a.excluded, b.excluded);
  compare("policy", a.policy, b.policy);
  compare("state", a.state, b.state);
  compare("revision", a.revision, b.revision);
  compare("reason", a.reason, b.reason);
  compare("pending_reason", a.pending_reason, b.pending_reason);
  compare("closed_at_ns", a.closed_at_ns, b.closed_at_ns);
  compare("pending_deadline_ns", a.pending_deadline_ns, b.pending_deadline_ns);
  compare("missing_ms", a.missing_ms, b.missing_ms);
  compare("partial", a.partial, b.partial);
  compare("backfilled", a.backfilled, b.backfilled);
  compare("version", a.version, b.version);
  compare("applied_through", a.applied_through, b.applied_through);
  compare("generation", a.generation, b.generation);
  compare("log_id", a.log_id, b.log_id);
  return found.empty() && !(a == b) ? "a field that is not listed here" : found;
}

}  // namespace finpipe::simulation
