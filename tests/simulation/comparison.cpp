#include "comparison.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "differences.h"
#include "pipeline/checkpoint.h"

namespace finpipe::simulation {
namespace {

using Found = std::optional<std::string>;

// What stands in one of two maps only, or differs in both.
template <typename Map, typename Name, typename Differ>
Found compare_maps(std::string_view what, const Map& expected, const Map& actual, Name name, Differ differ) {
  for (const auto& [key, value] : expected) {
    const auto at = actual.find(key);
    if (at == actual.end()) return fmt::format("{} {}: not in the store", what, name(key));
    if (!(at->second == value)) {
      return fmt::format("{} {}: {} (model, store)", what, name(key), differ(value, at->second));
    }
  }
  for (const auto& [key, value] : actual) {
    if (!expected.contains(key)) return fmt::format("{} {}: not in the model", what, name(key));
  }
  return std::nullopt;
}

class Comparison {
 public:
  Comparison(SharedStore& store, MemoryLog& log, NaiveResult model, std::int32_t partition)
      : store_(store), log_(log), model_(std::move(model)), partition_(partition) {}

  // Versions and offsets are the means by which rows stay right; without them it must be the rows that differ.
  void leave_out_order() {
    for (auto* bars : {&model_.bars, &bars_}) {
      for (auto& [key, bar] : *bars) bar.version = bar.applied_through = 0;
    }
    for (auto* revisions : {&model_.revisions, &revisions_}) {
      for (auto& [key, bar] : *revisions) bar.version = bar.applied_through = 0;
    }
  }

  Found run(Compare what) {
    read_store();
    if (what == Compare::kWhatUsersSee) leave_out_order();
    const auto describe_bar = [](const BarKey& key) { return describe(key); };
    const auto describe_revision = [](const RevisionKey& key) {
      return fmt::format("{} revision {}", describe(key.first), key.second);
    };
    const auto describe_tick = [](const auto& key) {
      return fmt::format("{} {} {}", std::get<0>(key), std::get<1>(key), std::get<2>(key));
    };
    const auto unnamed = [](const auto&, const auto&) { return std::string("another content"); };
    if (symbols_ != model_.symbols) return "the symbols differ";
    if (Found found = compare_maps("bar", model_.bars, bars_, describe_bar, first_difference)) return found;
    if (Found found = compare_maps("revision", model_.revisions, revisions_, describe_revision, first_difference)) {
      return found;
    }
    if (Found found = compare_maps("tick", model_.ticks, ticks_, describe_tick, unnamed)) return found;
    const auto offset = [](std::int64_t key) { return fmt::format("{}", key); };
    const auto codes = [](ErrorCode a, ErrorCode b) {
      return fmt::format("{}, {}", error_info(a).name, error_info(b).name);
    };
    if (Found found = compare_maps("dead letter", model_.dead_letters, dead_letters_, offset, codes)) return found;
    if (spans_ != model_.spans) return "the spans differ";
    if (store_.rows().load_voids(partition_).value() != model_.voids) return "the voids differ";
    return checkpoint();
  }

 private:
  void read_store() {
    MemoryStore& rows = store_.rows();
    const auto symbols = rows.load_symbols(partition_).value();
    for (const SymbolRow& row : symbols) {
      symbols_.insert(row.symbol);
      for (const Interval interval : kIntervals) {
        (void)rows.bars({row.symbol, interval},
                        [&](const BarRow& bar) { return bars_.emplace(bar.key, bar.bar).second; });
        (void)rows.revisions({row.symbol, interval}, [&](const RevisionRow& revision) {
          // Those of older generations are kept.
          if (revision.bar.generation != model_.generation) return true;
          return revisions_.emplace(RevisionKey{revision.key, revision.bar.revision}, revision.bar).second;
        });
      }
      (void)rows.ticks({row.symbol}, [&](const Tick& tick) {
        const Trade& trade = tick.trade;
        ticks_[{row.symbol, trade.event_time_ms, trade.seq}] = {trade.price_e9,
                                                                trade.volume_e8,
                                                                trade.received_at_ns,
                                                                trade.session,
                                                                tick.offset,
                                                                trade.conditions.form,
                                                                std::string(trade.conditions.codes),
                                                                trade.writer,
                                                                trade.suspect};
        return true;
      });
    }
    spans_ = rows.load_spans(partition_).value();
    (void)log_.dead_letter_query()->dead_letters([&](const DeadLetter& letter) {
      if (letter.stage == DeadLetter::Stage::kProcess && letter.partition == partition_)
        dead_letters_[letter.offset] = letter.reason;
      return true;
    });
  }

  Found checkpoint() {
    const auto row = store_.rows().load_checkpoint(partition_).value();
    if (!row) return "there is no checkpoint";
    const auto checkpoint = decode_checkpoint(*row);
    if (!checkpoint) return checkpoint.error().message();
    if (checkpoint->offset != model_.end) {
      return fmt::format("the checkpoint is at {} of {}", checkpoint->offset, model_.end);
    }
    const auto name = [](const SessionKey& key) { return fmt::format("{} {}", to_string(key.first), key.second); };
    const auto differ = [](const LedgerRow& a, const LedgerRow& b) {
      return fmt::format("in the log {}, {}; stored {}, {}; skipped {}, {}; dead letters {}, {}; appended {}, {}",
                         a.in_log, b.in_log, a.stored, b.stored, a.skipped, b.skipped, a.dead_lettered_after,
                         b.dead_lettered_after, a.appended, b.appended);
    };
    return compare_maps("ledger", model_.ledger, checkpoint->ledger, name, differ);
  }

  SharedStore& store_;
  MemoryLog& log_;
  NaiveResult model_;
  const std::int32_t partition_;
  std::map<BarKey, Bar> bars_;
  std::map<RevisionKey, Bar> revisions_;
  decltype(NaiveResult::ticks) ticks_;
  std::vector<SpanRow> spans_;
  std::set<std::string> symbols_;
  std::map<std::int64_t, ErrorCode> dead_letters_;
};

}  // namespace

std::optional<std::string> compare_partition(SharedStore& store, MemoryLog& log, NaiveResult model,
                                             std::int32_t partition, Compare what) {
  if (Found found = Comparison(store, log, std::move(model), partition).run(what)) {
    return fmt::format("partition {}: {}", partition, *found);
  }
  return std::nullopt;
}

}  // namespace finpipe::simulation
