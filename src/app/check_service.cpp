#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <numeric>
#include <utility>

#include "app/checks.h"
#include "app/listener.h"
#include "app/progress.h"
#include "codec/flat_json.h"
#include "net/url.h"

namespace finpipe {
namespace {

constexpr std::int64_t kAnswerMs = 5'000;
constexpr double kCommitStalledSeconds = 10;
constexpr double kSlowLogSeconds = 1;
constexpr double kNearlyFull = 0.9;
constexpr double kMib = 1 << 20;

// The service as another process of this machine can reach it.
std::string url_of(const Settings& settings) {
  if (settings.listen_address.empty() || settings.listen_port == 0) return {};
  std::string host = reachable_address(settings.listen_address);
  if (host.contains(':')) host = "[" + host + "]";
  return fmt::format("http://{}:{}", host, settings.listen_port);
}

std::optional<ErrorCode> code_named(std::string_view name) {
  for (const ErrorInfo& info : error_table())
    if (info.name == name) return info.code;
  return std::nullopt;
}

Result<void> ask(const net::Url& url, ServiceView& view) {
  FINPIPE_TRY_ASSIGN(answer, ask_listener(url.host, url.port, "/readyz", kAnswerMs));
  const auto readiness = FlatJson::parse(answer.body);
  if (!readiness || !readiness->boolean("ready"))
    return fail(ErrorCode::kProtocolError, fmt::format("{}: something else than finpipe answers", view.url));
  view.ready = *readiness->boolean("ready");
  view.role = readiness->string("role").value_or("");
  view.reasons = readiness->strings("reasons");
  if (const auto detail = readiness->string("feed")) {
    view.feed.emplace(std::string(*detail), std::nullopt);
    if (const auto name = readiness->string("feed_error")) {
      // A newer service may have others.
      const std::string reason(readiness->string("feed_reason").value_or(""));
      const auto code = code_named(*name);
      view.feed->error =
          code ? Error{*code, reason} : Error{ErrorCode::kProtocolError, fmt::format("{}: {}", *name, reason)};
    }
  }
  FINPIPE_TRY_ASSIGN(metrics, ask_listener(url.host, url.port, "/metrics", kAnswerMs));
  view.samples = Samples::parse(metrics.body);
  return {};
}

// Any program may be at that address, unless somebody said that it is finpipe, or has the log.
void tell_unreachable(Findings& findings, const ServiceView& service, bool owned) {
  const auto tell = [&](bool expected, Finding finding) {
    expected ? findings.fault(finding, service.error->detail) : findings.warn(finding, service.error->detail);
  };
  switch (service.error->code) {
    case ErrorCode::kTimedOut: return tell(service.expected || owned, Finding::kServiceHangs);
    case ErrorCode::kConnectionLost: return tell(service.expected || owned, Finding::kServiceShedsConnections);
    case ErrorCode::kConnectFailed: return tell(service.expected, Finding::kServiceNotRunning);
    default: return tell(service.expected, Finding::kServiceNotFinpipe);
  }
}

void check_connections(Findings& findings, const Samples& now, const Samples& later) {
  constexpr std::string_view kShed = "finpipe_endpoint_connections_shed_total";
  const double shed = later.sum(kShed).value_or(0);
  if (shed > now.sum(kShed).value_or(0)) {
    findings.fault(Finding::kServiceShedsConnections, fmt::format("{:.0f} since its start, and more just now", shed));
  } else if (shed > 0) {
    findings.warn(Finding::kServiceShedsConnections, fmt::format("{:.0f} since its start, none just now", shed));
  }
  const double closed = later.sum("finpipe_stream_clients_closed_total", R"(reason="too_far_behind")");
  if (closed > 0) findings.warn(Finding::kServiceSlowClients, fmt::format("{:.0f} since its start", closed));
}

// At a `serve` commits are those of others, which store; it only waits for them.
void check_processing(Findings& findings, const ServiceView& service, const Settings& settings) {
  const Samples& samples = service.samples;
  const double interval_s =
      samples.sum("finpipe_commit_interval_seconds").value_or(static_cast<double>(settings.commit_interval_ms) / 1e3);
  const double backlog = samples.sum("finpipe_processor_backlog_records").value_or(0);
  const double waiting_s = samples.sum("finpipe_processor_commit_age_seconds").value_or(0);
  const bool explained = findings.faulty("store") || findings.faulty("log") || findings.faulty("disk");
  const auto tell = [&](Finding finding, const std::string& evidence) {
    explained ? findings.warn(finding, evidence) : findings.fault(finding, evidence);
  };
  if (waiting_s > kCommitStalledSeconds + interval_s)
    tell(service.role == "serve" ? Finding::kProcessorNotRunning : Finding::kProcessorCommitStalled,
         fmt::format("the oldest has waited for {:.0f} s", waiting_s));
  if (backlog > static_cast<double>(kBehindRecords)) {
    tell(Finding::kProcessorBacklog, fmt::format("{} records", with_separators(static_cast<std::int64_t>(backlog))));
  }
}

void check_queue(Findings& findings, const Samples& samples) {
  const double latency_s = samples.sum("finpipe_kafka_append_latency_seconds", R"(percentile="99")");
  if (latency_s > kSlowLogSeconds)
    findings.warn(Finding::kLogSlow, fmt::format("one acknowledgement of a hundred takes {:.1f} s", latency_s));
  const double pending = samples.sum("finpipe_log_pending_bytes").value_or(0);
  const double limit = samples.sum("finpipe_log_pending_limit_bytes").value_or(0);
  if (limit == 0 || pending < limit * kNearlyFull) return;
  const std::string text = fmt::format("{:.0f} of {:.0f} MiB wait", pending / kMib, limit / kMib);
  findings.faulty("log") ? findings.warn(Finding::kLogQueueFull, text) : findings.fault(Finding::kLogQueueFull, text);
}

void check_health(Findings& findings, const ServiceView& service) {
  const std::string text = fmt::format("{}", fmt::join(service.reasons, "; "));
  if (service.ready) return findings.ok("service", fmt::format("{} is ready", service.url));
  for (const std::string_view cause : {"disk", "log", "registry", "store", "checkpoint", "processor"})
    if (findings.faulty(cause)) return findings.warn(Finding::kServiceNotReady, text);
  findings.fault(Finding::kServiceNotReady, text);
}

// Those that the service has been shown, unless a fault of the part says it already.
void check_certificates(Findings& findings, const ServiceView& service, Clock& clock) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kSubjects = {
      {{"kafka", "log"}, {"cassandra", "store"}, {"registry", "registry"}}};
  const bool expired_told = findings.faulty("certificate");
  const double now_s = static_cast<double>(clock.wall_ns()) / static_cast<double>(kNsPerSecond);
  for (const auto& [labels, not_after_s] : service.samples.series("finpipe_certificate_not_after_seconds")) {
    if (not_after_s <= 0) continue;
    bool told =
        (expired_told && not_after_s <= now_s) || (labels.contains("feed") && service.feed && service.feed->error);
    for (const auto& [part, subject] : kSubjects) told = told || (labels.contains(part) && findings.faulty(subject));
    if (!told)
      check_certificate(findings, fmt::format("the first of {}", labels), static_cast<std::int64_t>(not_after_s),
                        clock);
  }
}

}  // namespace

