// How a log gets its id, and what is another log, on the mock cluster.
#include <set>
#include <string>
#include <thread>

#include "logs/kafka/kafka_topics.h"
#include "logs/kafka/log_identity.h"
#include "logs/kafka/reader.h"
#include "logs/kafka/settings.h"
#include "on_mock_cluster.h"

namespace finpipe::kafka {
namespace {

class KafkaIdentity : public OnMockCluster {};

TEST_F(KafkaIdentity, ATopicWithoutALogIsNotOpened) {
  KafkaOptions options = cluster_.options();
  cluster_.create_topic(ticks_topic(options), 2);
  const auto opened = KafkaLog::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kLogIdMissing);
}

TEST_F(KafkaIdentity, BeginningALogAgainChangesNothing) {
  const auto options = cluster_.new_log(3);
  const LogId id = open_log(options)->log_id();
  EXPECT_EQ(begin_kafka_log(options), 0);
  EXPECT_EQ(open_log(options)->log_id(), id);
  EXPECT_EQ(open_log(options)->reader()->range(2)->end, 1);
}

TEST_F(KafkaIdentity, ABeginningThatWasCutShortIsCompletedWithTheSameId) {
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

TEST_F(KafkaIdentity, TwoWhoBeginALogAtOnceGiveItOneId) {
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

TEST_F(KafkaIdentity, PartitionsOfTwoLogsAreNotOne) {
  const auto options = cluster_.new_log(1);
  KafkaOptions mixed = options;
  mixed.prefix = "mixed";
  cluster_.create_topic(ticks_topic(mixed), 2);
  write_foreign(mixed, std::nullopt, first_record(other_id()));
  write_foreign(mixed, std::nullopt, first_record({}), "", ticks_topic(mixed), 1);
  EXPECT_EQ(KafkaLog::open(mixed).error().code, ErrorCode::kLogIdsDiffer);
}

TEST_F(KafkaIdentity, AStrayRecordOfAnotherLogIsHandedOut) {
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

TEST_F(KafkaIdentity, ATopicThatBeginsAsAnotherLogIsNotReadOn) {
  const auto options = cluster_.new_log(1);
  Cluster cluster(options, {});
  SharedState shared(cluster, other_id(), 1);
  auto fetcher = Fetcher::make(cluster, ticks_topic(options), 1);
  ASSERT_TRUE(fetcher);
  Reader reader(shared, *std::move(fetcher), nullptr, nullptr);
  ASSERT_TRUE(reader.seek(0, 0));
  const auto error = await_error(reader);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kLogIdsDiffer);
}

TEST_F(KafkaIdentity, ALogInUseThatGotPartitionsIsNotGoneOnWith) {
  KafkaOptions options = cluster_.options();
  cluster_.create_topic(ticks_topic(options), 2);
  cluster_.create_topic(letters_topic(options), 1);
  write_foreign(options, std::nullopt, first_record(other_id()));
  write_foreign(options, "K", "v");
  EXPECT_EQ(begin_kafka_log(options).error().code, ErrorCode::kPartitionCountChanged);
  EXPECT_EQ(KafkaLog::open(options).error().code, ErrorCode::kPartitionCountChanged);
}

// Of three brokers some may be away just then: topics with fewer replicas would stay so.
TEST_F(KafkaIdentity, TopicsAreNotMadeWithFewReplicasUnasked) {
  const auto refusal = [](const KafkaOptions& options) {
    const auto created = create_kafka_topics(options, {});
    EXPECT_FALSE(created);
    if (created) return std::string();
    EXPECT_EQ(created.error().code, ErrorCode::kTopicSettings);
    return created.error().detail;
  };
  const MockCluster two(2), one(1);
  EXPECT_TRUE(refusal(two.options()).starts_with("2 of 3 brokers answer"));
  KafkaOptions options = one.options();
  const std::string broker = options.brokers;
  options.brokers = broker + ',' + broker;
  EXPECT_TRUE(refusal(options).starts_with("1 of 2 brokers answer"));
  options.brokers += ',' + broker + ',' + broker;
  EXPECT_TRUE(refusal(options).starts_with("1 of 3 brokers answer"));
}

}  // namespace
}  // namespace finpipe::kafka
