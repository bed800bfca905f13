#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <variant>

#include "app/checks.h"
#include "app/feed_parts.h"
#include "app/progress.h"
#include "app/urls.h"
#include "base/time.h"
#include "feeds/tape.h"

namespace finpipe {
namespace {

constexpr std::int64_t kHeartbeatNs = 10 * kNsPerSecond;  // they come each second
constexpr std::int64_t kProbeNs = 10 * kNsPerSecond;
constexpr std::int64_t kLongLagMs = 60 * kMsPerSecond;
constexpr std::int64_t kNegativeLagMs = -10 * kMsPerSecond;
// The largest that a heartbeat tells.
constexpr std::int64_t kMaxLagMs = kMsPerHour;

void check_tape(Findings& findings, const std::string& path) {
  const auto tape = TapeFeed::open(path);
  if (!tape) return findings.fault("feed", tape.error());
  const auto batch = (*tape)->poll(1);
  if (!batch) return findings.fault("feed", batch.error());
  if (batch->frames.empty()) return findings.fault("feed", Error{ErrorCode::kBadTapeLine, path + " is empty"});
  const FeedFrame& first = batch->frames.front();
  if (first.damage)
    return findings.fault("feed", Error{*first.damage, fmt::format("line {} of {}", first.position, path)});
  findings.ok("feed", path + " can be read");
}

std::string since(std::int64_t time_ms) { return time_ms <= 0 ? "" : ", since " + format_time_ms(time_ms); }

bool explained_elsewhere(const Findings& findings) {
  return std::ranges::any_of(
      std::to_array<std::string_view>({"log", "store", "disk", "processor", "service", "checkpoint"}),
      [&](std::string_view subject) { return findings.faulty(subject); });
}

// Of a log whose ingest is elsewhere, or whose ingest says that all is well.
void check_heartbeat(Findings& findings, const Checkpoint& newest, bool connected_here, Clock& clock) {
  if (explained_elsewhere(findings)) return;
  const std::int64_t age_ns = clock.wall_ns() - newest.heartbeat_at_ns;
  if (age_ns > kHeartbeatNs) {
    return findings.fault(Finding::kFeedNoHeartbeat,
                          fmt::format("the newest is of {}", format_time_ms(newest.heartbeat_at_ns / kNsPerMs)));
  }
  if (newest.feed_state == avro::ConnectionState::kConnected) {
    if (!connected_here) findings.ok("feed", "connected, says the log" + since(newest.feed_since_ms));
    return;
  }
  const std::string text = since(newest.feed_since_ms).substr(2);
  if (connected_here) {
    if (clock.wall_ns() / kNsPerMs - newest.feed_since_ms > kHeartbeatNs / kNsPerMs)
      findings.fault(Finding::kFeedGapOpen, text);
  } else if (newest.feed_state == avro::ConnectionState::kStalled) {
    findings.fault(Finding::kFeedStalled, text);
  } else {
    findings.fault(Finding::kFeedDisconnected, text);
  }
}

void check_lags(Findings& findings, const Checkpoint& newest, Clock& clock) {
  const auto& lags = newest.engine.lags_ms;
  if (lags.empty() || clock.wall_ns() - newest.heartbeat_at_ns > kHeartbeatNs) return;
  std::string text;
  for (const auto& [market, lag_ms] : lags) text += fmt::format("{}{} {} ms", text.empty() ? "" : ", ", market, lag_ms);
  const auto all = [&](auto holds) {
    return std::ranges::all_of(lags, [&](const auto& one) { return holds(one.second); });
  };
  if (all([](std::int64_t lag_ms) { return lag_ms >= kMaxLagMs; }))
    return findings.fault(Finding::kClockAhead, "trades seem to be an hour old or more when they come: " + text);
  if (all([](std::int64_t lag_ms) { return lag_ms <= kNegativeLagMs; }) && !findings.faulty("clock"))
    return findings.fault(Finding::kClockBehind, "trades come before they have happened: " + text);
  if (!all([](std::int64_t lag_ms) { return lag_ms < kLongLagMs && lag_ms > kNegativeLagMs; }))
    return findings.warn(Finding::kFeedLag, text);
  findings.ok("lag", text);
}

// What the process says that has the connection.
void check_connection(Findings& findings, const ServiceView& service, const Settings& settings,
                      const Checkpoint* newest, Clock& clock) {
  const ServiceView::Feed& feed = *service.feed;
  const bool stalled = newest != nullptr && newest->feed_state == avro::ConnectionState::kStalled;
  const std::string outage = newest == nullptr || newest->feed_state == avro::ConnectionState::kConnected
                                 ? std::string()
                                 : since(newest->feed_since_ms);
  if (feed.error) {
    const ErrorCode code = feed.error->code;
    if (stalled && (code == ErrorCode::kConnectionLost || code == ErrorCode::kTimedOut))
      return findings.fault(Finding::kFeedStalled, fmt::format("{}{}", feed.detail, outage));
    return findings.fault("feed", Error{code, feed.error->detail + outage});
  }
  if (feed.detail.contains("symbols refused")) findings.warn(Finding::kFeedRefusedSymbols, feed.detail);
  const double silence_s = service.samples.sum("finpipe_feed_last_frame_age_seconds").value_or(0);
  const double allowed_s = static_cast<double>(ConnectionTimers().silence_ms) / 1e3 * settings.feed_time_scale;
  const std::string text = fmt::format("{}; nothing for {:.0f} s", feed.detail, silence_s);
  if (silence_s > allowed_s + 5) {
    if (!explained_elsewhere(findings)) return findings.fault(Finding::kFeedStalled, text);
  } else if (silence_s > allowed_s / 2) {
    findings.warn(Finding::kFeedSilent, text);
  } else {
    findings.ok("feed", feed.detail);
  }
  const double suspects = service.samples.sum("finpipe_ingest_suspects_total").value_or(0);
  if (suspects > 0) findings.warn(Finding::kFeedSuspects, fmt::format("{:.0f} since its start", suspects));
  if (newest != nullptr) check_heartbeat(findings, *newest, true, clock);
}

// Connects as the service would, and goes away politely.
void try_feed(Findings& findings, FeedParts parts, Clock& clock) {
  const std::int64_t end_ns = clock.boot_ns() + kProbeNs;
  while (clock.boot_ns() < end_ns) {
    const auto batch = parts.feed->poll(1);
    if (!batch) return findings.fault("feed", batch.error());
    const FinnhubWebSocketFeed::Status status = parts.live->status();
    if (status.last_error) return findings.fault("feed", *status.last_error);
    if (status.state != Connection::State::kOpen) continue;
    parts.feed->close();
    return findings.ok("feed", parts.description + ": it takes the connection");
  }
  findings.fault("feed", Error{ErrorCode::kTimedOut, fmt::format("{}: no answer for 10 s", parts.description)});
}

// Whether somebody else may have the key's connection.
std::optional<std::string> user_of(const Settings& settings, const ServiceView& service, const Checkpoint* newest,
                                   Clock& clock) {
  if (service.is_there()) return service.url + " is there";
  const auto log = parse_log_url(settings.log);
  if (const auto* place = log ? std::get_if<DirectoryUrl>(&*log) : nullptr) return owner_of(place->directory);
  if (newest != nullptr && clock.wall_ns() - newest->heartbeat_at_ns < kHeartbeatNs)
    return "the log has new heartbeats";
  return std::nullopt;
}

}  // namespace

void check_feed(Findings& findings, Settings settings, const StoreView& store, const ServiceView& service,
                Trying trying, Clock& clock) {
  choose_feed(settings);
  const auto url = parse_feed_url(settings.feed);
  if (!url) return findings.fault("feed", url.error());
  const Checkpoint* const newest = store.newest();
  const bool live_log = newest != nullptr && (newest->origin == "vendor" || newest->origin == "demo");
  if (service.feed) {
    check_connection(findings, service, settings, live_log ? newest : nullptr, clock);
  } else if (const auto* tape = std::get_if<TapeUrl>(&*url)) {
    check_tape(findings, tape->path);
  } else {
    auto feed = open_feed(settings, clock);
    const auto user = user_of(settings, service, newest, clock);
    if (!feed) {
      findings.fault("feed", feed.error());
    } else if (service.answers() && live_log) {
      check_heartbeat(findings, *newest, false, clock);
    } else if (trying == Trying::kNo || std::holds_alternative<DemoUrl>(*url)) {
      findings.ok("feed", feed->description);
    } else if (user) {
      findings.ok("feed", fmt::format("{}: not connected to, since {}", feed->description, *user));
    } else {
      try_feed(findings, *std::move(feed), clock);
    }
  }
  if (live_log) check_lags(findings, *newest, clock);
}

}  // namespace finpipe
