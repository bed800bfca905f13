#include "codec/policy_file.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "base/hash.h"
#include "base/time.h"
#include "codec/bundled_policies.h"
#include "codec/calendar.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kFormatVersion = 1;
constexpr std::array<std::string_view, 7> kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};

struct PolicyFile {
  std::string name;  // for messages
  MarketPolicy policy;
};

// Reads one TOML table strictly: each getter takes a key of one type, and finish() refuses what nobody took. Every
// error is kBadPolicy and names file, line and key.
class TomlTable {
 public:
  // `path` is how the table is called in messages, empty for the file itself.
  TomlTable(const toml::table& table, std::string_view file, std::string path)
      : table_(table), file_(file), path_(std::move(path)) {}

  [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }

  [[nodiscard]] Result<std::string> text(std::string_view key) { return scalar<std::string>(key, "a string"); }
  [[nodiscard]] Result<std::int64_t> integer(std::string_view key) { return scalar<std::int64_t>(key, "an integer"); }
  [[nodiscard]] Result<bool> boolean(std::string_view key) { return scalar<bool>(key, "true or false"); }
  // False when the key is absent.
  [[nodiscard]] Result<bool> flag(std::string_view key) { return has(key) ? boolean(key) : Result<bool>(false); }

  [[nodiscard]] Result<std::vector<std::string>> texts(std::string_view key) {
    FINPIPE_TRY_ASSIGN(node, take(key));
    const toml::array* array = node->as_array();
    if (array == nullptr) return wrong(key, "must be a list of strings");
    std::vector<std::string> result;
    for (const toml::node& item : *array) {
      const auto text = item.value_exact<std::string>();
      if (!text) return wrong(key, "must be a list of strings");
      result.push_back(*text);
    }
    return result;
  }

  [[nodiscard]] Result<TomlTable> table(std::string_view key) {
    FINPIPE_TRY_ASSIGN(node, take(key));
    if (!node->is_table()) return wrong(key, "must be a table");
    return TomlTable(*node->as_table(), file_, name_of(key));
  }

  // Tables of [[key]]; none when the key is absent.
  [[nodiscard]] Result<std::vector<TomlTable>> tables(std::string_view key) {
    std::vector<TomlTable> result;
    if (!has(key)) return result;
    FINPIPE_TRY_ASSIGN(node, take(key));
    if (!node->is_array_of_tables()) return wrong(key, "must be a list of tables");
    for (const toml::node& item : *node->as_array()) result.emplace_back(*item.as_table(), file_, name_of(key));
    return result;
  }

  [[nodiscard]] std::vector<std::string> keys() const {
    std::vector<std::string> result;
    for (const auto& [key, node] : table_) result.emplace_back(key.str());
    return result;
  }

  // An error about the value of `key`.
  [[nodiscard]] std::unexpected<Error> wrong(std::string_view key, std::string_view what) const {
    const toml::node* node = table_.get(key);
    return fail(
        ErrorCode::kBadPolicy,
        fmt::format("{}:{}: {} {}", file_, (node == nullptr ? table_ : *node).source().begin.line, name_of(key), what));
  }

  // Error: a key that no getter took.
  [[nodiscard]] Result<void> finish() const {
    for (const auto& [key, node] : table_) {
      if (!taken_.contains(key.str())) return wrong(key.str(), "is not a key of policy files");
    }
    return {};
  }

 private:
  [[nodiscard]] std::string name_of(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }

  [[nodiscard]] Result<const toml::node*> take(std::string_view key) {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return wrong(key, "is missing");
    taken_.emplace(key);
    return node;
  }

  template <typename T>
  [[nodiscard]] Result<T> scalar(std::string_view key, std::string_view kind) {
    FINPIPE_TRY_ASSIGN(node, take(key));
    if (auto value = node->template value_exact<T>()) return *std::move(value);
    return wrong(key, fmt::format("must be {}", kind));
  }

