#include "app/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "app/config_files.h"
#include "market/trade.h"

namespace finpipe {
namespace {

constexpr std::int32_t kMaxPartitions = 1'024;
constexpr std::string_view kRedacted = "***";
constexpr std::string_view kDefaultSource = "default";

constexpr std::string_view kConsistencyChoices = "ONE|TWO|THREE|QUORUM|ALL|LOCAL_QUORUM|EACH_QUORUM|LOCAL_ONE";
constexpr auto kConsistencies = std::to_array<CassandraConsistency>(  // in this order
    {CassandraConsistency::kOne, CassandraConsistency::kTwo, CassandraConsistency::kThree,
     CassandraConsistency::kQuorum, CassandraConsistency::kAll, CassandraConsistency::kLocalQuorum,
     CassandraConsistency::kEachQuorum, CassandraConsistency::kLocalOne});
constexpr std::int32_t kMaxKeepDays = 3'650;  // Cassandra takes no row that would expire after January 2038

constexpr std::array<SettingInfo, kSettingCount> kSettings = {{
    {Setting::kFeed, "feed", "FINPIPE_FEED", SettingType::kUrl, "", "",
     "where trades come from: finnhub: is the vendor, sim: the demo (recorded trades played as if they came now), "
     "tape:PATH a recorded tape at full speed, wss://HOST or ws://HOST another server that speaks Finnhub's protocol; "
     "empty: finnhub: with an API key, else sim:",
     false},
    {Setting::kLog, "log", "FINPIPE_LOG", SettingType::kUrl, "embedded:./finpipe-data/log", "",
     "the durable log of all that was received: embedded:DIR; the demo's is in finpipe-data/demo unless set", false},
    {Setting::kStore, "store", "FINPIPE_STORE", SettingType::kUrl, "embedded:./finpipe-data/store", "",
     "where trades and bars are stored: embedded:DIR, or cassandra://HOST[:PORT][,HOST...]/KEYSPACE; the demo's is in "
     "finpipe-data/demo unless set",
     false},
    {Setting::kSymbols, "symbols", "FINPIPE_SYMBOLS", SettingType::kList, "", "",
     "symbols to take from the feed, separated by commas; empty: all that a tape has, a handful of a live feed", false},
    {Setting::kPartitions, "partitions", "FINPIPE_PARTITIONS", SettingType::kInteger, "0", "",
     "partitions of the log; 0: those it has, 1 for a new one", false},
    {Setting::kExitAtEnd, "exit-at-end", "FINPIPE_EXIT_AT_END", SettingType::kFlag, "false", "",
     "end when the feed has ended and everything is stored", false},
    {Setting::kListen, "listen", "FINPIPE_LISTEN", SettingType::kAddress, "127.0.0.1:8080", "",
     "where the page and the API are served: ADDRESS:PORT, port 0 for a free one, or none", false},
    {Setting::kInsecure, "insecure", "FINPIPE_INSECURE", SettingType::kFlag, "false", "",
     "allow what has no protection: listening beyond this machine, sending the API key without TLS", false},
    {Setting::kApiKey, "api-key", "FINNHUB_API_KEY", SettingType::kText, "", "",
     "the vendor's key; there is no flag for it, since other users of a machine can see flags", true},
    {Setting::kCaFile, "ca-file", "FINPIPE_CA_FILE", SettingType::kPath, "", "",
     "PEM file of the authorities that the feed's server may be certified by; empty: the system's", false},
    {Setting::kClientCertificate, "client-certificate", "FINPIPE_CLIENT_CERTIFICATE", SettingType::kPath, "", "",
     "PEM file of the certificate to show to the feed's server", false},
    {Setting::kClientKey, "client-key", "FINPIPE_CLIENT_KEY", SettingType::kPath, "", "",
     "PEM file of the key of that certificate", false},
    {Setting::kFeedTimeScale, "feed-time-scale", "FINPIPE_FEED_TIME_SCALE", SettingType::kNumber, "1", "",
     "multiplies every timer of the feed's connection: for drills against `finpipe simulate`", false},
    {Setting::kPolicies, "policies", "FINPIPE_POLICIES", SettingType::kPath, "", "",
     "directory of sale-condition policies and trading calendars; empty: the bundled ones", false},
    {Setting::kCassandraUser, "cassandra-user", "FINPIPE_CASSANDRA_USER", SettingType::kText, "", "",
     "who to log in to Cassandra as; empty: nobody", false},
    {Setting::kCassandraPassword, "cassandra-password", "FINPIPE_CASSANDRA_PASSWORD", SettingType::kText, "", "",
     "the password of that user; there is no flag for it, since other users of a machine can see flags", true},
    {Setting::kCassandraTls, "cassandra-tls", "FINPIPE_CASSANDRA_TLS", SettingType::kFlag, "false", "",
     "talk to Cassandra by TLS", false},
    {Setting::kCassandraCaFile, "cassandra-ca-file", "FINPIPE_CASSANDRA_CA_FILE", SettingType::kPath, "", "",
     "PEM file of the authorities that Cassandra's nodes may be certified by; empty: the system's", false},
    {Setting::kCassandraCertificate, "cassandra-certificate", "FINPIPE_CASSANDRA_CERTIFICATE", SettingType::kPath, "",
     "", "PEM file of the certificate to show to Cassandra's nodes", false},
    {Setting::kCassandraKey, "cassandra-key", "FINPIPE_CASSANDRA_KEY", SettingType::kPath, "", "",
     "PEM file of the key of that certificate", false},
    {Setting::kCassandraDatacenter, "cassandra-datacenter", "FINPIPE_CASSANDRA_DATACENTER", SettingType::kText, "", "",
     "the data center whose nodes alone are asked; empty: all alike", false},
    {Setting::kCassandraReadConsistency, "cassandra-read-consistency", "FINPIPE_CASSANDRA_READ_CONSISTENCY",
     SettingType::kChoice, "LOCAL_QUORUM", kConsistencyChoices,
     "how many replicas answer a read; with the next one it must be more than there are replicas", false},
    {Setting::kCassandraWriteConsistency, "cassandra-write-consistency", "FINPIPE_CASSANDRA_WRITE_CONSISTENCY",
     SettingType::kChoice, "LOCAL_QUORUM", kConsistencyChoices,
     "how many replicas have a row before it counts as stored", false},
    {Setting::kCassandraReplication, "cassandra-replication", "FINPIPE_CASSANDRA_REPLICATION", SettingType::kText, "1",
     "", "replicas of a keyspace that `check --create` makes: a number, or one for each data center: dc1:3,dc2:3",
     false},
    {Setting::kCassandraKeepTicks, "cassandra-keep-ticks", "FINPIPE_CASSANDRA_KEEP_TICKS", SettingType::kText, "", "",
     "days for which `check --create` keeps trades; 0: for ever; empty: as it is, new tables for ever", false},
    {Setting::kCassandraKeepBars1s, "cassandra-keep-bars-1s", "FINPIPE_CASSANDRA_KEEP_BARS_1S", SettingType::kText, "",
     "", "likewise for bars of a second", false},
    {Setting::kCassandraKeepBars, "cassandra-keep-bars", "FINPIPE_CASSANDRA_KEEP_BARS", SettingType::kText, "", "",
     "likewise for longer bars", false},
    {Setting::kLogLevel, "log-level", "FINPIPE_LOG_LEVEL", SettingType::kChoice, "info", "info|warn|error",
     "what the program reports of itself on standard error", false},
    {Setting::kLogFormat, "log-format", "FINPIPE_LOG_FORMAT", SettingType::kChoice, "text", "text|json",
     "the form of those reports", false},
    {Setting::kConfig, "config", "FINPIPE_CONFIG", SettingType::kPath, "finpipe.toml", "",
     "the settings file; the default one may be missing", false},
}};

std::size_t index_of(Setting setting) { return static_cast<std::size_t>(setting); }

// Names the setting and where its value was set.
std::unexpected<Error> bad(const SettingValues& values, Setting setting, std::string_view what) {
  const SettingInfo& info = setting_info(setting);
  const SettingValue& value = values[index_of(setting)];
  return fail(ErrorCode::kBadSetting,
              fmt::format("{} = '{}' from {}: {}", info.name, displayed(info, value.text), value.source, what));
}

Result<bool> parse_flag(const SettingValues& values, Setting setting) {
  const std::string& text = values[index_of(setting)].text;
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return bad(values, setting, "must be true or false");
}

Result<std::int32_t> parse_integer(const SettingValues& values, Setting setting, std::int32_t max) {
  const std::string& text = values[index_of(setting)].text;
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value > max) {
    return bad(values, setting, fmt::format("must be a number from 0 to {}", max));
  }
  return value;
}

// The position of the value among the setting's choices.
Result<std::size_t> parse_choice(const SettingValues& values, Setting setting) {
  const std::string_view text = values[index_of(setting)].text;
  std::string_view rest = setting_info(setting).choices;
  for (std::size_t position = 0;; ++position) {
    const std::size_t end = rest.find('|');
    if (rest.substr(0, end) == text) return position;
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return bad(values, setting, fmt::format("must be one of {}", setting_info(setting).choices));
}

Result<double> parse_scale(const SettingValues& values, Setting setting) {
  const std::string& text = values[index_of(setting)].text;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= 0.001 && value <= 100) return value;
  return bad(values, setting, "must be a number from 0.001 to 100");
}

Result<void> parse_listen_setting(const SettingValues& values, Settings& settings) {
  const std::string& text = values[index_of(Setting::kListen)].text;
  if (text == "none") return {};
  auto listen = parse_listen(text);
  if (!listen) return bad(values, Setting::kListen, "must be ADDRESS:PORT, such as 127.0.0.1:8080, or none");
  if (!listen->loopback() && !settings.insecure) return fail(ErrorCode::kInsecureListen, text);
  settings.listen_address = std::move(listen->address);
  settings.listen_port = listen->port;
  return {};
}

// `setting` means nothing without `other`.
Result<void> check_goes_with(const SettingValues& values, Setting setting, Setting other, bool other_is_set) {
  if (values[index_of(setting)].text.empty() || other_is_set) return {};
  return bad(values, setting, fmt::format("it needs {}", setting_info(other).name));
}

Result<void> parse_cassandra_settings(const SettingValues& values, Settings& settings) {
  const auto text = [&](Setting setting) { return values[index_of(setting)].text; };
  CassandraOptions& options = settings.cassandra;
  options.user = text(Setting::kCassandraUser);
  options.password = text(Setting::kCassandraPassword);
  options.ca_file = text(Setting::kCassandraCaFile);
  options.certificate_file = text(Setting::kCassandraCertificate);
  options.key_file = text(Setting::kCassandraKey);
  options.datacenter = text(Setting::kCassandraDatacenter);
  FINPIPE_TRY_ASSIGN(tls, parse_flag(values, Setting::kCassandraTls));
  options.tls = tls;
  for (const Setting file : {Setting::kCassandraCaFile, Setting::kCassandraCertificate, Setting::kCassandraKey}) {
    FINPIPE_TRY(check_goes_with(values, file, Setting::kCassandraTls, tls));
  }
  for (const auto& [one, other] : {std::pair(Setting::kCassandraCertificate, Setting::kCassandraKey),
                                   std::pair(Setting::kCassandraUser, Setting::kCassandraPassword)}) {
    FINPIPE_TRY(check_goes_with(values, one, other, !text(other).empty()));
    FINPIPE_TRY(check_goes_with(values, other, one, !text(one).empty()));
  }
  FINPIPE_TRY_ASSIGN(read, parse_choice(values, Setting::kCassandraReadConsistency));
  FINPIPE_TRY_ASSIGN(write, parse_choice(values, Setting::kCassandraWriteConsistency));
  options.read_consistency = kConsistencies.at(read);
  options.write_consistency = kConsistencies.at(write);
  settings.cassandra_replication = text(Setting::kCassandraReplication);
  const auto days = [&](Setting setting) -> Result<std::optional<std::int64_t>> {
    if (text(setting).empty()) return std::nullopt;
    FINPIPE_TRY_ASSIGN(number, parse_integer(values, setting, kMaxKeepDays));
    return number;
  };
  FINPIPE_TRY_ASSIGN(ticks, days(Setting::kCassandraKeepTicks));
  FINPIPE_TRY_ASSIGN(bars_1s, days(Setting::kCassandraKeepBars1s));
  FINPIPE_TRY_ASSIGN(bars, days(Setting::kCassandraKeepBars));
  settings.cassandra_retention = {.ticks_days = ticks, .bars_1s_days = bars_1s, .bars_days = bars};
  return {};
}

bool is_symbol(std::string_view text) {
  return !text.empty() && text.size() <= kMaxSymbolBytes && text.front() != ' ' && text.back() != ' ' &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

std::string_view to_string(SettingType type) {
  switch (type) {
    case SettingType::kUrl: return "URL";
    case SettingType::kPath: return "path";
    case SettingType::kList: return "list";
    case SettingType::kInteger: return "integer";
    case SettingType::kNumber: return "number";
    case SettingType::kFlag: return "flag";
    case SettingType::kChoice: return "choice";
    case SettingType::kAddress: return "address";
    case SettingType::kText: return "text";
  }
  return "";
}

std::span<const SettingInfo, kSettingCount> setting_table() { return kSettings; }

const SettingInfo& setting_info(Setting setting) { return kSettings[index_of(setting)]; }

Result<SettingValues> resolve_settings(const SettingSources& sources) {
  SettingValues values;
  for (const SettingInfo& info : kSettings) {
    values[index_of(info.setting)] = {std::string(info.default_value), std::string(kDefaultSource)};
  }
  const auto put_stronger = [&] {
    for (const SettingInfo& info : kSettings) {
      SettingValue& value = values[index_of(info.setting)];
      if (auto text = sources.environment(info.environment); text && !text->empty()) value = {*text, "environment"};
      if (const auto& flag = sources.flags[index_of(info.setting)]) value = {*flag, "command line"};
    }
  };
  const auto put = [&](std::vector<FileValue> lines) {
    for (FileValue& line : lines) values[index_of(line.setting)] = std::move(line.value);
  };
  FINPIPE_TRY_ASSIGN(dotenv, read_dotenv(sources.directory));
  // Which finpipe.toml to read may itself be set in the stronger places.
  put(dotenv);
  put_stronger();
  const SettingValue config = values[index_of(Setting::kConfig)];
  FINPIPE_TRY_ASSIGN(toml, read_toml(sources.directory, config.text, config.source == "default"));
  put(std::move(toml));
  put(std::move(dotenv));
  put_stronger();
  return values;
}

Result<std::vector<std::string>> parse_symbols(std::string_view list) {
  std::vector<std::string> symbols;
  if (list.empty()) return symbols;
  for (std::string_view rest = list;;) {
    const std::size_t end = rest.find(',');
    const std::string_view symbol = rest.substr(0, end);
    if (!is_symbol(symbol)) return fail(ErrorCode::kBadSetting, fmt::format("'{}' is no symbol", symbol));
    if (std::ranges::find(symbols, symbol) == symbols.end()) symbols.emplace_back(symbol);
    if (end == std::string_view::npos) return symbols;
    rest.remove_prefix(end + 1);
  }
}

std::optional<ListenAddress> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find(':') != std::string_view::npos)) return std::nullopt;
  if (host == "localhost") host = "127.0.0.1";
  ListenAddress listen{std::string(host), 0};
  const char* const end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data() + colon + 1, end, listen.port);
  if (error != std::errc{} || read != end) return std::nullopt;
  return listen;
}

