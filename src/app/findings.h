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
  kLimitOpenFiles,
  kLimitFileSize,
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
  // `json`: an object a line, {"level":"ok|warn|fault","name":…,"evidence":…,"remedy":…}.
  explicit Findings(bool json) : json_(json) {}

  void ok(std::string_view subject, std::string_view evidence);
  // Something to know, that does no harm yet or is over.
  void warn(Finding finding, std::string_view evidence);
  void warn(std::string_view subject, const Error& error);
  void fault(Finding finding, std::string_view evidence);
  // Named by the errors table, whose remedy it has.
  void fault(std::string_view subject, const Error& error);

  // Whether a fault of this subject, such as `log`, was told.
  [[nodiscard]] bool faulty(std::string_view subject) const { return faulty_.contains(subject); }
  [[nodiscard]] bool any_fault() const { return !faulty_.empty(); }

 private:
  enum class Level : std::uint8_t { kOk, kWarn, kFault };
  void tell(Level level, std::string_view name, std::string_view evidence, std::string_view remedy);

  const bool json_;
  std::set<std::string, std::less<>> faulty_;
};

}  // namespace finpipe
