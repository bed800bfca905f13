#include "pipeline/ingest.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "base/time.h"
#include "codec/raw_trade.h"
#include "codec/records.h"
#include "pipeline/time_rule.h"
#include "telemetry/log.h"

namespace finpipe {

Ingest::Ingest(Feed& feed, LogReader& tail, LogWriter& log, DeadLetters& dead_letters, IngestOptions options)
    : feed_(feed),
      tail_reader_(tail),
      log_(log),
      dead_letters_(dead_letters),
      options_(std::move(options)),
      source_id_(feed.source_id()),
      partitions_(static_cast<std::size_t>(log.partitions())) {
  for (const MarketPolicy& policy : options_.policies) policies_.put(policy);
  std::ranges::sort(options_.symbols);
  if (!options_.symbols.empty() && !feed_.live()) {
    // Other symbols of the same tape are another source: its trades get other numbers.
    source_id_ += '#' + sha256_hex(fmt::format("{}", fmt::join(options_.symbols, "\n"))).substr(0, 16);
  }
}

// ---- Session -------------------------------------------------------------------------------------------------------

Result<void> Ingest::start() {
  FINPIPE_TRY(tail_reader_.poll(0));
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    FINPIPE_TRY_ASSIGN(tail, read_tail(tail_reader_, static_cast<std::int32_t>(i)));
    if (!tail.origin.empty() && tail.origin != feed_.origin()) {
      return fail(ErrorCode::kOriginMismatch,
                  fmt::format("the log holds {}, the feed is {}", tail.origin, feed_.origin()));
    }
    session_ = std::max(session_, tail.session + 1);
    partitions_[i].tail = std::move(tail);
  }
  return feed_.live() ? begin_live_session() : Result<void>();
}

Result<void> Ingest::check_source(std::int64_t first_stamp_ns) const {
  for (const Partition& partition : partitions_) {
    const LogTail& tail = partition.tail;
    if (tail.empty() || tail.source_id == source_id_) continue;
    if (first_stamp_ns <= std::max(tail.last_stamp_ns, tail.seq)) {
      return fail(ErrorCode::kTapeOlderThanLog,
                  fmt::format("the tape begins at {}, the log ends at {}", format_time_ns(first_stamp_ns),
                              format_time_ns(tail.last_stamp_ns)));
    }
  }
  return {};
}

Result<void> Ingest::begin_session(std::int64_t first_stamp_ns) {
  FINPIPE_TRY(check_source(first_stamp_ns));
  started_ = true;
  ++counts_.sessions;
  first_stamp_ns_ = last_heartbeat_ns_ = last_repeat_ns_ = first_stamp_ns;
  const auto count = static_cast<std::int32_t>(partitions_.size());
  for (std::int32_t p = 0; p < count; ++p) {
    LogTail& tail = partitions_[static_cast<std::size_t>(p)].tail;
    const bool resumed = !tail.empty() && tail.source_id == source_id_;
    // A resumed tape must not move the clock: its session carries the last stamp that the partition has.
    FINPIPE_TRY(write_session(p, resumed ? tail.last_stamp_ns : first_stamp_ns, std::nullopt));
    if (!resumed) {
      LogTail fresh;
      fresh.end = tail.end;
      fresh.policies = std::move(tail.policies);
      tail = std::move(fresh);
    }
  }
  FINPIPE_TRY(flush());
  std::vector<bool> was_empty;
  for (const Partition& partition : partitions_) was_empty.push_back(partition.tail.empty());
  FINPIPE_TRY(check_newer_session());
  for (std::int32_t p = 0; p < count; ++p) {
    Partition& partition = partitions_[static_cast<std::size_t>(p)];
    const bool resumed = !was_empty[static_cast<std::size_t>(p)];
    const std::int64_t stamp_ns = resumed ? partition.tail.last_stamp_ns : first_stamp_ns;
    FINPIPE_TRY(write_policies(p, stamp_ns, false));
    if (!partition.tail.subscribed) FINPIPE_TRY(write_subscribed(p, stamp_ns));
  }
  return {};
}

// Reads what was appended up to our own session record, and perhaps by an ingest that began after us.
Result<void> Ingest::check_newer_session() {
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    LogTail& tail = partitions_[i].tail;
    FINPIPE_TRY(read_on(tail_reader_, static_cast<std::int32_t>(i), tail));
    // One of the same number was begun by another ingest, and came first.
    const bool is_ours = tail.begun_session != session_ || tail.begun_at_ns == first_stamp_ns_;
    if (tail.session > session_ || !is_ours) {
      return fail(ErrorCode::kNewerIngest, fmt::format("session {}", tail.session));
    }
    partitions_[i].checked_end = tail.end;
  }
  return {};
}

