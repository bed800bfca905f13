// A log whose schemas are in a registry: on the mock cluster, with a stand-in for the registry.
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "codec/confluent.h"
#include "codec/records.h"
#include "log_subject.h"
#include "logs/kafka/fetcher.h"
#include "logs/kafka/kafka_topics.h"
#include "logs/kafka/reader.h"
#include "logs/kafka/settings.h"
#include "logs/registry/schema_registry.h"
#include "mock_cluster.h"
#include "stand_in.h"

namespace finpipe::kafka {
namespace {

using kafka_test::open_log;

constexpr auto kDeadline = std::chrono::seconds(40);
constexpr std::uint32_t kTickId = 70;  // of those that the registry gives, in the order of contracts()
constexpr std::uint32_t kStatusId = 71, kLetterId = 72;
constexpr std::uint32_t kForeignId = 90;

bool wait_until(const std::function<bool()>& done) {
  const auto begun = std::chrono::steady_clock::now();
  while (!done()) {
    if (std::chrono::steady_clock::now() - begun > kDeadline) return false;
  }
  return true;
}

std::string trade(std::int64_t seq) {
  std::string value;
  encode_trade({.symbol = "A",
                .event_time_ms = 1'700'000'000'000,
                .price_e9 = 1'000'000'000,
                .volume_e8 = 100'000'000,
                .conditions = {},
                .received_at_ns = 1'700'000'000'000'000'000,
                .seq = seq,
                .session = 1},
               value);
  return value;
}

std::string framed(std::uint32_t id, std::string_view payload) {
  std::string value;
  frame_header(id, value);
  return value += payload;
}

std::string payload_of(const std::string& value) { return value.substr(kFrameHeaderBytes); }

void write(KafkaLog& log, const std::vector<std::string>& values, std::int32_t partition = 0) {
  for (const std::string& value : values) {
    const LogRecord record{RecordType::kTrade, "A", value};
    ASSERT_EQ(log.writer().append(partition, {&record, 1}), LogWriter::Append::kAccepted);
  }
  while (log.writer().pending_bytes() > 0) ASSERT_TRUE(log.writer().poll());
}

struct Record {
  std::string value;
  std::uint32_t wire_id = 0;
  std::string original;
};

class Schemas : public testing::Test {
 protected:
  Schemas() {
    stand_in_.set_next_id(static_cast<int>(kTickId));
    std::vector<TopicSchema> ours;
    for (const Contract& one : contracts()) {
      ours.push_back({std::string(one.topic), one.record, one.fixed_id, one.schema});
    }
    auto registry = SchemaRegistry::open({.url = stand_in_.url(),
                                          .user = "",
                                          .patience_ms = 5'000,
                                          .backoff_base_ms = 1,
                                          .backoff_cap_ms = 5,
                                          .absent_again_ms = 5},
                                         ours, {});
    if (!registry) throw std::runtime_error(registry.error().message());
    registry_ = *std::move(registry);
  }

  KafkaOptions new_log(std::int32_t partitions) { return cluster_.new_log(partitions, registry_->wire_schemas()); }
  void set_away(bool away, const std::string& answer = StandIn::response(503, "away")) {
    if (!away) return stand_in_.set_script({});
    stand_in_.set_script([answer](const StandIn::Request&) { return answer; });
  }
  // Writes what has this id on the wire, whatever it is.
  static void write_foreign(KafkaOptions options, std::uint32_t id, const std::vector<std::string>& payloads,
                            std::int32_t partition = 0) {
    ASSERT_EQ(options.schemas.ours[0].wire_id, kTickId);
    options.schemas.ours[0].wire_id = id;
    std::vector<std::string> values;
    for (const std::string& payload : payloads) values.push_back(framed(1, payload));
    write(*open_log(options), values, partition);
  }
  // Ids on the wire, by offset.
  static std::vector<std::uint32_t> ids_of(const KafkaOptions& options, const std::string& topic, std::size_t count) {
    Cluster cluster(options, {});
    const auto fetcher = *Fetcher::make(cluster, topic, 1);
    std::vector<std::uint32_t> ids;
    EXPECT_TRUE(fetcher->start(0, 0));
    EXPECT_TRUE(wait_until([&] {
      std::array<rd_kafka_message_s*, 16> messages{};
      fetcher->client().poll(0);
      const std::size_t taken = fetcher->take(0, messages);
      for (std::size_t i = 0; i < taken; ++i) {
        if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
          const std::span value(static_cast<const std::byte*>(messages[i]->payload), messages[i]->len);
          ids.push_back(unframe(value)->id);
        }
        rd_kafka_message_destroy(messages[i]);
      }
      return ids.size() >= count;
    }));
    return ids;
  }

