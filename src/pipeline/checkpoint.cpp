#include "pipeline/checkpoint.h"

#include <fmt/format.h>

#include "codec/calendar.h"
#include "codec/checkpoint_avro.h"
#include "codec/confluent.h"
#include "codec/policy_file.h"
#include "codec/records.h"

namespace finpipe {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

CheckpointRow encode_checkpoint(const Checkpoint& checkpoint) {
  avro::StoredCheckpoint stored;
  stored.log_id = checkpoint.log_id;
  stored.partitions = checkpoint.partitions;
  stored.fingerprint = checkpoint.fingerprint;
  stored.floor = checkpoint.floor_ms;
  stored.policies_from = checkpoint.policies_from;
  stored.previous = checkpoint.previous;
  stored.clock = checkpoint.engine.clock_ns;
  stored.max_clock = checkpoint.engine.max_clock_ns;
  for (const auto& [market, lag_ms] : checkpoint.engine.lags_ms) stored.lags.push_back({market, lag_ms});
  stored.silent_since = checkpoint.engine.trust.silent_since_ms;
  for (const auto& [symbol, since_ms] : checkpoint.engine.trust.off_since)
    stored.off_since.push_back({symbol, since_ms});
  for (const BarKey& key : checkpoint.engine.unclosed) {
    stored.unclosed.push_back({key.symbol, static_cast<std::int32_t>(key.interval), key.start_ms});
  }
  for (const auto& [market, hash] : checkpoint.policies) stored.policies.push_back({market, hash});
  for (std::size_t writer = 0; writer < kWriterCount; ++writer) {
    const Admission::WriterState& state = checkpoint.admission.writers()[writer];
    stored.writers.push_back({static_cast<std::int32_t>(writer), state.session, state.seq});
  }
  for (const auto& [key, row] : checkpoint.ledger) {
    stored.ledger.push_back({static_cast<std::int32_t>(key.first), key.second, row.received, row.already_in_log,
                             row.appended, row.dead_lettered_before, row.in_log, row.stored, row.skipped,
                             row.dead_lettered_after});
  }
  stored.feed_state = static_cast<std::int32_t>(checkpoint.feed_state);
  stored.feed_since = checkpoint.feed_since_ms;
  stored.origin = checkpoint.origin;
  stored.heartbeat_at = checkpoint.heartbeat_at_ns;
  stored.last_frame_at = checkpoint.last_frame_at_ns;
  CheckpointRow row{checkpoint.partition, checkpoint.generation, checkpoint.offset, {}};
  avro::encode(stored, row.body);
  return row;
}

Result<Checkpoint> decode_checkpoint(const CheckpointRow& row) {
  FINPIPE_TRY_ASSIGN(stored, avro::decode_stored_checkpoint(bytes_of(row.body)));
  Checkpoint checkpoint;
  checkpoint.partition = row.partition;
  checkpoint.generation = row.generation;
  checkpoint.offset = row.offset;
  checkpoint.previous = stored.previous;
  checkpoint.log_id = stored.log_id;
  checkpoint.partitions = stored.partitions;
  checkpoint.fingerprint = stored.fingerprint;
  checkpoint.floor_ms = stored.floor;
  checkpoint.policies_from = stored.policies_from;
  checkpoint.engine.clock_ns = stored.clock;
  checkpoint.engine.max_clock_ns = stored.max_clock;
  for (const auto& lag : stored.lags) checkpoint.engine.lags_ms.emplace(lag.market, lag.lag_ms);
  checkpoint.engine.trust.silent_since_ms = stored.silent_since;
  for (const auto& off : stored.off_since) checkpoint.engine.trust.off_since.emplace(off.symbol, off.since);
  for (const auto& key : stored.unclosed) {
    if (key.interval < 0 || key.interval >= static_cast<std::int32_t>(kIntervalCount)) {
      return fail(ErrorCode::kCorrupt,
                  fmt::format("checkpoint of partition {}: interval {}", row.partition, key.interval));
    }
    checkpoint.engine.unclosed.push_back({std::string(key.symbol), static_cast<Interval>(key.interval), key.start});
  }
  for (const auto& policy : stored.policies) checkpoint.policies.emplace(policy.market, policy.hash);
  const auto writer_of = [&](std::int32_t value) -> Result<Writer> {
    if (value >= 0 && value < static_cast<std::int32_t>(kWriterCount)) return static_cast<Writer>(value);
    return fail(ErrorCode::kCorrupt, fmt::format("checkpoint of partition {}: writer {}", row.partition, value));
  };
  for (const auto& state : stored.writers) {
    FINPIPE_TRY_ASSIGN(writer, writer_of(state.writer));
    checkpoint.admission.of(writer) = {state.session, state.seq};
  }
  for (const auto& account : stored.ledger) {
    FINPIPE_TRY_ASSIGN(writer, writer_of(account.writer));
    checkpoint.ledger[{writer, account.session}] = {
        account.received, account.already_in_log, account.appended, account.dead_lettered_before,
        account.in_log,   account.stored,         account.skipped,  account.dead_lettered_after};
  }
  checkpoint.feed_state = static_cast<avro::ConnectionState>(stored.feed_state);
  checkpoint.feed_since_ms = stored.feed_since;
  checkpoint.origin = stored.origin;
  checkpoint.heartbeat_at_ns = stored.heartbeat_at;
  checkpoint.last_frame_at_ns = stored.last_frame_at;
  return checkpoint;
}

std::string engine_fingerprint() {
  return fmt::format("semantics={} tzdata={}", kEngineSemanticsVersion, tzdata_version());
}

std::int64_t record_mark(const LogRecord& record) {
  if (record.type == RecordType::kTrade) {
    TradeDecoder decoder;
    Trade trade;
    return decoder.decode(record.value, trade) ? trade.seq : kUnreadableMark;
  }
  const auto control = decode_control(record.value);
  return control ? control->stamp : kUnreadableMark;
}

std::string value_in_log(const LogRecord& record) {
  if (!record.original.empty()) return std::string(record.original);
  std::string value(original_value(record.value));
  std::string header;
  if (record.wire_id != 0) frame_header(record.wire_id, header);
  return value.replace(0, header.size(), header);
}

}  // namespace finpipe
