#include "app/urls.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "app/settings.h"

namespace finpipe {
namespace {

constexpr std::string_view kLogForms = "embedded:DIR or kafka://HOST[:PORT][,HOST...][/PREFIX]";
constexpr std::string_view kStoreForms = "embedded:DIR or cassandra://HOST[:PORT][,HOST...]/KEYSPACE";
constexpr std::string_view kKafka = "kafka:";
constexpr std::string_view kCassandra = "cassandra:";
constexpr std::string_view kDefaultPrefix = "finnhub";
constexpr std::uint16_t kKafkaPort = 9092;
constexpr std::size_t kMaxPrefix = 200;  // a topic's name may have 249 characters
constexpr std::uint16_t kCassandraPort = 9042;
constexpr std::size_t kMaxKeyspace = 48;

std::unexpected<Error> refuse(std::string_view setting, std::string_view url, std::string_view what) {
  const SettingInfo& info = *std::ranges::find(setting_table(), setting, &SettingInfo::name);
  return fail(ErrorCode::kBadUrl, fmt::format("{} '{}': {}", setting, displayed(info, url), what));
}

// SCHEME:PATH with the one scheme that has a path.
Result<std::string> path_of(std::string_view setting, std::string_view url, std::string_view scheme,
                            std::string_view form) {
  const auto bad = [&](std::string_view what) { return refuse(setting, url, what); };
  const std::size_t colon = url.find(':');
  if (colon == std::string_view::npos) return bad(fmt::format("it must have the form {}", form));
  const std::string_view named = url.substr(0, colon);
  if (named != scheme) return bad(fmt::format("there is no '{}:'; it must have the form {}", named, form));
  const std::string_view path = url.substr(colon + 1);
  if (path.empty()) return bad(fmt::format("the path is missing; it must have the form {}", form));
  if (path.starts_with("//")) return bad(fmt::format("a path follows the colon directly: {}", form));
  if (path.find('\0') != std::string_view::npos) return bad("a path has no zero bytes");
  return std::string(path);
}

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_alphanumeric(char c) { return is_alpha(c) || (c >= '0' && c <= '9'); }

bool is_keyspace(std::string_view name) {
  return !name.empty() && name.size() <= kMaxKeyspace && is_alpha(name[0]) &&
         std::ranges::all_of(name, [](char c) { return is_alphanumeric(c) || c == '_'; });
}

bool is_prefix(std::string_view name) {
  return name.size() <= kMaxPrefix && is_alphanumeric(name[0]) &&
         std::ranges::all_of(name, [](char c) { return is_alphanumeric(c) || c == '_' || c == '-' || c == '.'; });
}

// HOST[:PORT] as host:port.
std::optional<std::string> contact_point(std::string_view text, std::uint16_t default_port) {
  // A host is what an URL of the web has for one.
  const auto url = net::parse_url(fmt::format("http://{}", text));
  if (!url || url->target != "/" || text.contains('/')) return std::nullopt;
  const bool is_v6 = url->host.contains(':');
  const std::string_view after_host = text.substr(url->host.size() + (is_v6 ? 2 : 0));
  return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", url->host, is_v6 ? "]" : "",
                     after_host.empty() ? default_port : url->port);
}

// HOST[:PORT][,HOST[:PORT]...] with a port for each.
Result<std::string> contact_points(std::string_view setting, std::string_view url, std::string_view hosts,
                                   std::uint16_t default_port) {
  std::string points;
  for (;;) {
    const std::string_view host = hosts.substr(0, hosts.find(','));
    const auto point = contact_point(host, default_port);
    if (!point) {
      return refuse(setting, url, fmt::format("'{}' is not HOST or HOST:PORT, an IPv6 address in brackets", host));
    }
    if (!points.empty()) points += ',';
    points += *point;
    if (host.size() == hosts.size()) return points;
    hosts.remove_prefix(host.size() + 1);
  }
}

