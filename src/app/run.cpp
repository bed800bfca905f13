#include <CLI/CLI.hpp>
#include <initializer_list>
#include <string>
#include <variant>

#include "app/commands.h"
#include "app/service.h"
#include "app/urls.h"

namespace finpipe {
namespace {

// Sides of one pipeline meet on servers.
Result<void> check_shared(const Settings& settings, Role role) {
  FINPIPE_TRY_ASSIGN(log, parse_log_url(settings.log));
  FINPIPE_TRY_ASSIGN(store, parse_store_url(settings.store));
  const bool log_is_shared = std::holds_alternative<KafkaUrl>(log);
  if (log_is_shared && (role == Role::kIngest || std::holds_alternative<CassandraUrl>(store))) return {};
  return fail(ErrorCode::kUsage, log_is_shared ? "an embedded: store belongs to one process: give --store "
                                                 "cassandra://HOST/KEYSPACE, or use `finpipe run`"
                                               : "an embedded: log belongs to one process: give --log kafka://HOST, or "
                                                 "use `finpipe run`");
}

void add_service(CLI::App& program, CommandLine& line, Role role, const char* name, const char* help,
                 std::initializer_list<Setting> settings, std::initializer_list<std::string> examples) {
  CLI::App* command = program.add_subcommand(name, help);
  add_settings(*command, line, settings);
  add_examples(*command, examples);
  command->callback([&line, role] {
    line.command = [role](const SettingValues&, const Settings& given) -> Result<int> {
      if (role != Role::kRun) FINPIPE_TRY(check_shared(given, role));
      FINPIPE_TRY(run_service(given, role));
      return 0;
    };
  });
}

}  // namespace

void add_run(CLI::App& program, CommandLine& line) {
  add_service(program, line, Role::kRun, "run",
              "Take trades from a feed, log them, make bars, store both, and serve a page and an API",
              {Setting::kFeed, Setting::kLog, Setting::kStore, Setting::kSymbols, Setting::kPartitions,
               Setting::kExitAtEnd, Setting::kCommitInterval, Setting::kListen, Setting::kInsecure,
               Setting::kInsecureListen, Setting::kCaFile, Setting::kClientCertificate, Setting::kClientKey,
               Setting::kFeedTimeScale, Setting::kPolicies, Setting::kKafkaProfile, Setting::kKafkaBuffer},
              {"finpipe run                      with FINNHUB_API_KEY the vendor, without it the demo",
               "finpipe run --symbols BINANCE:BTCUSDT,AAPL --listen 127.0.0.1:9000",
               "finpipe run --feed tape:data/binance.tape --exit-at-end",
               "finpipe run --feed tape:data/binance.tape --symbols BINANCE:BTCUSDT \\\n"
               "      --log embedded:/data/log --store embedded:/data/store --partitions 4",
               "finpipe run --log kafka://10.0.0.1,10.0.0.2 --store cassandra://10.0.0.3/finpipe"});
}

void add_ingest(CLI::App& program, CommandLine& line) {
  add_service(program, line, Role::kIngest, "ingest",
              "Only take trades from a feed and log them in Kafka; one process for one log",
              {Setting::kFeed, Setting::kLog, Setting::kSymbols, Setting::kListen, Setting::kInsecure,
               Setting::kInsecureListen, Setting::kCaFile, Setting::kClientCertificate, Setting::kClientKey,
               Setting::kFeedTimeScale, Setting::kPolicies, Setting::kKafkaProfile, Setting::kKafkaBuffer},
              {"finpipe ingest --log kafka://10.0.0.1,10.0.0.2 --symbols BINANCE:BTCUSDT,AAPL",
               "finpipe ingest --feed tape:data/binance.tape --log kafka://127.0.0.1"});
}

void add_process(CLI::App& program, CommandLine& line) {
  add_service(program, line, Role::kProcess, "process",
              "Only make bars from a log in Kafka and store them; as many processes as wanted share the partitions",
              {Setting::kLog, Setting::kStore, Setting::kCommitInterval, Setting::kListen, Setting::kInsecure,
               Setting::kInsecureListen, Setting::kKafkaGroup, Setting::kKafkaInstanceId, Setting::kKafkaSessionTimeout,
               Setting::kKafkaMaxPoll},
              {"finpipe process --log kafka://10.0.0.1,10.0.0.2 --store cassandra://10.0.0.3/finpipe",
               "finpipe process --log kafka://10.0.0.1 --store cassandra://10.0.0.3/finpipe \\\n"
               "      --kafka-instance-id processor-2 --listen 127.0.0.1:8082"});
}

void add_serve(CLI::App& program, CommandLine& line) {
  add_service(program, line, Role::kServe, "serve",
              "Only serve a page and an API, from what other processes log in Kafka and store in Cassandra",
              {Setting::kLog, Setting::kStore, Setting::kListen, Setting::kInsecure, Setting::kInsecureListen,
               Setting::kPolicies},
              {"finpipe serve --log kafka://10.0.0.1,10.0.0.2 --store cassandra://10.0.0.3/finpipe",
               "finpipe serve --log kafka://10.0.0.1 --store cassandra://10.0.0.3/finpipe \\\n"
               "      --listen 0.0.0.0:8080 --insecure-listen"});
}

}  // namespace finpipe
