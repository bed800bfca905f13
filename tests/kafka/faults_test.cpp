// What a log on Kafka does when its server or its topics change under it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/time.h"
#include "kafka_server.h"
#include "log_subject.h"
#include "logs/kafka/kafka_topics.h"
#include "logs/kafka/settings.h"

namespace finpipe::kafka_test {
namespace {

using Append = LogWriter::Append;
using Values = std::vector<std::string>;

constexpr auto kDeadline = std::chrono::seconds(120);

bool wait_until(const std::function<bool()>& done) {
  const auto begun = std::chrono::steady_clock::now();
  while (!done()) {
    if (std::chrono::steady_clock::now() - begun > kDeadline) return false;
  }
  return true;
}

Append append(LogWriter& writer, std::int32_t partition, const std::string& value) {
  const LogRecord record{RecordType::kTrade, "K", value};
  return writer.append(partition, {&record, 1});
}

void write(KafkaLog& log, std::int32_t partition, const Values& values) {
  for (const std::string& value : values) ASSERT_EQ(append(log.writer(), partition, value), Append::kAccepted);
  while (log.writer().pending_bytes() > 0) {
    const auto polled = log.writer().poll();
    ASSERT_TRUE(polled) << polled.error().message();
  }
}

Values numbers(int count) {
  Values values;
  for (int i = 0; i < count; ++i) values.push_back(std::to_string(i));
  return values;
}

// The values of a partition from the first one that was appended up to its end.
Values read_all(KafkaLog& log, std::int32_t partition) {
  auto reader = log.reader();
  const auto range = reader->range(partition);
  EXPECT_TRUE(range) << range.error().message();
  std::int64_t next = range->begin == 0 ? 1 : range->begin;
  EXPECT_TRUE(reader->seek(partition, next));
  Values values;
  EXPECT_TRUE(wait_until([&] {
    const auto read = reader->poll(1 << 20);
    EXPECT_TRUE(read) << read.error().message();
    if (!read) return true;
    for (const auto& batch : read->batches) {
      EXPECT_EQ(batch.first_offset, next);
      for (const LogRecord& record : batch.records) values.emplace_back(record.value);
      next += static_cast<std::int64_t>(batch.records.size());
    }
    return next >= range->end;
  }));
  return values;
}

template <typename Port>
std::optional<Error> await_error(Port poll) {
  std::optional<Error> error;
  EXPECT_TRUE(wait_until([&] {
    const auto polled = poll();
    if (!polled) error = polled.error();
    return error.has_value();
  }));
  return error;
}

TEST(KafkaTopicsOnAServer, AreMadeOnceAndCheckedAfterwards) {
  KafkaOptions options = new_log(3);
  const auto again = create_kafka_topics(options, {.partitions = 3});
  ASSERT_TRUE(again) << again.error().message();
  ASSERT_EQ(again->size(), 4U);
  EXPECT_EQ((*again)[0], fmt::format("topic {}.ticks: partitions: 3, replicas: 1, min.insync.replicas 1, "
                                     "retention.ms 604800000",
                                     options.prefix));
  EXPECT_TRUE(again->back().starts_with("log id "));
  EXPECT_TRUE(create_kafka_topics(options, {}));
  const auto other = create_kafka_topics(options, {.partitions = 4});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kPartitionCountChanged);
}

TEST(KafkaTopicsOnAServer, ACompactedTopicIsRefused) {
  KafkaOptions options = server();
  options.prefix = new_log(1).prefix + "c";
  create_topic(options, kafka::ticks_topic(options), 1, {{"cleanup.policy", "compact"}});
  const auto created = create_kafka_topics(options, {});
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code, ErrorCode::kTopicSettings);
  EXPECT_NE(created.error().detail.find("compact"), std::string::npos);
}

TEST(KafkaTopicsOnAServer, BarsNeedAsManyPartitionsAsTheLog) {
  KafkaOptions options = server();
  options.prefix = new_log(1).prefix + "b";
  create_topic(options, kafka::ticks_topic(options), 2, {});
  create_topic(options, kafka::letters_topic(options), 1, {});
  create_topic(options, kafka::bars_topic(options), 3, {});
  ASSERT_TRUE(begin_kafka_log(options));
  const auto bars = open_log(options)->bars();
  ASSERT_FALSE(bars);
  EXPECT_EQ(bars.error().code, ErrorCode::kPartitionCountChanged);
  EXPECT_TRUE(open_log(new_log(2))->bars());
}

TEST(KafkaTopicsOnAServer, WhatCouldLoseRecordsIsRefused) {
  const KafkaOptions made = new_log(1);
  const std::map<std::string, std::string> good = {{"max.message.bytes", "6000000"}};
  int number = 0;
  for (const auto& [name, value] : std::map<std::string, std::string>{{"unclean.leader.election.enable", "true"},
                                                                      {"min.insync.replicas", "2"},
                                                                      {"max.message.bytes", "1048588"},
                                                                      {"retention.bytes", "1073741824"},
                                                                      {"retention.ms", "60000"}}) {
    KafkaOptions options = made;
    options.prefix = fmt::format("{}s{}", made.prefix, ++number);
    auto settings = good;
    settings[name] = value;
    create_topic(options, kafka::ticks_topic(options), 1, settings);
    const auto created = create_kafka_topics(options, {});
    ASSERT_FALSE(created) << name;
    EXPECT_EQ(created.error().code, ErrorCode::kTopicSettings) << created.error().message();
    EXPECT_NE(created.error().detail.find(name), std::string::npos) << created.error().detail;
  }
}