  const toml::table& table_;
  std::string_view file_;
  std::string path_;
  std::set<std::string, std::less<>> taken_;
};

// HH:MM or HH:MM:SS in seconds.
std::optional<std::int64_t> parse_time_of_day(std::string_view text) {
  if (text.size() != 5 && text.size() != 8) return std::nullopt;
  const auto moment = parse_time_ms(fmt::format("1970-01-01T{}Z", text));
  if (!moment) return std::nullopt;
  return *moment / kMsPerSecond;
}

Result<std::int64_t> time_of_day(TomlTable& table, std::string_view key) {
  FINPIPE_TRY_ASSIGN(text, table.text(key));
  if (const auto seconds = parse_time_of_day(text)) return *seconds;
  return table.wrong(key, "must be a time of day, \"HH:MM\" or \"HH:MM:SS\"");
}

// YYYY-MM-DD as days since 1970-01-01.
std::optional<std::int64_t> parse_date(std::string_view text) {
  const auto moment = text.size() == 10 ? parse_time_ms(text) : std::nullopt;
  if (!moment || text[4] != '-') return std::nullopt;
  return *moment / kMsPerDay;
}

Result<unsigned> weekday(const TomlTable& table, std::string_view key, std::string_view text) {
  const auto found = std::ranges::find(kWeekdays, text);
  if (found == kWeekdays.end()) return table.wrong(key, "must be a lower-case English day of the week");
  return static_cast<unsigned>(found - kWeekdays.begin());
}

Result<unsigned> weekday(TomlTable& table, std::string_view key) {
  FINPIPE_TRY_ASSIGN(text, table.text(key));
  return weekday(std::as_const(table), key, text);
}

