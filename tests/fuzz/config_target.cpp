// The files and texts that settings and policies come from. The first byte says which: `.env` and finpipe.toml
// together, a policy file, or the small texts that settings hold. `.env` is held against a simple reader; what is
// accepted must keep its promises and read the same once more.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

#include "app/config_files.h"
#include "app/settings.h"
#include "app/urls.h"
#include "base/hash.h"
#include "codec/policy_file.h"
#include "harness.h"

namespace finpipe {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

// ---- Settings ------------------------------------------------------------------------------------------------------

const fs::path& directory() {
  static const fs::path path = [] {
    const fs::path base = fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string name = (base / "finpipe-fuzz-XXXXXX").string();
    fuzz::require(::mkdtemp(name.data()) != nullptr, "no directory to write to");
    static const std::string kept = name;
    std::atexit([] { fs::remove_all(kept); });
    return fs::path(name);
  }();
  return path;
}

void write(const char* name, std::string_view text) {
  std::ofstream(directory() / name, std::ios::binary).write(text.data(), static_cast<std::streamsize>(text.size()));
}

std::string stripped(std::string text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && is_space(text.back())) text.pop_back();
  while (!text.empty() && is_space(text.front())) text.erase(0, 1);
  return text;
}

// Setting to text and line; nullopt: a line that must be refused.
using Lines = std::map<Setting, std::pair<std::string, int>>;
std::optional<Lines> simple_dotenv(const std::string& text) {
  Lines found;
  int number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = stripped(text.substr(begin, end - begin));
    begin = end + 1;
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (line.rfind("export ", 0) == 0) line = stripped(line.substr(7));
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) return std::nullopt;
    const std::string name = stripped(line.substr(0, equals));
    std::string value = stripped(line.substr(equals + 1));
    const SettingInfo* info = nullptr;
    for (const SettingInfo& each : setting_table()) {
      if (each.environment == name) info = &each;
    }
    if (info == nullptr && name.rfind("FINPIPE_", 0) == 0) return std::nullopt;
    if (info == nullptr) continue;
    if (!value.empty() && (value[0] == '\'' || value[0] == '"')) {
      const std::size_t close = value.find(value[0], 1);
      if (close == std::string::npos) return std::nullopt;
      const std::string behind = stripped(value.substr(close + 1));
      if (!behind.empty() && behind[0] != '#') return std::nullopt;
      value = value.substr(1, close - 1);
    } else if (value.rfind('#', 0) == 0) {
      value.clear();
    } else {
      value = stripped(value.substr(0, value.find(" #")));
    }
    if (!value.empty()) found[info->setting] = {value, number};
  }
  return found;
}

void check_dotenv(const std::string& text) {
  const auto expected = simple_dotenv(text);
  const auto told = read_dotenv(directory());
  if (told.has_value() != expected.has_value()) {
    fuzz::differ(fmt::format(".env: {}", told ? "it is accepted" : told.error().message()));
  }
  if (!told) return;
  Lines lines;
  for (const FileValue& each : *told) {
    std::string value = each.value.text;
    if (fuzz::canary() != 0) value = value.substr(0, value.find('#'));
    lines[each.setting] = {value, std::atoi(each.value.source.substr(5).c_str())};
  }
  fuzz::require(lines == *expected, ".env: other values than a simple reader's");
}

// A file made of what the settings said must say the same.
void check_written(const SettingValues& values) {
  std::string text;
  for (const SettingInfo& info : setting_table()) {
    const std::string& value = values[static_cast<std::size_t>(info.setting)].text;
    const bool is_text = info.type != SettingType::kInteger && info.type != SettingType::kNumber &&
                         info.type != SettingType::kFlag && info.setting != Setting::kConfig;
    if (!is_text || std::ranges::any_of(value, [](char c) { return c < ' ' || c > '~'; })) continue;
    text += fmt::format("{} = \"", info.name);
    for (const char c : value) text += c == '"' || c == '\\' ? fmt::format("\\{}", c) : std::string(1, c);
    text += "\"\n";
  }
  write("again.toml", text);
  const auto again = read_toml(directory(), "again.toml", false);
  if (!again) fuzz::differ(again.error().message());
  for (const FileValue& each : *again) {
    fuzz::require(each.value.text == values[static_cast<std::size_t>(each.setting)].text,
                  "a setting came back otherwise");
  }
}

