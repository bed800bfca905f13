#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "app/commands.h"
#include "app/listener.h"

namespace finpipe {
namespace {

Result<int> health(const Settings& settings, bool ready) {
  constexpr std::int64_t kHealthPatienceMs = 3'000;
  constexpr int kHttpWell = 200;
  if (settings.listen_port == 0) {
    return fail(ErrorCode::kUsage, "health asks who listens at --listen: that needs an address with a port");
  }
  FINPIPE_TRY_ASSIGN(told, ask_listener(reachable_address(settings.listen_address), settings.listen_port,
                                        ready ? "/readyz" : "/healthz", kHealthPatienceMs));
  fmt::print("{}\n", told.body);
  return told.status == kHttpWell ? 0 : 1;
}

}  // namespace

void add_health(CLI::App& program, CommandLine& line) {
  CLI::App* command =
      program.add_subcommand("health", "Ask the process that listens at --listen whether it is well: exit code 0 or 1");
  const auto ready = std::make_shared<bool>(false);
  command->add_flag("--ready", *ready, "ask whether it is ready, which it is not while its servers are away");
  add_settings(*command, line, {Setting::kListen, Setting::kInsecure, Setting::kInsecureListen});
  add_examples(*command, {"finpipe health", "finpipe health --ready --listen 127.0.0.1:9000"});
  command->callback([&line, ready] {
    line.command = [ready](const SettingValues&, const Settings& settings) { return health(settings, *ready); };
  });
}

}  // namespace finpipe
