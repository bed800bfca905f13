// Brings the trades of dead letters, as they are or mended, back into the log, each once.
//
// It survives a crash at every record, and other replays at the same time. A replay first begins a session, in every
// partition, above all earlier ones of its writer, and reads the log up to that: from there on the log takes what this
// session appends and nothing of older ones, so what is there of a letter then is all that there will be. Only the rest
// is appended. Once a newer replay has begun, what this one still appends is refused, which it sees and says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "market/market_policy.h"
#include "pipeline/letter_trades.h"
#include "pipeline/ports.h"
#include "pipeline/replay_log.h"

namespace finpipe {

[[nodiscard]] WantedLetter wanted(const DeadLetter& letter);

// The trades that a replay of the letter brings, checked as an ingest checks them. `mended`: what to read in place of
// the letter's bytes. `log` must want the letter. Errors, each for the whole letter: kNotReplayable, and the rule that
// a trade breaks.
[[nodiscard]] Result<LetterTrades> trades_to_replay(const DeadLetter& letter, std::optional<std::string_view> mended,
                                                    const ReplayLog& log, const PolicySet& policies);

// How many of a letter's trades each partition has of it already. kReplayDiffers: it has others.
[[nodiscard]] Result<std::vector<std::size_t>> replayed_so_far(std::string_view id, std::span<const Trade> trades,
                                                               const ReplayLog& log);

class Replayer {
 public:
  struct Done {
    std::size_t appended = 0;
    std::size_t already_in_log = 0;
  };

  // `log` reads what `writer` writes.
  Replayer(ReplayLog& log, LogWriter& writer, Clock& clock);

  // Appends what the log lacks of the letter's trades and waits until it is durable; gives seq, session and writer to
  // those, and 0 as seq to what was there. Nothing is done to a letter that is replayed already.
  // Errors: kReplayDiffers, after which others can be replayed; kNewerReplay and those of the ports, after which only
  // another Replayer can tell what has become of this one.
  [[nodiscard]] Result<Done> replay(const std::string& id, LetterTrades& trades);

 private:
  struct Partition {
    avro::Counters counters{};  // of this session
    std::int64_t heartbeats = 0;
  };

  [[nodiscard]] Result<void> begin();
  [[nodiscard]] Result<void> append_letter(const std::string& id, std::int32_t partition,
                                           std::span<Trade* const> trades, std::size_t already_in_log);
  [[nodiscard]] Result<void> append_session(std::int32_t partition, std::string_view source_id);
  [[nodiscard]] Result<void> append_control(std::int32_t partition, decltype(avro::FeedStatus::body) body);
  [[nodiscard]] Result<void> append(std::int32_t partition, const LogRecord& record);
  [[nodiscard]] Result<void> flush();

  ReplayLog& log_;
  LogWriter& writer_;
  Clock& clock_;
  std::vector<Partition> partitions_;
  std::int64_t session_ = 0;  // 0: not begun
  std::int64_t begun_at_ns_ = 0;
  std::string scratch_;
};

}  // namespace finpipe
