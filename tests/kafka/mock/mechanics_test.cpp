// What writers and readers do when a cluster misbehaves, on the mock cluster.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "log_subject.h"
#include "logs/kafka/kafka_topics.h"
#include "logs/kafka/log_identity.h"
#include "logs/kafka/membership.h"
#include "logs/kafka/producer.h"
#include "logs/kafka/reader.h"
#include "logs/kafka/settings.h"
#include "mock_cluster.h"

namespace finpipe::kafka {
namespace {

using Append = LogWriter::Append;
using kafka_test::open_log;

constexpr auto kDeadline = std::chrono::seconds(40);

bool wait_until(const std::function<bool()>& done) {
  const auto begun = std::chrono::steady_clock::now();
  while (!done()) {
    if (std::chrono::steady_clock::now() - begun > kDeadline) return false;
  }
  return true;
}

Append append(LogWriter& writer, const std::string& value, std::int32_t partition = 0) {
  const LogRecord record{RecordType::kTrade, "K", value};
  return writer.append(partition, {&record, 1});
}

void write(LogWriter& writer, const std::string& value, std::int32_t partition = 0) {
  ASSERT_EQ(append(writer, value, partition), Append::kAccepted);
  while (writer.pending_bytes() > 0) ASSERT_TRUE(writer.poll());
}

// The error that the writer's polls come to.
std::optional<Error> await_error(LogWriter& writer) {
  std::optional<Error> error;
  static_cast<void>(wait_until([&] {
    const auto polled = writer.poll();
    if (!polled) error = polled.error();
    return error.has_value();
  }));
  return error;
}

std::optional<Error> await_error(LogReader& reader) {
  std::optional<Error> error;
  static_cast<void>(wait_until([&] {
    const auto read = reader.poll(1 << 20);
    if (!read) error = read.error();
    return error.has_value();
  }));
  return error;
}

// As a program of somebody else may write.
void write_foreign(const KafkaOptions& options, const std::optional<std::string>& key,
                   const std::optional<std::string>& value, const std::string& type = "", std::string topic = "",
                   std::int32_t partition = 0) {
  rd_kafka_conf_t* configuration = rd_kafka_conf_new();
  rd_kafka_conf_set(configuration, "bootstrap.servers", options.brokers.c_str(), nullptr, 0);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nullptr, 0);
  rd_kafka_headers_t* headers = rd_kafka_headers_new(1);
  if (!type.empty()) rd_kafka_header_add(headers, "type", -1, type.data(), static_cast<std::ptrdiff_t>(type.size()));
  rd_kafka_vu_t arguments[5]{};
  if (topic.empty()) topic = ticks_topic(options);
  arguments[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  arguments[0].u.cstr = topic.c_str();
  arguments[1].vtype = RD_KAFKA_VTYPE_PARTITION;
  arguments[1].u.i32 = partition;
  arguments[2].vtype = RD_KAFKA_VTYPE_KEY;
  if (key) arguments[2].u.mem = {const_cast<char*>(key->c_str()), key->size()};
  arguments[3].vtype = RD_KAFKA_VTYPE_VALUE;
  if (value) arguments[3].u.mem = {const_cast<char*>(value->c_str()), value->size()};
  arguments[4].vtype = RD_KAFKA_VTYPE_HEADERS;
  arguments[4].u.headers = headers;
  ASSERT_EQ(rd_kafka_produceva(client, arguments, 5), nullptr);
  ASSERT_EQ(rd_kafka_flush(client, 20'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_destroy(client);
}

DeadLetter letter(const std::string& id, std::string raw = "x", std::string detail = "") {
  DeadLetter made;
  made.id = id;
  made.raw = std::move(raw);
  made.detail = std::move(detail);
  return made;
}

class Mechanics : public testing::Test {
 protected:
  MockCluster cluster_;
};

TEST_F(Mechanics, WhatPassesIsTriedAgainInOrder) {
  const auto options = cluster_.new_log(1);
  const auto log = open_log(options);
  write(log->writer(), "first");
  cluster_.refuse_produce(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 3);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(append(log->writer(), std::to_string(i)), Append::kAccepted);
  while (log->writer().pending_bytes() > 0) ASSERT_TRUE(log->writer().poll());
  auto reader = log->reader();
  ASSERT_TRUE(reader->seek(0, 2));
  std::vector<std::string> values;
  ASSERT_TRUE(wait_until([&] {
    const auto read = reader->poll(1 << 20);
    for (const auto& batch : read->batches) {
      for (const LogRecord& record : batch.records) values.emplace_back(record.value);
    }
    return values.size() >= 50;
  }));
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], std::to_string(i));
}

TEST_F(Mechanics, ARefusalIsPermanent) {
  const auto log = open_log(cluster_.new_log(1));
  write(log->writer(), "first");
  cluster_.refuse_produce(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
  ASSERT_EQ(append(log->writer(), "refused"), Append::kAccepted);
  const auto error = await_error(log->writer());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kLogWritePermission) << error->message();
  EXPECT_NE(error->detail.find(".ticks"), std::string::npos) << error->detail;
  static_cast<void>(append(log->writer(), "after"));
  const auto after = await_error(log->writer());
  ASSERT_TRUE(after);
  EXPECT_EQ(after->code, ErrorCode::kLogWritePermission);
}

TEST_F(Mechanics, WhoAppendsOnAfterARefusalIsToldItsCause) {
  const auto log = open_log(cluster_.new_log(1));
  write(log->writer(), "first");
  cluster_.refuse_produce(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(append(log->writer(), "v"), Append::kAccepted);
    ASSERT_TRUE(
        wait_until([&] { return std::chrono::steady_clock::now() - begun > std::chrono::milliseconds(3 * i); }));
  }
  const auto error = await_error(log->writer());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kLogWritePermission) << error->message();
}

TEST_F(Mechanics, ARecordThatNoBrokerTakesEndsTheSession) {
  const auto log = open_log(cluster_.new_log(1));
  ASSERT_EQ(append(log->writer(), std::string(5 << 20, 'x')), Append::kAccepted);
  const auto error = await_error(log->writer());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kLogRefused);
}

