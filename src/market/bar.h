// One OHLCV bar. The row is the state: it holds all that the engine needs to go on from it, so any bar that is not in
// memory is simply read back. Versions count the events that changed a row; what a row holds at a version is a pure
// function of the log.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/int128.h"
#include "market/interval.h"

namespace finpipe {

using LogId = std::array<std::byte, 16>;

struct BarKey {
  std::string symbol;
  Interval interval = Interval::k1s;
  std::int64_t start_ms = 0;  // for 1d: 00:00 UTC of the trading date

  auto operator<=>(const BarKey&) const = default;
};

enum class BarState : std::uint8_t { kProvisional, kFinal, kRevised };
[[nodiscard]] constexpr std::string_view to_string(BarState state) {
  switch (state) {
    case BarState::kProvisional: return "provisional";
    case BarState::kFinal: return "final";
    case BarState::kRevised: return "revised";
  }
  return "";
}

enum class RevisionReason : std::uint8_t { kNone, kLate, kBackfill, kGap, kVoid };
[[nodiscard]] constexpr std::string_view to_string(RevisionReason reason) {
  switch (reason) {
    case RevisionReason::kNone: return "";
    case RevisionReason::kLate: return "late";
    case RevisionReason::kBackfill: return "backfill";
    case RevisionReason::kGap: return "gap";
    case RevisionReason::kVoid: return "void";
  }
  return "";
}

// A trade's place in the order that decides open and close: (event_time, seq), and its price.
struct PricePoint {
  std::int64_t event_time_ms = 0;
  std::int64_t seq = 0;  // 0: no such trade yet
  std::int64_t price_e9 = 0;

  [[nodiscard]] bool present() const { return seq != 0; }
  [[nodiscard]] bool before(const PricePoint& other) const {
    return event_time_ms != other.event_time_ms ? event_time_ms < other.event_time_ms : seq < other.seq;
  }
  bool operator==(const PricePoint&) const = default;
};

constexpr std::int64_t kNoDeadline = INT64_MAX;

// The values of a row; its key stands beside it.
struct Bar {
  // Prices. Open and close come from the fully eligible trades, or from "F" trades when there is none.
  PricePoint first, last;                    // of fully eligible trades
  PricePoint first_if_alone, last_if_alone;  // of "F" trades
  std::int64_t high_e9 = 0, low_e9 = 0;
  bool has_high_low = false;
  // Sums, exact.
  int128 volume_e8 = 0;
  int128 vwap_volume_e8 = 0;
  int128 notional_e17 = 0;    // price * volume of VWAP-eligible trades
  std::int64_t trades = 0;    // trades that count into volume
  std::int64_t excluded = 0;  // trades that policy keeps out: suspects, codes without volume; and voided ones
  std::uint64_t policy = 0;   // MarketPolicy::id in force at the newest trade or void in it; 0: no policy known
  // State.
  BarState state = BarState::kProvisional;
  std::int32_t revision = 0;
  RevisionReason reason = RevisionReason::kNone;          // of the newest closed revision
  RevisionReason pending_reason = RevisionReason::kNone;  // of the gathered one
  std::int64_t closed_at_ns = 0;                          // engine clock when the newest revision closed, 0 before
  std::int64_t pending_deadline_ns = kNoDeadline;         // gathered changes become a revision then
  // Trust.
  std::int64_t missing_ms = 0;
  bool partial = false;
  bool backfilled = false;
  // Order.
  std::int64_t version = 0;           // number of events that changed the row
  std::int64_t applied_through = -1;  // offset: trades up to it are in
  std::int64_t generation = 0;
  LogId log_id{};

  [[nodiscard]] std::optional<std::int64_t> open_e9() const {
    if (first.present()) return first.price_e9;
    return first_if_alone.present() ? std::optional(first_if_alone.price_e9) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::int64_t> close_e9() const {
    if (first.present()) return last.price_e9;
    return last_if_alone.present() ? std::optional(last_if_alone.price_e9) : std::nullopt;
  }
  [[nodiscard]] bool gap() const { return missing_ms > 0; }
  bool operator==(const Bar&) const = default;
};

struct BarRow {
  BarKey key;
  Bar bar;
  bool operator==(const BarRow&) const = default;
};

// What reading did to a bar; never stored.
struct BarMarks {
  bool filled = false;    // a window without a bar, shown with the close before it
  bool adjusted = false;  // prices and volumes are in the shares of after a split
  bool operator==(const BarMarks&) const = default;
};

}  // namespace finpipe
