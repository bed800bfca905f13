// What an embedded log keeps when its process is killed at any moment, or the disk refuses to write.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "logs/embedded_log.h"
#include "logs/tests/child.h"
#include "logs/tests/temp_dir.h"

namespace finpipe {
namespace {

using Ends = std::array<std::int64_t, kChildPartitions>;

// Everything that is there, checked against what the child meant to write: no hole, nothing foreign.
Ends read_ends(const std::string& path) {
  Ends ends{};
  auto log = EmbeddedLog::open(path, {});
  if (!log) {
    ADD_FAILURE() << log.error().message();
    return ends;
  }
  const auto reader = (*log)->reader();
  for (std::int32_t p = 0; p < kChildPartitions; ++p) EXPECT_TRUE(reader->seek(p, 0));
  while (true) {
    const auto read = reader->poll(1 << 20);
    if (!read) ADD_FAILURE() << read.error().message();
    if (!read || read->batches.empty()) break;
    for (const auto& batch : read->batches) {
      std::int64_t& end = ends[static_cast<std::size_t>(batch.partition)];
      EXPECT_EQ(batch.first_offset, end);
      for (const LogRecord& record : batch.records) EXPECT_EQ(record.value, child_value(batch.partition, end++));
    }
  }
  for (std::int32_t p = 0; p < kChildPartitions; ++p) {
    EXPECT_EQ(reader->range(p)->end, ends[static_cast<std::size_t>(p)]);
  }
  return ends;
}

void note(const ChildReport& report, Ends& acknowledged) {
  if (report.error == 0) acknowledged[static_cast<std::size_t>(report.partition)] = report.end;
}

TEST(EmbeddedLogCrash, KilledWriterLosesNothingThatWasAcknowledged) {
  const TempDir dir;
  const std::string path = dir.path("log");
  ASSERT_TRUE(EmbeddedLog::open(path, {.partitions = kChildPartitions}));
  Random random(20240808);
  Ends acknowledged{};
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    Child child(ChildTask::kAppend, path);
    for (std::uint64_t left = 1 + random.below(30); left > 0; --left) {
      const auto report = child.next();
      ASSERT_TRUE(report && report->error == 0);
      note(*report, acknowledged);
    }
    std::atomic<std::uint64_t> spent = 0;  // a moment between two acknowledgements
    for (const std::uint64_t until = random.below(1'000'000); spent < until;) ++spent;
    child.kill();
    while (const auto report = child.next()) note(*report, acknowledged);

    const Ends ends = read_ends(path);
    for (std::size_t p = 0; p < ends.size(); ++p) EXPECT_GE(ends[p], acknowledged[p]) << "partition " << p;
  }
}

TEST(EmbeddedLogCrash, RefusedWriteIsAnErrorAndLosesNothingThatWasAcknowledged) {
  const TempDir dir;
  const std::string path = dir.path("log");
  ASSERT_TRUE(EmbeddedLog::open(path, {.partitions = kChildPartitions}));
  Ends acknowledged{};
  int errors = 0;
  Child child(ChildTask::kAppendLimited, path);
  while (const auto report = child.next()) {
    EXPECT_EQ(errors, 0) << "acknowledged after an error";
    note(*report, acknowledged);
    if (report->error == 0) continue;
    EXPECT_EQ(static_cast<ErrorCode>(report->error), ErrorCode::kIo);
    ++errors;
  }
  EXPECT_EQ(errors, 1);
  EXPECT_GT(acknowledged[0] + acknowledged[1], 0);
  const Ends ends = read_ends(path);
  for (std::size_t p = 0; p < ends.size(); ++p) EXPECT_GE(ends[p], acknowledged[p]) << "partition " << p;
}

}  // namespace
}  // namespace finpipe