std::vector<DeadLetter> all_letters(KafkaLog& log) {
  std::vector<DeadLetter> letters;
  const auto read = log.dead_letter_query()->dead_letters([&](const DeadLetter& letter) {
    letters.push_back(letter);
    return true;
  });
  EXPECT_TRUE(read) << read.error().message();
  return letters;
}

TEST_F(Mechanics, ALetterOfTheLargestRecordIsKeptWhole) {
  const auto log = open_log(cluster_.new_log(1));
  auto letters = log->dead_letters();
  letters->put(letter("large", std::string(kMaxRecordBytes, 'x'), std::string(kMaxRecordBytes, 'd')));
  const auto flushed = letters->flush();
  ASSERT_TRUE(flushed) << flushed.error().message();
  const auto kept = all_letters(*log);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].raw.size(), static_cast<std::size_t>(kMaxRecordBytes));
}

TEST_F(Mechanics, ALetterThatIsLargerIsCutAndSaysSo) {
  const auto log = open_log(cluster_.new_log(1));
  auto letters = log->dead_letters();
  letters->put(letter("larger", std::string(kMaxRecordBytes + 1, 'x'), "why"));
  ASSERT_TRUE(letters->flush());
  const auto kept = all_letters(*log);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].detail, "why; raw is cut: 4194304 of 4194305 bytes");
}