// Whether another ingest has begun since our session did. Reads only what may hold the first record of one: the feed
// waits meanwhile.
Result<void> Ingest::check_replaced() {
  others_wrote_ = false;
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    Partition& partition = partitions_[i];
    LogTail since;
    since.end = partition.checked_end;
    FINPIPE_TRY(read_on(tail_reader_, static_cast<std::int32_t>(i), since));
    if (since.session > session_) return fail(ErrorCode::kNewerIngest, fmt::format("session {}", since.session));
    partition.checked_end = partition.tail.end = since.end;
  }
  return {};
}

// ---- Frames --------------------------------------------------------------------------------------------------------

Result<bool> Ingest::step() {
  if (ended_) return false;
  if (feed_.live()) return step_live();
  FINPIPE_TRY_ASSIGN(batch, feed_.poll(options_.frames_per_step));
  if (!started_) seed_stamps(batch.frames);
  for (const FeedFrame& frame : batch.frames) FINPIPE_TRY(take_frame(frame));
  if (batch.end) {
    if (started_) FINPIPE_TRY(write_end());
    ended_ = true;
  }
  if (batch.end) {
    FINPIPE_TRY(flush());
  } else if (batch.frames.empty() || log_.pending_bytes() >= options_.send_bytes) {
    FINPIPE_TRY(send());
  }
  // A full log is written out on the way, and what comes of the last records is known now.
  if (started_ && others_wrote_) FINPIPE_TRY(check_replaced());
  return !ended_;
}

Result<void> Ingest::stop() {
  if (ended_) return {};
  ended_ = true;
  // The account of a live session ends here; a tape goes on with its own when it is read again.
  if (feed_.live() && started_) FINPIPE_TRY(write_heartbeats(stamp_now(options_.clock->now_ns())));
  return flush();
}

std::int64_t Ingest::stamp_of(const FeedFrame& frame, const ParsedFrame& parsed) const {
  return std::max(last_stamp_ns_ + 1, time_of(frame, parsed).value_or(0));
}

// When a frame came, by what it says: its receive time, or its newest event time. A trade far ahead of another one of
// its frame says nothing.
std::optional<std::int64_t> Ingest::time_of(const FeedFrame& frame, const ParsedFrame& parsed) {
  if (frame.received_ns) return frame.received_ns;
  std::int64_t oldest_ms = kLatestEventMs;
  for (const Trade& trade : parsed.trades) {
    if (trade.event_time_ms >= kYear2000Ms) oldest_ms = std::min(oldest_ms, trade.event_time_ms);
  }
  if (oldest_ms == kLatestEventMs) return std::nullopt;
  std::int64_t newest_ms = oldest_ms;
  for (const Trade& trade : parsed.trades) {
    if (trade.event_time_ms <= oldest_ms + kUnknownLagToleranceMs) newest_ms = std::max(newest_ms, trade.event_time_ms);
  }
  return newest_ms * kNsPerMs;
}

// Lines before the first that has a time are stamped just before it.
void Ingest::seed_stamps(std::span<const FeedFrame> frames) {
  static const ParsedFrame kNothing;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const ParsedFrame& parsed = frames[i].damage ? kNothing : parser_.parse(frames[i].bytes);
    if (const auto time_ns = time_of(frames[i], parsed)) {
      last_stamp_ns_ = *time_ns - static_cast<std::int64_t>(i) - 1;
      return;
    }
  }
}

Result<void> Ingest::take_frame(const FeedFrame& frame) {
  static const ParsedFrame kNothing;
  const ParsedFrame& parsed = frame.damage ? kNothing : parser_.parse(frame.bytes);
  const std::int64_t stamp_ns = stamp_of(frame, parsed);
  if (!started_) FINPIPE_TRY(begin_session(stamp_ns));
  if (stamp_ns - last_heartbeat_ns_ >= kHeartbeatNs) FINPIPE_TRY(write_heartbeats(stamp_ns));
  last_stamp_ns_ = counts_.last_stamp_ns = stamp_ns;
  last_frame_ns_ = counts_.last_frame_ns = stamp_ns;
  ++counts_.frames;
  if (frame.damage) {
    dead_letter(frame, stamp_ns, 0, 0, Error{*frame.damage, fmt::format("line {}", frame.position)}, frame.bytes);
    return {};
  }
  for (const BadElement& bad : parsed.bad) {
    dead_letter(frame, stamp_ns, 0, bad.position, Error{bad.reason, bad.detail}, bad.raw);
  }
  if (parsed.kind == ParsedFrame::Kind::kError) {
    ++counts_.vendor_errors;
    last_vendor_error_ = parsed.message;
  }
  counts_.rounded += static_cast<std::int64_t>(parsed.rounded);
  trades_.assign(parsed.trades.begin(), parsed.trades.end());
  return take_trades(frame, stamp_ns, parsed.bad);
}

