// A vendor, a connection that breaks, a host whose clock is wrong and an ingest that is killed, under virtual time from
// one seed. The oracle is the vendor's own list of trades: whatever of it is not stored must lie in a gap that the log
// states, and a bar that lacks a trade must carry a flag.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace finpipe::simulation {

struct LiveFeedResult {
  std::optional<std::string> fault;  // what does not hold
  std::int64_t sent = 0;             // trades of the vendor
  std::int64_t lost = 0;             // of those, not stored
  std::int64_t outages = 0;          // interruptions, kills included
};

[[nodiscard]] LiveFeedResult run_live_feed(std::uint64_t seed);

}  // namespace finpipe::simulation