Result<KafkaUrl> parse_kafka_url(std::string_view url) {
  const auto bad = [&](std::string_view what) { return refuse("log", url, what); };
  if (url.contains('@')) {
    return bad("user and password do not belong into the URL: set FINPIPE_KAFKA_USER and FINPIPE_KAFKA_PASSWORD");
  }
  if (!url.starts_with("kafka://")) return bad(fmt::format("it must have the form {}", kLogForms));
  if (url.contains('?') || url.contains('#')) return bad("nothing follows the prefix: see the settings kafka-*");
  const std::string_view rest = url.substr(std::string_view("kafka://").size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view prefix = rest.substr(std::min(slash + 1, rest.size()));
  if (prefix.empty()) prefix = kDefaultPrefix;
  if (!is_prefix(prefix)) {
    return bad(fmt::format("'{}' cannot begin names of topics: up to {} letters, digits, '.', '_' and '-'", prefix,
                           kMaxPrefix));
  }
  FINPIPE_TRY_ASSIGN(brokers, contact_points("log", url, rest.substr(0, slash), kKafkaPort));
  return KafkaUrl{std::move(brokers), std::string(prefix)};
}

Result<CassandraUrl> parse_cassandra_url(std::string_view url) {
  const auto bad = [&](std::string_view what) { return refuse("store", url, what); };
  if (url.contains('@')) {
    return bad(
        "user and password do not belong into the URL: set FINPIPE_CASSANDRA_USER and "
        "FINPIPE_CASSANDRA_PASSWORD");
  }
  if (!url.starts_with("cassandra://")) return bad(fmt::format("it must have the form {}", kStoreForms));
  if (url.contains('?') || url.contains('#')) return bad("nothing follows the keyspace: see the settings cassandra-*");
  const std::string_view rest = url.substr(std::string_view("cassandra://").size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view keyspace = rest.substr(std::min(slash + 1, rest.size()));
  if (keyspace.empty()) return bad(fmt::format("the keyspace is missing; it must have the form {}", kStoreForms));
  if (!is_keyspace(keyspace)) {
    return bad(fmt::format("'{}' cannot be a keyspace: a letter, and up to {} letters, digits and _", keyspace,
                           kMaxKeyspace - 1));
  }
  FINPIPE_TRY_ASSIGN(points, contact_points("store", url, rest.substr(0, slash), kCassandraPort));
  return CassandraUrl{std::move(points), std::string(keyspace)};
}

}  // namespace

Result<FeedUrl> parse_feed_url(std::string_view feed_url) {
  constexpr std::string_view kForms = "tape:PATH, sim:, finnhub: or wss://HOST";
  if (feed_url.empty()) return fail(ErrorCode::kBadSetting, fmt::format("no feed is set: give --feed {}", kForms));
  if (feed_url == "finnhub:") return VendorUrl{};
  if (feed_url.starts_with("sim:")) {
    if (feed_url.starts_with("sim://")) {
      return fail(ErrorCode::kBadUrl, fmt::format("feed '{}': it must have the form sim: or sim:PATH", feed_url));
    }
    return DemoUrl{std::string(feed_url.substr(4))};
  }
  if (feed_url.starts_with("wss:") || feed_url.starts_with("ws:")) {
    if (auto url = net::parse_url(feed_url)) return *std::move(url);
    return fail(ErrorCode::kBadUrl, fmt::format("feed '{}': it must have the form wss://HOST[:PORT][/PATH]",
                                                displayed(setting_info(Setting::kFeed), feed_url)));
  }
  FINPIPE_TRY_ASSIGN(path, path_of("feed", feed_url, "tape", kForms));
  return TapeUrl{std::move(path)};
}

Result<std::string> embedded_directory(std::string_view setting, std::string_view url) {
  return path_of(setting, url, "embedded", setting == "log" ? kLogForms : kStoreForms);
}

bool KafkaUrl::is_loopback() const {
  for (std::string_view rest = brokers;;) {
    const std::string_view broker = rest.substr(0, rest.find(','));
    const bool is_loopback =
        broker.starts_with("127.") || broker.starts_with("[::1]") || broker.starts_with("localhost:");
    if (!is_loopback || broker.size() == rest.size()) return is_loopback;
    rest.remove_prefix(broker.size() + 1);
  }
}

Result<LogUrl> parse_log_url(std::string_view url) {
  if (url.starts_with(kKafka)) {
    FINPIPE_TRY_ASSIGN(kafka, parse_kafka_url(url));
    return std::move(kafka);
  }
  FINPIPE_TRY_ASSIGN(directory, embedded_directory("log", url));
  return DirectoryUrl{std::move(directory)};
}

Result<StoreUrl> parse_store_url(std::string_view url) {
  if (url.starts_with(kCassandra)) {
    FINPIPE_TRY_ASSIGN(cassandra, parse_cassandra_url(url));
    return std::move(cassandra);
  }
  FINPIPE_TRY_ASSIGN(directory, embedded_directory("store", url));
  return DirectoryUrl{std::move(directory)};
}

}  // namespace finpipe
