#include "stores/embedded_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include "codec/stored_span_avro.h"
#include "codec/stored_void_avro.h"

namespace finpipe::rows {
namespace {

constexpr std::size_t kRankBytes = 16;
constexpr std::size_t kTickHeaderBytes = 16;  // length, time, seq

template <typename Integer>
char* write(char* out, Integer value) {
  using Unsigned = std::make_unsigned_t<Integer>;
  constexpr std::size_t kBits = 8 * sizeof(Integer);
  const auto raw = static_cast<Unsigned>(static_cast<Unsigned>(value) ^ (Unsigned{1} << (kBits - 1)));
  for (std::size_t shift = kBits; shift > 0; shift -= 8) *out++ = static_cast<char>(raw >> (shift - 8));
  return out;
}

template <typename Integer>
void append(std::string& out, Integer value) {
  char bytes[sizeof(Integer)];
  write(bytes, value);
  out.append(bytes, sizeof bytes);
}

template <typename Integer>
[[nodiscard]] bool take(std::string_view& in, Integer& value) {
  using Unsigned = std::make_unsigned_t<Integer>;
  if (in.size() < sizeof(Integer)) return false;
  Unsigned raw = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i)
    raw = static_cast<Unsigned>((raw << 8) | static_cast<unsigned char>(in[i]));
  value = static_cast<Integer>(raw ^ (Unsigned{1} << (8 * sizeof(Integer) - 1)));
  in.remove_prefix(sizeof(Integer));
  return true;
}

void append_symbol(std::string& out, std::string_view symbol) { out.append(symbol).push_back('\0'); }

[[nodiscard]] bool take_symbol(std::string_view& in, std::string_view& symbol) {
  const std::size_t end = in.find('\0');
  if (end == std::string_view::npos) return false;
  symbol = in.substr(0, end);
  in.remove_prefix(end + 1);
  return true;
}

void append_log_id(std::string& out, const LogId& log_id) {
  out.append(reinterpret_cast<const char*>(log_id.data()), log_id.size());
}

[[nodiscard]] bool take_log_id(std::string_view& in, LogId& log_id) {
  if (in.size() < log_id.size()) return false;
  std::memcpy(log_id.data(), in.data(), log_id.size());
  in.remove_prefix(log_id.size());
  return true;
}

[[nodiscard]] bool take_bar_key(std::string_view& in, BarKey& place) {
  std::string_view symbol;
  if (!take_symbol(in, symbol) || in.empty()) return false;
  const auto interval = static_cast<unsigned char>(in.front());
  in.remove_prefix(1);
  if (interval >= kIntervalCount || !take(in, place.start_ms)) return false;
  place.symbol = symbol;
  place.interval = static_cast<Interval>(interval);
  return true;
}

}  // namespace

void set_tick_block_key(std::int64_t bucket, std::string_view symbol, std::string& out) {
  out.clear();
  append(out, bucket);
  append_symbol(out, symbol);
}

bool parse_tick_block_key(std::string_view key, TickBlockPlace& place) {
  return take(key, place.bucket) && take_symbol(key, place.symbol) && key.empty();
}

// Unsigned here and below, because the very first bucket begins before the smallest time.
void append_tick(const Tick& tick, TickCodec& codec, std::string& block) {
  const std::size_t at = block.size();
  const std::int64_t time_ms = tick.trade.event_time_ms;
  const std::uint64_t bucket_ms = static_cast<std::uint64_t>(tick_bucket(time_ms)) * kTickBucketMs;
  block.resize(at + kTickHeaderBytes);
  codec.encode(tick.trade, tick.offset, tick.log_id, block);
  char* header = block.data() + at;
  header = write(header, static_cast<std::int32_t>(block.size() - at - kTickHeaderBytes));
  header = write(header, static_cast<std::int32_t>(static_cast<std::uint64_t>(time_ms) - bucket_ms));
  write(header, tick.trade.seq);
}

bool take_tick(std::string_view& block, TickEntry& entry) {
  std::int32_t bytes = 0;
  if (!take(block, bytes) || !take(block, entry.within_ms) || !take(block, entry.seq) || bytes < 0 ||
      static_cast<std::size_t>(bytes) > block.size() || entry.within_ms < 0 || entry.within_ms >= kTickBucketMs)
    return false;
  entry.value = block.substr(0, static_cast<std::size_t>(bytes));
  block.remove_prefix(static_cast<std::size_t>(bytes));
  return true;
}

std::int64_t event_time_ms(std::int64_t bucket, const TickEntry& entry) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(bucket) * kTickBucketMs +
                                   static_cast<std::uint64_t>(entry.within_ms));
}

void merge_tick_blocks(std::span<const std::string_view> blocks, std::string& out) {
  out.clear();
  std::vector<TickEntry> entries;
  std::size_t bytes = 0;
  bool whole = true;
  for (std::string_view block : blocks) {
    bytes += block.size();
    while (!block.empty() && (whole = whole && take_tick(block, entries.emplace_back()))) continue;
  }
  out.reserve(bytes);
  if (!whole) {
    for (const std::string_view block : blocks) out += block;
    return;
  }
  const auto before = [](const TickEntry& a, const TickEntry& b) {
    return a.within_ms != b.within_ms ? a.within_ms < b.within_ms : a.seq < b.seq;
  };
  if (!std::ranges::is_sorted(entries, before)) std::ranges::stable_sort(entries, before);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const TickEntry& entry = entries[i];
    if (i + 1 < entries.size() && !before(entry, entries[i + 1])) continue;  // a newer one with the same key follows
    out.append(entry.value.data() - kTickHeaderBytes, kTickHeaderBytes + entry.value.size());
  }
}