TEST_F(Mechanics, ALetterThatTheTopicDoesNotTakeIsCutOnceMore) {
  const auto log = open_log(cluster_.new_log(1));
  auto letters = log->dead_letters();
  cluster_.refuse_produce(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, 1);
  letters->put(letter("large", std::string(100'000, 'x'), "why"));
  auto flushed = letters->flush();
  ASSERT_TRUE(flushed) << flushed.error().message();
  letters->put(letter("small"));
  flushed = letters->flush();
  ASSERT_TRUE(flushed) << flushed.error().message();
  const auto kept = all_letters(*log);
  ASSERT_EQ(kept.size(), 2U);
  const DeadLetter& cut = kept[0].id == "large" ? kept[0] : kept[1];
  EXPECT_EQ(cut.detail, "why; raw is cut: 4096 of 100000 bytes");
}

TEST_F(Mechanics, WhatIsNoLetterIsLeftOut) {
  const auto options = cluster_.new_log(1);
  write_foreign(options, "k", "no letter", "", letters_topic(options));
  const auto log = open_log(options);
  auto letters = log->dead_letters();
  letters->put(letter("a"));
  ASSERT_TRUE(letters->flush());
  const auto kept = all_letters(*log);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].id, "a");
}

// The broker no longer knows where it has a batch: librdkafka counts it from -1 on.
TEST_F(Mechanics, AnAcknowledgementWithoutAPlaceIsNoOtherLog) {
  const auto log = open_log(cluster_.new_log(1));
  for (int i = 0; i < 5; ++i) write(log->writer(), "v");
  cluster_.refuse_produce(RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER, 1);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(append(log->writer(), "again"), Append::kAccepted);
  while (log->writer().pending_bytes() > 0) ASSERT_TRUE(log->writer().poll());
  write(log->writer(), "after");
  EXPECT_EQ(log->reader()->range(0)->end, 7) << "the mock cluster does not have what it says that it has";
}

// What is in flight when the end is asked for is told of later.
TEST_F(Mechanics, AnAcknowledgementBelowTheEndThatWasAskedForIsNoOtherLog) {
  const auto options = cluster_.new_log(1);
  for (int i = 0; i < 10; ++i) write_foreign(options, "K", "v");
  Cluster cluster(options, {});
  Producer::Numbers numbers;
  const auto producer = Producer::make(cluster, ticks_topic(options), 1, writer_settings(options), numbers);
  ASSERT_TRUE(producer);
  const auto deliver = [&](std::int64_t offset) { (*producer)->on_delivery({0, offset, 0, 0, ""}); };
  deliver(3);
  deliver(RD_KAFKA_OFFSET_INVALID);
  ASSERT_TRUE((*producer)->poll(0));
  EXPECT_EQ((*producer)->end(0), 11);
  deliver(5);
  EXPECT_TRUE((*producer)->poll(0));
  EXPECT_EQ((*producer)->end(0), 11);
  deliver(5);
  EXPECT_EQ((*producer)->poll(0).error().code, ErrorCode::kLogIdsDiffer);
}

TEST_F(Mechanics, AWriterSeesThatOthersWrite) {
  const auto options = cluster_.new_log(1);
  const auto log = open_log(options);
  write(log->writer(), "a");
  write(log->writer(), "b");
  EXPECT_FALSE(log->writer().others_wrote());
  write(open_log(options)->writer(), "of another");
  write(log->writer(), "c");
  EXPECT_TRUE(log->writer().others_wrote());
  EXPECT_FALSE(log->writer().others_wrote()) << "told once";
}

TEST_F(Mechanics, ABrokerThatIsAwayIsNoError) {
  auto options = cluster_.new_log(1);
  options.max_pending_bytes = 10'000;
  const auto log = open_log(options);
  write(log->writer(), "first");
  cluster_.set_down(true);
  int accepted = 0;
  ASSERT_TRUE(wait_until([&] {
    const bool full = append(log->writer(), std::to_string(accepted)) == Append::kFull;
    if (!full) ++accepted;
    EXPECT_TRUE(log->writer().poll());
    return full;
  }));
  std::optional<std::string> trouble;
  ASSERT_TRUE(wait_until([&] {
    EXPECT_TRUE(log->writer().poll());
    trouble = log->trouble();
    return trouble.has_value() && trouble->find("0 of 1") != std::string::npos;
  })) << trouble.value_or("none");
  cluster_.set_down(false);
  ASSERT_TRUE(wait_until([&] {
    EXPECT_TRUE(log->writer().poll());
    return log->writer().pending_bytes() == 0;
  }));
  EXPECT_TRUE(wait_until([&] {
    EXPECT_TRUE(log->writer().poll());
    return !log->trouble();
  }));
  EXPECT_EQ(log->reader()->range(0)->end, accepted + 2);
}

TEST_F(Mechanics, ABrokerThatStaysAwayIsToldAfterThePatience) {
  auto options = cluster_.new_log(1);
  options.patience_ms = 1'500;
  const auto log = open_log(options);
  write(log->writer(), "first");
  auto reader = log->reader();
  reader->pause(0);
  ASSERT_TRUE(reader->seek(0, 0));
  cluster_.set_down(true);
  ASSERT_EQ(append(log->writer(), "a"), Append::kAccepted);
  const auto written = await_error(log->writer());
  ASSERT_TRUE(written);
  EXPECT_EQ(written->code, ErrorCode::kBrokerUnreachable) << written->message();
  reader->resume(0);
  const auto read = await_error(*reader);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->code, ErrorCode::kBrokerUnreachable) << read->message();
}

TEST_F(Mechanics, WhoPollsForABrokerThatIsAwayCanBeStopped) {
  auto options = cluster_.new_log(1);
  options.patience_ms = 0;
  const auto log = open_log(options);
  write(log->writer(), "first");
  auto reader = log->reader();
  reader->pause(0);
  ASSERT_TRUE(reader->seek(0, 0));
  cluster_.set_down(true);
  ASSERT_EQ(append(log->writer(), "a"), Append::kAccepted);
  log->interrupt();
  const auto written = await_error(log->writer());
  ASSERT_TRUE(written);
  EXPECT_EQ(written->code, ErrorCode::kInterrupted) << written->message();
  reader->resume(0);
  const auto read = await_error(*reader);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->code, ErrorCode::kInterrupted) << read->message();
}

