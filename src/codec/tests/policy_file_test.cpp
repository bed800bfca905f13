#include "codec/policy_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <string>

#include "base/hash.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

const MarketPolicy& bundled(std::string_view market) {
  static const std::vector<MarketPolicy> kPolicies = *bundled_policies();
  return *std::ranges::find(kPolicies, market, &MarketPolicy::market);
}

TEST(BundledPolicies, AreTheFilesOfTheTree) {
  const auto from_files = load_policies(std::string(FINPIPE_SOURCE_DIR) + "/policies");
  ASSERT_TRUE(from_files) << from_files.error().message();
  const auto in_program = bundled_policies();
  ASSERT_TRUE(in_program) << in_program.error().message();
  ASSERT_EQ(in_program->size(), 4);
  ASSERT_EQ(from_files->size(), 4);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ((*in_program)[i].text, (*from_files)[i].text);
    EXPECT_EQ((*in_program)[i].hash, sha256_hex((*from_files)[i].text));
  }
}

TEST(BundledPolicies, SayDelaysAndWhatZeroVolumeMeans) {
  EXPECT_EQ(bundled("us_equities").allowed_delay_ms, 5000);
  EXPECT_EQ(bundled("crypto").allowed_delay_ms, 2000);
  EXPECT_TRUE(bundled("forex").zero_volume_moves_price);
  EXPECT_FALSE(bundled("crypto").zero_volume_moves_price);
  EXPECT_FALSE(bundled("us_equities").zero_volume_moves_price);
  EXPECT_TRUE(bundled("us_equities").has_rules);
  EXPECT_FALSE(bundled("forex").has_rules);
}

TEST(BundledPolicies, FindTheMarketOfASymbol) {
  PolicySet set;
  auto policies = bundled_policies();
  ASSERT_TRUE(policies);
  for (MarketPolicy& policy : *policies) set.put(std::move(policy));
  for (const auto& [symbol, market] : std::map<std::string, std::string>{{"AAPL", "us_equities"},
                                                                         {"BRK.B", "us_equities"},
                                                                         {"BINANCE:BTCUSDT", "crypto"},
                                                                         {"IC MARKETS:1", "forex"},
                                                                         {"OANDA:EUR_USD", "forex"},
                                                                         {"2788.T", "other"},
                                                                         {"NOBODY:X", "other"}}) {
    EXPECT_EQ(set.policy_for(symbol).market, market) << symbol;
  }
}

constexpr const char* kMinimal = R"(version = 1
market = "test"
allowed_delay_ms = 100
zero_volume_moves_price = true
[symbols]
prefixes = ["T:"]
forms = []
[session]
timezone = "UTC"
kind = "always"
trading_day_start = "00:00"
[conditions]
"7" = { name = "Seven", high_low = true, last = "first_after", until = "12:00", volume = true, vwap = false }
)";

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

// The error of the minimal policy with one piece replaced.
std::string error_with(std::string_view what, std::string_view with) {
  const auto policy = parse_policy(replaced(kMinimal, what, with), "test.toml");
  if (policy) return "accepted";
  EXPECT_EQ(policy.error().code, ErrorCode::kBadPolicy);
  return policy.error().detail;
}

TEST(PolicyFile, AMinimalOneIsRead) {
  const auto policy = parse_policy(kMinimal, "test.toml");
  ASSERT_TRUE(policy) << policy.error().message();
  EXPECT_EQ(policy->market, "test");
  EXPECT_EQ(policy->allowed_delay_ms, 100);
  EXPECT_EQ(policy->prefixes, std::vector<std::string>{"T:"});
  EXPECT_EQ(policy->hash, sha256_hex(kMinimal));
  EXPECT_EQ(policy->text, kMinimal);
  const ConditionRule& seven = policy->rules[7];
  EXPECT_TRUE(seven.known);
  EXPECT_EQ(seven.name, "Seven");
  EXPECT_EQ(seven.first_after_ms, 12 * kMsPerHour);
  EXPECT_EQ(seven.effect, (Effect{LastRule::kYes, true, true, false}));
  EXPECT_FALSE(policy->rules[8].known);
}

