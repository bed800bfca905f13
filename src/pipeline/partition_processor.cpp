#include "pipeline/partition_processor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <variant>

#include "base/hash.h"
#include "base/planted_fault.h"
#include "base/time.h"
#include "codec/confluent.h"
#include "pipeline/query.h"
#include "pipeline/trust_span.h"

namespace finpipe {
namespace {

std::vector<std::string> names_of(const std::optional<std::vector<std::string_view>>& symbols) {
  if (!symbols) return {""};
  return {symbols->begin(), symbols->end()};
}

bool needs_store(const avro::FeedStatus& control) {
  return std::holds_alternative<avro::VoidTrade>(control.body) ||
         std::holds_alternative<avro::UnvoidTrade>(control.body);
}

}  // namespace

Result<PartitionProcessor> PartitionProcessor::start(std::int32_t partition, LogReader& log, Store& store,
                                                     DeadLetters& dead_letters, PolicyReader& policies,
                                                     BarListener* listener) {
  FINPIPE_TRY_ASSIGN(range, log.range(partition));
  FINPIPE_TRY_ASSIGN(row, store.load_checkpoint(partition));
  Checkpoint at;
  if (row) {
    FINPIPE_TRY_ASSIGN(loaded, decode_checkpoint(*row));
    at = std::move(loaded);
    if (at.log_id != log.log_id()) {
      return fail(ErrorCode::kCheckpointMismatch, fmt::format("partition {}: the log is another one", partition));
    }
    if (at.partitions != log.partitions()) {
      return fail(ErrorCode::kPartitionCountChanged,
                  fmt::format("the log has {}, the checkpoint {}", log.partitions(), at.partitions));
    }
    if (at.fingerprint != engine_fingerprint()) {
      return fail(ErrorCode::kFingerprintMismatch,
                  fmt::format("the bars: {}; this program: {}", at.fingerprint, engine_fingerprint()));
    }
    if (at.offset > range.end) {
      return fail(
          ErrorCode::kCheckpointMismatch,
          fmt::format("partition {}: the log ends at {}, the checkpoint is at {}", partition, range.end, at.offset));
    }
    if (at.offset < range.begin) {
      return fail(ErrorCode::kOffsetOutOfRange,
                  fmt::format("partition {}: the log begins at {}, the checkpoint is at {}", partition, range.begin,
                              at.offset));
    }
  } else {
    at.partition = partition;
    at.offset = range.begin;
    at.log_id = log.log_id();
    at.partitions = log.partitions();
    at.fingerprint = engine_fingerprint();
  }
  BarEngine engine({at.log_id, at.generation, at.floor_ms});
  PartitionProcessor processor(std::move(at), std::move(engine), store, dead_letters, policies, listener);
  processor.compare_previous_ = processor.at_.previous != 0 && processor.at_.offset > range.begin;
  if (row) FINPIPE_TRY(processor.restore());
  return processor;
}

Result<void> PartitionProcessor::restore() {
  for (const auto& [market, hash] : at_.policies) {
    FINPIPE_TRY_ASSIGN(policy, store_->load_policy(hash));
    if (!policy) return fail(ErrorCode::kCorrupt, fmt::format("policy {} of {} is not in the store", hash, market));
    FINPIPE_TRY_ASSIGN(parsed, policies_->parse(policy->text, market));
    engine_.set_policy(std::move(parsed));
  }
  FINPIPE_TRY_ASSIGN(symbols, store_->load_symbols(at_.partition));
  for (const SymbolRow& row : symbols) (void)engine_.symbol(row.symbol);
  FINPIPE_TRY_ASSIGN(span_rows, store_->load_spans(at_.partition));
  std::vector<TrustSpan> spans;
  for (const SpanRow& row : span_rows) {
    // Who was subscribed to in another log says nothing of this one.
    if (row.log_id != at_.log_id ? row.kind != SpanRow::Kind::kUnsubscribed : row.offset < at_.offset)
      spans.push_back(trust_span(row));
  }
  engine_.restore(at_.engine, spans);
  FINPIPE_TRY(restore_voids());
  if (planted(PlantedFault::kOpenRowsNotLoaded)) return {};
  std::vector<BarRange> ranges;
  for (SymbolId id = 0; id < engine_.symbol_count(); ++id) {
    for (const auto& range : engine_.restore_ranges(id)) {
      ranges.push_back({engine_.symbol_name(id), range.interval, range.from_ms, range.to_ms});
    }
  }
  for (const BarKey& key : at_.engine.unclosed)
    ranges.push_back({key.symbol, key.interval, key.start_ms, key.start_ms});
  FINPIPE_TRY_ASSIGN(rows, store_->load_bars(ranges));
  for (const BarRow& row : rows) engine_.admit(row);
  return {};
}

Result<void> PartitionProcessor::restore_voids() {
  FINPIPE_TRY_ASSIGN(rows, store_->load_voids(at_.partition));
  std::erase_if(rows, [&](const VoidRow& row) { return row.log_id == at_.log_id && row.offset >= at_.offset; });
  // In the order of the log: stamps are of clocks that may have been set back. What came from older logs came before.
  std::ranges::sort(rows, {}, [&](const VoidRow& row) {
    const bool same_log = row.log_id == at_.log_id;
    return std::tuple(same_log, same_log ? 0 : row.at_ns, row.offset);
  });
  for (const VoidRow& row : rows) note_void(row);
  return {};
}

void PartitionProcessor::note_void(const VoidRow& row) {
  TradeKey trade(row.symbol, row.event_time_ms, row.seq);
  std::set<TradeKey>& trades = row.log_id == at_.log_id ? voided_ : voided_elsewhere_;
  if (row.action == VoidRow::Action::kVoid) {
    trades.insert(std::move(trade));
  } else {
    voided_.erase(trade);
    voided_elsewhere_.erase(trade);
  }
}

// The same tape played into another log gives the same trades; what was said of them there is not said here.
bool PartitionProcessor::is_voided(const Tick& tick) const {
  const TradeKey trade(tick.trade.symbol, tick.trade.event_time_ms, tick.trade.seq);
  return voided_.contains(trade) || (tick.log_id != at_.log_id && voided_elsewhere_.contains(trade));
}

SymbolId PartitionProcessor::symbol(std::string_view name) {
  const std::size_t known = engine_.symbol_count();
  const SymbolId id = engine_.symbol(name);
  if (engine_.symbol_count() > known) commit_.symbols.push_back({std::string(name), at_.partition});
  while (names_->size() < engine_.symbol_count()) {
    names_->emplace_back(engine_.symbol_name(static_cast<SymbolId>(names_->size())));
  }
  return id;
}

PartitionProcessor::Remembered& PartitionProcessor::place_of(std::string_view name) {
  // Symbols of one market begin alike, and end in one of a few currencies.
  std::uint64_t end = 0;
  const std::size_t size = std::min(name.size(), sizeof end);
  std::memcpy(&end, name.data() + name.size() - size, size);
  return remembered_[((end ^ name.size()) * 0x9e3779b97f4a7c15ULL) >> 56];
}

// ---- Listener ------------------------------------------------------------------------------------------------------

void PartitionProcessor::begin_round() {
  const std::uint64_t interest = listener_->interest();
  if (interest != interest_) {
    interest_ = interest;
    wanted_.clear();
    wanted_bars_.clear();
  }
  while (wanted_.size() < engine_.symbol_count()) learn_interest(static_cast<SymbolId>(wanted_.size()));
}

void PartitionProcessor::learn_interest(SymbolId id) {
  const std::string_view name = engine_.symbol_name(id);
  const Wanted& wanted = wanted_.emplace_back(listener_->wants_bars(name), listener_->wants_trades(name));
  if (wanted.bars) wanted_bars_.push_back(id);
}

void PartitionProcessor::end_round(std::int64_t committed) {
  for (const SymbolId id : wanted_bars_) engine_.take_changes(id, changed_);
  for (const BarRow& row : changed_) {
    if (is_visible(row.bar)) listener_->on_bar(row);
  }
  changed_.clear();
  listener_->on_round(at_.partition, at_.offset, committed);
}

Result<PartitionProcessor::Applied> PartitionProcessor::apply(std::int64_t offset, const LogRecord& record) {
  if (compare_previous_) {
    compare_previous_ = false;
    // What could not be read then may be readable now: a registry or a later finpipe knows more.
    if (at_.previous != kUnreadableMark && record_mark(record) != at_.previous) {
      return fail(ErrorCode::kCheckpointMismatch,
                  fmt::format("partition {}, offset {}: another record than before", at_.partition, offset));
    }
    return Applied::kApplied;
  }
  if (offset != at_.offset) {
    return fail(ErrorCode::kLogIncomplete,
                fmt::format("partition {}: offset {} follows {}", at_.partition, offset, at_.offset - 1));
  }
  if (record.type == RecordType::kTrade) {
    at_.previous = kUnreadableMark;  // until the record says otherwise
    FINPIPE_TRY(apply_trade(offset, record));
  } else {
    const auto control = decode_control(record.value);
    const bool stored = uncommitted_ == 0 && acknowledged_ == taken_;
    if (control && !stored && needs_store(*control)) return Applied::kNeedsStore;
    at_.previous = control ? control->stamp : kUnreadableMark;
    if (control) {
      FINPIPE_TRY(apply_control(offset, record, *control));
    } else {
      refuse(offset, record, control.error(), nullptr);
    }
  }
  if (engine_.overflowed()) {
    return fail(ErrorCode::kSumOverflow, fmt::format("partition {}, offset {}", at_.partition, offset));
  }
  at_.offset = offset + 1;
  ++uncommitted_;
  return Applied::kApplied;
}

Result<void> PartitionProcessor::apply_trade(std::int64_t offset, const LogRecord& record) {
  Trade trade;
  if (const auto decoded = decoder_.decode(record.value, trade); !decoded) {
    refuse(offset, record, decoded.error(), nullptr);
    return {};
  }
  at_.previous = trade.seq;
  const auto refuse_as = [&](ErrorCode code, std::string detail) -> Result<void> {
    refuse(offset, record, Error{code, std::move(detail)}, &trade);
    return {};
  };
  if (record.key != trade.symbol) return refuse_as(ErrorCode::kKeyMismatch, std::string(trade.symbol));
  Remembered& place = place_of(trade.symbol);
  const bool is_remembered = !place.name.empty() && place.name == trade.symbol;
  if (!is_remembered && partition_of(trade.symbol, at_.partitions) != at_.partition) {
    return refuse_as(ErrorCode::kWrongPartition,
                     fmt::format("belongs to {}", partition_of(trade.symbol, at_.partitions)));
  }
  const std::int64_t received_ms = floor_div(trade.received_at_ns, kNsPerMs);
  // No live trade may be further ahead than the engine's look-ups reach.
  const std::int64_t latest_ms = trade.writer == Writer::kLive ? received_ms + kMaxAheadMs : kLatestEventMs - 1;
  if (trade.event_time_ms < kYear2000Ms || received_ms < kYear2000Ms) {
    return refuse_as(ErrorCode::kTimeTooOld, fmt::format("event {}, received {}", trade.event_time_ms, received_ms));
  }
  if (trade.event_time_ms > latest_ms || received_ms >= kLatestEventMs) {
    return refuse_as(ErrorCode::kTimeInFuture, fmt::format("event {}, received {}", trade.event_time_ms, received_ms));
  }
  switch (at_.admission.trade(trade.writer, trade.session, trade.seq)) {
    case Admission::Verdict::kOldSession:
      return refuse_as(ErrorCode::kOldSession,
                       fmt::format("session {} of writer {}", trade.session, to_string(trade.writer)));
    case Admission::Verdict::kSeenBefore: {
      LedgerRow& row = account(trade.writer, trade.session);
      ++row.in_log, ++row.skipped;
      return {};
    }
    case Admission::Verdict::kAdmitted: break;
  }
  if (!is_remembered) {
    const SymbolId id = symbol(trade.symbol);
    place = {(*names_)[id], id};
  }
  const SymbolId id = place.id;
  while (engine_.apply_trade(id, trade, offset) == BarEngine::Apply::kNeedsRows) FINPIPE_TRY(provide_rows());
  commit_.add_tick(trade, (*names_)[id], offset, at_.log_id);
  if (listener_ != nullptr) {
    if (id >= wanted_.size()) learn_interest(id);
    if (wanted_[id].trades) listener_->on_trade(trade);
  }
  LedgerRow& row = account(trade.writer, trade.session);
  ++row.in_log, ++row.stored;
  return {};
}

Result<void> PartitionProcessor::provide_rows() {
  std::vector<BarRange> ranges;
  for (const auto& need : engine_.needed()) {
    ranges.push_back({engine_.symbol_name(need.symbol), need.interval, need.from_ms, need.to_ms});
  }
  FINPIPE_TRY_ASSIGN(rows, store_->load_bars(ranges));
  engine_.provide(rows);
  return {};
}

Result<void> PartitionProcessor::apply_control(std::int64_t offset, const LogRecord& record,
                                               const avro::FeedStatus& control) {
  const std::int64_t stamp_ms = floor_div(control.stamp, kNsPerMs);
  if (stamp_ms < kYear2000Ms || stamp_ms >= kLatestEventMs) {
    const ErrorCode code = stamp_ms < kYear2000Ms ? ErrorCode::kTimeTooOld : ErrorCode::kTimeInFuture;
    refuse(offset, record, Error{code, fmt::format("stamp {}", control.stamp)}, nullptr);
    return {};
  }
  if (const auto stated = stated_log_id(control); stated && *stated != at_.log_id) {
    refuse(offset, record, Error{ErrorCode::kLogIdsDiffer, "a record of another log"}, nullptr);
    return {};
  }
  const auto writer = static_cast<Writer>(control.writer);
  const bool is_new = control.session > at_.admission.of(writer).session;
  if (at_.admission.control(writer, control.session) == Admission::Verdict::kOldSession) {
    refuse(offset, record,
           Error{ErrorCode::kOldSession, fmt::format("session {} of writer {}", control.session, to_string(writer))},
           nullptr);
    return {};
  }
  const BarEngine::At at{offset, control.stamp, writer == Writer::kLive};
  if (const auto* session = std::get_if<avro::SessionStarted>(&control.body)) {
    engine_.apply_session(at, is_new, session->silent_since);
    if (writer == Writer::kLive) at_.origin = session->origin;
    (void)account(writer, control.session);
    return {};
  }
  if (const auto dispatched = dispatch(at, control); !dispatched) {
    const ErrorCode code = dispatched.error().code;
    if (code != ErrorCode::kNoSuchTrade && code != ErrorCode::kBadPolicy) return dispatched;
    refuse(offset, record, dispatched.error(), nullptr);
  }
  return {};
}

Result<void> PartitionProcessor::dispatch(const BarEngine::At& at, const avro::FeedStatus& control) {
  const auto spans_of = [](const auto& names, std::int64_t from_ms, std::int64_t to_ms, std::string_view reason) {
    std::vector<SpanRow> rows;
    for (const std::string& name : names) {
      rows.push_back({.symbol = name, .from_ms = from_ms, .to_ms = to_ms, .reason = std::string(reason)});
    }
    return rows;
  };
  return std::visit(
      [&](const auto& body) -> Result<void> {
        using Body = std::decay_t<decltype(body)>;
        if constexpr (std::is_same_v<Body, avro::PolicyInForce>) {
          return apply_policy(at, body);
        } else if constexpr (std::is_same_v<Body, avro::Subscribed>) {
          std::int32_t index = 0;
          for (const TrustSpan& absence : engine_.apply_subscribed(at, names_of(body.symbols))) {
            commit_.spans.push_back({at_.partition, at.offset, index++, SpanRow::Kind::kUnsubscribed, absence.symbol,
                                     absence.span.from_ms, absence.span.to_ms, "", at_.log_id});
          }
        } else if constexpr (std::is_same_v<Body, avro::Unsubscribed>) {
          engine_.apply_unsubscribed(at, names_of(body.symbols));
        } else if constexpr (std::is_same_v<Body, avro::FeedState>) {
          at_.feed_state = body.state;
          at_.feed_since_ms = body.since;
          if (body.state == avro::ConnectionState::kConnected) {
            engine_.apply_clock(at);
          } else {
            engine_.apply_silence(at, body.since);
          }
        } else if constexpr (std::is_same_v<Body, avro::Gap>) {
          return apply_spans(at, SpanRow::Kind::kGap,
                             spans_of(names_of(body.symbols), body.from, body.to, body.reason));
        } else if constexpr (std::is_same_v<Body, avro::Filled>) {
          const std::array<std::string, 1> name = {std::string(body.symbol)};
          return apply_spans(at, SpanRow::Kind::kFilled, spans_of(name, body.from, body.to, ""));
        } else if constexpr (std::is_same_v<Body, avro::Heartbeat>) {
          if (at.live) {
            at_.feed_state = body.feed_state;
            at_.feed_since_ms = body.feed_since;
            at_.heartbeat_at_ns = at.stamp_ns;
            at_.last_frame_at_ns = body.last_frame_at.value_or(0);
          }
          LedgerRow& row = account(static_cast<Writer>(control.writer), control.session);
          row.received = body.counters.received;
          row.already_in_log = body.counters.already_in_log;
          row.appended = body.counters.appended;
          row.dead_lettered_before = body.counters.dead_lettered;
          std::vector<std::pair<std::string, std::int64_t>> lags;
          for (const avro::MarketLag& lag : body.lags) lags.emplace_back(lag.market, lag.lag_ms);
          engine_.apply_lags(at, lags);
        } else if constexpr (std::is_same_v<Body, avro::End>) {
          engine_.apply_end(at);
        } else if constexpr (std::is_same_v<Body, avro::VoidTrade> || std::is_same_v<Body, avro::UnvoidTrade>) {
          const bool unvoid = std::is_same_v<Body, avro::UnvoidTrade>;
          return apply_void(at, {.partition = at_.partition,
                                 .log_id = at_.log_id,
                                 .offset = at.offset,
                                 .action = unvoid ? VoidRow::Action::kUnvoid : VoidRow::Action::kVoid,
                                 .symbol = std::string(body.symbol),
                                 .event_time_ms = body.event_time,
                                 .seq = body.seq,
                                 .reason = std::string(body.reason),
                                 .at_ns = at.stamp_ns});
        } else {
          engine_.apply_clock(at);
        }
        return {};
      },
      control.body);
}

Result<void> PartitionProcessor::apply_spans(const BarEngine::At& at, SpanRow::Kind kind,
                                             std::span<const SpanRow> spans) {
  std::vector<TrustSpan> trust;
  std::int32_t index = 0;
  for (SpanRow row : spans) {
    row.partition = at_.partition;
    row.offset = at.offset;
    row.index = index++;
    row.kind = kind;
    row.log_id = at_.log_id;
    trust.push_back(trust_span(row));
    commit_.spans.push_back(std::move(row));
  }
  while (engine_.apply_spans(at, trust) == BarEngine::Apply::kNeedsRows) FINPIPE_TRY(provide_rows());
  return {};
}

Result<void> PartitionProcessor::apply_policy(const BarEngine::At& at, const avro::PolicyInForce& policy) {
  const std::string market(policy.market);
  const auto in_force = at_.policies.find(market);
  const bool unchanged = in_force != at_.policies.end() && in_force->second == policy.hash;
  if (unchanged || at.offset < at_.policies_from) {
    engine_.apply_clock(at);
    return {};
  }
  auto parsed = policies_->parse(policy.text, market);
  if (!parsed) return fail(std::move(parsed).error());
  if (parsed->hash != policy.hash)
    return fail(ErrorCode::kBadPolicy, fmt::format("{}: its hash is not its text's", market));
  commit_.policies.push_back({parsed->hash, market, parsed->text});
  at_.policies[market] = parsed->hash;
  engine_.apply_policy(at, *std::move(parsed));
  return {};
}

// The stored trade that is meant, as far as records below the offset brought it; its text is not kept.
Result<std::optional<Tick>> PartitionProcessor::find_trade(const VoidRow& row, std::int64_t before_offset) {
  std::optional<Tick> found;
  if (row.event_time_ms < kYear2000Ms || row.event_time_ms >= kLatestEventMs) return found;
  FINPIPE_TRY(store_->load_ticks({row.symbol, row.event_time_ms, row.event_time_ms + 1}, [&](const Tick& tick) {
    const bool later = tick.log_id == at_.log_id && tick.offset >= before_offset;  // a former owner had read further
    if (tick.trade.seq != row.seq || later) return;
    found = tick;
    found->trade.symbol = row.symbol;
    found->trade.conditions.codes = {};
  }));
  return found;
}

// Bars that hold the trade are made anew from the stored trades below the record, under the policy in force. Voiding
// twice, and taking back what is not voided, changes nothing.
Result<void> PartitionProcessor::apply_void(const BarEngine::At& at, VoidRow row) {
  if (partition_of(row.symbol, at_.partitions) != at_.partition) {
    engine_.apply_clock(at);
    return {};
  }
  FINPIPE_TRY_ASSIGN(trade, find_trade(row, at.offset));
  if (!trade) {
    return fail(ErrorCode::kNoSuchTrade,
                fmt::format("{} event time {} seq {}", row.symbol, row.event_time_ms, row.seq));
  }
  if (is_voided(*trade) == (row.action == VoidRow::Action::kVoid)) {
    engine_.apply_clock(at);
    return {};
  }
  note_void(row);
  Recount recount(engine_.policies().policy_for(row.symbol), row.event_time_ms);
  const TimeSpan span = recount.span();
  FINPIPE_TRY(store_->load_ticks({row.symbol, span.from_ms, span.to_ms}, [&](const Tick& tick) {
    const bool same_log = tick.log_id == at_.log_id;
    if (same_log && tick.offset >= at.offset) return;
    recount.add(tick.trade, is_voided(tick), same_log ? kEndOfTime : at_.floor_ms);
  }));
  const SymbolId id = symbol(row.symbol);
  while (engine_.apply_void(at, id, recount) == BarEngine::Apply::kNeedsRows) FINPIPE_TRY(provide_rows());
  commit_.voids.push_back(std::move(row));
  return {};
}

void PartitionProcessor::refuse(std::int64_t offset, const LogRecord& record, const Error& error, const Trade* trade) {
  // What cannot be read names no session: it counts in the newest live one.
  const Writer writer = trade == nullptr ? Writer::kLive : trade->writer;
  const std::int64_t session = trade == nullptr ? at_.admission.of(Writer::kLive).session : trade->session;
  if (record.type == RecordType::kTrade) {
    LedgerRow& row = account(writer, session);
    ++row.in_log, ++row.dead_lettered_after;
  }
  dead_letters_->put(
      {.id = fmt::format("log:{:02x}:{}:{}", fmt::join(at_.log_id, ""), at_.partition, offset),
       .received_at_ns = trade == nullptr ? std::max(engine_.clock_ns(), std::int64_t{0}) : trade->received_at_ns,
       .reason = error.code,
       .detail = error.detail,
       .stage = DeadLetter::Stage::kProcess,
       .raw = value_in_log(record),
       .writer = writer,
       .session = session,
       .partition = at_.partition,
       .offset = offset});
}

Commit PartitionProcessor::take(std::int64_t number) {
  Commit commit = std::move(commit_);
  commit_ = Commit();
  commit.symbol_owner = names_;
  uncommitted_ = 0;
  taken_ = number;
  engine_.take(number, commit.bars, commit.revisions);
  at_.engine = engine_.state();
  commit.checkpoints.push_back(encode_checkpoint(at_));
  commit.generation = commit.checkpoints.back().generation;
  return commit;
}

}  // namespace finpipe
