// Rows for the store, short to write.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/ports.h"
#include "stores/memory_store.h"

namespace finpipe {

inline BarRow bar_row(std::string symbol, Interval interval, std::int64_t start_ms, std::int64_t version = 1,
                      std::int64_t generation = 0) {
  BarRow row{{std::move(symbol), interval, start_ms}, {}};
  row.bar.trades = 1;
  row.bar.version = version;
  row.bar.generation = generation;
  return row;
}

inline void store(MemoryStore& store, Commit commit) {
  static_cast<void>(store.submit(std::move(commit)));
  static_cast<void>(store.poll());
}

inline void store_symbols(MemoryStore& to, std::vector<SymbolRow> symbols) {
  Commit commit;
  commit.symbols = std::move(symbols);
  store(to, std::move(commit));
}

inline void store_bars(MemoryStore& to, BlockList<BarRow> bars) {
  Commit commit;
  commit.bars = std::move(bars);
  store(to, std::move(commit));
}

// Of (event time, seq).
inline void store_trades(MemoryStore& to, std::string_view symbol,
                         const std::vector<std::pair<std::int64_t, std::int64_t>>& trades) {
  Commit commit;
  for (const auto& [time_ms, seq] : trades) {
    Trade trade;
    trade.symbol = symbol;
    trade.event_time_ms = time_ms;
    trade.seq = seq;
    commit.add_tick(trade, symbol, seq, {});
  }
  store(to, std::move(commit));
}

}  // namespace finpipe