TEST_F(Mechanics, WhatABrokerAnswersAtOnceIsWrittenAlsoAfterAnInterrupt) {
  const auto log = open_log(cluster_.new_log(1));
  log->interrupt();
  write(log->writer(), "the last heartbeat");
  auto letters = log->dead_letters();
  letters->put(letter("a"));
  EXPECT_TRUE(letters->flush());
}

TEST_F(Mechanics, PatienceBeginsAnewWithEachAnswer) {
  auto options = cluster_.new_log(1);
  options.patience_ms = 1'500;
  const auto log = open_log(options);
  auto letters = log->dead_letters();
  for (int i = 0; i < 5; ++i) letters->put(letter(std::to_string(i), std::string(900'000, 'x')));
  ASSERT_TRUE(letters->flush());
  cluster_.set_delay(400);
  int seen = 0;
  const auto read = log->dead_letter_query()->dead_letters([&](const DeadLetter&) { return ++seen > 0; });
  EXPECT_TRUE(read) << read.error().message();
  EXPECT_EQ(seen, 5);
}

// librdkafka would keep a set of statistics for it each second.
TEST_F(Mechanics, WhatNobodyPollsDoesNotGrow) {
  const auto options = cluster_.new_log(1);
  Cluster cluster(options, {});
  const auto fetcher = Fetcher::make(cluster, ticks_topic(options), 1);
  ASSERT_TRUE(fetcher);
  const auto begun = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(2'500)) (*fetcher)->wait();
  EXPECT_EQ(rd_kafka_outq_len((*fetcher)->client().get()), 0);
}

TEST_F(Mechanics, NoBrokerAtAllIsToldAfterThePatience) {
  KafkaOptions options = cluster_.options();
  options.brokers = "127.0.0.1:1";
  options.patience_ms = 1'000;
  const auto opened = KafkaLog::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kBrokerUnreachable);
  EXPECT_NE(opened.error().detail.find("Connection refused"), std::string::npos) << opened.error().detail;
}

TEST_F(Mechanics, WhatWaitsForABrokerCanBeStopped) {
  KafkaOptions options = cluster_.options();
  options.brokers = "127.0.0.1:1";
  options.patience_ms = 0;
  int asked = 0;
  const auto opened = KafkaLog::open(options, [&] { return ++asked > 2; });
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInterrupted);
}

TEST_F(Mechanics, ATopicWithoutALogIsNotOpened) {
  KafkaOptions options = cluster_.options();
  cluster_.create_topic(ticks_topic(options), 2);
  const auto opened = KafkaLog::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kLogIdMissing);
}

TEST_F(Mechanics, BeginningALogAgainChangesNothing) {
  const auto options = cluster_.new_log(3);
  const LogId id = open_log(options)->log_id();
  EXPECT_EQ(begin_kafka_log(options), 0);
  EXPECT_EQ(open_log(options)->log_id(), id);
  EXPECT_EQ(open_log(options)->reader()->range(2)->end, 1);
}

TEST_F(Mechanics, ABeginningThatWasCutShortIsCompletedWithTheSameId) {
  KafkaOptions options = cluster_.options();
  cluster_.create_topic(ticks_topic(options), 3);
  cluster_.create_topic(letters_topic(options), 1);
  LogId id{};
  id.fill(std::byte{7});
  write_foreign(options, std::nullopt, first_record(id));
  EXPECT_EQ(KafkaLog::open(options).error().code, ErrorCode::kLogIdMissing);
  EXPECT_EQ(begin_kafka_log(options), 2);
  EXPECT_EQ(open_log(options)->log_id(), id);
}

TEST_F(Mechanics, TwoWhoBeginALogAtOnceGiveItOneId) {
  for (int round = 0; round < 5; ++round) {
    KafkaOptions options = cluster_.options();
    options.prefix = "begun" + std::to_string(round);
    cluster_.create_topic(ticks_topic(options), 4);
    cluster_.create_topic(letters_topic(options), 1);
    std::jthread other([&] { EXPECT_TRUE(begin_kafka_log(options)); });
    EXPECT_TRUE(begin_kafka_log(options));
    other.join();
    const auto log = open_log(options);
    auto reader = log->reader();
    for (std::int32_t p = 0; p < 4; ++p) ASSERT_TRUE(reader->seek(p, 0));
    std::set<std::int32_t> seen;
    EXPECT_TRUE(wait_until([&] {
      const auto read = reader->poll(1 << 20);
      EXPECT_TRUE(read) << read.error().message();
      if (!read) return true;
      for (const auto& batch : read->batches) {
        if (seen.insert(batch.partition).second) {
          EXPECT_EQ(stated_log_id(batch.records[0].value), log->log_id());
        }
      }
      return seen.size() == 4;
    }));
  }
}

LogId other_id() {
  LogId id{};
  id.fill(std::byte{7});
  return id;
}

TEST_F(Mechanics, PartitionsOfTwoLogsAreNotOne) {
  const auto options = cluster_.new_log(1);
  KafkaOptions mixed = options;
  mixed.prefix = "mixed";
  cluster_.create_topic(ticks_topic(mixed), 2);
  write_foreign(mixed, std::nullopt, first_record(other_id()));
  write_foreign(mixed, std::nullopt, first_record({}), "", ticks_topic(mixed), 1);
  EXPECT_EQ(KafkaLog::open(mixed).error().code, ErrorCode::kLogIdsDiffer);
}

TEST_F(Mechanics, AStrayRecordOfAnotherLogIsHandedOut) {
  const auto options = cluster_.new_log(1);
  const auto log = open_log(options);
  auto reader = log->reader();
  ASSERT_TRUE(reader->seek(0, 0));
  write_foreign(options, std::nullopt, first_record(other_id()));
  write(log->writer(), "after");
  std::size_t records = 0;
  EXPECT_TRUE(wait_until([&] {
    const auto read = reader->poll(1 << 20);
    EXPECT_TRUE(read) << read.error().message();
    if (!read) return true;
    for (const auto& batch : read->batches) records += batch.records.size();
    return records >= 3;
  }));
  EXPECT_EQ(records, 3U);
}

TEST_F(Mechanics, ATopicThatBeginsAsAnotherLogIsNotReadOn) {
  const auto options = cluster_.new_log(1);
  Cluster cluster(options, {});
  SharedState shared(cluster, other_id(), 1);
  auto fetcher = Fetcher::make(cluster, ticks_topic(options), 1);
  ASSERT_TRUE(fetcher);
  Reader reader(shared, *std::move(fetcher), nullptr);
  ASSERT_TRUE(reader.seek(0, 0));
  const auto error = await_error(reader);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kLogIdsDiffer);
}

