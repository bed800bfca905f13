#include "codec/policy_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "base/hash.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

const MarketPolicy& bundled(std::string_view market) {
  static const std::vector<MarketPolicy> kPolicies = *bundled_policies();
  return *std::ranges::find(kPolicies, market, &MarketPolicy::market);
}

Trade trade_with(std::string_view codes, std::string_view time) {
  Trade trade;
  trade.symbol = "AAPL";
  trade.event_time_ms = *parse_time_ms(time);
  trade.price_e9 = trade.volume_e8 = 1;
  trade.conditions = {Conditions::Form::kList, codes};
  return trade;
}

constexpr const char* kRegularHours = "2024-08-08T15:00Z";
constexpr const char* kEvening = "2024-08-08T22:00Z";  // 18:00 in New York

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

// The table of the consolidated tapes' rules, one letter each for high/low, last and volume: Y, N, F (only if first)
// or T (until 16:00:10, then F). Codes 11 and 38, on which the sources conflict, count as regular.
constexpr std::string_view kRules[] = {
    "YYY", "YYY", "NNY", "YYY", "NNY", "YYY", "YYY", "YYY", "YFY", "NNY",  // 1 to 10
    "YYY", "NNY", "YYY", "YYY", "YTY", "NNN", "NNY", "YYY", "YYY", "NNN",  // 11 to 20
    "YFY", "NNY", "YYY", "NNY", "NNY", "NNY", "NNY", "YYY", "YYY", "YFY",  // 21 to 30
    "YYY", "YFY", "YYY", "YYY", "YYY", "YYY", "NNY", "YYY", "YYN", "YYY",  // 31 to 40
    "YYY",
};

TEST(UsConditions, EveryCodeDoesToADailyBarWhatTheTableSays) {
  for (std::size_t code = 1; code <= std::size(kRules); ++code) {
    const std::string_view rule = kRules[code - 1];
    for (const auto& [time, last_of_15] : {std::pair(kRegularHours, LastRule::kYes), {kEvening, LastRule::kFirst}}) {
      const auto effect = bundled("us_equities").effect_of(trade_with(std::to_string(code), time));
      const LastRule last = rule[1] == 'Y'   ? LastRule::kYes
                            : rule[1] == 'F' ? LastRule::kFirst
                            : rule[1] == 'T' ? last_of_15
                                             : LastRule::kNo;
      EXPECT_FALSE(effect.unknown_code) << code;
      EXPECT_EQ(effect.daily.high_low, rule[0] == 'Y') << code;
      EXPECT_EQ(effect.daily.last, last) << code << " at " << time;
      EXPECT_EQ(effect.daily.volume, rule[2] == 'Y') << code;
      EXPECT_EQ(effect.daily.vwap, code == 12 || (rule[0] == 'Y' && rule[2] == 'Y')) << code;
    }
  }
}

TEST(UsConditions, IntradayBarsDifferForFormTAndCorrectionsOnly) {
  const MarketPolicy& policy = bundled("us_equities");
  for (std::size_t code = 1; code <= std::size(kRules); ++code) {
    const auto regular = policy.effect_of(trade_with(std::to_string(code), kRegularHours));
    const auto evening = policy.effect_of(trade_with(std::to_string(code), kEvening));
    if (code == 39) {
      EXPECT_EQ(regular.intraday, (Effect{LastRule::kNo, false, false, false}));
    } else {
      EXPECT_EQ(regular.intraday, regular.daily) << code;
      EXPECT_EQ(evening.intraday, code == 24 ? Effect{} : evening.daily) << code;
    }
  }
  EXPECT_EQ(policy.effect_of(trade_with("24 25", kEvening)).intraday.last, LastRule::kNo);
}

