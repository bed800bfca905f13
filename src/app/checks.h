// The parts of `finpipe check`. Each looks at one thing, tells what it finds, and gives what the others need of it.
// Nothing is changed by any of them, unless topics and tables are to be created.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/findings.h"
#include "app/parts.h"
#include "app/settings.h"
#include "base/clock.h"
#include "base/error.h"
#include "pipeline/checkpoint.h"

namespace finpipe {

// ---- The machine

// Whether log or store (`subject`) can be written there, and whether there is room. True when there is data to look
// into.
[[nodiscard]] bool check_directory(Findings& findings, std::string_view subject, const std::string& directory);
// "process 4711 (finpipe run)", who owns the directory of a log or store; nullopt: nobody. Who may not look is told
// of somebody.
[[nodiscard]] std::optional<std::string> owner_of(const std::string& directory);
// Of the log's, if it has one.
[[nodiscard]] std::optional<std::string> log_owner(const Settings& settings);
void check_limits(Findings& findings);
// `what`, such as "of the feed", ends then.
void check_certificate(Findings& findings, std::string_view what, std::int64_t not_after_s, Clock& clock);
void check_certificate_files(Findings& findings, const Settings& settings, Clock& clock);

// ---- The running service

// The samples of a /metrics page.
class Samples {
 public:
  [[nodiscard]] static Samples parse(std::string_view page);
  // Of all series of the metric, nullopt: it has none.
  [[nodiscard]] std::optional<double> sum(std::string_view metric) const;
  // Of the series that have this text among their labels: `reason="too_far_behind"`.
  [[nodiscard]] double sum(std::string_view metric, std::string_view label) const;
  // The labels' text of each series, and its value.
  [[nodiscard]] std::vector<std::pair<std::string_view, double>> series(std::string_view metric) const;

 private:
  std::map<std::string, double, std::less<>> values_;  // name{labels} to value
};

// What a process says of itself.
struct ServiceView {
  struct Feed {
    std::string detail;          // what its connection does
    std::optional<Error> error;  // why it is not open
  };
  std::string url;             // empty: there is none to ask
  bool expected = false;       // somebody said that it is there
  bool here = false;           // on this machine
  std::optional<Error> error;  // why it cannot be asked
  bool ready = false;
  std::string role;                  // its subcommand
  std::vector<std::string> reasons;  // why it is not ready
  std::optional<Feed> feed;          // of a process that has a live one
  Samples samples;

  [[nodiscard]] bool answers() const { return !url.empty() && !error; }
  // Also one that hangs.
  [[nodiscard]] bool is_there() const {
    return answers() || (error && (error->code == ErrorCode::kTimedOut || error->code == ErrorCode::kConnectionLost));
  }
};
// `given`: its URL; empty: where the settings say that it listens. Error: kBadUrl.
[[nodiscard]] Result<ServiceView> ask_service(const Settings& settings, const std::string& given);
// After log and store, whose faults explain what it says. `later`: asked once more.
void check_service(Findings& findings, const Settings& settings, const ServiceView& service, const ServiceView& later,
                   Clock& clock);

// ---- Store and log

struct StoreView {
  std::vector<Checkpoint> checkpoints;

  // That with the newest heartbeat; null: there is none.
  [[nodiscard]] const Checkpoint* newest() const;
};
[[nodiscard]] StoreView check_store(Findings& findings, const Settings& settings, bool create, Clock& clock);
struct LogView {
  std::optional<std::int64_t> newest_ns;  // stamp of its newest record; nullopt: not known
};
// With registry, checkpoints and dead letters; and what a process of that role may do, empty: none is known. Reading
// ends at `deadline_ns` of the boot clock.
LogView check_log(Findings& findings, const Settings& settings, bool create, const StoreView& store,
                  const ServiceView& service, std::string_view role, std::int64_t deadline_ns, Clock& clock);
void check_replicas(Findings& findings, const KafkaReplicas& replicas);
// Whether the ingest runs on this machine, as far as can be seen.
[[nodiscard]] bool ingests_here(const Settings& settings, const ServiceView& service);

// ---- The feed

enum class Trying : std::uint8_t {
  kNo,
  kReach,    // only whether its server answers: a key has one connection, which somebody may have
  kConnect,  // as a service does, unless somebody else seems to be connected
};
// Last: what is wrong elsewhere explains what the log says of it.
void check_feed(Findings& findings, Settings settings, const StoreView& store, const LogView& log,
                const ServiceView& service, Trying trying, Clock& clock);

}  // namespace finpipe