bool is_market_name(std::string_view text) {
  return !text.empty() && text.size() <= 32 &&
         std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

Result<void> read_symbols(TomlTable table, MarketPolicy& policy) {
  FINPIPE_TRY_ASSIGN(prefixes, table.texts("prefixes"));
  FINPIPE_TRY_ASSIGN(forms, table.texts("forms"));
  std::set<std::string_view> seen;
  for (const std::string& prefix : prefixes) {
    if (prefix.empty()) return table.wrong("prefixes", "holds an empty text");
    if (!seen.insert(prefix).second) return table.wrong("prefixes", fmt::format("holds \"{}\" twice", prefix));
  }
  for (const std::string& form : forms) {
    if (form == "us_ticker") {
      policy.us_tickers = true;
    } else if (form != "any") {
      return table.wrong("forms", "holds something else than \"us_ticker\" and \"any\"");
    } else if (policy.market != kOtherMarket) {
      return table.wrong("forms", fmt::format("has \"any\", which is for the market \"{}\" only", kOtherMarket));
    }
  }
  policy.prefixes = std::move(prefixes);
  return table.finish();
}

Result<void> read_weekly(TomlTable& table, SessionRules& rules) {
  rules.kind = SessionRules::Kind::kWeekly;
  FINPIPE_TRY_ASSIGN(open_day, weekday(table, "open_day"));
  FINPIPE_TRY_ASSIGN(open_s, time_of_day(table, "open_time"));
  FINPIPE_TRY_ASSIGN(close_day, weekday(table, "close_day"));
  FINPIPE_TRY_ASSIGN(close_s, time_of_day(table, "close_time"));
  rules.open_day = open_day, rules.open_s = open_s, rules.close_day = close_day, rules.close_s = close_s;
  return {};
}

Result<void> read_half_day(TomlTable table, SessionRules& rules) {
  FINPIPE_TRY_ASSIGN(text, table.text("date"));
  FINPIPE_TRY_ASSIGN(regular_close_s, time_of_day(table, "regular_close"));
  FINPIPE_TRY_ASSIGN(post_close_s, time_of_day(table, "post_close"));
  const auto date = parse_date(text);
  if (!date) return table.wrong("date", "must be a date, \"YYYY-MM-DD\"");
  if (regular_close_s <= rules.regular_open_s) return table.wrong("regular_close", "must be after the regular opening");
  if (post_close_s < regular_close_s || post_close_s > rules.closing.post_close_s) {
    return table.wrong("post_close", "must be between the day's regular_close and the usual post_close");
  }
  if (!rules.weekdays[weekday_of(*date)]) return table.wrong("date", "is not on one of the session's weekdays");
  if (rules.closed.contains(*date)) return table.wrong("date", "is in session.closed too: it can be one of the two");
  if (!rules.half_days.emplace(*date, SessionRules::Closing{regular_close_s, post_close_s}).second) {
    return table.wrong("date", "comes twice");
  }
  return table.finish();
}

Result<void> read_daily(TomlTable& table, SessionRules& rules) {
  rules.kind = SessionRules::Kind::kDaily;
  FINPIPE_TRY_ASSIGN(days, table.texts("weekdays"));
  for (const std::string& day : days) {
    FINPIPE_TRY_ASSIGN(index, weekday(std::as_const(table), "weekdays", day));
    rules.weekdays[index] = true;
  }
  FINPIPE_TRY_ASSIGN(pre_open_s, time_of_day(table, "pre_open"));
  FINPIPE_TRY_ASSIGN(regular_open_s, time_of_day(table, "regular_open"));
  FINPIPE_TRY_ASSIGN(regular_close_s, time_of_day(table, "regular_close"));
  FINPIPE_TRY_ASSIGN(post_close_s, time_of_day(table, "post_close"));
  if (regular_open_s < pre_open_s) return table.wrong("regular_open", "must not be before pre_open");
  if (regular_close_s <= regular_open_s) return table.wrong("regular_close", "must be after regular_open");
  if (post_close_s < regular_close_s) return table.wrong("post_close", "must not be before regular_close");
  if (rules.trading_day_start_s != 0 && post_close_s > rules.trading_day_start_s) {
    return table.wrong("post_close", "must not be after trading_day_start, where the next trading date begins");
  }
  rules.pre_open_s = pre_open_s, rules.regular_open_s = regular_open_s;
  rules.closing = {regular_close_s, post_close_s};
  FINPIPE_TRY_ASSIGN(closed, table.texts("closed"));
  for (const std::string& text : closed) {
    const auto date = parse_date(text);
    if (!date) return table.wrong("closed", fmt::format("holds \"{}\", which is no date, \"YYYY-MM-DD\"", text));
    rules.closed.insert(*date);
  }
  FINPIPE_TRY_ASSIGN(half_days, table.tables("half_days"));
  for (TomlTable& half_day : half_days) FINPIPE_TRY(read_half_day(std::move(half_day), rules));
  return {};
}

Result<void> read_session(TomlTable table, MarketPolicy& policy) {
  SessionRules rules;
  FINPIPE_TRY_ASSIGN(timezone, table.text("timezone"));
  if (!is_time_zone(timezone)) {
    return table.wrong("timezone",
                       "must be an IANA name that the system's time zone data has, like \"America/New_York\"");
  }
  FINPIPE_TRY_ASSIGN(kind, table.text("kind"));
  FINPIPE_TRY_ASSIGN(trading_day_start_s, time_of_day(table, "trading_day_start"));
  rules.timezone = std::move(timezone);
  rules.trading_day_start_s = trading_day_start_s;
  if (kind == "weekly") {
    FINPIPE_TRY(read_weekly(table, rules));
  } else if (kind == "daily") {
    FINPIPE_TRY(read_daily(table, rules));
  } else if (kind != "always") {
    return table.wrong("kind", "must be \"always\", \"weekly\" or \"daily\"");
  }
  FINPIPE_TRY(table.finish());
  auto calendar = compile_calendar(rules);
  if (!calendar) return table.wrong("trading_day_start", calendar.error().detail);
  policy.calendar = *std::move(calendar);
  return {};
}

Result<void> read_last(TomlTable& table, ConditionRule& rule) {
  FINPIPE_TRY_ASSIGN(last, table.text("last"));
  if (last == "first_after") {
    FINPIPE_TRY_ASSIGN(until_s, time_of_day(table, "until"));
    rule.effect.last = LastRule::kYes;
    rule.first_after_ms = until_s * kMsPerSecond;
  } else if (last == "yes") {
    rule.effect.last = LastRule::kYes;
  } else if (last == "first") {
    rule.effect.last = LastRule::kFirst;
  } else if (last == "no") {
    rule.effect.last = LastRule::kNo;
  } else {
    return table.wrong("last", "must be \"yes\", \"no\", \"first\" or \"first_after\"");
  }
  if (last != "first_after" && table.has("until")) return table.wrong("until", "goes with last = \"first_after\" only");
  return {};
}

Result<void> read_condition(TomlTable table, ConditionRule& rule) {
  FINPIPE_TRY_ASSIGN(name, table.text("name"));
  FINPIPE_TRY_ASSIGN(high_low, table.boolean("high_low"));
  FINPIPE_TRY(read_last(table, rule));
  FINPIPE_TRY_ASSIGN(volume, table.boolean("volume"));
  FINPIPE_TRY_ASSIGN(vwap, table.boolean("vwap"));
  FINPIPE_TRY_ASSIGN(extended_hours, table.flag("extended_hours"));
  FINPIPE_TRY_ASSIGN(daily_only, table.flag("daily_only"));
  rule.known = true;
  rule.name = std::move(name);
  rule.effect.high_low = high_low, rule.effect.volume = volume, rule.effect.vwap = vwap;
  rule.extended_hours = extended_hours, rule.daily_only = daily_only;
  return table.finish();
}

Result<void> read_conditions(TomlTable table, MarketPolicy& policy) {
  policy.has_rules = true;
  for (const std::string& code : table.keys()) {
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), number);
    if (error != std::errc{} || end != code.data() + code.size() || code.front() == '0' || number > kMaxConditionCode) {
      return table.wrong(code, fmt::format("must be a code from 1 to {}", kMaxConditionCode));
    }
    FINPIPE_TRY_ASSIGN(row, table.table(code));
    FINPIPE_TRY(read_condition(std::move(row), policy.rules[number]));
  }
  return {};
}

