// What only the memory log can do: the accidents of a real cluster, for the tests of what must survive them.
#include "logs/memory_log.h"

#include <gtest/gtest.h>

namespace finpipe {
namespace {

constexpr std::size_t kAll = 1 << 20;

void append(MemoryLog& log, std::int32_t partition, const std::vector<std::string>& values) {
  const auto writer = log.writer(kAll);
  for (const std::string& value : values) {
    const LogRecord record{RecordType::kTrade, "AAPL", value};
    ASSERT_EQ(writer->append(partition, {&record, 1}), LogWriter::Append::kAccepted);
  }
  ASSERT_TRUE(writer->poll());
}

std::vector<std::string> values(const LogReader::Read& read) {
  std::vector<std::string> all;
  for (const auto& batch : read.batches) {
    for (const LogRecord& record : batch.records) all.emplace_back(record.value);
  }
  return all;
}

TEST(MemoryLog, WritersShareTheOffsetsInTheOrderOfTheirPolls) {
  MemoryLog log(1, LogId{});
  const auto first = log.writer(kAll);
  const auto second = log.writer(kAll);
  const LogRecord a{RecordType::kTrade, "AAPL", "a"};
  const LogRecord b{RecordType::kTrade, "AAPL", "b"};
  ASSERT_EQ(first->append(0, {&a, 1}), LogWriter::Append::kAccepted);
  ASSERT_EQ(second->append(0, {&b, 1}), LogWriter::Append::kAccepted);
  EXPECT_EQ(second->poll()->front().end, 1);
  EXPECT_EQ(first->poll()->front().end, 2);
  const auto reader = log.reader({0});
  ASSERT_TRUE(reader->seek(0, 0));
  EXPECT_EQ(values(*reader->poll(kAll)), (std::vector<std::string>{"b", "a"}));
}

TEST(MemoryLog, AWriterSeesThatOthersWroteBetweenRecordsOfItsOwn) {
  MemoryLog log(1, LogId{});
  append(log, 0, {"before"});
  const auto writer = log.writer(kAll);
  const LogRecord record{RecordType::kTrade, "AAPL", "a"};
  const auto write = [&] {
    ASSERT_EQ(writer->append(0, {&record, 1}), LogWriter::Append::kAccepted);
    ASSERT_TRUE(writer->poll());
  };
  write();
  write();
  EXPECT_FALSE(writer->others_wrote());
  append(log, 0, {"between"});
  write();
  EXPECT_TRUE(writer->others_wrote());
  EXPECT_FALSE(writer->others_wrote()) << "told once";
}

TEST(MemoryLog, RetentionMovesTheBeginAndFailsAReaderBehindIt) {
  MemoryLog log(1, LogId{});
  append(log, 0, {"a", "b", "c"});
  const auto reader = log.reader({0});
  ASSERT_TRUE(reader->seek(0, 1));
  log.truncate_before(0, 2);
  EXPECT_EQ(reader->range(0)->begin, 2);
  EXPECT_EQ(reader->range(0)->end, 3);
  const auto read = reader->poll(kAll);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kOffsetOutOfRange);
  EXPECT_FALSE(reader->seek(0, 1));
  ASSERT_TRUE(reader->seek(0, 2));
  EXPECT_EQ(values(*reader->poll(kAll)), std::vector<std::string>{"c"});
}

TEST(MemoryLog, ALostTailGivesItsOffsetsAgainAndFailsAReaderBeyondIt) {
  MemoryLog log(1, LogId{});
  append(log, 0, {"a", "b", "c"});
  const auto reader = log.reader({0});
  ASSERT_TRUE(reader->seek(0, 0));
  ASSERT_TRUE(reader->poll(kAll));
  log.drop_tail(0, 1);
  EXPECT_EQ(reader->range(0)->end, 1);
  const auto read = reader->poll(kAll);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kOffsetOutOfRange);
  append(log, 0, {"d"});
  ASSERT_TRUE(reader->seek(0, 1));
  EXPECT_EQ(values(*reader->poll(kAll)), std::vector<std::string>{"d"});
}

TEST(MemoryLog, RebalancesAreReportedOnceAndForgetWhatWasSought) {
  MemoryLog log(2, LogId{});
  append(log, 0, {"a"});
  append(log, 1, {"b"});
  const auto reader = log.reader({0});
  auto read = reader->poll(kAll);
  ASSERT_EQ(read->assignments.size(), 1U);
  EXPECT_EQ(read->assignments[0].partition, 0);
  ASSERT_TRUE(reader->seek(0, 0));
  ASSERT_TRUE(reader->seek(1, 0));
  EXPECT_EQ(values(*reader->poll(kAll)), std::vector<std::string>{"a"}) << "partition 1 is another's";

  ASSERT_TRUE(reader->seek(0, 0));
  reader->revoke(0);
  reader->assign(1);
  read = reader->poll(kAll);
  ASSERT_EQ(read->assignments.size(), 2U);
  EXPECT_EQ(read->assignments[0].change, LogReader::Change::kRevoked);
  EXPECT_EQ(read->assignments[1].change, LogReader::Change::kAssigned);
  EXPECT_TRUE(read->batches.empty());
  ASSERT_TRUE(reader->seek(1, 0));
  read = reader->poll(kAll);
  EXPECT_TRUE(read->assignments.empty());
  EXPECT_EQ(values(*read), std::vector<std::string>{"b"});
}

}  // namespace
}  // namespace finpipe
