// The generated codecs against avro-c, field by field and byte by byte, and against damaged bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/random.h"
#include "codec/dead_letter_avro.h"
#include "codec/feed_status_avro.h"
#include "codec/stock_tick_avro.h"
#include "codec/stored_tick_avro.h"
#include "codec/tests/avro_peer.h"

namespace finpipe::avro {
namespace {

void expect(const AvroPeer& peer, const std::string& path, std::int64_t ours) {
  const avro_value_t value = peer.at(path);
  std::int64_t theirs = 0;
  if (type_of(value) == AVRO_BYTES) {  // the unscaled value of a decimal
    const void* bytes = nullptr;
    std::size_t size = 0;
    ASSERT_EQ(avro_value_get_bytes(&value, &bytes, &size), 0) << path;
    const auto* digits = static_cast<const signed char*>(bytes);
    theirs = digits[0] < 0 ? -1 : 0;
    for (std::size_t i = 0; i < size; ++i) theirs = theirs * 256 + static_cast<unsigned char>(digits[i]);
  } else {
    ASSERT_EQ(avro_value_get_long(&value, &theirs), 0) << path;
  }
  EXPECT_EQ(ours, theirs) << path;
}

void expect(const AvroPeer& peer, const std::string& path, std::int32_t ours) {
  const avro_value_t value = peer.at(path);
  std::int32_t theirs = 0;
  ASSERT_EQ(avro_value_get_int(&value, &theirs), 0) << path;
  EXPECT_EQ(ours, theirs) << path;
}

void expect(const AvroPeer& peer, const std::string& path, bool ours) {
  const avro_value_t value = peer.at(path);
  int theirs = 0;
  ASSERT_EQ(avro_value_get_boolean(&value, &theirs), 0) << path;
  EXPECT_EQ(ours, theirs != 0) << path;
}

void expect(const AvroPeer& peer, const std::string& path, std::string_view ours) {
  const avro_value_t value = peer.at(path);
  std::size_t size = 0;
  if (type_of(value) == AVRO_BYTES) {
    const void* bytes = nullptr;
    ASSERT_EQ(avro_value_get_bytes(&value, &bytes, &size), 0) << path;
    EXPECT_EQ(ours, std::string_view(static_cast<const char*>(bytes), size)) << path;
    return;
  }
  const char* text = nullptr;
  ASSERT_EQ(avro_value_get_string(&value, &text, &size), 0) << path;
  EXPECT_EQ(ours, std::string_view(text, size - 1)) << path;
}

void expect(const AvroPeer& peer, const std::string& path, const LogId& ours) {
  const avro_value_t value = peer.at(path);
  const void* bytes = nullptr;
  std::size_t size = 0;
  ASSERT_EQ(avro_value_get_fixed(&value, &bytes, &size), 0) << path;
  ASSERT_EQ(size, ours.size()) << path;
  EXPECT_TRUE(std::equal(ours.begin(), ours.end(), static_cast<const std::byte*>(bytes))) << path;
}

template <typename Enum>
  requires std::is_enum_v<Enum>
void expect(const AvroPeer& peer, const std::string& path, Enum ours) {
  const avro_value_t value = peer.at(path);
  int theirs = 0;
  ASSERT_EQ(avro_value_get_enum(&value, &theirs), 0) << path;
  EXPECT_EQ(to_string(ours), avro_schema_enum_get(avro_value_get_schema(&value), theirs)) << path;
}

void expect(const AvroPeer& peer, const std::string& path, const MarketLag& ours) {
  expect(peer, path + ".market", ours.market);
  expect(peer, path + ".lag_ms", ours.lag_ms);
}

void expect(const AvroPeer& peer, const std::string& path, const PolicyHash& ours) {
  expect(peer, path + ".market", ours.market);
  expect(peer, path + ".hash", ours.hash);
}

template <typename Item>
void expect(const AvroPeer& peer, const std::string& path, const std::vector<Item>& ours) {
  const avro_value_t value = peer.at(path);
  std::size_t size = 0;
  ASSERT_EQ(avro_value_get_size(&value, &size), 0) << path;
  ASSERT_EQ(ours.size(), size) << path;
  for (std::size_t i = 0; i < size; ++i) expect(peer, path + "." + std::to_string(i), ours[i]);
}

template <typename Item>
void expect(const AvroPeer& peer, const std::string& path, const std::optional<Item>& ours) {
  const avro_value_t value = peer.at(path);
  ASSERT_EQ(ours.has_value(), type_of(value) != AVRO_NULL) << path;
  if (ours) expect(peer, path, *ours);
}

void expect(const AvroPeer& peer, const StockTick& ours) {
  expect(peer, "symbol", ours.symbol);
  expect(peer, "event_time", ours.event_time);
  expect(peer, "seq", ours.seq);
  expect(peer, "price", ours.price);
  expect(peer, "volume", ours.volume);
  expect(peer, "conditions", ours.conditions);
  expect(peer, "conditions_present", ours.conditions_present);
  expect(peer, "received_at", ours.received_at);
  expect(peer, "writer", ours.writer);
  expect(peer, "session", ours.session);
  expect(peer, "suspect", ours.suspect);
}

void expect(const AvroPeer& peer, const StoredTick& ours) {
  expect(peer, "price", ours.price);
  expect(peer, "volume", ours.volume);
  expect(peer, "conditions", ours.conditions);
  expect(peer, "conditions_present", ours.conditions_present);
  expect(peer, "received_at", ours.received_at);
  expect(peer, "writer", ours.writer);
  expect(peer, "session", ours.session);
  expect(peer, "suspect", ours.suspect);
  expect(peer, "log_id", ours.log_id);
  expect(peer, "offset", ours.offset);
}

void expect(const AvroPeer& peer, const DeadLetter& ours) {
  expect(peer, "id", ours.id);
  expect(peer, "received_at", ours.received_at);
  expect(peer, "reason", ours.reason);
  expect(peer, "detail", ours.detail);
  expect(peer, "stage", ours.stage);
  expect(peer, "raw", ours.raw);
  expect(peer, "writer", ours.writer);
  expect(peer, "session", ours.session);
  expect(peer, "partition", ours.partition);
  expect(peer, "offset", ours.offset);
}

// What a control record can state; each overload checks that avro-c holds the same kind of record.
struct ExpectBody {
  const AvroPeer& peer;

