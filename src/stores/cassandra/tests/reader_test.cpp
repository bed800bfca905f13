#include "stores/cassandra/reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/time.h"

namespace finpipe::cql {
namespace {

struct Asked {
  std::string cells, paging_state;
  std::int32_t page_rows;
};

// Answers what it is asked as a test says, a page of numbers each.
class AnsweringLink final : public Link {
 public:
  struct Page {
    fp_cql_status status = FP_CQL_OK;
    std::vector<std::int32_t> numbers;
    std::string next;
  };
  using Answering = std::function<std::optional<Page>(const Asked&)>;

  AnsweringLink(Answering answering, std::vector<Asked>& asked, ManualClock& clock)
      : answering_(std::move(answering)), asked_(asked), clock_(clock) {}

  void write(Statement, std::uint32_t, std::string_view, std::uint64_t) override {}
  void select(Statement, std::string_view cells, std::int32_t page_rows, std::string_view paging_state,
              std::uint64_t tag) override {
    asked_.push_back({std::string(cells), std::string(paging_state), page_rows});
    const auto page = answering_(asked_.back());
    if (!page) return;  // never answered
    const auto kept = std::make_shared<std::pair<std::string, std::string>>();
    CellWriter cells_out;
    for (const std::int32_t number : page->numbers) cells_out.integer(number);
    *kept = {cells_out.bytes(), page->next};
    const auto bytes = [](const std::string& text) { return reinterpret_cast<const std::uint8_t*>(text.data()); };
    const fp_cql_rows rows{.columns = 1,
                           .rows = static_cast<std::uint32_t>(page->numbers.size()),
                           .cells = bytes(kept->first),
                           .size = kept->first.size(),
                           .paging_state = kept->second.empty() ? nullptr : bytes(kept->second),
                           .paging_state_size = kept->second.size()};
    // The last one asked is answered first.
    answers_.push_front({tag, page->status, page->status == FP_CQL_OK ? "" : "told", Rows(kept, rows)});
  }
  std::vector<Answer> receive(std::uint32_t wait_ms) override {
    clock_.advance_ns(wait_ms * kNsPerMs);
    std::vector<Answer> some;
    // Never in the round in which it was asked.
    if (answers_.empty() || !std::exchange(waited_, true)) return some;
    waited_ = false;
    some.push_back(std::move(answers_.front()));
    answers_.pop_front();
    return some;
  }

 private:
  Answering answering_;
  std::vector<Asked>& asked_;
  ManualClock& clock_;
  std::deque<Answer> answers_;
  bool waited_ = false;
};

class Reading : public testing::Test {
 protected:
  using Page = AnsweringLink::Page;

  Result<bool> read(std::size_t selects, const AnsweringLink::Answering& answering, std::size_t stop_after = 1'000) {
    std::vector<Select> all;
    for (std::size_t i = 0; i < selects; ++i) {
      all.push_back({Statement::kPartitions, std::string(1, static_cast<char>('a' + i))});
    }
    const Reader reader([&] { return std::make_unique<AnsweringLink>(answering, asked_, clock_); }, clock_,
                        interrupted_,
                        {.patience_ms = patience_ms_, .trouble = &trouble_, .known_trouble = known_trouble_});
    return reader.visit(all, 8, [&](std::size_t at, CellReader& cells) -> Result<bool> {
      clock_.advance_ns(visit_ns_);
      seen_.emplace_back(at, cells.integer());
      return seen_.size() < stop_after;
    });
  }