TEST(UsConditions, CodesWithoutARowAreUnknown) {
  EXPECT_TRUE(bundled("us_equities").effect_of(trade_with("42", kRegularHours)).unknown_code);
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
  EXPECT_EQ(error_with("kind = \"always\"", "kind = \"never\""),
            "test.toml:10: session.kind must be \"always\", \"weekly\" or \"daily\"");
  EXPECT_EQ(error_with("forms = []", "forms = []\ncolour = 1"),
            "test.toml:8: symbols.colour is not a key of policy files");
  EXPECT_EQ(error_with("allowed_delay_ms = 100", "allowed_delay_ms = \"100\""),
            "test.toml:3: allowed_delay_ms must be an integer");
  EXPECT_EQ(error_with("prefixes = [\"T:\"]\n", ""), "test.toml:5: symbols.prefixes is missing");
  EXPECT_EQ(error_with("volume = true, vwap", "volume = 1, vwap"),
            "test.toml:13: conditions.7.volume must be true or false");
  EXPECT_TRUE(error_with("market = ", "market ").starts_with("test.toml:2: ")) << error_with("market = ", "market ");
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

TEST(PolicyFile, ADailySessionMustFitTogether) {
  const std::string daily = replaced(replaced(kMinimal, "kind = \"always\"", R"(kind = "daily"
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
  const auto policy = parse_policy(daily, "test.toml");
  ASSERT_TRUE(policy) << policy.error().message();
  const std::vector<std::pair<std::string_view, std::string_view>> changes = {
      {"[\"monday\"]", "[\"Monday\"]"},
      {"\"04:00\"", "\"09:31\""},
      {"\"16:00\"", "\"09:30\""},
      {"\"20:00\"", "\"15:59\""},
      {"\"00:00\"", "\"19:00\""},
      {"\"2024-01-01\"", "\"2024-02-30\""},
      {"\"2024-01-01\"", "2024-01-01"},
      {"\"2024-01-01\"", "\"1704067200\""},
      {"\"2024-01-01\"", "\"2024-07-08\""},
      {"date = \"2024-07-08\"", "date = \"8 July\""},
      {"\"13:00\"", "\"09:30\""},
      {"\"17:00\"", "\"12:00\""},
      {"\"17:00\"", "\"20:01\""},
      {"post_close = \"17:00\"", "post_close = \"17:00\"\nname = \"x\""},
      {"[conditions]",
       "[[session.half_days]]\ndate = \"2024-07-08\"\nregular_close = \"13:00\"\npost_close = \"17:00\"\n[conditions]"},
  };
  for (const auto& [what, with] : changes) {
    const auto changed = parse_policy(replaced(daily, what, with), "test.toml");
    ASSERT_FALSE(changed) << what << " -> " << with;
    EXPECT_EQ(changed.error().code, ErrorCode::kBadPolicy);
  }
}

class PolicyDirectory : public testing::Test {
 protected:
  PolicyDirectory() {
    std::string name = (fs::temp_directory_path() / "finpipe-policies-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
  }
  ~PolicyDirectory() override { fs::remove_all(directory_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(directory_ / name) << text; }
  ErrorCode error() {
    const auto loaded = load_policies(directory_);
    return loaded ? ErrorCode::kUsage : loaded.error().code;
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
  write("another.toml", kMinimal);
  EXPECT_EQ(error(), ErrorCode::kBadPolicy);
}

TEST_F(PolicyDirectory, APrefixBelongsToOneMarket) {
  write("test.toml", kMinimal);
  write("zwei.toml", replaced(kMinimal, "\"test\"", "\"zwei\""));
  EXPECT_EQ(error(), ErrorCode::kBadPolicy);
}

TEST_F(PolicyDirectory, TheTickerFormBelongsToOneMarket) {
  const std::string tickers = replaced(replaced(kMinimal, "[\"T:\"]", "[]"), "forms = []", "forms = [\"us_ticker\"]");
  write("test.toml", tickers);
  write("zwei.toml", replaced(tickers, "\"test\"", "\"zwei\""));
  EXPECT_EQ(error(), ErrorCode::kBadPolicy);
}

TEST_F(PolicyDirectory, AMissingOneIsNotFound) {
  EXPECT_EQ(load_policies(directory_ / "missing").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace finpipe
