#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <fstream>
#include <memory>
#include <ranges>

#include "app/client_tls.h"
#include "app/commands.h"
#include "app/embedded_files.h"
#include "app/end_signals.h"
#include "app/settings.h"
#include "base/time.h"
#include "simulator/simulator.h"
#include "telemetry/log.h"

namespace finpipe {
namespace {

struct SimulateFlags {
  std::string tape, listen = "127.0.0.1:0", speed = "recorded", certificate, key, write_ca, token, faults = "all";
  std::string record, control_token;
  bool rebase = false, loop = false, tls = false, one_connection = false, known_symbols = false;
  std::size_t symbol_limit = 50;
  double ping_interval_s = 60, fault_every_s = 0;
  std::uint64_t seed = 1;
};

std::unexpected<Error> bad_flag(std::string_view flag, std::string_view value, std::string_view rule) {
  return fail(ErrorCode::kUsage, fmt::format("{} '{}': {}", flag, value, rule));
}

Result<std::shared_ptr<const LoopedTape>> open_tape(const std::string& path) {
  return path.empty() ? LoopedTape::parse(std::string(embedded_tape())) : LoopedTape::read(path);
}

Result<void> write_ca(const std::string& path, const std::string& pem) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << pem << std::flush;
  if (!file) return fail(ErrorCode::kIo, fmt::format("{}: cannot be written", path));
  return {};
}

Result<double> parse_speed(const std::string& text) {
  if (text == "recorded") return 1;
  if (text == "full") return 0;
  double factor = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), factor);
  if (error == std::errc{} && end == text.data() + text.size() && factor >= 0.001 && factor <= 1e6) return factor;
  return bad_flag("--speed", text, "must be recorded, full, or a factor from 0.001 to 1000000");
}

Result<std::vector<FaultKind>> parse_faults(const std::string& text) {
  std::vector<FaultKind> kinds;
  if (text == "all") return kinds;
  for (const auto part : std::views::split(text, ',')) {
    const auto kind = fault_kind_from(std::string_view(part.begin(), part.end()));
    if (!kind) return bad_flag("--faults", text, fmt::format("must be all, or of {}", fmt::join(kFaultNames, ",")));
    kinds.push_back(*kind);
  }
  return kinds;
}

Result<SimulatorOptions> options_from(const SimulateFlags& flags) {
  SimulatorOptions options;
  auto listen = parse_listen(flags.listen);
  if (!listen) return bad_flag("--listen", flags.listen, "must be ADDRESS:PORT, such as 127.0.0.1:0");
  options.address = std::move(listen->address);
  options.port = listen->port;
  FINPIPE_TRY_ASSIGN(speed, parse_speed(flags.speed));
  FINPIPE_TRY_ASSIGN(faults, parse_faults(flags.faults));
  options.play = {.speed = speed, .loop = flags.loop, .rebase = flags.rebase};
  options.faults = std::move(faults);
  options.fault_every_ms = static_cast<std::int64_t>(flags.fault_every_s * kMsPerSecond);
  options.seed = flags.seed;
  options.record_path = flags.record;
  options.control_token = flags.control_token;
  if (!flags.token.empty()) options.finnhub.tokens.push_back(flags.token);
  options.finnhub.one_connection_per_key = flags.one_connection;
  options.finnhub.symbol_limit = flags.symbol_limit;
  options.finnhub.ping_interval_ms = static_cast<std::int64_t>(flags.ping_interval_s * kMsPerSecond);

  if (flags.certificate.empty() != flags.key.empty()) {
    return fail(ErrorCode::kUsage, "--certificate and --key belong together");
  }
  const bool generated = flags.tls && flags.certificate.empty();
  if (!flags.write_ca.empty() && !generated) {
    return fail(ErrorCode::kUsage, "--write-ca needs --tls without --certificate: a given certificate has its own CA");
  }
  options.tls = flags.tls || !flags.certificate.empty();
  if (!flags.certificate.empty()) {
    FINPIPE_TRY_ASSIGN(certificate, read_pem(flags.certificate));
    FINPIPE_TRY_ASSIGN(key, read_pem(flags.key));
    options.certificate_pem = std::move(certificate);
    options.key_pem = std::move(key);
  }
  FINPIPE_TRY_ASSIGN(tape, open_tape(flags.tape));
  options.tape = std::move(tape);
  if (flags.known_symbols) {
    const auto symbols = options.tape->symbols();
    options.finnhub.known_symbols.emplace(symbols.begin(), symbols.end());
  }
  return options;
}

