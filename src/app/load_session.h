// Conducts a load: waits until its target is ready, plays one run, or those of a search, tells how it goes each second,
// and makes the report. A signal ends it with the report so far.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/end_signals.h"
#include "app/load_targets.h"
#include "base/clock.h"
#include "load/report.h"
#include "load/search.h"

namespace finpipe {

struct LoadPlan {
  FlowOptions flow;  // its rate is that of the run without a search
  std::int64_t warm_up_ms = 1'000;
  std::int64_t measured_ms = 10'000;
  std::int64_t try_ms = 5'000;  // measured in a try of a search
  std::int64_t limit_ms = 100;  // of p99
  std::optional<RateSearch::Options> search;
};

class LoadSession {
 public:
  LoadSession(LoadTarget& target, const PolicySet& policies, const LoadPlan& plan, const EndSignals& signals,
              Clock& clock)
      : target_(target), policies_(policies), plan_(plan), signals_(signals), clock_(clock) {}

  [[nodiscard]] Result<LoadReport> conduct();

 private:
  [[nodiscard]] Result<void> wait_until_ready();
  [[nodiscard]] Result<void> search(LoadReport& report);
  // Tells a line each second, in a search only of the run that is reported.
  [[nodiscard]] Result<RunReport> run(std::int64_t trades_per_second, std::int64_t measured_ms, bool tell);
  [[nodiscard]] Result<void> attend(LoadRun& run, bool tell);
  [[nodiscard]] RunReport report_of(LoadRun& run, std::int64_t lost_before);

  LoadTarget& target_;
  const PolicySet& policies_;
  const LoadPlan& plan_;
  const EndSignals& signals_;
  Clock& clock_;
  bool interrupted_ = false;
};

}  // namespace finpipe