Samples Samples::parse(std::string_view page) {
  Samples samples;
  while (!page.empty()) {
    const std::string_view line = page.substr(0, page.find('\n'));
    page.remove_prefix(std::min(page.size(), line.size() + 1));
    const std::size_t space = line.rfind(' ');
    if (line.starts_with('#') || space == std::string_view::npos) continue;
    double value = 0;
    if (std::from_chars(line.data() + space + 1, line.data() + line.size(), value).ec != std::errc()) continue;
    samples.values_[std::string(line.substr(0, space))] = value;
  }
  return samples;
}

std::vector<std::pair<std::string_view, double>> Samples::series(std::string_view metric) const {
  std::vector<std::pair<std::string_view, double>> found;
  for (auto at = values_.lower_bound(metric); at != values_.end() && at->first.starts_with(metric); ++at) {
    const std::string_view labels = std::string_view(at->first).substr(metric.size());
    if (labels.empty() || labels.starts_with('{')) found.emplace_back(labels, at->second);
  }
  return found;
}

std::optional<double> Samples::sum(std::string_view metric) const {
  const auto all = series(metric);
  if (all.empty()) return std::nullopt;
  return std::accumulate(all.begin(), all.end(), 0.0, [](double sum, const auto& one) { return sum + one.second; });
}

double Samples::sum(std::string_view metric, std::string_view label) const {
  double sum = 0;
  for (const auto& [labels, value] : series(metric))
    if (labels.contains(label)) sum += value;
  return sum;
}

Result<ServiceView> ask_service(const Settings& settings, const std::string& given) {
  ServiceView view;
  view.url = given.empty() ? url_of(settings) : given;
  view.expected = !given.empty();
  view.here = given.empty();
  while (view.url.ends_with('/')) view.url.pop_back();
  if (view.url.empty()) return view;
  const auto url = net::parse_url(view.url);
  if (!url || url->scheme != "http" || url->target != "/")
    return fail(ErrorCode::kBadUrl, fmt::format("--service {}: give it as http://HOST:PORT", given));
  view.here = view.here || url->host == "localhost" || ListenAddress{url->host}.loopback();
  if (const auto asked = ask(*url, view); !asked) view.error = asked.error();
  return view;
}

void check_service(Findings& findings, const Settings& settings, const ServiceView& service, const ServiceView& later,
                   Clock& clock) {
  if (service.url.empty()) return findings.ok("service", "it has no address that could be asked");
  if (service.error) return tell_unreachable(findings, service, log_owner(settings).has_value());
  const Samples& samples = service.samples;
  check_queue(findings, samples);
  check_processing(findings, service, settings);
  check_health(findings, service);
  check_connections(findings, samples, later.error ? samples : later.samples);
  check_certificates(findings, service, clock);
  for (const auto& [labels, value] : samples.series("finpipe_build_info")) {
    if (!labels.contains(fmt::format("\"{}\"", FINPIPE_VERSION)))
      findings.warn(Finding::kServiceOtherVersion, fmt::format("{}, not {}", labels, FINPIPE_VERSION));
  }
  const auto refused = [](const Samples& at) {
    return at.sum("finpipe_cassandra_timeouts_total").value_or(0) +
           at.sum("finpipe_cassandra_overloads_total").value_or(0);
  };
  if (!later.error && refused(later.samples) > refused(samples) && !findings.faulty("store")) {
    findings.warn(Finding::kStoreOverloaded,
                  fmt::format("{:.0f} requests since a moment ago", refused(later.samples) - refused(samples)));
  }
}

}  // namespace finpipe