Result<void> Ingest::take_trades(const FeedFrame& frame, std::int64_t stamp_ns, std::span<const BadElement> bad) {
  suspects_.mark(trades_);
  raw_trades_.clear();
  std::size_t position = 0;  // in the frame's own list, where the bad ones stand between
  auto next_bad = bad.begin();
  for (Trade& trade : trades_) {
    for (; next_bad != bad.end() && next_bad->position == position; ++next_bad) ++position;
    trade.received_at_ns = stamp_ns;
    FINPIPE_TRY(take_trade(trade, frame, position++));
  }
  return {};
}

Result<void> Ingest::take_trade(Trade& trade, const FeedFrame& frame, std::size_t position) {
  Symbol* const known = symbol_of(trade.symbol);
  if (known == nullptr) {
    ++counts_.unsubscribed;
    return {};
  }
  Symbol& symbol = *known;
  symbol.received_ns = trade.received_at_ns;
  Market& market = markets_[symbol.market];
  if (const auto error = broken_time_rule(trade, market.lag_ms)) {
    if (raw_trades_.empty()) raw_trades_ = raw_trades(frame.bytes);
    const std::string_view raw = position < raw_trades_.size() ? raw_trades_[position] : std::string_view{};
    dead_letter(frame, trade.received_at_ns, symbol.partition, position, *error, raw);
    return {};
  }
  Partition& partition = partitions_[static_cast<std::size_t>(symbol.partition)];
  ++counts_.received;
  ++partition.counters.received;
  market.lag.add(trade.received_at_ns, trade.event_time_ms);
  if (feed_.live()) {
    market.recent_lag.add(trade.received_at_ns, trade.event_time_ms);
    market.recent.add(trade.received_at_ns, trade.event_time_ms);
  }
  if (subscription_) subscription_->sampled = true;
  if (trade.suspect != Suspect::kNone) ++counts_.suspects;
  trade.seq = last_seq_ = std::max(last_seq_ + 1, trade.received_at_ns);
  trade.session = session_;
  partition.last_seq = trade.seq;
  if (trade.seq <= partition.tail.seq) {
    ++counts_.already_in_log;
    ++partition.counters.already_in_log;
    return {};
  }
  ++counts_.appended;
  ++partition.counters.appended;
  if (symbol.policy->has_rules) note_unknown_codes(trade, *symbol.policy);
  scratch_.clear();
  encode_trade(trade, scratch_);
  return append(symbol.partition, {RecordType::kTrade, trade.symbol, scratch_});
}

void Ingest::note_unknown_codes(const Trade& trade, const MarketPolicy& policy) {
  const std::vector<std::string_view> unknown = policy.unknown_codes(trade.conditions);
  if (!unknown.empty()) ++counts_.unknown_codes;
  for (const std::string_view code : unknown) {
    if (unknown_codes_.contains(code) || unknown_codes_.size() == kMaxUnknownCodes) continue;
    unknown_codes_.emplace(code, trade.symbol);
    log_warn("a sale condition without a rule: its trades count as regular; a policy file can say otherwise",
             {{"code", std::string(code)}, {"market", policy.market}, {"symbol", std::string(trade.symbol)}});
  }
}

std::map<std::string, std::int64_t> Ingest::lags_ms() {
  std::map<std::string, std::int64_t> lags;
  for (Market& market : markets_)
    if (const auto lag_ms = market.lag.p99_ms(last_heartbeat_ns_)) lags.emplace(market.name, *lag_ms);
  return lags;
}

std::size_t Ingest::market_of(std::string_view name) {
  const auto found = std::ranges::find(markets_, name, &Market::name);
  if (found != markets_.end()) return static_cast<std::size_t>(found - markets_.begin());
  markets_.emplace_back().name = name;
  return markets_.size() - 1;
}

Ingest::Symbol* Ingest::symbol_of(std::string_view name) {
  const auto known = symbols_.find(name);
  if (known != symbols_.end()) return &known->second;
  // What was not asked for is not remembered either: a feed can name anything.
  if (!options_.symbols.empty() && !std::ranges::binary_search(options_.symbols, name)) return nullptr;
  ++counts_.symbols;
  const MarketPolicy& policy = policies_.policy_for(name);
  const Symbol symbol{partition_of(name, static_cast<std::int32_t>(partitions_.size())), market_of(policy.market),
                      &policy};
  return &symbols_.emplace(symbol_names_.emplace_back(name), symbol).first->second;
}

}  // namespace finpipe
