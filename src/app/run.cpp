#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>

#include "app/bar_table.h"
#include "app/commands.h"
#include "app/commit_counter.h"
#include "app/end_signals.h"
#include "app/parts.h"
#include "app/pipeline_threads.h"
#include "app/progress.h"
#include "base/clock.h"
#include "base/time.h"
#include "telemetry/log.h"

namespace finpipe {
namespace {

struct Summary {
  PipelineThreads::Status status;
  std::int64_t stored = 0;
  std::int64_t finals = 0;
  std::int64_t revisions = 0;
  std::int64_t open_bars = 0;
  std::int64_t elapsed_ns = 0;
};

void print_summary(const Summary& summary) {
  const IngestCounts& ingest = summary.status.ingest;
  const double seconds = static_cast<double>(summary.elapsed_ns) / static_cast<double>(kNsPerSecond);
  const auto n = with_separators;
  fmt::print("trades  {} received = {} already in the log + {} appended + {} dead-lettered; {} suspect\n",
             n(ingest.received), n(ingest.already_in_log), n(ingest.appended), n(ingest.dead_lettered),
             n(ingest.suspects));
  fmt::print("stored  {} trades, {} dead-lettered after the log\n", n(summary.stored),
             n(summary.status.dead_lettered_after));
  fmt::print("bars    {} became final, {} revisions, {} open\n", n(summary.finals), n(summary.revisions),
             n(summary.open_bars));
  fmt::print("time    {:.2f} s, {} trades/s, {} MiB of memory\n", seconds,
             n(static_cast<std::int64_t>(static_cast<double>(ingest.received) / std::max(seconds, 1e-3))),
             resident_bytes() >> 20);
}

// Bars that are provisional: looked for only where the engine says that such bars can be.
Result<std::int64_t> count_open_bars(const Processor& processor, Query& query) {
  std::int64_t count = 0;
  for (const auto& [partition, entry] : processor.partitions()) {
    const BarEngine& engine = entry.engine();
    for (SymbolId id = 0; id < engine.symbol_count(); ++id) {
      for (const BarEngine::RowRange& range : engine.restore_ranges(id)) {
        FINPIPE_TRY(
            query.bars({engine.symbol_name(id), range.interval, range.from_ms, range.to_ms}, [&](const BarRow& row) {
              if (row.bar.state == BarState::kProvisional) ++count;
              return true;
            }));
      }
    }
  }
  return count;
}

// Watches the threads until they have ended, and asks them to when a signal comes.
void attend(PipelineThreads& threads, const EndSignals& signals, Progress& progress, const CommitCounter& store,
            Clock& clock, bool exit_at_end) {
  constexpr std::int64_t kTickMs = 50;
  bool stopping = false;
  bool told_end = exit_at_end;
  for (;;) {
    const bool signalled = signals.wait(kTickMs);
    const PipelineThreads::Status status = threads.status();
    if (status.done) break;
    if (signalled && stopping) _exit(1);
    if (signalled) {
      stopping = true;
      progress.clear();
      log_info("stopping", {{"backlog", fmt::to_string(status.backlog)}});
      threads.request_stop();
    }
    if (!told_end && status.all_submitted && store.settled()) {
      told_end = true;
      progress.clear();
      log_info("the tape has ended and all of it is stored; waiting for a signal", {});
    }
    if (!told_end || exit_at_end) progress.tick(status, store.trades(), clock.boot_ns());
  }
  progress.clear();
}

Result<void> run(const Settings& settings) {
  const EndSignals signals;
  SystemClock clock;
  const std::int64_t started_ns = clock.boot_ns();
  FINPIPE_TRY_ASSIGN(policies, open_policies(settings));
  FINPIPE_TRY_ASSIGN(feed, open_feed(settings));
  FINPIPE_TRY_ASSIGN(log, open_log(settings, Access::kWrite));
  FINPIPE_TRY_ASSIGN(store, open_store(settings, Access::kWrite));
  CommitCounter counter(*store);
  const auto ingest_reader = log->reader();
  const auto process_reader = log->reader();
  const auto ingest_letters = log->dead_letters();
  const auto process_letters = log->dead_letters();

  IngestOptions options;
  options.symbols = settings.symbols;
  options.policies = policies;
  Ingest ingest(*feed, *ingest_reader, log->writer(), *ingest_letters, std::move(options));
  FINPIPE_TRY(ingest.start());
  Processor processor(*process_reader, counter, *process_letters, clock);
  log_info("started", {{"feed", settings.feed},
                       {"log", settings.log},
                       {"store", settings.store},
                       {"partitions", fmt::to_string(log->partitions())},
                       {"session", fmt::to_string(ingest.session())}});

  Summary summary;
  {
    PipelineThreads threads(*feed, ingest, processor, *process_reader, clock, {.exit_at_end = settings.exit_at_end});
    Progress progress(isatty(STDERR_FILENO) == 1, started_ns);
    attend(threads, signals, progress, counter, clock, settings.exit_at_end);
    FINPIPE_TRY(threads.join());
    summary.status = threads.status();
  }
  summary.elapsed_ns = clock.boot_ns() - started_ns;
  summary.stored = counter.trades();
  summary.finals = counter.finals();
  summary.revisions = counter.revisions();
  FINPIPE_TRY_ASSIGN(open_bars, count_open_bars(processor, *store));
  summary.open_bars = open_bars;
  print_summary(summary);
  FINPIPE_TRY_ASSIGN(table, bar_table(*store, {}));
  fmt::print("{}", table);
  std::fflush(stdout);
  return {};
}

}  // namespace

void add_run(CLI::App& program, CommandLine& line) {
  CLI::App* command = program.add_subcommand("run", "Take trades from a feed, log them, make bars, store both");
  add_settings(*command, line,
               {Setting::kFeed, Setting::kLog, Setting::kStore, Setting::kSymbols, Setting::kPartitions,
                Setting::kExitAtEnd, Setting::kPolicies});
  add_examples(*command, {"finpipe run --feed tape:data/binance.tape --exit-at-end",
                          "finpipe run --feed tape:data/binance.tape --symbols BINANCE:BTCUSDT \\\n"
                          "      --log embedded:/data/log --store embedded:/data/store --partitions 4"});
  command->callback([&line] {
    line.command = [](const SettingValues&, const Settings& settings) -> Result<int> {
      FINPIPE_TRY(run(settings));
      return 0;
    };
  });
}

}  // namespace finpipe
