#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "codec/policy_file.h"
#include "codec/records.h"
#include "kafka/measure.h"
#include "kafka/sides.h"
#include "pipeline/processor.h"
#include "stores/memory_store.h"

namespace finpipe::kafka_bench {
namespace {

constexpr std::int64_t kTradesPerPoll = 100;

void append(LogWriter& writer, std::int32_t partition, const LogRecord& record) {
  while (writer.append(partition, {&record, 1}) == LogWriter::Append::kFull) must(writer.poll());
}

// What an ingest writes before its first trade, as far as bars depend on it.
void begin_session(KafkaLog& log) {
  constexpr std::int64_t kStampNs = kStartMs * kNsPerMs;
  const std::vector<MarketPolicy> policies = must(bundled_policies());
  avro::Heartbeat beat{.ordinal = 1, .feed_since = kStartMs, .last_frame_at = kStampNs, .log_id = log.log_id()};
  std::vector<avro::FeedStatus> controls;
  const auto add = [&](auto body) {
    controls.push_back({.stamp = kStampNs, .writer = avro::Writer::kLive, .session = 1, .body = std::move(body)});
  };
  add(avro::SessionStarted{.id = 1, .origin = "tape", .start = kStampNs, .log_id = log.log_id()});
  for (const MarketPolicy& policy : policies) {
    add(avro::PolicyInForce{.market = policy.market, .hash = policy.hash, .text = policy.text});
    beat.lags.push_back({policy.market, kLagMs});
  }
  add(avro::Subscribed{});
  add(std::move(beat));
  for (const avro::FeedStatus& control : controls) {
    std::string value;
    encode_control(control, value);
    for (std::int32_t partition = 0; partition < log.partitions(); ++partition) {
      append(log.writer(), partition, {RecordType::kControl, std::nullopt, value});
    }
  }
}

// Takes every commit and keeps none. No trade of the series needs a row of before.
class NoStore final : public Store {
 public:
  [[nodiscard]] Ticket submit(Commit /*commit*/) override { return ++submitted_; }
  [[nodiscard]] Result<Ticket> poll() override { return submitted_; }
  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t /*partition*/) override {
    return std::nullopt;
  }
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t /*partition*/) override { return {}; }
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> /*ranges*/) override { return {}; }
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t /*partition*/) override { return {}; }
  [[nodiscard]] Result<std::vector<VoidRow>> load_voids(std::int32_t /*partition*/) override { return {}; }
  [[nodiscard]] Result<void> load_ticks(const TickRange& /*range*/,
                                        const std::function<void(const Tick&)>& /*visit*/) override {
    return {};
  }
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view /*hash*/) override {
    return std::nullopt;
  }

 private:
  Ticket submitted_ = 0;
};

std::int64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib << 10;
  }
  return 0;
}

void consume_into(Store& store, const KafkaOptions& options) {
  const auto log = must(KafkaLog::open(options));
  const auto letters = log->dead_letters();
  const Stopwatch watch;
  const auto reader = log->reader();
  SystemClock clock;
  Processor processor(*reader, store, *letters, clock);
  while (must(processor.step()) > 0 || !must(processor.caught_up())) {
  }
  while (!must(processor.finish())) {
  }
  watch.print(processor.records_applied());
  std::int64_t stored = 0;
  for (const auto& [partition, processing] : processor.partitions()) {
    for (const auto& [session, row] : processing.checkpoint().ledger) stored += row.stored;
  }
  fmt::print("trades {}\npeak_mb {:.0f}\n", stored, static_cast<double>(peak_resident_bytes()) / 1e6);
}

}  // namespace

void produce_with_finpipe(const KafkaOptions& options, const Trades& trades, std::int64_t count) {
  const auto log = must(KafkaLog::open(options));
  LogWriter& writer = log->writer();
  begin_session(*log);
  while (writer.pending_bytes() > 0) must(writer.poll());
  std::int64_t bytes = 0;
  std::string value;
  const Stopwatch watch;
  for (std::int64_t i = 0; i < count; ++i) {
    const Trade trade = trades.at(i);
    value.clear();
    encode_trade(trade, value);
    append(writer, partition_of(trade.symbol, log->partitions()), {RecordType::kTrade, trade.symbol, value});
    bytes += static_cast<std::int64_t>(trade.symbol.size() + value.size());
    if (i % kTradesPerPoll == 0) must(writer.poll());
  }
  while (writer.pending_bytes() > 0) must(writer.poll());
  watch.print(count);
  fmt::print("bytes {}\n", bytes);
}

void consume_with_finpipe(const KafkaOptions& options) {
  MemoryStore store;
  consume_into(store, options);
}

void consume_with_finpipe_and_keep_nothing(const KafkaOptions& options) {
  NoStore store;
  consume_into(store, options);
}

}  // namespace finpipe::kafka_bench