TEST_F(Mechanics, ALogInUseThatGotPartitionsIsNotGoneOnWith) {
  KafkaOptions options = cluster_.options();
  cluster_.create_topic(ticks_topic(options), 2);
  cluster_.create_topic(letters_topic(options), 1);
  write_foreign(options, std::nullopt, first_record(other_id()));
  write_foreign(options, "K", "v");
  EXPECT_EQ(begin_kafka_log(options).error().code, ErrorCode::kPartitionCountChanged);
  EXPECT_EQ(KafkaLog::open(options).error().code, ErrorCode::kPartitionCountChanged);
}

TEST_F(Mechanics, AMemberThatGetsAPartitionOfLaterSaysSo) {
  const auto options = cluster_.new_log(2);
  Cluster cluster(options, {});
  const auto member = Membership::join(cluster, ticks_topic(options), 1, "g", "", {});
  ASSERT_TRUE(member);
  std::optional<Error> error;
  EXPECT_TRUE(wait_until([&] {
    const auto changes = (*member)->poll();
    if (!changes) error = changes.error();
    return error.has_value();
  }));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kPartitionCountChanged);
}

TEST_F(Mechanics, WhoJoinsNeedNotWaitForAMemberThatIsBusy) {
  auto options = cluster_.new_log(2);
  options.session_timeout_ms = 4'000;  // the mock cluster waits so long for members to join again
  const auto log = open_log(options);
  const auto owned_after_poll = [](LogReader& reader, std::set<std::int32_t>& owned) {
    const auto read = reader.poll(1);
    ASSERT_TRUE(read) << read.error().message();
    for (const auto& change : read->assignments) {
      if (change.change == LogReader::Change::kAssigned) {
        owned.insert(change.partition);
      } else {
        owned.erase(change.partition);
      }
    }
  };
  auto busy = log->group_reader("g", "");
  std::set<std::int32_t> of_busy;
  ASSERT_TRUE(wait_until([&] {
    owned_after_poll(*busy, of_busy);
    return of_busy.size() == 2;
  }));
  auto joiner = log->group_reader("g", "");
  std::set<std::int32_t> of_joiner;
  EXPECT_TRUE(wait_until([&] {
    owned_after_poll(*joiner, of_joiner);
    return of_joiner.size() == 1;
  }));
  owned_after_poll(*busy, of_busy);
  EXPECT_EQ(of_busy.size(), 1U);
}