Result<Settings> parse_settings(const SettingValues& values) {
  Settings settings;
  const auto text = [&](Setting setting) { return values[index_of(setting)].text; };
  settings.feed = text(Setting::kFeed);
  settings.log = text(Setting::kLog);
  settings.store = text(Setting::kStore);
  settings.log_is_default = values[index_of(Setting::kLog)].source == kDefaultSource;
  settings.store_is_default = values[index_of(Setting::kStore)].source == kDefaultSource;
  settings.api_key = text(Setting::kApiKey);
  settings.ca_file = text(Setting::kCaFile);
  settings.client_certificate = text(Setting::kClientCertificate);
  settings.client_key = text(Setting::kClientKey);
  settings.policies = text(Setting::kPolicies);
  auto symbols = parse_symbols(text(Setting::kSymbols));
  if (!symbols) return bad(values, Setting::kSymbols, symbols.error().detail);
  settings.symbols = *std::move(symbols);
  FINPIPE_TRY_ASSIGN(partitions, parse_integer(values, Setting::kPartitions, kMaxPartitions));
  settings.partitions = partitions;
  FINPIPE_TRY_ASSIGN(exit_at_end, parse_flag(values, Setting::kExitAtEnd));
  settings.exit_at_end = exit_at_end;
  FINPIPE_TRY_ASSIGN(insecure, parse_flag(values, Setting::kInsecure));
  settings.insecure = insecure;
  FINPIPE_TRY(parse_listen_setting(values, settings));
  FINPIPE_TRY_ASSIGN(scale, parse_scale(values, Setting::kFeedTimeScale));
  settings.feed_time_scale = scale;
  FINPIPE_TRY(parse_cassandra_settings(values, settings));
  FINPIPE_TRY_ASSIGN(level, parse_choice(values, Setting::kLogLevel));
  settings.log_level = static_cast<LogLevel>(level);
  FINPIPE_TRY_ASSIGN(format, parse_choice(values, Setting::kLogFormat));
  settings.log_format = static_cast<LogFormat>(format);
  return settings;
}

std::string displayed(const SettingInfo& info, std::string_view value) {
  if (info.secret && !value.empty()) return std::string(kRedacted);
  if (info.type == SettingType::kUrl && value.starts_with("cassandra:")) {
    // It has no place for an @ but behind credentials, in whatever form those are.
    const std::size_t at = value.rfind('@');
    if (at != std::string_view::npos) return fmt::format("cassandra://{}{}", kRedacted, value.substr(at));
  }
  const std::size_t scheme = value.find("://");
  if (info.type != SettingType::kUrl || scheme == std::string_view::npos) return std::string(value);
  const std::size_t begin = scheme + 3;
  const std::size_t query = value.find('?', begin);
  std::string shown(value.substr(0, query));
  if (query != std::string_view::npos) shown.append("?").append(kRedacted);
  const std::size_t at = value.substr(0, value.find_first_of("/?", begin)).rfind('@');
  if (at != std::string_view::npos && at > begin) shown.replace(begin, at - begin, kRedacted);
  return shown;
}

}  // namespace finpipe