TEST(PolicyFile, ErrorsNameFileLineAndKey) {
  struct Mistake {
    std::string_view what, with, says;
  };
  const Mistake mistakes[] = {
      {"kind = \"always\"", "kind = \"never\"",
       "test.toml:10: session.kind must be \"always\", \"weekly\" or \"daily\""},
      {"forms = []", "forms = []\ncolour = 1", "test.toml:8: symbols.colour is not a key of policy files"},
      {"allowed_delay_ms = 100", "allowed_delay_ms = \"100\"", "test.toml:3: allowed_delay_ms must be an integer"},
      {"prefixes = [\"T:\"]\n", "", "test.toml:5: symbols.prefixes is missing"},
      {"market = \"test\"\n", "", "test.toml:1: market is missing"},
      {"[\"T:\"]", "[\"T:\", \"U:\", \"T:\"]", "test.toml:6: symbols.prefixes holds \"T:\" twice"},
      {"forms = []", "forms = [\"any\"]",
       "test.toml:7: symbols.forms has \"any\", which is for the market \"other\" only"},
      {"\"UTC\"", "\"Mars/Olympus\"",
       "test.toml:9: session.timezone must be an IANA name that the system's time zone data has, like "
       "\"America/New_York\""},
      {"\"00:00\"", "\"24:00\"",
       "test.toml:11: session.trading_day_start must be a time of day, \"HH:MM\" or \"HH:MM:SS\""},
      {"volume = true, vwap", "volume = 1, vwap", "test.toml:13: conditions.7.volume must be true or false"},
      {"\"7\" =", "\"64\" =", "test.toml:13: conditions.64 must be a code from 1 to 63"},
      {"\"7\" =", "\"0\" =", "test.toml:13: conditions.0 must be a code from 1 to 63"},
      {"\"first_after\"", "\"sometimes\"",
       "test.toml:13: conditions.7.last must be \"yes\", \"no\", \"first\" or \"first_after\""},
      {"\"first_after\"", "\"first\"", "test.toml:13: conditions.7.until goes with last = \"first_after\" only"},
      {"until = \"12:00\", ", "", "test.toml:13: conditions.7.until is missing"},
  };
  for (const Mistake& mistake : mistakes) EXPECT_EQ(error_with(mistake.what, mistake.with), mistake.says);
  EXPECT_TRUE(error_with("market = ", "market ").starts_with("test.toml:2: ")) << error_with("market = ", "market ");
}

TEST(PolicyFile, AnErrorSaysWhatToDo) {
  const auto policy = parse_policy("version = 1", "test.toml");
  ASSERT_FALSE(policy);
  EXPECT_NE(policy.error().message().find("the bundled files show the form"), std::string::npos);
}

TEST(PolicyFile, EveryWrongValueIsRefused) {
  const std::vector<std::pair<std::string_view, std::string_view>> changes = {
      {"version = 1", "version = 2"},
      {"version = 1\n", ""},
      {"market = \"test\"", "market = \"Test\""},
      {"market = \"test\"", "market = \"\""},
      {"allowed_delay_ms = 100", "allowed_delay_ms = -1"},
      {"allowed_delay_ms = 100", "allowed_delay_ms = 3600001"},
      {"= true\n[symbols]", "= 0\n[symbols]"},
      {"[\"T:\"]", "[\"\"]"},
      {"[\"T:\"]", "[1]"},
      {"[\"T:\"]", "\"T:\""},
      {"forms = []", "forms = [\"any\"]"},
      {"forms = []", "forms = [\"ticker\"]"},
      {"timezone = \"UTC\"", "timezone = \"Mars/Olympus\""},
      {"\"00:00\"", "\"24:00\""},
      {"\"00:00\"", "\"0:00\""},
      {"\"00:00\"", "00:00:00"},
      {"kind = \"always\"", "kind = \"weekly\""},
      {"kind = \"always\"", "kind = \"always\"\nopen_day = \"sunday\""},
      {"\"7\" =", "\"0\" ="},
      {"\"7\" =", "\"64\" ="},
      {"\"7\" =", "\"07\" ="},
      {"\"7\" =", "\"x\" ="},
      {"last = \"first_after\"", "last = \"yes\""},
      {"until = \"12:00\", ", ""},
      {"\"first_after\"", "\"sometimes\""},
      {", vwap = false", ""},
      {"[conditions]", "[extra]\n[conditions]"},
      {"version = 1", "version = 1\nversion = 1"},
      {"version = 1", "version = "},
      {"version = 1", "version = 1 # \xff"},
  };
  for (const auto& [what, with] : changes) EXPECT_NE(error_with(what, with), "accepted") << what << " -> " << with;
}

