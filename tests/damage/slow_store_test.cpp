// A store that is slower than the log bounds what is read and not stored, of all partitions together.
#include <gtest/gtest.h>

#include <deque>
#include <utility>

#include "base/clock.h"
#include "pipeline/forwarding_store.h"
#include "pipeline/processor.h"
#include "pipeline_run.h"

namespace finpipe {
namespace {

// Commits wait until they are let through, one by one.
class HeldStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;

  [[nodiscard]] Ticket submit(Commit commit) override {
    commits_.push_back(std::move(commit));
    return ++submitted_;
  }
  [[nodiscard]] Result<Ticket> poll() override { return let_through_; }
  [[nodiscard]] bool holds() const { return !commits_.empty(); }
  void let_one_through() {
    (void)to().submit(std::move(commits_.front()));
    commits_.pop_front();
    ASSERT_TRUE(to().poll());
    ++let_through_;
  }

 private:
  std::deque<Commit> commits_;
  Ticket submitted_ = 0, let_through_ = 0;
};

TEST(SlowStore, BoundsWhatIsReadAndNotStored) {
  constexpr std::int64_t kBound = 2'000, kOfARound = 200;
  MemoryRun run(4);
  run.ingest(data_file("binance.tape"));
  HeldStore held(run.store);
  const auto reader = run.reader();
  const auto letters = run.log.dead_letters();
  ManualClock clock(0);
  Processor processor(*reader, held, *letters, clock, {.read_bytes = 8'192, .unstored_records = kBound});
  const auto step = [&] {
    const auto applied = processor.step();
    ASSERT_TRUE(applied) << applied.error().message();
  };
  const auto unstored = [&] {
    std::int64_t records = processor.records_applied();
    const auto rows = run.store.checkpoints();
    for (const CheckpointRow& row : *rows) records -= row.offset;
    return records;
  };
  for (int i = 0; i < 1'000; ++i) step();
  EXPECT_GE(unstored(), kBound);
  while (!*processor.caught_up()) {
    if (held.holds()) held.let_one_through();
    for (int i = 0; i < 50; ++i) step();
    ASSERT_LE(unstored(), kBound + kOfARound);
  }
  while (!*processor.finish()) {
    if (held.holds()) held.let_one_through();
  }
  EXPECT_GT(processor.records_applied(), 10 * kBound);
  const VerifyReport report = run.verify();
  EXPECT_EQ(report.differences, 0) << text_of(report);
}

}  // namespace
}  // namespace finpipe
