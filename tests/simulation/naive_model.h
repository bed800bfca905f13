// The model that the engine and its processors must equal: reads one partition of a history straight through and keeps
// every counted trade of every window in a list, from which a bar is computed whenever somebody asks. No eviction, no
// store, no laziness, and no code of bars/.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "history.h"
#include "market/bar.h"
#include "pipeline/ledger.h"
#include "pipeline/ports.h"

namespace finpipe::simulation {

using RevisionKey = std::pair<BarKey, std::int32_t>;  // bar and revision

using TickKey = std::tuple<std::string, std::int64_t, std::int64_t>;  // symbol, event_time, seq

struct NaiveTick {
  std::int64_t price_e9 = 0, volume_e8 = 0, received_at_ns = 0, session = 0, offset = 0;
  Conditions::Form form = Conditions::Form::kAbsent;
  std::string codes;
  Writer writer = Writer::kLive;
  Suspect suspect = Suspect::kNone;
  bool operator==(const NaiveTick&) const = default;
};

// What a reset of the checkpoints has decided for a partition.
struct Generation {
  std::int64_t number = 0;
  std::int64_t policies_from = 0;                 // policy records below this offset say nothing
  std::map<std::string, std::string> policies{};  // in force before that: texts by market
};

// What the store must hold of one partition in the end.
struct NaiveResult {
  std::int64_t end = 0;  // records of the partition
  std::int64_t generation = 0;
  std::map<BarKey, Bar> bars;
  std::map<RevisionKey, Bar> revisions;
  std::map<TickKey, NaiveTick> ticks;
  std::vector<SpanRow> spans;
  std::vector<VoidRow> voids;
  std::set<std::string> symbols;
  std::map<std::int64_t, ErrorCode> dead_letters;  // by offset
  Ledger ledger;
};

[[nodiscard]] NaiveResult run_naive_model(const History& history, std::int32_t partition,
                                          const Generation& generation = {});

}  // namespace finpipe::simulation
