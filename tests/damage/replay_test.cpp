// Dead letters are replayed into a log whose writers die after any record, whose dead writers' records still arrive,
// and where other replays come in between. Whatever happens, each mended trade is stored once, the account balances,
// and the bars are those of a log in which the trades had come late.
#include "pipeline/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <tuple>

#include "base/hash.h"
#include "base/random.h"
#include "base/time.h"
#include "codec/policy_file.h"
#include "codec/records.h"
#include "pipeline/checkpoint.h"
#include "pipeline_run.h"

namespace finpipe {
namespace {

constexpr std::int64_t kBeginNs = 1'700'000'000'000'000'000;
constexpr std::int64_t kStartMs = kBeginNs / kNsPerMs;
constexpr std::int64_t kReplayNs = kBeginNs + 3'600 * kNsPerSecond;  // when replays begin
constexpr std::int32_t kPartitions = 3;

struct Owned {
  RecordType type;
  std::optional<std::string> key;
  std::string value;
};

// What writers have sent and the log has not taken yet, by partition: it arrives in that order, whoever lives.
using Wire = std::vector<std::deque<Owned>>;

class World;

// Sends record by record. Its process dies once so many have arrived; what is still on the wire then may yet arrive, or
// not. Others may do something whenever it waits.
class MortalWriter final : public LogWriter {
 public:
  MortalWriter(World& world, std::int64_t dies_after) : world_(world), dies_after_(dies_after), wire_(kPartitions) {}

  [[nodiscard]] std::int32_t partitions() const override { return kPartitions; }
  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override {
    for (const LogRecord& record : records) {
      auto key = record.key ? std::optional<std::string>(*record.key) : std::nullopt;
      wire_[static_cast<std::size_t>(partition)].push_back({record.type, std::move(key), std::string(record.value)});
      ++pending_;
    }
    return Append::kAccepted;
  }
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override;
  [[nodiscard]] std::size_t pending_bytes() const override { return pending_; }

 private:
  World& world_;
  std::int64_t dies_after_;
  Wire wire_;
  std::size_t pending_ = 0;
  bool dead_ = false;
};

class World {
 public:
  explicit World(std::uint64_t seed) : random(seed), run(kPartitions), seed_(seed) {
    const auto bundled = bundled_policies();
    for (const MarketPolicy& policy : *bundled) policies.put(policy);
    for (std::int32_t p = 0; p < kPartitions; ++p) {
      control(p, kBeginNs, avro::SessionStarted{1, "vendor", "", kBeginNs, std::nullopt, run.log.log_id()});
      for (const MarketPolicy& policy : *bundled)
        control(p, kBeginNs, avro::PolicyInForce{policy.market, policy.hash, policy.text});
      control(p, kBeginNs, avro::Subscribed{});
    }
    for (int i = 0; i < 30; ++i) put_live(symbol(random.below(kSymbols)), i * 400, 50 + i);
    beat(60);
  }

  static constexpr std::uint64_t kSymbols = 7;
  static std::string symbol(std::uint64_t i) { return fmt::format("BINANCE:S{}USDT", i); }

  void control(std::int32_t partition, std::int64_t stamp_ns, decltype(avro::FeedStatus::body) body) {
    std::string value;
    encode_control({.stamp = stamp_ns, .writer = avro::Writer::kLive, .session = 1, .body = std::move(body)}, value);
    run.append(partition, {RecordType::kControl, std::nullopt, value});
  }
  // Closes what is due `s` seconds after the start.
  void beat(std::int64_t s) {
    for (std::int32_t p = 0; p < kPartitions; ++p) {
      avro::Heartbeat beat;
      const std::int64_t count = live_[p];
      beat.counters = {count, 0, count, 0};
      beat.log_id = run.log.log_id();
      beat.lags.push_back({"crypto", 1});
      control(p, kBeginNs + s * kNsPerSecond, std::move(beat));
    }
  }
  void put_live(const std::string& symbol, std::int64_t ms, std::int64_t price, std::int64_t seq = 0) {
    Trade trade;
    trade.symbol = symbol;
    trade.event_time_ms = kStartMs + ms;
    trade.price_e9 = price * 1'000'000'000;
    trade.volume_e8 = 100'000'000;
    trade.received_at_ns = kBeginNs + (ms + 1) * kNsPerMs;
    trade.seq = seq == 0 ? trade.received_at_ns : seq;
    trade.session = 1;
    put(trade);
    expected.insert(text(trade));
  }
  void put(const Trade& trade) {
    std::string value;
    encode_trade(trade, value);
    const std::int32_t p = partition_of(trade.symbol, kPartitions);
    run.append(p, {RecordType::kTrade, trade.symbol, value});
    ++live_[p];
  }

