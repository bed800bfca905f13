// Who waits for a broker that is away, and how long, on the mock cluster.
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "logs/kafka/membership.h"
#include "logs/kafka/settings.h"
#include "on_mock_cluster.h"

namespace finpipe::kafka {
namespace {

class KafkaOutage : public OnMockCluster {
 protected:
  // A writer and a reader wait for a broker that goes away, and both end with that error.
  void expect_both_to_end(KafkaLog& log, ErrorCode code, const std::function<void()>& meanwhile) {
    write(log.writer(), "first");
    auto reader = log.reader();
    reader->pause(0);
    ASSERT_TRUE(reader->seek(0, 0));
    cluster_.set_down(true);
    ASSERT_EQ(append(log.writer(), "a"), Append::kAccepted);
    meanwhile();
    const auto written = await_error(log.writer());
    ASSERT_TRUE(written);
    EXPECT_EQ(written->code, code) << written->message();
    reader->resume(0);
    const auto read = await_error(*reader);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->code, code) << read->message();
  }
};

TEST_F(KafkaOutage, ABrokerThatIsAwayIsNoError) {
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

TEST_F(KafkaOutage, OnePartitionThatWaitsIsTroubleWhateverTheOthersDo) {
  const auto options = cluster_.new_log(2);
  const auto log = open_log(options);
  for (const std::int32_t partition : {0, 1}) write(log->writer(), "first", partition);
  cluster_.set_leader(ticks_topic(options), -1);  // of partition 0
  const LogRecord record{RecordType::kTrade, "K", "v"};
  ASSERT_EQ(log->writer().append(0, {&record, 1}), Append::kAccepted);
  std::int64_t others = 0;
  EXPECT_TRUE(wait_until([&] {
    EXPECT_EQ(log->writer().append(1, {&record, 1}), Append::kAccepted);
    const auto acknowledged = log->writer().poll();
    EXPECT_TRUE(acknowledged);
    others += static_cast<std::int64_t>(acknowledged->size());
    return log->trouble().has_value();
  }));
  EXPECT_GT(others, 10);
  cluster_.set_leader(ticks_topic(options), 1);
  EXPECT_TRUE(wait_until([&] {
    EXPECT_TRUE(log->writer().poll());
    return log->writer().pending_bytes() == 0 && !log->trouble();
  }));
}

TEST_F(KafkaOutage, ABrokerThatStaysAwayIsToldAfterThePatience) {
  auto options = cluster_.new_log(1);
  options.patience_ms = 1'500;
  const auto log = open_log(options);
  expect_both_to_end(*log, ErrorCode::kBrokerUnreachable, [] {});
}

TEST_F(KafkaOutage, ABrokerThatIsSlowIsGivenMoreTimeEachTimeItIsAsked) {
  KafkaOptions options = cluster_.new_log(1);
  cluster_.set_delay(800);
  options.patience_ms = 20'000;
  const auto log = KafkaLog::open(options);
  EXPECT_TRUE(log) << log.error().message();
}

TEST_F(KafkaOutage, WhoPollsForABrokerThatIsAwayCanBeStopped) {
  auto options = cluster_.new_log(1);
  options.patience_ms = 0;
  const auto log = open_log(options);
  expect_both_to_end(*log, ErrorCode::kInterrupted, [&] { log->interrupt(); });
}

TEST_F(KafkaOutage, WhatABrokerAnswersAtOnceIsWrittenAlsoAfterAnInterrupt) {
  const auto log = open_log(cluster_.new_log(1));
  log->interrupt();
  write(log->writer(), "the last heartbeat");
  auto letters = log->dead_letters();
  letters->put(letter("a"));
  EXPECT_TRUE(letters->flush());
}

TEST_F(KafkaOutage, NoBrokerAtAllIsToldAfterThePatience) {
  KafkaOptions options = cluster_.options();
  options.brokers = "127.0.0.1:1";
  options.patience_ms = 1'000;
  const auto opened = KafkaLog::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kBrokerUnreachable);
  EXPECT_NE(opened.error().detail.find("Connection refused"), std::string::npos) << opened.error().detail;
}

TEST_F(KafkaOutage, AGroupWithoutACoordinatorIsTrouble) {
  MockCluster brokers(2);
  auto options = brokers.new_log(1);
  brokers.set_leader(ticks_topic(options), 2);
  brokers.set_coordinator("g", 1);
  const auto log = open_log(options);
  brokers.set_down(true);
  const auto reader = log->group_reader("g", "", [] {});
  bool assigned = false;
  std::string trouble;
  const auto poll = [&] {
    const auto read = reader->poll(1);
    ASSERT_TRUE(read) << read.error().message();
    assigned = assigned || !read->assignments.empty();
    trouble = log->trouble().value_or("");
  };
  const auto comes_to = [&](std::string_view expected) {
    return wait_until([&] {
      poll();
      return trouble == expected && (assigned || !trouble.empty());
    });
  };
  EXPECT_TRUE(comes_to("Kafka: group g has no coordinator")) << trouble;
  EXPECT_FALSE(assigned);
  brokers.set_down(false);
  EXPECT_TRUE(comes_to("")) << trouble;
  brokers.set_down(true);
  EXPECT_TRUE(comes_to("Kafka: group g has no coordinator")) << trouble;
}

TEST_F(KafkaOutage, WhoseCoordinatorDiesLeavesItsGroupWithinSeconds) {
  const auto options = cluster_.new_log(1);
  Cluster cluster(options, {});
  auto member = Membership::join(cluster, ticks_topic(options), 1, "g", "", {});
  ASSERT_TRUE(member);
  ASSERT_TRUE(wait_until([&] { return !(*member)->poll().value().empty(); }));
  cluster_.set_delay(60'000);
  (*member)->commit_hint(0, 1);
  const auto hinted = std::chrono::steady_clock::now();
  const auto since = [](auto begun) { return std::chrono::steady_clock::now() - begun; };
  ASSERT_TRUE(wait_until([&] { return since(hinted) > std::chrono::seconds(3); }));  // it is sent within a second
  cluster_.set_down(true);
  const auto begun = std::chrono::steady_clock::now();
  member->reset();
  EXPECT_LT(since(begun), std::chrono::seconds(10));
}

TEST_F(KafkaOutage, WhatWaitsForABrokerCanBeStopped) {
  KafkaOptions options = cluster_.options();
  options.brokers = "127.0.0.1:1";
  options.patience_ms = 0;
  int asked = 0;
  const auto opened = KafkaLog::open(options, [&] { return ++asked > 2; });
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace finpipe::kafka
