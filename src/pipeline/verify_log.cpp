#include "pipeline/verify_log.h"

#include <algorithm>
#include <type_traits>
#include <variant>

#include "base/hash.h"
#include "base/time.h"
#include "codec/policy_file.h"

namespace finpipe {
namespace {

constexpr std::size_t kVerifyReadBytes = std::size_t{1} << 20;
constexpr std::int64_t kNotEnded = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kYear2200Ms = 7'258'118'400'000;

std::vector<std::string> symbols_named(const std::optional<std::vector<std::string_view>>& symbols) {
  if (!symbols) return {""};
  return {symbols->begin(), symbols->end()};
}

}  // namespace

PartitionScan::PartitionScan(std::int32_t partition, std::int32_t partitions, const avro::StoredCheckpoint& checkpoint,
                             const DeadLetterPlaces& dead_letters, const std::set<std::string, std::less<>>& left_out,
                             VerifyFindings& findings)
    : partitions_(partitions),
      checkpoint_(checkpoint),
      dead_letters_(dead_letters),
      left_out_(left_out),
      findings_(findings) {
  result_.partition = partition;
  result_.log_id = checkpoint.log_id;
}

// ---- Reading -------------------------------------------------------------------------------------------------------

Result<void> PartitionScan::read(LogReader& log, OffsetRange range, std::int64_t end,
                                 const std::function<void(std::int64_t)>& progress) {
  const std::int32_t partition = result_.partition;
  result_.begin = next_ = range.begin;
  result_.end = end;
  FINPIPE_TRY(log.seek(partition, range.begin));
  log.resume(partition);
  while (next_ < end) {
    const std::int64_t before = next_;
    const auto read = log.poll(kVerifyReadBytes);
    if (!read) {
      FINPIPE_TRY(skip_unreadable(log, read.error()));
    } else {
      for (const LogReader::Batch& batch : read->batches) {
        if (batch.partition == partition) take_batch(batch);
      }
    }
    progress(next_ - before);
  }
  tell_unreadable();
  log.pause(partition);
  return {};
}

void PartitionScan::take_batch(const LogReader::Batch& batch) {
  tell_unreadable();
  if (batch.first_offset != next_) {
    findings_.add("log record missing", "partition {}: offset {} follows {}", result_.partition, batch.first_offset,
                  next_ - 1);
  }
  next_ = batch.first_offset;
  for (const LogRecord& record : batch.records) {
    if (next_ == result_.end) return;
    take(next_++, record);
  }
}

// One lost stretch of the log is one difference, so its end is sought first.
Result<void> PartitionScan::skip_unreadable(LogReader& log, const Error& error) {
  if (error.code != ErrorCode::kLogIncomplete && error.code != ErrorCode::kCorrupt) return fail(error);
  if (!unreadable_) unreadable_ = {next_, error};
  return log.seek(result_.partition, ++next_);
}

void PartitionScan::tell_unreadable() {
  if (!unreadable_) return;
  const auto& [from, error] = *unreadable_;
  findings_.add(error.code == ErrorCode::kCorrupt ? "log record unreadable" : "log record missing",
                "partition {} offset {}{}: {}", result_.partition, from,
                next_ - from == 1 ? "" : fmt::format(" to {}", next_ - 1), error.detail);
  unreadable_.reset();
}

void PartitionScan::take(std::int64_t offset, const LogRecord& record) {
  result_.last_mark = 1;  // of what cannot be read
  const auto letter = dead_letters_.find({result_.partition, offset});
  if (letter != dead_letters_.end() && letter->second) return refuse(offset, record, {}, nullptr);
  if (record.type == RecordType::kTrade) {
    take_trade(offset, record);
  } else {
    take_control(offset, record);
  }
}

void PartitionScan::note_stamp(std::int64_t stamp_ns) {
  if (result_.first_stamp_ns == kBeginning) result_.first_stamp_ns = stamp_ns;
}

void PartitionScan::refuse(std::int64_t offset, const LogRecord& record, const Error& error, const Trade* trade) {
  if (record.type == RecordType::kTrade) {
    // What cannot be read names no session: it counts in the newest live one.
    LedgerRow& row = trade == nullptr ? result_.ledger[{Writer::kLive, newest_session_[Writer::kLive]}]
                                      : result_.ledger[{trade->writer, trade->session}];
    ++row.in_log, ++row.dead_lettered_after;
  }
  if (dead_letters_.contains({result_.partition, offset})) return;
  const bool unreadable = record.type == RecordType::kTrade && trade == nullptr;
  findings_.add(unreadable ? "log record unreadable" : "dead letter missing",
                "partition {} offset {}: {} ({}), and no dead letter keeps it", result_.partition, offset,
                error_info(error.code).name, error.detail);
}

// ---- Trades --------------------------------------------------------------------------------------------------------

void PartitionScan::take_trade(std::int64_t offset, const LogRecord& record) {
  Trade trade;
  if (const auto decoded = decoder_.decode(record.value, trade); !decoded) {
    return refuse(offset, record, decoded.error(), nullptr);
  }
  result_.last_mark = trade.seq;
  note_stamp(trade.received_at_ns);
  ++beats_[{trade.writer, trade.session}].trades;
  if (record.key != trade.symbol) {
    return refuse(offset, record, {ErrorCode::kKeyMismatch, std::string(trade.symbol)}, &trade);
  }
  if (const std::int32_t home = partition_of(trade.symbol, partitions_); home != result_.partition) {
    return refuse(offset, record, {ErrorCode::kWrongPartition, fmt::format("{} belongs to {}", trade.symbol, home)},
                  &trade);
  }
  if (trade.event_time_ms < kYear2000Ms || trade.event_time_ms >= kYear2200Ms) {
    const bool old = trade.event_time_ms < kYear2000Ms;
    return refuse(offset, record,
                  {old ? ErrorCode::kTimeTooOld : ErrorCode::kTimeInFuture, fmt::to_string(trade.event_time_ms)},
                  &trade);
  }
  // A writer's older session is refused once a newer one was seen; then its seq must rise.
  std::int64_t& session = newest_session_[trade.writer];
  if (trade.session < session) {
    return refuse(offset, record, {ErrorCode::kOldSession, fmt::format("{} after {}", trade.session, session)}, &trade);
  }
  session = trade.session;
  LedgerRow& row = result_.ledger[{trade.writer, trade.session}];
  ++row.in_log;
  std::int64_t& seq = highest_seq_[trade.writer];
  if (trade.seq <= seq) {
    ++row.skipped;
    return;
  }
  seq = trade.seq;
  ++row.stored;
  keep(offset, trade);
}

std::size_t PartitionScan::epoch() {
  if (epochs_ == 0 || changes_at_epoch_ != changes_.size()) {
    ++epochs_;
    changes_at_epoch_ = changes_.size();
  }
  return epochs_ - 1;
}

void PartitionScan::keep(std::int64_t offset, const Trade& trade) {
  if (left_out_.contains(trade.symbol)) return;
  auto symbol = result_.trades.find(std::string(trade.symbol));
  if (symbol == result_.trades.end()) symbol = result_.trades.emplace(trade.symbol, std::vector<LoggedTrade>{}).first;
  symbol->second.push_back({trade.event_time_ms, trade.seq, trade.price_e9, trade.volume_e8, trade.received_at_ns,
                            offset, context_of(trade)});
}

std::uint32_t PartitionScan::context_of(const Trade& trade) {
  auto& contexts = result_.contexts;
  const std::size_t epoch = this->epoch();
  if (!contexts.empty()) {
    // Mostly that of the trade before.
    const LoggedContext& last = contexts[last_context_];
    if (last.session == trade.session && last.writer == trade.writer && last.suspect == trade.suspect &&
        last.form == trade.conditions.form && last.codes == trade.conditions.codes && last.epoch == epoch) {
      return last_context_;
    }
  }
  LoggedContext context{
      trade.session, trade.writer, trade.suspect, trade.conditions.form, std::string(trade.conditions.codes), epoch};
  const auto [known, is_new] = context_ids_.try_emplace(context, static_cast<std::uint32_t>(contexts.size()));
  if (is_new) contexts.push_back(std::move(context));
  return last_context_ = known->second;
}

// ---- Control records -----------------------------------------------------------------------------------------------

void PartitionScan::take_control(std::int64_t offset, const LogRecord& record) {
  const auto control = decode_control(record.value);
  if (!control) return refuse(offset, record, control.error(), nullptr);
  result_.last_mark = control->stamp;
  const std::int64_t stamp_ms = floor_div(control->stamp, kNsPerMs);
  if (stamp_ms < kYear2000Ms || stamp_ms >= kYear2200Ms) {
    const ErrorCode code = stamp_ms < kYear2000Ms ? ErrorCode::kTimeTooOld : ErrorCode::kTimeInFuture;
    return refuse(offset, record, {code, fmt::format("stamp {}", control->stamp)}, nullptr);
  }
  if (const auto stated = stated_log_id(*control); stated && *stated != result_.log_id) {
    return refuse(offset, record, {ErrorCode::kLogIdsDiffer, "a record of another log"}, nullptr);
  }
  note_stamp(control->stamp);
  const SessionKey key{static_cast<Writer>(control->writer), control->session};
  const auto* beat = std::get_if<avro::Heartbeat>(&control->body);
  if (beat != nullptr) take_heartbeat(offset, key, *beat);
  // On a log that has lost its beginning, the first session record may be a repeat.
  const bool from_its_start = result_.begin == 0 || newest_session_.contains(key.first);
  if (from_its_start && std::holds_alternative<avro::SessionStarted>(control->body)) {
    beats_.try_emplace(key, Beats{0, offset, 0});
  }

  std::int64_t& session = newest_session_[key.first];
  if (key.second < session) {
    return refuse(offset, record, {ErrorCode::kOldSession, fmt::format("{} after {}", key.second, session)}, nullptr);
  }
  session = key.second;
  if (beat != nullptr) {
    LedgerRow& row = result_.ledger[key];
    row.received = beat->counters.received;
    row.already_in_log = beat->counters.already_in_log;
    row.appended = beat->counters.appended;
    row.dead_lettered_before = beat->counters.dead_lettered;
  } else if (std::holds_alternative<avro::SessionStarted>(control->body)) {
    (void)result_.ledger[key];
  } else if (const auto* policy = std::get_if<avro::PolicyInForce>(&control->body)) {
    take_policy(offset, *policy);
  } else if (std::holds_alternative<avro::VoidTrade>(control->body) ||
             std::holds_alternative<avro::UnvoidTrade>(control->body)) {
    take_void(offset, *control);
  } else {
    take_spans(offset, *control);
  }
}

void PartitionScan::take_heartbeat(std::int64_t offset, const SessionKey& key, const avro::Heartbeat& beat) {
  const avro::Counters& counters = beat.counters;
  if (counters.received != counters.already_in_log + counters.appended + counters.dead_lettered) {
    findings_.add("heartbeat unbalanced", "partition {} offset {}, {} session {}: received {}, but {} + {} + {}",
                  result_.partition, offset, to_string(key.first), key.second, counters.received,
                  counters.already_in_log, counters.appended, counters.dead_lettered);
  }
  Beats& beats = beats_[key];
  if (beats.appended && counters.appended - *beats.appended != beats.trades) {
    findings_.add("heartbeat differs",
                  "partition {}, {} session {}: appended {} trades from offset {} to {}, the log has {}",
                  result_.partition, to_string(key.first), key.second, counters.appended - *beats.appended,
                  beats.since_offset, offset, beats.trades);
  }
  beats = {counters.appended, offset, 0};
}

void PartitionScan::take_policy(std::int64_t offset, const avro::PolicyInForce& policy) {
  const std::string market(policy.market);
  const auto known = policy_hashes_.find(market);
  if (known != policy_hashes_.end() && known->second == policy.hash) return;
  const bool superseded = offset < checkpoint_.policies_from;
  auto parsed = parse_policy(std::string(policy.text), market);
  if (!parsed || parsed->hash != policy.hash) {
    if (superseded || dead_letters_.contains({result_.partition, offset})) return;
    findings_.add("dead letter missing",
                  "partition {} offset {}: the policy of {} is damaged, and no dead letter keeps it", result_.partition,
                  offset, market);
    return;
  }
  policy_hashes_[market] = policy.hash;
  if (!superseded) {
    changes_.push_back({*std::move(parsed), epochs_});
  } else if (const auto [earlier, is_new] = superseded_.insert_or_assign(market, *std::move(parsed)); !is_new) {
    result_.policies_replaced = true;
  }
}

void PartitionScan::take_void(std::int64_t offset, const avro::FeedStatus& control) {
  const auto add = [&](VoidRow::Action action, const auto& body) {
    if (partition_of(body.symbol, partitions_) != result_.partition || left_out_.contains(body.symbol)) return;
    result_.voids.push_back({{.partition = result_.partition,
                              .log_id = result_.log_id,
                              .offset = offset,
                              .action = action,
                              .symbol = std::string(body.symbol),
                              .event_time_ms = body.event_time,
                              .seq = body.seq,
                              .reason = std::string(body.reason),
                              .at_ns = control.stamp},
                             epoch()});
  };
  if (const auto* voided = std::get_if<avro::VoidTrade>(&control.body)) add(VoidRow::Action::kVoid, *voided);
  if (const auto* unvoided = std::get_if<avro::UnvoidTrade>(&control.body)) add(VoidRow::Action::kUnvoid, *unvoided);
}

void PartitionScan::take_spans(std::int64_t offset, const avro::FeedStatus& control) {
  std::int32_t index = 0;
  const auto add = [&](SpanRow::Kind kind, std::string symbol, std::int64_t from_ms, std::int64_t to_ms,
                       std::string_view reason) {
    result_.spans.push_back({result_.partition, offset, index++, kind, std::move(symbol), from_ms, to_ms,
                             std::string(reason), result_.log_id});
  };
  const std::int64_t stamp_ms = floor_div(control.stamp, kNsPerMs);
  if (const auto* gap = std::get_if<avro::Gap>(&control.body)) {
    for (std::string& name : symbols_named(gap->symbols))
      add(SpanRow::Kind::kGap, std::move(name), gap->from, gap->to, gap->reason);
  } else if (const auto* filled = std::get_if<avro::Filled>(&control.body)) {
    add(SpanRow::Kind::kFilled, std::string(filled->symbol), filled->from, filled->to, "");
  } else if (const auto* off = std::get_if<avro::Unsubscribed>(&control.body)) {
    for (const std::string& name : symbols_named(off->symbols)) {
      std::vector<LoggedAbsence>& absences = result_.absences[name];
      // Who never was subscribed is absent as it is.
      if (!absences.empty() && absences.back().ended_at != kNotEnded)
        absences.push_back({stamp_ms, 0, offset, kNotEnded});
    }
  } else if (const auto* on = std::get_if<avro::Subscribed>(&control.body)) {
    for (const std::string& name : symbols_named(on->symbols)) {
      std::vector<LoggedAbsence>& absences = result_.absences[name];
      if (absences.empty()) absences.push_back({kBeginning, 0, -1, kNotEnded});
      LoggedAbsence& absence = absences.back();
      if (absence.ended_at != kNotEnded) continue;  // subscribed already
      absence.to_ms = stamp_ms;
      absence.ended_at = offset;
      add(SpanRow::Kind::kUnsubscribed, name, absence.from_ms, stamp_ms, "");
    }
  }
}

// ---- Policies ------------------------------------------------------------------------------------------------------

// Those in force where this generation begins: the newest below policies_from, or, when the log no longer has those of
// a market or never stated them before, what the checkpoint has had ever since.
Result<std::map<std::string, MarketPolicy>> PartitionScan::first_policies(Query& store) {
  std::map<std::string, MarketPolicy> first = std::move(superseded_);
  for (const auto& entry : checkpoint_.policies) {
    const std::string market(entry.market);
    if (std::ranges::any_of(changes_, [&](const PolicyChange& change) { return change.policy.market == market; }))
      continue;
    if (const auto known = first.find(market); known != first.end() && known->second.hash == entry.hash) continue;
    FINPIPE_TRY_ASSIGN(row, store.policy(entry.hash));
    if (!row) {
      findings_.add("policy missing", "partition {}: {} of {}", result_.partition, entry.hash, market);
      continue;
    }
    FINPIPE_TRY_ASSIGN(parsed, parse_policy(row->text, market));
    first.insert_or_assign(market, std::move(parsed));
  }
  return first;
}

Result<LoggedPartition> PartitionScan::finish(Query& store) {
  for (const PolicyChange& change : changes_) {
    FINPIPE_TRY_ASSIGN(row, store.policy(change.policy.hash));
    if (!row || row->text != change.policy.text) {
      findings_.add(row ? "policy differs" : "policy missing", "partition {}: {} of {}", result_.partition,
                    change.policy.hash, change.policy.market);
    }
  }
  FINPIPE_TRY_ASSIGN(first, first_policies(store));
  PolicySet current;
  for (auto& [market, policy] : first) current.put(std::move(policy));
  auto change = changes_.begin();
  for (std::size_t epoch = 0; epoch < epochs_; ++epoch) {
    for (; change != changes_.end() && change->before_epoch == epoch; ++change) current.put(change->policy);
    result_.policies.push_back(current);
  }
  for (; change != changes_.end(); ++change) current.put(change->policy);
  for (const auto& entry : checkpoint_.policies) {
    const MarketPolicy* policy = current.find(entry.market);
    if (policy != nullptr && policy->hash == entry.hash) continue;
    findings_.add("checkpoint differs", "partition {}: policy of {} is {}, the log says {}", result_.partition,
                  entry.market, entry.hash, policy == nullptr ? "nothing" : policy->hash);
  }
  result_.newest_policies = std::move(current);
  return std::move(result_);
}

}  // namespace finpipe