  template <typename Item>
  void field(const char* name, const Item& ours) const {
    expect(peer, std::string("body.") + name, ours);
  }
  void kind(std::string_view name) const { EXPECT_EQ(peer.branch_name("body"), name); }

  void operator()(const SessionStarted& ours) const {
    kind("SessionStarted");
    field("id", ours.id);
    field("origin", ours.origin);
    field("source_id", ours.source_id);
    field("start", ours.start);
    field("silent_since", ours.silent_since);
    field("log_id", ours.log_id);
  }
  void operator()(const PolicyInForce& ours) const {
    kind("PolicyInForce");
    field("market", ours.market);
    field("hash", ours.hash);
    field("text", ours.text);
  }
  void operator()(const Subscribed& ours) const {
    kind("Subscribed");
    field("symbols", ours.symbols);
  }
  void operator()(const Unsubscribed& ours) const {
    kind("Unsubscribed");
    field("symbols", ours.symbols);
  }
  void operator()(const Refused& ours) const {
    kind("Refused");
    field("symbols", ours.symbols);
    field("message", ours.message);
  }
  void operator()(const FeedState& ours) const {
    kind("FeedState");
    field("state", ours.state);
    field("since", ours.since);
  }
  void operator()(const Gap& ours) const {
    kind("Gap");
    field("from", ours.from);
    field("to", ours.to);
    field("symbols", ours.symbols);
    field("reason", ours.reason);
  }
  void operator()(const Heartbeat& ours) const {
    kind("Heartbeat");
    field("ordinal", ours.ordinal);
    field("feed_state", ours.feed_state);
    field("feed_since", ours.feed_since);
    field("last_frame_at", ours.last_frame_at);
    field("lags", ours.lags);
    field("counters.received", ours.counters.received);
    field("counters.already_in_log", ours.counters.already_in_log);
    field("counters.appended", ours.counters.appended);
    field("counters.dead_lettered", ours.counters.dead_lettered);
    field("last_seq", ours.last_seq);
    field("log_id", ours.log_id);
    field("policies", ours.policies);
  }
  void operator()(const Filled& ours) const {
    kind("Filled");
    field("symbol", ours.symbol);
    field("from", ours.from);
    field("to", ours.to);
  }
  void operator()(const VoidTrade& ours) const {
    kind("VoidTrade");
    trade(ours);
  }
  void operator()(const UnvoidTrade& ours) const {
    kind("UnvoidTrade");
    trade(ours);
  }
  void operator()(const End& /*ours*/) const { kind("End"); }

