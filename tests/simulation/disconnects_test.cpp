// Five hundred interruptions of 3 s on real trades: a vendor plays the bundled tape twenty times over, with the 1.27 s
// by which the recorder's clock was behind; the connection state machine and the ingest live through it in virtual
// time. The oracle is what the vendor sent: a bar that lacks a trade must carry a flag, and a flag must have its
// reason.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bars/span_set.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/time.h"
#include "codec/finnhub_frame.h"
#include "codec/policy_file.h"
#include "feeds/connection.h"
#include "feeds/tape.h"
#include "logs/memory_log.h"
#include "pipeline/ingest.h"
#include "pipeline/processor.h"
#include "pipeline/verify.h"
#include "stores/memory_store.h"

namespace finpipe::simulation {
namespace {

constexpr std::int64_t kCopies = 20;
constexpr std::int64_t kCopyMs = 12 * kMsPerMinute;  // the tape is shorter
constexpr int kDisconnects = 500;
constexpr std::int64_t kAwayMs = 3'000;
constexpr std::int64_t kTickMs = 20;
constexpr std::int64_t kVendorPingMs = 30 * kMsPerSecond;
constexpr double kTimeScale = 0.5;  // of the connection's timers: attempts soon after the vendor is back

// ---- The vendor's trades -------------------------------------------------------------------------------------------

struct TapeFrame {
  std::int64_t received_ns;
  std::string text;
};

std::vector<TapeFrame> read_tape() {
  const auto tape = TapeFeed::open(FINPIPE_SOURCE_DIR "/data/binance.tape").value();
  std::vector<TapeFrame> frames;
  for (bool end = false; !end;) {
    const FeedBatch batch = tape->poll(1'000).value();
    for (const FeedFrame& frame : batch.frames) frames.push_back({frame.received_ns.value(), std::string(frame.bytes)});
    end = batch.end;
  }
  return frames;
}

// A copy that happens so much later. A key inside a JSON string could not look like this.
std::string shifted(std::string_view frame, std::int64_t later_ms) {
  constexpr std::string_view kTime = "\"t\":";
  std::string text;
  for (std::size_t at = 0;;) {
    const std::size_t found = frame.find(kTime, at);
    const std::size_t digits = found == std::string_view::npos ? frame.size() : found + kTime.size();
    text += frame.substr(at, digits - at);
    if (digits == frame.size()) return text;
    at = frame.find_first_not_of("0123456789", digits);
    text += fmt::to_string(std::stoll(std::string(frame.substr(digits, at - digits))) + later_ms);
  }
}

// All that is sent, frame by frame in order of receipt.
class Vendor {
 public:
  Vendor() : frames_(read_tape()) {}

  [[nodiscard]] std::int64_t begin_ns() const { return frames_.front().received_ns; }
  [[nodiscard]] bool done() const { return copy_ == kCopies; }
  // The next frame that reaches the host before `now_ns`; nullptr: not yet.
  const TapeFrame* next(std::int64_t now_ns) {
    if (done()) return nullptr;
    const std::int64_t later_ms = copy_ * kCopyMs;
    const TapeFrame& frame = frames_[next_];
    if (frame.received_ns + later_ms * kNsPerMs >= now_ns) return nullptr;
    sent_ = {frame.received_ns + later_ms * kNsPerMs, shifted(frame.text, later_ms)};
    if (++next_ == frames_.size()) next_ = 0, ++copy_;
    return &sent_;
  }

 private:
  std::vector<TapeFrame> frames_;
  std::int64_t copy_ = 0;
  std::size_t next_ = 0;
  TapeFrame sent_;
};

// ---- The process ---------------------------------------------------------------------------------------------------

class TwinFeed final : public Feed {
 public:
  [[nodiscard]] std::string_view origin() const override { return "vendor"; }
  [[nodiscard]] std::string_view source_id() const override { return ""; }
  [[nodiscard]] bool live() const override { return true; }
  [[nodiscard]] std::optional<double> progress() const override { return std::nullopt; }

  void receive(TapeFrame frame) { waiting_.push_back(std::move(frame)); }
  void tell(FeedEvent event) {
    event.before = waiting_.size();
    events_.push_back(std::move(event));
  }
  [[nodiscard]] Result<FeedBatch> poll(std::size_t /*max_frames*/) override {
    told_ = std::exchange(waiting_, {});
    told_events_ = std::exchange(events_, {});
    frames_.clear();
    for (const TapeFrame& frame : told_) {
      frames_.push_back({.bytes = frame.text, .received_ns = frame.received_ns, .position = ++position_, .damage = {}});
    }
    return FeedBatch{frames_, false, told_events_, std::nullopt};
  }

 private:
  std::int64_t position_ = 0;
  std::vector<TapeFrame> waiting_, told_;
  std::vector<FeedEvent> events_, told_events_;
  std::vector<FeedFrame> frames_;
};

class World {
 public:
  explicit World(std::uint64_t seed)
      : random_(seed),
        machine_random_(seed + 1),
        machine_({.symbols = {"BINANCE:BTCUSDT", "BINANCE:ETHUSDT"}, .timers = {}, .time_scale = kTimeScale},
                 machine_random_),
        host_(vendor_.begin_ns() - 5 * kNsPerSecond),
        clock_(host_),
        log_(2, LogId{std::byte{1}}) {
    const auto policies = bundled_policies().value();
    for (const MarketPolicy& policy : policies) {
      if (policy.market == "crypto") policy_ = policy;
    }
  }

  void run() {
    const auto reader = log_.reader({0, 1});
    const auto writer = log_.writer(std::size_t{1} << 24);
    const auto letters = log_.dead_letters();
    IngestOptions options;
    options.symbols = {"BINANCE:BTCUSDT", "BINANCE:ETHUSDT"};
    options.policies = bundled_policies().value();
    options.clock = &clock_;
    Ingest ingest(feed_, *reader, *writer, *letters, std::move(options));
    ASSERT_TRUE(ingest.start());
    machine_.start(now());
    const auto minute_later = [&] { return last_frame_ns_ + 60 * kNsPerSecond; };
    while (!vendor_.done() || now() < minute_later()) {
      host_.advance_ns(kTickMs * kNsPerMs);
      connection();
      deliver();
      ASSERT_TRUE(ingest.step());
    }
    ASSERT_TRUE(ingest.stop());
    ASSERT_EQ(disconnects_, kDisconnects);
    ASSERT_EQ(ingest.counts().dead_lettered, 0);
    judge();
  }

 private:
  enum class Link { kNone, kConnecting, kOpen };

  [[nodiscard]] std::int64_t now() { return clock_.now_ns(); }
  [[nodiscard]] static std::int64_t ms_of(std::int64_t time_ns) { return floor_div(time_ns, kNsPerMs); }

  // ---- The connection
  void connection() {
    if (machine_.next_deadline_ns() <= now()) machine_.tick(now());
    perform();
    if (link_ == Link::kConnecting && now() >= answer_ns_) {
      if (now() < back_ns_) {
        link_ = Link::kNone;
        machine_.ended(
            {.kind = net::ConnectionEnd::Kind::kNotConnected, .error = {ErrorCode::kConnectFailed, "refused"}}, now());
      } else {
        link_ = Link::kOpen;
        disconnect_ns_ = now() + random_.between(5'000, 35'000) * kNsPerMs;
        machine_.opened(now());
      }
      perform();
    }
    if (link_ == Link::kOpen && now() >= disconnect_ns_ && disconnects_ < kDisconnects && !vendor_.done()) {
      ++disconnects_;
      link_ = Link::kNone;
      back_ns_ = now() + kAwayMs * kNsPerMs;
      outages_.push_back({std::min(ms_of(last_delivered_ns_), newest_event_ms_), 0});
      machine_.ended(
          {.kind = net::ConnectionEnd::Kind::kLost, .error = {ErrorCode::kConnectionLost, "reset"}, .was_open = true},
          now());
      perform();
    }
  }

  void perform() {
    while (auto action = machine_.next_action()) {
      switch (action->kind) {
        case ConnectionAction::Kind::kConnect:
          ASSERT_EQ(link_, Link::kNone);
          link_ = Link::kConnecting;
          answer_ns_ = now() + random_.between(10, 200) * kNsPerMs;
          break;
        case ConnectionAction::Kind::kSend: heard_ns_ = now() + random_.between(1, 300) * kNsPerMs; break;
        case ConnectionAction::Kind::kPing: machine_.pong_received(now()); break;
        case ConnectionAction::Kind::kTell:
          if (action->event.kind == FeedEvent::Kind::kSubscribed) outages_.back().to_ms = ms_of(now());
          feed_.tell(std::move(action->event));
          break;
        case ConnectionAction::Kind::kDrop:
        case ConnectionAction::Kind::kClose: FAIL() << machine_.describe();
      }
    }
  }

  // ---- Frames
  void deliver() {
    if (link_ == Link::kOpen && now() >= next_ping_ns_) {
      next_ping_ns_ = now() + kVendorPingMs * kNsPerMs;
      feed_.receive({now(), R"({"type":"ping"})"});
      machine_.frame_received(now());
    }
    while (const TapeFrame* frame = vendor_.next(now())) {
      last_frame_ns_ = frame->received_ns;
      const bool arrives = link_ == Link::kOpen && frame->received_ns >= heard_ns_;
      const ParsedFrame& parsed = parser_.parse(frame->text);
      for (const Trade& trade : parsed.trades) {
        for (const Interval interval : kIntervals) {
          ++sent_[{std::string(trade.symbol), interval, policy_.window_of(interval, trade.event_time_ms).start_ms}];
        }
        earliest_ms_ = std::max(earliest_ms_, trade.event_time_ms - ms_of(frame->received_ns));
        ++trades_;
        if (arrives) newest_event_ms_ = std::max(newest_event_ms_, trade.event_time_ms);
        if (!arrives) ++lost_;
      }
      if (!arrives) continue;
      last_delivered_ns_ = frame->received_ns;
      feed_.receive(*frame);
      machine_.frame_received(now());
    }
  }

  // ---- The oracle
  void judge() {
    MemoryStore store;
    const auto reader = log_.reader({0, 1});
    const auto letters = log_.dead_letters();
    ManualClock clock(0);
    Processor processor(*reader, store, *letters, clock);
    for (bool done = false; !done;) {
      ASSERT_TRUE(processor.step());
      done = processor.caught_up().value();
    }
    for (bool done = false; !done;) done = processor.finish().value();

    // Where a gap may be: from a second before the last frame, or what it told last, to a second after the
    // subscription, later by as much as trades seem to come early and 2 s of the vendor's own delay.
    SpanSet widened;
    for (const TimeSpan& outage : outages_) {
      widened.add({outage.from_ms - 1'000, outage.to_ms + 1'000 + 2'000 + earliest_ms_});
    }
    std::size_t in_seconds[4] = {};  // by damaged, flagged
    for (const auto& [key, sent] : sent_) {
      std::optional<Bar> bar;
      ASSERT_TRUE(store.bars({key.symbol, key.interval, key.start_ms, key.start_ms}, [&](const BarRow& row) {
        bar = row.bar;
        return true;
      }));
      if (!bar) continue;  // none of its trades came: nothing is invented
      const bool damaged = bar->trades + bar->excluded < sent;
      const bool flagged = bar->missing_ms > 0 || bar->partial;
      const std::string name =
          fmt::format("{} {} {}", key.symbol, to_string(key.interval), format_time_ms(key.start_ms));
      ASSERT_LE(bar->trades + bar->excluded, sent) << name;
      ASSERT_TRUE(flagged || !damaged) << name << " lacks trades and seems complete";
      if (flagged && !damaged) {
        const TimeSpan span = policy_.span_of(key.interval, key.start_ms);
        ASSERT_FALSE(widened.clipped(span).empty()) << name << " is flagged for nothing";
      }
      if (key.interval == Interval::k1s) ++in_seconds[(damaged ? 2 : 0) + (flagged ? 1 : 0)];
    }
    const auto share = [&](std::size_t count) {
      return 100.0 * static_cast<double>(count) / static_cast<double>(in_seconds[0] + in_seconds[1] + in_seconds[3]);
    };
    fmt::print(
        "{} trades sent, {} lost in {} outages; of {} 1s bars {} lack trades and say so ({:.1f} %), {} are whole "
        "and flagged ({:.1f} %), {} are whole and say so ({:.1f} %)\n",
        trades_, lost_, disconnects_, in_seconds[0] + in_seconds[1] + in_seconds[3], in_seconds[3],
        share(in_seconds[3]), in_seconds[1], share(in_seconds[1]), in_seconds[0], share(in_seconds[0]));
    EXPECT_GT(in_seconds[3], 300U);
    EXPECT_GT(in_seconds[0], in_seconds[1]);
    const auto verify_reader = log_.reader({0, 1});
    const auto report = verify(store, *verify_reader, *log_.dead_letter_query());
    ASSERT_TRUE(report);
    EXPECT_TRUE(report->first.empty()) << report->first.front().what;
  }

  Random random_;
  Random machine_random_;
  Vendor vendor_;
  Connection machine_;
  ManualClock host_;
  SessionClock clock_;
  MemoryLog log_;
  TwinFeed feed_;
  FrameParser parser_;
  MarketPolicy policy_;

  Link link_ = Link::kNone;
  int disconnects_ = 0;
  std::int64_t answer_ns_ = 0;      // when the attempt under way is answered
  std::int64_t back_ns_ = 0;        // when the vendor is there again
  std::int64_t heard_ns_ = 0;       // when it has heard what is subscribed
  std::int64_t disconnect_ns_ = 0;  // when the open connection ends
  std::int64_t next_ping_ns_ = 0;
  std::int64_t last_frame_ns_ = 0;      // that was sent
  std::int64_t last_delivered_ns_ = 0;  // that was received
  std::int64_t newest_event_ms_ = 0;    // likewise
  std::int64_t earliest_ms_ = 0;        // most that a trade was stamped ahead of its receipt
  std::int64_t trades_ = 0;
  std::int64_t lost_ = 0;
  std::vector<TimeSpan> outages_ = {{0, 0}};  // from the last that was received to the subscription; the start first
  std::map<BarKey, std::int64_t> sent_;       // trades of each bar
};

TEST(Disconnects, EveryDamagedBarIsFlaggedAndFlagsLieWithinTheWidenedSpans) { World(1).run(); }

}  // namespace
}  // namespace finpipe::simulation
