#include "codec/store_codec.h"

#include <gtest/gtest.h>

#include <limits>

namespace finpipe {
namespace {

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();
constexpr int128 kHighest128 = (((static_cast<int128>(1) << 126) - 1) << 1) + 1;

LogId some_log_id() {
  LogId id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(0xF8 + i);
  return id;
}

Bar full_bar() {
  Bar bar;
  bar.first = {-1, 2, 3};
  bar.last = {4, 5, -6};
  bar.first_if_alone = {7, 8, 9};
  bar.last_if_alone = {10, 11, 12};
  bar.high_e9 = 13;
  bar.low_e9 = 14;
  bar.has_high_low = true;
  bar.volume_e8 = 15;
  bar.vwap_volume_e8 = 16;
  bar.notional_e17 = 17;
  bar.trades = 18;
  bar.excluded = 19;
  bar.state = BarState::kFinal;
  bar.revision = 20;
  bar.reason = RevisionReason::kLate;
  bar.pending_reason = RevisionReason::kGap;
  bar.closed_at_ns = 21;
  bar.pending_deadline_ns = 22;
  bar.missing_ms = 23;
  bar.partial = true;
  bar.backfilled = true;
  bar.version = 24;
  bar.applied_through = 25;
  bar.generation = 26;
  bar.log_id = some_log_id();
  return bar;
}

Bar round_trip(const Bar& bar) {
  std::string bytes;
  encode_bar(bar, bytes);
  Bar read = full_bar();
  const auto done = decode_bar(bytes, read);
  EXPECT_TRUE(done) << done.error().message();
  return read;
}

TEST(StoreCodec, ABarComesBackWithEveryField) {
  EXPECT_EQ(round_trip(full_bar()), full_bar());
  EXPECT_EQ(round_trip(Bar{}), Bar{});
}

TEST(StoreCodec, TheLargestAndSmallestValuesOfABarComeBack) {
  Bar bar = full_bar();
  bar.first = {kLowest, kHighest, kLowest};
  bar.high_e9 = kHighest;
  bar.low_e9 = kLowest;
  bar.volume_e8 = kHighest128;
  bar.vwap_volume_e8 = -kHighest128 - 1;
  bar.notional_e17 = static_cast<int128>(kHighest) + 1;
  bar.trades = bar.version = bar.applied_through = bar.generation = bar.closed_at_ns = kHighest;
  bar.pending_deadline_ns = kLowest;
  bar.revision = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ(round_trip(bar), bar);
}

TEST(StoreCodec, EveryStateAndReasonOfABarComesBack) {
  for (int state = 0; state < 3; ++state) {
    for (int reason = 0; reason < 5; ++reason) {
      Bar bar;
      bar.state = static_cast<BarState>(state);
      bar.reason = static_cast<RevisionReason>(reason);
      bar.pending_reason = static_cast<RevisionReason>(4 - reason);
      EXPECT_EQ(round_trip(bar), bar);
    }
  }
}

TEST(StoreCodec, ABarWithAnyByteMissingOrTooManyIsRefused) {
  std::string bytes;
  encode_bar(full_bar(), bytes);
  Bar bar;
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_bar(std::string_view(bytes).substr(0, size), bar)) << size;
  bytes += '\0';
  const auto done = decode_bar(bytes, bar);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kAvroMalformed);
}

struct Read {
  Trade trade;
  std::int64_t offset = 0;
  LogId log_id{};
};

Trade full_trade() {
  Trade trade;
  trade.symbol = "AAPL";
  trade.event_time_ms = 1;
  trade.seq = 2;
  trade.price_e9 = -kHighest;
  trade.volume_e8 = kHighest;
  trade.received_at_ns = 1'723'161'252'999'999'999;
  trade.session = 12;
  trade.writer = Writer::kReplay;
  trade.suspect = Suspect::kRepeatedRun;
  return trade;
}

// One codec for the whole test: what an earlier tick left in it must not show in a later one.
void expect_round_trip(TickCodec& codec, const Trade& trade) {
  std::string bytes;
  codec.encode(trade, 42, some_log_id(), bytes);
  Read read;
  read.trade.symbol = "kept";
  read.trade.event_time_ms = 77;
  read.trade.seq = 78;
  const auto done = codec.decode(bytes, read.trade, read.offset, read.log_id);
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(read.trade.price_e9, trade.price_e9);
  EXPECT_EQ(read.trade.volume_e8, trade.volume_e8);
  EXPECT_EQ(read.trade.conditions, trade.conditions);
  EXPECT_EQ(read.trade.received_at_ns, trade.received_at_ns);
  EXPECT_EQ(read.trade.session, trade.session);
  EXPECT_EQ(read.trade.writer, trade.writer);
  EXPECT_EQ(read.trade.suspect, trade.suspect);
  EXPECT_EQ(read.offset, 42);
  EXPECT_EQ(read.log_id, some_log_id());
  EXPECT_TRUE(read.trade.symbol == "kept" && read.trade.event_time_ms == 77 && read.trade.seq == 78);
}

TEST(StoreCodec, ATickComesBackWhateverItsConditionsAndWhateverCameBefore) {
  TickCodec codec;
  Trade trade = full_trade();
  using enum Conditions::Form;
  for (const Conditions conditions :
       {Conditions{kAbsent, {}}, Conditions{kList, "1 12 ZZ"}, Conditions{kNull, {}}, Conditions{kList, ""},
        Conditions{kList, "1"}, Conditions{kAbsent, {}}, Conditions{kList, "a b c d e f g h"}, Conditions{kNull, {}}}) {
    trade.conditions = conditions;
    expect_round_trip(codec, trade);
  }
}

TEST(StoreCodec, TicksAreAppendedToWhatIsThere) {
  TickCodec codec;
  std::string bytes = "before";
  codec.encode(full_trade(), 1, some_log_id(), bytes);
  ASSERT_TRUE(bytes.starts_with("before"));
  Read read;
  EXPECT_TRUE(codec.decode(std::string_view(bytes).substr(6), read.trade, read.offset, read.log_id));
}

TEST(StoreCodec, ADamagedTickIsRefusedAndTheCodecGoesOn) {
  TickCodec codec;
  Trade trade = full_trade();
  trade.conditions = {Conditions::Form::kList, "1 12"};
  std::string bytes;
  codec.encode(trade, 1, some_log_id(), bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Read read;
    EXPECT_FALSE(codec.decode(std::string_view(bytes).substr(0, size), read.trade, read.offset, read.log_id)) << size;
  }
  expect_round_trip(codec, trade);
}

}  // namespace
}  // namespace finpipe
