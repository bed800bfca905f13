// `void` and `unvoid`: take a bad print out of the bars, and put it back.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/desk.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "base/time.h"
#include "pipeline/checkpoint.h"
#include "pipeline/operator.h"

namespace finpipe {
namespace {

struct TradeFlags {
  std::string symbol, event_time, reason;
  std::int64_t seq = 0;
};

Result<void> append(Desk& desk, const VoidRow& row) {
  FINPIPE_TRY_ASSIGN(stored, desk.store().load_checkpoint(row.partition));
  if (!stored) return fail(ErrorCode::kNotFound, "the log is empty");
  FINPIPE_TRY_ASSIGN(checkpoint, decode_checkpoint(*stored));
  FINPIPE_TRY(append_void(desk.log().writer(), checkpoint, row));
  return desk.catch_up();
}

struct Meant {
  std::string text;  // the trade in words
  bool voided = false;
};

Result<Meant> find_trade(Desk& desk, const VoidRow& row) {
  std::optional<Meant> meant;
  FINPIPE_TRY(desk.query().ticks(
      {row.symbol, row.event_time_ms, row.event_time_ms + 1},
      [&](const Tick& tick) {
        if (tick.trade.seq != row.seq) return true;
        meant = Meant{fmt::format("{} {} seq {}: price {}, volume {}", row.symbol, format_time_ms(row.event_time_ms),
                                  row.seq, format_decimal(tick.trade.price_e9, kPriceDigits),
                                  format_decimal(tick.trade.volume_e8, kVolumeDigits)),
                      desk.is_voided(tick, row.partition)};
        return false;
      },
      Order::kAscending));
  if (meant) return *std::move(meant);
  return fail(ErrorCode::kNoSuchTrade,
              fmt::format("{} {} seq {}", row.symbol, format_time_ms(row.event_time_ms), row.seq));
}

// Stored rows that may hold the moment.
Result<std::vector<BarRow>> bars_at(Query& store, const VoidRow& row) {
  std::vector<BarRow> bars;
  for (const Interval interval : kIntervals) {
    // A 1d bar is labelled by its trading date, which may begin up to a day away from its label.
    const std::int64_t length = length_ms(interval);
    const std::int64_t start_ms = floor_div(row.event_time_ms, length) * length;
    const std::int64_t around_ms = interval == Interval::k1d ? length : 0;
    FINPIPE_TRY(store.bars(
        {row.symbol, interval, start_ms - around_ms, start_ms + around_ms},
        [&](const BarRow& bar) { return bars.push_back(bar), true; }, Order::kAscending));
  }
  return bars;
}

void print_changes(const std::vector<BarRow>& before, const std::vector<BarRow>& after) {
  const auto price = [](const std::optional<std::int64_t>& price_e9) {
    return price_e9 ? format_decimal(*price_e9, kPriceDigits) : std::string("none");
  };
  for (const BarRow& now : after) {
    const auto was = std::ranges::find(before, now.key, &BarRow::key);
    if (was == before.end() || was->bar == now.bar) continue;
    std::string text;
    const auto compare = [&](std::string_view field, const std::string& a, const std::string& b) {
      if (a != b) fmt::format_to(std::back_inserter(text), "{}{} {} -> {}", text.empty() ? "" : ", ", field, a, b);
    };
    const auto bound = [&](const Bar& bar, std::int64_t price_e9) {
      return price(bar.has_high_low ? std::optional(price_e9) : std::nullopt);
    };
    compare("open", price(was->bar.open_e9()), price(now.bar.open_e9()));
    compare("high", bound(was->bar, was->bar.high_e9), bound(now.bar, now.bar.high_e9));
    compare("low", bound(was->bar, was->bar.low_e9), bound(now.bar, now.bar.low_e9));
    compare("close", price(was->bar.close_e9()), price(now.bar.close_e9()));
    compare("volume", format_decimal(was->bar.volume_e8, kVolumeDigits),
            format_decimal(now.bar.volume_e8, kVolumeDigits));
    compare("trades", fmt::to_string(was->bar.trades), fmt::to_string(now.bar.trades));
    fmt::print("  {:<3} {}  {}\n", to_string(now.key.interval), format_time_ms(now.key.start_ms), text);
  }
}

Result<void> make(const Settings& settings, const TradeFlags& flags, VoidRow::Action action) {
  const auto time_ms = parse_time_ms(flags.event_time);
  if (!time_ms) {
    return fail(ErrorCode::kUsage,
                fmt::format("--event-time '{}': must be like 2024-08-08T23:54:15.342Z or epoch ms", flags.event_time));
  }
  if (flags.reason.empty()) return fail(ErrorCode::kUsage, "--reason: say why; it is kept in the audit trail");
  FINPIPE_TRY_ASSIGN(desk, Desk::open(settings));
  const VoidRow row{.partition = partition_of(flags.symbol, desk->log().partitions()),
                    .action = action,
                    .symbol = flags.symbol,
                    .event_time_ms = *time_ms,
                    .seq = flags.seq,
                    .reason = flags.reason,
                    .at_ns = desk->clock().wall_ns()};
  FINPIPE_TRY_ASSIGN(meant, find_trade(*desk, row));
  const bool wanted = action == VoidRow::Action::kVoid;
  if (meant.voided == wanted) {
    fmt::print("{}\nNothing to do: it is {}.\n", meant.text, wanted ? "voided already" : "not voided");
    return {};
  }
  FINPIPE_TRY_ASSIGN(before, bars_at(desk->query(), row));
  FINPIPE_TRY(append(*desk, row));
  FINPIPE_TRY_ASSIGN(after, bars_at(desk->query(), row));
  fmt::print("{}\n{}. Bars that changed:\n", meant.text, wanted ? "It is left out of bars now" : "It counts again");
  print_changes(before, after);
  fmt::print(
      "Closed bars say so as a revision (reason void) once the log goes on; `export voids` is the audit trail.\n");
  return {};
}

void add_action(CLI::App& program, CommandLine& line, const char* name, const char* help, VoidRow::Action action,
                const char* reason) {
  CLI::App& command = *program.add_subcommand(name, help);
  const auto flags = std::make_shared<TradeFlags>();
  command.add_option("--symbol", flags->symbol, "symbol of the trade")->required();
  command.add_option("--event-time", flags->event_time, "its event time, as `export trades` prints it")
      ->required()
      ->type_name("time");
  command.add_option("--seq", flags->seq, "its seq, likewise")->required()->type_name("number");
  command.add_option("--reason", flags->reason, "why, for the audit trail")->required()->type_name("text");
  add_settings(command, line, {Setting::kLog, Setting::kStore});
  add_examples(command, {fmt::format("finpipe {} --symbol AAPL --event-time 2026-11-25T15:00:00.123Z \\\n"
                                     "      --seq 1764082800124000000 --reason \"{}\"",
                                     name, reason)});
  command.callback([&line, flags, action] {
    line.command = [flags, action](const SettingValues&, const Settings& settings) -> Result<int> {
      FINPIPE_TRY(make(settings, *flags, action));
      return 0;
    };
  });
}

}  // namespace

void add_void(CLI::App& program, CommandLine& line) {
  add_action(program, line, "void", "Leave a stored trade (a bad print) out of the bars; not while `run` runs",
             VoidRow::Action::kVoid, "fat finger, cancelled by the exchange");
  add_action(program, line, "unvoid", "Take a void back; not while `run` runs", VoidRow::Action::kUnvoid,
             "it was a real trade");
}

}  // namespace finpipe
