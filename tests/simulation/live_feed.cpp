#include "live_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "bars/span_set.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/time.h"
#include "codec/policy_file.h"
#include "logs/memory_log.h"
#include "pipeline/ingest.h"
#include "pipeline/processor.h"
#include "pipeline/recent_trades.h"
#include "pipeline/verify.h"
#include "stores/memory_store.h"

namespace finpipe::simulation {
namespace {

constexpr std::int64_t kStartMs = 1'785'000'000'000;
constexpr std::int64_t kStepMs = 50;
constexpr std::int64_t kRunMs = 8 * kMsPerMinute;
constexpr std::int64_t kPingMs = 5 * kMsPerSecond;

struct VendorTrade {
  std::size_t symbol;
  std::int64_t event_ms;
  std::int64_t price;  // a number of its own: tells which trade it is
};

struct Sent {
  std::int64_t at_ms;                // true time at which it reaches the host
  std::optional<VendorTrade> trade;  // nullopt: a ping
};

// Trades happen, and leave the vendor some time later, nearly in the order in which they happened.
class Vendor {
 public:
  Vendor(Random& random, std::size_t symbols) : random_(random) {
    for (std::size_t i = 0; i < symbols; ++i) next_ms_.push_back(kStartMs);
    base_delay_ms_ = random.between(10, 2'000);
  }

  // All that leaves before `now_ms`, in order.
  std::vector<Sent> leave_until(std::int64_t now_ms, bool may_change) {
    if (may_change && random_.chance(0.002)) base_delay_ms_ = random_.between(10, random_.chance(0.2) ? 40'000 : 2'000);
    for (std::size_t i = 0; i < next_ms_.size(); ++i) {
      while (next_ms_[i] < now_ms) {
        const VendorTrade trade{i, next_ms_[i], static_cast<std::int64_t>(trades_.size()) + 1};
        trades_.push_back(trade);
        // What became faster does not overtake what happened before.
        newest_ms_ = std::max(newest_ms_, trade.event_ms + base_delay_ms_);
        waiting_.emplace(newest_ms_ + random_.between(0, 60), trade);
        next_ms_[i] += random_.between(5, 400);
      }
    }
    std::vector<Sent> left;
    while (!waiting_.empty() && waiting_.begin()->first < now_ms) {
      left.push_back({waiting_.begin()->first, waiting_.begin()->second});
      waiting_.erase(waiting_.begin());
    }
    if (now_ms >= next_ping_ms_) {
      next_ping_ms_ = now_ms + kPingMs;
      left.push_back({now_ms, std::nullopt});
    }
    return left;
  }
  [[nodiscard]] const std::vector<VendorTrade>& trades() const { return trades_; }

 private:
  Random& random_;
  std::vector<std::int64_t> next_ms_;
  std::int64_t base_delay_ms_;
  std::int64_t newest_ms_ = 0;
  std::int64_t next_ping_ms_ = kStartMs;
  std::multimap<std::int64_t, VendorTrade> waiting_;
  std::vector<VendorTrade> trades_;
};

std::string name_of(std::size_t symbol) { return fmt::format("BINANCE:S{}", symbol); }

// What the process has of its connection; told what happens by the world.
class WorldFeed final : public Feed {
 public:
  explicit WorldFeed(SessionClock& clock) : clock_(clock) {}

  [[nodiscard]] std::string_view origin() const override { return "vendor"; }
  [[nodiscard]] std::string_view source_id() const override { return ""; }
  [[nodiscard]] bool live() const override { return true; }
  [[nodiscard]] std::optional<double> progress() const override { return std::nullopt; }

  void receive(const std::optional<VendorTrade>& trade) {
    texts_.push_back(trade ? fmt::format(R"({{"data":[{{"c":null,"p":{},"s":"{}","t":{},"v":1}}],"type":"trade"}})",
                                         trade->price, name_of(trade->symbol), trade->event_ms)
                           : R"({"type":"ping"})");
    stamps_.push_back(clock_.now_ns());
  }
  void tell(FeedEvent::Kind kind, std::vector<std::string> symbols, std::string detail) {
    events_.push_back({kind, texts_.size(), clock_.now_ns(), std::move(symbols), std::move(detail)});
  }