  // Reads on until the condition holds; false when that takes too long, or a poll fails.
  bool read_until(LogReader& reader, const std::function<bool()>& condition) {
    bool failed = false;
    const bool done = wait_until([&] {
      const auto read = reader.poll(1 << 20);
      failed = !read;
      if (failed) {
        error_ = read.error();
        return true;
      }
      for (const auto& batch : read->batches) {
        EXPECT_EQ(batch.first_offset, next_[batch.partition]);
        next_[batch.partition] += static_cast<std::int64_t>(batch.records.size());
        for (const LogRecord& record : batch.records) {
          read_[batch.partition].push_back({std::string(record.value), record.wire_id, std::string(record.original)});
        }
      }
      return condition();
    });
    return done && !failed;
  }
  void seek(LogReader& reader, std::int32_t partition) {
    next_[partition] = 1;  // after the record that states the log id
    ASSERT_TRUE(reader.seek(partition, 1));
  }

  StandIn stand_in_;
  std::unique_ptr<SchemaRegistry> registry_;
  MockCluster cluster_;
  std::map<std::int32_t, std::int64_t> next_;
  std::map<std::int32_t, std::vector<Record>> read_;
  Error error_;
};

TEST_F(Schemas, TheTopicsHaveTheRegistrysIdsAndWhoReadsTheLogHasOurs) {
  const auto options = new_log(1);
  const auto log = open_log(options);
  write(*log, {trade(1), trade(2)});
  const auto reader = log->reader();
  seek(*reader, 0);
  ASSERT_TRUE(read_until(*reader, [&] { return read_[0].size() == 2; }));
  EXPECT_EQ(read_[0][0].value, trade(1));
  EXPECT_EQ(read_[0][1].value, trade(2));
  EXPECT_EQ(read_[0][1].wire_id, kTickId);
  EXPECT_EQ(ids_of(options, ticks_topic(options), 3), (std::vector<std::uint32_t>{kStatusId, kTickId, kTickId}));
}

TEST_F(Schemas, DeadLettersHaveTheRegistrysIdsToo) {
  const auto options = new_log(1);
  const auto log = open_log(options);
  DeadLetter letter;
  letter.id = "one";
  letter.raw = "raw";
  const auto letters = log->dead_letters();
  letters->put(letter);
  ASSERT_TRUE(letters->flush());
  EXPECT_EQ(ids_of(options, letters_topic(options), 1), std::vector<std::uint32_t>{kLetterId});
  std::vector<std::string> found;
  ASSERT_TRUE(log->dead_letter_query()->dead_letters([&](const DeadLetter& one) {
    found.push_back(one.id + " " + one.raw);
    return true;
  }));
  EXPECT_EQ(found, std::vector<std::string>{"one raw"});
}

TEST_F(Schemas, WhatAnOlderWriterWroteIsResolved) {
  // Before `suspect` was there, which is the last byte of a value.
  std::string old(contracts()[0].schema);
  old = old.substr(0, old.find(R"(,{"name":"suspect")")) + "]}";
  stand_in_.set_next_id(static_cast<int>(kForeignId));
  stand_in_.add("old", old);
  const auto options = new_log(1);
  std::vector<std::string> payloads;
  for (std::int64_t i = 0; i < 300; ++i) {
    payloads.push_back(payload_of(trade(i)));
    payloads.back().pop_back();
  }
  write_foreign(options, kForeignId, payloads);
  const auto log = open_log(options);
  write(*log, {trade(300)});
  const auto reader = log->reader();
  seek(*reader, 0);
  ASSERT_TRUE(read_until(*reader, [&] { return read_[0].size() == 301; }));
  for (std::size_t i = 0; i <= 300; ++i) EXPECT_EQ(read_[0][i].value, trade(static_cast<std::int64_t>(i)));
  EXPECT_EQ(read_[0][299].original, framed(kForeignId, payloads[299]));
  EXPECT_EQ(read_[0][300].original, "");
}

TEST_F(Schemas, AnUnknownIdIsRefusedAndThePartitionGoesOn) {
  const auto options = new_log(1);
  write_foreign(options, kForeignId, {"x"});
  const auto log = open_log(options);
  write(*log, {trade(1)});
  const auto reader = log->reader();
  seek(*reader, 0);
  ASSERT_TRUE(read_until(*reader, [&] { return read_[0].size() == 2; }));
  const auto refused = refused_value(read_[0][0].value);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->why.code, ErrorCode::kUnknownSchemaId);
  EXPECT_EQ(refused->value, framed(kForeignId, "x"));
  EXPECT_EQ(read_[0][0].original, framed(kForeignId, "x"));
  EXPECT_EQ(read_[0][1].value, trade(1));
}

struct RegistryFault {
  std::string name, answer;
};

class FaultyRegistry : public Schemas, public testing::WithParamInterface<RegistryFault> {};

INSTANTIATE_TEST_SUITE_P(
    Registry, FaultyRegistry,
    testing::Values(RegistryFault{"Away", StandIn::response(503, "away")},
                    RegistryFault{"Failing", StandIn::response(500, R"({"error_code":50001,"message":"failed"})")},
                    RegistryFault{"Garbage", StandIn::response(200, "<html>")}, RegistryFault{"Silent", ""}),
    [](const testing::TestParamInfo<RegistryFault>& fault) { return fault.param.name; });

