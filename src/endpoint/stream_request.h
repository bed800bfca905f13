// What a client of the live stream says, checked strictly. docs/api.md is the contract.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "market/interval.h"

namespace finpipe {

enum class StreamChannel : std::uint8_t { kBars, kTrades, kStatus };
[[nodiscard]] constexpr std::string_view to_string(StreamChannel channel) {
  switch (channel) {
    case StreamChannel::kBars: return "bars";
    case StreamChannel::kTrades: return "trades";
    case StreamChannel::kStatus: return "status";
  }
  return "";
}

// What can be subscribed to.
struct StreamSeries {
  StreamChannel channel = StreamChannel::kStatus;
  std::string symbol{};               // but for the status
  Interval interval = Interval::k1s;  // of bars

  auto operator<=>(const StreamSeries&) const = default;
};

constexpr std::int64_t kMaxSnapshot = 5'000;
constexpr std::int64_t kDefaultBarSnapshot = 300;
constexpr std::int64_t kDefaultTradeSnapshot = 50;

struct StreamRequest {
  bool subscribe = true;  // else unsubscribe
  StreamSeries series;
  std::int64_t snapshot = 0;            // the newest rows, so many at most
  std::optional<std::int64_t> from_ms;  // of bars: only those that start then or later
};

// Error: kBadRequest, whose detail is for the client.
[[nodiscard]] Result<StreamRequest> parse_stream_request(std::string_view message);

}  // namespace finpipe
