#include "pipeline/publishing_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "base/hash.h"
#include "codec/bar_record.h"

namespace finpipe {
namespace {

constexpr std::int32_t kPartitions = 3;

// Takes so many records at once, and acknowledges when it is told to.
class ScriptedLog final : public LogWriter {
 public:
  [[nodiscard]] std::int32_t partitions() const override { return kPartitions; }
  [[nodiscard]] Append append(std::int32_t partition, std::span<const LogRecord> records) override {
    if (pending_ == room) return Append::kFull;
    for (const LogRecord& record : records) {
      EXPECT_EQ(partition, partition_of(*record.key, kPartitions));
      rows.push_back(decode_bar_record(record.value).value());
      EXPECT_EQ(*record.key, rows.back().key.symbol);
    }
    pending_ += records.size();
    return Append::kAccepted;
  }
  [[nodiscard]] Result<std::span<const Acknowledged>> poll() override {
    if (failure) return fail(*failure);
    return std::span<const Acknowledged>();
  }
  [[nodiscard]] std::size_t pending_bytes() const override { return pending_; }
  void acknowledge() { pending_ = 0; }

  std::size_t room = 1'000;
  std::vector<BarRow> rows;
  std::optional<Error> failure;

 private:
  std::size_t pending_ = 0;
};

// Keeps what is submitted; done when it is told to be.
class ScriptedStore final : public Store {
 public:
  [[nodiscard]] Ticket submit(Commit commit) override {
    commits.push_back(std::move(commit));
    return static_cast<Ticket>(10 * commits.size());
  }
  [[nodiscard]] Result<Ticket> poll() override { return done; }
  [[nodiscard]] Result<std::optional<CheckpointRow>> load_checkpoint(std::int32_t partition) override {
    return CheckpointRow{partition, 7, 0, {}};
  }
  [[nodiscard]] Result<std::vector<SymbolRow>> load_symbols(std::int32_t /*partition*/) override { return {}; }
  [[nodiscard]] Result<std::vector<BarRow>> load_bars(std::span<const BarRange> /*ranges*/) override { return {}; }
  [[nodiscard]] Result<std::vector<SpanRow>> load_spans(std::int32_t /*partition*/) override { return {}; }
  [[nodiscard]] Result<std::vector<VoidRow>> load_voids(std::int32_t /*partition*/) override { return {}; }
  [[nodiscard]] Result<void> load_ticks(const TickRange& /*range*/,
                                        const std::function<void(const Tick&)>& /*visit*/) override {
    return {};
  }
  [[nodiscard]] Result<std::optional<PolicyRow>> load_policy(std::string_view /*hash*/) override { return {}; }

  std::vector<Commit> commits;
  Ticket done = 0;
};

BarRow row_of(const std::string& symbol, std::int64_t version, BarState state) {
  BarRow row{{symbol, Interval::k1m, 60'000}, {}};
  row.bar.first = row.bar.last = {60'000, 1, 5'000'000'000};
  row.bar.high_e9 = row.bar.low_e9 = 5'000'000'000;
  row.bar.has_high_low = true;
  row.bar.volume_e8 = 1;
  row.bar.trades = 1;
  row.bar.version = version;
  row.bar.state = state;
  return row;
}

Commit commit_of(BlockList<BarRow> bars, BlockList<RevisionRow> revisions = {}) {
  Commit commit;
  commit.bars = std::move(bars);
  commit.revisions = std::move(revisions);
  return commit;
}

class Publishing : public testing::Test {
 protected:
  Store::Ticket poll() {
    const auto done = store_.poll();
    EXPECT_TRUE(done) << done.error().message();
    return done.value_or(-1);
  }

  ScriptedLog log_;
  ScriptedStore inner_;
  PublishingStore store_{inner_, log_};
};

TEST_F(Publishing, BarsAreStoredOnceTheirRecordsAreAcknowledged) {
  const Store::Ticket ticket = store_.submit(commit_of({row_of("A", 1, BarState::kProvisional)}));
  EXPECT_EQ(poll(), 0);
  ASSERT_EQ(log_.rows.size(), 1U);
  EXPECT_EQ(log_.rows[0].bar.version, 1);
  EXPECT_TRUE(inner_.commits.empty());
  log_.acknowledge();
  EXPECT_EQ(poll(), 0);
  ASSERT_EQ(inner_.commits.size(), 1U);
  EXPECT_EQ(inner_.commits[0].bars.size(), 1U);
  inner_.done = 10;
  EXPECT_EQ(poll(), ticket);
}

TEST_F(Publishing, ClosedVersionsComeBeforeTheNewestOneAndWhatNobodySeesNotAtAll) {
  BarRow hidden = row_of("B", 1, BarState::kProvisional);
  hidden.bar.trades = 0;
  hidden.bar.volume_e8 = 0;
  hidden.bar.first = hidden.bar.last = {};
  hidden.bar.has_high_low = false;
  (void)store_.submit(commit_of({row_of("A", 3, BarState::kRevised), hidden}, {row_of("A", 2, BarState::kFinal)}));
  (void)poll();
  ASSERT_EQ(log_.rows.size(), 2U);
  EXPECT_EQ(log_.rows[0].bar.state, BarState::kFinal);
  EXPECT_EQ(log_.rows[1].bar.version, 3);
}

TEST_F(Publishing, ACommitWithoutBarsWaitsForNobody) {
  const Store::Ticket ticket = store_.submit(commit_of({}));
  (void)poll();
  ASSERT_EQ(inner_.commits.size(), 1U);
  inner_.done = 10;
  EXPECT_EQ(poll(), ticket);
}

TEST_F(Publishing, AFullLogIsWaitedForAndCommitsKeepTheirOrder) {
  log_.room = 2;
  std::vector<BarRow> rows;
  for (const char* symbol : {"A", "B", "C", "D", "E"}) rows.push_back(row_of(symbol, 1, BarState::kProvisional));
  (void)store_.submit(commit_of(rows));
  const Store::Ticket last = store_.submit(commit_of({row_of("A", 2, BarState::kProvisional)}));
  for (int round = 0; round < 10; ++round) {
    (void)poll();
    EXPECT_LE(log_.pending_bytes(), 2U);
    EXPECT_EQ(inner_.commits.empty(), log_.rows.size() < 6 || log_.pending_bytes() > 0);
    log_.acknowledge();
  }
  EXPECT_EQ(log_.rows.size(), 6U);
  ASSERT_EQ(inner_.commits.size(), 2U);
  EXPECT_EQ(inner_.commits[0].bars.size(), 5U);
  inner_.done = 10;
  EXPECT_EQ(poll(), last - 1);
  inner_.done = 20;
  EXPECT_EQ(poll(), last);
}

TEST_F(Publishing, AFailureOfTheLogIsOneOfTheStore) {
  (void)store_.submit(commit_of({row_of("A", 1, BarState::kProvisional)}));
  log_.failure = Error{ErrorCode::kLogRefused, "no"};
  const auto done = store_.poll();
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kLogRefused);
  EXPECT_TRUE(inner_.commits.empty());
}

}  // namespace
}  // namespace finpipe