  void trade(const auto& ours) const {
    field("symbol", ours.symbol);
    field("event_time", ours.event_time);
    field("seq", ours.seq);
    field("reason", ours.reason);
  }
};

void expect(const AvroPeer& peer, const FeedStatus& ours) {
  expect(peer, "stamp", ours.stamp);
  expect(peer, "writer", ours.writer);
  expect(peer, "session", ours.session);
  std::visit(ExpectBody{peer}, ours.body);
}

template <typename Record>
class AvroRecord : public testing::Test {
 protected:
  // Decodes from a heap block of exactly the right size, so that a sanitizer sees a read beyond it.
  static bool accepts(std::string_view bytes, Record& out) {
    block_ = std::make_unique<char[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), block_.get());
    const auto read = decode(as_bytes({block_.get(), bytes.size()}), out);
    if (!read) {
      EXPECT_EQ(read.error().code, ErrorCode::kAvroMalformed);
    }
    return read.has_value();
  }

  // What was read can be written and read again with the same meaning.
  static void expect_stable(const Record& value) {
    std::string bytes;
    encode(value, bytes);
    Record again;
    ASSERT_TRUE(decode(as_bytes(bytes), again));
    EXPECT_TRUE(again == value);
  }

 private:
  static inline std::unique_ptr<char[]> block_;
};

using Records = testing::Types<StockTick, FeedStatus, DeadLetter, StoredTick>;
TYPED_TEST_SUITE(AvroRecord, Records);

TYPED_TEST(AvroRecord, AgreesWithAvroCOnRandomValues) {
  AvroPeer peer(TypeParam::kSchema);
  Random random(20240808);
  TypeParam reused;
  for (int round = 0; round < 2000 && !this->HasFailure(); ++round) {
    peer.fill(random);
    const std::string bytes = peer.write();
    ASSERT_TRUE(this->accepts(bytes, reused));
    expect(peer, reused);

    std::string ours = "kept";
    encode(reused, ours);
    ASSERT_EQ(ours, "kept" + bytes);
    ASSERT_TRUE(peer.read(std::string_view(ours).substr(4)));
    expect(peer, reused);
  }
}

TYPED_TEST(AvroRecord, EveryTruncationIsRefused) {
  AvroPeer peer(TypeParam::kSchema);
  Random random(1);
  TypeParam value;
  for (int round = 0; round < 100; ++round) {
    peer.fill(random);
    const std::string bytes = peer.write();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_FALSE(this->accepts(std::string_view(bytes).substr(0, size), value)) << size << " of " << bytes.size();
    }
    ASSERT_FALSE(this->accepts(bytes + '\0', value));
  }
}

TYPED_TEST(AvroRecord, ADamagedByteIsRefusedOrReadSafely) {
  AvroPeer peer(TypeParam::kSchema);
  Random random(2);
  std::size_t refused = 0;
  for (int round = 0; round < 30; ++round) {
    peer.fill(random);
    std::string bytes = peer.write();
    for (char& byte : bytes) {
      const char good = byte;
      for (int change = 1; change < 256; change += 1 + static_cast<int>(random.below(12))) {
        byte = static_cast<char>(good ^ change);
        TypeParam value;
        if (this->accepts(bytes, value)) {
          this->expect_stable(value);
        } else {
          ++refused;
        }
      }
      byte = good;
    }
  }
  EXPECT_GT(refused, 0U);
}