TEST(KafkaTopicsOnAServer, AnIdWhoseRecordsHaveAllExpiredIsTakenFromWhoKnowsIt) {
  const KafkaOptions options = new_log(2);
  const auto log = open_log(options);
  for (const std::int32_t partition : {0, 1}) {
    write(*log, partition, numbers(10));
    delete_records_below(options, kafka::ticks_topic(options), partition, 11);
  }
  EXPECT_EQ(KafkaLog::open(options).error().code, ErrorCode::kLogIdMissing);
  EXPECT_EQ(begin_kafka_log(options).error().code, ErrorCode::kLogIdMissing);
  EXPECT_EQ(begin_kafka_log(options, log->log_id()), 2);
  EXPECT_EQ(open_log(options)->log_id(), log->log_id());
}

TEST(KafkaTopicsOnAServer, OneThatIsNotThereIsNotOpenedAndNotMade) {
  KafkaOptions options = server();
  options.prefix = new_log(1).prefix + "n";
  for (int round = 0; round < 2; ++round) {
    const auto opened = KafkaLog::open(options);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::kTopicMissing) << opened.error().message();
  }
}

TEST(KafkaTopicsOnAServer, ALogWithoutATopicForDeadLettersIsNotOpened) {
  const KafkaOptions options = new_log(1);
  delete_topic(options, kafka::letters_topic(options));
  std::optional<Error> error;
  EXPECT_TRUE(wait_until([&] {
    const auto opened = KafkaLog::open(options);
    if (!opened) error = opened.error();
    return error.has_value();
  }));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kTopicMissing) << error->message();
}

TEST(KafkaLettersOnAServer, OnlyThoseOfATimeAreRead) {
  const auto log = KafkaLog::open(new_log(2)).value();
  const auto letters = log->dead_letters();
  const auto put = [&](const std::string& id) {
    DeadLetter letter;
    letter.id = id;
    letters->put(std::move(letter));
    ASSERT_TRUE(letters->flush());
  };
  const auto seen_since = [&](std::int64_t since_ms) {
    Values seen;
    const auto read = log->dead_letter_query(since_ms)->dead_letters([&](const DeadLetter& letter) {
      seen.push_back(letter.id);
      return true;
    });
    EXPECT_TRUE(read) << read.error().message();
    return seen;
  };
  SystemClock clock;
  put("a");
  const std::int64_t between_ms = clock.wall_ns() / kNsPerMs + 1;
  ASSERT_TRUE(wait_until([&] { return clock.wall_ns() / kNsPerMs > between_ms; }));
  put("b");
  EXPECT_EQ(seen_since(0), (Values{"a", "b"}));
  EXPECT_EQ(seen_since(between_ms), Values{"b"});
  EXPECT_EQ(seen_since(between_ms + 3'600'000), Values());
}

