// What `finpipe check` finds: one line for each thing that it looks at, and below one that is not well what to do. A
// finding is named after what it is about: `SUBJECT`, `SUBJECT.NAME` of the table here, or `SUBJECT.NAME` of the errors
// table. docs/reference/findings.md is generated from the table.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace finpipe {

enum class Finding : std::uint8_t {
  kServiceNotRunning,
  kServiceHangs,
  kServiceShedsConnections,
  kServiceNotReady,
  kServiceOtherVersion,
  kServiceNotFinpipe,
  kServiceSlowClients,
  kFeedStalled,
  kFeedSilent,
  kFeedDisconnected,
  kFeedGapOpen,
  kFeedNoHeartbeat,
  kFeedRefusedSymbols,
  kFeedSuspects,
  kFeedLag,
  kProcessorBacklog,
  kProcessorCommitStalled,
  kProcessorNotRunning,
  kLedgerUnbalanced,
  kLogHeld,
  kLogNoLeader,
  kLogUnderReplicated,
  kLogSlow,
  kLogQueueFull,
  kStoreNodesDown,
  kStoreOverloaded,
  kStoreSlow,
  kDiskFull,
  kDiskLow,
  kDiskReadOnly,
  kCertificateExpired,
  kCertificateExpires,
  kClockBehind,
  kClockAhead,
  kClocksDiffer,
  kLimitOpenFiles,
  kLimitFileSize,
  kCheckNotFinished,
};

struct FindingInfo {
  Finding id;
  std::string_view name;  // SUBJECT.NAME
  std::string_view meaning;
  std::string_view remedy;
};
[[nodiscard]] std::span<const FindingInfo> finding_table();
[[nodiscard]] const FindingInfo& finding_info(Finding finding);

// Prints as it is told.
class Findings {
 public:
  enum class Faults : std::uint8_t {
    kAll,
    kBroken,  // those of broken() alone: all others are told as warnings
  };
  // `json`: an object a line, {"level":"ok|warn|fault","name":…,"evidence":…,"remedy":…}.
  explicit Findings(bool json, Faults faults = Faults::kAll) : json_(json), faults_(faults) {}

  void ok(std::string_view subject, std::string_view evidence);
  // Something to know, that does no harm yet or is over.
  void warn(Finding finding, std::string_view evidence);
  void warn(std::string_view subject, const Error& error);
  void fault(Finding finding, std::string_view evidence);
  // Named by the errors table, whose remedy it has.
  void fault(std::string_view subject, const Error& error);
  // Likewise, of what can be neither made nor reached.
  void broken(std::string_view subject, const Error& error);

  // Whether a fault of this subject, such as `log`, was found.
  [[nodiscard]] bool faulty(std::string_view subject) const { return faulty_.contains(subject); }
  // Whether one was told as such.
  [[nodiscard]] bool any_fault() const { return any_fault_; }

 private:
  enum class Level : std::uint8_t { kOk, kWarn, kFault };
  void tell(Level level, std::string_view name, std::string_view evidence, std::string_view remedy);
  void tell_fault(bool counts, std::string_view name, std::string_view evidence, std::string_view remedy);

  const bool json_;
  const Faults faults_;
  bool any_fault_ = false;
  std::set<std::string, std::less<>> faulty_;
};

}  // namespace finpipe
