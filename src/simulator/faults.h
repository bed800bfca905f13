// What a vendor's connection can do wrong, as values: each kind of fault, how a request names it, and the seeded
// schedule that deals all kinds in turn.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/random.h"

namespace finpipe {

enum class FaultKind : std::uint8_t {
  kDisconnect,  // a close frame with `code`
  kDrop,        // the TCP connection ends without one
  kStall,       // nothing is sent for `duration_ms`; the connection stays open and pings are answered
  kHalfOpen,   // nothing is sent, read or answered until the client gives up, at most `duration_ms`; then it is dropped
  kRefuse,     // the next `count` upgrades are answered with `status`
  kMalformed,  // a frame that is broken as `variant` says
  kBadOpcode,  // a frame with an opcode that WebSocket does not have
  kBadUtf8,    // a text frame that is no UTF-8
  kOversize,   // a message above 4 MiB
  kDelay,      // what is due comes `delay_ms` late, in order, for `duration_ms`
  kDuplicate,  // the last frame of trades comes once more
};
constexpr auto kFaultNames =
    std::to_array<std::string_view>({"disconnect", "drop", "stall", "half_open", "refuse", "malformed", "bad_opcode",
                                     "bad_utf8", "oversize", "delay", "duplicate"});
[[nodiscard]] constexpr std::string_view to_string(FaultKind kind) {
  return kFaultNames[static_cast<std::size_t>(kind)];
}
[[nodiscard]] std::optional<FaultKind> fault_kind_from(std::string_view name);

enum class Malformed : std::uint8_t { kBrokenJson, kWrongType, kNan, kNegativePrice, kUnknownType, kHuge };
constexpr auto kMalformedNames =
    std::to_array<std::string_view>({"broken_json", "wrong_type", "nan", "negative_price", "unknown_type", "huge"});
[[nodiscard]] constexpr std::string_view to_string(Malformed variant) {
  return kMalformedNames[static_cast<std::size_t>(variant)];
}

constexpr int kNeverAnswer = 0;  // as the status of a refusal

struct Fault {
  FaultKind kind = FaultKind::kDrop;
  std::optional<std::int64_t> connection{};  // absent: all of them
  int code = 1001;
  std::int64_t duration_ms = 0;
  std::int64_t delay_ms = 1'000;
  std::int64_t count = 1;
  int status = 429;
  std::optional<std::int64_t> retry_after_s{};
  bool drop = false;  // with a refusal: end the open connections too, so that their clients meet it
  Malformed variant = Malformed::kBrokenJson;
};

// {"kind":"stall","ms":3000,"connection":2}; keys: kind, connection, code, ms, delay_ms, count, status, never,
// retry_after, drop, variant. Errors: kBadJson and the like; kUsage for a kind or value that there is not.
[[nodiscard]] Result<Fault> parse_fault(std::string_view json);

// The text of a malformed frame; its trade, if there is one, is of that symbol and time.
[[nodiscard]] std::string malformed_frame(Malformed variant, std::string_view symbol, std::int64_t time_ms);
// Bytes on the wire, with their WebSocket framing as far as there is one.
[[nodiscard]] std::string bad_opcode_bytes();
[[nodiscard]] std::string bad_utf8_bytes();
constexpr std::size_t kOversizeBytes = (std::size_t{4} << 20) + 1;

// Deals every variant of each kind once in random order, then again in another one. All faults of a schedule can be
// survived: a refusal with 401, which ends a client for good, is made on request only.
class FaultSchedule {
 public:
  // every_ms > 0; `kinds` is not empty.
  FaultSchedule(std::int64_t every_ms, std::span<const FaultKind> kinds, std::uint64_t seed);

  // Between half and one and a half times every_ms.
  [[nodiscard]] std::int64_t next_wait_ms();
  [[nodiscard]] Fault next();

 private:
  std::int64_t every_ms_;
  Random random_;
  std::vector<Fault> deck_;
  std::size_t dealt_ = 0;
};

}  // namespace finpipe