std::string minimal_daily() {
  return replaced(replaced(kMinimal, "kind = \"always\"", R"(kind = "daily"
weekdays = ["monday"]
pre_open = "04:00"
regular_open = "09:30"
regular_close = "16:00"
post_close = "20:00"
closed = ["2024-01-01"])"),
                  "[conditions]", R"([[session.half_days]]
date = "2024-07-08"
regular_close = "13:00"
post_close = "17:00"
[conditions])");
}

TEST(PolicyFile, ADailySessionMustFitTogether) {
  const std::string daily = minimal_daily();
  const auto policy = parse_policy(daily, "test.toml");
  ASSERT_TRUE(policy) << policy.error().message();
  const std::vector<std::array<std::string_view, 3>> changes = {
      {"[\"monday\"]", "[\"Monday\"]", ":11: session.weekdays must be a lower-case English day of the week"},
      {"\"04:00\"", "\"09:31\"", ":13: session.regular_open must not be before pre_open"},
      {"\"16:00\"", "\"09:30\"", ":14: session.regular_close must be after regular_open"},
      {"\"20:00\"", "\"15:59\"", ":15: session.post_close must not be before regular_close"},
      {"\"00:00\"", "\"19:00\"",
       ":15: session.post_close must not be after trading_day_start, where the next trading date begins"},
      {"\"2024-01-01\"", "\"2024-02-30\"",
       ":16: session.closed holds \"2024-02-30\", which is no date, \"YYYY-MM-DD\""},
      {"\"2024-01-01\"", "2024-01-01", ":16: session.closed must be a list of strings"},
      {"\"2024-01-01\"", "\"1704067200\"",
       ":16: session.closed holds \"1704067200\", which is no date, \"YYYY-MM-DD\""},
      {"\"2024-01-01\"", "\"2024-07-08\"",
       ":19: session.half_days.date is in session.closed too: it can be one of the two"},
      {"date = \"2024-07-08\"", "date = \"8 July\"", ":19: session.half_days.date must be a date, \"YYYY-MM-DD\""},
      {"date = \"2024-07-08\"", "date = \"2024-07-09\"",
       ":19: session.half_days.date is not on one of the session's weekdays"},
      {"\"13:00\"", "\"09:30\"", ":20: session.half_days.regular_close must be after the regular opening"},
      {"\"17:00\"", "\"12:00\"",
       ":21: session.half_days.post_close must be between the day's regular_close and the usual post_close"},
      {"\"17:00\"", "\"20:01\"",
       ":21: session.half_days.post_close must be between the day's regular_close and the usual post_close"},
      {"post_close = \"17:00\"", "post_close = \"17:00\"\nname = \"x\"",
       ":22: session.half_days.name is not a key of policy files"},
      {"[conditions]",
       "[[session.half_days]]\ndate = \"2024-07-08\"\nregular_close = \"13:00\"\npost_close = \"17:00\"\n[conditions]",
       ":23: session.half_days.date comes twice"},
  };
  for (const auto& [what, with, says] : changes) {
    const auto changed = parse_policy(replaced(daily, what, with), "test.toml");
    ASSERT_FALSE(changed) << what << " -> " << with;
    EXPECT_EQ(changed.error().code, ErrorCode::kBadPolicy);
    EXPECT_EQ(changed.error().detail, "test.toml" + std::string(says));
  }
}

