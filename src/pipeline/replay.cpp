#include "pipeline/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/time.h"
#include "codec/records.h"
#include "pipeline/time_rule.h"

namespace finpipe {
namespace {

// What an ingest cannot have received.
bool is_time(std::int64_t time_ns) {
  const std::int64_t time_ms = floor_div(time_ns, kNsPerMs);
  return time_ms >= kYear2000Ms && time_ms < kLatestEventMs;
}

std::unexpected<Error> refuse(std::string why) { return fail(ErrorCode::kNotReplayable, std::move(why)); }

// Trades of a record that the log holds.
Result<LetterTrades> read_record(const DeadLetter& letter, std::optional<std::string_view> mended,
                                 const ReplayLog& log) {
  const ReplayLog::Record* record = log.record(letter.partition, letter.offset);
  if (record == nullptr || record->in_log != letter.raw)
    return refuse("the log has its record no longer, or the letter was cut");
  if (record->type != RecordType::kTrade) return refuse("it is a control record: only trades can be replayed");
  const bool is_avro = !letter.raw.empty() && letter.raw.front() == '\0';
  if (mended || !is_avro) return read_letter_trades(mended.value_or(letter.raw));
  Trade trade;
  TradeDecoder decoder;
  FINPIPE_TRY(decoder.decode(record->value, trade));
  LetterTrades trades;
  trades.add(trade);
  return trades;
}

std::optional<std::string> reason_not_to(const DeadLetter& letter, const ReplayLog& log) {
  if (letter.writer != Writer::kLive) {
    return fmt::format("its record is of the writer {}, whose next run sees what is missing", to_string(letter.writer));
  }
  if (letter.reason == ErrorCode::kUnknownSchemaId || letter.reason == ErrorCode::kIncompatibleSchema) {
    return "a finpipe that can read its record takes it from the log, after `finpipe checkpoint reset`";
  }
  if (!is_time(letter.received_at_ns)) return "it does not say when it was received";
  if (!log.reaches_back_to(letter.received_at_ns)) {
    return "the log no longer goes back to it, so nobody knows whether it was replayed";
  }
  return std::nullopt;
}

}  // namespace

WantedLetter wanted(const DeadLetter& letter) {
  return {letter.id, letter.received_at_ns, letter.partition, letter.offset};
}

Result<LetterTrades> trades_to_replay(const DeadLetter& letter, std::optional<std::string_view> mended,
                                      const ReplayLog& log, const PolicySet& policies) {
  if (auto reason = reason_not_to(letter, log)) return refuse(*std::move(reason));
  if (mended == letter.raw) mended.reset();
  auto trades = letter.stage == DeadLetter::Stage::kProcess ? read_record(letter, mended, log)
                                                            : read_letter_trades(mended.value_or(letter.raw));
  if (!trades) return trades;
  const ReplayLog::Lags& lags = log.lags(letter.id);
  for (Trade& trade : trades->all()) {
    trade.received_at_ns = letter.received_at_ns;
    const auto lag = lags.find(policies.policy_for(trade.symbol).market);
    const auto lag_ms = lag == lags.end() ? std::nullopt : std::optional(lag->second);
    if (auto error = broken_time_rule(trade, lag_ms)) return fail(*std::move(error));
  }
  return trades;
}

// A session appends a partition's trades in their order, and the next one what follows: the log has a beginning of
// them.
Result<std::vector<std::size_t>> replayed_so_far(std::string_view id, std::span<const Trade> trades,
                                                 const ReplayLog& log) {
  std::vector<std::size_t> so_far(static_cast<std::size_t>(log.partitions()));
  for (const Trade& trade : trades) {
    const std::int32_t p = partition_of(trade.symbol, log.partitions());
    const std::span<const Trade> in_log = log.trades(id, p);
    std::size_t& count = so_far[static_cast<std::size_t>(p)];
    if (count == in_log.size()) continue;
    if (!say_the_same(in_log[count], trade)) {
      return fail(ErrorCode::kReplayDiffers, fmt::format("a trade of {}, event time {}", in_log[count].symbol,
                                                         format_time_ms(in_log[count].event_time_ms)));
    }
    ++count;
  }
  for (std::int32_t p = 0; p < log.partitions(); ++p) {
    const std::span<const Trade> rest = log.trades(id, p).subspan(so_far[static_cast<std::size_t>(p)]);
    if (rest.empty()) continue;
    return fail(ErrorCode::kReplayDiffers,
                fmt::format("a trade of {}, event time {}, is not in it", rest.front().symbol,
                            format_time_ms(rest.front().event_time_ms)));
  }
  return so_far;
}

// ---- Replayer ------------------------------------------------------------------------------------------------------

Replayer::Replayer(ReplayLog& log, LogWriter& writer, Clock& clock)
    : log_(log), writer_(writer), clock_(clock), partitions_(static_cast<std::size_t>(log.partitions())) {}

Result<Replayer::Done> Replayer::replay(const std::string& id, LetterTrades& trades) {
  if (session_ == 0) FINPIPE_TRY(begin());
  if (log_.is_replayed(id)) return Done{0, trades.size()};
  FINPIPE_TRY_ASSIGN(so_far, replayed_so_far(id, trades.all(), log_));
  std::vector<std::vector<Trade*>> by_partition(partitions_.size());
  for (Trade& trade : trades.all()) {
    by_partition[static_cast<std::size_t>(partition_of(trade.symbol, log_.partitions()))].push_back(&trade);
  }
  Done done;
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    FINPIPE_TRY(append_letter(id, static_cast<std::int32_t>(i), by_partition[i], so_far[i]));
    done.already_in_log += so_far[i];
    done.appended += by_partition[i].size() - so_far[i];
  }
  FINPIPE_TRY(flush());
  FINPIPE_TRY(log_.read_on());
  if (!log_.is_replayed(id)) return fail(ErrorCode::kNewerReplay, id);
  return done;
}

