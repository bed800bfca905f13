// Dead letters of every size, on the mock cluster.
#include <librdkafka/rdkafka.h>

#include <string>
#include <vector>

#include "logs/kafka/settings.h"
#include "on_mock_cluster.h"

namespace finpipe::kafka {
namespace {

class KafkaLetters : public OnMockCluster {};

std::vector<DeadLetter> all_letters(KafkaLog& log) {
  std::vector<DeadLetter> letters;
  const auto read = log.dead_letter_query()->dead_letters([&](const DeadLetter& letter) {
    letters.push_back(letter);
    return true;
  });
  EXPECT_TRUE(read) << read.error().message();
  return letters;
}

TEST_F(KafkaLetters, ALetterOfTheLargestRecordIsKeptWhole) {
  const auto log = open_log(cluster_.new_log(1));
  auto letters = log->dead_letters();
  letters->put(letter("large", std::string(kMaxRecordBytes, 'x'), std::string(kMaxRecordBytes, 'd')));
  const auto flushed = letters->flush();
  ASSERT_TRUE(flushed) << flushed.error().message();
  const auto kept = all_letters(*log);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].raw.size(), static_cast<std::size_t>(kMaxRecordBytes));
  EXPECT_EQ(log->statistics().records_written, 1);
}

TEST_F(KafkaLetters, ALetterThatIsLargerIsCutAndSaysSo) {
  const auto log = open_log(cluster_.new_log(1));
  auto letters = log->dead_letters();
  letters->put(letter("larger", std::string(kMaxRecordBytes + 1, 'x'), "why"));
  ASSERT_TRUE(letters->flush());
  const auto kept = all_letters(*log);
  ASSERT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept[0].detail, "why; raw is cut: 4194304 of 4194305 bytes");
}

TEST_F(KafkaLetters, ALetterThatTheTopicDoesNotTakeIsCutOnceMore) {
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

TEST_F(KafkaLetters, WhatIsNoLetterIsLeftOut) {
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

TEST_F(KafkaLetters, PatienceBeginsAnewWithEachAnswer) {
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

}  // namespace
}  // namespace finpipe::kafka