TEST_F(Mechanics, ForeignRecordsOfEveryShapeArrive) {
  const auto options = cluster_.new_log(1);
  write_foreign(options, "K", std::nullopt);
  write_foreign(options, std::nullopt, std::nullopt);
  write_foreign(options, "K", "v", "strange");
  write_foreign(options, "", "v");
  write_foreign(options, std::nullopt, "v", "trade");
  const auto log = open_log(options);
  auto reader = log->reader();
  ASSERT_TRUE(reader->seek(0, 1));
  std::vector<std::string> seen;
  ASSERT_TRUE(wait_until([&] {
    const auto read = reader->poll(1 << 20);
    EXPECT_TRUE(read);
    if (!read) return true;
    for (const auto& batch : read->batches) {
      for (const LogRecord& record : batch.records) {
        seen.push_back(fmt::format("{} {} '{}'", record.type == RecordType::kTrade ? "trade" : "control",
                                   record.key ? "'" + std::string(*record.key) + "'" : "-", record.value));
      }
    }
    return seen.size() >= 5;
  }));
  EXPECT_EQ(seen,
            (std::vector<std::string>{"trade 'K' ''", "control - ''", "trade 'K' 'v'", "trade '' 'v'", "trade - 'v'"}));
}

TEST_F(Mechanics, AnIdleReaderIsWokenByWhatComes) {
  const auto log = open_log(cluster_.new_log(1));
  std::atomic<int> woken = 0;
  auto reader = log->reader([&] { ++woken; });
  ASSERT_TRUE(reader->seek(0, 1));
  EXPECT_TRUE(reader->poll(1)->batches.empty());
  woken = 0;
  write(log->writer(), "a");
  EXPECT_TRUE(wait_until([&] { return woken > 0; }));
  EXPECT_TRUE(wait_until([&] { return !reader->poll(1)->batches.empty(); }));
}

TEST_F(Mechanics, ACallerThatOnlyWaitsForAcknowledgementsDoesNotSpin) {
  const auto log = open_log(cluster_.new_log(1));
  write(log->writer(), "first");
  cluster_.set_down(true);
  ASSERT_EQ(append(log->writer(), "a"), Append::kAccepted);
  const auto begun = std::chrono::steady_clock::now();
  int polls = 0;
  while (std::chrono::steady_clock::now() - begun < std::chrono::seconds(1)) {
    ASSERT_TRUE(log->writer().poll());
    ++polls;
  }
  EXPECT_LT(polls, 1'000);
}

TEST_F(Mechanics, StatisticsCountWhatWasWrittenAndRead) {
  const auto log = open_log(cluster_.new_log(1));
  for (int i = 0; i < 10; ++i) write(log->writer(), "v");
  auto reader = log->reader([] {});
  ASSERT_TRUE(reader->seek(0, 0));
  ASSERT_TRUE(wait_until([&] {
    static_cast<void>(reader->poll(1 << 20));
    return log->statistics().records_read == 11 && log->statistics().brokers_up == 1;
  }));
  const KafkaStatistics statistics = log->statistics();
  EXPECT_EQ(statistics.records_written, 10);
  EXPECT_EQ(statistics.pending_bytes, 0);
  EXPECT_EQ(statistics.brokers, 1);
  EXPECT_EQ(statistics.lag, std::vector<std::int64_t>{-1}) << "of a group reader alone";
}

// Other clients that produce to the log find the same partition.
TEST(KafkaPartitioner, IsTheOneOfLibrdkafkaAndJava) {
  for (int i = 0; i < 10'000; ++i) {
    const std::string key =
        fmt::format("BINANCE:{}USDT{}", i * 7919, std::string(static_cast<std::size_t>(i % 5), 'x'));
    for (const std::int32_t partitions : {1, 6, 64}) {
      ASSERT_EQ(partition_of(key, partitions),
                rd_kafka_msg_partitioner_murmur2(nullptr, key.data(), key.size(), partitions, nullptr, nullptr))
          << key;
    }
  }
}

}  // namespace
}  // namespace finpipe::kafka
