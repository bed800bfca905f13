// Consumer groups on a server: who has which partition, as the members are told.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kafka_server.h"
#include "log_subject.h"

namespace finpipe::kafka_test {
namespace {

constexpr std::int32_t kPartitions = 6;
constexpr auto kDeadline = std::chrono::seconds(60);

// A process of the group, as a processor uses its reader.
class Member {
 public:
  Member(const KafkaOptions& options, const std::string& instance) : log_(open_log(options)) {
    reader_ = log_->group_reader("group-" + options.prefix, instance);
  }

  void step() {
    const auto read = reader_->poll(1 << 16);
    ASSERT_TRUE(read) << read.error().message();
    for (const LogReader::Assignment& change : read->assignments) {
      if (change.change == LogReader::Change::kAssigned) {
        ASSERT_TRUE(owned.insert(change.partition).second) << "assigned twice";
        ++assigned;
        const auto range = reader_->range(change.partition);
        ASSERT_TRUE(range) << range.error().message();
        ASSERT_TRUE(reader_->seek(change.partition, range->begin));
      } else {
        ASSERT_EQ(owned.erase(change.partition), 1U) << "revoked, but never had";
        ++revoked;
      }
    }
    for (const LogReader::Batch& batch : read->batches) {
      ASSERT_TRUE(owned.contains(batch.partition)) << "read without having it";
      read_to[batch.partition] = batch.first_offset + static_cast<std::int64_t>(batch.records.size());
      reader_->commit_hint(batch.partition, read_to[batch.partition]);
    }
  }
  [[nodiscard]] KafkaLog& log() { return *log_; }

  std::set<std::int32_t> owned;
  std::map<std::int32_t, std::int64_t> read_to;
  int assigned = 0, revoked = 0;

 private:
  std::unique_ptr<KafkaLog> log_;
  std::unique_ptr<LogReader> reader_;
};

void expect_disjoint(const std::vector<Member*>& members) {
  std::set<std::int32_t> all;
  for (const Member* member : members) {
    for (const std::int32_t partition : member->owned) EXPECT_TRUE(all.insert(partition).second) << partition;
  }
}

// Steps all members, and checks that no partition has two owners, until `done`.
void run_until(const std::vector<Member*>& members, const std::function<bool()>& done) {
  const auto begun = std::chrono::steady_clock::now();
  while (!done()) {
    ASSERT_LT(std::chrono::steady_clock::now() - begun, kDeadline);
    for (Member* member : members) {
      member->step();
      if (testing::Test::HasFatalFailure()) return;
      expect_disjoint(members);
    }
  }
}

void write_to_all(KafkaLog& log, int records) {
  for (std::int32_t p = 0; p < kPartitions; ++p) {
    for (int i = 0; i < records; ++i) {
      const std::string value = std::to_string(i);
      const LogRecord record{RecordType::kTrade, "K", value};
      ASSERT_EQ(log.writer().append(p, {&record, 1}), LogWriter::Append::kAccepted);
    }
  }
  while (log.writer().pending_bytes() > 0) ASSERT_TRUE(log.writer().poll());
}

bool has_read_all(const Member& member, std::int64_t end) {
  for (const std::int32_t partition : member.owned) {
    const auto read = member.read_to.find(partition);
    if (read == member.read_to.end() || read->second < end) return false;
  }
  return true;
}

TEST(KafkaGroup, PartitionsMoveToOneWhoJoinsAndBackWhenItLeaves) {
  const KafkaOptions options = new_log(kPartitions);
  Member first(options, "");
  write_to_all(first.log(), 100);
  run_until({&first}, [&] { return first.owned.size() == 6 && has_read_all(first, 101); });
  auto second = std::make_unique<Member>(options, "");
  run_until({&first, second.get()},
            [&] { return first.owned.size() == 3 && second->owned.size() == 3 && has_read_all(*second, 101); });
  EXPECT_EQ(first.revoked, 3) << "what it keeps is not taken from it";
  write_to_all(first.log(), 10);
  run_until({&first, second.get()}, [&] { return has_read_all(first, 111) && has_read_all(*second, 111); });
  second.reset();
  run_until({&first}, [&] { return first.owned.size() == 6 && has_read_all(first, 111); });
  EXPECT_EQ(first.assigned, 9);
}

TEST(KafkaGroup, OneWithAnInstanceIdComesBackToItsPartitions) {
  const KafkaOptions options = new_log(kPartitions);
  Member first(options, "one");
  auto second = std::make_unique<Member>(options, "two");
  run_until({&first, second.get()}, [&] { return first.owned.size() == 3 && second->owned.size() == 3; });
  const auto owned = second->owned;
  const int revoked = first.revoked;
  const int assigned = first.assigned;
  second = std::make_unique<Member>(options, "two");
  run_until({&first, second.get()}, [&] { return second->owned.size() == 3; });
  EXPECT_EQ(second->owned, owned);
  EXPECT_EQ(first.revoked, revoked);
  EXPECT_EQ(first.assigned, assigned);
}

TEST(KafkaGroup, OneWhoDoesNotPollLosesItsPartitionsAndIsTold) {
  KafkaOptions options = new_log(kPartitions);
  options.session_timeout_ms = 6'000;
  options.max_poll_interval_ms = 12'000;
  Member sleeper(options, "");
  run_until({&sleeper}, [&] { return sleeper.owned.size() == 6; });
  Member other(options, "");
  // It owns all as it believes, so that only the other one is looked at.
  const auto begun = std::chrono::steady_clock::now();
  while (other.owned.size() < 6) {
    ASSERT_LT(std::chrono::steady_clock::now() - begun, kDeadline);
    other.step();
    ASSERT_FALSE(HasFatalFailure());
  }
  while (sleeper.revoked < 6) {
    ASSERT_LT(std::chrono::steady_clock::now() - begun, kDeadline);
    sleeper.step();
    ASSERT_FALSE(HasFatalFailure());
  }
  // When it comes back it may get some before the other one has let go of them: only the end counts here.
  while (sleeper.owned.size() != 3 || other.owned.size() != 3) {
    ASSERT_LT(std::chrono::steady_clock::now() - begun, kDeadline);
    sleeper.step();
    other.step();
    ASSERT_FALSE(HasFatalFailure());
  }
  expect_disjoint({&sleeper, &other});
}

}  // namespace
}  // namespace finpipe::kafka_test