  using Seen = std::vector<std::pair<std::size_t, std::int32_t>>;
  ManualClock clock_{0};
  std::atomic<bool> interrupted_ = false;
  std::int64_t patience_ms_ = 0;
  std::int64_t visit_ns_ = 0;  // a row's
  Trouble trouble_;
  const Trouble* known_trouble_ = nullptr;
  std::vector<Asked> asked_;
  Seen seen_;
};

TEST_F(Reading, RowsComeInTheOrderOfTheSelectsAndOfTheirPages) {
  const auto whole = read(4, [](const Asked& asked) -> std::optional<Page> {
    const auto first = static_cast<std::int32_t>(asked.cells.front() - 'a') * 10;
    if (asked.cells == "b" && asked.paging_state != "2") {
      return Page{FP_CQL_OK, {first + (asked.paging_state.empty() ? 0 : 1)}, asked.paging_state.empty() ? "1" : "2"};
    }
    if (asked.cells == "b") return Page{FP_CQL_OK, {first + 2}, ""};
    if (asked.cells == "c") return Page{};
    return Page{FP_CQL_OK, {first, first + 1}, ""};
  });
  ASSERT_TRUE(whole);
  EXPECT_TRUE(*whole);
  EXPECT_EQ(seen_, (Seen{{0, 0}, {0, 1}, {1, 10}, {1, 11}, {1, 12}, {3, 30}, {3, 31}}));
}

TEST_F(Reading, WhoStopsInTheFirstPageCausesNoOther) {
  const auto whole = read(3, [](const Asked&) { return Page{FP_CQL_OK, {1, 2, 3}, "more"}; }, 3);
  ASSERT_TRUE(whole);
  EXPECT_FALSE(*whole);
  EXPECT_EQ(asked_.size(), 1U);
  EXPECT_EQ(asked_.front().page_rows, 500);
}

TEST_F(Reading, WhatFailsForATimeIsAskedAgainWithoutARowTwice) {
  int failures = 0;
  const auto whole = read(2, [&](const Asked& asked) -> std::optional<Page> {
    if (asked.cells == "a" && asked.paging_state == "1" && failures++ < 3) return Page{FP_CQL_TIMEOUT, {}, ""};
    return Page{FP_CQL_OK, {asked.paging_state.empty() ? 1 : 2}, asked.paging_state.empty() ? "1" : ""};
  });
  ASSERT_TRUE(whole);
  EXPECT_EQ(seen_, (Seen{{0, 1}, {0, 2}, {1, 1}, {1, 2}}));
  EXPECT_EQ(failures, 4);
}

TEST_F(Reading, WhatWillNotPassIsAnError) {
  const auto whole = read(1, [](const Asked&) { return Page{FP_CQL_NO_TABLE, {}, ""}; });
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code, ErrorCode::kSchemaMissing);
}

TEST_F(Reading, GivesUpAfterItsPatience) {
  patience_ms_ = 3'000;
  const auto whole = read(1, [](const Asked&) { return Page{FP_CQL_UNREACHABLE, {}, ""}; });
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code, ErrorCode::kStoreUnreachable);
  EXPECT_NE(whole.error().detail.find("told"), std::string::npos);
  EXPECT_GE(clock_.boot_ns(), 3 * kNsPerSecond);
  EXPECT_LT(clock_.boot_ns(), 4 * kNsPerSecond);
}

TEST_F(Reading, WhatTheVisitorTakesIsNotTheClustersSilence) {
  patience_ms_ = 2'000;
  visit_ns_ = 10 * kNsPerSecond;
  const auto whole = read(1, [](const Asked& asked) -> std::optional<Page> {
    return Page{FP_CQL_OK, {1}, asked.paging_state.size() < 4 ? asked.paging_state + "+" : ""};
  });
  ASSERT_TRUE(whole) << whole.error().message();
  EXPECT_EQ(seen_.size(), 5U);
}

TEST_F(Reading, WhoMustNotBeHeldUpDoesNotWaitForManySlowAnswers) {
  patience_ms_ = 2'000;
  visit_ns_ = 3 * kNsPerSecond;
  const Trouble none;
  known_trouble_ = &none;
  const auto whole = read(1, [](const Asked&) { return Page{FP_CQL_OK, {1}, "more"}; });
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code, ErrorCode::kStoreUnreachable);
  EXPECT_LT(seen_.size(), 6U);
}

TEST_F(Reading, DoesNotWaitForWhatOthersKnowToBeAway) {
  patience_ms_ = 30'000;
  Trouble known;
  known.waiting(0, "known to be away");
  known.waiting(Trouble::kPatienceNs);
  known_trouble_ = &known;
  const auto whole = read(1, [](const Asked&) { return std::nullopt; });
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code, ErrorCode::kStoreUnreachable);
  EXPECT_NE(whole.error().detail.find("known to be away"), std::string::npos);
  EXPECT_LT(clock_.boot_ns(), kNsPerSecond);
}

TEST_F(Reading, WhoAsksAgainAtOnceDoesNotWaitAgain) {
  patience_ms_ = 2'000;
  bool is_back = false;
  const Reader reader(
      [&] {
        return std::make_unique<AnsweringLink>(
            [&](const Asked&) { return is_back ? std::optional(Page{FP_CQL_OK, {1}, ""}) : std::nullopt; }, asked_,
            clock_);
      },
      clock_, interrupted_, {.patience_ms = patience_ms_, .trouble = nullptr, .known_trouble = nullptr});
  const auto ask = [&] {
    const std::vector<Select> one = {{Statement::kPartitions, "a"}};
    const auto see = [](std::size_t, CellReader& cells) -> Result<bool> { return cells.integer() == 1; };
    return reader.visit(one, 1, see).has_value();
  };
  EXPECT_FALSE(ask());
  const std::int64_t gave_up_ns = clock_.boot_ns();
  is_back = true;
  EXPECT_FALSE(ask());
  EXPECT_EQ(clock_.boot_ns(), gave_up_ns);
  clock_.advance_ns(kNsPerSecond);
  EXPECT_TRUE(ask());
}

TEST_F(Reading, WithoutPatienceItGoesOnUntilItIsInterruptedAndSaysWhy) {
  const auto whole = read(1, [&](const Asked&) -> std::optional<Page> {
    if (clock_.boot_ns() > 20 * kNsPerSecond) {
      EXPECT_EQ(trouble_.text(), "Cassandra: told");
      interrupted_ = true;
    }
    return Page{FP_CQL_OVERLOADED, {}, ""};
  });
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().code, ErrorCode::kInterrupted);
}

}  // namespace
}  // namespace finpipe::cql
