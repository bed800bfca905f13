#include "pipeline/verify.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

#include "app/commands.h"
#include "app/parts.h"
#include "app/progress.h"
#include "base/clock.h"

namespace finpipe {
namespace {

constexpr std::size_t kDescribedPerSymbol = 5;

void print_report(const VerifyReport& report) {
  std::size_t width = 6;
  for (const VerifiedSymbol& symbol : report.symbols) width = std::max(width, symbol.symbol.size());
  fmt::print("{:<{}}  {:>9} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}\n", "symbol", width, "partition", "in log",
             "stored", "not in log", "bars", "revisions", "differences");
  for (const VerifiedSymbol& symbol : report.symbols) {
    fmt::print("{:<{}}  {:>9} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}\n", symbol.symbol, width, symbol.partition,
               with_separators(symbol.trades), with_separators(symbol.stored), with_separators(symbol.not_in_log),
               with_separators(symbol.bars), with_separators(symbol.revisions), with_separators(symbol.differences));
  }
  fmt::print("\n{:>9} {:<9} {:>7} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}\n", "partition", "writer", "session",
             "received", "had already", "appended", "refused", "stored", "seen before", "dead letters");
  for (const VerifiedSession& session : report.sessions) {
    const LedgerRow& row = session.account;
    fmt::print("{:>9} {:<9} {:>7} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12} {:>12}\n", session.partition,
               to_string(session.writer), session.session, with_separators(row.received),
               with_separators(row.already_in_log), with_separators(row.appended),
               with_separators(row.dead_lettered_before), with_separators(row.stored), with_separators(row.skipped),
               with_separators(row.dead_lettered_after));
  }
  fmt::print("\n");
  for (const Difference& difference : report.first) fmt::print("{}: {}\n", difference.kind, difference.what);
  const auto hidden = report.differences - static_cast<std::int64_t>(report.first.size());
  if (hidden > 0) fmt::print("and {} more\n", with_separators(hidden));
  if (report.differences == 0) {
    fmt::print("No difference: {} records of the log agree with the store.\n", with_separators(report.records));
  }
  if (report.left_out > 0) {
    fmt::print("A sample: {} of {} symbols were compared, drawn anew each time; the account was checked for all.\n",
               report.symbols.size(), static_cast<std::int64_t>(report.symbols.size()) + report.left_out);
  }
}

Result<void> run_verify(const Settings& settings, double sample_percent) {
  FINPIPE_TRY_ASSIGN(store, open_store(settings, Access::kRead));
  FINPIPE_TRY_ASSIGN(log, open_log(settings, Access::kRead));
  const auto reader = log->reader();
  const auto letters = log->dead_letter_query();
  const bool terminal = isatty(STDERR_FILENO) == 1;
  VerifyOptions options;
  options.max_differences = kDescribedPerSymbol;
  options.sample = sample_percent / 100;
  if (options.sample < 1) options.sample_seed = static_cast<std::uint64_t>(SystemClock().wall_ns());
  if (terminal) {
    options.progress = [](double done) {
      tell(fmt::format("\r{:>4.0f}% verified", done * 100));
      std::fflush(stderr);
    };
  }
  const auto report = verify(store.query(), *reader, *letters, options);
  if (terminal) tell("\r\033[K");
  if (!report) return fail(report.error());
  print_report(*report);
  std::fflush(stdout);
  if (report->differences == 0) return {};
  return fail(ErrorCode::kDifferenceFound, fmt::format("{} differences", report->differences));
}

}  // namespace

void add_verify(CLI::App& program, CommandLine& line) {
  CLI::App* command = program.add_subcommand(
      "verify", "Prove that trades, bars and revisions agree with the log, up to the checkpoint; exit code 3 if not");
  const auto sample = std::make_shared<double>(100);
  command->add_option("--sample", *sample, "compare only so many of 100 symbols: for big stores")
      ->type_name("percent")
      ->check(CLI::Range(0.0001, 100.0))
      ->capture_default_str();
  add_settings(*command, line, {Setting::kLog, Setting::kStore});
  add_examples(*command, {"finpipe verify", "finpipe verify --sample 5",
                          "finpipe verify --log embedded:/data/log --store embedded:/data/store"});
  command->callback([&line, sample] {
    line.command = [sample](const SettingValues&, const Settings& settings) -> Result<int> {
      FINPIPE_TRY(run_verify(settings, *sample));
      return 0;
    };
  });
}

}  // namespace finpipe
