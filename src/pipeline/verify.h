// Proves from stored data that nothing was lost in silence: reads the log up to each partition's checkpoint, works out
// what the store must hold, and compares every trade, bar and revision. A code path of its own: it shares neither the
// bar engine nor the admission rules with what wrote the rows, so that one mistake cannot hide in both.
//
// The store must be opened before the log: then the log holds at least what the checkpoints say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "pipeline/ledger.h"
#include "pipeline/ports.h"

namespace finpipe {

struct VerifyOptions {
  std::size_t max_differences = 20;  // that are described of each symbol and of the rest; all are counted
  double sample = 1;                 // share of the symbols whose trades and bars are compared, in (0, 1]; at least one
  std::uint64_t sample_seed = 0;     // which ones
  std::function<void(double)> progress = {};  // told now and then how much is done, in [0, 1]
};

// "tick missing": "BINANCE:BTCUSDT 2024-08-08T23:54:15.342Z seq 1723161255342000001, partition 0 offset 17".
struct Difference {
  std::string kind;
  std::string what;
  bool operator==(const Difference&) const = default;
};

struct VerifiedSymbol {
  std::string symbol;
  std::int32_t partition = 0;
  std::int64_t trades = 0;      // of the log that must be stored
  std::int64_t stored = 0;      // found in the store
  std::int64_t not_in_log = 0;  // stored trades whose record the log no longer has, or that came from another log
  std::int64_t bars = 0;        // that were compared
  std::int64_t revisions = 0;   // likewise
  std::int64_t differences = 0;
};

struct VerifiedSession {
  std::int32_t partition = 0;
  Writer writer = Writer::kLive;
  std::int64_t session = 0;
  LedgerRow account;  // as counted here
};

struct VerifyReport {
  std::vector<VerifiedSymbol> symbols;    // ordered by partition, then symbol
  std::vector<VerifiedSession> sessions;  // ordered by partition, then writer and session
  std::vector<Difference> first;          // at most max_differences, in the order they were found
  std::int64_t differences = 0;
  std::int64_t records = 0;   // of the log that were read
  std::int64_t left_out = 0;  // symbols that are not in the sample
};

// Fails only when something cannot be read at all; what is wrong with what was read is in the report.
[[nodiscard]] Result<VerifyReport> verify(Query& store, LogReader& log, DeadLetterQuery& dead_letters,
                                          const VerifyOptions& options = {});

}  // namespace finpipe
