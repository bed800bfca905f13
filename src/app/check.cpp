#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <variant>

#include "app/commands.h"
#include "app/feed_parts.h"
#include "app/parts.h"
#include "app/progress.h"
#include "app/urls.h"
#include "base/clock.h"
#include "feeds/tape.h"
#include "pipeline/checkpoint.h"

namespace finpipe {
namespace {

constexpr std::uint64_t kEnoughDiskBytes = std::uint64_t{1} << 30;

// Prints one line for each thing that is looked at, and remembers whether anything was wrong.
class Findings {
 public:
  void ok(std::string_view subject, std::string_view text) { fmt::print("ok       {:<12} {}\n", subject, text); }
  void problem(std::string_view subject, std::string_view text) {
    ++problems_;
    fmt::print("problem  {:<12} {}\n", subject, text);
  }
  void problem(std::string_view subject, const Error& error) { problem(subject, error.message()); }
  [[nodiscard]] int problems() const { return problems_; }

 private:
  int problems_ = 0;
};

// The nearest directory that exists: what is not there yet will be made inside it.
std::filesystem::path existing_parent(std::filesystem::path path) {
  std::error_code error;
  path = std::filesystem::absolute(path, error);
  while (!std::filesystem::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  return path;
}

// Whether the part's data can be written, and whether there is room. True when there is data to look into.
bool check_directory(Findings& findings, std::string_view subject, const std::string& directory) {
  const std::filesystem::path existing = existing_parent(directory);
  if (access(existing.c_str(), W_OK | X_OK) != 0) {
    findings.problem(subject, Error{ErrorCode::kReadOnly, existing.string()});
  }
  struct statvfs volume{};
  if (statvfs(existing.c_str(), &volume) == 0) {
    const std::uint64_t free_bytes = std::uint64_t{volume.f_bavail} * volume.f_frsize;
    const std::string text =
        fmt::format("{} MiB free for {}", with_separators(static_cast<std::int64_t>(free_bytes >> 20)), directory);
    if (free_bytes >= kEnoughDiskBytes) {
      findings.ok("disk", text);
    } else {
      findings.problem("disk", text + ". Free some space: at least 1 GiB is wise.");
    }
  }
  std::error_code error;
  const bool there = std::filesystem::exists(directory, error) && !std::filesystem::is_empty(directory, error);
  if (!there) findings.ok(subject, fmt::format("{}: new, `finpipe run` will make it", directory));
  return there;
}

void check_policies(Findings& findings, const Settings& settings) {
  const auto policies = open_policies(settings);
  if (!policies) return findings.problem("policies", policies.error());
  std::vector<std::string> markets;
  for (const MarketPolicy& policy : *policies) markets.push_back(policy.market);
  findings.ok("policies", fmt::format("{} from {}", fmt::join(markets, ", "),
                                      settings.policies.empty() ? "the program itself" : settings.policies));
}

void check_tape(Findings& findings, const std::string& path) {
  const auto tape = TapeFeed::open(path);
  if (!tape) return findings.problem("feed", tape.error());
  const auto batch = (*tape)->poll(1);
  if (!batch) return findings.problem("feed", batch.error());
  if (batch->frames.empty()) return findings.problem("feed", path + " is empty. Give another tape with --feed.");
  const FeedFrame& first = batch->frames.front();
  if (first.damage) {
    return findings.problem("feed", Error{*first.damage, fmt::format("line {} of {}", first.position, path)});
  }
  findings.ok("feed", path + " can be read");
}

// A live feed is opened, not connected to: a key has one connection, which may be in use.
void check_feed(Findings& findings, Settings settings) {
  const bool chosen = !settings.feed.empty();
  choose_feed(settings);
  const auto url = parse_feed_url(settings.feed);
  if (!url) return findings.problem("feed", url.error());
  if (const auto* tape = std::get_if<TapeUrl>(&*url)) return check_tape(findings, tape->path);
  SystemClock clock;
  const auto feed = open_feed(settings, clock);
  if (!feed) return findings.problem("feed", feed.error());
  findings.ok("feed", chosen ? feed->description : fmt::format("{} (none is set)", feed->description));
}

// Topics are made and checked by --create; of a log with a problem nullptr.
bool check_topics(Findings& findings, const Settings& settings, const KafkaUrl& url,
                  const std::vector<CheckpointRow>& checkpoints) {
  std::optional<LogId> known;
  for (const CheckpointRow& row : checkpoints) {
    if (const auto checkpoint = decode_checkpoint(row)) known = checkpoint->log_id;
  }
  const auto done = create_log(settings, url, known);
  if (!done) return findings.problem("topics", done.error()), false;
  for (const std::string& line : *done) findings.ok("topics", line);
  return true;
}

// False when there is a problem.
bool check_schemas(Findings& findings, const Settings& settings, const KafkaUrl& url, bool create) {
  const auto told = check_registry(settings, url, create);
  if (!told) return findings.problem("registry", told.error()), false;
  if (!told->empty()) findings.ok("registry", *told);
  return true;
}

std::unique_ptr<LogPart> check_log(Findings& findings, const Settings& settings, bool create,
                                   const std::vector<CheckpointRow>& checkpoints) {
  const auto problem = [&findings](const Error& error) {
    findings.problem("log", error);
    return nullptr;
  };
  const auto url = parse_log_url(settings.log);
  if (!url) return problem(url.error());
  const auto* const place = std::get_if<DirectoryUrl>(&*url);
  if (place != nullptr && !check_directory(findings, "log", place->directory)) return nullptr;
  if (const auto* kafka = std::get_if<KafkaUrl>(&*url)) {
    if (!check_schemas(findings, settings, *kafka, create)) return nullptr;
    if (create && !check_topics(findings, settings, *kafka, checkpoints)) return nullptr;
  }
  auto log = open_log(settings, Access::kRead);
  if (!log) return problem(log.error());
  std::int64_t records = 0;
  const auto reader = (*log)->reader();
  for (std::int32_t partition = 0; partition < (*log)->partitions(); ++partition) {
    const auto range = reader->range(partition);
    if (!range) return problem(range.error());
    records += range->end - range->begin;
  }
  findings.ok("log", fmt::format("{}: partitions: {}; records: {}", place != nullptr ? place->directory : settings.log,
                                 (*log)->partitions(), with_separators(records)));
  if (settings.partitions != 0 && settings.partitions != (*log)->partitions()) {
    findings.problem("partitions",
                     Error{ErrorCode::kPartitionCountChanged,
                           fmt::format("{} are asked for, the log has {}", settings.partitions, (*log)->partitions())});
  }
  return *std::move(log);
}

Result<void> check_checkpoint(const CheckpointRow& row, LogPart& log) {
  FINPIPE_TRY_ASSIGN(checkpoint, decode_checkpoint(row));
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
  const auto reader = log.reader();
  FINPIPE_TRY_ASSIGN(range, reader->range(checkpoint.partition));
  if (checkpoint.offset > range.end) {
    return fail(ErrorCode::kCheckpointMismatch,
                fmt::format("{}: the log ends at {}, the checkpoint is at {}", where, range.end, checkpoint.offset));
  }
  return {};
}

// The checkpoints of a store; of one with a problem none.
std::vector<CheckpointRow> read_store(Findings& findings, std::string_view name, Result<StorePart> opened) {
  if (!opened) {
    findings.problem("store", opened.error());
    return {};
  }
  Query& query = opened->query();
  const auto symbols = query.symbols();
  auto rows = query.checkpoints();
  if (!symbols || !rows) {
    findings.problem("store", symbols ? rows.error() : symbols.error());
    return {};
  }
  findings.ok("store", fmt::format("{}: symbols: {}", name, with_separators(std::ssize(*symbols))));
  return *std::move(rows);
}

std::vector<CheckpointRow> check_cassandra(Findings& findings, const Settings& settings, const CassandraUrl& url,
                                           bool create) {
  if (create) {
    const auto done = create_store(settings, url);
    if (!done) {
      findings.problem("schema", done.error());
      return {};
    }
    for (const std::string& line : *done) findings.ok("schema", line);
  }
  auto store = open_store(settings, Access::kRead);
  if (store) {
    const auto statistics = store->statistics();
    const std::string text = fmt::format("{} of {} are up", statistics->nodes_up, statistics->nodes);
    if (statistics->nodes_up == statistics->nodes) {
      findings.ok("nodes", text);
    } else {
      findings.problem("nodes", text + ". See `nodetool status` for the others.");
    }
  }
  return read_store(findings, settings.store, std::move(store));
}

void check_parts(Findings& findings, const Settings& settings, bool create) {
  const auto url = parse_store_url(settings.store);
  std::vector<CheckpointRow> checkpoints;
  if (!url) {
    findings.problem("store", url.error());
  } else if (const auto* place = std::get_if<DirectoryUrl>(&*url)) {
    if (check_directory(findings, "store", place->directory))
      checkpoints = read_store(findings, place->directory, open_store(settings, Access::kRead));
  } else {
    checkpoints = check_cassandra(findings, settings, std::get<CassandraUrl>(*url), create);
  }
  // The store first: then the log holds at least what the checkpoints say.
  const auto log = check_log(findings, settings, create, checkpoints);
  if (log == nullptr) return;
  for (const CheckpointRow& row : checkpoints) {
    if (const auto good = check_checkpoint(row, *log); !good) {
      findings.problem("checkpoint", good.error());
    } else {
      findings.ok("checkpoint", fmt::format("partition {}: generation {}, offset {}", row.partition, row.generation,
                                            with_separators(row.offset)));
    }
  }
}

Result<int> check(const Settings& settings, bool create) {
  if (create) {
    FINPIPE_TRY_ASSIGN(store, parse_store_url(settings.store));
    FINPIPE_TRY_ASSIGN(log, parse_log_url(settings.log));
    if (std::holds_alternative<DirectoryUrl>(store) && std::holds_alternative<DirectoryUrl>(log)) {
      return fail(ErrorCode::kUsage,
                  "--create is for servers: give --log kafka://HOST, --store cassandra://HOST/KEYSPACE, or both");
    }
  }
  Findings findings;
  findings.ok("settings", "all can be read; `finpipe config` prints them");
  check_policies(findings, settings);
  check_feed(findings, settings);
  check_parts(findings, settings, create);
  return findings.problems() == 0 ? 0 : 1;
}

}  // namespace

void add_check(CLI::App& program, CommandLine& line) {
  CLI::App* command =
      program.add_subcommand("check", "Look at settings, directories, policies and feed; say what to mend");
  const auto create = std::make_shared<bool>(false);
  command->add_flag("--create", *create,
                    "first create topics of Kafka and register their schemas, create keyspace and tables of Cassandra, "
                    "or bring them up to date; nothing is "
                    "lost");
  add_settings(
      *command, line,
      {Setting::kFeed, Setting::kLog, Setting::kStore, Setting::kPartitions, Setting::kPolicies,
       Setting::kKafkaReplication, Setting::kKafkaKeepTicks, Setting::kKafkaKeepLetters, Setting::kCassandraReplication,
       Setting::kCassandraKeepTicks, Setting::kCassandraKeepBars1s, Setting::kCassandraKeepBars});
  add_examples(*command, {"finpipe check", "finpipe check --feed tape:my.tape --policies ./policies",
                          "finpipe check --create --log kafka://127.0.0.1 --store cassandra://127.0.0.1/finpipe",
                          "finpipe check --create --store cassandra://10.0.0.1,10.0.0.2/finpipe \\\n"
                          "      --cassandra-replication dc1:3 --cassandra-keep-bars-1s 90"});
  command->callback([&line, create] {
    line.command = [create](const SettingValues&, const Settings& settings) -> Result<int> {
      return check(settings, *create);
    };
  });
}

}  // namespace finpipe
