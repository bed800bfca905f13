#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <variant>

#include "app/checks.h"
#include "app/progress.h"
#include "app/urls.h"
#include "base/time.h"
#include "codec/records.h"

namespace finpipe {
namespace {

constexpr std::int64_t kRecentNs = 900 * kNsPerSecond;  // dead letters of that time are a fault
constexpr std::int64_t kClockSlackNs = 5 * kNsPerSecond;

// Topics are made and checked by --create. False when there is a problem.
bool create_topics(Findings& findings, const Settings& settings, const KafkaUrl& url, const StoreView& store) {
  std::optional<LogId> known;
  for (const Checkpoint& checkpoint : store.checkpoints) known = checkpoint.log_id;
  const auto done = create_log(settings, url, known);
  if (!done) return findings.broken("log", done.error()), false;
  for (const std::string& line : *done) findings.ok("topics", line);
  return true;
}

// False when there is a problem.
bool check_schemas(Findings& findings, const Settings& settings, const KafkaUrl& url, bool create) {
  const auto told = check_registry(settings, url, create);
  if (!told) return findings.broken("registry", told.error()), false;
  if (!told->empty()) findings.ok("registry", *told);
  return true;
}

std::int64_t stamp_of(const LogRecord& record, TradeDecoder& decoder) {
  if (record.type == RecordType::kTrade) {
    Trade trade;
    return decoder.decode(record.value, trade) ? trade.received_at_ns : 0;
  }
  const auto control = decode_control(record.value);
  return control ? control->stamp : 0;
}

// Of the last records of a partition; 0: there is none that tells; nullopt: the time was over.
Result<std::optional<std::int64_t>> newest_stamp(LogReader& reader, std::int32_t partition, OffsetRange range,
                                                 std::int64_t deadline_ns, Clock& clock) {
  constexpr std::int64_t kRecords = 8;
  constexpr std::size_t kBytes = std::size_t{1} << 20;
  std::int64_t next = std::max(range.begin, range.end - kRecords);
  std::int64_t newest_ns = 0;
  TradeDecoder decoder;
  FINPIPE_TRY(reader.seek(partition, next));
  reader.resume(partition);
  while (next < range.end) {
    if (clock.boot_ns() >= deadline_ns) return std::nullopt;
    FINPIPE_TRY_ASSIGN(read, reader.poll(kBytes));
    for (const LogReader::Batch& batch : read.batches) {
      if (batch.partition != partition) continue;
      for (const LogRecord& record : batch.records) newest_ns = std::max(newest_ns, stamp_of(record, decoder));
      next = batch.first_offset + std::ssize(batch.records);
    }
  }
  reader.pause(partition);
  return newest_ns;
}

// What was received cannot be from the future.
void check_clock(Findings& findings, std::int64_t newest_ns, bool ingested_here, Clock& clock) {
  const std::int64_t now_ns = clock.wall_ns();
  if (newest_ns <= now_ns + kClockSlackNs) return;
  findings.fault(ingested_here ? Finding::kClockBehind : Finding::kClocksDiffer,
                 fmt::format("it is {} here, and the log's newest record is of {}", format_time_ms(now_ns / kNsPerMs),
                             format_time_ms(newest_ns / kNsPerMs)));
}

struct LettersOf {
  std::int64_t count = 0;
  std::string newest;  // its id
};

void check_letters(Findings& findings, LogPart& log, std::int64_t deadline_ns, Clock& clock) {
  const std::int64_t recently_ns = clock.wall_ns() - kRecentNs;
  std::map<ErrorCode, LettersOf> letters;
  bool finished = true;
  const auto read = log.dead_letter_query(recently_ns / kNsPerMs)->dead_letters([&](const DeadLetter& letter) {
    if (letter.received_at_ns >= recently_ns) {
      LettersOf& of = letters[letter.reason];
      ++of.count;
      of.newest = letter.id;
    }
    finished = clock.boot_ns() < deadline_ns;
    return finished;
  });
  if (!read) return findings.fault("dead_letters", read.error());
  for (const auto& [reason, of] : letters) {
    findings.fault("dead_letters", Error{reason, fmt::format("{} in the last 15 minutes, the newest {}",
                                                             with_separators(of.count), of.newest)});
  }
  if (!finished) return findings.warn(Finding::kCheckNotFinished, "dead letters of the last 15 minutes");
  if (letters.empty())
    findings.ok("dead_letters", "none in the last 15 minutes; `finpipe deadletters list` shows older ones");
}

Result<void> check_checkpoint(const Checkpoint& checkpoint, LogPart& log, LogReader& reader) {
  const std::string where = fmt::format("partition {}", checkpoint.partition);
  if (checkpoint.log_id != log.log_id())
    return fail(ErrorCode::kCheckpointMismatch, where + ": the log is another one");
  if (checkpoint.partitions != log.partitions()) {
    return fail(ErrorCode::kPartitionCountChanged,
                fmt::format("the log has {}, the checkpoint {}", log.partitions(), checkpoint.partitions));
  }
  if (checkpoint.fingerprint != engine_fingerprint()) {
    return fail(ErrorCode::kFingerprintMismatch,
                fmt::format("the bars: {}; this program: {}", checkpoint.fingerprint, engine_fingerprint()));
  }
  FINPIPE_TRY_ASSIGN(range, reader.range(checkpoint.partition));
  if (checkpoint.offset > range.end) {
    return fail(ErrorCode::kCheckpointMismatch,
                fmt::format("{}: the log ends at {}, the checkpoint is at {}", where, range.end, checkpoint.offset));
  }
  if (checkpoint.offset < range.begin) {
    return fail(ErrorCode::kOffsetOutOfRange, fmt::format("{}: the log begins at {}, the checkpoint is at {}", where,
                                                          range.begin, checkpoint.offset));
  }
  return {};
}

void check_checkpoints(Findings& findings, const StoreView& store, LogPart& log, LogReader& reader) {
  for (const Checkpoint& checkpoint : store.checkpoints) {
    if (const auto good = check_checkpoint(checkpoint, log, reader); !good) {
      findings.fault("checkpoint", good.error());
    } else {
      findings.ok("checkpoint", fmt::format("partition {}: generation {}, offset {}", checkpoint.partition,
                                            checkpoint.generation, with_separators(checkpoint.offset)));
    }
  }
}

void check_owner(Findings& findings, const std::string& directory, const ServiceView& service) {
  const auto owner = owner_of(directory);
  if (!owner) return;
  if (service.is_there()) {
    findings.ok("log", fmt::format("{} owns it", *owner));
  } else {
    findings.warn(Finding::kLogHeld, fmt::format("{} owns {}", *owner, directory));
  }
}

// The newest stamp of all partitions, as far as the time lasts. Errors: those of the log.
Result<LogView> read_ends(Findings& findings, const std::string& name, LogReader& reader, std::int64_t deadline_ns,
                          Clock& clock) {
  LogView view{.newest_ns = 0};
  std::int64_t records = 0;
  for (std::int32_t partition = 0; partition < reader.partitions(); ++partition) {
    FINPIPE_TRY_ASSIGN(range, reader.range(partition));
    records += range.end - range.begin;
    if (!view.newest_ns) continue;
    FINPIPE_TRY_ASSIGN(stamp_ns, newest_stamp(reader, partition, range, deadline_ns, clock));
    if (!stamp_ns) {
      findings.warn(Finding::kCheckNotFinished, fmt::format("the newest records, from partition {} on", partition));
      view.newest_ns.reset();
    } else {
      view.newest_ns = std::max(*view.newest_ns, *stamp_ns);
    }
  }
  findings.ok("log",
              fmt::format("{}: partitions: {}; records: {}", name, reader.partitions(), with_separators(records)));
  return view;
}

// What a log says of itself once it is open.
Result<LogView> check_opened(Findings& findings, const Settings& settings, const std::string& name, LogPart& log,
                             const StoreView& store, bool ingested_here, std::int64_t deadline_ns, Clock& clock) {
  const auto reader = log.reader();
  FINPIPE_TRY_ASSIGN(view, read_ends(findings, name, *reader, deadline_ns, clock));
  if (view.newest_ns) check_clock(findings, *view.newest_ns, ingested_here, clock);
  if (settings.partitions != 0 && settings.partitions != log.partitions()) {
    findings.fault("log", Error{ErrorCode::kPartitionCountChanged, fmt::format("{} are asked for, the log has {}",
                                                                               settings.partitions, log.partitions())});
  }
  check_checkpoints(findings, store, log, *reader);
  check_letters(findings, log, deadline_ns, clock);
  return view;
}

// Why a log on Kafka cannot be opened may be seen from how its replicas are.
void check_kafka(Findings& findings, const Settings& settings, const KafkaUrl& url,
                 const Result<std::unique_ptr<LogPart>>& log) {
  if (!log && log.error().code != ErrorCode::kBrokerUnreachable) return;
  const auto replicas = log_replicas(settings, url);
  if (replicas) check_replicas(findings, *replicas);
}

// What a process of that role needs besides reading: one that may not has ended, so it need not run.
void check_access(Findings& findings, const Settings& settings, const KafkaUrl& url, std::string_view role) {
  if (role.empty()) return findings.ok("access", "to read; --role asks for what ingest, process or run need besides");
  const bool ingests = role == "ingest" || role == "run";
  const bool processes = role == "process" || role == "run";
  const auto refusals = log_refusals(settings, url,
                                     {.ticks = ingests,
                                      .bars = processes,
                                      .letters = ingests || processes,
                                      .group = role == "process" ? group_of(settings) : ""});
  // A broker that is away is told of by the replicas.
  if (!refusals && findings.faulty("log")) return;
  if (!refusals) return findings.fault("log", refusals.error());
  for (const Error& refusal : *refusals) findings.fault("log", refusal);
  if (refusals->empty()) findings.ok("access", fmt::format("all that {} needs", role));
}

}  // namespace

void check_replicas(Findings& findings, const KafkaReplicas& replicas) {
  std::vector<std::string> headless;
  std::vector<std::string> incomplete;
  std::set<std::int32_t> missing;
  std::set<std::int32_t> behind;  // though they answer
  for (const KafkaReplicas::Partition& one : replicas.partitions) {
    const std::string name = fmt::format("{} {}", one.topic, one.partition);
    if (one.leader < 0) headless.push_back(name);
    if (one.in_sync.size() < one.replicas.size()) incomplete.push_back(name);
    for (const std::int32_t broker : one.replicas) {
      if (!replicas.brokers.contains(broker)) {
        missing.insert(broker);
      } else if (one.leader < 0 || std::ranges::find(one.in_sync, broker) == one.in_sync.end()) {
        behind.insert(broker);
      }
    }
  }
  std::vector<std::string> answering;
  for (const auto& [id, address] : replicas.brokers) answering.push_back(fmt::format("{} at {}", id, address));
  std::string brokers = fmt::format("brokers that answer: {}", fmt::join(answering, ", "));
  if (!behind.empty()) brokers += fmt::format("; of these behind: {}", fmt::join(behind, ", "));
  if (!missing.empty()) brokers += fmt::format("; that are missing: {}", fmt::join(missing, ", "));
  const auto some = [](const std::vector<std::string>& names) {
    constexpr std::size_t kMaxNames = 6;
    const auto shown = static_cast<std::ptrdiff_t>(std::min(names.size(), kMaxNames));
    return fmt::format("{} partitions, {}{}", names.size(), fmt::join(names.begin(), names.begin() + shown, ", "),
                       names.size() > kMaxNames ? " ..." : "");
  };
  if (!headless.empty()) return findings.fault(Finding::kLogNoLeader, fmt::format("{}; {}", some(headless), brokers));
  if (replicas.partitions.empty())
    return findings.ok("brokers", brokers + "; they do not tell this user how the topics are replicated");
  if (incomplete.empty())
    return findings.ok("brokers", fmt::format("{}: all replicas are in sync", fmt::join(answering, ", ")));
  findings.fault(Finding::kLogUnderReplicated, fmt::format("{}; {}", some(incomplete), brokers));
}

bool ingests_here(const Settings& settings, const ServiceView& service) {
  const auto log = parse_log_url(settings.log);
  return (log && std::holds_alternative<DirectoryUrl>(*log)) || (service.feed && service.here);
}

LogView check_log(Findings& findings, const Settings& settings, bool create, const StoreView& store,
                  const ServiceView& service, std::string_view role, std::int64_t deadline_ns, Clock& clock) {
  const auto url = parse_log_url(settings.log);
  if (!url) {
    findings.broken("log", url.error());
    return {};
  }
  const auto* const place = std::get_if<DirectoryUrl>(&*url);
  const auto* const kafka = std::get_if<KafkaUrl>(&*url);
  if (place != nullptr) {
    if (!check_directory(findings, "log", place->directory)) return {};
    check_owner(findings, place->directory, service);
  } else {
    if (!check_schemas(findings, settings, *kafka, create)) return {};
    if (create && !create_topics(findings, settings, *kafka, store)) return {};
  }
  auto log = open_log(settings, Access::kRead, create ? Patience::kSome : Patience::kBrief);
  if (kafka != nullptr) check_kafka(findings, settings, *kafka, log);
  // By the replicas.
  const auto explained = [&] { return kafka != nullptr && !create && findings.faulty("log"); };
  if (!log) {
    if (!explained()) findings.broken("log", log.error());
    return {};
  }
  const auto view = check_opened(findings, settings, place != nullptr ? place->directory : settings.log, **log, store,
                                 ingests_here(settings, service), deadline_ns, clock);
  if (view && kafka != nullptr) check_access(findings, settings, *kafka, role);
  if (view) return *view;
  if (!explained()) findings.broken("log", view.error());
  return {};
}

}  // namespace finpipe