void set_series_prefix(std::string_view symbol, Interval interval, std::string& out) {
  out.clear();
  append_symbol(out, symbol);
  out.push_back(static_cast<char>(interval));
}

void set_bar_key(std::string_view symbol, Interval interval, std::int64_t start_ms, std::string& out) {
  set_series_prefix(symbol, interval, out);
  append(out, start_ms);
}

bool parse_bar_key(std::string_view key, BarKey& place) { return take_bar_key(key, place) && key.empty(); }

void set_bar_value(const Bar& bar, std::string& out) {
  out.clear();
  append(out, bar.generation);
  append(out, bar.version);
  encode_bar(bar, out);
}

bool parse_bar_value(std::string_view value, Bar& bar) {
  std::int64_t generation = 0;
  std::int64_t version = 0;
  return take(value, generation) && take(value, version) && decode_bar(value, bar).has_value() &&
         bar.generation == generation && bar.version == version;
}

void set_revision_key(const RevisionRow& row, std::string& out) {
  set_bar_key(row.key.symbol, row.key.interval, row.key.start_ms, out);
  append(out, row.bar.generation);
  append(out, row.bar.revision);
}

bool parse_revision_key(std::string_view key, RevisionRow& row) {
  return take_bar_key(key, row.key) && take(key, row.bar.generation) && take(key, row.bar.revision) && key.empty();
}

bool parse_revision_value(std::string_view value, RevisionRow& row) {
  const std::int64_t generation = row.bar.generation;
  const std::int32_t revision = row.bar.revision;
  return decode_bar(value, row.bar).has_value() && row.bar.generation == generation && row.bar.revision == revision;
}

void set_span_key(const SpanRow& row, std::string& out) {
  set_partition_key(row.partition, out);
  append_log_id(out, row.log_id);
  append(out, row.offset);
  append(out, row.index);
}

void set_span_value(const SpanRow& row, std::string& out) {
  static_assert(static_cast<int>(avro::SpanKind::kUnsubscribed) == static_cast<int>(SpanRow::Kind::kUnsubscribed));
  out.clear();
  avro::encode(avro::StoredSpan{.kind = static_cast<avro::SpanKind>(row.kind),
                                .symbol = row.symbol,
                                .from = row.from_ms,
                                .to = row.to_ms,
                                .reason = row.reason},
               out);
}

bool parse_span(std::string_view key, std::string_view value, SpanRow& row) {
  avro::StoredSpan span;
  if (!take(key, row.partition) || !take_log_id(key, row.log_id) || !take(key, row.offset) || !take(key, row.index) ||
      !key.empty() || !avro::decode(std::as_bytes(std::span(value)), span))
    return false;
  row.kind = static_cast<SpanRow::Kind>(span.kind);
  row.symbol = span.symbol;
  row.from_ms = span.from;
  row.to_ms = span.to;
  row.reason = span.reason;
  return true;
}

void set_void_key(const VoidRow& row, std::string& out) {
  set_partition_key(row.partition, out);
  append_log_id(out, row.log_id);
  append(out, row.offset);
}

void set_void_value(const VoidRow& row, std::string& out) {
  static_assert(static_cast<int>(avro::VoidAction::kUnvoid) == static_cast<int>(VoidRow::Action::kUnvoid));
  out.clear();
  avro::encode(avro::StoredVoid{.action = static_cast<avro::VoidAction>(row.action),
                                .symbol = row.symbol,
                                .event_time = row.event_time_ms,
                                .seq = row.seq,
                                .reason = row.reason,
                                .at = row.at_ns},
               out);
}

bool parse_void(std::string_view key, std::string_view value, VoidRow& row) {
  avro::StoredVoid stored;
  if (!take(key, row.partition) || !take_log_id(key, row.log_id) || !take(key, row.offset) || !key.empty() ||
      !avro::decode(std::as_bytes(std::span(value)), stored))
    return false;
  row.action = static_cast<VoidRow::Action>(stored.action);
  row.symbol = stored.symbol;
  row.event_time_ms = stored.event_time;
  row.seq = stored.seq;
  row.reason = stored.reason;
  row.at_ns = stored.at;
  return true;
}

void set_partition_key(std::int32_t partition, std::string& out) {
  out.clear();
  append(out, partition);
}

void set_checkpoint_value(const CheckpointRow& row, std::string& out) {
  out.clear();
  append(out, row.generation);
  append(out, row.offset);
  out += row.body;
}

bool parse_checkpoint(std::string_view key, std::string_view value, CheckpointRow& row) {
  if (!take(key, row.partition) || !key.empty() || !take(value, row.generation) || !take(value, row.offset))
    return false;
  row.body = value;
  return true;
}

void set_symbol_value(std::int32_t partition, std::string& out) {
  out.clear();
  append(out, partition);
}

bool parse_symbol(std::string_view key, std::string_view value, SymbolRow& row) {
  row.symbol = key;
  return take(value, row.partition) && value.empty();
}

void set_policy_value(const PolicyRow& row, std::string& out) {
  out.clear();
  append(out, static_cast<std::int32_t>(row.market.size()));
  out += row.market;
  out += row.text;
}

bool parse_policy(std::string_view key, std::string_view value, PolicyRow& row) {
  std::int32_t market_bytes = 0;
  if (!take(value, market_bytes) || market_bytes < 0 || static_cast<std::size_t>(market_bytes) > value.size())
    return false;
  row.hash = key;
  row.market = value.substr(0, static_cast<std::size_t>(market_bytes));
  row.text = value.substr(static_cast<std::size_t>(market_bytes));
  return true;
}

std::string_view rank_of(std::string_view value) { return value.substr(0, kRankBytes); }

}  // namespace finpipe::rows