void check_settings(std::string_view text) {
  const std::size_t cut = std::min(text.find('\0'), text.size());
  const std::string dotenv(text.substr(0, cut));
  write(".env", dotenv);
  write("finpipe.toml", text.substr(std::min(cut + 1, text.size())));
  check_dotenv(dotenv);
  (void)read_toml(directory(), "finpipe.toml", true);
  const SettingSources sources{{}, [](std::string_view) { return std::nullopt; }, directory()};
  const auto values = resolve_settings(sources);
  if (!values) {
    fuzz::require(values.error().code == ErrorCode::kBadConfigFile, values.error().message());
    return;
  }
  const auto settings = parse_settings(*values);
  if (!settings) {
    const ErrorCode code = settings.error().code;
    fuzz::require(code == ErrorCode::kBadSetting || code == ErrorCode::kInsecureListen, settings.error().message());
    return;
  }
  fuzz::require(settings->partitions >= 0 && settings->partitions <= 1'024, "partitions are out of range");
  fuzz::require(settings->feed_time_scale >= 0.001 && settings->feed_time_scale <= 100, "a scale is out of range");
  check_written(*values);
}

// ---- Policies ------------------------------------------------------------------------------------------------------

bool inside(TimeSpan part, TimeSpan whole) {
  return part.from_ms <= part.to_ms &&
         (part.from_ms == part.to_ms || (part.from_ms >= whole.from_ms && part.to_ms <= whole.to_ms));
}

void check_calendar(const Calendar& calendar) {
  std::int64_t end_ms = calendar.always_open() ? 0 : calendar.days().front().window.from_ms;
  for (const TradingDay& day : calendar.days()) {
    // A zone that moves over the date line has a date without time.
    const bool empty = day.window.from_ms == day.window.to_ms;
    fuzz::require(day.window.from_ms == end_ms && day.window.from_ms <= day.window.to_ms,
                  "days leave a hole or overlap");
    fuzz::require(inside(day.session, day.window), "a session leaves its day");
    fuzz::require(inside(day.regular, day.session), "regular hours leave their session");
    fuzz::require(calendar.session_ms(day.window) == day.session.to_ms - day.session.from_ms, "a session is longer");
    fuzz::require(empty || calendar.day_of(day.window.from_ms).label_ms == day.label_ms, "a day is not its own");
    end_ms = day.window.to_ms;
  }
}

void check_set(const MarketPolicy& policy) {
  PolicySet set;
  set.put(policy);
  set.put(policy);
  fuzz::require(set.all().size() == 1 && set.find(policy.market) != nullptr, "a policy is not in its set");
  for (const std::string& prefix : policy.prefixes) {
    fuzz::require(set.policy_for(prefix + "X").market == policy.market, "a prefix is another market's");
  }
  const bool tickers = set.policy_for("BRK.B").market == policy.market;
  const bool claimed =
      policy.us_tickers || policy.market == kOtherMarket ||
      std::ranges::any_of(policy.prefixes, [](const auto& each) { return "BRK.B"s.starts_with(each); });
  fuzz::require(tickers == claimed, "a ticker is another market's");
}

// The same file in a directory of policies.
void check_directory(const MarketPolicy& policy) {
  const fs::path policies = directory() / "policies";
  fs::create_directory(policies);
  const fs::path file = policies / (policy.market + ".toml");
  std::ofstream(file, std::ios::binary) << policy.text;
  const auto loaded = load_policies(policies);
  fs::remove(file);
  fuzz::require(loaded && loaded->size() == 1 && loaded->front().hash == policy.hash, "a file is another policy");
}

void check_policy(std::string_view text) {
  const auto policy = parse_policy(std::string(text), "fuzz.toml");
  if (!policy) {
    fuzz::require(policy.error().code == ErrorCode::kBadPolicy, policy.error().message());
    fuzz::require(policy.error().detail.starts_with("fuzz.toml:"), "an error names no line: " + policy.error().detail);
    return;
  }
  fuzz::require(policy->text == text && policy->hash == sha256_hex(text), "a policy is not its text");
  check_calendar(policy->calendar);
  check_set(*policy);
  if (policy->calendar.always_open()) check_directory(*policy);  // a table takes long to compile
  Trade trade;
  trade.symbol = "AAPL";
  trade.conditions = {Conditions::Form::kList, "1 2 12 15 24 39 XT"};
  for (const std::int64_t time_ms : {0L, 1'717'401'580'000L, 1'717'444'880'000L, 1'735'844'780'000L, kMaxTimeMs}) {
    trade.event_time_ms = time_ms;
    trade.volume_e8 = time_ms % 3;
    const MarketPolicy::TradeEffect effect = policy->effect_of(trade);
    const bool counts = trade.volume_e8 != 0 || policy->zero_volume_moves_price;
    fuzz::require(counts || (effect.intraday == kNoEffect && effect.daily == kNoEffect), "no volume moves a price");
    for (const Interval interval : kIntervals) {
      const MarketPolicy::Window window = policy->window_of(interval, time_ms);
      fuzz::require(time_ms >= window.span.from_ms && time_ms < window.span.to_ms, "a trade is outside of its window");
      fuzz::require(policy->span_of(interval, window.start_ms) == window.span, "a window's label is another one's");
    }
  }
}

// ---- Texts ---------------------------------------------------------------------------------------------------------

void check_listen(std::string_view text) {
  const auto listen = parse_listen(text);
  if (!listen) return;
  const bool v6 = listen->address.find(':') != std::string::npos;
  const auto again =
      parse_listen(fmt::format("{}{}{}:{}", v6 ? "[" : "", listen->address, v6 ? "]" : "", listen->port));
  fuzz::require(again && again->address == listen->address && again->port == listen->port, "an address is another one");
}

void check_symbols(std::string_view text) {
  const auto symbols = parse_symbols(text);
  if (!symbols) return;
  const auto again = parse_symbols(fmt::format("{}", fmt::join(*symbols, ",")));
  fuzz::require(again && *again == *symbols, "a list of symbols is another one");
}

void check_feed(std::string_view text) {
  const auto feed = parse_feed_url(text);
  if (!feed) {
    const ErrorCode code = feed.error().code;
    fuzz::require(code == ErrorCode::kBadUrl || code == ErrorCode::kBadSetting, feed.error().message());
    return;
  }
  if (const auto* url = std::get_if<net::Url>(&*feed)) {
    fuzz::require(url->scheme == "ws" || url->scheme == "wss", "a feed of another scheme");
  }
  if (const auto* tape = std::get_if<TapeUrl>(&*feed)) {
    fuzz::require("tape:" + tape->path == text, "a tape of another path");
  }
}

void check_store_url(std::string_view text) {
  const auto store = parse_store_url(text);
  if (!store) return fuzz::require(store.error().code == ErrorCode::kBadUrl, store.error().message());
  const auto* cassandra = std::get_if<CassandraUrl>(&*store);
  if (cassandra == nullptr) return;
  const auto again = parse_store_url(fmt::format("cassandra://{}/{}", cassandra->contact_points, cassandra->keyspace));
  const auto* same = again ? std::get_if<CassandraUrl>(&*again) : nullptr;
  fuzz::require(
      same != nullptr && same->contact_points == cassandra->contact_points && same->keyspace == cassandra->keyspace,
      "a Cassandra store is another one");
}

void check_secrets(std::string_view text) {
  for (const SettingInfo& info : setting_table()) {
    const std::string shown = displayed(info, text);
    fuzz::require(!info.secret || text.empty() || shown == "***", "a secret is shown");
  }
}

void check_texts(std::string_view text) {
  check_listen(text);
  check_symbols(text);
  check_feed(text);
  check_secrets(text);
  for (const std::string_view part : {"log", "store"}) {
    const auto path = embedded_directory(part, text);
    fuzz::require(path ? "embedded:" + *path == text : path.error().code == ErrorCode::kBadUrl, "another directory");
  }
  check_store_url(text);
}

}  // namespace
}  // namespace finpipe

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace finpipe;
  fuzz::Script script({data, size});
  switch (script.below(3)) {
    case 0: check_settings(script.rest()); break;
    case 1: check_policy(script.rest()); break;
    default: check_texts(script.rest());
  }
  return 0;
}
