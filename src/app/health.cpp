#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "app/commands.h"
#include "net/event_loop.h"
#include "net/http_client.h"

namespace finpipe {
namespace {

// Where a process of this machine that listens there can be asked.
std::string own_address(const std::string& listen_address) {
  if (listen_address == "0.0.0.0") return "127.0.0.1";
  return listen_address == "::" ? "::1" : listen_address;
}

Result<int> health(const Settings& settings, bool ready) {
  constexpr std::int64_t kHealthPatienceMs = 3'000;
  constexpr std::int64_t kHealthRoundMs = 100;
  constexpr int kHttpWell = 200;
  if (settings.listen_port == 0) {
    return fail(ErrorCode::kUsage, "health asks who listens at --listen: that needs an address with a port");
  }
  net::EventLoop loop;
  std::optional<Result<net::HttpClientResponse>> answer;
  net::http_request(loop,
                    {.host = own_address(settings.listen_address),
                     .port = settings.listen_port,
                     .target = ready ? "/readyz" : "/healthz",
                     .timeout_ms = kHealthPatienceMs},
                    [&answer](Result<net::HttpClientResponse> told) { answer = std::move(told); });
  while (!answer) loop.run_some(kHealthRoundMs);
  FINPIPE_TRY_ASSIGN(told, *std::move(answer));
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
