// What a log says of replays: which dead letters are back in it whole, and how far an interrupted replay came. Reads
// the log once, from its beginning, and then only what is new.
//
// A replay is a session of the writer REPLAY. For each dead letter it writes to every partition a session record whose
// source_id is the letter's id, the letter's trades of that partition, and a heartbeat: who finds that heartbeat in
// every partition, admitted as the processor admits records, knows that all trades of the letter are in.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "codec/records.h"
#include "pipeline/admission.h"
#include "pipeline/letter_trades.h"
#include "pipeline/ports.h"

namespace finpipe {

// A dead letter that is to be replayed.
struct WantedLetter {
  std::string id;
  std::int64_t received_at_ns = 0;
  std::int32_t partition = 0;
  std::int64_t offset = -1;  // of the log record that it is about; -1: it never was in the log
};

class ReplayLog {
 public:
  using Lags = std::map<std::string, std::int64_t, std::less<>>;  // ms by market
  // A record that a wanted letter is about.
  struct Record {
    RecordType type = RecordType::kTrade;
    std::string value;   // in the schemas of this program
    std::string in_log;  // as the log holds it
  };
  struct Newest {
    std::int64_t session = 0;  // of the writer REPLAY; 0: none
    std::int64_t begun_at_ns = 0;
    std::int64_t seq = 0;  // highest of that writer
  };

  // Of letters that are not wanted only whether they are replayed is kept.
  ReplayLog(LogReader& reader, std::vector<WantedLetter> wanted);

  // Reads up to the end of every partition. `progress` is told now and then how much is done, in [0, 1].
  // Errors: those of the reader.
  [[nodiscard]] Result<void> read_on(const std::function<void(double)>& progress = {});

  [[nodiscard]] const LogId& log_id() const { return reader_.log_id(); }
  [[nodiscard]] std::int32_t partitions() const { return static_cast<std::int32_t>(partitions_.size()); }
  // Whether all trades of the letter are in the log.
  [[nodiscard]] bool is_replayed(std::string_view id) const { return replayed_.contains(id); }
  // Those that replays of the letter have brought into the partition so far; of a wanted one that is not replayed.
  [[nodiscard]] std::span<const Trade> trades(std::string_view id, std::int32_t partition) const;
  [[nodiscard]] Newest newest(std::int32_t partition) const;
  // nullptr: the log does not have it (any more).
  [[nodiscard]] const Record* record(std::int32_t partition, std::int64_t offset) const;
  // Lags as the log last stated them before the wanted letter was received.
  [[nodiscard]] const Lags& lags(std::string_view id) const;
  // Whether a replay of what was received then must be in what the log has kept.
  [[nodiscard]] bool reaches_back_to(std::int64_t received_at_ns) const;

 private:
  struct Letter {
    std::vector<LetterTrades> trades;                // by partition; empty: not wanted
    std::map<std::int64_t, std::int32_t> completed;  // by session: in how many partitions
  };
  struct Partition {
    std::int64_t next = 0;
    bool lost_beginning = false;
    std::optional<std::int64_t> first_live_ns;  // stamp of the first live record
    Admission admission;
    std::int64_t begun_session = 0, begun_at_ns = 0;  // newest with a session record, by the first of these
    std::string letter;                               // that the newest session is at; empty: none
  };

  [[nodiscard]] Result<void> begin();
  void take(std::int32_t partition, std::int64_t offset, const LogRecord& record);
  void take_trade(std::int32_t partition, const LogRecord& record);
  void take_control(std::int32_t partition, const LogRecord& record);
  void take_lags(const avro::FeedStatus& control, const avro::Heartbeat& beat);
  void complete(Partition& at);
  [[nodiscard]] Partition& partition(std::int32_t index) { return partitions_.at(static_cast<std::size_t>(index)); }
  [[nodiscard]] const Partition& partition(std::int32_t index) const {
    return partitions_.at(static_cast<std::size_t>(index));
  }

  LogReader& reader_;
  std::vector<WantedLetter> wanted_;                     // by time of receipt
  std::map<std::string, std::size_t, std::less<>> ids_;  // of wanted letters, to their index
  std::vector<Lags> lags_;                               // by index, as far as the log was read
  Lags newest_lags_;
  std::map<std::pair<std::int32_t, std::int64_t>, std::optional<Record>> records_;  // that wanted letters are about
  std::set<std::string, std::less<>> replayed_;
  std::map<std::string, Letter, std::less<>> letters_;  // others that a replay has begun
  std::vector<Partition> partitions_;
  TradeDecoder decoder_;
  bool begun_ = false;
};

}  // namespace finpipe
