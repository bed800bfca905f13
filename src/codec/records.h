// Log record values and market values: Avro in Confluent framing on one side, Trade and FeedStatus on the other.
// What a decoder accepts keeps the same rules as a trade from a frame, whoever wrote it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "codec/feed_status_avro.h"
#include "codec/stock_tick_avro.h"
#include "market/trade.h"

namespace finpipe {

// Appends the value of a trade's record.
void encode_trade(const Trade& trade, std::string& out);

// Reads values of trades; keeps its memory from one to the next.
class TradeDecoder {
 public:
  // `out` borrows its symbol from `value` and its conditions from the decoder, until the next decode.
  // Errors: kAvroMalformed, kUnknownSchemaId; kBadSymbol, kBadPrice, kBadVolume, kBadConditions, kNumberOutOfRange.
  [[nodiscard]] Result<void> decode(std::string_view value, Trade& out);

 private:
  avro::StockTick tick_;
  std::string conditions_;
};

// Appends the value of a control record.
void encode_control(const avro::FeedStatus& status, std::string& out);

// The text of the result is borrowed from `value`. Errors: kAvroMalformed, kUnknownSchemaId.
[[nodiscard]] Result<avro::FeedStatus> decode_control(std::string_view value);

// The log that a session or heartbeat record says it is in; nullopt: another kind of record.
[[nodiscard]] std::optional<avro::LogId> stated_log_id(const avro::FeedStatus& control);

}  // namespace finpipe
