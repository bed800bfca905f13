#include "endpoint/stream_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "base/time.h"
#include "codec/flat_json.h"
#include "codec/trade_rules.h"

namespace finpipe {
namespace {

std::unexpected<Error> refuse_request(std::string detail) { return fail(ErrorCode::kBadRequest, std::move(detail)); }

Result<StreamChannel> channel_of(const FlatJson& json) {
  const auto name = json.string("channel");
  for (const StreamChannel channel : {StreamChannel::kBars, StreamChannel::kTrades, StreamChannel::kStatus})
    if (name == to_string(channel)) return channel;
  return refuse_request("channel must be bars, trades or status");
}

Result<void> check_members(const FlatJson& json, const StreamRequest& request) {
  std::vector<std::string_view> known = {"type", "channel"};
  if (request.series.channel != StreamChannel::kStatus) {
    known.push_back("symbol");
    if (request.subscribe) known.push_back("snapshot");
  }
  if (request.series.channel == StreamChannel::kBars) {
    known.push_back("interval");
    if (request.subscribe) known.push_back("from");
  }
  for (const std::string_view name : json.names()) {
    if (std::ranges::find(known, name) == known.end())
      return refuse_request(
          fmt::format("there is no member '{}' here; there is: {}", name.substr(0, 80), fmt::join(known, ", ")));
  }
  return {};
}

Result<void> read_series(const FlatJson& json, StreamSeries& series) {
  if (series.channel == StreamChannel::kStatus) return {};
  const auto symbol = json.string("symbol");
  if (!symbol || !is_symbol(*symbol)) return refuse_request("symbol must be 1 to 64 printable ASCII characters");
  series.symbol = *symbol;
  if (series.channel != StreamChannel::kBars) return {};
  const auto interval = json.string("interval");
  const auto known = interval ? interval_from(*interval) : std::nullopt;
  if (!known) return refuse_request("interval must be 1s, 1m, 5m, 15m, 1h or 1d");
  series.interval = *known;
  return {};
}

Result<void> read_snapshot(const FlatJson& json, StreamRequest& request) {
  const bool bars = request.series.channel == StreamChannel::kBars;
  if (json.has("snapshot") && json.has("from")) return refuse_request("give snapshot or from, not both");
  if (json.has("from")) {
    request.from_ms = json.integer("from");
    if (const auto text = json.string("from"); text) request.from_ms = parse_time_ms(*text);
    if (!request.from_ms) return refuse_request("from must be milliseconds since 1970 or ISO-8601 UTC");
    request.snapshot = kMaxSnapshot;
    return {};
  }
  request.snapshot = bars ? kDefaultBarSnapshot : kDefaultTradeSnapshot;
  if (!json.has("snapshot")) return {};
  const auto rows = json.integer("snapshot");
  if (!rows || *rows < 0 || *rows > kMaxSnapshot)
    return refuse_request(fmt::format("snapshot must be a whole number from 0 to {}", kMaxSnapshot));
  request.snapshot = *rows;
  return {};
}

}  // namespace

Result<StreamRequest> parse_stream_request(std::string_view message) {
  const auto json = FlatJson::parse(message);
  if (!json) return refuse_request("a message must be one JSON object");
  StreamRequest request;
  const auto type = json->string("type");
  if (type != "subscribe" && type != "unsubscribe") return refuse_request("type must be subscribe or unsubscribe");
  request.subscribe = type == "subscribe";
  FINPIPE_TRY_ASSIGN(channel, channel_of(*json));
  request.series.channel = channel;
  FINPIPE_TRY(check_members(*json, request));
  FINPIPE_TRY(read_series(*json, request.series));
  if (request.subscribe && channel != StreamChannel::kStatus) FINPIPE_TRY(read_snapshot(*json, request));
  return request;
}

}  // namespace finpipe