Result<void> Replayer::begin() {
  begun_at_ns_ = clock_.wall_ns();
  std::int64_t session = begun_at_ns_;
  for (std::int32_t p = 0; p < log_.partitions(); ++p) session = std::max(session, log_.newest(p).session + 1);
  session_ = session;
  for (std::int32_t p = 0; p < log_.partitions(); ++p) FINPIPE_TRY(append_session(p, ""));
  FINPIPE_TRY(flush());
  FINPIPE_TRY(log_.read_on());
  for (std::int32_t p = 0; p < log_.partitions(); ++p) {
    // One of the same number may have been begun by another, and came first.
    const ReplayLog::Newest newest = log_.newest(p);
    if (newest.session != session_ || newest.begun_at_ns != begun_at_ns_) {
      return fail(ErrorCode::kNewerReplay, fmt::format("session {}", newest.session));
    }
  }
  return {};
}

// The records of one partition: who reads the last one knows that the others are there.
Result<void> Replayer::append_letter(const std::string& id, std::int32_t partition, std::span<Trade* const> trades,
                                     std::size_t already_in_log) {
  FINPIPE_TRY(append_session(partition, id));
  std::int64_t seq = log_.newest(partition).seq;
  for (Trade* trade : trades.subspan(already_in_log)) {
    trade->writer = Writer::kReplay;
    trade->session = session_;
    trade->seq = seq = std::max(seq + 1, clock_.wall_ns());
    scratch_.clear();
    encode_trade(*trade, scratch_);
    FINPIPE_TRY(append(partition, {RecordType::kTrade, trade->symbol, scratch_}));
  }
  for (Trade* trade : trades.first(already_in_log)) trade->seq = 0;
  Partition& at = partitions_[static_cast<std::size_t>(partition)];
  at.counters.received += static_cast<std::int64_t>(trades.size());
  at.counters.already_in_log += static_cast<std::int64_t>(already_in_log);
  at.counters.appended += static_cast<std::int64_t>(trades.size() - already_in_log);
  return append_control(partition, avro::Heartbeat{.ordinal = ++at.heartbeats,
                                                   .feed_state = avro::ConnectionState::kConnected,
                                                   .feed_since = floor_div(begun_at_ns_, kNsPerMs),
                                                   .last_frame_at = std::nullopt,
                                                   .lags = {},
                                                   .counters = at.counters,
                                                   .last_seq = seq,
                                                   .log_id = log_.log_id(),
                                                   .policies = {}});
}

Result<void> Replayer::append_session(std::int32_t partition, std::string_view source_id) {
  return append_control(partition, avro::SessionStarted{.id = session_,
                                                        .origin = "replay",
                                                        .source_id = source_id,
                                                        .start = begun_at_ns_,
                                                        .silent_since = std::nullopt,
                                                        .log_id = log_.log_id()});
}

Result<void> Replayer::append_control(std::int32_t partition, decltype(avro::FeedStatus::body) body) {
  scratch_.clear();
  encode_control(
      {.stamp = clock_.wall_ns(), .writer = avro::Writer::kReplay, .session = session_, .body = std::move(body)},
      scratch_);
  return append(partition, {RecordType::kControl, std::nullopt, scratch_});
}

Result<void> Replayer::append(std::int32_t partition, const LogRecord& record) {
  while (writer_.append(partition, {&record, 1}) == LogWriter::Append::kFull) FINPIPE_TRY(writer_.poll());
  return {};
}

Result<void> Replayer::flush() {
  do {
    FINPIPE_TRY(writer_.poll());
  } while (writer_.pending_bytes() > 0);
  return {};
}

}  // namespace finpipe
