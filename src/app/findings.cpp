#include "app/findings.h"

#include <fmt/format.h>

#include <array>
#include <cstdio>

#include "codec/flat_json.h"

namespace finpipe {
namespace {

// In the order of the enumeration.
constexpr auto kFindings = std::to_array<FindingInfo>({
    {Finding::kServiceNotRunning, "service.not_running", "Nothing listens where the service should",
     "Start it: what is stored is not lost, and the time until then becomes a gap. Its last lines say why it ended"},
    {Finding::kServiceHangs, "service.hangs", "The service is there and does not answer",
     "It is stopped or hangs: see its state with `ps`, let it go on with `kill -CONT`, or end it with `kill -KILL` and "
     "start it; nothing acknowledged is lost"},
    {Finding::kServiceShedsConnections, "service.sheds_connections",
     "The service closes connections for want of room or of file descriptors",
     "Start it with more file descriptors (`ulimit -n`), and see who holds so many connections to it"},
    {Finding::kServiceNotReady, "service.not_ready", "The service says that it is not ready",
     "See the fault of its log, store or disk; what it has to catch up on alone passes by itself"},
    {Finding::kServiceOtherVersion, "service.other_version", "The service is of another version than this program",
     "Restart it to use the version that is installed"},
    {Finding::kServiceNotFinpipe, "service.not_finpipe", "Another program answers where the service should",
     "Give `check` the service's address with --service, or the service another one with --listen"},
    {Finding::kServiceSlowClients, "service.slow_clients",
     "Clients of the live stream did not read what they asked for, and were disconnected",
     "Nothing to do here: see those clients, or let them subscribe to less"},
    {Finding::kFeedStalled, "feed.stalled",
     "The feed's server is connected to, or takes connections, and sends nothing",
     "The service connects again by itself, and states the gap. If it lasts: see the vendor's status page, and whether "
     "a proxy in between holds connections"},
    {Finding::kFeedSilent, "feed.silent", "The feed is connected, and nothing has come for a while",
     "Nothing to do outside trading hours; else wait: a connection that stays silent is given up and made anew"},
    {Finding::kFeedDisconnected, "feed.disconnected", "The log says that its feed is not connected",
     "Run `finpipe check` where the ingest runs: it knows why"},
    {Finding::kFeedGapOpen, "feed.gap_open", "The feed is connected, and in the store its interruption goes on",
     "The processor has not come to the record that ends it: see its backlog and the store"},
    {Finding::kFeedNoHeartbeat, "feed.no_heartbeat", "No heartbeat comes from the log",
     "Start the ingest, if there is none; else see why it cannot write the log, or the processor not read it"},
    {Finding::kFeedRefusedSymbols, "feed.refused_symbols", "The vendor does not send some of the symbols",
     "Correct them in --symbols, or take fewer: the plan of the key has a limit"},
    {Finding::kFeedSuspects, "feed.suspects", "Trades were received that repeat earlier ones",
     "Nothing to do: they are stored, and left out of bars. If many come, ask the vendor"},
    {Finding::kFeedLag, "feed.lag", "Trades are received long after they happened, or before",
     "If it is so for all markets, check this machine's clock (`timedatectl`); else it is the vendor. Bars close "
     "later, "
     "and stay right"},
    {Finding::kProcessorBacklog, "processor.backlog", "Records of the log wait to be processed",
     "See the store first; else it needs more processor time, or more `finpipe process`, up to the number of "
     "partitions"},
    {Finding::kProcessorCommitStalled, "processor.commit_stalled", "What was processed is not stored",
     "See the store: nothing is lost, and it goes on by itself once the store does"},
    {Finding::kProcessorNotRunning, "processor.not_running", "No process stores what is in the log",
     "Start `finpipe process`, or run `finpipe check` where it runs: nothing is lost, it goes on from where it was"},
    {Finding::kLedgerUnbalanced, "ledger.unbalanced",
     "The account of trades of a session does not balance: some were lost or counted twice",
     "Keep log and store as they are, run `finpipe verify`, and report what it says; `finpipe checkpoint reset` makes "
     "the "
     "store anew from the log"},
    {Finding::kLogHeld, "log.held", "A process owns the directory, and nothing answers where it should be asked",
     "Give `check` its address with --service, or end that process if it is not meant to be there"},
    {Finding::kLogNoLeader, "log.no_leader", "Partitions have no leader: they can neither be written nor read",
     "Start the brokers that are named"},
    {Finding::kLogUnderReplicated, "log.under_replicated", "Partitions have fewer replicas in sync than they should",
     "Start the brokers that are named, or see why they do not keep up: disk, network, memory"},
    {Finding::kLogSlow, "log.slow", "Kafka acknowledges slowly",
     "See disk, network and load of the brokers; what waits is bounded by kafka-buffer"},
    {Finding::kLogQueueFull, "log.queue_full", "So much waits for Kafka that the feed has to wait",
     "See the brokers: what the vendor sends meanwhile may be lost, and is stated as a gap. A larger kafka-buffer "
     "bridges "
     "longer outages"},
    {Finding::kStoreNodesDown, "store.nodes_down", "Nodes of the Cassandra cluster are down",
     "Start them; `nodetool status` tells which"},
    {Finding::kStoreOverloaded, "store.overloaded", "Cassandra refuses requests or does not answer them in time",
     "Nothing is lost: they are sent again, fewer at a time. See `nodetool tpstats`, heap and disk of the nodes"},
    {Finding::kStoreSlow, "store.slow", "The store answers slowly",
     "See `nodetool tpstats` and `nodetool compactionstats`, heap and disk of the nodes, and the network"},
    {Finding::kDiskFull, "disk.full", "No room is left on a disk that log or store are on",
     "Make room, then start finpipe again if it has ended: nothing stored is lost"},
    {Finding::kDiskLow, "disk.low", "Little room is left on a disk that log or store are on",
     "Make room before it is full: at least 1 GiB is wise"},
    {Finding::kDiskReadOnly, "disk.read_only", "The file system that log or store are on cannot be written",
     "See `dmesg` for the reason, check it with `fsck`, and mount it for writing again"},
    {Finding::kCertificateExpired, "certificate.expired", "A certificate has ended",
     "Renew it, then restart who shows it; if all seem to have ended, check this machine's clock"},
    {Finding::kCertificateExpires, "certificate.expires", "A certificate ends soon",
     "Renew it, then restart who shows it"},
    {Finding::kClockBehind, "clock.behind", "This machine's clock is behind",
     "Set it (`timedatectl`, chrony): event time is not touched, but what is received seems to be from the future"},
    {Finding::kClockAhead, "clock.ahead", "This machine's clock is ahead",
     "Set it (`timedatectl`, chrony): event time is not touched, but bars close late and certificates seem to end"},
    {Finding::kClocksDiffer, "clock.differs", "The clock of one of two machines is wrong",
     "Compare the clocks of those that are named (`timedatectl`), and run `finpipe check` where the ingest runs"},
    {Finding::kLimitOpenFiles, "limit.open_files", "Programs that are started here may open few files",
     "Raise it (`ulimit -Hn`, LimitNOFILE): 4096 is wise"},
    {Finding::kLimitFileSize, "limit.file_size", "Programs that are started here may not write large files",
     "Lift it (`ulimit -f unlimited`, LimitFSIZE): log and store grow"},
    {Finding::kCheckNotFinished, "check.not_finished", "`check` takes at most a minute, and has not read all in it",
     "See whether the log or the store is slow, and run it again: what it did not come to may hold further faults"},
});

// "The server refuses the API key (401): HTTP 401 (E720)"
std::string text_of(const Error& error) {
  const ErrorInfo& info = error_info(error.code);
  return fmt::format("{}{}{} (E{})", info.cause, error.detail.empty() ? "" : ": ", error.detail,
                     static_cast<int>(error.code));
}

}  // namespace

std::span<const FindingInfo> finding_table() { return kFindings; }
const FindingInfo& finding_info(Finding finding) { return kFindings[static_cast<std::size_t>(finding)]; }

void Findings::ok(std::string_view subject, std::string_view evidence) { tell(Level::kOk, subject, evidence, {}); }

void Findings::warn(Finding finding, std::string_view evidence) {
  tell(Level::kWarn, finding_info(finding).name, evidence, finding_info(finding).remedy);
}

void Findings::warn(std::string_view subject, const Error& error) {
  const ErrorInfo& info = error_info(error.code);
  tell(Level::kWarn, fmt::format("{}.{}", subject, info.name), text_of(error), info.remedy);
}

void Findings::fault(Finding finding, std::string_view evidence) {
  tell_fault(faults_ == Faults::kAll, finding_info(finding).name, evidence, finding_info(finding).remedy);
}

void Findings::fault(std::string_view subject, const Error& error) {
  const ErrorInfo& info = error_info(error.code);
  tell_fault(faults_ == Faults::kAll, fmt::format("{}.{}", subject, info.name), text_of(error), info.remedy);
}

void Findings::broken(std::string_view subject, const Error& error) {
  const ErrorInfo& info = error_info(error.code);
  tell_fault(true, fmt::format("{}.{}", subject, info.name), text_of(error), info.remedy);
}

void Findings::tell_fault(bool counts, std::string_view name, std::string_view evidence, std::string_view remedy) {
  faulty_.emplace(name.substr(0, name.find('.')));
  any_fault_ = any_fault_ || counts;
  tell(counts ? Level::kFault : Level::kWarn, name, evidence, remedy);
}

void Findings::tell(Level level, std::string_view name, std::string_view evidence, std::string_view remedy) {
  if (json_) {
    constexpr std::array<std::string_view, 3> kNames = {"ok", "warn", "fault"};
    std::string line =
        fmt::format(R"({{"level":"{}","name":"{}","evidence":)", kNames[static_cast<std::size_t>(level)], name);
    append_json_string(line, evidence);
    line += R"(,"remedy":)";
    append_json_string(line, remedy);
    fmt::print("{}}}\n", line);
  } else {
    constexpr std::array<std::string_view, 3> kNames = {"ok", "warn", "FAULT"};
    fmt::print("{:<6} {:<26} {}\n", kNames[static_cast<std::size_t>(level)], name, evidence);
    if (!remedy.empty()) fmt::print("       -> {}\n", remedy);
  }
  std::fflush(stdout);
}

}  // namespace finpipe