  // A letter whose mended bytes hold some trades of any symbols, two of which may be equal.
  void add_letter(std::size_t trades) {
    const auto number = static_cast<std::int64_t>(letters.size());
    DeadLetter letter;
    letter.id = fmt::format("vendor:1:{}:0:bad_price", number);
    letter.received_at_ns = kBeginNs + (12'000 + number) * kNsPerMs;
    letter.reason = ErrorCode::kBadPrice;
    std::string data;
    for (std::size_t i = 0; i < trades; ++i) {
      const std::string name = symbol(random.below(kSymbols));
      const std::int64_t ms = kStartMs + random.between(0, 12'000), price = random.between(40, 42);
      data += fmt::format(R"({}{{"p":{},"s":"{}","t":{},"v":1}})", data.empty() ? "" : ",", price, name, ms);
      Trade trade;
      trade.symbol = name;
      trade.event_time_ms = ms;
      trade.price_e9 = price * 1'000'000'000;
      trade.received_at_ns = letter.received_at_ns;
      expected.insert(text(trade));
    }
    letter.raw = fmt::format(R"({{"data":[{}],"type":"trade"}})", data);
    letters.push_back(std::move(letter));
  }

  static std::string text(const Trade& trade) {
    return fmt::format("{} {} {} received {}", trade.symbol, trade.event_time_ms, trade.price_e9, trade.received_at_ns);
  }

  // One process: replays these letters in this order, until it dies.
  Result<Replayer::Done> replay(std::span<const std::size_t> numbers, LogWriter& writer) {
    std::vector<WantedLetter> all;
    for (const std::size_t number : numbers) all.push_back(wanted(letters[number]));
    const auto reader = run.reader();
    ReplayLog log(*reader, all);
    FINPIPE_TRY(log.read_on());
    ManualClock clock(clock_ns += random.between(1, kNsPerMs));
    Replayer replayer(log, writer, clock);
    Replayer::Done sum;
    for (const std::size_t number : numbers) {
      if (log.is_replayed(letters[number].id)) continue;
      FINPIPE_TRY_ASSIGN(trades, trades_to_replay(letters[number], std::nullopt, log, policies));
      FINPIPE_TRY_ASSIGN(done, replayer.replay(letters[number].id, trades));
      sum.appended += done.appended;
      sum.already_in_log += done.already_in_log;
    }
    return sum;
  }
  Result<Replayer::Done> replay(std::initializer_list<std::size_t> numbers, std::int64_t dies_after = 1'000'000) {
    MortalWriter writer(*this, dies_after);
    return replay(std::span(numbers.begin(), numbers.size()), writer);
  }

  // Something that others do while a writer waits: a dead one's records arrive, or another replay runs.
  void meanwhile() {
    if (others_do_something) random_event();
  }
  void random_event() {
    if (random.chance(0.5)) arrive_late();
    if (depth_ < 2 && random.chance(0.15)) {
      ++depth_;
      random_replay();
      --depth_;
    }
  }
  void random_replay() {
    std::vector<std::size_t> numbers;
    for (std::size_t i = 0; i < letters.size(); ++i)
      if (random.chance(0.5)) numbers.push_back(i);
    for (std::size_t i = numbers.size(); i > 1; --i) std::swap(numbers[i - 1], numbers[random.below(i)]);
    MortalWriter writer(*this, random.chance(0.3) ? 1'000'000 : random.between(0, 40));
    const auto done = replay(numbers, writer);
    if (!done) {
      EXPECT_TRUE(done.error().code == ErrorCode::kInterrupted || done.error().code == ErrorCode::kNewerReplay)
          << done.error().message();
    }
  }
  void arrive_late() {
    if (in_flight.empty()) return;
    Wire& wire = in_flight[random.below(in_flight.size())];
    for (int i = 0; i < 3; ++i) (void)arrive(wire);
  }
  // One record, of any partition that has some.
  bool arrive(Wire& wire) {
    std::vector<std::size_t> some;
    for (std::size_t p = 0; p < wire.size(); ++p)
      if (!wire[p].empty()) some.push_back(p);
    if (some.empty()) return false;
    const std::size_t p = some[random.below(some.size())];
    const Owned record = std::move(wire[p].front());
    wire[p].pop_front();
    const auto key = record.key ? std::optional<std::string_view>(*record.key) : std::nullopt;
    run.append(static_cast<std::int32_t>(p), {record.type, key, record.value});
    return true;
  }

  std::vector<Tick> replayed_ticks() {
    std::vector<Tick> found;
    each_tick([&](const Tick& tick) {
      if (tick.trade.writer == Writer::kReplay) found.push_back(tick);
    });
    std::ranges::sort(found, {}, &Tick::offset);
    return found;
  }
  template <typename Visit>
  void each_tick(const Visit& visit) {
    for (std::uint64_t i = 0; i < kSymbols; ++i)
      EXPECT_TRUE(run.store.ticks({names_[i]}, [&](const Tick& tick) { return visit(tick), true; }));
  }

  std::int64_t refused_trades() {
    std::int64_t count = 0;
    EXPECT_TRUE(run.log.dead_letter_query()->dead_letters([&](const DeadLetter& letter) {
      count += std::int64_t{letter.reason == ErrorCode::kOldSession && decode_control(letter.raw).has_value() == false};
      return true;
    }));
    return count;
  }

  // Each trade stored once, the account right, and bars as if the trades had come late.
  void judge() {
    beat(90);  // gathered revisions close
    run.process();
    std::multiset<std::string> stored;
    each_tick([&](const Tick& tick) { stored.insert(text(tick.trade)); });
    EXPECT_EQ(stored, expected);
    const VerifyReport report = run.verify();
    EXPECT_EQ(report.differences, 0) << text_of(report);

    World late(seed_, replayed_ticks());
    EXPECT_EQ(bars(late.run.store), bars(run.store));
    MemoryStore again;
    process_all(*run.reader(), again, *run.log.dead_letters());
    EXPECT_EQ(bars(again), bars(run.store));
  }

  // The same live trades, and then these as late live ones.
  World(std::uint64_t seed, const std::vector<Tick>& late) : World(seed) {
    for (const Tick& tick : late) {
      Trade trade = tick.trade;
      trade.writer = Writer::kLive;
      trade.session = 1;
      put(trade);
    }
    beat(90);
    run.process();
  }
  static std::vector<BarRow> bars(Query& store) {
    std::vector<BarRow> rows;
    for (std::uint64_t i = 0; i < kSymbols; ++i) {
      for (const Interval interval : kIntervals) {
        EXPECT_TRUE(store.bars({symbol(i), interval}, [&](BarRow row) {
          row.bar.version = row.bar.applied_through = 0;  // control records have offsets too
          return rows.push_back(std::move(row)), true;
        }));
      }
    }
    return rows;
  }

  Random random;
  MemoryRun run;
  PolicySet policies;
  std::vector<DeadLetter> letters;
  std::multiset<std::string> expected;
  std::deque<Wire> in_flight;  // of dead writers
  std::int64_t clock_ns = kReplayNs;
  bool others_do_something = false;

 private:
  std::uint64_t seed_;  // which gives the same live trades again
  int depth_ = 0;
  std::map<std::int32_t, std::int64_t> live_;
  std::vector<std::string> names_ = [] {
    std::vector<std::string> names;
    for (std::uint64_t i = 0; i < kSymbols; ++i) names.push_back(symbol(i));
    return names;
  }();
};

Result<std::span<const LogWriter::Acknowledged>> MortalWriter::poll() {
  if (dead_) return fail(ErrorCode::kInterrupted);
  world_.meanwhile();
  while (pending_ > 0) {
    if (dies_after_-- <= 0) {
      dead_ = true;
      world_.in_flight.push_back(std::move(wire_));
      return fail(ErrorCode::kInterrupted);
    }
    (void)world_.arrive(wire_);
    --pending_;
    world_.meanwhile();
  }
  return std::span<const Acknowledged>();
}

// ---- Crashes -------------------------------------------------------------------------------------------------------

TEST(Replay, ACrashAfterAnyRecordLeavesEachTradeOnce) {
  enum class Rest : std::uint8_t { kLost, kArrivesFirst, kArrivesLast };
  for (const Rest rest : {Rest::kLost, Rest::kArrivesFirst, Rest::kArrivesLast}) {
    for (std::int64_t dies_after = 0;; ++dies_after) {
      SCOPED_TRACE(fmt::format("rest {}, dies after {}", static_cast<int>(rest), dies_after));
      World world(7);
      world.add_letter(6);
      world.add_letter(3);
      const bool survived = world.replay({0}, dies_after).has_value();
      world.run.process();
      if (rest == Rest::kArrivesFirst && !survived)
        while (world.arrive(world.in_flight[0])) {
        }
      EXPECT_TRUE(world.replay({1}));  // now the session that died is not the newest
      if (rest == Rest::kArrivesLast && !survived)
        while (world.arrive(world.in_flight[0])) {
        }
      const auto second = world.replay({0});
      ASSERT_TRUE(second) << second.error().message();
      EXPECT_EQ(world.replay({1, 0})->appended, 0U);
      world.judge();
      if (survived || HasFailure()) break;
    }
  }
}

TEST(Replay, AnyHistoryOfReplaysLeavesEachTradeOnce) {
  const char* fixed = std::getenv("FINPIPE_SEED");
  const std::uint64_t first = fixed == nullptr ? 1 : std::strtoull(fixed, nullptr, 10);
  for (std::uint64_t seed = first; seed < first + (fixed == nullptr ? 100 : 1); ++seed) {
    SCOPED_TRACE(fmt::format("FINPIPE_SEED={}", seed));
    World world(seed);
    const std::uint64_t letters = 1 + world.random.below(4);
    for (std::uint64_t i = 0; i < letters; ++i) world.add_letter(1 + world.random.below(5));
    world.others_do_something = true;
    for (std::uint64_t i = world.random.below(6); i > 0; --i) {
      world.random_event();
      world.random_replay();
      if (world.random.chance(0.3)) world.run.process();
    }
    world.others_do_something = false;
    for (std::size_t i = 0; i < world.letters.size(); ++i) {
      const auto done = world.replay({i});
      ASSERT_TRUE(done) << done.error().message();
    }
    while (!world.in_flight.empty()) {
      if (!world.arrive(world.in_flight.back())) world.in_flight.pop_back();
    }
    world.judge();
    if (HasFailure()) break;
  }
}

// ---- Rules ---------------------------------------------------------------------------------------------------------

// Something happens before what it sends for the n-th time.
class OvertakenWriter final : public LogWriter {
 public:
  OvertakenWriter(World& world, int at, std::function<void()> something)
      : inner_(world, 1'000'000), at_(at), something_(std::move(something)) {}

  [[nodiscard]] std::int32_t partitions() const override { return kPartitions; }
  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override {
    return inner_.append(partition, records);
  }
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override {
    if (polls_++ == at_) something_();
    return inner_.poll();
  }
  [[nodiscard]] std::size_t pending_bytes() const override { return inner_.pending_bytes(); }

 private:
  MortalWriter inner_;
  int at_, polls_ = 0;
  std::function<void()> something_;
};

TEST(Replay, OneThatAnotherOvertakesSaysSo) {
  for (const int at : {0, 1}) {  // before its session, before its trades
    World world(7);
    world.add_letter(4);
    world.add_letter(2);
    OvertakenWriter writer(world, at, [&] { EXPECT_TRUE(world.replay({1})); });
    const std::array<std::size_t, 1> first = {0};
    const auto refused = world.replay(first, writer);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kNewerReplay);
    EXPECT_EQ(world.replay({0})->appended, 4U);
    world.judge();
    // What was sent in vain is a dead letter; before its session, it knows better than to send.
    EXPECT_EQ(world.refused_trades(), at == 0 ? 0 : 4);
  }
}

TEST(Replay, LeavesAloneWhatHeartbeatsOfTheFeedSay) {
  World world(7);
  world.add_letter(4);
  EXPECT_TRUE(world.replay({0}));
  world.run.process();
  const auto checkpoint = decode_checkpoint(**world.run.store.load_checkpoint(0));
  EXPECT_EQ(checkpoint->heartbeat_at_ns, kBeginNs + 60 * kNsPerSecond);
}

// Both began when neither was in the log, by clocks that are behind it.
TEST(Replay, OfTwoWithTheSameNumberOneGoesOn) {
  World world(7);
  world.add_letter(4);
  world.add_letter(2);
  world.clock_ns += 3'600 * kNsPerSecond;
  EXPECT_TRUE(world.replay({1}));
  world.clock_ns = kReplayNs;
  const auto reader = world.run.reader();
  ReplayLog log(*reader, {wanted(world.letters[0])});
  ASSERT_TRUE(log.read_on());
  MortalWriter writer(world, 1'000'000);
  ManualClock clock(kReplayNs);
  Replayer second(log, writer, clock);
  OvertakenWriter first_writer(world, 1, [&] {
    auto trades = trades_to_replay(world.letters[0], std::nullopt, log, world.policies);
    const auto done = second.replay(world.letters[0].id, *trades);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kNewerReplay);
  });
  const std::array<std::size_t, 1> first = {0};
  EXPECT_TRUE(world.replay(first, first_writer));
  world.judge();
}

TEST(Replay, WhatAnEarlierOneBroughtMustBeInTheBytes) {
  World world(7);
  world.add_letter(6);
  EXPECT_FALSE(world.replay({0}, 5));  // its first trade is in
  DeadLetter& letter = world.letters[0];
  const std::string good = letter.raw;
  letter.raw =
      fmt::format(R"({{"data":[{{"p":77,"s":"{}","t":{},"v":1}}],"type":"trade"}})", world.symbol(0), kStartMs);
  const auto other = world.replay({0});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kReplayDiffers);
  letter.raw = good;
  EXPECT_EQ(world.replay({0})->already_in_log, 1U);
  world.judge();
}

// ---- What may be replayed ------------------------------------------------------------------------------------------

class Letters : public testing::Test {
 protected:
  // Of the record that was last put into partition 0.
  DeadLetter about_record(ErrorCode reason, std::string_view value) {
    DeadLetter letter;
    letter.id = "log:0:0";
    letter.received_at_ns = kBeginNs + 20 * kNsPerSecond;
    letter.reason = reason;
    letter.stage = DeadLetter::Stage::kProcess;
    letter.raw = value;
    letter.offset = world_.run.reader()->range(0)->end - 1;
    return letter;
  }
  DeadLetter put_record(RecordType type, ErrorCode reason, std::string_view value) {
    const auto key = type == RecordType::kTrade ? std::optional<std::string_view>("X") : std::nullopt;
    world_.run.append(0, {type, key, value});
    return about_record(reason, value);
  }
  DeadLetter frame_letter(std::string_view raw) {
    DeadLetter letter;
    letter.id = "vendor:1:9:0:bad_price";
    letter.received_at_ns = kBeginNs + 20 * kNsPerSecond;
    letter.reason = ErrorCode::kBadPrice;
    letter.raw = raw;
    return letter;
  }
  static std::string one(std::int64_t ms) { return fmt::format(R"({{"p":5,"s":"BINANCE:A","t":{},"v":1}})", ms); }
  // "" when it may, else the name of the reason.
  std::string verdict(const DeadLetter& letter, std::optional<std::string_view> mended = std::nullopt) {
    const auto reader = world_.run.reader();
    ReplayLog log(*reader, {wanted(letter)});
    EXPECT_TRUE(log.read_on());
    const auto trades = trades_to_replay(letter, mended, log, world_.policies);
    if (!trades) return std::string(error_info(trades.error().code).name);
    EXPECT_EQ(trades->all().front().received_at_ns, letter.received_at_ns);
    return "";
  }

