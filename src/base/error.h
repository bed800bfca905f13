// What can go wrong, as values: every failure has a numbered code, and every code one line of cause and one of remedy
// in one table (`kErrors`, error.cpp), from which the reference page and the messages are made.
// Functions that can fail return Result<T>; nothing throws across a module's edge.
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace finpipe {

enum class ErrorCode : std::uint16_t {
  // 1xx: usage and configuration
  kUsage = 100,
  kBadUrl = 101,
  kBadSetting = 102,
  kBadConfigFile = 103,
  kBadPolicy = 104,
  // 2xx: files, directories, the embedded parts
  kNotFound = 200,
  kIo = 201,
  kDirectoryInUse = 202,
  kReadOnly = 203,
  kDiskFull = 204,
  kCorrupt = 205,
  kWrongFormat = 206,
  // 3xx: input that becomes a dead letter
  kBadJson = 300,
  kUnknownFrame = 301,
  kFrameTooLarge = 302,
  kMissingField = 303,
  kWrongType = 304,
  kBadPrice = 305,
  kBadVolume = 306,
  kNumberOutOfRange = 307,
  kBadSymbol = 308,
  kBadConditions = 309,
  kTimeInFuture = 310,
  kTimeTooOld = 311,
  kTornTapeLine = 312,
  kBadTapeLine = 313,
  kTooDeep = 314,
  // 4xx: records in the log
  kAvroMalformed = 400,
  kUnknownSchemaId = 401,
  kOldSession = 402,
  kWrongPartition = 403,
  kKeyMismatch = 404,
  kNoSuchTrade = 405,
  kIncompatibleSchema = 406,
  // 5xx: log, engine and checkpoint rules
  kOriginMismatch = 500,
  kTapeOlderThanLog = 501,
  kCheckpointMismatch = 502,
  kOffsetOutOfRange = 503,
  kFingerprintMismatch = 504,
  kNewerIngest = 505,
  kSumOverflow = 506,
  kPartitionCountChanged = 507,
  kLogIncomplete = 508,
  kNoSuchLetter = 509,
  kNotReplayable = 510,
  kReplayDiffers = 511,
  kNewerReplay = 512,
  // 6xx: verification
  kDifferenceFound = 600,
  // 7xx: network
  kNameNotFound = 700,
  kConnectFailed = 701,
  kTimedOut = 702,
  kConnectionLost = 703,
  kProtocolError = 704,
  kTlsUnknownCa = 710,
  kTlsSelfSigned = 711,
  kTlsExpired = 712,
  kTlsWrongHost = 713,
  kTlsFailed = 714,
  kBadCertificate = 715,
  kUnauthorized = 720,
  kTooManyRequests = 721,
  kUpgradeRefused = 722,
  kListenFailed = 730,
  kInsecureListen = 731,
  kMissingKey = 732,
  // 8xx: requests to the endpoint
  kBadRequest = 800,
  kNoSuchRoute = 801,
  kMethodNotAllowed = 802,
  kForeignOrigin = 803,
  kForeignHost = 804,
  kUpgradeRequired = 805,
  // 9xx: Cassandra
  kStoreUnreachable = 900,
  kBadCredentials = 901,
  kNoPermission = 902,
  kNoKeyspace = 903,
  kSchemaMissing = 904,
  kSchemaVersion = 905,
  kWeakConsistency = 906,
  kStoreRefused = 907,
  kInterrupted = 908,
  kNotBuilt = 909,
  // 92x: Kafka
  kBrokerUnreachable = 920,
  kLogLogin = 921,
  kLogLoginMethod = 922,
  kLogPermission = 923,
  kTopicMissing = 924,
  kTopicSettings = 925,
  kLogIdMissing = 926,
  kLogIdsDiffer = 927,
  kGroupRefused = 928,
  kLogRefused = 929,
  kLogWritePermission = 930,
  kGroupPermission = 931,
  kLogProtocol = 932,
  kGroupInUse = 933,
  kLogUserUnknown = 934,
  // 94x: the schema registry
  kRegistryUnreachable = 940,
  kRegistryRefused = 941,
  kRegistryCredentials = 942,
  kSchemaNotRegistered = 943,
  kSchemaRejected = 944,
  kRegistryChanged = 945,
};

// One row of the errors table. `name` is the stable lower-case identifier used in dead letters, metrics and docs.
struct ErrorInfo {
  ErrorCode code;
  std::string_view name;
  std::string_view cause;
  std::string_view remedy;
};

[[nodiscard]] std::span<const ErrorInfo> error_table();
[[nodiscard]] const ErrorInfo& error_info(ErrorCode code);

struct Error {
  ErrorCode code;
  std::string detail;  // what exactly: the path, the value, the position. Never a secret.

  // "E202 directory_in_use: <cause> (<detail>). <remedy>", one line.
  [[nodiscard]] std::string message() const;
};

template <typename T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string detail = {}) {
  return std::unexpected(Error{code, std::move(detail)});
}

[[nodiscard]] inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

}  // namespace finpipe

// Returns early with the error of a Result<void>-like expression.
#define FINPIPE_TRY(expression)                                      \
  do {                                                               \
    if (auto finpipe_try_result = (expression); !finpipe_try_result) \
      return ::finpipe::fail(std::move(finpipe_try_result).error()); \
  } while (false)

// Declares `name` as the value of a Result, or returns early with its error.
#define FINPIPE_TRY_ASSIGN(name, expression)                                    \
  auto name##_result = (expression);                                            \
  if (!name##_result) return ::finpipe::fail(std::move(name##_result).error()); \
  auto& name = *name##_result
