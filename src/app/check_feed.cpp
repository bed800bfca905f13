#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <variant>

#include "app/checks.h"
#include "app/feed_parts.h"
#include "app/listener.h"
#include "app/progress.h"
#include "app/urls.h"
#include "base/time.h"
#include "feeds/tape.h"

namespace finpipe {
namespace {

constexpr std::int64_t kHeartbeatNs = 10 * kNsPerSecond;  // they come each second
constexpr std::int64_t kReachMs = 10'000;
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

std::string since(std::int64_t time_ms, std::string_view before = ", ") {
  return time_ms <= 0 ? "" : fmt::format("{}since {}", before, format_time_ms(time_ms));
}

bool explained_elsewhere(const Findings& findings) {
  return std::ranges::any_of(
      std::to_array<std::string_view>({"log", "store", "disk", "processor", "service", "checkpoint"}),
      [&](std::string_view subject) { return findings.faulty(subject); });
}

// What checkpoints say is as old as they are.
std::int64_t heartbeat_allowed_ns(const Settings& settings, const ServiceView& service) {
  const double interval_s = service.samples.sum("finpipe_commit_interval_seconds").value_or(0);
  return kHeartbeatNs + std::max(settings.commit_interval_ms * kNsPerMs, static_cast<std::int64_t>(interval_s * 1e9));
}

// Of a log whose ingest is elsewhere, or whose ingest says that all is well.
void check_heartbeat(Findings& findings, const Checkpoint& newest, bool connected_here, std::int64_t allowed_ns,
                     Clock& clock) {
  if (explained_elsewhere(findings)) return;
  const std::int64_t age_ns = clock.wall_ns() - newest.heartbeat_at_ns;
  if (age_ns > allowed_ns) {
    return findings.fault(Finding::kFeedNoHeartbeat,
                          fmt::format("the newest is of {}", format_time_ms(newest.heartbeat_at_ns / kNsPerMs)));
  }
  if (newest.feed_state == avro::ConnectionState::kConnected) {
    if (!connected_here) findings.ok("feed", "connected, says the log" + since(newest.feed_since_ms));
    return;
  }
  const std::string text = since(newest.feed_since_ms, "");
  if (connected_here) {
    if (clock.wall_ns() / kNsPerMs - newest.feed_since_ms > allowed_ns / kNsPerMs)
      findings.fault(Finding::kFeedGapOpen, text);
  } else if (newest.feed_state == avro::ConnectionState::kStalled) {
    findings.fault(Finding::kFeedStalled, text);
  } else {
    findings.fault(Finding::kFeedDisconnected, text);
  }
}

void check_lags(Findings& findings, const Checkpoint& newest, bool ingested_here, std::int64_t allowed_ns,
                Clock& clock) {
  const auto& lags = newest.engine.lags_ms;
  if (lags.empty() || clock.wall_ns() - newest.heartbeat_at_ns > allowed_ns) return;
  std::string text;
  for (const auto& [market, lag_ms] : lags) text += fmt::format("{}{} {} ms", text.empty() ? "" : ", ", market, lag_ms);
  const auto all = [&](auto holds) {
    return std::ranges::all_of(lags, [&](const auto& one) { return holds(one.second); });
  };
  const auto tell = [&](Finding finding, std::string_view what) {
    findings.fault(ingested_here ? finding : Finding::kClocksDiffer,
                   fmt::format("{}{}: {}", what, ingested_here ? "" : " where the ingest runs", text));
  };
  if (all([](std::int64_t lag_ms) { return lag_ms >= kMaxLagMs; }))
    return tell(Finding::kClockAhead, "trades seem to be an hour old or more when they come");
  if (all([](std::int64_t lag_ms) { return lag_ms <= kNegativeLagMs; }) && !findings.faulty("clock"))
    return tell(Finding::kClockBehind, "trades come before they have happened");
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
  if (newest != nullptr) check_heartbeat(findings, *newest, true, heartbeat_allowed_ns(settings, service), clock);
}

// Any answer will do: it is asked for nothing, and is shown no key.
void reach_feed(Findings& findings, const FeedParts& parts) {
  const auto answer = ask_server({.host = parts.host, .port = parts.port, .tls = parts.tls, .timeout_ms = kReachMs});
  const ErrorCode code = answer ? ErrorCode::kConnectionLost : answer.error().code;
  if (code != ErrorCode::kConnectionLost && code != ErrorCode::kProtocolError && code != ErrorCode::kFrameTooLarge)
    return findings.fault("feed", answer.error());
  findings.ok("feed", parts.description + ": it can be reached; --try-feed would connect");
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
std::optional<std::string> user_of(const Settings& settings, const LogView& log, const ServiceView& service,
                                   Clock& clock) {
  if (service.is_there()) return service.url + " is there";
  const auto url = parse_log_url(settings.log);
  if (url && std::holds_alternative<DirectoryUrl>(*url)) return log_owner(settings);
  if (!log.newest_ns) return "the log, which would tell whether somebody is connected, could not be read";
  if (clock.wall_ns() - *log.newest_ns < kHeartbeatNs) return "the log has new records";
  return std::nullopt;
}

void check_server(Findings& findings, FeedParts feed, const Settings& settings, const LogView& log,
                  const ServiceView& service, Trying trying, Clock& clock) {
  if (trying == Trying::kNo || feed.simulator) return findings.ok("feed", feed.description);
  if (trying == Trying::kReach) return reach_feed(findings, feed);
  const auto user = user_of(settings, log, service, clock);
  if (user) return findings.ok("feed", fmt::format("{}: not connected to, since {}", feed.description, *user));
  try_feed(findings, std::move(feed), clock);
}

}  // namespace

void check_feed(Findings& findings, Settings settings, const StoreView& store, const LogView& log,
                const ServiceView& service, Trying trying, Clock& clock) {
  choose_feed(settings);
  const auto url = parse_feed_url(settings.feed);
  if (!url) return findings.fault("feed", url.error());
  const Checkpoint* const newest = store.newest();
  const bool live_log = newest != nullptr && (newest->origin == "vendor" || newest->origin == "demo");
  const std::int64_t allowed_ns = heartbeat_allowed_ns(settings, service);
  if (service.feed) {
    check_connection(findings, service, settings, live_log ? newest : nullptr, clock);
  } else if (const auto* tape = std::get_if<TapeUrl>(&*url)) {
    check_tape(findings, tape->path);
  } else {
    auto feed = open_feed(settings, clock);
    if (!feed) {
      findings.fault("feed", feed.error());
    } else if (service.answers() && live_log) {
      check_heartbeat(findings, *newest, false, allowed_ns, clock);
    } else {
      check_server(findings, *std::move(feed), settings, log, service, trying, clock);
    }
  }
  if (live_log) check_lags(findings, *newest, ingests_here(settings, service), allowed_ns, clock);
}

}  // namespace finpipe
