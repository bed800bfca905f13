// The bundled tape as hosts with a wrong clock, or behind a slow vendor, would have received it: every final bar gets
// the same values, nothing is set aside, and hardly any bar is revised.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "codec/policy_file.h"
#include "feeds/tape.h"
#include "logs/memory_log.h"
#include "pipeline/ingest.h"
#include "pipeline/processor.h"
#include "stores/memory_store.h"

namespace finpipe {
namespace {

constexpr std::int32_t kPartitions = 2;
constexpr std::int64_t kFirstReceivedMs = 1'723'161'254'087;  // of the tape

// Frames of the tape, each received as much later as told.
class ShiftedTape final : public Feed {
 public:
  explicit ShiftedTape(std::int64_t later_ms)
      : tape_(TapeFeed::open(FINPIPE_SOURCE_DIR "/data/binance.tape").value()), later_ms_(later_ms) {}

  [[nodiscard]] std::string_view origin() const override { return tape_->origin(); }
  [[nodiscard]] std::string_view source_id() const override { return tape_->source_id(); }
  [[nodiscard]] std::optional<double> progress() const override { return tape_->progress(); }
  [[nodiscard]] Result<FeedBatch> poll(std::size_t max_frames) override {
    auto batch = tape_->poll(max_frames);
    if (!batch) return batch;
    frames_.assign(batch->frames.begin(), batch->frames.end());
    for (FeedFrame& frame : frames_) frame.received_ns = frame.received_ns.value() + later_ms_ * kNsPerMs;
    batch->frames = frames_;
    return batch;
  }

 private:
  std::unique_ptr<TapeFeed> tape_;
  std::int64_t later_ms_;
  std::vector<FeedFrame> frames_;
};

struct Outcome {
  std::int64_t received = 0;
  std::int64_t dead_letters = 0;
  std::int64_t suspects = 0;
  std::map<BarKey, Bar> bars;
  std::size_t closed = 0;   // bars that are final or revised
  std::size_t revised = 0;  // bars that were revised, later than a minute after the tape began
};

void drain(MemoryLog& log, MemoryStore& store) {
  ManualClock clock(0);
  const auto reader = log.reader({0, 1});
  const auto letters = log.dead_letters();
  Processor processor(*reader, store, *letters, clock);
  for (bool done = false; !done;) {
    ASSERT_TRUE(processor.step());
    done = processor.caught_up().value();
  }
  for (bool done = false; !done;) done = processor.finish().value();
}

Outcome play(std::int64_t later_ms) {
  MemoryLog log(kPartitions, LogId{std::byte{1}});
  ShiftedTape feed(later_ms);
  const auto reader = log.reader({0, 1});
  const auto writer = log.writer(1 << 20);
  const auto letters = log.dead_letters();
  IngestOptions options;
  options.policies = bundled_policies().value();
  Ingest ingest(feed, *reader, *writer, *letters, options);
  EXPECT_TRUE(ingest.start());
  for (bool more = true; more;) more = ingest.step().value();
  MemoryStore store;
  drain(log, store);

  Outcome outcome;
  outcome.received = ingest.counts().received;
  outcome.suspects = ingest.counts().suspects;
  EXPECT_TRUE(log.dead_letter_query()->dead_letters([&](const DeadLetter&) { return ++outcome.dead_letters > 0; }));
  const std::int64_t first_minute_ns = (kFirstReceivedMs + later_ms + kMsPerMinute) * kNsPerMs;
  const std::vector<SymbolRow> symbols = store.symbols().value();
  for (const SymbolRow& symbol : symbols) {
    for (const Interval interval : kIntervals) {
      EXPECT_TRUE(store.bars({symbol.symbol, interval}, [&](const BarRow& row) {
        outcome.closed += row.bar.state == BarState::kProvisional ? 0 : 1;
        return outcome.bars.emplace(row.key, row.bar).second;
      }));
      std::set<std::int64_t> revised;
      EXPECT_TRUE(store.revisions({symbol.symbol, interval}, [&](const RevisionRow& row) {
        if (row.bar.state == BarState::kRevised && row.bar.closed_at_ns > first_minute_ns) {
          revised.insert(row.key.start_ms);
        }
        return true;
      }));
      outcome.revised += revised.size();
    }
  }
  return outcome;
}

auto numbers_of(const Bar& bar) {
  return std::tuple(bar.open_e9(), bar.high_e9, bar.low_e9, bar.close_e9(), bar.volume_e8, bar.vwap_volume_e8,
                    bar.notional_e17, bar.trades, bar.excluded);
}

// The recorder's clock was about 1.27 s slow itself: shifts come on top.
TEST(Clocks, AWrongHostClockOrASlowVendorChangesNoFinalBar) {
  const Outcome recorded = play(0);
  EXPECT_EQ(recorded.received, 34'419);
  EXPECT_GT(recorded.closed, 1'000U);
  for (const std::int64_t later_ms :
       {std::int64_t{0}, -6 * kMsPerSecond, -5 * kMsPerSecond, 3 * kMsPerSecond, 40 * kMsPerMinute}) {
    SCOPED_TRACE(fmt::format("received {} ms later", later_ms));
    const Outcome outcome = play(later_ms);
    EXPECT_EQ(outcome.received, recorded.received);
    EXPECT_EQ(outcome.dead_letters, 0);
    EXPECT_EQ(outcome.suspects, recorded.suspects);
    EXPECT_EQ(outcome.bars.size(), recorded.bars.size());
    for (const auto& [key, bar] : outcome.bars) {
      const auto same = recorded.bars.find(key);
      ASSERT_NE(same, recorded.bars.end());
      ASSERT_EQ(numbers_of(bar), numbers_of(same->second))
          << to_string(key.interval) << " " << format_time_ms(key.start_ms);
    }
    EXPECT_GT(outcome.closed, recorded.closed * 95 / 100);
    EXPECT_LT(outcome.revised * 100, outcome.closed);
    RecordProperty(fmt::format("revised_{}_ms_later", later_ms), fmt::to_string(outcome.revised));
  }
}

}  // namespace
}  // namespace finpipe
