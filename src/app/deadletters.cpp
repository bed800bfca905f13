// `deadletters`: look at what could not be used, and bring it back, as it is or mended, each once.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "app/commands.h"
#include "app/desk.h"
#include "app/output.h"
#include "app/parts.h"
#include "app/progress.h"
#include "app/urls.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/time.h"
#include "pipeline/replay.h"

namespace finpipe {
namespace {

struct LetterFlags {
  std::string from, to, reason, stage, mended;
  std::int64_t limit = std::numeric_limits<std::int64_t>::max();
  std::vector<std::string> ids;
  bool raw = false;
  bool dry_run = false;
};

// ---- Which letters -------------------------------------------------------------------------------------------------

class Selection {
 public:
  static Result<Selection> of(const LetterFlags& flags) {
    Selection selection;
    FINPIPE_TRY_ASSIGN(from_ms, parse_time_flag("--from", flags.from, selection.from_ms_));
    FINPIPE_TRY_ASSIGN(to_ms, parse_time_flag("--to", flags.to, selection.to_ms_));
    selection.from_ms_ = from_ms;
    selection.to_ms_ = to_ms;
    selection.reason_ = flags.reason;
    selection.stage_ = flags.stage;
    selection.ids_.insert(flags.ids.begin(), flags.ids.end());
    const auto named = std::ranges::find(error_table(), flags.reason, &ErrorInfo::name);
    if (flags.reason.empty() || named != error_table().end()) return selection;
    return fail(ErrorCode::kUsage,
                fmt::format("--reason '{}': `finpipe deadletters list` shows which there are", flags.reason));
  }

  [[nodiscard]] bool has(const DeadLetter& letter) const {
    const std::int64_t received_ms = floor_div(letter.received_at_ns, kNsPerMs);
    return received_ms >= from_ms_ && received_ms < to_ms_ &&
           (reason_.empty() || reason_ == error_info(letter.reason).name) &&
           (stage_.empty() || stage_ == to_string(letter.stage)) && (ids_.empty() || ids_.contains(letter.id));
  }
  [[nodiscard]] const std::set<std::string>& ids() const { return ids_; }

