#include "log_contract.h"

#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace finpipe {

namespace {

using Append = LogWriter::Append;
using Values = std::vector<std::string>;

// A record that owns its text.
struct OwnedRecord {
  RecordType type = RecordType::kTrade;
  std::optional<std::string> key;
  std::string value;

  [[nodiscard]] LogRecord view() const {
    return {type, key ? std::optional<std::string_view>(*key) : std::nullopt, value};
  }
  bool operator==(const OwnedRecord&) const = default;
};

OwnedRecord trade(std::string key, std::string value) { return {RecordType::kTrade, std::move(key), std::move(value)}; }
OwnedRecord control(std::string value) { return {RecordType::kControl, std::nullopt, std::move(value)}; }

Append append(LogWriter& writer, std::int32_t partition, const std::vector<OwnedRecord>& records) {
  std::vector<LogRecord> views;
  for (const OwnedRecord& record : records) views.push_back(record.view());
  return writer.append(partition, views);
}

std::vector<OwnedRecord> trades(const std::vector<std::string>& values) {
  std::vector<OwnedRecord> records;
  for (const std::string& value : values) records.push_back(trade("BINANCE:BTCUSDT", value));
  return records;
}

// Records of every shape; those of different seeds differ.
std::vector<OwnedRecord> mixed_records(int seed) {
  std::vector<OwnedRecord> records;
  for (int i = 0; i < 100; ++i) {
    const std::string value = std::to_string(seed) + "/" + std::to_string(i);
    records.push_back(i % 10 == 3 ? control(value) : trade("SYMBOL" + std::to_string(i % 7), value));
  }
  return records;
}

constexpr auto kDeadline = std::chrono::seconds(30);  // of a cluster

// A poll of a writer, or as many as a cluster needs; what they acknowledge, by partition.
std::map<std::int32_t, std::int64_t> acknowledge(LogSubject& log) {
  std::map<std::int32_t, std::int64_t> ends;
  const auto begun = std::chrono::steady_clock::now();
  do {
    const auto acknowledged = log.writer().poll();
    if (!acknowledged) {
      ADD_FAILURE() << acknowledged.error().message();
      return ends;
    }
    for (const auto& one : *acknowledged) ends[one.partition] = one.end;
  } while (log.delay().count() > 0 && log.writer().pending_bytes() > 0 &&
           std::chrono::steady_clock::now() - begun < kDeadline);
  return ends;
}

// A poll of a reader; of a cluster's the first one that gives records.
Result<LogReader::Read> read_some(LogSubject& log, LogReader& reader, std::size_t max_bytes) {
  const auto begun = std::chrono::steady_clock::now();
  while (true) {
    auto read = reader.poll(max_bytes);
    const bool last = log.delay().count() == 0 || std::chrono::steady_clock::now() - begun > kDeadline;
    if (last || !read || !read->batches.empty()) return read;
  }
}

void expect_assigned_at_first(LogReader& reader) {
  const auto first = reader.poll(1);
  ASSERT_TRUE(first);
  ASSERT_EQ(first->assignments.size(), static_cast<std::size_t>(reader.partitions()));
  for (const auto& assignment : first->assignments) EXPECT_EQ(assignment.change, LogReader::Change::kAssigned);
  EXPECT_TRUE(first->batches.empty()) << "read before seek";
}

// Appends and polls until all are acknowledged.
void write(LogSubject& log, std::int32_t partition, const std::vector<OwnedRecord>& records) {
  LogWriter& writer = log.writer();
  ASSERT_EQ(append(writer, partition, records), Append::kAccepted);
  while (writer.pending_bytes() > 0) ASSERT_TRUE(writer.poll());
  log.rest();
}

void write(LogSubject& log, std::int32_t partition, const Values& values) { write(log, partition, trades(values)); }

// A reader whose first poll has been taken, and who begins where every partition does.
std::unique_ptr<LogReader> reader_at_begin(LogSubject& log) {
  auto reader = log.reader();
  expect_assigned_at_first(*reader);
  for (std::int32_t p = 0; p < reader->partitions(); ++p) {
    const auto range = reader->range(p);
    EXPECT_TRUE(range && reader->seek(p, range->begin + log.first_offset()));
  }
  return reader;
}

// What polls of `max_bytes` give until one gives nothing, by partition; checks that offsets are consecutive.
std::vector<std::vector<OwnedRecord>> read_all(LogSubject& log, LogReader& reader, std::size_t max_bytes = 1 << 20) {
  std::vector<std::vector<OwnedRecord>> all(static_cast<std::size_t>(reader.partitions()));
  std::map<std::int32_t, std::int64_t> next;
  auto last_came = std::chrono::steady_clock::now();
  while (true) {
    const auto read = reader.poll(max_bytes);
    if (!read) {
      ADD_FAILURE() << read.error().message();
      return all;
    }
    const auto now = std::chrono::steady_clock::now();
    if (read->batches.empty() && now - last_came >= log.delay()) return all;
    if (!read->batches.empty()) last_came = now;
    for (const LogReader::Batch& batch : read->batches) {
      const auto [expected, first] = next.try_emplace(batch.partition, batch.first_offset);
      EXPECT_EQ(batch.first_offset, expected->second);
      EXPECT_FALSE(batch.records.empty());
      expected->second = batch.first_offset + static_cast<std::int64_t>(batch.records.size());
      for (const LogRecord& record : batch.records) {
        const auto key = record.key ? std::optional<std::string>(*record.key) : std::nullopt;
        all[static_cast<std::size_t>(batch.partition)].push_back({record.type, key, std::string(record.value)});
      }
    }
  }
}

std::vector<std::string> read_values(LogSubject& log, LogReader& reader, std::int32_t partition) {
  std::vector<std::string> values;
  const auto all = read_all(log, reader);
  for (const OwnedRecord& record : all[static_cast<std::size_t>(partition)]) values.push_back(record.value);
  return values;
}

std::vector<DeadLetter> all_dead_letters(DeadLetterQuery& query) {
  std::vector<DeadLetter> letters;
  const auto done = query.dead_letters([&](const DeadLetter& letter) {
    letters.push_back(letter);
    return true;
  });
  EXPECT_TRUE(done);
  return letters;
}

TEST_P(LogContract, RecordsAreReadableOnlyAfterTheWritersPoll) {
  start(1);
  auto reader = reader_at_begin(log());
  LogWriter& writer = log().writer();
  ASSERT_EQ(append(writer, 0, trades({"a", "b"})), Append::kAccepted);
  EXPECT_GT(writer.pending_bytes(), 0U);
  const std::int64_t begin = log().first_offset();
  EXPECT_EQ(reader->range(0)->end, begin);
  // A cluster may be quicker with one than with the other.
  if (log().delay().count() == 0) {
    EXPECT_EQ(read_values(log(), *reader, 0), Values());
  }

  EXPECT_EQ(acknowledge(log()), (std::map<std::int32_t, std::int64_t>{{0, begin + 2}}));
  EXPECT_EQ(writer.pending_bytes(), 0U);
  EXPECT_EQ(reader->range(0)->end, begin + 2);
  EXPECT_EQ(read_values(log(), *reader, 0), (Values{"a", "b"}));
}

TEST_P(LogContract, APollWithoutAppendsAcknowledgesNothing) {
  start(2);
  EXPECT_TRUE(log().writer().poll()->empty());
  write(log(), 1, Values{"a"});
  EXPECT_TRUE(log().writer().poll()->empty());
}

TEST_P(LogContract, EveryPartitionKeepsItsOwnOrderAndOffsets) {
  start(4);
  std::vector<std::vector<OwnedRecord>> expected(4);
  for (int round = 0; round < 12; ++round) {
    const std::int32_t partition = round * 7 % 4;
    const auto records = mixed_records(round);
    write(log(), partition, records);
    auto& of_partition = expected[static_cast<std::size_t>(partition)];
    of_partition.insert(of_partition.end(), records.begin(), records.end());
  }
  auto reader = reader_at_begin(log());
  for (std::int32_t p = 0; p < 4; ++p) {
    EXPECT_EQ(reader->range(p)->begin, 0);
    EXPECT_EQ(reader->range(p)->end, log().first_offset() + 300);
  }
  EXPECT_EQ(read_all(log(), *reader, 700), expected);
}

TEST_P(LogContract, OnePollAcknowledgesSeveralPartitions) {
  start(3);
  LogWriter& writer = log().writer();
  ASSERT_EQ(append(writer, 2, trades({"a", "b"})), Append::kAccepted);
  ASSERT_EQ(append(writer, 0, trades({"c"})), Append::kAccepted);
  ASSERT_EQ(append(writer, 2, trades({"d"})), Append::kAccepted);
  const std::int64_t begin = log().first_offset();
  EXPECT_EQ(acknowledge(log()), (std::map<std::int32_t, std::int64_t>{{0, begin + 1}, {2, begin + 3}}));
}

TEST_P(LogContract, AppendThatDoesNotFitTakesNothing) {
  start(1, 1'000);
  LogWriter& writer = log().writer();
  ASSERT_EQ(append(writer, 0, trades({std::string(600, 'a')})), Append::kAccepted);
  const std::size_t pending = writer.pending_bytes();
  EXPECT_EQ(append(writer, 0, trades({"b", std::string(600, 'c')})), Append::kFull);
  EXPECT_EQ(writer.pending_bytes(), pending);
  acknowledge(log());
  EXPECT_EQ(append(writer, 0, trades({"d"})), Append::kAccepted);
  acknowledge(log());
  log().rest();
  EXPECT_EQ(read_values(log(), *reader_at_begin(log()), 0), (Values{std::string(600, 'a'), "d"}));
}

TEST_P(LogContract, RecordsLargerThanTheBoundAreTakenAlone) {
  start(1, 1'000);
  write(log(), 0, Values{std::string(5'000, 'x')});
  EXPECT_EQ(read_values(log(), *reader_at_begin(log()), 0), Values{std::string(5'000, 'x')});
}

TEST_P(LogContract, TypesKeysAndValuesComeBackAsTheyWere) {
  start(1);
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  const std::vector<OwnedRecord> records = {
      trade("AAPL", "value"),
      trade("", "empty key"),
      trade("key", ""),
      trade("", ""),
      control("control"),
      control(""),
      trade(bytes, std::string("\0\0\0\0\1", 5) + bytes),  // a log may look for the schema of a value, as here
      {RecordType::kControl, "key", "c"},
      {RecordType::kTrade, std::nullopt, "no key"},
      trade(std::string(200, 'k'), std::string(1 << 20, 'v')),
  };
  write(log(), 0, records);
  EXPECT_EQ(read_all(log(), *reader_at_begin(log()))[0], records);
}

TEST_P(LogContract, SeekGoesAnywhereInTheRangeAndNowhereElse) {
  start(2);
  write(log(), 1, Values{"a", "b", "c"});
  auto reader = reader_at_begin(log());
  EXPECT_EQ(read_values(log(), *reader, 1), (Values{"a", "b", "c"}));
  const std::int64_t begin = log().first_offset();
  ASSERT_TRUE(reader->seek(1, begin + 1));
  EXPECT_EQ(read_values(log(), *reader, 1), (Values{"b", "c"}));
  ASSERT_TRUE(reader->seek(1, begin + 3));
  EXPECT_EQ(read_values(log(), *reader, 1), Values());
  for (const std::int64_t offset : {std::int64_t{-1}, begin + 4, std::numeric_limits<std::int64_t>::max()}) {
    const auto sought = reader->seek(1, offset);
    ASSERT_FALSE(sought) << offset;
    EXPECT_EQ(sought.error().code, ErrorCode::kOffsetOutOfRange);
  }
  EXPECT_FALSE(reader->seek(0, begin + 1));
}

TEST_P(LogContract, EveryOffsetCanBeSought) {
  start(2);
  Values values;
  for (int i = 0; i < 1'500; ++i)
    values.push_back(std::to_string(i) + std::string(static_cast<std::size_t>(i % 90), 'v'));
  write(log(), 1, Values{"before"});
  write(log(), 0, Values(values.begin(), values.begin() + 700));
  write(log(), 0, Values(values.begin() + 700, values.end()));
  auto reader = reader_at_begin(log());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::int64_t offset = log().first_offset() + static_cast<std::int64_t>(i);
    ASSERT_TRUE(reader->seek(0, offset));
    reader->pause(1);
    const auto read = read_some(log(), *reader, 1);
    ASSERT_TRUE(read);
    ASSERT_EQ(read->batches.size(), 1U);
    ASSERT_EQ(read->batches[0].first_offset, offset);
    ASSERT_EQ(read->batches[0].records.front().value, values[i]);
  }
  EXPECT_EQ(read_values(log(), *reader, 0), Values()) << "the last poll took the last record";
}

TEST_P(LogContract, ReaderAtTheEndSeesWhatComesNext) {
  start(1);
  write(log(), 0, Values{"a"});
  auto reader = reader_at_begin(log());
  EXPECT_EQ(read_values(log(), *reader, 0), Values{"a"});
  for (const std::string value : {"b", "c", "d"}) {
    ASSERT_EQ(append(log().writer(), 0, trades({value})), Append::kAccepted);
    acknowledge(log());
    EXPECT_EQ(read_values(log(), *reader, 0), Values{value});
  }
}

TEST_P(LogContract, PausedPartitionWaitsUntilItIsResumed) {
  start(2);
  write(log(), 0, Values{"a0", "b0"});
  write(log(), 1, Values{"a1"});
  auto reader = reader_at_begin(log());
  reader->pause(0);
  EXPECT_EQ(read_all(log(), *reader)[0].size(), 0U);
  ASSERT_TRUE(reader->seek(0, log().first_offset() + 1));
  EXPECT_EQ(read_all(log(), *reader)[0].size(), 0U) << "seek does not resume";
  reader->resume(0);
  EXPECT_EQ(read_values(log(), *reader, 0), Values{"b0"});
}

TEST_P(LogContract, PauseInTheMiddleLosesNothing) {
  start(1);
  write(log(), 0, Values{"a", "b", "c"});
  auto reader = reader_at_begin(log());
  ASSERT_EQ(read_some(log(), *reader, 1)->batches.size(), 1U);
  reader->pause(0);
  EXPECT_TRUE(reader->poll(1)->batches.empty());
  reader->resume(0);
  EXPECT_EQ(read_values(log(), *reader, 0), (Values{"b", "c"}));
}

TEST_P(LogContract, PollKeepsItsByteBoundButGivesAtLeastOneRecord) {
  start(1);
  const Values values(20, std::string(1'000, 'v'));
  write(log(), 0, values);
  auto reader = reader_at_begin(log());
  const auto bounded = read_some(log(), *reader, 5'000);
  ASSERT_TRUE(bounded);
  ASSERT_EQ(bounded->batches.size(), 1U);
  EXPECT_GE(bounded->batches[0].records.size(), 3U);
  EXPECT_LE(bounded->batches[0].records.size(), 5U);
  const auto one = read_some(log(), *reader, 1);
  ASSERT_TRUE(one);
  ASSERT_EQ(one->batches.size(), 1U);
  EXPECT_EQ(one->batches[0].records.size(), 1U);
}

TEST_P(LogContract, NoPartitionStarvesWhenPollsAreSmall) {
  start(3);
  for (std::int32_t p = 0; p < 3; ++p) write(log(), p, Values(50, std::string(100, 'v')));
  auto reader = reader_at_begin(log());
  std::map<std::int32_t, std::size_t> records;
  const auto poll_small = [&] {
    const auto read = read_some(log(), *reader, 500);
    ASSERT_TRUE(read);
    for (const auto& batch : read->batches) records[batch.partition] += batch.records.size();
  };
  if (log().delay().count() > 0) {
    // A cluster may bring one partition later than another: who has come waits for the rest.
    while (records.size() < 3) {
      poll_small();
      ASSERT_FALSE(HasFatalFailure());
      for (const auto& [partition, count] : records) reader->pause(partition);
    }
    for (std::int32_t p = 0; p < 3; ++p) reader->resume(p);
    records.clear();
  }
  for (int i = 0; i < 6; ++i) poll_small();
  EXPECT_EQ(records.size(), 3U);
}

TEST_P(LogContract, ReadersDoNotDisturbEachOther) {
  start(1);
  write(log(), 0, Values{"a", "b"});
  auto one = reader_at_begin(log());
  auto two = reader_at_begin(log());
  EXPECT_EQ(read_values(log(), *one, 0), (Values{"a", "b"}));
  EXPECT_EQ(read_values(log(), *two, 0), (Values{"a", "b"}));
}

TEST_P(LogContract, LogIdStaysAndIsNoOthers) {
  start(2);
  const LogId id = log().reader()->log_id();
  write(log(), 0, Values{"a"});
  EXPECT_EQ(log().reader()->log_id(), id);
  EXPECT_EQ(log().reader()->partitions(), 2);
  EXPECT_EQ(log().writer().partitions(), 2);
  const auto other = GetParam().make(2, kPendingBytes);
  EXPECT_NE(other->reader()->log_id(), id);
}

DeadLetter letter(std::string id, std::int64_t received_at_ns) {
  return {.id = std::move(id),
          .received_at_ns = received_at_ns,
          .reason = ErrorCode::kBadPrice,
          .detail = "p is -1",
          .stage = DeadLetter::Stage::kProcess,
          .raw = std::string("{\"p\":-1}\0\xff", 10),
          .writer = Writer::kReplay,
          .session = 7,
          .partition = 3,
          .offset = 42};
}

TEST_P(LogContract, DeadLettersComeBackWholeInOrderOfReceiptThenId) {
  start(1);
  auto letters = log().dead_letters();
  for (const auto& [id, received_at_ns] :
       {std::pair("c", 20), std::pair("b", 30), std::pair("d", 10), std::pair("a", 20), std::pair("", 30)}) {
    letters->put(letter(id, received_at_ns));
  }
  ASSERT_TRUE(letters->flush());
  letters.reset();
  log().rest();
  const auto kept = all_dead_letters(*log().dead_letter_query());
  Values ids;
  for (const DeadLetter& one : kept) ids.push_back(one.id);
  EXPECT_EQ(ids, (Values{"d", "a", "c", "", "b"}));
  const DeadLetter& first = kept.front();
  const DeadLetter expected = letter("d", 10);
  EXPECT_EQ(first.received_at_ns, expected.received_at_ns);
  EXPECT_EQ(first.reason, expected.reason);
  EXPECT_EQ(first.detail, expected.detail);
  EXPECT_EQ(first.stage, expected.stage);
  EXPECT_EQ(first.raw, expected.raw);
  EXPECT_EQ(first.writer, expected.writer);
  EXPECT_EQ(first.session, expected.session);
  EXPECT_EQ(first.partition, expected.partition);
  EXPECT_EQ(first.offset, expected.offset);
}

TEST_P(LogContract, ADeadLetterIsKeptOnceById) {
  start(1);
  for (int round = 0; round < 2; ++round) {
    auto letters = log().dead_letters();
    letters->put(letter("same", 1));
    letters->put(letter("same", 1));
    letters->put(letter("other" + std::to_string(round), 1));
    ASSERT_TRUE(letters->flush());
    letters.reset();
    log().rest();
  }
  EXPECT_EQ(all_dead_letters(*log().dead_letter_query()).size(), 3U);
}

TEST_P(LogContract, ManyLargeDeadLettersAreAllKept) {
  start(1);
  auto letters = log().dead_letters();
  for (int i = 0; i < 12; ++i) {
    DeadLetter large = letter(std::to_string(i), i);
    large.raw.assign(300'000, static_cast<char>('a' + i));
    letters->put(std::move(large));
  }
  ASSERT_TRUE(letters->flush());
  ASSERT_TRUE(letters->flush()) << "a flush of nothing is fine";
  letters.reset();
  log().rest();
  const auto kept = all_dead_letters(*log().dead_letter_query());
  ASSERT_EQ(kept.size(), 12U);
  for (std::size_t i = 0; i < kept.size(); ++i)
    EXPECT_EQ(kept[i].raw, std::string(300'000, static_cast<char>('a' + i)));
}

TEST_P(LogContract, VisitingDeadLettersStopsWhenTheVisitorSaysSo) {
  start(1);
  auto letters = log().dead_letters();
  letters->put(letter("a", 1));
  letters->put(letter("b", 2));
  ASSERT_TRUE(letters->flush());
  int visited = 0;
  ASSERT_TRUE(log().dead_letter_query()->dead_letters([&](const DeadLetter&) {
    ++visited;
    return false;
  }));
  EXPECT_EQ(visited, 1);
}

}  // namespace
}  // namespace finpipe