  World world_{7};
};

TEST_F(Letters, MayHoldAFrameOrOneOfItsTrades) {
  EXPECT_EQ(verdict(frame_letter(one(kStartMs))), "");
  EXPECT_EQ(verdict(frame_letter("{}"), one(kStartMs) + "\n"), "");
  EXPECT_EQ(verdict(frame_letter(fmt::format(R"({{"data":[{}],"type":"trade"}})", one(kStartMs)))), "");
  EXPECT_EQ(verdict(frame_letter(R"({"p":-5,"s":"A","t":1700000000000,"v":1})")), "bad_price");
  EXPECT_EQ(verdict(frame_letter("{")), "bad_json");
  EXPECT_EQ(verdict(frame_letter(R"({"type":"ping"})")), "not_replayable");
  EXPECT_EQ(verdict(frame_letter(R"({"data":[],"type":"trade"})")), "not_replayable");
  const std::string half = fmt::format(R"({{"data":[{},{{}}],"type":"trade"}})", one(kStartMs));
  EXPECT_EQ(verdict(frame_letter(half)), "missing_field") << "all trades or none";
}

TEST_F(Letters, MayNotBeFurtherAheadThanAnIngestAccepts) {
  const std::int64_t ahead_ms = kStartMs + 20'000 + 15 * kMsPerMinute;
  // The heartbeat a minute after the start says that lags are 1 ms; before it they are not known.
  EXPECT_EQ(verdict(frame_letter(one(ahead_ms))), "");
  DeadLetter later = frame_letter(one(ahead_ms + 60'000));
  later.received_at_ns += 60 * kNsPerSecond;
  EXPECT_EQ(verdict(later), "time_in_future");
  EXPECT_EQ(verdict(frame_letter(one(1))), "time_too_old");
}

TEST_F(Letters, OfTheLogHoldTheRecord) {
  const std::string symbol = world_.symbol(0);
  Trade trade;
  trade.symbol = symbol;
  trade.event_time_ms = kStartMs;
  trade.received_at_ns = kBeginNs + 20 * kNsPerSecond;
  std::string value;
  encode_trade(trade, value);
  DeadLetter old = put_record(RecordType::kTrade, ErrorCode::kOldSession, value);
  EXPECT_EQ(verdict(old), "");
  EXPECT_EQ(verdict(old, one(kStartMs)), "");
  DeadLetter of_replay = old;
  of_replay.writer = Writer::kReplay;
  EXPECT_EQ(verdict(of_replay), "not_replayable") << "the letter that it came from can be";
  DeadLetter other = old;
  other.raw += "x";
  EXPECT_EQ(verdict(other), "not_replayable") << "another record has its place";
  EXPECT_EQ(verdict(put_record(RecordType::kTrade, ErrorCode::kAvroMalformed, one(kStartMs))), "")
      << "what somebody wrote as JSON";
  EXPECT_EQ(verdict(put_record(RecordType::kTrade, ErrorCode::kAvroMalformed,
                               std::string_view(value).substr(0, value.size() - 3))),
            "avro_malformed");
  EXPECT_EQ(verdict(put_record(RecordType::kTrade, ErrorCode::kUnknownSchemaId, value)), "not_replayable")
      << "a later finpipe reads it from the log";
  value.clear();
  encode_control({.stamp = kBeginNs, .writer = avro::Writer::kLive, .session = 0, .body = avro::Subscribed{}}, value);
  EXPECT_EQ(verdict(put_record(RecordType::kControl, ErrorCode::kOldSession, value), one(kStartMs)), "not_replayable");
}

TEST_F(Letters, FromBeforeWhatTheLogHasKeptAreLeft) {
  world_.run.log.truncate_before(1, 3);
  EXPECT_EQ(verdict(frame_letter(one(kStartMs))), "");
  const std::int64_t end = world_.run.reader()->range(1)->end;
  world_.run.log.truncate_before(1, end - 1);  // only the heartbeat after it
  EXPECT_EQ(verdict(frame_letter(one(kStartMs))), "not_replayable");
}

}  // namespace
}  // namespace finpipe