  [[nodiscard]] Result<FeedBatch> poll(std::size_t /*max_frames*/) override {
    told_texts_ = std::exchange(texts_, {});
    told_events_ = std::exchange(events_, {});
    frames_.clear();
    for (std::size_t i = 0; i < told_texts_.size(); ++i) {
      frames_.push_back({.bytes = told_texts_[i], .received_ns = stamps_[i], .position = ++position_, .damage = {}});
    }
    stamps_.clear();
    return FeedBatch{frames_, false, told_events_, clock_.now_ns()};
  }

 private:
  SessionClock& clock_;
  std::int64_t position_ = 0;
  std::vector<std::string> texts_, told_texts_;
  std::vector<std::int64_t> stamps_;
  std::vector<FeedEvent> events_, told_events_;
  std::vector<FeedFrame> frames_;
};

class World {
 public:
  explicit World(std::uint64_t seed)
      : random_(seed),
        symbols_(static_cast<std::size_t>(random_.between(1, 4))),
        partitions_(static_cast<std::int32_t>(random_.between(1, 3))),
        vendor_(random_, symbols_),
        host_(kStartMs * kNsPerMs + random_.between(-2'500, 2'500) * kNsPerMs),
        log_(partitions_, LogId{std::byte{1}}) {}

  LiveFeedResult run() {
    if (auto fault = live()) return result(fault);
    return result(judge());
  }

 private:
  using Fault = std::optional<std::string>;

  LiveFeedResult result(Fault fault) {
    result_.fault = std::move(fault);
    return result_;
  }

  // ---- The run
  Fault live() {
    if (auto fault = start_process()) return fault;
    for (now_ms_ = kStartMs; now_ms_ < kStartMs + kRunMs; now_ms_ += kStepMs) {
      host_.advance_ns(kStepMs * kNsPerMs);
      const bool calm = now_ms_ < kStartMs + 2 * kMsPerSecond || now_ms_ > kStartMs + kRunMs - 90 * kMsPerSecond;
      deliver();
      if (auto fault = connection(calm)) return fault;
      if (!calm && random_.chance(0.0004)) host_.step_wall_ns(random_.between(-5'000, 5'000) * kNsPerMs);
      if (ingest_ && !calm && random_.chance(0.0008)) {
        kill();
        continue;
      }
      if (!ingest_ && now_ms_ >= restart_ms_) {
        if (auto fault = start_process()) return fault;
      }
      if (!ingest_) continue;
      remember_ends();
      const auto stepped = ingest_->step();
      if (!stepped) return stepped.error().message();
    }
    const auto stopped = ingest_->stop();
    return stopped ? Fault() : stopped.error().message();
  }

