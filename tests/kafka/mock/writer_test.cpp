// What a writer does with answers of every kind, on the mock cluster.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "logs/kafka/producer.h"
#include "logs/kafka/settings.h"
#include "on_mock_cluster.h"

namespace finpipe::kafka {
namespace {

class KafkaWriter : public OnMockCluster {};

TEST_F(KafkaWriter, WhatPassesIsTriedAgainInOrder) {
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

TEST_F(KafkaWriter, ARefusalIsPermanent) {
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

TEST_F(KafkaWriter, WhoAppendsOnAfterARefusalIsToldItsCause) {
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

TEST_F(KafkaWriter, ARecordThatNoBrokerTakesEndsTheSession) {
  const auto log = open_log(cluster_.new_log(1));
  ASSERT_EQ(append(log->writer(), std::string(5 << 20, 'x')), Append::kAccepted);
  const auto error = await_error(log->writer());
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, ErrorCode::kLogRefused);
}

// The broker no longer knows where it has a batch: librdkafka counts it from -1 on.
TEST_F(KafkaWriter, AnAcknowledgementWithoutAPlaceIsNoOtherLog) {
  const auto log = open_log(cluster_.new_log(1));
  for (int i = 0; i < 5; ++i) write(log->writer(), "v");
  cluster_.refuse_produce(RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER, 1);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(append(log->writer(), "again"), Append::kAccepted);
  while (log->writer().pending_bytes() > 0) ASSERT_TRUE(log->writer().poll());
  write(log->writer(), "after");
  EXPECT_EQ(log->reader()->range(0)->end, 7) << "the mock cluster does not have what it says that it has";
}

// A producer that is told where its records are, of a partition with ten of others.
class KafkaDelivery : public KafkaWriter {
 protected:
  void SetUp() override {
    for (int i = 0; i < 10; ++i) write_foreign(options_, "K", "v");
    auto made = Producer::make(brokers_, ticks_topic(options_), 1, writer_settings(options_), numbers_);
    ASSERT_TRUE(made);
    producer_ = *std::move(made);
  }
  void deliver(std::int64_t offset) { producer_->on_delivery({0, offset, 0, 0, ""}); }

  const KafkaOptions options_ = cluster_.new_log(1);
  Cluster brokers_{options_, {}};
  Producer::Numbers numbers_;
  std::unique_ptr<Producer> producer_;
};

// What is in flight when the end is asked for is told of later.
TEST_F(KafkaDelivery, AnAcknowledgementBelowTheEndThatWasAskedForIsNoOtherLog) {
  deliver(3);
  deliver(RD_KAFKA_OFFSET_INVALID);
  ASSERT_TRUE(producer_->poll(0));
  EXPECT_EQ(producer_->end(0), 11);
  deliver(5);
  EXPECT_TRUE(producer_->poll(0));
  EXPECT_EQ(producer_->end(0), 11);
  deliver(5);
  EXPECT_EQ(producer_->poll(0).error().code, ErrorCode::kLogIdsDiffer);
}

TEST_F(KafkaWriter, AWriterSeesThatOthersWrite) {
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

TEST_F(KafkaDelivery, BesideARecordWhoseOffsetIsNotToldOthersMayHaveWritten) {
  const std::vector<std::int32_t> none, shared = {0};
  const auto shared_after = [&](std::int64_t offset) {
    deliver(offset);
    EXPECT_TRUE(producer_->poll(0));
    return producer_->take_shared();
  };
  EXPECT_EQ(shared_after(RD_KAFKA_OFFSET_INVALID), shared);
  EXPECT_EQ(shared_after(11), shared) << "one of others may be at 10";
  EXPECT_EQ(shared_after(12), none);
  EXPECT_EQ(shared_after(RD_KAFKA_OFFSET_INVALID), shared);
  EXPECT_EQ(shared_after(14), shared) << "one of others may be at 13";
}

TEST_F(KafkaWriter, ACallerThatOnlyWaitsForAcknowledgementsDoesNotSpin) {
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
