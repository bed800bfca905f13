// One partition of the log, read up to its checkpoint: the trades that must be stored, under which policy each came,
// the account, and the spans. The session and seq rules are applied with plain maps. Private to verify.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "codec/checkpoint_avro.h"
#include "codec/records.h"
#include "market/market_policy.h"
#include "pipeline/ledger.h"
#include "pipeline/ports.h"
#include "pipeline/verify_findings.h"

namespace finpipe {

constexpr std::int64_t kBeginning = std::numeric_limits<std::int64_t>::min();  // before every time

// What many trades have in common.
struct LoggedContext {
  std::int64_t session = 0;
  Writer writer = Writer::kLive;
  Suspect suspect = Suspect::kNone;
  Conditions::Form form = Conditions::Form::kAbsent;
  std::string codes;      // of the conditions
  std::size_t epoch = 0;  // index into LoggedPartition::policies

  auto operator<=>(const LoggedContext&) const = default;
};

// Kept for every trade of a partition, so it is small.
struct LoggedTrade {
  std::int64_t event_time_ms;
  std::int64_t seq;
  std::int64_t price_e9;
  std::int64_t volume_e8;
  std::int64_t received_at_ns;
  std::int64_t offset;
  std::uint32_t context;  // index into LoggedPartition::contexts
};

// A void or unvoid that the log holds.
struct LoggedVoid {
  VoidRow row;
  std::size_t epoch = 0;   // index into LoggedPartition::policies: those it was applied under
  bool effective = false;  // it changed whether its trade counts
};

// A time in which trades of a symbol (empty: of all) were not asked for, as records told it.
struct LoggedAbsence {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;                                            // once it has ended
  std::int64_t begun_at = -1;                                        // offset of the record; -1: always was
  std::int64_t ended_at = std::numeric_limits<std::int64_t>::max();  // likewise; max: not ended
};

struct LoggedPartition {
  std::int32_t partition = 0;
  LogId log_id{};
  std::int64_t begin = 0;                                                  // first retained offset
  std::int64_t end = 0;                                                    // offset of the checkpoint
  std::int64_t first_stamp_ns = std::numeric_limits<std::int64_t>::min();  // of the first record that has one
  std::int64_t last_mark = 0;  // seq of the trade, or stamp of the control record, before the checkpoint

  std::map<std::string, std::vector<LoggedTrade>> trades;  // by symbol, in the order of the log
  std::vector<LoggedContext> contexts;
  std::vector<PolicySet> policies;                             // by epoch: those that trades and voids came under
  PolicySet newest_policies;                                   // in force at the checkpoint
  bool policies_replaced = false;                              // a market had other policies before this generation
  std::vector<SpanRow> spans;                                  // as the control records state them
  std::map<std::string, std::vector<LoggedAbsence>> absences;  // by symbol, in the order of the log
  std::vector<LoggedVoid> voids;                               // likewise, in the order of the log
  Ledger ledger;
};

class PartitionScan {
 public:
  // (partition, offset) of the records that have a dead letter, and whether it says that the record was unreadable when
  // this generation came to it. Today it may be readable: a registry or this finpipe may know more.
  using DeadLetterPlaces = std::map<std::pair<std::int32_t, std::int64_t>, bool>;

  // Of the symbols in `left_out` nothing is kept.
  PartitionScan(std::int32_t partition, std::int32_t partitions, const avro::StoredCheckpoint& checkpoint,
                const DeadLetterPlaces& dead_letters, const std::set<std::string, std::less<>>& left_out,
                VerifyFindings& findings);

  // Reads [range.begin, end) of the partition; calls `progress` with the number of records read since the last call.
  [[nodiscard]] Result<void> read(LogReader& log, OffsetRange range, std::int64_t end,
                                  const std::function<void(std::int64_t)>& progress);
  // Completes the policies with those that the store must supply.
  [[nodiscard]] Result<LoggedPartition> finish(Query& store);

 private:
  // What the heartbeats of a session are checked against.
  struct Beats {
    std::optional<std::int64_t> appended;  // by the last heartbeat; 0 at the session's first record
    std::int64_t since_offset = 0;
    std::int64_t trades = 0;  // since then
  };
  struct PolicyChange {
    MarketPolicy policy;
    std::size_t before_epoch;  // the first epoch it is in force
  };

  void take_batch(const LogReader::Batch& batch);
  [[nodiscard]] Result<void> skip_unreadable(LogReader& log, const Error& error);
  void tell_unreadable();
  void take(std::int64_t offset, const LogRecord& record);
  void take_trade(std::int64_t offset, const LogRecord& record);
  void take_control(std::int64_t offset, const LogRecord& record);
  void take_heartbeat(std::int64_t offset, const SessionKey& key, const avro::Heartbeat& beat);
  void take_policy(std::int64_t offset, const avro::PolicyInForce& policy);
  void take_void(std::int64_t offset, const avro::FeedStatus& control);
  void take_spans(std::int64_t offset, const avro::FeedStatus& control);
  void refuse(std::int64_t offset, const LogRecord& record, const Error& error, const Trade* trade);
  void keep(std::int64_t offset, const Trade& trade);
  [[nodiscard]] std::uint32_t context_of(const Trade& trade);
  // Of what comes now: a new one if a policy has changed since the last.
  [[nodiscard]] std::size_t epoch();
  [[nodiscard]] Result<std::map<std::string, MarketPolicy>> first_policies(Query& store);
  void note_stamp(std::int64_t stamp_ns);

  std::int32_t partitions_;
  const avro::StoredCheckpoint& checkpoint_;
  const DeadLetterPlaces& dead_letters_;
  const std::set<std::string, std::less<>>& left_out_;
  VerifyFindings& findings_;
  LoggedPartition result_;
  TradeDecoder decoder_;
  std::int64_t next_ = 0;
  std::optional<std::pair<std::int64_t, Error>> unreadable_;  // where a stretch that cannot be read began, and why

  std::map<Writer, std::int64_t> newest_session_;
  std::map<Writer, std::int64_t> highest_seq_;
  std::map<SessionKey, Beats> beats_;
  std::map<LoggedContext, std::uint32_t> context_ids_;
  std::uint32_t last_context_ = 0;

  std::map<std::string, std::string> policy_hashes_;  // newest in the log, by market
  std::map<std::string, MarketPolicy> superseded_;    // newest below policies_from, by market
  std::vector<PolicyChange> changes_;
  std::size_t epochs_ = 0;  // that have trades or voids
  std::size_t changes_at_epoch_ = 0;
};

}  // namespace finpipe