  Fault start_process() {
    received_ = 0;
    clock_ = std::make_unique<SessionClock>(host_);
    feed_ = std::make_unique<WorldFeed>(*clock_);
    reader_ = log_.reader(all_partitions());
    writer_ = log_.writer(std::size_t{1} << 24);
    letters_ = log_.dead_letters();
    IngestOptions options;
    options.policies = bundled_policies().value();
    options.clock = clock_.get();
    for (std::size_t i = 0; i < symbols_; ++i) options.symbols.push_back(name_of(i));
    ingest_ = std::make_unique<Ingest>(*feed_, *reader_, *writer_, *letters_, std::move(options));
    connect_ms_ = now_ms_ + random_.between(20, 4'000);
    const auto started = ingest_->start();
    return started ? Fault() : started.error().message();
  }

  void remember_ends() {
    ends_.clear();
    for (std::int32_t p = 0; p < partitions_; ++p) ends_.push_back(reader_->range(p)->end);
  }

  // What was written last may be lost, in each partition as it happens.
  void kill() {
    ++result_.outages;
    for (std::int32_t p = 0; p < partitions_; ++p) {
      log_.drop_tail(p, random_.between(ends_[static_cast<std::size_t>(p)], reader_->range(p)->end));
    }
    ingest_.reset();
    writer_.reset();
    reader_.reset();
    feed_.reset();
    drop_connection();
    restart_ms_ = now_ms_ + random_.between(100, 40'000);
  }

  void drop_connection() {
    connected_ = subscribed_ = false;
    on_its_way_.clear();
  }

  Fault connection(bool calm) {
    if (!feed_) return std::nullopt;
    if (!connected_) {
      if (notice_ms_ != 0 && now_ms_ >= notice_ms_) {
        notice_ms_ = 0;
        feed_->tell(stalled_ ? FeedEvent::Kind::kStalled : FeedEvent::Kind::kDisconnected, {},
                    stalled_ ? "no data" : "reset");
        connect_ms_ = now_ms_ + random_.between(20, 15'000);
      }
      if (notice_ms_ == 0 && now_ms_ >= connect_ms_) open_connection();
      return std::nullopt;
    }
    if (!subscribed_ && now_ms_ >= heard_ms_) {
      subscribed_ = true;
      if (random_.chance(0.1)) {
        refused_ = random_.below(symbols_);
        feed_->tell(FeedEvent::Kind::kRefused, {name_of(*refused_)}, "Invalid symbol " + name_of(*refused_));
      }
    }
    if (!calm && random_.chance(0.003)) {
      ++result_.outages;
      drop_connection();
      stalled_ = random_.chance(0.3);
      notice_ms_ = now_ms_ + (stalled_ ? random_.between(5'000, 40'000) : random_.between(0, 200));
    }
    return std::nullopt;
  }

  void open_connection() {
    connected_ = true;
    refused_.reset();
    heard_ms_ = now_ms_ + random_.between(0, 400);
    latency_ms_ = random_.between(1, 150);
    std::vector<std::string> names;
    for (std::size_t i = 0; i < symbols_; ++i) names.push_back(name_of(i));
    feed_->tell(FeedEvent::Kind::kSubscribed, std::move(names), "");
  }

  void deliver() {
    // A vendor that becomes slow before an ingest has seen how fast it is cannot be told from one with nothing to send.
    for (Sent& sent :
         vendor_.leave_until(now_ms_, received_ > 2 * static_cast<std::int64_t>(RecentTrades::kBusyTrades))) {
      if (!connected_ || (sent.trade && (!subscribed_ || sent.trade->symbol == refused_))) continue;
      sent.at_ms = now_ms_ + latency_ms_;
      on_its_way_.push_back(sent);
    }
    for (; !on_its_way_.empty() && on_its_way_.front().at_ms <= now_ms_; on_its_way_.pop_front()) {
      feed_->receive(on_its_way_.front().trade);
      if (on_its_way_.front().trade) ++received_;
    }
  }

  [[nodiscard]] std::vector<std::int32_t> all_partitions() const {
    std::vector<std::int32_t> all;
    for (std::int32_t p = 0; p < partitions_; ++p) all.push_back(p);
    return all;
  }

  // ---- The oracle
  Fault judge() {
    MemoryStore store;
    const auto reader = log_.reader(all_partitions());
    const auto letters = log_.dead_letters();
    ManualClock clock(0);
    Processor processor(*reader, store, *letters, clock);
    for (bool done = false; !done;) {
      if (const auto stepped = processor.step(); !stepped) return stepped.error().message();
      done = *processor.caught_up();
    }
    for (bool done = false; !done;) done = *processor.finish();
    if (auto fault = judge_trades(store)) return fault;
    const auto verify_reader = log_.reader(all_partitions());
    const auto report = verify(store, *verify_reader, *log_.dead_letter_query());
    if (!report) return report.error().message();
    if (!report->first.empty()) return "verify: " + report->first.front().what;
    return std::nullopt;
  }

  Fault judge_trades(MemoryStore& store) {
    std::map<std::size_t, std::set<std::int64_t>> stored;  // prices by symbol
    for (std::size_t i = 0; i < symbols_; ++i) {
      (void)store.ticks({name_of(i)},
                        [&](const Tick& tick) { return stored[i].insert(tick.trade.price_e9 / 1'000'000'000).second; });
    }
    for (std::size_t i = 0; i < symbols_; ++i) {
      if (auto fault = judge_symbol(store, i, stored[i])) return fault;
    }
    return std::nullopt;
  }

  Fault judge_symbol(MemoryStore& store, std::size_t symbol, const std::set<std::int64_t>& stored) {
    const std::string name = name_of(symbol);
    const std::int32_t partition = partition_of(name, partitions_);
    SpanSet absent;
    SpanSet gaps;
    const std::vector<SpanRow> rows = store.load_spans(partition).value();
    for (const SpanRow& row : rows) {
      if (!row.symbol.empty() && row.symbol != name) continue;
      absent.add({std::max<std::int64_t>(row.from_ms, 0), row.to_ms});
      if (row.kind == SpanRow::Kind::kGap) gaps.add({row.from_ms, row.to_ms});
    }
    // What is not over yet has no end.
    const auto checkpoint = decode_checkpoint(*store.load_checkpoint(partition).value()).value();
    if (const auto off = checkpoint.engine.trust.off_since.find(name); off != checkpoint.engine.trust.off_since.end()) {
      absent.add({std::max<std::int64_t>(off->second, 0), kEndOfTime});
    }
    if (const auto since_ms = checkpoint.engine.trust.silent_since_ms) absent.add({*since_ms, kEndOfTime});
    const std::int64_t end_ms = kStartMs + kRunMs - 45 * kMsPerSecond;  // later ones may still be on their way
    std::map<std::pair<std::size_t, std::int64_t>, std::int64_t> lacking;
    const MarketPolicy policy;
    for (const VendorTrade& trade : vendor_.trades()) {
      if (trade.symbol != symbol || trade.event_ms >= end_ms) continue;
      ++result_.sent;
      if (stored.contains(trade.price)) continue;
      ++result_.lost;
      if (absent.clipped({trade.event_ms, trade.event_ms + 1}).empty()) {
        return fmt::format("{} trade {} at {} is neither stored nor in a gap", name, trade.price,
                           format_time_ms(trade.event_ms));
      }
      for (const Interval interval : kIntervals) {
        ++lacking[{index_of(interval), policy.window_of(interval, trade.event_ms).start_ms}];
      }
    }
    for (const auto& [key, count] : lacking) {
      Fault fault;
      (void)store.bars({name, kIntervals[key.first], key.second, key.second}, [&](const BarRow& row) {
        if (row.bar.missing_ms == 0 && !row.bar.partial) {
          fault = fmt::format("{} {} bar at {} lacks {} trades without a flag", name, kIntervalNames[key.first],
                              format_time_ms(key.second), count);
        }
        return true;
      });
      if (fault) return fault;
    }
    // Gaps that cover everything would be right too, and useless.
    std::int64_t gap_ms = 0;
    const SpanSet of_run = gaps.clipped({kStartMs, kStartMs + kRunMs});
    for (const TimeSpan& span : of_run.spans()) gap_ms += span.to_ms - span.from_ms;
    if (gap_ms > (result_.outages + 1) * 2 * kMsPerMinute) return fmt::format("gaps of {} ms in all", gap_ms);
    return std::nullopt;
  }

  Random random_;
  std::size_t symbols_;
  std::int32_t partitions_;
  Vendor vendor_;
  ManualClock host_;
  MemoryLog log_;
  LiveFeedResult result_;
  std::int64_t now_ms_ = kStartMs;

  // The process; null while it is down.
  std::unique_ptr<SessionClock> clock_;
  std::unique_ptr<WorldFeed> feed_;
  std::unique_ptr<LogReader> reader_;
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<DeadLetters> letters_;
  std::unique_ptr<Ingest> ingest_;
  std::vector<std::int64_t> ends_;
  std::int64_t restart_ms_ = 0;
  std::int64_t received_ = 0;  // trades since it started

  // The connection.
  bool connected_ = false;
  bool subscribed_ = false;  // the vendor has heard
  bool stalled_ = false;
  std::int64_t connect_ms_ = 0;
  std::int64_t heard_ms_ = 0;
  std::int64_t notice_ms_ = 0;  // when the process notices that the connection is gone; 0: nothing to notice
  std::int64_t latency_ms_ = 0;
  std::optional<std::size_t> refused_;
  std::deque<Sent> on_its_way_;
};

}  // namespace

LiveFeedResult run_live_feed(std::uint64_t seed) { return World(seed).run(); }

}  // namespace finpipe::simulation
