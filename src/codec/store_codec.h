// Values of stored rows as Avro (schemas/store): what an embedded store keeps beside each key. Every field comes back
// as it was. What is part of a row's key (symbol, times, seq, interval) is not in its value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "codec/stored_tick_avro.h"
#include "market/bar.h"
#include "market/trade.h"

namespace finpipe {

// Appends a bar, key excluded.
void encode_bar(const Bar& bar, std::string& out);
// Reads what encode_bar wrote; it must take up all of `bytes`. Error: kAvroMalformed.
[[nodiscard]] Result<void> decode_bar(std::string_view bytes, Bar& bar);

// Ticks, many in a row: keeps its buffers, so that a tick costs no allocation. Used by one thread at a time.
class TickCodec {
 public:
  // Appends a trade without symbol, event_time and seq, and its place in the log.
  void encode(const Trade& trade, std::int64_t offset, const LogId& log_id, std::string& out);
  // Reads what encode wrote and leaves symbol, event_time and seq of `trade` alone. The codes of the conditions are
  // borrowed until the next call. Error: kAvroMalformed.
  [[nodiscard]] Result<void> decode(std::string_view bytes, Trade& trade, std::int64_t& offset, LogId& log_id);

 private:
  avro::StoredTick row_;
  std::vector<std::string_view> list_;  // the memory of row_.conditions while that is null
  std::string codes_;
};

}  // namespace finpipe
