#include "app/load.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <vector>

#include "app/embedded_files.h"
#include "app/end_signals.h"
#include "app/load_session.h"
#include "app/load_targets.h"
#include "app/output.h"
#include "app/parts.h"
#include "app/progress.h"
#include "base/time.h"
#include "load/stream_reader.h"

namespace finpipe {
namespace {

// Limits of the flags; `--help` states them.
constexpr std::int64_t kMaxSeconds = 86'400;
constexpr std::int64_t kMaxLimitMs = 60'000;
constexpr std::int64_t kMaxFrameTrades = 1'000;
constexpr double kMaxZipf = 4, kMaxBadPercent = 50;
constexpr std::int64_t kMaxBurstFactor = 100, kMaxBurstMs = 3'600'000;

struct LoadFlags {
  std::int64_t rate = 1'000, frame = 10;
  std::size_t symbols = 50;
  double seconds = 10, warm_up_s = 1, try_s = 5, zipf = 1, bad_percent = 0, precision_percent = 5;
  std::string market = "crypto", flow = "synthetic", tape, burst;
  std::uint64_t seed = 1;
  std::optional<std::int64_t> limit_ms;
  bool search = false, json = false;
  std::int64_t highest = kMaxLoadRate;
  // Of the target `websocket`.
  std::string listen = "127.0.0.1:0", stream, write_ca, token;
  bool existing = false;
  double fault_every_s = 0;
  std::string faults = "delay";
};

std::unexpected<Error> bad_load_flag(std::string_view flag, std::string_view value, std::string_view rule) {
  return fail(ErrorCode::kUsage, fmt::format("{} '{}': {}", flag, value, rule));
}

Result<Bursts> parse_bursts(const std::string& text) {
  if (text.empty()) return Bursts{};
  std::vector<std::int64_t> numbers;
  bool whole = true;
  for (const auto part : std::views::split(text, ':')) {
    const std::string_view digits(part.begin(), part.end());
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    whole = whole && error == std::errc{} && end == digits.data() + digits.size();
    numbers.push_back(number);
  }
  const Bursts bursts = whole && numbers.size() == 3 ? Bursts{numbers[0], numbers[1], numbers[2]} : Bursts{0, 0, 0};
  const bool good = bursts.factor >= 2 && bursts.factor <= kMaxBurstFactor && bursts.length_ms >= 1 &&
                    bursts.every_ms <= kMaxBurstMs && bursts.length_ms < bursts.every_ms &&
                    bursts.factor * bursts.length_ms <= bursts.every_ms;
  if (good) return bursts;
  return bad_load_flag("--burst", text,
                       fmt::format("must be FACTOR:EVERY:LENGTH, a factor from 2 to {} and two times in ms, the factor "
                                   "times the second no longer than the first, such as 5:1000:100",
                                   kMaxBurstFactor));
}

Result<LoadPlan> plan_of(const LoadFlags& flags, std::int64_t usual_limit_ms) {
  LoadPlan plan;
  plan.flow.trades_per_second = flags.rate;
  plan.flow.symbols = flags.symbols;
  plan.flow.zipf = flags.zipf;
  plan.flow.market = flags.market == "us" ? LoadMarket::kUsEquities : LoadMarket::kCrypto;
  plan.flow.max_trades_per_frame = flags.frame;
  plan.flow.bad = flags.bad_percent / 100;
  plan.flow.seed = flags.seed;
  FINPIPE_TRY_ASSIGN(bursts, parse_bursts(flags.burst));
  plan.flow.bursts = bursts;
  if (flags.flow == "tape") {
    FINPIPE_TRY_ASSIGN(
        tape, flags.tape.empty() ? LoopedTape::parse(std::string(embedded_tape())) : LoopedTape::read(flags.tape));
    FINPIPE_TRY_ASSIGN(shape, shape_of(*tape));
    plan.flow.tape = std::move(shape);
  } else if (!flags.tape.empty()) {
    return fail(ErrorCode::kUsage, "--tape belongs to --flow tape");
  }
  const auto in_ms = [](double seconds) { return static_cast<std::int64_t>(seconds * kMsPerSecond); };
  plan.warm_up_ms = in_ms(flags.warm_up_s);
  plan.measured_ms = in_ms(flags.seconds);
  plan.try_ms = in_ms(flags.try_s);
  plan.limit_ms = flags.limit_ms.value_or(usual_limit_ms);
  if (flags.search) {
    if (flags.rate > flags.highest) return fail(ErrorCode::kUsage, "--rate is above --highest");
    plan.search = {flags.rate, flags.highest, flags.precision_percent / 100};
  }
  return plan;
}

// 3 when trades were lost, or what was asked for by --limit or --search did not hold.
int exit_code_for(const LoadReport& report, const LoadFlags& flags) {
  constexpr int kNotHeld = 3;
  if (report.interrupted) return 0;
  if (flags.search) return report.sustained ? 0 : kNotHeld;
  const bool lost = report.run->figures.missing > 0;
  return lost || (flags.limit_ms && !report.run->held()) ? kNotHeld : 0;
}

Result<int> conduct(std::string_view name, LoadTarget& target, const Settings& settings, const LoadPlan& plan,
                    const LoadFlags& flags, const EndSignals& signals, Clock& clock) {
  PolicySet policies;
  FINPIPE_TRY_ASSIGN(opened, open_policies(settings));
  for (MarketPolicy& policy : opened) policies.put(std::move(policy));
  LoadSession session(target, policies, plan, signals, clock);
  FINPIPE_TRY_ASSIGN(report, session.conduct());
  report.target = name;
  std::string text = flags.json ? to_json(report) : to_text(report);
  FINPIPE_TRY_ASSIGN(output, Output::open(""));
  FINPIPE_TRY(output.finish(text));
  return exit_code_for(report, flags);
}

// ---- Targets -------------------------------------------------------------------------------------------------------

constexpr std::int64_t kLiveLimitMs = 100;
constexpr std::int64_t kStoredLimitMs = 1'000;  // commits come each quarter of a second

Result<int> load_websocket(const Settings& settings, const LoadFlags& flags) {
  const EndSignals signals;
  SystemClock clock;
  FINPIPE_TRY_ASSIGN(plan, plan_of(flags, kLiveLimitMs));
  if (flags.symbols > StreamReader::kMaxSymbols) {
    return bad_load_flag("--symbols", fmt::to_string(flags.symbols),
                         fmt::format("at most {}: what one connection of the stream takes", StreamReader::kMaxSymbols));
  }
  WebSocketTargetOptions options;
  const auto listen = parse_listen(flags.listen);
  if (!listen) return bad_load_flag("--listen", flags.listen, "must be ADDRESS:PORT, such as 127.0.0.1:0");
  auto stream = net::parse_url(flags.stream);
  if (!stream || !stream->scheme.starts_with("ws")) {
    return bad_load_flag("--stream", flags.stream,
                         "must be where the pipeline has its API, such as ws://127.0.0.1:8080");
  }
  options.stream = *std::move(stream);
  options.existing = flags.existing;
  options.vendor.address = listen->address;
  options.vendor.port = listen->port;
  options.vendor.tls = !flags.write_ca.empty();
  options.vendor.token = flags.token;
  options.vendor.max_trades_per_frame = flags.frame;
  options.vendor.fault_every_ms = static_cast<std::int64_t>(flags.fault_every_s * kMsPerSecond);
  options.vendor.seed = flags.seed;
  if (flags.faults.empty()) return bad_load_flag("--faults", "", "must name one, such as delay");
  for (const auto part : std::views::split(flags.faults, ',')) {
    const auto kind = fault_kind_from(std::string_view(part.begin(), part.end()));
    if (!kind || *kind == FaultKind::kDuplicate) {
      return bad_load_flag("--faults", flags.faults,
                           fmt::format("must be of {}, without duplicate", fmt::join(kFaultNames, ",")));
    }
    options.vendor.faults.push_back(*kind);
  }
  options.vendor.symbols = load_symbols(plan.flow.market, plan.flow.symbols);
  const std::string names = fmt::format("{}", fmt::join(options.vendor.symbols, ","));
  const LoadVendor* vendor = nullptr;
  FINPIPE_TRY_ASSIGN(target, open_websocket_target(options, clock, vendor));
  if (options.vendor.tls) {
    FINPIPE_TRY_ASSIGN(file, Output::open(flags.write_ca));
    std::string pem = vendor->ca_pem();
    FINPIPE_TRY(file.finish(pem));
  }
  const bool is_v6 = listen->address.find(':') != std::string::npos;
  tell(fmt::format(
      "the load's vendor is at {}://{}{}{}:{}; it begins when a pipeline has subscribed:\n"
      "  --feed {}://{}{}{}:{} --symbols {}\n",
      options.vendor.tls ? "wss" : "ws", is_v6 ? "[" : "", listen->address, is_v6 ? "]" : "", vendor->port(),
      options.vendor.tls ? "wss" : "ws", is_v6 ? "[" : "", listen->address, is_v6 ? "]" : "", vendor->port(), names));
  return conduct("websocket", *target, settings, plan, flags, signals, clock);
}

// A load into what nobody named would be one into real data.
Result<void> check_named(bool is_default, std::string_view flag) {
  if (!is_default) return {};
  return fail(ErrorCode::kUsage, fmt::format("{} must say where: a load has parts of its own, never those that a "
                                             "pipeline uses when nobody says",
                                             flag));
}

template <bool with_store>
Result<int> load_log(const Settings& settings, const LoadFlags& flags) {
  const EndSignals signals;
  SystemClock clock;
  FINPIPE_TRY(check_named(settings.log_is_default, "--log"));
  if (with_store) FINPIPE_TRY(check_named(settings.store_is_default, "--store"));
  FINPIPE_TRY_ASSIGN(plan, plan_of(flags, with_store ? kStoredLimitMs : kLiveLimitMs));
  auto target = open_log_target(settings, with_store, load_symbols(plan.flow.market, plan.flow.symbols), clock,
                                [&signals] { return signals.pending(); });
  if (!target && target.error().code == ErrorCode::kInterrupted && signals.pending()) return 0;
  if (!target) return fail(std::move(target).error());
  return conduct(with_store ? "bars" : "log", **target, settings, plan, flags, signals, clock);
}

Result<int> load_store(const Settings& settings, const LoadFlags& flags) {
  const EndSignals signals;
  SystemClock clock;
  FINPIPE_TRY(check_named(settings.store_is_default, "--store"));
  FINPIPE_TRY_ASSIGN(plan, plan_of(flags, kStoredLimitMs));
  FINPIPE_TRY_ASSIGN(target, open_store_target(settings, load_symbols(plan.flow.market, plan.flow.symbols), clock));
  return conduct("store", *target, settings, plan, flags, signals, clock);
}

// ---- Command line --------------------------------------------------------------------------------------------------

void add_flow_flags(CLI::App& command, LoadFlags& flags) {
  const auto in = [](auto low, auto high) { return CLI::Range(low, high).description(""); };
  command.add_option("--rate", flags.rate, "trades a second, 1 to 1000000; of a search the first [1000]")
      ->type_name("N")
      ->check(in(std::int64_t{1}, kMaxLoadRate));
  command.add_option("--seconds", flags.seconds, "measured for so long, 0.1 to 86400 [10]")
      ->type_name("S")
      ->check(in(0.1, static_cast<double>(kMaxSeconds)));
  command.add_option("--warm-up", flags.warm_up_s, "sent before that, and not measured, 0 to 3600 [1]")
      ->type_name("S")
      ->check(in(0.0, 3'600.0));
  command.add_option("--symbols", flags.symbols, "how many, 1 to 10000 (websocket: 200) [50]")
      ->type_name("N")
      ->check(in(std::size_t{1}, kMaxLoadSymbols));
  command.add_option("--zipf", flags.zipf, "exponent of Zipf's law over the symbols, 0 (all alike) to 4 [1]")
      ->type_name("X")
      ->check(in(0.0, kMaxZipf));
  command.add_option("--market", flags.market, "us: with the sale conditions of US equities [crypto]")
      ->type_name("crypto|us")
      ->check(CLI::IsMember({"crypto", "us"}).description(""));
  command.add_option("--flow", flags.flow, "tape: times, frames, prices and volumes as on a tape [synthetic]")
      ->type_name("synthetic|tape")
      ->check(CLI::IsMember({"synthetic", "tape"}).description(""));
  command.add_option("--tape", flags.tape, "which tape [the bundled one]")->type_name("PATH");
  command.add_option("--frame", flags.frame, "trades of a frame, 1 to so many, at most 1000 [10]")
      ->type_name("N")
      ->check(in(std::int64_t{1}, kMaxFrameTrades));
  command.add_option("--burst", flags.burst, "so many times the rate for LENGTH of each EVERY ms: 5:1000:100 [none]")
      ->type_name("FACTOR:EVERY:LENGTH");
  command.add_option("--bad", flags.bad_percent, "frames besides that cannot be used, in %, 0 to 50 [0]")
      ->type_name("PERCENT")
      ->check(in(0.0, kMaxBadPercent));
  command.add_option("--seed", flags.seed, "the same seed draws the same flow [1]")->type_name("N");
}

void add_verdict_flags(CLI::App& command, LoadFlags& flags, std::int64_t usual_limit_ms) {
  const auto in = [](auto low, auto high) { return CLI::Range(low, high).description(""); };
  command
      .add_option(
          "--limit", flags.limit_ms,
          fmt::format("the 99th percentile that is meant to hold, in ms, 1 to {}; exit code 3 if it does not [{}]",
                      kMaxLimitMs, usual_limit_ms))
      ->type_name("MS")
      ->check(in(std::int64_t{1}, kMaxLimitMs));
  command.add_flag("--search", flags.search,
                   "find the highest rate that holds: p99 within the limit, the backlog does "
                   "not grow, nothing is lost");
  command.add_option("--try", flags.try_s, "measured for so long in each try of a search, 0.5 to 3600 [5]")
      ->type_name("S")
      ->check(in(0.5, 3'600.0));
  command.add_option("--highest", flags.highest, "a search goes no higher, 1 to 1000000 [1000000]")
      ->type_name("N")
      ->check(in(std::int64_t{1}, kMaxLoadRate));
  command.add_option("--precision", flags.precision_percent, "a search ends within so much, in %, 0.1 to 50 [5]")
      ->type_name("PERCENT")
      ->check(in(0.1, 50.0));
  command.add_flag("--json", flags.json, "the report as JSON");
}

CLI::App& add_target(CLI::App& parent, CommandLine& line, const char* name, const char* help,
                     std::int64_t usual_limit_ms, Result<int> (*action)(const Settings&, const LoadFlags&),
                     const std::shared_ptr<LoadFlags>& flags) {
  CLI::App& command = *parent.add_subcommand(name, help);
  add_flow_flags(command, *flags);
  add_verdict_flags(command, *flags, usual_limit_ms);
  command.callback([&line, flags, action] {
    line.command = [flags, action](const SettingValues&, const Settings& settings) { return action(settings, *flags); };
  });
  return command;
}

void add_websocket(CLI::App& parent, CommandLine& line) {
  const auto flags = std::make_shared<LoadFlags>();
  CLI::App& command = add_target(parent, line, "websocket",
                                 "Be the vendor of a pipeline, until a client of its stream has the bar of a trade",
                                 kLiveLimitMs, load_websocket, flags);
  command.add_option("--stream", flags->stream, "where the pipeline under load has its API: ws://HOST:PORT")
      ->type_name("URL")
      ->required();
  command.add_option("--listen", flags->listen, "where the vendor is; port 0: a free one [127.0.0.1:0]")
      ->type_name("ADDRESS:PORT");
  command.add_option("--write-ca", flags->write_ca, "speak TLS, and write what clients have to trust to this file")
      ->type_name("FILE");
  command.add_option("--token", flags->token, "the API key that clients need [none is needed]")->type_name("KEY");
  command.add_flag("--existing", flags->existing, "also when the pipeline holds data that no load made");
  command
      .add_option("--fault-every", flags->fault_every_s,
                  "the vendor commits a fault about that often, in seconds, 0 to 86400; 0: never [0]")
      ->type_name("S")
      ->check(CLI::Range(0.0, 86'400.0).description(""));
  command
      .add_option("--faults", flags->faults,
                  fmt::format("of {}, without duplicate [delay]", fmt::join(kFaultNames, ",")))
      ->type_name("list");
  add_settings(command, line, {Setting::kPolicies});
  add_examples(command, {"finpipe load websocket --stream ws://127.0.0.1:8080 --listen 127.0.0.1:9000 --rate 5000",
                         "finpipe load websocket --stream ws://127.0.0.1:8080 --search --limit 50",
                         "finpipe load websocket --stream ws://127.0.0.1:8080 --market us --burst 5:1000:100 --bad 1"});
}

void add_log_target(CLI::App& parent, CommandLine& line) {
  const auto flags = std::make_shared<LoadFlags>();
  CLI::App& command = add_target(parent, line, "log", "Into a log, until it has acknowledged a trade", kLiveLimitMs,
                                 load_log<false>, flags);
  add_settings(
      command, line,
      {Setting::kLog, Setting::kPartitions, Setting::kPolicies, Setting::kKafkaProfile, Setting::kKafkaBuffer});
  add_examples(command, {"finpipe load log --log embedded:/tmp/load/log --rate 20000",
                         "finpipe load log --log kafka://127.0.0.1/load --search --limit 50 --json"});
}

void add_bars_target(CLI::App& parent, CommandLine& line) {
  const auto flags = std::make_shared<LoadFlags>();
  CLI::App& command = add_target(parent, line, "bars", "Into a log and on, until the store has a trade and its bars",
                                 kStoredLimitMs, load_log<true>, flags);
  add_settings(command, line,
               {Setting::kLog, Setting::kStore, Setting::kPartitions, Setting::kCommitInterval, Setting::kPolicies,
                Setting::kKafkaProfile, Setting::kKafkaBuffer});
  add_examples(command, {"finpipe load bars --log embedded:/tmp/load/log --store embedded:/tmp/load/store",
                         "finpipe load bars --log kafka://127.0.0.1/load --store cassandra://127.0.0.1/load --search"});
}

void add_store_target(CLI::App& parent, CommandLine& line) {
  const auto flags = std::make_shared<LoadFlags>();
  CLI::App& command = add_target(parent, line, "store",
                                 "Into an empty store, from a log in memory, until it has a trade "
                                 "and its bars",
                                 kStoredLimitMs, load_store, flags);
  add_settings(command, line, {Setting::kStore, Setting::kPartitions, Setting::kCommitInterval, Setting::kPolicies});
  add_examples(command, {"finpipe load store --store embedded:/tmp/load/store --rate 20000",
                         "finpipe load store --store cassandra://127.0.0.1/load --search --flow tape"});
}

}  // namespace

void add_load(CLI::App& program, CommandLine& line) {
  CLI::App& command = *program.add_subcommand(
      "load", "Put a load on a pipeline or on parts of one, open loop, and measure latency or the highest rate");
  command.require_subcommand(1);
  add_examples(command, {"finpipe load websocket --stream ws://127.0.0.1:8080 --rate 5000",
                         "finpipe load log --log embedded:/tmp/load/log --search"});
  add_websocket(command, line);
  add_log_target(command, line);
  add_bars_target(command, line);
  add_store_target(command, line);
}

}  // namespace finpipe
