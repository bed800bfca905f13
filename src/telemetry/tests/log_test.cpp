#include "telemetry/log.h"

#include <gtest/gtest.h>

#include <string>

namespace finpipe {
namespace {

TEST(Log, TextLinesKeepPlainValuesBareAndQuoteTheRest) {
  EXPECT_EQ(log_text("tape ended", {{"trades", "34419"}, {"path", "my tapes/a.tape"}, {"empty", ""}}),
            R"(tape ended trades=34419 path="my tapes/a.tape" empty="")");
}

TEST(Log, AValueCannotForgeALineOrAnotherField) {
  EXPECT_EQ(log_text("x", {{"detail", "a\nb c=d \"e\""}}), R"(x detail="a\u000ab c=d \"e\"")");
}

TEST(Log, JsonMembersAreEscaped) {
  EXPECT_EQ(log_json("it \"ends\"", {{"path", "C:\\x"}, {"raw", std::string("\x01\xff", 2)}}),
            R"("message":"it \"ends\"","path":"C:\\x","raw":"\u0001\ufffd")");
  EXPECT_EQ(log_json("x", {{"path", "/données/\xe2\x82"}}), R"("message":"x","path":"/données/\ufffd\ufffd")");
}

TEST(Log, LinesCarryTimeAndLevelInTheChosenFormat) {
  init_logging(LogLevel::kWarn, LogFormat::kText);
  testing::internal::CaptureStderr();
  log_info("not printed");
  log_warn("slow", {{"lag_ms", "7"}});
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(text.find("Z warning slow lag_ms=7\n") != std::string::npos) << text;
  EXPECT_TRUE(text.find("not printed") == std::string::npos) << text;

  init_logging(LogLevel::kInfo, LogFormat::kJson);
  testing::internal::CaptureStderr();
  log_error("gone", {{"path", "a b"}});
  const std::string json = testing::internal::GetCapturedStderr();
  EXPECT_EQ(json.find(R"({"time":")"), 0U) << json;
  EXPECT_TRUE(json.ends_with(R"(Z","level":"error","message":"gone","path":"a b"})"
                             "\n"))
      << json;
}

}  // namespace
}  // namespace finpipe
