#include "simulator/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/time.h"
#include "codec/flat_json.h"

namespace finpipe {
namespace {

constexpr std::int64_t kHalfOpenMs = 2 * kMsPerMinute;
constexpr std::size_t kHugeBytes = std::size_t{2} << 20;

template <std::size_t size>
std::optional<std::size_t> index_of(const std::array<std::string_view, size>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

std::int64_t default_duration_ms(FaultKind kind) {
  return kind == FaultKind::kHalfOpen ? kHalfOpenMs : 5 * kMsPerSecond;
}

// Takes a whole number within limits where the request has one.
template <typename T>
Result<void> take(const FlatJson& json, std::string_view key, std::int64_t low, std::int64_t high, T& value) {
  if (!json.has(key)) return {};
  const auto given = json.integer(key);
  if (!given || *given < low || *given > high) {
    return fail(ErrorCode::kUsage, fmt::format("{} must be a whole number from {} to {}", key, low, high));
  }
  value = static_cast<T>(*given);
  return {};
}

std::vector<Fault> cards_of(FaultKind kind, std::int64_t every_ms) {
  Fault fault{.kind = kind};
  fault.duration_ms = default_duration_ms(kind);
  std::vector<Fault> cards;
  switch (kind) {
    case FaultKind::kRefuse:
      fault.drop = true;
      for (const int status : {429, 200, 524, 500, kNeverAnswer}) {
        fault.status = status;
        cards.push_back(fault);
      }
      fault.status = 429;
      fault.retry_after_s = 1;
      cards.push_back(fault);
      break;
    case FaultKind::kMalformed:
      for (std::size_t i = 0; i < kMalformedNames.size(); ++i) {
        fault.variant = static_cast<Malformed>(i);
        cards.push_back(fault);
      }
      break;
    case FaultKind::kStall:
    case FaultKind::kDelay:
      fault.duration_ms = every_ms;
      fault.delay_ms = std::max<std::int64_t>(every_ms / 4, 1);
      cards.push_back(fault);
      break;
    default: cards.push_back(fault);
  }
  return cards;
}

}  // namespace

std::optional<FaultKind> fault_kind_from(std::string_view name) {
  const auto index = index_of(kFaultNames, name);
  return index ? std::optional(static_cast<FaultKind>(*index)) : std::nullopt;
}

Result<Fault> parse_fault(std::string_view text) {
  FINPIPE_TRY_ASSIGN(json, FlatJson::parse(text));
  const auto kind = fault_kind_from(json.string("kind").value_or(""));
  if (!kind) return fail(ErrorCode::kUsage, fmt::format("kind must be one of {}", fmt::join(kFaultNames, ", ")));
  Fault fault{.kind = *kind};
  fault.duration_ms = default_duration_ms(*kind);
  if (json.has("connection")) {
    FINPIPE_TRY(take(json, "connection", 1, std::int64_t{1} << 53, fault.connection.emplace()));
  }
  FINPIPE_TRY(take(json, "code", 1'000, 4'999, fault.code));
  FINPIPE_TRY(take(json, "ms", 0, kMsPerDay, fault.duration_ms));
  FINPIPE_TRY(take(json, "delay_ms", 0, kMsPerHour, fault.delay_ms));
  FINPIPE_TRY(take(json, "count", 1, 1'000'000, fault.count));
  FINPIPE_TRY(take(json, "status", 200, 599, fault.status));
  if (json.has("retry_after")) FINPIPE_TRY(take(json, "retry_after", 0, 86'400, fault.retry_after_s.emplace()));
  if (json.boolean("never").value_or(false)) fault.status = kNeverAnswer;
  fault.drop = json.boolean("drop").value_or(false);
  if (json.has("variant")) {
    const auto variant = index_of(kMalformedNames, json.string("variant").value_or(""));
    if (!variant) {
      return fail(ErrorCode::kUsage, fmt::format("variant must be one of {}", fmt::join(kMalformedNames, ", ")));
    }
    fault.variant = static_cast<Malformed>(*variant);
  }
  return fault;
}

std::string malformed_frame(Malformed variant, std::string_view symbol, std::int64_t time_ms) {
  std::string name;
  append_json_string(name, symbol);
  const auto with_price = [&](std::string_view price) {
    return fmt::format(R"({{"data":[{{"c":null,"p":{},"s":{},"t":{},"v":1}}],"type":"trade"}})", price, name, time_ms);
  };
  switch (variant) {
    case Malformed::kBrokenJson: return fmt::format(R"({{"data":[{{"c":null,"p":1,"s":{},"t":{})", name, time_ms);
    case Malformed::kWrongType: return with_price(R"("1")");
    case Malformed::kNan: return with_price("NaN");
    case Malformed::kNegativePrice: return with_price("-1");
    case Malformed::kUnknownType: return R"({"type":"weather"})";
    case Malformed::kHuge: break;
  }
  return fmt::format(R"({{"data":"{}","type":"trade"}})", std::string(kHugeBytes, 'x'));
}

std::string bad_opcode_bytes() { return {'\x83', '\x00'}; }

std::string bad_utf8_bytes() { return {'\x81', '\x02', '\xc3', '\x28'}; }

FaultSchedule::FaultSchedule(std::int64_t every_ms, std::span<const FaultKind> kinds, std::uint64_t seed)
    : every_ms_(every_ms), random_(seed) {
  for (const FaultKind kind : kinds) {
    for (const Fault& card : cards_of(kind, every_ms)) deck_.push_back(card);
  }
  dealt_ = deck_.size();
}

std::int64_t FaultSchedule::next_wait_ms() { return random_.between((every_ms_ + 1) / 2, every_ms_ * 3 / 2); }

Fault FaultSchedule::next() {
  if (dealt_ == deck_.size()) {
    dealt_ = 0;
    for (std::size_t i = deck_.size(); i > 1; --i) std::swap(deck_[i - 1], deck_[random_.below(i)]);
  }
  return deck_[dealt_++];
}

}  // namespace finpipe
