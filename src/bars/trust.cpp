#include "bars/trust.h"

namespace finpipe {

const TrustBook::Known* TrustBook::of(std::string_view symbol) const {
  const auto found = by_symbol_.find(symbol);
  return found == by_symbol_.end() ? nullptr : &found->second;
}

void TrustBook::add(const TrustSpan& span) {
  Known& known = span.symbol.empty() ? all_ : by_symbol_[span.symbol];
  switch (span.kind) {
    case TrustSpan::Kind::kGap: known.gaps.add(span.span); break;
    case TrustSpan::Kind::kFilled: known.filled.add(span.span); break;
    case TrustSpan::Kind::kUnsubscribed: known.off.add(span.span); break;
  }
}

void TrustBook::silent_since(std::int64_t since_ms) {
  open_.silent_since_ms = std::min(open_.silent_since_ms.value_or(since_ms), since_ms);
}

std::optional<TrustSpan> TrustBook::subscribed(std::string_view symbol, std::int64_t at_ms) {
  auto since = open_.off_since.find(symbol);
  if (since == open_.off_since.end()) {
    const Known* known = symbol.empty() ? &all_ : of(symbol);
    if (known != nullptr && !known->off.empty()) return std::nullopt;  // subscribed already
    since = open_.off_since.emplace(symbol, kBeginningOfTime).first;
  }
  const TrustSpan absence{TrustSpan::Kind::kUnsubscribed, std::string(symbol), {since->second, at_ms}};
  open_.off_since.erase(since);
  add(absence);
  return absence;
}

void TrustBook::unsubscribed(std::string_view symbol, std::int64_t at_ms) {
  const Known* known = symbol.empty() ? &all_ : of(symbol);
  if (known == nullptr || known->off.empty()) return;  // never subscribed: absent from the beginning
  open_.off_since.emplace(symbol, at_ms);
}

SpanSet TrustBook::absences(std::string_view symbol, TimeSpan window) const {
  const Known* known = symbol.empty() ? &all_ : of(symbol);
  const auto since = open_.off_since.find(symbol);
  const bool never = since == open_.off_since.end() && (known == nullptr || known->off.empty());
  SpanSet set;
  if (known != nullptr) set = known->off.clipped(window);
  if (never) set.add(window);
  if (since != open_.off_since.end()) set.add({std::max(since->second, window.from_ms), window.to_ms});
  return set;
}

std::int64_t TrustBook::missing_ms(std::string_view symbol, TimeSpan window, const Calendar& calendar,
                                   bool with_open_silence) const {
  const Known* own = of(symbol);
  const bool silent = with_open_silence && open_.silent_since_ms && *open_.silent_since_ms < window.to_ms;
  if (all_.gaps.empty() && !silent && (own == nullptr || own->gaps.empty())) return 0;
  SpanSet missing = all_.gaps.clipped(window);
  if (silent) missing.add({std::max(*open_.silent_since_ms, window.from_ms), window.to_ms});
  if (own != nullptr) {
    const SpanSet gaps = own->gaps.clipped(window);  // named: a temporary would be gone inside the loop
    for (const TimeSpan& span : gaps.spans()) missing.add(span);
    missing = missing.minus(own->filled);
  }
  std::int64_t total_ms = 0;
  for (const TimeSpan& span : missing.spans()) total_ms += calendar.session_ms(span);
  return total_ms;
}

bool TrustBook::partial(std::string_view symbol, TimeSpan window) const {
  // Subscribed is who is subscribed by name or with everything; partial is the window in which there is a moment
  // without either.
  const SpanSet all = absences("", window);
  return !all.empty() && all.overlaps(absences(symbol, window));
}

}  // namespace finpipe
