#include "pipeline/checkpoint.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "app/commands.h"
#include "app/parts.h"
#include "app/progress.h"
#include "base/time.h"
#include "pipeline/reset.h"

namespace finpipe {
namespace {

std::string shown_clock(std::int64_t clock_ns) {
  return clock_ns == std::numeric_limits<std::int64_t>::min() ? "not started" : format_time_ns(clock_ns);
}

std::string shown_floor(std::int64_t floor_ms) {
  return floor_ms == kBeginningOfTime ? "none: all bars are of this generation" : format_time_ms(floor_ms);
}

std::string_view shown_state(avro::ConnectionState state) {
  switch (state) {
    case avro::ConnectionState::kConnected: return "connected";
    case avro::ConnectionState::kDisconnected: return "disconnected";
    case avro::ConnectionState::kStalled: return "stalled";
  }
  return "";
}

Result<void> print_checkpoint(const Checkpoint& checkpoint, LogReader& log) {
  const bool same_log = checkpoint.log_id == log.log_id();
  fmt::print("partition {}\n", checkpoint.partition);
  fmt::print("  generation   {}\n", checkpoint.generation);
  if (same_log && checkpoint.partition < log.partitions()) {
    FINPIPE_TRY_ASSIGN(range, log.range(checkpoint.partition));
    fmt::print("  offset       {} of {}, {} to go\n", checkpoint.offset, range.end, range.end - checkpoint.offset);
  } else {
    fmt::print("  offset       {}\n", checkpoint.offset);
  }
  fmt::print("  log          {:02x}{}\n", fmt::join(checkpoint.log_id, ""), same_log ? "" : " (not this log)");
  fmt::print("  clock        {}\n", shown_clock(checkpoint.engine.clock_ns));
  fmt::print("  floor        {}\n", shown_floor(checkpoint.floor_ms));
  fmt::print("  engine       {}{}\n", checkpoint.fingerprint,
             checkpoint.fingerprint == engine_fingerprint() ? "" : " (not this program's)");
  fmt::print("  feed         {}\n", shown_state(checkpoint.feed_state));
  for (const auto& [market, lag_ms] : checkpoint.engine.lags_ms)
    fmt::print("  lag          {} {} ms\n", market, lag_ms);
  for (const auto& [market, hash] : checkpoint.policies) {
    fmt::print("  policy       {} {}\n", market, hash.substr(0, 16));
  }
  LedgerRow total;
  for (const auto& [session, row] : checkpoint.ledger) total += row;
  fmt::print("  trades       {} in the log = {} stored + {} seen before + {} dead-lettered; {} sessions\n",
             with_separators(total.in_log), with_separators(total.stored), with_separators(total.skipped),
             with_separators(total.dead_lettered_after), checkpoint.ledger.size());
  return {};
}

Result<void> show(const Settings& settings) {
  // The store first: then the log holds at least what the checkpoints say.
  FINPIPE_TRY_ASSIGN(store, open_store(settings, Access::kRead));
  FINPIPE_TRY_ASSIGN(log, open_log(settings, Access::kRead));
  FINPIPE_TRY_ASSIGN(rows, store.query().checkpoints());
  if (rows.empty()) fmt::print("The store has no checkpoint: `finpipe run` begins at the log's first record.\n");
  const auto reader = log->reader();
  for (const CheckpointRow& row : rows) {
    FINPIPE_TRY_ASSIGN(checkpoint, decode_checkpoint(row));
    FINPIPE_TRY(print_checkpoint(checkpoint, *reader));
  }
  return {};
}

Result<void> reset(const Settings& settings) {
  FINPIPE_TRY_ASSIGN(policies, open_policies(settings));
  // The log first, so that no store is made where there is nothing to make it from; and not beside a `run`, whose
  // checkpoints would no longer count.
  FINPIPE_TRY_ASSIGN(log, open_log(settings, Access::kChange));
  FINPIPE_TRY(log->check_idle(group_of(settings)));
  FINPIPE_TRY_ASSIGN(store, open_store(settings, Access::kWrite));
  const auto reader = log->reader();
  FINPIPE_TRY_ASSIGN(checkpoints, reset_checkpoints(*reader, store.store(), store.query(), policies));
  for (const Checkpoint& checkpoint : checkpoints) {
    fmt::print("partition {}: generation {} begins at offset {}; records to apply: {}; floor: {}\n",
               checkpoint.partition, checkpoint.generation, checkpoint.offset,
               checkpoint.policies_from - checkpoint.offset, shown_floor(checkpoint.floor_ms));
  }
  fmt::print("Bars are made anew when `finpipe run` starts next.\n");
  return {};
}

void add_action(CLI::App& parent, CommandLine& line, const char* name, const char* help,
                std::initializer_list<Setting> settings, Result<void> (*action)(const Settings&)) {
  CLI::App& command = *parent.add_subcommand(name, help);
  add_settings(command, line, settings);
  add_examples(command,
               {fmt::format("finpipe checkpoint {}", name),
                fmt::format("finpipe checkpoint {} --log embedded:/data/log --store embedded:/data/store", name)});
  command.callback([&line, action] {
    line.command = [action](const SettingValues&, const Settings& given) -> Result<int> {
      FINPIPE_TRY(action(given));
      return 0;
    };
  });
}

}  // namespace

void add_checkpoint(CLI::App& program, CommandLine& line) {
  CLI::App& command = *program.add_subcommand("checkpoint", "Show how far the log is processed, or start over");
  command.require_subcommand(1);
  add_examples(command, {"finpipe checkpoint show", "finpipe checkpoint reset"});
  add_action(command, line, "show", "Print each partition's checkpoint, also beside a running `run`",
             {Setting::kLog, Setting::kStore}, show);
  add_action(command, line, "reset", "Start a new generation: the next `run` makes all bars anew from the log",
             {Setting::kLog, Setting::kStore, Setting::kPolicies, Setting::kKafkaGroup}, reset);
}

}  // namespace finpipe