TEST_P(FaultyRegistry, OnePartitionWaitsAndOthersGoOn) {
  const auto options = new_log(2);
  set_away(true, GetParam().answer);
  write_foreign(options, kForeignId, {payload_of(trade(1))});
  const auto log = open_log(options);
  write(*log, {trade(2)});
  write(*log, {trade(3)}, 1);
  const auto reader = log->reader();
  seek(*reader, 0);
  seek(*reader, 1);
  ASSERT_TRUE(read_until(*reader, [&] { return log->trouble() && !read_[1].empty(); })) << error_.message();
  EXPECT_TRUE(log->trouble()->contains("registry")) << *log->trouble();
  write(*log, {trade(4)}, 1);
  // Longer than the silence after which Kafka would be in trouble.
  const auto since = std::chrono::steady_clock::now();
  ASSERT_TRUE(read_until(*reader, [&] {
    return read_[1].size() == 2 && std::chrono::steady_clock::now() - since > std::chrono::milliseconds(2'500);
  }));
  EXPECT_TRUE(read_[0].empty());
  EXPECT_FALSE(log->trouble()->starts_with("Kafka")) << *log->trouble();
  stand_in_.set_next_id(static_cast<int>(kForeignId));
  stand_in_.add("newer", std::string(contracts()[0].schema) + " ");
  set_away(false);
  ASSERT_TRUE(read_until(*reader, [&] { return read_[0].size() == 2; })) << error_.message();
  EXPECT_EQ(read_[0][0].value, trade(1));
  EXPECT_EQ(read_[0][0].wire_id, kForeignId);
  EXPECT_EQ(read_[0][1].value, trade(2));
  EXPECT_FALSE(log->trouble());
}

TEST_F(Schemas, WhoIsNotPatientGivesUpOnASchema) {
  auto options = new_log(1);
  set_away(true);
  write_foreign(options, kForeignId, {"x"});
  options.patience_ms = 700;
  const auto log = open_log(options);
  const auto reader = log->reader();
  seek(*reader, 0);
  EXPECT_FALSE(read_until(*reader, [] { return false; }));
  EXPECT_EQ(error_.code, ErrorCode::kRegistryUnreachable);
  EXPECT_TRUE(error_.detail.contains("503")) << error_.detail;
}

TEST_F(Schemas, AWaitForASchemaCanBeStopped) {
  auto options = new_log(1);
  set_away(true);
  write_foreign(options, kForeignId, {"x"});
  options.patience_ms = 0;
  const auto log = open_log(options);
  const auto reader = log->reader();
  seek(*reader, 0);
  ASSERT_TRUE(read_until(*reader, [&] { return log->trouble().has_value(); }));
  log->interrupt();
  EXPECT_FALSE(read_until(*reader, [] { return false; }));
  EXPECT_EQ(error_.code, ErrorCode::kInterrupted);
}

TEST_F(Schemas, ALogOfARegistryIsNotOpenedWithout) {
  auto options = new_log(2);
  options.schemas = fixed_wire_schemas();
  const auto opened = KafkaLog::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kUnknownSchemaId);
  EXPECT_TRUE(opened.error().detail.contains("schema id 71")) << opened.error().detail;
  EXPECT_TRUE(opened.error().detail.contains("`registry`")) << opened.error().detail;
  EXPECT_EQ(begin_kafka_log(options).error().code, ErrorCode::kUnknownSchemaId);
}

TEST_F(Schemas, ALogOfNoRegistryIsNotOpenedWithOne) {
  auto options = cluster_.new_log(2);
  options.schemas = registry_->wire_schemas();
  const auto opened = KafkaLog::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kUnknownSchemaId);
  EXPECT_TRUE(opened.error().detail.contains("schema id 2")) << opened.error().detail;
}

TEST_F(Schemas, ARecordThatBeginsAnotherLogIsRefusedHoweverOftenItIsRead) {
  const auto options = new_log(1);
  LogId other{};
  other.fill(std::byte{7});
  Cluster cluster(options, {});
  SharedState shared(cluster, other, 1);
  Reader reader(shared, *Fetcher::make(cluster, ticks_topic(options), 1), nullptr, nullptr);
  ASSERT_TRUE(reader.seek(0, 0));
  for (int i = 0; i < 2; ++i) {
    error_ = {};
    EXPECT_FALSE(read_until(reader, [] { return false; }));
    EXPECT_EQ(error_.code, ErrorCode::kLogIdsDiffer);
  }
}

TEST_F(Schemas, ARegistryThatChangedEndsWriterAndReader) {
  auto options = new_log(1);
  bool changed = false;
  options.schemas.poll = [&]() -> Result<void> {
    if (!changed) return {};
    return fail(ErrorCode::kRegistryChanged, "other ids");
  };
  const auto log = open_log(options);
  const auto reader = log->reader();
  write(*log, {trade(1)});
  EXPECT_TRUE(reader->poll(1 << 20));
  changed = true;
  EXPECT_EQ(log->writer().poll().error().code, ErrorCode::kRegistryChanged);
  EXPECT_EQ(reader->poll(1 << 20).error().code, ErrorCode::kRegistryChanged);
}

}  // namespace
}  // namespace finpipe::kafka