Result<MarketPolicy> read_policy(TomlTable table) {
  MarketPolicy policy;
  FINPIPE_TRY_ASSIGN(version, table.integer("version"));
  if (version != kFormatVersion) return table.wrong("version", fmt::format("must be {}", kFormatVersion));
  FINPIPE_TRY_ASSIGN(market, table.text("market"));
  if (!is_market_name(market)) return table.wrong("market", "must be 1 to 32 of a-z, 0-9 and _");
  FINPIPE_TRY_ASSIGN(allowed_delay_ms, table.integer("allowed_delay_ms"));
  if (allowed_delay_ms < 0 || allowed_delay_ms > kMsPerHour) {
    return table.wrong("allowed_delay_ms", fmt::format("must be from 0 to {}", kMsPerHour));
  }
  FINPIPE_TRY_ASSIGN(zero_volume_moves_price, table.boolean("zero_volume_moves_price"));
  policy.market = std::move(market);
  policy.allowed_delay_ms = allowed_delay_ms;
  policy.zero_volume_moves_price = zero_volume_moves_price;
  FINPIPE_TRY_ASSIGN(symbols, table.table("symbols"));
  FINPIPE_TRY(read_symbols(std::move(symbols), policy));
  FINPIPE_TRY_ASSIGN(session, table.table("session"));
  FINPIPE_TRY(read_session(std::move(session), policy));
  if (table.has("conditions")) {
    FINPIPE_TRY_ASSIGN(conditions, table.table("conditions"));
    FINPIPE_TRY(read_conditions(std::move(conditions), policy));
  }
  FINPIPE_TRY(table.finish());
  return policy;
}