TYPED_TEST(AvroRecord, RandomBytesAreRefusedOrReadSafely) {
  Random random(3);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes(random.below(64), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.chance(0.5) ? random.below(4) : random.next());
    TypeParam value;
    if (this->accepts(bytes, value)) this->expect_stable(value);
  }
}

StockTick sample_tick() {
  return {.symbol = "AAPL",
          .event_time = 1'680'286'537'580,
          .seq = 2,
          .price = 164'060'100'000,
          .volume = 500'000'000,
          .conditions = std::vector<std::string_view>{"1", "12"},
          .received_at = 1,
          .writer = Writer::kBackfill,
          .session = 3,
          .suspect = Suspect::kRepeatedRun};
}

// The expected bytes are those that fastavro writes for this trade.
TEST(StockTick, HasTheseBytes) {
  std::string bytes;
  encode(sample_tick(), bytes);
  const unsigned char expected[] = {8,    'A',  'A',  'P',  'L',                 // symbol
                                    0xd8, 0xdd, 0x8e, 0x8e, 0xe7, 0x61,          // event_time
                                    4,                                           // seq
                                    10,   0x26, 0x32, 0xbe, 0x75, 0xa0,          // price
                                    8,    0x1d, 0xcd, 0x65, 0x00,                // volume
                                    2,    4,    2,    '1',  4,    '1',  '2', 0,  // conditions
                                    1,                                           // conditions_present
                                    2,    2,    6,    2};                        // received_at to suspect
  EXPECT_EQ(bytes, std::string(std::begin(expected), std::end(expected)));
}

TEST(StockTick, NullEmptyAndAbsentConditionsAreToldApart) {
  StockTick null = sample_tick();
  null.conditions = std::nullopt;
  StockTick empty = sample_tick();
  empty.conditions.emplace().clear();
  StockTick absent = null;
  absent.conditions_present = false;

  std::set<std::string> forms;
  for (const StockTick& tick : {null, empty, absent}) {
    std::string bytes;
    encode(tick, bytes);
    const auto back = decode_stock_tick(as_bytes(bytes));
    ASSERT_TRUE(back);
    EXPECT_TRUE(*back == tick);
    forms.insert(bytes);
  }
  EXPECT_EQ(forms.size(), 3U);
}

TEST(StockTick, AReusedTickKeepsTheMemoryOfItsConditions) {
  std::string bytes;
  encode(sample_tick(), bytes);
  StockTick reused;
  ASSERT_TRUE(decode(as_bytes(bytes), reused));
  const auto* memory = reused.conditions->data();
  Reader reader(as_bytes(bytes));
  ASSERT_TRUE(decode(reader, reused));
  EXPECT_EQ(reader.remaining(), 0U);
  EXPECT_EQ(reused.conditions->data(), memory);
  EXPECT_TRUE(reused == sample_tick());
}

TEST(FeedStatus, UnknownKindsOfControlRecordAreRefused) {
  std::string bytes;
  encode(FeedStatus{.stamp = 1, .session = 1, .body = End{}}, bytes);
  ASSERT_EQ(bytes, std::string("\2\0\2\x16", 4));
  bytes.back() = '\x18';
  EXPECT_FALSE(decode_feed_status(as_bytes(bytes)));
}

TEST(DeadLetter, DefaultsAreThoseOfTheSchema) {
  const DeadLetter letter;
  EXPECT_EQ(letter.offset, -1);
  EXPECT_EQ(letter.detail, "");
  EXPECT_EQ(letter.stage, Stage::kIngest);
  EXPECT_TRUE(StockTick{}.conditions_present);
}

TEST(DeadLetter, RawBytesOfAnySizeAreKept) {
  const std::string raw(2 << 20, '\xf0');
  std::string bytes;
  encode(DeadLetter{.id = "tape:1", .raw = raw}, bytes);
  const auto back = decode_dead_letter(as_bytes(bytes));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->raw, raw);
}

}  // namespace
}  // namespace finpipe::avro
