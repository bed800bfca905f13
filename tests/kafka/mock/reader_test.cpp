// Readers, alone and in a group, on the mock cluster.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "codec/records.h"
#include "logs/kafka/ends_watch.h"
#include "logs/kafka/errors.h"
#include "logs/kafka/fetcher.h"
#include "logs/kafka/membership.h"
#include "logs/kafka/owned.h"
#include "logs/kafka/producer.h"
#include "logs/kafka/settings.h"
#include "on_mock_cluster.h"

namespace finpipe::kafka {
namespace {

class KafkaReader : public OnMockCluster {};

// Polls, and keeps what the polls make one have: to lose what one was never given is an error. Returns how many records
// came.
std::size_t poll_as_member(LogReader& reader, std::set<std::int32_t>& owned) {
  const auto read = reader.poll(1 << 20);
  EXPECT_TRUE(read) << read.error().message();
  if (!read) return 0;
  for (const auto& [partition, change] : read->assignments) {
    if (change == LogReader::Change::kRevoked) {
      EXPECT_EQ(owned.erase(partition), 1U) << partition;
      continue;
    }
    EXPECT_TRUE(owned.insert(partition).second) << partition;
    const auto range = reader.range(partition);
    EXPECT_TRUE(range && reader.seek(partition, range->begin));
  }
  std::size_t records = 0;
  for (const LogReader::Batch& batch : read->batches) records += batch.records.size();
  return records;
}

// librdkafka would keep a set of statistics for it each second.
TEST_F(KafkaReader, WhatNobodyPollsDoesNotGrow) {
  const auto options = cluster_.new_log(1);
  Cluster cluster(options, {});
  const auto fetcher = Fetcher::make(cluster, ticks_topic(options), 1);
  ASSERT_TRUE(fetcher);
  const auto begun = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(2'500)) (*fetcher)->wait();
  EXPECT_EQ(rd_kafka_outq_len((*fetcher)->client().get()), 0);
}

// As a processor does whose store is away.
TEST_F(KafkaReader, WhatIsToldToWhoIsBusyDoesNotGrow) {
  auto options = cluster_.new_log(1);
  options.session_timeout_ms = 6'000;
  options.max_poll_interval_ms = 7'000;  // so a membership answers for its owner for a second
  Cluster cluster(options, {});
  SharedState shared(cluster, {}, 1);
  const auto watch = EndsWatch::start(shared);
  ASSERT_TRUE(watch);
  const auto fetcher = Fetcher::make(cluster, ticks_topic(options), 1, [] {});
  ASSERT_TRUE(fetcher);
  const auto member = Membership::join(cluster, ticks_topic(options), 1, "g", "", {});
  ASSERT_TRUE(member);
  Producer::Numbers numbers;
  const auto bars = Producer::make(cluster, ticks_topic(options), 1, bars_settings(options), numbers);
  ASSERT_TRUE(bars);
  const auto begun = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begun < std::chrono::seconds(10)) (*fetcher)->wait();
  EXPECT_LE(rd_kafka_outq_len((*fetcher)->client().get()), 2);
  EXPECT_LE(rd_kafka_outq_len((*bars)->client().get()), 2);
  const Owned<rd_kafka_queue_t, rd_kafka_queue_destroy> said(rd_kafka_queue_get_consumer((*member)->client().get()));
  EXPECT_LE(rd_kafka_queue_length(said.get()), 3U);
}

TEST_F(KafkaReader, AsksTheNewLeaderForOffsetsWhenTheOldOneIsGone) {
  MockCluster brokers(2);
  const auto options = brokers.new_log(1);
  brokers.set_leader(ticks_topic(options), 1);
  Cluster cluster(options, {});
  const auto fetcher = Fetcher::make(cluster, ticks_topic(options), 1);
  ASSERT_TRUE(fetcher);
  ASSERT_TRUE((*fetcher)->client().ask_range(0));
  brokers.set_leader(ticks_topic(options), 2);
  brokers.set_down(true);
  const auto range = (*fetcher)->client().ask_range(0);
  EXPECT_TRUE(range) << range.error().message();
}

TEST_F(KafkaReader, WaitsForOffsetsOfAPartitionWithoutALeader) {
  MockCluster brokers(2);
  const auto options = brokers.new_log(1);
  int asked = 0;
  Cluster cluster(options, [&] {  // as it waits, it asks whether it should stop
    if (++asked == 3) brokers.set_leader(ticks_topic(options), 2);
    return false;
  });
  const auto fetcher = Fetcher::make(cluster, ticks_topic(options), 1);
  ASSERT_TRUE(fetcher);
  brokers.set_leader(ticks_topic(options), -1);
  asked = 0;
  const auto range = (*fetcher)->client().ask_range(0);
  EXPECT_TRUE(range) << range.error().message();
  EXPECT_GE(asked, 3);
}

TEST_F(KafkaReader, APartitionWithoutALeaderIsNotMissingWhenNobodyAnswersWhetherItIs) {
  const auto options = cluster_.new_log(1);
  Cluster cluster(options, {});
  const auto fetcher = Fetcher::make(cluster, ticks_topic(options), 1);
  ASSERT_TRUE(fetcher);
  const auto code = [&] {
    OffsetRange range;
    return (*fetcher)->client().try_range(0, 200, range);
  };
  cluster_.set_leader(ticks_topic(options), -1);
  ASSERT_TRUE(wait_until([&] { return code() == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE; }));
  cluster_.set_down(true);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(is_passing(code()));
}

TEST_F(KafkaReader, WhereTheLogEndsIsKnownWhileNobodyReads) {
  using Ends = std::vector<std::int64_t>;
  const auto options = cluster_.new_log(2);
  const auto log = open_log(options);
  EXPECT_EQ(log->ends(), (Ends{-1, -1})) << "nobody follows it";
  const auto reader = log->reader([] {});
  EXPECT_TRUE(wait_until([&] { return log->ends() == Ends{1, 1}; }));
  const auto other = open_log(options);
  write(other->writer(), "a", 1);
  write(other->writer(), "b", 1);
  EXPECT_TRUE(wait_until([&] { return log->ends() == Ends{1, 3}; }));
}

TEST_F(KafkaReader, AMemberThatGetsAPartitionOfLaterSaysSo) {
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

// librdkafka before 2.3.0 ends the program then.
TEST_F(KafkaReader, AMemberThatWasNeverAssignedAnythingLeavesLikeOthers) {
  const auto options = cluster_.new_log(1);
  Cluster cluster(options, {});
  cluster_.refuse_assignments(RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, 1'000);
  const auto member = Membership::join(cluster, ticks_topic(options), 1, "g", "", {});
  ASSERT_TRUE(member);
  const auto begun = std::chrono::steady_clock::now();  // the mock cluster lets a group join after three seconds
  EXPECT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() - begun > std::chrono::seconds(5); }));
  const auto changes = (*member)->poll();
  ASSERT_TRUE(changes) << changes.error().message();
  EXPECT_TRUE(changes->empty());
}

TEST_F(KafkaReader, WhoJoinsNeedNotWaitForAMemberThatIsBusy) {
  auto options = cluster_.new_log(2);
  options.session_timeout_ms = 4'000;  // the mock cluster waits so long for members to join again
  const auto log = open_log(options);
  auto busy = log->group_reader("g", "");
  std::set<std::int32_t> of_busy;
  ASSERT_TRUE(wait_until([&] {
    poll_as_member(*busy, of_busy);
    return of_busy.size() == 2;
  }));
  auto joiner = log->group_reader("g", "");
  std::set<std::int32_t> of_joiner;
  EXPECT_TRUE(wait_until([&] {
    poll_as_member(*joiner, of_joiner);
    return of_joiner.size() == 1;
  }));
  poll_as_member(*busy, of_busy);
  EXPECT_EQ(of_busy.size(), 1U);
  EXPECT_TRUE(wait_until([&] { return !log->trouble(); })) << log->trouble().value_or("");
}

TEST_F(KafkaReader, AMembersPartitionWithoutALeaderHoldsUpNoOther) {
  using Partitions = std::set<std::int32_t>;
  auto options = cluster_.new_log(4);
  options.session_timeout_ms = 4'000;  // the mock cluster waits so long for members to join again
  const auto log = open_log(options);
  cluster_.set_leader(ticks_topic(options), -1);  // of partition 0
  auto first = log->group_reader("g", "");
  Partitions of_first;
  std::size_t records = 0;
  const std::string trouble = "Kafka: " + ticks_topic(options) + " partition 0: Broker: Leader not available";
  EXPECT_TRUE(wait_until([&] {
    records += poll_as_member(*first, of_first);
    return of_first == Partitions{1, 2, 3} && records == 3 && log->trouble() == trouble;
  })) << records
      << log->trouble().value_or("");

  // Whoever of the two has it after that.
  auto second = log->group_reader("g", "");
  Partitions of_second;
  EXPECT_TRUE(wait_until([&] {
    poll_as_member(*first, of_first);
    poll_as_member(*second, of_second);
    return !of_second.empty() && of_first.size() + of_second.size() == 3 && log->trouble();
  }));
  cluster_.set_leader(ticks_topic(options), 1);
  EXPECT_TRUE(wait_until([&] {
    poll_as_member(*first, of_first);
    poll_as_member(*second, of_second);
    return of_first.size() == 2 && of_second.size() == 2 && !log->trouble();
  }));
}

TEST_F(KafkaReader, AMembersPartitionWhoseLeaderIsGoneHoldsUpNoOther) {
  using Partitions = std::set<std::int32_t>;
  MockCluster brokers(2);
  const auto options = brokers.new_log(6);
  for (const std::int32_t partition : {0, 1, 2, 3}) brokers.set_leader(ticks_topic(options), 1, partition);
  for (const std::int32_t partition : {4, 5}) brokers.set_leader(ticks_topic(options), 2, partition);
  brokers.set_coordinator("g", 2);
  const auto log = open_log(options);
  brokers.set_down(true);
  auto member = log->group_reader("g", "");
  Partitions owned;
  std::size_t records = 0;
  std::string trouble;
  EXPECT_TRUE(wait_until([&] {
    records += poll_as_member(*member, owned);
    trouble = log->trouble().value_or("");
    return records == 2 && trouble.find("partition 0: ") != std::string::npos;
  })) << trouble;
  EXPECT_EQ(owned, (Partitions{4, 5}));
  brokers.set_down(false);
  EXPECT_TRUE(wait_until([&] {
    poll_as_member(*member, owned);
    return owned.size() == 6 && !log->trouble();
  }));
}

TEST_F(KafkaReader, AMemberGetsPartitionsOfABrokerThatIsSlow) {
  const auto log = open_log(cluster_.new_log(2));
  cluster_.set_delay(800);
  auto member = log->group_reader("g", "");
  std::set<std::int32_t> owned;
  EXPECT_TRUE(wait_until([&] {
    poll_as_member(*member, owned);
    return owned.size() == 2;
  })) << log->trouble().value_or("");
}

TEST_F(KafkaReader, AMemberSeeksWhereItHasReadAlsoWithoutALeader) {
  auto options = cluster_.new_log(1);
  options.patience_ms = 5'000;
  const auto log = open_log(options);
  auto member = log->group_reader("g", "");
  std::set<std::int32_t> owned;
  ASSERT_TRUE(wait_until([&] { return poll_as_member(*member, owned) > 0; }));
  const auto begun = std::chrono::steady_clock::now();  // what was known then is not taken for new for longer
  ASSERT_TRUE(wait_until([&] { return std::chrono::steady_clock::now() - begun > std::chrono::milliseconds(1'100); }));
  cluster_.set_leader(ticks_topic(options), -1);
  const auto sought = member->seek(0, 0);
  ASSERT_TRUE(sought) << sought.error().message();
  cluster_.set_leader(ticks_topic(options), 1);
  EXPECT_TRUE(wait_until([&] { return poll_as_member(*member, owned) > 0; }));
}

TEST_F(KafkaReader, ForeignRecordsOfEveryShapeArrive) {
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

TEST_F(KafkaReader, AKeyAndTheSchemaOfTradesMakeATradeWhateverTheHeaderSays) {
  const auto options = cluster_.new_log(1);
  Trade trade;
  trade.symbol = "K";
  std::string value;
  encode_trade(trade, value);
  write_foreign(options, "K", value, "control");
  write_foreign(options, std::nullopt, value, "control");
  const auto log = open_log(options);
  auto reader = log->reader();
  ASSERT_TRUE(reader->seek(0, 1));
  std::vector<RecordType> types;
  ASSERT_TRUE(wait_until([&] {
    const auto read = reader->poll(1 << 20);
    EXPECT_TRUE(read);
    if (!read) return true;
    for (const auto& batch : read->batches) {
      for (const LogRecord& record : batch.records) types.push_back(record.type);
    }
    return types.size() >= 2;
  }));
  EXPECT_EQ(types, (std::vector{RecordType::kTrade, RecordType::kControl}));
}

TEST_F(KafkaReader, AnIdleReaderIsWokenByWhatComes) {
  const auto log = open_log(cluster_.new_log(1));
  std::atomic<int> woken = 0;
  auto reader = log->reader([&] { ++woken; });
  ASSERT_TRUE(reader->seek(0, 1));
  // That the end is reached wakes it too, and until it has looked nothing else does.
  ASSERT_TRUE(wait_until([&] { return woken > 0; }));
  EXPECT_TRUE(reader->poll(1)->batches.empty());
  woken = 0;
  write(log->writer(), "a");
  EXPECT_TRUE(wait_until([&] { return woken > 0; }));
  EXPECT_TRUE(wait_until([&] { return !reader->poll(1)->batches.empty(); }));
}

TEST_F(KafkaReader, StatisticsCountWhatWasWrittenAndRead) {
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
}

}  // namespace
}  // namespace finpipe::kafka
