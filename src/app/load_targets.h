// What a load is put on: a pipeline in other processes, of which this one is the vendor, or parts that this process
// opens itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/settings.h"
#include "base/clock.h"
#include "base/error.h"
#include "load/run.h"
#include "load/vendor.h"
#include "net/url.h"

namespace finpipe {

class LoadTarget {
 public:
  virtual ~LoadTarget() = default;
  // What latency is measured to.
  [[nodiscard]] virtual std::string_view arrival() const = 0;
  // Whether trades that count in no bar arrive nowhere.
  [[nodiscard]] virtual bool awaits_bars() const { return false; }
  // What a run has to wait for still; nullopt: nothing. Errors: what ended the work, kOriginMismatch.
  [[nodiscard]] virtual Result<std::optional<std::string>> waits_for() = 0;
  // Connections that were lost so far.
  [[nodiscard]] virtual std::int64_t lost_connections() const { return 0; }
  // Ends the work; what is in the parts of this process is durable then.
  [[nodiscard]] virtual Result<void> finish() { return {}; }
  // After finish: what was counted besides.
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::int64_t>> accounts() const { return {}; }

  // From here on this run is played, and arrivals are its own.
  void play(std::shared_ptr<LoadRun> run) { run_.set(std::move(run)); }

 protected:
  CurrentRun run_;
};

struct WebSocketTargetOptions {
  LoadVendor::Options vendor;
  net::Url stream;        // where the pipeline under load has its API
  bool existing = false;  // it may hold data that no load made
};
[[nodiscard]] Result<std::unique_ptr<LoadTarget>> open_websocket_target(const WebSocketTargetOptions& options,
                                                                        Clock& clock, const LoadVendor*& vendor);

// Until the log has acknowledged a trade; with a store until a processor of this process has its bars there.
// `stop`: whether to stop waiting for servers. Errors: kOriginMismatch, those of log and store.
[[nodiscard]] Result<std::unique_ptr<LoadTarget>> open_log_target(const Settings& settings, bool with_store,
                                                                  std::vector<std::string> symbols, Clock& clock,
                                                                  const std::function<bool()>& stop);
// Until the store has a trade and its bars; the log is in memory.
[[nodiscard]] Result<std::unique_ptr<LoadTarget>> open_store_target(const Settings& settings,
                                                                    std::vector<std::string> symbols, Clock& clock);

}  // namespace finpipe