TEST(KafkaFaults, RetentionThatOvertakesAReaderIsOutOfRange) {
  const KafkaOptions options = new_log(1);
  const auto log = open_log(options);
  write(*log, 0, numbers(100));
  auto reader = log->reader();
  reader->pause(0);
  ASSERT_TRUE(reader->seek(0, 1));
  delete_records_below(options, kafka::ticks_topic(options), 0, 50);
  reader->resume(0);
  const auto error = await_error([&] { return reader->poll(1 << 20); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kOffsetOutOfRange);
  EXPECT_EQ(reader->seek(0, 49).error().code, ErrorCode::kOffsetOutOfRange);
  EXPECT_EQ(reader->range(0)->begin, 50);
  ASSERT_TRUE(reader->seek(0, 50));
  EXPECT_TRUE(wait_until([&] { return !reader->poll(1 << 20)->batches.empty(); }));
}

TEST(KafkaFaults, ATopicMadeAnewStopsWhoWritesAndWhoReads) {
  const KafkaOptions options = new_log(1);
  const auto log = open_log(options);
  write(*log, 0, numbers(100));
  auto reader = log->reader();
  ASSERT_TRUE(reader->seek(0, 101));
  ASSERT_TRUE(reader->poll(1));
  delete_topic(options, kafka::ticks_topic(options));
  ASSERT_TRUE(wait_until([&] { return create_kafka_topics(options, {.partitions = 1}).has_value(); }));
  const auto read = await_error([&] { return reader->poll(1 << 20); });
  ASSERT_TRUE(read);
  EXPECT_EQ(read->code, ErrorCode::kLogIdsDiffer) << read->message();
  ASSERT_EQ(append(log->writer(), 0, "into the new one"), Append::kAccepted);
  const auto written = await_error([&] { return log->writer().poll(); });
  ASSERT_TRUE(written);
  EXPECT_EQ(written->code, ErrorCode::kLogIdsDiffer) << written->message();
}

TEST(KafkaFaults, AWriterStopsAlsoWhenTheNewTopicIsLongerThanItsOwnWas) {
  const KafkaOptions options = new_log(1);
  const auto log = open_log(options);
  write(*log, 0, numbers(10));
  delete_topic(options, kafka::ticks_topic(options));
  ASSERT_TRUE(wait_until([&] { return create_kafka_topics(options, {.partitions = 1}).has_value(); }));
  write(*open_log(options), 0, numbers(100));
  ASSERT_EQ(append(log->writer(), 0, "into the new one"), Append::kAccepted);
  const auto written = await_error([&] { return log->writer().poll(); });
  ASSERT_TRUE(written);
  EXPECT_EQ(written->code, ErrorCode::kLogIdsDiffer) << written->message();
}

TEST(KafkaFaults, WhatEndsATransactionIsARecordThatSaysNothing) {
  const KafkaOptions options = new_log(1);
  const auto log = open_log(options);
  write(*log, 0, {"a"});
  write_transactions(options, kafka::ticks_topic(options), {"b"});
  ASSERT_TRUE(wait_until([&] { return log->reader()->range(0)->end == 4; })) << "what ends it comes a little later";
  EXPECT_EQ(read_all(*log, 0), (Values{"a", "b", ""})) << "at the end of the log";
  write(*log, 0, {"c"});
  EXPECT_EQ(read_all(*log, 0), (Values{"a", "b", "", "c"}));
  write_transactions(options, kafka::ticks_topic(options), {"d", "e"});
  ASSERT_TRUE(wait_until([&] { return log->reader()->range(0)->end == 9; }));
  EXPECT_EQ(read_all(*log, 0), (Values{"a", "b", "", "c", "d", "e", "", ""})) << "of two at once, one after the other";
  write(*log, 0, {"f"});
  EXPECT_EQ(read_all(*log, 0), (Values{"a", "b", "", "c", "d", "e", "", "", "f"}));
}

TEST(KafkaFaults, TwoWritersDoNotDisturbEachOther) {
  const KafkaOptions options = new_log(1);
  const auto one = open_log(options);
  const auto two = open_log(options);
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(append(one->writer(), 0, fmt::format("1/{}", i)), Append::kAccepted);
    ASSERT_EQ(append(two->writer(), 0, fmt::format("2/{}", i)), Append::kAccepted);
    if (i % 50 == 0) {
      ASSERT_TRUE(one->writer().poll() && two->writer().poll());
    }
  }
  write(*one, 0, {});
  write(*two, 0, {});
  std::map<char, int> next;
  const Values values = read_all(*one, 0);
  EXPECT_EQ(values.size(), 1'000U);
  for (const std::string& value : values) EXPECT_EQ(value.substr(2), std::to_string(next[value[0]]++));
}

// Appends until it has seen so many outages end; a script kills the server when it is told that all is well, and starts
// it when it is told of trouble.
TEST(KafkaFaults, WhatIsAppendedWhileTheServerDiesIsThereOnceAndInOrder) {
  constexpr int kLeast = 1'000;
  const char* const told_outages = std::getenv("FINPIPE_KAFKA_OUTAGES");
  const int outages = told_outages == nullptr ? 0 : std::atoi(told_outages);
  KafkaOptions options = new_log(2);
  options.patience_ms = 120'000;
  options.max_pending_bytes = 64 << 10;
  const auto log = open_log(options);
  std::map<std::int32_t, int> appended;
  std::map<std::int32_t, std::int64_t> ends;
  bool is_well = false;
  int was_well = 0;  // times
  const auto tell = [&](bool well) {
    if (std::exchange(is_well, well) == well) return;
    if (well) ++was_well;
    std::cout << (well ? "all is well" : "trouble") << std::endl;
  };
  const auto is_enough = [&] { return was_well > outages && std::min(appended[0], appended[1]) >= kLeast; };
  while (!is_enough() || log->writer().pending_bytes() > 0) {
    for (const std::int32_t partition : {0, 1}) {
      if (!is_enough() && append(log->writer(), partition, std::to_string(appended[partition])) == Append::kAccepted)
        ++appended[partition];
    }
    const auto polled = log->writer().poll();
    ASSERT_TRUE(polled) << polled.error().message();
    for (const auto& one : *polled) {
      EXPECT_GT(one.end, ends[one.partition]);
      ends[one.partition] = one.end;
    }
    if (log->trouble()) {
      tell(false);
    } else if (!polled->empty()) {
      tell(true);
    }
  }
  for (const std::int32_t partition : {0, 1}) {
    EXPECT_EQ(ends[partition], appended[partition] + 1);
    EXPECT_EQ(read_all(*log, partition), numbers(appended[partition]));
  }
}

}  // namespace
}  // namespace finpipe::kafka_test
