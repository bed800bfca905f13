// The released schemas (schemas/released): what was ever written with one of them can be read, and today's code writes
// today's version as it always did. The golden bytes were made by fastavro, from the values below.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "codec/avro_resolution.h"
#include "codec/avro_schema.h"
#include "codec/dead_letter_avro.h"
#include "codec/feed_status_avro.h"
#include "codec/stock_bar_avro.h"
#include "codec/stock_quote_avro.h"
#include "codec/stock_tick_avro.h"

namespace finpipe::avro {
namespace {

namespace fs = std::filesystem;

const fs::path kReleased = fs::path(FINPIPE_SOURCE_DIR) / "schemas" / "released";

std::string content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> golden(const std::string& name) {
  std::ifstream file(kReleased / (name + ".golden"));
  std::vector<std::string> values;
  for (std::string line; std::getline(file, line);) {
    std::string& bytes = values.emplace_back();
    for (std::size_t i = 0; i + 1 < line.size(); i += 2) {
      unsigned byte = 0;
      std::from_chars(line.data() + i, line.data() + i + 2, byte, 16);
      bytes += static_cast<char>(byte);
    }
  }
  EXPECT_FALSE(values.empty()) << name;
  return values;
}

template <typename Record>
void expect_golden(const std::string& name, const std::vector<Record>& values) {
  const std::vector<std::string> lines = golden(name);
  ASSERT_EQ(lines.size(), values.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string out;
    encode(values[i], out);
    EXPECT_EQ(out, lines[i]) << name << " line " << i + 1;
    Record read;
    ASSERT_TRUE(decode(as_bytes(lines[i]), read)) << name << " line " << i + 1;
    EXPECT_EQ(read, values[i]) << name << " line " << i + 1;
  }
}

LogId log_id() {
  LogId id;
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<std::byte>(i);
  return id;
}

TEST(GoldenBytes, StockTick) {
  expect_golden<StockTick>("stock_tick-1", {{.symbol = "AAPL",
                                             .event_time = 1'700'000'000'123,
                                             .seq = 1'700'000'000'223'456'789,
                                             .price = 190'120'000'000,
                                             .volume = 300'000'000,
                                             .conditions = {{"1", "12"}},
                                             .received_at = 1'700'000'000'223'456'789,
                                             .session = 4},
                                            {.symbol = "BINANCE:BTCUSDT",
                                             .event_time = 1'723'161'255'342,
                                             .seq = 7,
                                             .price = 61'837'630'000'000,
                                             .volume = 1,
                                             .conditions_present = false,
                                             .received_at = 1'723'161'254'087'896'568,
                                             .writer = Writer::kBackfill,
                                             .session = -1,
                                             .suspect = Suspect::kRepeatedRun}});
}

TEST(GoldenBytes, FeedStatus) {
  expect_golden<FeedStatus>(
      "feed_status-2",
      {{.stamp = 1'700'000'001'000'000'000,
        .session = 4,
        .body = SessionStarted{.id = 4,
                               .origin = "vendor",
                               .start = 1'700'000'000'000'000'000,
                               .silent_since = 1'699'999'990'000,
                               .log_id = log_id()}},
       {.stamp = 1'700'000'002'000'000'000,
        .session = 4,
        .body = Heartbeat{.ordinal = 300,
                          .feed_state = ConnectionState::kStalled,
                          .feed_since = 1'700'000'001'500,
                          .lags = {{.market = "us", .lag_ms = -250}},
                          .counters = {10, 1, 8, 1},
                          .log_id = log_id(),
                          .policies = {{.market = "us", .hash = "ab"}}}},
       {.stamp = 1'700'000'003'000'000'000,
        .writer = Writer::kOperator,
        .session = 5,
        .body =
            Gap{.from = 1'700'000'000'000, .to = 1'700'000'001'000, .symbols = {{"AAPL"}}, .reason = "disconnected"}},
       {.stamp = 1'700'000'004'000'000'000, .session = 4, .body = End{}}});
}

TEST(GoldenBytes, DeadLetter) {
  expect_golden<DeadLetter>("dead_letter-3", {{.id = "tape:12:0",
                                               .received_at = 1'700'000'000'123'456'789,
                                               .reason = "bad_price",
                                               .detail = "-1",
                                               .raw = std::string_view("{\"p\":-1}\0\xff", 10),
                                               .session = 4,
                                               .partition = 3}});
}

TEST(GoldenBytes, StockQuote) {
  expect_golden<StockQuote>("stock_quote-4", {{.symbol = "AAPL",
                                               .event_time = 1'700'000'000'123,
                                               .seq = 9,
                                               .bid = 190'110'000'000,
                                               .bid_size = 20'000'000'000,
                                               .ask = 190'130'000'000,
                                               .received_at = 1'700'000'000'223'456'789,
                                               .session = 4},
                                              {.symbol = "A", .seq = 10, .writer = Writer::kReplay}});
}

TEST(GoldenBytes, StockBar) {
  expect_golden<StockBar>("stock_bar-5", {{.symbol = "AAPL",
                                           .interval = "1m",
                                           .start = 1'700'000'040'000,
                                           .open = 190'120'000'000,
                                           .high = 190'500'000'000,
                                           .low = 190'000'000'000,
                                           .close = 190'250'000'000,
                                           .volume = int128{1} << 70,
                                           .vwap_volume = 5,
                                           .notional = -(int128{1} << 110),
                                           .trades = 17,
                                           .excluded = 2,
                                           .policy = "00ff000012345678",
                                           .state = BarState::kRevised,
                                           .revision = 3,
                                           .reason = RevisionReason::kBackfill,
                                           .closed_at = 1'700'000'102'000'000'000,
                                           .missing_ms = 1'500,
                                           .partial = true,
                                           .backfilled = true,
                                           .version = 9,
                                           .generation = 2,
                                           .log_id = log_id(),
                                           .applied_through = 12'345},
                                          {.symbol = "A", .interval = "1d"}});
}

// ---- the archive ---------------------------------------------------------------------------------------------------

struct Current {
  std::string file;  // in the archive
  std::string_view schema;
  bool (*is_value)(std::string_view bytes);
};

template <typename Record>
bool is_value(std::string_view bytes) {
  Record record;
  return decode(as_bytes(bytes), record).has_value();
}

template <typename Record>
Current current(std::string_view name) {
  return {fmt::format("{}-{}", name, Record::kSchemaId), Record::kSchema, is_value<Record>};
}

// By the record's name.
const std::map<std::string, Current> kCurrent = {{"io.finpipe.StockTick", current<StockTick>("stock_tick")},
                                                 {"io.finpipe.FeedStatus", current<FeedStatus>("feed_status")},
                                                 {"io.finpipe.DeadLetter", current<DeadLetter>("dead_letter")},
                                                 {"io.finpipe.StockQuote", current<StockQuote>("stock_quote")},
                                                 {"io.finpipe.StockBar", current<StockBar>("stock_bar")}};

// What each id stands for, logical types included. Whoever wants to change one of these has changed what is on the
// wire: the schema needs a new id instead.
const std::map<std::string, std::string> kMeanings = {{"dead_letter-3", "caa8f22205eda7df"},
                                                      {"feed_status-2", "a0dcf355de9cbd29"},
                                                      {"stock_bar-5", "d9bfd03914d1239a"},
                                                      {"stock_quote-4", "9035434a273d9ceb"},
                                                      {"stock_tick-1", "017eb9c725f4ac92"}};

TEST(ReleasedSchemas, EachIdStandsForOneMeaningForEver) {
  std::map<std::string, std::string> meanings;
  for (const auto& entry : fs::directory_iterator(kReleased)) {
    if (entry.path().extension() != ".avsc") continue;
    const auto archived = Schema::parse(content(entry.path()));
    ASSERT_TRUE(archived) << entry.path();
    meanings.emplace(entry.path().stem(), sha256_hex(archived->meaning()).substr(0, 16));
  }
  EXPECT_EQ(meanings, kMeanings);
}

TEST(ReleasedSchemas, EachCanBeReadByTheCurrentOne) {
  int archived = 0;
  for (const auto& entry : fs::directory_iterator(kReleased)) {
    if (entry.path().extension() != ".avsc") continue;
    ++archived;
    auto writer = Schema::parse(content(entry.path()));
    ASSERT_TRUE(writer) << entry.path();
    const auto found = kCurrent.find(writer->name());
    ASSERT_NE(found, kCurrent.end()) << entry.path();
    const auto reader = Schema::parse(found->second.schema);
    ASSERT_TRUE(reader);
    auto resolution = Resolution::make(*writer, *reader);
    ASSERT_TRUE(resolution) << entry.path() << ": " << resolution.error().detail;
    // The same with a field more, so that nothing is taken over as a whole.
    std::string more = content(entry.path());
    more.insert(more.find('[', more.find(R"("fields")")) + 1, R"({"name":"more","type":"boolean"},)");
    auto longer = Schema::parse(more);
    ASSERT_TRUE(longer) << entry.path();
    auto other = Resolution::make(*std::move(longer), *reader);
    ASSERT_TRUE(other) << entry.path() << ": " << other.error().detail;
    for (const std::string& bytes : golden(entry.path().stem().string())) {
      std::string out;
      EXPECT_TRUE(resolution->convert(as_bytes(bytes), out)) << entry.path();
      EXPECT_TRUE(found->second.is_value(out)) << entry.path();
      std::string again;
      EXPECT_TRUE(other->convert(as_bytes("\1" + bytes), again)) << entry.path();
      EXPECT_EQ(again, out) << entry.path();
    }
  }
  EXPECT_GE(archived, 5);
}

// Whoever changes a schema gives it a new id and adds its file to the archive.
TEST(ReleasedSchemas, TheCurrentOnesAreAmongThem) {
  for (const auto& [name, now] : kCurrent) {
    const auto archived = Schema::parse(content(kReleased / (now.file + ".avsc")));
    ASSERT_TRUE(archived) << now.file;
    EXPECT_EQ(archived->name(), name);
    EXPECT_EQ(archived->meaning(), Schema::parse(now.schema)->meaning()) << now.file;
  }
}

}  // namespace
}  // namespace finpipe::avro
