#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/commands.h"

namespace finpipe {
namespace {

// Text as TOML writes it.
std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string toml_value(const SettingInfo& info, const std::string& value) {
  const bool bare =
      info.type == SettingType::kInteger || info.type == SettingType::kNumber || info.type == SettingType::kFlag;
  return bare ? value : toml_string(displayed(info, value));
}

void print_config(const SettingValues& values) {
  fmt::print("# Each setting, and where its value comes from. Works as a finpipe.toml once a *** is filled in.\n");
  for (const SettingInfo& info : setting_table()) {
    const SettingValue& value = values[static_cast<std::size_t>(info.setting)];
    const bool inside = info.setting != Setting::kConfig;  // the file cannot name itself
    fmt::print("{:<52} # {}\n", fmt::format("{}{} = {}", inside ? "" : "# ", info.name, toml_value(info, value.text)),
               value.source);
  }
}

}  // namespace

void add_config(CLI::App& program, CommandLine& line) {
  CLI::App* command = program.add_subcommand("config", "Print the settings in force, secrets redacted");
  add_settings(*command, line,
               {Setting::kFeed,
                Setting::kLog,
                Setting::kStore,
                Setting::kSymbols,
                Setting::kPartitions,
                Setting::kExitAtEnd,
                Setting::kCommitInterval,
                Setting::kListen,
                Setting::kInsecure,
                Setting::kInsecureListen,
                Setting::kCaFile,
                Setting::kClientCertificate,
                Setting::kClientKey,
                Setting::kFeedTimeScale,
                Setting::kPolicies,
                Setting::kKafkaProfile,
                Setting::kKafkaBuffer,
                Setting::kKafkaGroup,
                Setting::kKafkaInstanceId,
                Setting::kKafkaSessionTimeout,
                Setting::kKafkaMaxPoll,
                Setting::kKafkaReplication,
                Setting::kKafkaKeepTicks,
                Setting::kKafkaKeepBars,
                Setting::kKafkaKeepLetters,
                Setting::kCassandraReplication,
                Setting::kCassandraKeepTicks,
                Setting::kCassandraKeepBars1s,
                Setting::kCassandraKeepBars});
  add_examples(*command, {"finpipe config", "FINPIPE_LOG=embedded:/data/log finpipe config --partitions 4"});
  command->callback([&line] {
    line.command = [](const SettingValues& values, const Settings&) -> Result<int> {
      print_config(values);
      return 0;
    };
  });
}

}  // namespace finpipe
