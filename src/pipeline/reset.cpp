#include "pipeline/reset.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/time.h"
#include "codec/records.h"

namespace finpipe {
namespace {

constexpr std::size_t kResetReadBytes = std::size_t{1} << 20;

struct Contents {
  OffsetRange range;
  std::optional<std::int64_t> first_stamp_ns;  // of the first record that can be read
  std::map<std::string, PolicyRow> policies;   // the newest of each market
};

std::optional<std::int64_t> stamp_of(const LogRecord& record) {
  if (record.type == RecordType::kControl) {
    const auto control = decode_control(record.value);
    return control ? std::optional(control->stamp) : std::nullopt;
  }
  TradeDecoder decoder;
  Trade trade;
  return decoder.decode(record.value, trade) ? std::optional(trade.received_at_ns) : std::nullopt;
}

void take(const LogRecord& record, Contents& contents) {
  if (!contents.first_stamp_ns) contents.first_stamp_ns = stamp_of(record);
  if (record.type != RecordType::kControl) return;
  const auto control = decode_control(record.value);
  if (!control) return;
  const auto* policy = std::get_if<avro::PolicyInForce>(&control->body);
  if (policy == nullptr) return;
  const std::string market(policy->market);
  contents.policies[market] = {std::string(policy->hash), market, std::string(policy->text)};
}

Result<Contents> read_partition(LogReader& log, std::int32_t partition) {
  Contents contents;
  FINPIPE_TRY_ASSIGN(range, log.range(partition));
  contents.range = range;
  FINPIPE_TRY(log.seek(partition, range.begin));
  log.resume(partition);
  for (std::int64_t next = range.begin; next < range.end;) {
    FINPIPE_TRY_ASSIGN(read, log.poll(kResetReadBytes));
    for (const LogReader::Batch& batch : read.batches) {
      if (batch.partition != partition) continue;
      for (const LogRecord& record : batch.records) take(record, contents);
      next = batch.first_offset + static_cast<std::int64_t>(batch.records.size());
    }
  }
  log.pause(partition);
  return contents;
}

// The first window that starts after the retained log does: no earlier one can be made whole again.
std::int64_t floor_of(const Contents& contents) {
  if (contents.range.begin == 0 || !contents.first_stamp_ns) return kBeginningOfTime;
  return floor_div(*contents.first_stamp_ns, kNsPerMs) + kMaxAheadMs;
}

}  // namespace

Result<std::vector<Checkpoint>> reset_checkpoints(LogReader& log, Store& store, Query& query,
                                                  std::span<const MarketPolicy> bundled) {
  FINPIPE_TRY_ASSIGN(old_rows, query.checkpoints());
  std::int64_t generation = 0;
  for (const CheckpointRow& row : old_rows) generation = std::max(generation, row.generation);
  ++generation;

  FINPIPE_TRY(log.poll(0));
  Commit commit;
  std::map<std::string, PolicyRow> policies;  // by hash
  std::vector<Checkpoint> checkpoints;
  for (std::int32_t partition = 0; partition < log.partitions(); ++partition) {
    FINPIPE_TRY_ASSIGN(contents, read_partition(log, partition));
    for (const MarketPolicy& policy : bundled) {
      contents.policies.try_emplace(policy.market, PolicyRow{policy.hash, policy.market, policy.text});
    }
    Checkpoint checkpoint;
    checkpoint.partition = partition;
    checkpoint.generation = generation;
    checkpoint.offset = contents.range.begin;
    checkpoint.log_id = log.log_id();
    checkpoint.partitions = log.partitions();
    checkpoint.fingerprint = engine_fingerprint();
    checkpoint.floor_ms = floor_of(contents);
    checkpoint.policies_from = contents.range.end;
    checkpoint.engine.trust.off_since[""] = kBeginningOfTime;
    for (auto& [market, policy] : contents.policies) {
      checkpoint.policies.emplace(market, policy.hash);
      policies.try_emplace(policy.hash, std::move(policy));
    }
    commit.checkpoints.push_back(encode_checkpoint(checkpoint));
    checkpoints.push_back(std::move(checkpoint));
  }
  for (auto& [hash, policy] : policies) commit.policies.push_back(std::move(policy));

  const Store::Ticket ticket = store.submit(std::move(commit));
  for (Store::Ticket done = ticket - 1; done < ticket;) {
    FINPIPE_TRY_ASSIGN(polled, store.poll());
    done = polled;
  }
  return checkpoints;
}

}  // namespace finpipe
