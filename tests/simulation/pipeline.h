// The whole pipeline in one thread under virtual time, from one seed: a model vendor, wires that break, the connection
// state machine, live ingests that are killed, paused and replaced, a log, processors in a faulty store, and a host
// whose clock is set. In the end the feed stops, everything drains, and the judge compares what is stored with a naive
// model of the log and with the vendor's own record.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace finpipe::simulation {

struct PipelineResult {
  std::optional<std::string> fault;                 // what does not hold
  std::map<std::string_view, std::int64_t> counts;  // how often what happened
};

// What every budget must have seen: names of PipelineResult::counts.
constexpr std::array<std::string_view, 33> kFaultKinds = {
    "processor crashes", "failed writes",   "timed out writes", "slow writes",      "zombie processors",
    "zombie returns",    "partition moves", "ingest crashes",   "torn log tails",   "zombie ingests",
    "zombies told",      "ingest pauses",   "duplicate frames", "reordered frames", "slow vendor",
    "disconnects",       "half-open links", "stalls",           "refused symbols",  "refused connections",
    "clock steps",       "clock -1 h",      "clock +30 d",      "clock skew",       "far future",
    "ancient",           "bursts",          "policy changes",   "resets",           "voids",
    "unvoids",           "suspects",        "late revisions"};

[[nodiscard]] PipelineResult run_pipeline(std::uint64_t seed);

struct PipelineSearch {
  std::optional<std::string> failure;               // of the first seed that fails, with the command that replays it
  std::map<std::string_view, std::int64_t> counts;  // of all seeds
  std::uint64_t seeds = 0;
};

// The seeds [first, first + count) in `threads` threads; FINPIPE_SEED asks for one seed instead, FINPIPE_SEEDS for
// another count.
[[nodiscard]] PipelineSearch search_pipelines(std::uint64_t first, std::uint64_t count, unsigned threads);

}  // namespace finpipe::simulation
