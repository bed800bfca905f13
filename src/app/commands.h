// The subcommands. Each `add_` function declares one: its flags, help and examples, and what it does once the settings
// are known. The result is the exit code; an error is printed and has the exit code of its kind.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

#include "app/settings.h"
#include "base/error.h"

namespace CLI {  // NOLINT(readability-identifier-naming): theirs
class App;
}

namespace finpipe {

// What the command line asked for. Commands borrow it from the parsing to the end of the program.
struct CommandLine {
  SettingFlags flags;
  std::function<Result<int>(const SettingValues& values, const Settings& settings)> command;
};

// Declares the flag of each of these settings, those of Kafka with the log's, those of Cassandra with the store's, and
// those that all commands have.
void add_settings(CLI::App& command, CommandLine& line, std::initializer_list<Setting> settings);
// The last part of a command's help.
void add_examples(CLI::App& command, std::initializer_list<std::string> examples);

// The time that a flag was given, in ms; `when_absent` for an empty text.
[[nodiscard]] Result<std::int64_t> parse_time_flag(std::string_view flag, const std::string& text,
                                                   std::int64_t when_absent);

void add_run(CLI::App& program, CommandLine& line);
void add_ingest(CLI::App& program, CommandLine& line);
void add_process(CLI::App& program, CommandLine& line);
void add_serve(CLI::App& program, CommandLine& line);
void add_simulate(CLI::App& program, CommandLine& line);
void add_export(CLI::App& program, CommandLine& line);
void add_verify(CLI::App& program, CommandLine& line);
void add_void(CLI::App& program, CommandLine& line);
void add_dead_letters(CLI::App& program, CommandLine& line);
void add_checkpoint(CLI::App& program, CommandLine& line);
void add_config(CLI::App& program, CommandLine& line);
void add_check(CLI::App& program, CommandLine& line);
void add_health(CLI::App& program, CommandLine& line);
void add_version(CLI::App& program, CommandLine& line);
void add_docs(CLI::App& program, CommandLine& line);

}  // namespace finpipe
