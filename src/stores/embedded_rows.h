// Keys and values of the embedded store's rows, as bytes that sort the way readers visit them. Integers in keys are
// big-endian with the sign bit flipped, so that negative ones come first; a symbol ends with a zero byte, so that "A"
// comes before "AB". Functions named set_ overwrite `out` and keep its memory; parse_ functions refuse what is not
// exactly such a row.
//
//   ticks          bucket of five minutes, symbol                                -> a block of ticks
//   bars           symbol, interval, start                                       -> generation, version, StoredBar
//   bar_revisions  symbol, interval, start, generation, revision                 -> StoredBar
//   spans          partition, log id, offset, index                              -> StoredSpan
//   voids          partition, log id, offset                                     -> StoredVoid
//   symbols        symbol                                                        -> partition
//   policies       hash                                                          -> length of market, market, text
//   checkpoints    partition                                                     -> generation, offset, body
//
// A block holds a symbol's ticks of five minutes one behind the other, each as length, time within the bucket, seq and
// StoredTick. RocksDB's cost is one per row, so a row of many ticks makes each of them cheap. A commit writes the ticks
// it has as a block of its own, to be merged with what is there: merged blocks are ordered and hold a tick once.
//
// The two integers before a bar or checkpoint are its rank: of two versions of a row the one of the higher rank stays.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "codec/store_codec.h"
#include "pipeline/ports.h"

namespace finpipe::rows {

constexpr std::int64_t kTickBucketMs = 5 * kMsPerMinute;
[[nodiscard]] constexpr std::int64_t tick_bucket(std::int64_t event_time_ms) {
  return floor_div(event_time_ms, kTickBucketMs);
}

void set_tick_block_key(std::int64_t bucket, std::string_view symbol, std::string& out);
struct TickBlockPlace {
  std::int64_t bucket = 0;
  std::string_view symbol;
};
[[nodiscard]] bool parse_tick_block_key(std::string_view key, TickBlockPlace& place);

void append_tick(const Tick& tick, TickCodec& codec, std::string& block);
// One tick of a block; `value` is for TickCodec.
struct TickEntry {
  std::int32_t within_ms = 0;  // since the bucket began
  std::int64_t seq = 0;
  std::string_view value;
};
// Takes the first tick off a block that is not empty; false when it is damaged.
[[nodiscard]] bool take_tick(std::string_view& block, TickEntry& entry);
[[nodiscard]] std::int64_t event_time_ms(std::int64_t bucket, const TickEntry& entry);
// Of blocks from oldest to newest makes one, ordered by time and seq; of ticks with the same key the newest stays.
// Damaged blocks are kept as they are, for their reader to find.
void merge_tick_blocks(std::span<const std::string_view> blocks, std::string& out);

// What all bars, or revisions, of a symbol and interval begin with.
void set_series_prefix(std::string_view symbol, Interval interval, std::string& out);
void set_bar_key(std::string_view symbol, Interval interval, std::int64_t start_ms, std::string& out);
[[nodiscard]] bool parse_bar_key(std::string_view key, BarKey& place);
void set_bar_value(const Bar& bar, std::string& out);
[[nodiscard]] bool parse_bar_value(std::string_view value, Bar& bar);

void set_revision_key(const RevisionRow& row, std::string& out);
// The key's generation and revision go into row.bar, with which the value must agree.
[[nodiscard]] bool parse_revision_key(std::string_view key, RevisionRow& row);
[[nodiscard]] bool parse_revision_value(std::string_view value, RevisionRow& row);

void set_span_key(const SpanRow& row, std::string& out);
void set_span_value(const SpanRow& row, std::string& out);
[[nodiscard]] bool parse_span(std::string_view key, std::string_view value, SpanRow& row);

void set_void_key(const VoidRow& row, std::string& out);
void set_void_value(const VoidRow& row, std::string& out);
[[nodiscard]] bool parse_void(std::string_view key, std::string_view value, VoidRow& row);

// Keys of checkpoints, and what the spans and voids of a partition begin with.
void set_partition_key(std::int32_t partition, std::string& out);
void set_checkpoint_value(const CheckpointRow& row, std::string& out);
[[nodiscard]] bool parse_checkpoint(std::string_view key, std::string_view value, CheckpointRow& row);

void set_symbol_value(std::int32_t partition, std::string& out);
[[nodiscard]] bool parse_symbol(std::string_view key, std::string_view value, SymbolRow& row);

void set_policy_value(const PolicyRow& row, std::string& out);
[[nodiscard]] bool parse_policy(std::string_view key, std::string_view value, PolicyRow& row);

// The rank at the beginning of a bar's or checkpoint's value; ranks compare as bytes.
[[nodiscard]] std::string_view rank_of(std::string_view value);

}  // namespace finpipe::rows
