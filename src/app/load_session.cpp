#include "app/load_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "app/progress.h"
#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::int64_t kTickMs = 10;
constexpr std::int64_t kLeadNs = 100 * kNsPerMs;  // from the plan of a run to its first trade
// What has not arrived is awaited for as long as something arrives, and so long after that.
constexpr std::int64_t kQuietNs = 5 * kNsPerSecond;
constexpr std::int64_t kDrainNs = 60 * kNsPerSecond;
constexpr std::int64_t kInterruptedDrainNs = kNsPerSecond;
// A try is over when its backlog cannot be within the limit any more, by far.
constexpr std::int64_t kHopelessLimits = 10;

void tell_line(const std::string& line) { tell(line + '\n'); }

}  // namespace

Result<LoadReport> LoadSession::conduct() {
  LoadReport report;
  report.arrival = target_.arrival();
  report.flow = plan_.flow;
  report.limit_ms = plan_.limit_ms;
  report.searched = plan_.search.has_value();
  FINPIPE_TRY(wait_until_ready());
  if (!interrupted_ && plan_.search) {
    FINPIPE_TRY(search(report));
  } else if (!interrupted_) {
    FINPIPE_TRY_ASSIGN(done, run(plan_.flow.trades_per_second, plan_.measured_ms, true));
    report.run = std::move(done);
  }
  report.interrupted = interrupted_;
  FINPIPE_TRY(target_.finish());
  report.accounts = target_.accounts();
  return report;
}

Result<void> LoadSession::wait_until_ready() {
  constexpr std::int64_t kTellNs = 10 * kNsPerSecond;
  std::int64_t tell_ns = clock_.boot_ns() + kTellNs;
  for (;;) {
    FINPIPE_TRY_ASSIGN(awaited, target_.waits_for());
    if (!awaited) return {};
    if (clock_.boot_ns() >= tell_ns) {
      tell_line(fmt::format("waiting for {}", *awaited));
      tell_ns += kTellNs;
    }
    if (signals_.wait(kTickMs)) {
      interrupted_ = true;
      return {};
    }
  }
}

Result<void> LoadSession::search(LoadReport& report) {
  RateSearch search(*plan_.search);
  while (const auto next = search.next()) {
    FINPIPE_TRY_ASSIGN(done,
                       run(next->trades_per_second, next->confirms ? plan_.measured_ms : plan_.try_ms, next->confirms));
    if (interrupted_) {
      report.run = std::move(done);
      return {};
    }
    report.steps.push_back({next->trades_per_second, done.latency.quantile_ns(0.5), done.figures.p99_ns,
                            done.latency.max_ns(), done.not_held});
    tell_line(step_line(report.steps.back()));
    search.tell(done.held());
    report.run = std::move(done);
    FINPIPE_TRY(wait_until_ready());
    if (interrupted_) return {};
  }
  report.sustained = search.found();
  return {};
}

Result<RunReport> LoadSession::run(std::int64_t trades_per_second, std::int64_t measured_ms, bool tell) {
  FlowOptions flow = plan_.flow;
  flow.trades_per_second = trades_per_second;
  LoadRun::Plan plan;
  plan.start_ns = clock_.boot_ns() + kLeadNs;
  plan.measured_from_ns = plan.start_ns + plan_.warm_up_ms * kNsPerMs;
  plan.end_ns = plan.measured_from_ns + measured_ms * kNsPerMs;
  plan.awaits_bars = target_.awaits_bars();
  plan.trades_per_second = trades_per_second;
  // Those that are due before the end: of a part of a tape not as many as the rate says.
  const Arrivals arrivals(flow.trades_per_second, flow.bursts, flow.tape ? flow.tape->arrivals : nullptr);
  const std::int64_t trades = arrivals.due_by(plan.end_ns - plan.start_ns - 1);
  const auto run = std::make_shared<LoadRun>(
      Flow(flow, policies_, std::max<std::int64_t>(trades, 1), clock_.wall_ns() + kLeadNs), plan);
  const std::int64_t lost_before = target_.lost_connections();
  target_.play(run);
  FINPIPE_TRY(attend(*run, tell));
  return report_of(*run, lost_before);
}

Result<void> LoadSession::attend(LoadRun& run, bool tell) {
  const LoadRun::Plan& plan = run.plan();
  const std::int64_t hopeless =
      kHopelessLimits * plan.trades_per_second * std::max(plan_.limit_ms, kMsPerSecond / 4) / kMsPerSecond;
  std::int64_t tell_ns = plan.start_ns + kNsPerSecond;
  std::int64_t told_arrived = 0, arrived = 0;
  std::int64_t changed_ns = 0;
  std::int64_t deadline_ns = plan.end_ns + kDrainNs;
  for (std::int64_t now_ns = clock_.boot_ns();; now_ns = clock_.boot_ns()) {
    FINPIPE_TRY(target_.waits_for());
    run.note_backlog(now_ns);
    const LoadRun::Counts counts = run.counts(now_ns);
    if (counts.arrived != arrived || !run.all_sent()) changed_ns = now_ns;
    arrived = counts.arrived;
    if (tell && now_ns >= tell_ns) {
      const std::int64_t second = (now_ns - plan.start_ns) / kNsPerSecond;
      const double seconds = static_cast<double>(now_ns - tell_ns) / 1e9 + 1;
      tell_line(live_line(second, static_cast<double>(arrived - told_arrived) / seconds, run.take_recent(),
                          counts.backlog()));
      told_arrived = arrived;
      tell_ns = plan.start_ns + (second + 1) * kNsPerSecond;
    }
    if (!run.all_sent() && !tell && counts.backlog() > hopeless) run.cut(now_ns);
    if (run.all_sent()) {
      const bool quiet = now_ns - changed_ns > kQuietNs || now_ns > deadline_ns;
      if (counts.backlog() <= 0 || quiet) return {};
    }
    if (signals_.wait(kTickMs)) {
      if (interrupted_) return {};
      interrupted_ = true;
      run.cut(clock_.boot_ns());
      deadline_ns = clock_.boot_ns() + kInterruptedDrainNs;
    }
  }
}

RunReport LoadSession::report_of(LoadRun& run, std::int64_t lost_before) {
  const LoadRun::Plan& plan = run.plan();
  const std::int64_t now_ns = clock_.boot_ns();
  RunReport report;
  report.trades_per_second = plan.trades_per_second;
  report.measured_ms = std::max<std::int64_t>(run.ended_ns(now_ns) - plan.measured_from_ns, 0) / kNsPerMs;
  report.counts = run.counts(now_ns);
  report.figures = run.figures(now_ns, target_.lost_connections() - lost_before);
  report.largest_backlog = run.largest_backlog();
  report.latency = run.latency();
  report.sent_late = run.sent_late();
  report.not_held = why_not_held(report.figures, plan_.limit_ms * kNsPerMs);
  if (run.was_cut() && !interrupted_) {
    report.not_held = "given up: far more was due than had arrived";
  }
  return report;
}

}  // namespace finpipe
