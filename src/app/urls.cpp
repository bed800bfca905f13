#include "app/urls.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "app/settings.h"

namespace finpipe {
namespace {

constexpr std::array<std::string_view, 1> kLaterLogs = {"kafka"};
constexpr std::string_view kEmbeddedForm = "embedded:DIR";
constexpr std::string_view kStoreForms = "embedded:DIR or cassandra://HOST[:PORT][,HOST...]/KEYSPACE";
constexpr std::string_view kCassandra = "cassandra:";
constexpr std::uint16_t kCassandraPort = 9042;
constexpr std::size_t kMaxKeyspace = 48;

std::unexpected<Error> refuse(std::string_view setting, std::string_view url, std::string_view what) {
  const SettingInfo& info = *std::ranges::find(setting_table(), setting, &SettingInfo::name);
  return fail(ErrorCode::kBadUrl, fmt::format("{} '{}': {}", setting, displayed(info, url), what));
}

// SCHEME:PATH with the one scheme that there is; `later` are refused as known.
Result<std::string> path_of(std::string_view setting, std::string_view url, std::string_view scheme,
                            std::string_view form, std::span<const std::string_view> later) {
  const auto bad = [&](std::string_view what) { return refuse(setting, url, what); };
  const std::size_t colon = url.find(':');
  if (colon == std::string_view::npos) return bad(fmt::format("it must have the form {}", form));
  const std::string_view named = url.substr(0, colon);
  if (std::ranges::find(later, named) != later.end()) {
    return bad(fmt::format("{}: is not in this version, which has {}", named, form));
  }
  if (named != scheme) return bad(fmt::format("there is no '{}:'; it must have the form {}", named, form));
  const std::string_view path = url.substr(colon + 1);
  if (path.empty()) return bad(fmt::format("the path is missing; it must have the form {}", form));
  if (path.starts_with("//")) return bad(fmt::format("a path follows the colon directly: {}", form));
  if (path.find('\0') != std::string_view::npos) return bad("a path has no zero bytes");
  return std::string(path);
}

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_keyspace(std::string_view name) {
  return !name.empty() && name.size() <= kMaxKeyspace && is_alpha(name[0]) &&
         std::ranges::all_of(name, [](char c) { return is_alpha(c) || (c >= '0' && c <= '9') || c == '_'; });
}

// HOST[:PORT] as host:port.
std::optional<std::string> contact_point(std::string_view text) {
  // A host is what an URL of the web has for one.
  const auto url = net::parse_url(fmt::format("http://{}", text));
  if (!url || url->target != "/" || text.contains('/')) return std::nullopt;
  const bool is_v6 = url->host.contains(':');
  const std::string_view after_host = text.substr(url->host.size() + (is_v6 ? 2 : 0));
  return fmt::format("{}{}{}:{}", is_v6 ? "[" : "", url->host, is_v6 ? "]" : "",
                     after_host.empty() ? kCassandraPort : url->port);
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
  CassandraUrl parsed{.contact_points = {}, .keyspace = std::string(keyspace)};
  for (std::string_view hosts = rest.substr(0, slash);;) {
    const std::string_view host = hosts.substr(0, hosts.find(','));
    const auto point = contact_point(host);
    if (!point) return bad(fmt::format("'{}' is not HOST or HOST:PORT, an IPv6 address in brackets", host));
    if (!parsed.contact_points.empty()) parsed.contact_points += ',';
    parsed.contact_points += *point;
    if (host.size() == hosts.size()) return parsed;
    hosts.remove_prefix(host.size() + 1);
  }
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
  FINPIPE_TRY_ASSIGN(path, path_of("feed", feed_url, "tape", kForms, {}));
  return TapeUrl{std::move(path)};
}

Result<std::string> embedded_directory(std::string_view setting, std::string_view url) {
  if (setting == "log") return path_of(setting, url, "embedded", kEmbeddedForm, kLaterLogs);
  return path_of(setting, url, "embedded", kStoreForms, {});
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
