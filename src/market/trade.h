// A trade as Finnhub reports it, with the identity that the log gives it: (symbol, event_time, seq).
// Text is borrowed: a Trade lives as long as the frame or record that it was read from.
#pragma once

#include <cstdint>
#include <string_view>

namespace finpipe {

// Who appended a record. Only LIVE records move the engine's clock.
enum class Writer : std::uint8_t { kLive, kBackfill, kReplay, kOperator };
constexpr std::size_t kWriterCount = 4;
[[nodiscard]] constexpr std::string_view to_string(Writer writer) {
  switch (writer) {
    case Writer::kLive: return "live";
    case Writer::kBackfill: return "backfill";
    case Writer::kReplay: return "replay";
    case Writer::kOperator: return "operator";
  }
  return "";
}

// Why a trade is thought to repeat an earlier one. Suspects are stored and left out of bars.
enum class Suspect : std::uint8_t { kNone, kRepeatedRun };
[[nodiscard]] constexpr std::string_view to_string(Suspect suspect) {
  return suspect == Suspect::kNone ? "" : "repeated_run";
}

// Sale conditions: an absent field, null and [] mean the same to the policy but are stored apart.
struct Conditions {
  enum class Form : std::uint8_t { kAbsent, kNull, kList };
  Form form = Form::kAbsent;
  std::string_view codes;  // of a list: its codes, joined by single spaces; empty for []

  bool operator==(const Conditions&) const = default;
};

constexpr std::size_t kMaxSymbolBytes = 64;     // printable ASCII, no space at either end
constexpr std::size_t kMaxConditions = 32;      // codes of one trade
constexpr std::size_t kMaxConditionBytes = 16;  // of one code: printable ASCII without space

struct Trade {
  std::string_view symbol;
  std::int64_t event_time_ms = 0;
  std::int64_t price_e9 = 0;
  std::int64_t volume_e8 = 0;
  Conditions conditions;
  std::int64_t received_at_ns = 0;
  std::int64_t seq = 0;  // per writer strictly increasing; (symbol, event_time, seq) identifies a trade
  std::int64_t session = 0;
  Writer writer = Writer::kLive;
  Suspect suspect = Suspect::kNone;
};

}  // namespace finpipe
