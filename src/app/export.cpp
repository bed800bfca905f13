#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <initializer_list>
#include <memory>

#include "app/commands.h"
#include "app/exports.h"
#include "app/parts.h"
#include "base/time.h"
#include "telemetry/log.h"

namespace finpipe {
namespace {

struct ExportFlags {
  std::string symbols, intervals, from, to, output, as_of;
  std::string session = "all";
  std::string fill = "none";
  bool adjusted = false;
};

Result<std::vector<ReadInterval>> parse_intervals(std::string_view list) {
  std::vector<ReadInterval> intervals;
  for (std::string_view rest = list;;) {
    const std::size_t end = rest.find(',');
    const auto interval = read_interval_from(rest.substr(0, end));
    if (!interval) {
      return fail(ErrorCode::kUsage, fmt::format("--interval '{}': each {}", list, kReadIntervalForm));
    }
    intervals.push_back(*interval);
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  std::ranges::sort(intervals, {}, &ReadInterval::length_ms);
  intervals.erase(std::ranges::unique(intervals).begin(), intervals.end());
  return intervals;
}

// How bars are to be shown; splits are read when they are needed.
Result<void> parse_view(const ExportFlags& flags, ExportSelection& selection) {
  selection.view.regular_hours = flags.session == "regular";
  selection.view.fill = flags.fill == "previous";
  if (!flags.as_of.empty()) {
    FINPIPE_TRY_ASSIGN(as_of_ms, parse_time_flag("--as-of", flags.as_of, 0));
    selection.view.as_of_ms = as_of_ms;
  }
  if (!selection.view.regular_hours) return {};
  if (flags.intervals.empty()) std::erase_if(selection.intervals, &ReadInterval::daily);
  if (std::ranges::any_of(selection.intervals, &ReadInterval::daily))
    return fail(ErrorCode::kUsage, "--session regular is for intervals below a day");
  return {};
}

Result<ExportSelection> parse_selection(const ExportFlags& flags) {
  ExportSelection selection;
  FINPIPE_TRY_ASSIGN(symbols, parse_symbols(flags.symbols));
  selection.symbols = std::move(symbols);
  if (!flags.intervals.empty()) {
    FINPIPE_TRY_ASSIGN(intervals, parse_intervals(flags.intervals));
    selection.intervals = std::move(intervals);
  }
  FINPIPE_TRY_ASSIGN(from_ms, parse_time_flag("--from", flags.from, selection.from_ms));
  FINPIPE_TRY_ASSIGN(to_ms, parse_time_flag("--to", flags.to, selection.to_ms));
  selection.from_ms = from_ms;
  selection.to_ms = to_ms;
  FINPIPE_TRY(parse_view(flags, selection));
  return selection;
}

using StoreExport = Result<std::int64_t> (*)(Query&, const ExportSelection&, Output&);

Result<void> export_from_store(const Settings& settings, const ExportFlags& flags, StoreExport write) {
  FINPIPE_TRY_ASSIGN(selection, parse_selection(flags));
  const auto rolled_up = [](const ReadInterval& interval) { return interval.count > 1; };
  if (write == export_revisions && std::ranges::any_of(selection.intervals, rolled_up))
    return fail(ErrorCode::kUsage, fmt::format("--interval: revisions have only {}", fmt::join(kIntervalNames, ",")));
  FINPIPE_TRY_ASSIGN(store, open_store(settings, Access::kRead));
  FINPIPE_TRY_ASSIGN(known, store.query().symbols());
  for (const std::string& symbol : selection.symbols) {
    if (std::ranges::find(known, symbol, &SymbolRow::symbol) == known.end()) {
      log_warn("the store has no such symbol", {{"symbol", symbol}});
    }
  }
  SplitTable splits;
  if (flags.adjusted) {
    FINPIPE_TRY_ASSIGN(known_splits, open_splits(settings));
    splits = std::move(known_splits);
    selection.view.splits = &splits;
  }
  FINPIPE_TRY_ASSIGN(output, Output::open(flags.output));
  FINPIPE_TRY_ASSIGN(rows, write(store.query(), selection, output));
  if (!flags.output.empty()) log_info("exported", {{"rows", fmt::to_string(rows)}, {"file", flags.output}});
  return {};
}

Result<void> export_from_log(const Settings& settings, const ExportFlags& flags) {
  FINPIPE_TRY_ASSIGN(selection, parse_selection(flags));
  FINPIPE_TRY_ASSIGN(log, open_log(settings, Access::kRead));
  FINPIPE_TRY_ASSIGN(output, Output::open(flags.output));
  const auto letters = log->dead_letter_query();
  FINPIPE_TRY_ASSIGN(rows, export_dead_letters(*letters, selection, output));
  if (!flags.output.empty()) log_info("exported", {{"rows", fmt::to_string(rows)}, {"file", flags.output}});
  return {};
}

CLI::App& add_kind(CLI::App& parent, const char* name, const char* help, ExportFlags& flags) {
  CLI::App& kind = *parent.add_subcommand(name, help);
  kind.add_option("--from", flags.from, "first time that is exported")->type_name("time");
  kind.add_option("--to", flags.to, "first time that is not")->type_name("time");
  kind.add_option("--output", flags.output, "write to this file instead of standard output")->type_name("FILE");
  return kind;
}

CLI::App& add_store_kind(CLI::App& parent, CommandLine& line, const std::shared_ptr<ExportFlags>& flags,
                         const char* name, const char* help, StoreExport write,
                         std::initializer_list<Setting> parts = {Setting::kLog, Setting::kStore}) {
  CLI::App& kind = add_kind(parent, name, help, *flags);
  kind.add_option("--symbols", flags->symbols, "only these, separated by commas")->type_name("list");
  add_settings(kind, line, parts);
  add_examples(kind,
               {fmt::format("finpipe export {} --output {}.csv", name, name),
                fmt::format("finpipe export {} --symbols BINANCE:BTCUSDT --from 2024-08-09 --to 2024-08-10", name)});
  kind.callback([&line, flags, write] {
    line.command = [flags, write](const SettingValues&, const Settings& settings) -> Result<int> {
      FINPIPE_TRY(export_from_store(settings, *flags, write));
      return 0;
    };
  });
  return kind;
}

void add_bars(CLI::App& parent, CommandLine& line, const std::shared_ptr<ExportFlags>& flags) {
  CLI::App& bars = add_store_kind(parent, line, flags, "bars", "What each bar says now, or said", export_bars,
                                  {Setting::kLog, Setting::kStore, Setting::kPolicies});
  bars.add_option("--interval", flags->intervals, "only these: 1s,1m,5m,15m,1h,1d and multiples such as 2m,45s,4h,7d")
      ->type_name("list");
  bars.add_option("--session", flags->session, "`regular`: only regular hours, in windows from the opening on")
      ->check(CLI::IsMember({"all", "regular"}).description(""))
      ->type_name("all|regular");
  bars.add_option("--fill", flags->fill, "`previous`: windows without a bar show the close before them")
      ->check(CLI::IsMember({"none", "previous"}).description(""))
      ->type_name("none|previous");
  bars.add_option("--as-of", flags->as_of, "as bars were at this moment of the engine's clock")->type_name("time");
  bars.add_flag("--adjusted", flags->adjusted, "prices and volumes in today's shares: adjusted for splits");
  add_examples(bars, {"finpipe export bars --output bars.csv",
                      "finpipe export bars --symbols AAPL --interval 30m --session regular --adjusted",
                      "finpipe export bars --interval 1m --as-of 2024-08-08T23:56:00Z --fill previous"});
}

}  // namespace

void add_export(CLI::App& program, CommandLine& line) {
  CLI::App& command = *program.add_subcommand("export", "Write stored data as CSV, also beside a running `run`");
  command.require_subcommand(1);
  add_examples(command, {"finpipe export bars --interval 1m,5m --output bars.csv", "finpipe export dead-letters"});
  const auto flags = std::make_shared<ExportFlags>();
  add_bars(command, line, flags);
  add_store_kind(command, line, flags, "revisions", "All that closed bars ever said", export_revisions)
      .add_option("--interval", flags->intervals, "only these of 1s,1m,5m,15m,1h,1d")
      ->type_name("list");
  add_store_kind(command, line, flags, "trades", "Every stored trade", export_trades);
  add_store_kind(command, line, flags, "gaps", "Spans in which trades may be missing", export_gaps);
  add_store_kind(command, line, flags, "voids", "Which trades an operator voided, and why", export_voids);

  CLI::App& letters =
      add_kind(command, "dead-letters", "Input that could not be used, whole and with the reason", *flags);
  add_settings(letters, line, {Setting::kLog, Setting::kStore});
  add_examples(letters, {"finpipe export dead-letters", "finpipe export dead-letters --from 2024-08-09"});
  letters.callback([&line, flags] {
    line.command = [flags](const SettingValues&, const Settings& settings) -> Result<int> {
      FINPIPE_TRY(export_from_log(settings, *flags));
      return 0;
    };
  });
}

}  // namespace finpipe
