// What verify works out by itself. Whole runs and damaged stores are in tests/damage.
#include <gtest/gtest.h>

#include "pipeline/verify_bars.h"
#include "pipeline/verify_findings.h"

namespace finpipe {
namespace {

SpanRow gap(std::string symbol, std::int64_t from_ms, std::int64_t to_ms, SpanRow::Kind kind = SpanRow::Kind::kGap) {
  return {.kind = kind, .symbol = std::move(symbol), .from_ms = from_ms, .to_ms = to_ms, .reason = ""};
}

TEST(MissingSpans, AreTheUnionOfTheGapsOfASymbolAndOfAll) {
  const std::vector<SpanRow> spans = {gap("", 10, 20), gap("A", 15, 30), gap("B", 0, 100), gap("A", 40, 40),
                                      gap("", 50, 60)};
  std::int64_t total_ms = 0;
  for (const TimeSpan& span : missing_spans(spans, 0, "A")) total_ms += span.to_ms - span.from_ms;
  EXPECT_EQ(total_ms, 30);
  EXPECT_TRUE(missing_spans({}, 0, "A").empty());
  EXPECT_TRUE(missing_spans(spans, 1, "A").empty());  // of another partition
}

TEST(MissingSpans, LeaveOutWhatWasFilledForTheSymbol) {
  const std::vector<SpanRow> spans = {
      gap("", 10, 30), gap("A", 15, 20, SpanRow::Kind::kFilled), gap("A", 18, 22, SpanRow::Kind::kFilled),
      gap("B", 10, 30, SpanRow::Kind::kFilled), gap("A", 0, 99, SpanRow::Kind::kUnsubscribed)};
  std::int64_t total_ms = 0;
  for (const TimeSpan& span : missing_spans(spans, 0, "A")) {
    total_ms += span.to_ms - span.from_ms;
    EXPECT_TRUE(span.to_ms <= 15 || span.from_ms >= 22);
  }
  EXPECT_EQ(total_ms, 13);
}

TEST(VerifyFindings, CountAllAndDescribeTheFirst) {
  VerifyFindings findings(2);
  for (int i = 0; i < 5; ++i) findings.add("kind", "number {}", i);
  EXPECT_EQ(findings.count(), 5);
  EXPECT_EQ(findings.take(), (std::vector<Difference>{{"kind", "number 0"}, {"kind", "number 1"}}));
}

TEST(VerifyFindings, TakeWhatCannotBeReadAsADifferenceAndPassOtherErrorsOn) {
  VerifyFindings findings(2);
  EXPECT_TRUE(findings.accept({}, "row unreadable", ""));
  EXPECT_TRUE(findings.accept(fail(ErrorCode::kCorrupt, "bar of A"), "row unreadable", "the rest was left out"));
  EXPECT_EQ(findings.count(), 1);
  const auto broken = findings.accept(fail(ErrorCode::kIo, "disk"), "row unreadable", "");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code, ErrorCode::kIo);
  EXPECT_EQ(findings.take().front().what, "bar of A; the rest was left out");
}

}  // namespace
}  // namespace finpipe
