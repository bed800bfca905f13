#include "simulator/faults.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "codec/finnhub_frame.h"

namespace finpipe {
namespace {

TEST(ParseFault, ReadsWhatARequestSays) {
  const auto stall = parse_fault(R"({"kind":"stall","ms":3000,"connection":7})");
  ASSERT_TRUE(stall);
  EXPECT_EQ(stall->kind, FaultKind::kStall);
  EXPECT_EQ(stall->duration_ms, 3'000);
  EXPECT_EQ(stall->connection, 7);

  const auto refuse = parse_fault(R"({"kind":"refuse","count":3,"status":429,"retry_after":2,"drop":true})");
  ASSERT_TRUE(refuse);
  EXPECT_EQ(refuse->count, 3);
  EXPECT_EQ(refuse->status, 429);
  EXPECT_EQ(refuse->retry_after_s, 2);
  EXPECT_TRUE(refuse->drop);
  EXPECT_EQ(parse_fault(R"({"kind":"refuse","never":true})")->status, kNeverAnswer);
  EXPECT_EQ(parse_fault(R"({"kind":"malformed","variant":"nan"})")->variant, Malformed::kNan);
  for (const std::string_view name : kFaultNames) {
    const auto fault = parse_fault(R"({"kind":")" + std::string(name) + R"("})");
    ASSERT_TRUE(fault) << name;
    EXPECT_EQ(to_string(fault->kind), name);
  }
}

TEST(ParseFault, SaysWhatIsWrong) {
  for (const auto& [text, words] :
       std::map<std::string, std::string>{{"{", "bad_json"},
                                          {"{}", "disconnect, drop"},
                                          {R"({"kind":"flood"})", "disconnect, drop"},
                                          {R"({"kind":"stall","ms":-1})", "ms must be"},
                                          {R"({"kind":"stall","ms":"1"})", "ms must be"},
                                          {R"({"kind":"refuse","status":99})", "status"},
                                          {R"({"kind":"malformed","variant":"x"})", "broken_json"}}) {
    const auto fault = parse_fault(text);
    ASSERT_FALSE(fault) << text;
    EXPECT_NE(fault.error().message().find(words), std::string::npos) << fault.error().message();
  }
}

TEST(MalformedFrame, EachIsWrongInItsOwnWay) {
  FrameParser parser;
  const auto reason_of = [&](Malformed variant) {
    const std::string text = malformed_frame(variant, "BINANCE:X", 1'723'161'255'000);
    const ParsedFrame& frame = parser.parse(text);
    EXPECT_TRUE(frame.trades.empty());
    EXPECT_EQ(frame.bad.size(), 1);
    return frame.bad.empty() ? ErrorCode::kUsage : frame.bad[0].reason;
  };
  EXPECT_EQ(reason_of(Malformed::kBrokenJson), ErrorCode::kBadJson);
  EXPECT_EQ(reason_of(Malformed::kWrongType), ErrorCode::kWrongType);
  EXPECT_EQ(reason_of(Malformed::kNan), ErrorCode::kBadJson);
  EXPECT_EQ(reason_of(Malformed::kNegativePrice), ErrorCode::kBadPrice);
  EXPECT_EQ(reason_of(Malformed::kUnknownType), ErrorCode::kUnknownFrame);
  EXPECT_EQ(reason_of(Malformed::kHuge), ErrorCode::kFrameTooLarge);
}

std::vector<FaultKind> all() {
  std::vector<FaultKind> kinds;
  for (std::size_t i = 0; i < kFaultNames.size(); ++i) kinds.push_back(static_cast<FaultKind>(i));
  return kinds;
}

std::string describe(const Fault& fault) {
  return std::string(to_string(fault.kind)) + "/" + std::to_string(fault.status) + "/" +
         std::to_string(fault.retry_after_s.value_or(-1)) + "/" + std::string(to_string(fault.variant));
}

TEST(FaultSchedule, DealsEveryKindAndVariantBeforeAnyComesAgain) {
  FaultSchedule schedule(1'000, all(), 7);
  std::set<std::string> dealt;
  std::set<FaultKind> kinds;
  for (;;) {
    const Fault fault = schedule.next();
    if (!dealt.insert(describe(fault)).second) break;
    kinds.insert(fault.kind);
  }
  EXPECT_EQ(kinds.size(), kFaultNames.size());
  EXPECT_EQ(dealt.size(), 9 + 6 + kMalformedNames.size());  // nine kinds of one, refusals, malformed frames
}

TEST(FaultSchedule, EndsNoClientForGood) {
  FaultSchedule schedule(1'000, all(), 7);
  for (int i = 0; i < 200; ++i) {
    const Fault fault = schedule.next();
    EXPECT_NE(fault.status, 401);
    EXPECT_TRUE(fault.drop || fault.kind != FaultKind::kRefuse);
  }
}

TEST(FaultSchedule, TheSameSeedDealsTheSame) {
  const auto deal = [](std::uint64_t seed) {
    FaultSchedule schedule(1'000, all(), seed);
    std::vector<std::string> faults;
    for (int i = 0; i < 100; ++i) {
      faults.push_back(std::to_string(schedule.next_wait_ms()) + " " + describe(schedule.next()));
    }
    return faults;
  };
  EXPECT_EQ(deal(1), deal(1));
  EXPECT_NE(deal(1), deal(2));
}

TEST(FaultSchedule, WaitsAboutAsLongAsAsked) {
  FaultSchedule schedule(1'000, all(), 7);
  for (int i = 0; i < 1'000; ++i) {
    const std::int64_t wait_ms = schedule.next_wait_ms();
    EXPECT_GE(wait_ms, 500);
    EXPECT_LE(wait_ms, 1'500);
  }
}

}  // namespace
}  // namespace finpipe
