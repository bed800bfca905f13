// What an ingest writes: control records, trades on their way into the log, dead letters.
#include <fmt/format.h>

#include <algorithm>

#include "base/time.h"
#include "codec/records.h"
#include "pipeline/ingest.h"

namespace finpipe {
namespace {

constexpr std::int64_t kRepeatNs = 3'600 * kNsPerSecond;  // retention expires the first control records

}  // namespace

Result<void> Ingest::write_session(std::int32_t partition, std::int64_t stamp_ns,
                                   std::optional<std::int64_t> silent_since_ms) {
  return append_control(partition, stamp_ns,
                        avro::SessionStarted{.id = session_,
                                             .origin = feed_.origin(),
                                             .source_id = source_id_,
                                             .start = first_stamp_ns_,
                                             .silent_since = silent_since_ms,
                                             .log_id = tail_reader_.log_id()});
}

Result<void> Ingest::write_policies(std::int32_t partition, std::int64_t stamp_ns, bool repeat) {
  const auto& in_log = partitions_[static_cast<std::size_t>(partition)].tail.policies;
  for (const MarketPolicy& policy : policies_.all()) {
    const auto known = in_log.find(policy.market);
    if (!repeat && known != in_log.end() && known->second == policy.hash) continue;
    FINPIPE_TRY(append_control(partition, stamp_ns,
                               avro::PolicyInForce{.market = policy.market, .hash = policy.hash, .text = policy.text}));
  }
  return {};
}

Result<void> Ingest::write_subscribed(std::int32_t partition, std::int64_t stamp_ns) {
  avro::Subscribed subscribed;
  if (!options_.symbols.empty()) subscribed.symbols.emplace(options_.symbols.begin(), options_.symbols.end());
  return append_control(partition, stamp_ns, std::move(subscribed));
}

Result<void> Ingest::write_heartbeats(std::int64_t stamp_ns) {
  // A dead letter is durable before the heartbeat that counts it: a log may write what is appended at once.
  FINPIPE_TRY(dead_letters_.flush());
  last_heartbeat_ns_ = stamp_ns;
  const std::int64_t ordinal = ++heartbeat_ordinal_;
  const bool repeat = stamp_ns - last_repeat_ns_ >= kRepeatNs;
  if (repeat) last_repeat_ns_ = stamp_ns;
  const bool live = feed_.live();
  avro::Heartbeat beat{.ordinal = ordinal,
                       .feed_state = feed_state_,
                       .feed_since = floor_div(live ? feed_since_ns_ : first_stamp_ns_, kNsPerMs),
                       .last_frame_at = live ? last_frame_ns_ : last_stamp_ns_,
                       .lags = {},
                       .counters = {},
                       .last_seq = 0,
                       .log_id = tail_reader_.log_id(),
                       .policies = {}};
  counts_.lag_ms.reset();
  for (Market& market : markets_) {
    auto lag_ms = market.measure_lag(stamp_ns);
    if (!lag_ms && restate_lags_) lag_ms = market.lag_ms;
    if (!lag_ms) continue;
    counts_.lag_ms = std::max(counts_.lag_ms.value_or(*lag_ms), *lag_ms);
    beat.lags.push_back({market.name, *lag_ms});
  }
  restate_lags_ = false;
  for (const MarketPolicy& policy : policies_.all()) beat.policies.push_back({policy.market, policy.hash});
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    const Partition& partition = partitions_[i];
    const auto p = static_cast<std::int32_t>(i);
    if (ordinal == partition.tail.heartbeat && partition.counters.received != partition.tail.heartbeat_received) {
      return fail(
          ErrorCode::kTapeOlderThanLog,
          fmt::format("it begins like the tape in the log, but has {} trades where that one has {}, at {}",
                      partition.counters.received, partition.tail.heartbeat_received, format_time_ns(stamp_ns)));
    }
    if (ordinal <= partition.tail.heartbeat) continue;
    if (repeat) {
      FINPIPE_TRY(write_session(p, stamp_ns, partition.silent_since_ms));
      FINPIPE_TRY(write_policies(p, stamp_ns, true));
      FINPIPE_TRY(live ? write_symbols(p, stamp_ns) : write_subscribed(p, stamp_ns));
    }
    beat.counters = partition.counters;
    beat.last_seq = partition.last_seq;
    FINPIPE_TRY(append_control(p, stamp_ns, beat));
  }
  ++counts_.heartbeats;
  return {};
}

Result<void> Ingest::write_end() {
  // The last heartbeat closes the account of the session.
  FINPIPE_TRY(write_heartbeats(last_stamp_ns_));
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    if (partitions_[i].tail.ended) continue;
    FINPIPE_TRY(append_control(static_cast<std::int32_t>(i), last_stamp_ns_, avro::End{}));
  }
  return {};
}

void Ingest::dead_letter(const FeedFrame& frame, std::int64_t stamp_ns, std::int32_t partition, std::size_t index,
                         const Error& error, std::string_view raw) {
  avro::Counters& counters = partitions_[static_cast<std::size_t>(partition)].counters;
  ++counts_.received, ++counters.received;
  ++counts_.dead_lettered, ++counters.dead_lettered;
  // A tape that is read again gives the same letters again; a live frame is told from others by its session.
  const std::string source = feed_.live() ? fmt::to_string(session_) : source_id_.substr(0, 16);
  dead_letters_.put(
      {.id = fmt::format("{}:{}:{}:{}:{}", feed_.origin(), source, frame.position, index, error_info(error.code).name),
       .received_at_ns = stamp_ns,
       .reason = error.code,
       .detail = error.detail,
       .stage = DeadLetter::Stage::kIngest,
       .raw = std::string(raw),
       .writer = Writer::kLive,
       .session = session_,
       .partition = partition,
       .offset = -1});
}

// ---- Log -----------------------------------------------------------------------------------------------------------

Result<void> Ingest::append_control(std::int32_t partition, std::int64_t stamp_ns,
                                    decltype(avro::FeedStatus::body) body) {
  scratch_.clear();
  encode_control({.stamp = stamp_ns, .writer = avro::Writer::kLive, .session = session_, .body = std::move(body)},
                 scratch_);
  return append(partition, {RecordType::kControl, std::nullopt, scratch_});
}

Result<void> Ingest::append(std::int32_t partition, const LogRecord& record) {
  while (log_.append(partition, {&record, 1}) == LogWriter::Append::kFull) FINPIPE_TRY(poll_log());
  return {};
}

// What is acknowledged while nobody else wrote is all ours: no newer session is below.
Result<void> Ingest::poll_log() {
  FINPIPE_TRY_ASSIGN(acknowledged, log_.poll());
  others_wrote_ = log_.others_wrote() || others_wrote_;
  if (others_wrote_) return {};
  for (const LogWriter::Acknowledged& done : acknowledged) {
    partitions_[static_cast<std::size_t>(done.partition)].checked_end = done.end;
  }
  return {};
}

Result<void> Ingest::send() {
  FINPIPE_TRY(dead_letters_.flush());
  return poll_log();
}

Result<void> Ingest::flush() {
  do {
    FINPIPE_TRY(send());
  } while (log_.pending_bytes() > 0);
  return {};
}

}  // namespace finpipe