 private:
  std::int64_t from_ms_ = std::numeric_limits<std::int64_t>::min();
  std::int64_t to_ms_ = std::numeric_limits<std::int64_t>::max();
  std::string reason_, stage_;
  std::set<std::string> ids_;
};

// Reads what the log says of replays, which can take a while.
Result<void> read_replays(ReplayLog& replays) {
  const bool terminal = isatty(STDERR_FILENO) == 1;
  std::function<void(double)> progress;
  if (terminal) {
    progress = [](double done) {
      tell(fmt::format("\r{:>4.0f}% of the log read", done * 100));
      std::fflush(stderr);
    };
  }
  const auto read = replays.read_on(progress);
  if (terminal) tell("\r\033[K");
  return read;
}

// ---- list ----------------------------------------------------------------------------------------------------------

struct Total {
  std::int64_t letters = 0;
  std::int64_t replayed = 0;
};

void print_totals(const std::map<std::string_view, Total>& totals) {
  Total sum;
  for (const auto& [reason, total] : totals) {
    fmt::print("{:<20} {:>10}, replayed: {}\n", reason, with_separators(total.letters),
               with_separators(total.replayed));
    sum.letters += total.letters;
    sum.replayed += total.replayed;
  }
  fmt::print("{:<20} {:>10}, replayed: {}\n", "all", with_separators(sum.letters), with_separators(sum.replayed));
}

Result<void> list(const Settings& settings, const LetterFlags& flags) {
  FINPIPE_TRY_ASSIGN(selection, Selection::of(flags));
  FINPIPE_TRY_ASSIGN(log, open_log(settings, Access::kRead));
  const auto letters = log->dead_letter_query();
  const auto reader = log->reader();
  ReplayLog replays(*reader, {});
  FINPIPE_TRY(read_replays(replays));
  std::map<std::string_view, Total> totals;
  std::int64_t shown = 0;
  fmt::print("{:<24}  {:<20} {:<7} {:>9}  {:<8}  id\n", "received", "reason", "stage", "bytes", "replayed");
  FINPIPE_TRY(letters->dead_letters([&](const DeadLetter& letter) {
    if (!selection.has(letter)) return true;
    const bool replayed = replays.is_replayed(letter.id);
    const std::string_view reason = error_info(letter.reason).name;
    Total& total = totals[reason];
    ++total.letters;
    if (replayed) ++total.replayed;
    if (shown == flags.limit) return true;
    ++shown;
    fmt::print("{}  {:<20} {:<7} {:>9}  {:<8}  {}\n", format_time_ms(floor_div(letter.received_at_ns, kNsPerMs)),
               reason, to_string(letter.stage), letter.raw.size(), replayed ? "yes" : "no", letter.id);
    return true;
  }));
  fmt::print("\n");
  print_totals(totals);
  return {};
}

// ---- show ----------------------------------------------------------------------------------------------------------

// Printable ASCII as it is, everything else as an escape.
std::string escaped(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c == '\\') {
      text += "\\\\";
    } else if (c >= ' ' && c <= '~') {
      text += c;
    } else {
      fmt::format_to(std::back_inserter(text), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

void print_letter(const DeadLetter& letter) {
  const ErrorInfo& reason = error_info(letter.reason);
  fmt::print("id           {}\n", letter.id);
  fmt::print("received     {}\n", format_time_ns(letter.received_at_ns));
  fmt::print("reason       E{} {}: {}\n", static_cast<int>(reason.code), reason.name, reason.cause);
  fmt::print("detail       {}\n", letter.detail);
  fmt::print("remedy       {}\n", reason.remedy);
  fmt::print("stage        {}\n", to_string(letter.stage));
  fmt::print("writer       {}, session {}\n", to_string(letter.writer), letter.session);
  if (letter.offset >= 0) {
    fmt::print("log record   partition {}, offset {}\n", letter.partition, letter.offset);
  } else {
    fmt::print("partition    {}, before the log\n", letter.partition);
  }
  fmt::print("bytes        {}\n{}\n", letter.raw.size(), escaped(letter.raw));
}

Result<void> show(const Settings& settings, const LetterFlags& flags) {
  FINPIPE_TRY_ASSIGN(log, open_log(settings, Access::kRead));
  const auto letters = log->dead_letter_query();
  std::optional<DeadLetter> found;
  FINPIPE_TRY(letters->dead_letters([&](const DeadLetter& letter) {
    if (letter.id == flags.ids.front()) found = letter;
    return !found;
  }));
  if (!found) return fail(ErrorCode::kNoSuchLetter, flags.ids.front());
  if (!flags.raw) {
    print_letter(*found);
    return {};
  }
  FINPIPE_TRY_ASSIGN(output, Output::open(""));
  return output.finish(found->raw);
}

// ---- replay --------------------------------------------------------------------------------------------------------

// The log to append to. With embedded parts also the store, which then has what was appended.
struct Place {
  std::unique_ptr<Desk> desk;
  std::unique_ptr<LogPart> own_log;

  static Result<Place> open(const Settings& settings, bool dry_run) {
    FINPIPE_TRY_ASSIGN(url, parse_log_url(settings.log));
    Place place;
    if (dry_run || std::holds_alternative<KafkaUrl>(url)) {
      FINPIPE_TRY_ASSIGN(log, open_log(settings, dry_run ? Access::kRead : Access::kChange));
      place.own_log = std::move(log);
    } else {
      FINPIPE_TRY_ASSIGN(desk, Desk::open(settings));
      place.desk = std::move(desk);
    }
    return place;
  }
  [[nodiscard]] LogPart& log() const { return desk ? desk->log() : *own_log; }
};

class Replay {
 public:
  Replay(ReplayLog& log, Replayer* replayer, const PolicySet& policies, const std::optional<std::string>& mended)
      : log_(log), replayer_(replayer), policies_(policies), mended_(mended) {}

  // An error that concerns this letter alone is told, and others are returned.
  Result<void> take(const DeadLetter& letter) {
    if (log_.is_replayed(letter.id)) {
      ++already_;
      fmt::print("{}: already replayed\n", letter.id);
      return {};
    }
    auto trades = trades_to_replay(letter, mended_, log_, policies_);
    if (!trades) return refuse(letter, trades.error());
    if (replayer_ == nullptr) {
      const auto so_far = replayed_so_far(letter.id, trades->all(), log_);
      if (!so_far) return refuse(letter, so_far.error());
      fmt::print("{}: can be replayed\n", letter.id);
    } else {
      const auto done = replayer_->replay(letter.id, *trades);
      if (!done && done.error().code == ErrorCode::kReplayDiffers) return refuse(letter, done.error());
      if (!done) return fail(done.error());
      appended_ += static_cast<std::int64_t>(done->appended);
      const std::size_t before = done->already_in_log;
      fmt::print("{}: replayed{}\n", letter.id, before == 0 ? "" : fmt::format("; {} were in the log before", before));
    }
    ++replayed_;
    for (const Trade& trade : trades->all()) {
      if (replayer_ == nullptr || trade.seq != 0) print(trade);
    }
    return {};
  }

  Result<int> finish() const {
    fmt::print("{}: {}, with {} trades; already replayed: {}; refused: {}\n",
               replayer_ == nullptr ? "Can be replayed" : "Replayed", with_separators(replayed_),
               with_separators(trades_), with_separators(already_), with_separators(refused_));
    return refused_ == 0 ? 0 : 1;
  }
  [[nodiscard]] std::int64_t appended() const { return appended_; }

 private:
  Result<void> refuse(const DeadLetter& letter, const Error& error) {
    ++refused_;
    fmt::print("{}: refused: {}\n", letter.id, error.message());
    return {};
  }
  void print(const Trade& trade) {
    ++trades_;
    fmt::print("  {} {}{}: price {}, volume {}\n", trade.symbol, format_time_ms(trade.event_time_ms),
               trade.seq == 0 ? "" : fmt::format(" seq {}", trade.seq), format_decimal(trade.price_e9, kPriceDigits),
               format_decimal(trade.volume_e8, kVolumeDigits));
  }

  ReplayLog& log_;
  Replayer* replayer_;  // nullptr: only to tell
  const PolicySet& policies_;
  const std::optional<std::string>& mended_;
  std::int64_t replayed_ = 0, already_ = 0, refused_ = 0, trades_ = 0, appended_ = 0;
};

Result<std::vector<WantedLetter>> find(DeadLetterQuery& letters, const Selection& selection) {
  std::vector<WantedLetter> found;
  std::set<std::string> missing = selection.ids();
  FINPIPE_TRY(letters.dead_letters([&](const DeadLetter& letter) {
    if (!selection.has(letter)) return true;
    found.push_back(wanted(letter));
    missing.erase(letter.id);
    return true;
  }));
  if (!missing.empty()) return fail(ErrorCode::kNoSuchLetter, *missing.begin());
  return found;
}

Result<std::optional<std::string>> read_mended(const std::string& path) {
  if (path.empty()) return std::optional<std::string>();
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorCode::kNotFound, path);
  return std::optional(std::string(std::istreambuf_iterator<char>(file), {}));
}

Result<void> check_usage(const LetterFlags& flags) {
  if (flags.ids.empty() == flags.reason.empty())
    return fail(ErrorCode::kUsage, "say which dead letters: their ids, or --reason");
  if (!flags.ids.empty() && !(flags.from.empty() && flags.to.empty()))
    return fail(ErrorCode::kUsage, "--from and --to go with --reason");
  if (!flags.mended.empty() && flags.ids.size() != 1)
    return fail(ErrorCode::kUsage, "--mended FILE has the bytes of one dead letter: give one id");
  return {};
}

Result<int> replay(const Settings& settings, const LetterFlags& flags) {
  FINPIPE_TRY(check_usage(flags));
  FINPIPE_TRY_ASSIGN(selection, Selection::of(flags));
  FINPIPE_TRY_ASSIGN(mended, read_mended(flags.mended));
  FINPIPE_TRY_ASSIGN(market_policies, open_policies(settings));
  PolicySet policies;
  for (MarketPolicy& policy : market_policies) policies.put(std::move(policy));
  FINPIPE_TRY_ASSIGN(place, Place::open(settings, flags.dry_run));
  const auto letters = place.log().dead_letter_query();
  FINPIPE_TRY_ASSIGN(found, find(*letters, selection));
  std::set<std::string> ids;  // later letters of the same reason are not looked for in the log
  for (const WantedLetter& letter : found) ids.insert(letter.id);
  const auto reader = place.log().reader();
  ReplayLog log(*reader, std::move(found));
  FINPIPE_TRY(read_replays(log));
  SystemClock clock;
  std::optional<Replayer> replayer;
  if (!flags.dry_run) replayer.emplace(log, place.log().writer(), clock);
  Replay replay(log, replayer ? &*replayer : nullptr, policies, mended);
  Result<void> taken;
  FINPIPE_TRY(letters->dead_letters([&](const DeadLetter& letter) {
    if (ids.contains(letter.id)) taken = replay.take(letter);
    return taken.has_value();
  }));
  if (place.desk) FINPIPE_TRY(place.desk->catch_up());
  FINPIPE_TRY(std::move(taken));
  if (replay.appended() > 0) {
    fmt::print("{}\n", place.desk ? "Closed bars say so as a revision (reason late) once the log goes on."
                                  : "They are in the log: whoever processes it takes them into the bars.");
  }
  return replay.finish();
}

// ---- Command line --------------------------------------------------------------------------------------------------

using Action = Result<int> (*)(const Settings&, const LetterFlags&);

template <Result<void> (*action)(const Settings&, const LetterFlags&)>
Result<int> done(const Settings& settings, const LetterFlags& flags) {
  FINPIPE_TRY(action(settings, flags));
  return 0;
}

CLI::App& add_action(CLI::App& parent, CommandLine& line, const std::shared_ptr<LetterFlags>& flags, const char* name,
                     const char* help, Action action) {
  CLI::App& command = *parent.add_subcommand(name, help);
  command.callback([&line, flags, action] {
    line.command = [flags, action](const SettingValues&, const Settings& settings) { return action(settings, *flags); };
  });
  return command;
}

void add_range(CLI::App& command, LetterFlags& flags) {
  command.add_option("--reason", flags.reason, "only those with this reason, such as bad_price")->type_name("name");
  command.add_option("--from", flags.from, "first time of receipt")->type_name("time");
  command.add_option("--to", flags.to, "first time of receipt that is not meant")->type_name("time");
}

void add_list(CLI::App& parent, CommandLine& line, const std::shared_ptr<LetterFlags>& flags) {
  CLI::App& command =
      add_action(parent, line, flags, "list", "A line for each, and how many there are of each reason", done<list>);
  add_range(command, *flags);
  command.add_option("--stage", flags->stage, "only those from before the log (ingest), or from it (process)")
      ->check(CLI::IsMember({"ingest", "process"}).description(""))
      ->type_name("ingest|process");
  command.add_option("--limit", flags->limit, "at most so many lines; the totals count all")
      ->check(CLI::NonNegativeNumber.description(""))
      ->type_name("number");
  add_settings(command, line, {Setting::kLog});
  add_examples(command, {"finpipe deadletters list", "finpipe deadletters list --reason bad_price --from 2026-11-25"});
}

void add_show(CLI::App& parent, CommandLine& line, const std::shared_ptr<LetterFlags>& flags) {
  CLI::App& command = add_action(parent, line, flags, "show", "All of one dead letter", done<show>);
  command.add_option("id", flags->ids, "as `deadletters list` prints it")->required()->expected(1);
  command.add_flag("--raw", flags->raw, "only its bytes, exactly, to be mended and replayed");
  add_settings(command, line, {Setting::kLog});
  add_examples(command, {"finpipe deadletters show vendor:1764082800124000000:17:0:bad_price",
                         "finpipe deadletters show vendor:1764082800124000000:17:0:bad_price --raw > letter.json"});
}

void add_replay(CLI::App& parent, CommandLine& line, const std::shared_ptr<LetterFlags>& flags) {
  CLI::App& command =
      add_action(parent, line, flags, "replay",
                 "Bring the trades of dead letters back, each once; on embedded parts not while `run` runs", replay);
  command.add_option("id", flags->ids, "as `deadletters list` prints it")->expected(-1);
  add_range(command, *flags);
  command
      .add_option("--mended", flags->mended, "the bytes to use in place of the letter's: a frame, or one trade of it")
      ->type_name("FILE");
  command.add_flag("--dry-run", flags->dry_run, "only say what would be done, also beside a running `run`");
  add_settings(command, line, {Setting::kLog, Setting::kStore, Setting::kPolicies});
  add_examples(command, {"finpipe deadletters replay vendor:1764082800124000000:17:0:bad_price --mended letter.json",
                         "finpipe deadletters replay --reason old_session --from 2026-11-25 --dry-run"});
}

}  // namespace

void add_dead_letters(CLI::App& program, CommandLine& line) {
  CLI::App& command =
      *program.add_subcommand("deadletters", "Look at input that could not be used, mend it, bring it back");
  command.require_subcommand(1);
  add_examples(command, {"finpipe deadletters list", "finpipe deadletters show ID --raw > letter.json",
                         "finpipe deadletters replay ID --mended letter.json"});
  const auto flags = std::make_shared<LetterFlags>();
  add_list(command, line, flags);
  add_show(command, line, flags);
  add_replay(command, line, flags);
}

}  // namespace finpipe
