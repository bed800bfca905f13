// What is known about interruptions, per partition: when trades may be missing and when nobody was subscribed.
// From it come a bar's `missing_ms` and its `partial` flag.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bars/span_set.h"

namespace finpipe {

constexpr std::int64_t kBeginningOfTime = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kEndOfTime = std::numeric_limits<std::int64_t>::max();

struct TrustSpan {
  enum class Kind : std::uint8_t { kGap, kFilled, kUnsubscribed };
  Kind kind;
  std::string symbol;  // empty: every symbol
  TimeSpan span;
};

class TrustBook {
 public:
  // The open ends that a checkpoint must carry; everything closed is a TrustSpan that the store keeps.
  struct Open {
    std::optional<std::int64_t> silent_since_ms;                 // a gap whose end is not known yet
    std::map<std::string, std::int64_t, std::less<>> off_since;  // symbol (empty: all) to the start of its absence
    bool operator==(const Open&) const = default;
  };

  TrustBook() { open_.off_since[""] = kBeginningOfTime; }
  void restore(Open open) { open_ = std::move(open); }
  [[nodiscard]] const Open& open() const { return open_; }

  void add(const TrustSpan& span);
  void silent_since(std::int64_t since_ms);
  // A gap of all symbols states the exact span of what `silent_since` opened.
  void end_silence() { open_.silent_since_ms.reset(); }
  // Returns the absence that ends here, when there is one: it goes to the store.
  [[nodiscard]] std::optional<TrustSpan> subscribed(std::string_view symbol, std::int64_t at_ms);
  void unsubscribed(std::string_view symbol, std::int64_t at_ms);

  // Milliseconds of `window` inside session time that are known to be missing. `with_open_silence`: what is silent now
  // counts, up to the window's end.
  [[nodiscard]] std::int64_t missing_ms(std::string_view symbol, TimeSpan window, const Calendar& calendar,
                                        bool with_open_silence) const;
  [[nodiscard]] bool partial(std::string_view symbol, TimeSpan window) const;

 private:
  struct Known {
    SpanSet gaps, filled, off;
  };
  [[nodiscard]] const Known* of(std::string_view symbol) const;
  [[nodiscard]] SpanSet absences(std::string_view symbol, TimeSpan window) const;

  Open open_;
  Known all_;
  std::map<std::string, Known, std::less<>> by_symbol_;
};

}  // namespace finpipe
