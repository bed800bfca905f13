#include "app/metered.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "app/tests/away_store.h"

namespace finpipe {
namespace {

constexpr std::int64_t kMadeMs = 1'800'000'000'000;

// A store that counts, made at kMadeMs.
class MeteredStoreTest : public testing::Test {
 protected:
  static RevisionRow closed(Interval interval, std::int64_t end_ms) {
    RevisionRow row{{"A", interval, end_ms - length_ms(interval)}, {}};
    row.bar.state = BarState::kFinal;
    row.bar.closed_at_ns = (end_ms + 2'000) * kNsPerMs;
    return row;
  }
  void poll() { EXPECT_TRUE(store.poll()); }
  // The value of a line of the page.
  std::string line(const std::string& series) {
    const std::string page = metrics.render();
    const std::size_t at = page.find("\n" + series + " ");
    if (at == std::string::npos) return "absent";
    const std::size_t begin = at + series.size() + 2;
    return page.substr(begin, page.find('\n', begin) - begin);
  }

  ManualClock clock{kMadeMs * kNsPerMs};
  Metrics metrics;
  AwayStore to;
  MeteredStore store{to, metrics, clock};
};

TEST_F(MeteredStoreTest, ABarsDelayIsFromItsEndUntilItIsDurable) {
  Commit commit;
  commit.revisions = {closed(Interval::k1s, kMadeMs + 1'000), closed(Interval::k1m, kMadeMs),
                      closed(Interval::k1m, kMadeMs - 60'000), closed(Interval::k1d, kMadeMs + 1'000)};
  commit.revisions.push_back(closed(Interval::k1s, kMadeMs + 1'000)).key.symbol = "B";
  clock.advance_ns(3 * kNsPerSecond);
  to.go_away();
  EXPECT_EQ(store.submit(std::move(commit)), 1);
  clock.advance_ns(2 * kNsPerSecond);
  poll();
  EXPECT_EQ(line("finpipe_processor_close_delay_seconds_count"), "0") << "not durable yet";
  to.come_back();
  poll();
  EXPECT_EQ(line("finpipe_processor_close_delay_seconds_count"), "3") << "the old one and that of a day do not count";
  EXPECT_EQ(line("finpipe_processor_close_delay_seconds_sum"), "13") << "4 s, 4 s and 5 s";
  EXPECT_EQ(line("finpipe_processor_close_delay_seconds_bucket{le=\"4\"}"), "2");
  EXPECT_EQ(line("finpipe_processor_commit_seconds_sum"), "2");
  EXPECT_EQ(store.finals(), 5);
}

TEST_F(MeteredStoreTest, CommitsUnderWayAndTheirRowsAreCounted) {
  to.go_away();
  for (const std::size_t bars : {2U, 40U}) {
    Commit commit;
    for (std::size_t i = 0; i < bars; ++i)
      commit.bars.push_back({{"A", Interval::k1s, kMadeMs + 1'000 * std::int64_t(i)}, {}});
    commit.symbols.push_back({"A", 0});
    commit.checkpoints.push_back({0, 0, std::int64_t(bars), ""});
    EXPECT_GT(store.submit(std::move(commit)), 0);
  }
  EXPECT_EQ(metrics.value(Metric::kStoreCommitsInFlight), 2);
  EXPECT_EQ(line("finpipe_store_commit_rows_sum"), "46");
  EXPECT_EQ(line("finpipe_store_commit_rows_bucket{le=\"10\"}"), "1");
  EXPECT_FALSE(store.settled());
  to.come_back();
  poll();
  EXPECT_EQ(metrics.value(Metric::kStoreCommitsInFlight), 0);
  EXPECT_TRUE(store.settled());
}

TEST_F(MeteredStoreTest, ALookUpIsCounted) {
  EXPECT_TRUE(store.load_bars({}));
  EXPECT_EQ(metrics.value(Metric::kProcessorLookUps), 1);
}

}  // namespace
}  // namespace finpipe
