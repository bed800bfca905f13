// A symbol that the vendor refuses is a gap of that symbol, from when it was asked for until it is delivered; a symbol
// that is merely quiet is none.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/clock.h"
#include "codec/policy_file.h"
#include "pipeline/ingest.h"
#include "pipeline_run.h"

namespace finpipe {
namespace {

constexpr std::int64_t kStartNs = 1'700'000'000 * kNsPerSecond;

// Gives what the test put into it.
class ScriptedFeed final : public Feed {
 public:
  std::string_view origin() const override { return "vendor"; }
  std::string_view source_id() const override { return ""; }
  bool live() const override { return true; }
  std::optional<double> progress() const override { return std::nullopt; }
  Result<FeedBatch> poll(std::size_t) override {
    frames_ = std::move(next_frames);
    events_ = std::move(next_events);
    next_frames.clear(), next_events.clear();
    return FeedBatch{.frames = frames_, .end = false, .events = events_};
  }

  std::vector<FeedFrame> next_frames;
  std::vector<FeedEvent> next_events;

 private:
  std::vector<FeedFrame> frames_;
  std::vector<FeedEvent> events_;
};

class RefusedSymbol : public testing::Test {
 protected:
  void SetUp() override {
    IngestOptions options;
    options.policies = bundled_policies().value();
    options.clock = &session_clock_;
    letters_ = run_.log.dead_letters();
    reader_ = run_.reader();
    ingest_.emplace(feed_, *reader_, *run_.writer, *letters_, options);
    ASSERT_TRUE(ingest_->start());
    subscribe();
  }

  void subscribe() {
    feed_.next_events.push_back(
        {.kind = FeedEvent::Kind::kSubscribed, .at_ns = now(), .symbols = {"BINANCE:A", "BINANCE:B"}, .detail = ""});
    step(10);
  }
  void disconnect() {
    feed_.next_events.push_back({.kind = FeedEvent::Kind::kDisconnected, .at_ns = now(), .symbols = {}, .detail = ""});
    step(10);
  }
  void refuse(const std::string& symbol) {
    feed_.next_events.push_back(
        {.kind = FeedEvent::Kind::kRefused, .at_ns = now(), .symbols = {symbol}, .detail = "Invalid symbol " + symbol});
    step(10);
  }
  void trade(const std::string& symbol) {
    frame_ = R"({"data":[{"c":null,"p":1,"s":")" + symbol + R"(","t":)" + std::to_string(now() / kNsPerMs) +
             R"(,"v":1}],"type":"trade"})";
    feed_.next_frames.push_back({.bytes = frame_, .received_ns = now(), .damage = std::nullopt});
    step(10);
  }
  void step(std::int64_t ms) {
    const auto stepped = ingest_->step();
    ASSERT_TRUE(stepped) << stepped.error().message();
    clock_.advance_ns(ms * kNsPerMs);
  }
  void wait(std::int64_t ms) {
    for (std::int64_t waited = 0; waited < ms; waited += 100) step(100);
  }
  std::int64_t now() { return session_clock_.now_ns(); }
  std::int64_t ms() { return now() / kNsPerMs; }

  // Gaps of one symbol only, from the store.
  std::vector<SpanRow> gaps() {
    run_.process();
    const VerifyReport report = run_.verify();
    EXPECT_EQ(report.differences, 0) << text_of(report);
    std::vector<SpanRow> rows = run_.store.spans().value();
    std::erase_if(rows, [](const SpanRow& row) { return row.kind != SpanRow::Kind::kGap || row.symbol.empty(); });
    return rows;
  }

  MemoryRun run_{2};
  ManualClock clock_{kStartNs};
  SessionClock session_clock_{clock_};
  ScriptedFeed feed_;
  std::string frame_;
  std::unique_ptr<DeadLetters> letters_;
  std::unique_ptr<LogReader> reader_;
  std::optional<Ingest> ingest_;
};

TEST_F(RefusedSymbol, AQuietSymbolIsNoGap) {
  trade("BINANCE:A");
  wait(5'000);
  trade("BINANCE:A");
  EXPECT_TRUE(gaps().empty());
}

TEST_F(RefusedSymbol, IsAGapUntilItIsDelivered) {
  const std::int64_t asked_ms = ms();
  refuse("BINANCE:B");
  trade("BINANCE:A");
  wait(3'000);
  trade("BINANCE:A");
  const std::vector<SpanRow> first = gaps();
  ASSERT_EQ(first.size(), 1U) << "said at once, as far as it is known";
  EXPECT_EQ(first[0].symbol, "BINANCE:B");
  EXPECT_LE(first[0].from_ms, asked_ms);
  EXPECT_NE(first[0].reason.find("Invalid symbol"), std::string::npos) << first[0].reason;

  disconnect();
  wait(1'000);
  subscribe();
  const std::int64_t again_ms = ms();
  trade("BINANCE:A");
  wait(3'000);
  trade("BINANCE:B");
  const std::vector<SpanRow> second = gaps();
  ASSERT_EQ(second.size(), 2U);
  const SpanRow& whole = *std::ranges::max_element(second, {}, &SpanRow::to_ms);
  EXPECT_EQ(whole.symbol, "BINANCE:B");
  EXPECT_EQ(whole.from_ms, first[0].from_ms);
  EXPECT_GE(whole.to_ms, again_ms);
  EXPECT_LT(whole.to_ms, again_ms + 2'000);
  const auto stored = run_.store.symbols().value();
  ASSERT_EQ(stored.size(), 2U);
}

TEST_F(RefusedSymbol, RefusedLateIsAGapSinceItWasAskedFor) {
  const std::int64_t asked_ms = ms();
  trade("BINANCE:A");
  wait(5'000);
  trade("BINANCE:A");
  refuse("BINANCE:B");
  wait(1'000);
  const std::vector<SpanRow> rows = gaps();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_LE(rows[0].from_ms, asked_ms);
  EXPECT_GE(rows[0].to_ms, asked_ms + 5'000);
}

TEST_F(RefusedSymbol, WhatWasDeliveredBeforeIsNoPartOfIt) {
  wait(2'000);
  trade("BINANCE:B");
  wait(60'000);
  trade("BINANCE:A");
  const std::int64_t refused_ms = ms();
  refuse("BINANCE:B");
  wait(1'000);
  const std::vector<SpanRow> rows = gaps();
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_GT(rows[0].from_ms, refused_ms - 5'000);
}

TEST_F(RefusedSymbol, RefusedAgainStaysTheSameGap) {
  refuse("BINANCE:B");
  trade("BINANCE:A");
  wait(2'000);
  disconnect();
  subscribe();
  refuse("BINANCE:B");
  trade("BINANCE:A");
  wait(2'000);
  std::vector<SpanRow> rows = gaps();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].from_ms, rows[1].from_ms);
}

}  // namespace
}  // namespace finpipe
