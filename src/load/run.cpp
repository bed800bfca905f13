#include "load/run.h"

#include <algorithm>
#include <utility>

namespace finpipe {

const Flow::Frame& LoadRun::send(std::int64_t now_ns) {
  const Flow::Frame& frame = flow_.next();
  flow_ended_ = flow_.ended();
  const std::int64_t due_ns = plan_.start_ns + frame.due_ns;
  const std::lock_guard lock(mutex_);
  if (frame.trades.empty()) ++counts_.bad_frames;
  counts_.sent += static_cast<std::int64_t>(frame.trades.size());
  counts_.awaited += std::ranges::count_if(frame.trades, [this](const auto& trade) { return awaits(trade); });
  if (due_ns >= plan_.measured_from_ns) sent_late_.add(now_ns - due_ns);
  return frame;
}

std::int64_t LoadRun::ended_ns(std::int64_t now_ns) const {
  const std::int64_t cut_ns = cut_ns_;
  return std::min(plan_.end_ns, cut_ns == 0 ? now_ns : std::min(now_ns, cut_ns));
}

std::int64_t LoadRun::due_by(std::int64_t now_ns) const { return flow_.due_by(ended_ns(now_ns) - plan_.start_ns); }

void LoadRun::arrived(std::span<const std::int64_t> due_ns, std::int64_t now_ns) {
  const std::lock_guard lock(mutex_);
  for (const std::int64_t due : due_ns) {
    if (due < plan_.start_ns) continue;
    ++counts_.arrived;
    if (due < plan_.measured_from_ns) continue;
    ++counts_.measured;
    latency_.add(now_ns - due);
    recent_.add(now_ns - due);
  }
}

LoadRun::Counts LoadRun::counts(std::int64_t now_ns) {
  const std::int64_t due = due_by(now_ns);
  const std::lock_guard lock(mutex_);
  Counts counts = counts_;
  counts.due = std::max(due, counts.sent);  // a frame leaves when the first of its trades is due
  return counts;
}

void LoadRun::note_backlog(std::int64_t now_ns) {
  const std::int64_t backlog = counts(now_ns).backlog();
  const std::lock_guard lock(mutex_);
  if (now_ns < plan_.measured_from_ns) return;
  largest_backlog_ = std::max(largest_backlog_, backlog);
  // Which quarter of the measured time it is, from 0.
  const std::int64_t quarter = 4 * (now_ns - plan_.measured_from_ns) / (plan_.end_ns - plan_.measured_from_ns);
  if (quarter != 1 && quarter != 3) return;
  Mean& mean = quarter == 1 ? backlog_early_ : backlog_late_;
  mean.sum += static_cast<double>(backlog);
  ++mean.count;
}

LatencyHistogram LoadRun::take_recent() {
  const std::lock_guard lock(mutex_);
  return std::exchange(recent_, LatencyHistogram());
}

LatencyHistogram LoadRun::latency() {
  const std::lock_guard lock(mutex_);
  return latency_;
}

LatencyHistogram LoadRun::sent_late() {
  const std::lock_guard lock(mutex_);
  return sent_late_;
}

std::int64_t LoadRun::largest_backlog() {
  const std::lock_guard lock(mutex_);
  return largest_backlog_;
}

RunFigures LoadRun::figures(std::int64_t now_ns, std::int64_t dropped) {
  const Counts so_far = counts(now_ns);
  const std::lock_guard lock(mutex_);
  return {.trades_per_second = plan_.trades_per_second,
          .measured = so_far.measured,
          .p99_ns = latency_.quantile_ns(0.99),
          .backlog_early = backlog_early_.value(),
          .backlog_late = backlog_late_.value(),
          .missing = so_far.awaited - so_far.arrived,
          .dropped = dropped};
}

}  // namespace finpipe