// An error about a key of a file that was read.
std::unexpected<Error> wrong_in(const PolicyFile& file, std::string_view key, std::string_view what) {
  const auto line = toml::parse(file.policy.text).at_path(key).node()->source().begin.line;
  return fail(ErrorCode::kBadPolicy, fmt::format("{}:{}: {} {}", file.name, line, key, what));
}

// Each prefix and form belongs to one file.
Result<std::vector<MarketPolicy>> together(std::vector<PolicyFile> files) {
  std::map<std::string_view, const PolicyFile*> owners;  // of prefixes
  const PolicyFile* tickers = nullptr;
  for (const PolicyFile& file : files) {
    for (const std::string& prefix : file.policy.prefixes) {
      const auto [owner, is_new] = owners.emplace(prefix, &file);
      if (is_new) continue;
      return wrong_in(file, "symbols.prefixes", fmt::format("has \"{}\", and so has {}", prefix, owner->second->name));
    }
    if (!file.policy.us_tickers) continue;
    if (tickers != nullptr) {
      return wrong_in(file, "symbols.forms", fmt::format("has \"us_ticker\", and so has {}", tickers->name));
    }
    tickers = &file;
  }
  std::vector<MarketPolicy> policies;
  for (PolicyFile& file : files) policies.push_back(std::move(file.policy));
  return policies;
}

Result<std::string> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return fail(ErrorCode::kIo, path.string());
  return text;
}

}  // namespace

Result<MarketPolicy> parse_policy(std::string text, std::string_view name) {
  try {
    const toml::table root = toml::parse(text);
    FINPIPE_TRY_ASSIGN(policy, read_policy(TomlTable(root, name, {})));
    policy.hash = sha256_hex(text);
    policy.id = policy_id(policy.hash);
    policy.text = std::move(text);
    return std::move(policy);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::kBadPolicy, fmt::format("{}:{}: {}", name, error.source().begin.line, error.description()));
  }
}

Result<MarketPolicy> PolicyReader::parse(std::string_view text, std::string_view market) {
  const auto known = newest_.find(market);
  if (known != newest_.end() && known->second.text == text) return known->second;
  FINPIPE_TRY_ASSIGN(policy, parse_policy(std::string(text), market));
  newest_.insert_or_assign(std::string(market), policy);
  return std::move(policy);
}

Result<std::vector<MarketPolicy>> load_policies(const fs::path& directory) {
  std::error_code error;
  if (!fs::exists(directory, error)) return fail(ErrorCode::kNotFound, directory.string());
  std::vector<fs::path> paths;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".toml") paths.push_back(entry->path());
  }
  if (error) return fail(ErrorCode::kIo, fmt::format("{}: {}", directory.string(), error.message()));
  std::ranges::sort(paths);
  std::vector<PolicyFile> files;
  for (const fs::path& path : paths) {
    FINPIPE_TRY_ASSIGN(text, read_file(path));
    FINPIPE_TRY_ASSIGN(policy, parse_policy(std::move(text), path.string()));
    const PolicyFile& file = files.emplace_back(path.string(), std::move(policy));
    if (file.policy.market != path.stem()) {
      return wrong_in(file, "market", fmt::format("must be \"{}\", as the file is called", path.stem().string()));
    }
  }
  return together(std::move(files));
}

Result<std::vector<MarketPolicy>> bundled_policies() {
  std::vector<PolicyFile> files;
  for (const BundledPolicy& file : kBundledPolicies) {
    FINPIPE_TRY_ASSIGN(policy, parse_policy(std::string(file.text), file.name));
    files.emplace_back(std::string(file.name), std::move(policy));
  }
  return together(std::move(files));
}

}  // namespace finpipe
