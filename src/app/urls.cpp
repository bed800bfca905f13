#include "app/urls.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "app/settings.h"

namespace finpipe {
namespace {

constexpr std::array<std::string_view, 1> kLaterLogs = {"kafka"};
constexpr std::array<std::string_view, 1> kLaterStores = {"cassandra"};

// SCHEME:PATH with the one scheme that there is; `later` are refused as known.
Result<std::string> path_of(std::string_view setting, std::string_view url, std::string_view scheme,
                            std::string_view form, std::span<const std::string_view> later) {
  const auto refuse = [&](std::string_view what) {
    const SettingInfo& info = *std::ranges::find(setting_table(), setting, &SettingInfo::name);
    return fail(ErrorCode::kBadUrl, fmt::format("{} '{}': {}", setting, displayed(info, url), what));
  };
  const std::size_t colon = url.find(':');
  if (colon == std::string_view::npos) return refuse(fmt::format("it must have the form {}", form));
  const std::string_view named = url.substr(0, colon);
  if (std::ranges::find(later, named) != later.end()) {
    return refuse(fmt::format("{}: is not in this version, which has {}", named, form));
  }
  if (named != scheme) return refuse(fmt::format("there is no '{}:'; it must have the form {}", named, form));
  const std::string_view path = url.substr(colon + 1);
  if (path.empty()) return refuse(fmt::format("the path is missing; it must have the form {}", form));
  if (path.starts_with("//")) return refuse(fmt::format("a path follows the colon directly: {}", form));
  if (path.find('\0') != std::string_view::npos) return refuse("a path has no zero bytes");
  return std::string(path);
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
  const std::span<const std::string_view> later = setting == "log" ? std::span<const std::string_view>(kLaterLogs)
                                                                   : std::span<const std::string_view>(kLaterStores);
  return path_of(setting, url, "embedded", "embedded:DIR", later);
}

}  // namespace finpipe
