// Opens the feed that the settings name, with all that belongs to it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/settings.h"
#include "base/clock.h"
#include "base/error.h"
#include "feeds/finnhub_websocket.h"
#include "market/market_policy.h"
#include "pipeline/ports.h"
#include "simulator/looped_tape.h"
#include "simulator/simulator.h"

namespace finpipe {

struct FeedParts {
  std::string description;           // for people: what this run gets its trades from
  std::vector<std::string> symbols;  // that are asked for; empty: all that a tape has
  std::unique_ptr<SessionClock> session_clock;
  // Of the demo.
  std::shared_ptr<const LoopedTape> tape;
  std::int64_t tape_start_ns = 0;
  std::unique_ptr<Simulator> simulator;

  std::unique_ptr<Feed> feed;
  FinnhubWebSocketFeed* live = nullptr;  // `feed`, when it is live
  // Of a live feed on a server.
  std::string host;
  std::uint16_t port = 0;
  std::shared_ptr<net::TlsContext> tls;  // null: not by TLS
};

// Chooses the feed and the demo's directories where nobody did. With a key the vendor, without one the demo.
void choose_feed(Settings& settings);

// Errors: kBadUrl, kMissingKey, kInsecureListen (a key in the clear), kBadCertificate, kNotFound, those of tapes.
[[nodiscard]] Result<FeedParts> open_feed(const Settings& settings, Clock& clock);

// Puts the hours before the start of the demo into its directory's log when there is none yet: played from the same
// tape, so that the longer intervals are not empty and the live play joins without a jump. A log appears whole or not
// at all.
[[nodiscard]] Result<void> fill_demo_log(const Settings& settings, const FeedParts& parts,
                                         const std::vector<MarketPolicy>& policies);

}  // namespace finpipe
