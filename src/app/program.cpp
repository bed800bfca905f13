#include "app/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "app/commands.h"
#include "app/load.h"
#include "app/progress.h"
#include "app/settings.h"
#include "base/time.h"
#include "telemetry/log.h"

namespace finpipe {
namespace {

std::optional<std::string> environment_of(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

int report(const Error& error) {
  tell(fmt::format("finpipe: {}\n", error.message()));
  return exit_code_of(error.code);
}

Result<int> execute(const CommandLine& line) {
  FINPIPE_TRY_ASSIGN(values, resolve_settings({line.flags, environment_of, std::filesystem::path(".")}));
  FINPIPE_TRY_ASSIGN(settings, parse_settings(values));
  init_logging(settings.log_level, settings.log_format);
  return line.command(values, settings);
}

// Of every command that opens a log.
constexpr std::array kOfKafka = {Setting::kKafkaUser,        Setting::kKafkaMechanism,   Setting::kKafkaTls,
                                 Setting::kKafkaCaFile,      Setting::kKafkaCertificate, Setting::kKafkaKey,
                                 Setting::kRegistry,         Setting::kRegistryUser,     Setting::kRegistryCaFile,
                                 Setting::kRegistryRegister, Setting::kRegistryCache};
// Of every command that opens a store.
constexpr std::array kOfCassandra = {Setting::kCassandraUser,
                                     Setting::kCassandraTls,
                                     Setting::kCassandraCaFile,
                                     Setting::kCassandraCertificate,
                                     Setting::kCassandraKey,
                                     Setting::kCassandraDatacenter,
                                     Setting::kCassandraReadConsistency,
                                     Setting::kCassandraWriteConsistency};

std::string shown_default(const SettingInfo& info) {
  return info.default_value.empty() ? "" : fmt::format(" [{}]", info.default_value);
}

}  // namespace

int exit_code_of(ErrorCode code) {
  const int number = static_cast<int>(code);
  if (number < 200) return 2;
  return code == ErrorCode::kDifferenceFound ? 3 : 1;
}

void add_settings(CLI::App& command, CommandLine& line, std::initializer_list<Setting> settings) {
  const auto add = [&](Setting setting) {
    const SettingInfo& info = setting_info(setting);
    const std::string flag = fmt::format("--{}", info.name);
    const std::string help = fmt::format("{}{}", info.help, shown_default(info));
    std::optional<std::string>& value = line.flags[static_cast<std::size_t>(setting)];
    CLI::Option* option = nullptr;
    if (info.type == SettingType::kFlag) {
      option = command.add_flag_callback(flag, [&value] { value = "true"; }, help);
    } else {
      const std::string kind = info.choices.empty() ? std::string(to_string(info.type)) : std::string(info.choices);
      option = command.add_option(flag, value, help)->type_name(kind);
    }
    if (info.name.starts_with("kafka-")) option->group("Kafka");
    if (info.name.starts_with("registry")) option->group("Schema registry");
    if (info.name.starts_with("cassandra-")) option->group("Cassandra");
  };
  for (const Setting setting : settings) {
    add(setting);
    if (setting == Setting::kLog) std::ranges::for_each(kOfKafka, add);
    if (setting == Setting::kStore) std::ranges::for_each(kOfCassandra, add);
  }
  for (const Setting setting : {Setting::kLogLevel, Setting::kLogFormat, Setting::kConfig}) add(setting);
}

void add_examples(CLI::App& command, std::initializer_list<std::string> examples) {
  command.footer(fmt::format("Examples:\n  {}", fmt::join(examples, "\n  ")));
}

Result<std::int64_t> parse_time_flag(std::string_view flag, const std::string& text, std::int64_t when_absent) {
  if (text.empty()) return when_absent;
  if (const auto time_ms = parse_time_ms(text)) return *time_ms;
  return fail(ErrorCode::kUsage,
              fmt::format("{} '{}': must be like 2024-08-08, 2024-08-08T23:54:15.342Z or epoch ms", flag, text));
}

void add_version(CLI::App& program, CommandLine& line) {
  CLI::App* command = program.add_subcommand("version", "Print the version of this program");
  add_examples(*command, {"finpipe version"});
  command->callback([&line] {
    line.command = [](const SettingValues&, const Settings&) -> Result<int> {
      fmt::print("finpipe {}\n", FINPIPE_VERSION);
      return 0;
    };
  });
}

int run_program(int argc, char** argv) {
  CLI::App program("Exact, gap-aware bars from Finnhub trades", "finpipe");
  program.require_subcommand(1);
  program.failure_message([](const CLI::App*, const CLI::Error& error) {
    return fmt::format("finpipe: {}\n", Error{ErrorCode::kUsage, error.what()}.message());
  });
  add_examples(program, {"finpipe run --feed tape:data/binance.tape --exit-at-end",
                         "finpipe export bars --interval 1m --output bars.csv", "finpipe verify"});
  CommandLine line;
  for (const auto add :
       {add_run, add_ingest, add_process, add_serve, add_simulate, add_load, add_export, add_verify, add_void,
        add_dead_letters, add_checkpoint, add_config, add_check, add_health, add_version, add_docs}) {
    add(program, line);
  }
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : exit_code_of(ErrorCode::kUsage);
  }
  const auto done = execute(line);
  return done ? *done : report(done.error());
}

}  // namespace finpipe