Result<void> simulate(const SimulateFlags& flags) {
  const EndSignals signals;
  FINPIPE_TRY_ASSIGN(options, options_from(flags));
  const std::string address =
      options.address.find(':') == std::string::npos ? options.address : fmt::format("[{}]", options.address);
  const std::string_view scheme = options.tls ? "wss" : "ws";
  const std::int64_t trades = options.tape->trades();
  const auto symbols = options.tape->symbols();
  const std::string names = fmt::format("{}", fmt::join(symbols, ", "));
  FINPIPE_TRY_ASSIGN(simulator, Simulator::start(std::move(options)));
  if (!flags.write_ca.empty()) FINPIPE_TRY(write_ca(flags.write_ca, simulator->ca_pem()));
  fmt::print("simulating Finnhub at {}://{}:{} with {} trades of {}\n", scheme, address, simulator->port(), trades,
             names);
  std::fflush(stdout);
  while (!signals.wait(kMsPerHour)) {
  }
  log_info("stopping");
  simulator->stop();
  return {};
}

void add_flags(CLI::App& command, SimulateFlags& flags) {
  command.add_option("--tape", flags.tape, "what is played [the bundled tape]")->type_name("PATH");
  command.add_option("--listen", flags.listen, "where; port 0: a free one [127.0.0.1:0]")->type_name("ADDRESS:PORT");
  command.add_option("--speed", flags.speed, "recorded, full, or a factor [recorded]")->type_name("SPEED");
  command.add_flag("--rebase", flags.rebase,
                   "trades happen now: their times keep their recorded distance from delivery");
  command.add_flag("--loop", flags.loop, "begin again at the end, with later times");
  command.add_flag("--tls", flags.tls, "speak TLS, with a certificate made for this run unless one is given");
  command.add_option("--certificate", flags.certificate, "certificate with its chain")->type_name("PEM-FILE");
  command.add_option("--key", flags.key, "the key that belongs to it")->type_name("PEM-FILE");
  command.add_option("--write-ca", flags.write_ca, "write what clients have to trust to this file")->type_name("FILE");
  command.add_option("--token", flags.token, "the API key that clients need [none is needed]")->type_name("KEY");
  command.add_flag("--one-connection", flags.one_connection, "refuse a key's second connection with 429");
  command.add_option("--symbol-limit", flags.symbol_limit, "symbols of a connection [50]")->type_name("N");
  command.add_flag("--known-symbols", flags.known_symbols, "refuse symbols that the tape does not have");
  command.add_option("--ping-interval", flags.ping_interval_s, "seconds between pings; 0: never [60]")
      ->type_name("S")
      ->check(CLI::Range(0.0, 86'400.0));
  command.add_option("--fault-every", flags.fault_every_s, "commit a fault about that often, in seconds; 0: never [0]")
      ->type_name("S")
      ->check(CLI::Range(0.0, 86'400.0));
  command.add_option("--faults", flags.faults, fmt::format("of {} [all]", fmt::join(kFaultNames, ",")))
      ->type_name("list");
  command.add_option("--seed", flags.seed, "the same seed deals the same faults [1]")->type_name("N");
  command.add_option("--record", flags.record, "append what was sent to whom, a JSON object a line")->type_name("FILE");
  command.add_option("--control-token", flags.control_token, "what control requests need besides being local [none]")
      ->type_name("TOKEN");
}

}  // namespace

void add_simulate(CLI::App& program, CommandLine& line) {
  CLI::App& command = *program.add_subcommand("simulate", "Stand in for Finnhub's WebSocket: play a tape, with faults");
  const auto flags = std::make_shared<SimulateFlags>();
  add_flags(command, *flags);
  add_settings(command, line, {});
  add_examples(command, {"finpipe simulate --rebase --loop --listen 127.0.0.1:9000",
                         "finpipe simulate --tls --write-ca ca.pem --token secret --rebase --loop",
                         "finpipe simulate --rebase --loop --fault-every 5 --seed 7 --record sent.jsonl",
                         "curl -d '{\"kind\":\"stall\",\"ms\":3000}' http://127.0.0.1:9000/control/fault"});
  command.callback([&line, flags] {
    line.command = [flags](const SettingValues&, const Settings&) -> Result<int> {
      FINPIPE_TRY(simulate(*flags));
      return 0;
    };
  });
}

}  // namespace finpipe