TEST(PolicyFile, AWeekMustLeaveATradingDateInOneSpan) {
  const std::string weekly = replaced(kMinimal, "kind = \"always\"", R"(kind = "weekly"
open_day = "sunday"
open_time = "12:00"
close_day = "sunday"
close_time = "11:00")");
  const auto policy = parse_policy(weekly, "test.toml");
  ASSERT_FALSE(policy);
  EXPECT_EQ(policy.error().detail,
            "test.toml:15: session.trading_day_start would make a trading date hold parts of two weekly spans");
}

class PolicyDirectory : public testing::Test {
 protected:
  PolicyDirectory() {
    std::string name = (fs::temp_directory_path() / "finpipe-policies-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~PolicyDirectory() override { fs::remove_all(directory_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name) << text; }
  // Without the directory's name.
  std::string error() {
    const auto loaded = load_policies(directory_);
    if (loaded) return "accepted";
    EXPECT_EQ(loaded.error().code, ErrorCode::kBadPolicy);
    std::string detail = loaded.error().detail;
    for (std::size_t at = 0; (at = detail.find(directory_.string() + "/")) != std::string::npos;) {
      detail.erase(at, directory_.string().size() + 1);
    }
    return detail;
  }

  fs::path directory_;
};

TEST_F(PolicyDirectory, HoldsOnePolicyAFileAndOtherFilesDoNotMatter) {
  write("test.toml", kMinimal);
  write("README.md", "# not a policy");
  const auto loaded = load_policies(directory_);
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->size(), 1);
  EXPECT_EQ(loaded->front().market, "test");
}

TEST_F(PolicyDirectory, AFilesNameIsItsMarket) {
  write("test.toml", kMinimal);
  write("zwei.toml", kMinimal);  // so no two files can be of one market
  EXPECT_EQ(error(), "zwei.toml:2: market must be \"zwei\", as the file is called");
}

TEST_F(PolicyDirectory, APrefixBelongsToOneMarket) {
  write("test.toml", kMinimal);
  write("zwei.toml", replaced(kMinimal, "\"test\"", "\"zwei\""));
  EXPECT_EQ(error(), "zwei.toml:6: symbols.prefixes has \"T:\", and so has test.toml");
}

TEST_F(PolicyDirectory, TheTickerFormBelongsToOneMarket) {
  const std::string tickers = replaced(replaced(kMinimal, "[\"T:\"]", "[]"), "forms = []", "forms = [\"us_ticker\"]");
  write("test.toml", tickers);
  write("zwei.toml", replaced(tickers, "\"test\"", "\"zwei\""));
  EXPECT_EQ(error(), "zwei.toml:7: symbols.forms has \"us_ticker\", and so has test.toml");
}

TEST_F(PolicyDirectory, OnlyOtherTakesWhatIsLeft) {
  const std::string any = replaced(replaced(kMinimal, "[\"T:\"]", "[]"), "forms = []", "forms = [\"any\"]");
  write("other.toml", replaced(any, "\"test\"", "\"other\""));
  EXPECT_TRUE(load_policies(directory_));
  write("zwei.toml", replaced(any, "\"test\"", "\"zwei\""));
  EXPECT_EQ(error(), "zwei.toml:7: symbols.forms has \"any\", which is for the market \"other\" only");
}

TEST_F(PolicyDirectory, AFileThatIsNoTomlIsNamed) {
  write("test.toml", "version = 1\nmarket test\n");
  EXPECT_TRUE(error().starts_with("test.toml:2: ")) << error();
}

TEST_F(PolicyDirectory, AMissingOneIsNotFound) {
  EXPECT_EQ(load_policies(directory_ / "missing").error().code, ErrorCode::kNotFound);
}

TEST(PolicyReader, WhatComesAgainSharesItsCalendar) {
  const MarketPolicy& us = bundled("us_equities");
  PolicyReader reader;
  const MarketPolicy first = reader.parse(us.text, us.market).value();
  const MarketPolicy again = reader.parse(us.text, us.market).value();
  EXPECT_EQ(again.hash, us.hash);
  EXPECT_EQ(again.calendar.days().data(), first.calendar.days().data());
  const MarketPolicy other = reader.parse(us.text + "\n", us.market).value();
  EXPECT_NE(other.hash, us.hash);
  EXPECT_FALSE(reader.parse("version = 1", us.market));
}

}  // namespace
}  // namespace finpipe
