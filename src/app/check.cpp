#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <system_error>
#include <variant>

#include "app/checks.h"
#include "app/commands.h"
#include "app/findings.h"
#include "app/parts.h"
#include "app/urls.h"
#include "base/clock.h"
#include "base/time.h"

namespace finpipe {
namespace {

constexpr std::int64_t kTimeNs = 60 * kNsPerSecond;  // after which nothing further is read

struct CheckFlags {
  bool create = false;
  bool json = false;
  bool try_feed = false;
  std::string service;
  std::string role;
};

void check_policies(Findings& findings, const Settings& settings) {
  const auto policies = open_policies(settings);
  if (!policies) return findings.fault("policies", policies.error());
  std::vector<std::string> markets;
  for (const MarketPolicy& policy : *policies) markets.push_back(policy.market);
  findings.ok("policies", fmt::format("{} from {}", fmt::join(markets, ", "),
                                      settings.policies.empty() ? "the program itself" : settings.policies));
}

bool is_there(const std::string& url) {
  const auto directory = embedded_directory("log", url);
  std::error_code error;
  return directory && std::filesystem::exists(*directory, error);
}

// As all that reads: the demo's directories where nobody chose any and there are no others.
void take_demo(Settings& settings) {
  if (settings.log_is_default && !is_there(settings.log) && is_there(std::string(kDemoLog))) settings.log = kDemoLog;
  if (settings.store_is_default && !is_there(settings.store) && is_there(std::string(kDemoStore)))
    settings.store = kDemoStore;
}

// A service elsewhere may be another user of Kafka, as who creates topics is.
std::string_view role_of(const CheckFlags& flags, const ServiceView& service) {
  if (!flags.role.empty() || flags.create || !service.here) return flags.role;
  return service.role;
}

Result<int> check(Settings settings, const CheckFlags& flags) {
  if (flags.create) {
    FINPIPE_TRY_ASSIGN(store, parse_store_url(settings.store));
    FINPIPE_TRY_ASSIGN(log, parse_log_url(settings.log));
    if (std::holds_alternative<DirectoryUrl>(store) && std::holds_alternative<DirectoryUrl>(log)) {
      return fail(ErrorCode::kUsage,
                  "--create is for servers: give --log kafka://HOST, --store cassandra://HOST/KEYSPACE, or both");
    }
  }
  SystemClock clock;
  const std::int64_t deadline_ns = clock.boot_ns() + kTimeNs;
  FINPIPE_TRY_ASSIGN(service, ask_service(settings, flags.service));
  take_demo(settings);
  Findings findings(flags.json, flags.create ? Findings::Faults::kBroken : Findings::Faults::kAll);
  findings.ok("settings", "all can be read; `finpipe config` prints them");
  check_policies(findings, settings);
  check_limits(findings);
  check_certificate_files(findings, settings, clock);
  // The store first: then the log holds at least what the checkpoints say.
  const StoreView store = check_store(findings, settings, flags.create, clock);
  const LogView log =
      check_log(findings, settings, flags.create, store, service, role_of(flags, service), deadline_ns, clock);
  FINPIPE_TRY_ASSIGN(later, ask_service(settings, flags.service));
  check_service(findings, settings, service, later, clock);
  Trying trying = flags.try_feed ? Trying::kConnect : Trying::kReach;
  if (flags.create) trying = Trying::kNo;
  check_feed(findings, settings, store, log, service, trying, clock);
  return findings.any_fault() ? 1 : 0;
}

}  // namespace

void add_check(CLI::App& program, CommandLine& line) {
  CLI::App* command = program.add_subcommand(
      "check", "Look at the running service and all that it needs; name what is wrong, and what to do");
  const auto flags = std::make_shared<CheckFlags>();
  command->add_flag("--create", flags->create,
                    "first create topics of Kafka and register their schemas, create keyspace and tables of Cassandra, "
                    "or bring them up to date; nothing is lost. What else is wrong are warnings then");
  command->add_option("--service", flags->service, "the service that must be running [none must; looks at --listen]")
      ->type_name("http://HOST:PORT");
  command
      ->add_option(
          "--role", flags->role,
          "what the user of a log on Kafka must be allowed: what this command needs [that of the service here]")
      ->check(CLI::IsMember({"run", "ingest", "process"}).description(""))
      ->type_name("run|ingest|process");
  command->add_flag("--try-feed", flags->try_feed,
                    "connect to the feed, with the key, unless somebody seems to be: a key has one connection");
  command->add_flag("--json", flags->json, "a JSON object a line");
  add_settings(*command, line,
               {Setting::kFeed,
                Setting::kCaFile,
                Setting::kClientCertificate,
                Setting::kClientKey,
                Setting::kFeedTimeScale,
                Setting::kCommitInterval,
                Setting::kInsecure,
                Setting::kInsecureListen,
                Setting::kListen,
                Setting::kLog,
                Setting::kStore,
                Setting::kPartitions,
                Setting::kPolicies,
                Setting::kKafkaReplication,
                Setting::kKafkaKeepTicks,
                Setting::kKafkaKeepBars,
                Setting::kKafkaKeepLetters,
                Setting::kCassandraReplication,
                Setting::kCassandraKeepTicks,
                Setting::kCassandraKeepBars1s,
                Setting::kCassandraKeepBars});
  add_examples(*command, {"finpipe check", "finpipe check --service http://127.0.0.1:8080 --json",
                          "finpipe check --feed tape:my.tape --policies ./policies",
                          "finpipe check --create --log kafka://127.0.0.1 --store cassandra://127.0.0.1/finpipe",
                          "finpipe check --create --store cassandra://10.0.0.1,10.0.0.2/finpipe \\\n"
                          "      --cassandra-replication dc1:3 --cassandra-keep-bars-1s 90"});
  command->callback([&line, flags] {
    line.command = [flags](const SettingValues&, const Settings& settings) -> Result<int> {
      return check(settings, *flags);
    };
  });
}

}  // namespace finpipe
