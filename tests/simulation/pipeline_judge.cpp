#include "pipeline_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "bars/span_set.h"
#include "base/hash.h"
#include "base/time.h"
#include "codec/records.h"
#include "comparison.h"
#include "pipeline/checkpoint.h"
#include "pipeline/verify.h"

namespace finpipe::simulation {
namespace {

using Found = std::optional<std::string>;

std::string price_text(std::int64_t price_e9) {
  const std::int64_t cents = price_e9 / 10'000'000;
  return fmt::format("{}.{:02}", cents / 100, cents % 100);
}

// Where a symbol's trades are said to be missing.
struct Absence {
  SpanSet absent;  // for any reason
  SpanSet gaps;

  [[nodiscard]] bool holds(std::int64_t time_ms) const { return !absent.clipped({time_ms, time_ms + 1}).empty(); }
};

class Judge {
 public:
  explicit Judge(World& world) : world_(world), store_(world.cluster().store().rows()), vendor_(world.vendor()) {}

  Found run() {
    if (Found found = against_the_model()) return found;
    if (Found found = verified()) return found;
    if (Found found = take_stock()) return found;
    for (std::size_t trade = 0; trade < vendor_.trades().size(); ++trade) {
      if (Found found = trade_is_accounted_for(trade)) return found;
    }
    for (std::size_t symbol = 0; symbol < vendor_.symbols().size(); ++symbol) {
      if (Found found = symbol_is_complete(symbol)) return found;
    }
    return progress();
  }

 private:
  struct Fate {
    std::int64_t stored = 0;
    std::int64_t refused_by_ingest = 0, refused_by_processor = 0;
    std::int64_t suspects = 0;
  };

  Found against_the_model() {
    auto history = world_.history();
    if (!history) return history.error().message();
    if (std::ssize(history->records) < kRecords) return fmt::format("only {} records", history->records.size());
    count_policies(*history);
    for (std::int32_t partition = 0; partition < world_.partitions(); ++partition) {
      const Generation& generation = world_.generations()[static_cast<std::size_t>(partition)];
      NaiveResult model = run_naive_model(*history, partition, generation);
      for (const auto& [key, bar] : model.revisions) world_.counts()["late revisions"] += bar.revision > 0;
      Found found =
          compare_partition(world_.cluster().store(), world_.log(), std::move(model), partition, Compare::kEverything);
      if (found) return found;
    }
    return world_.cluster().store().impurity();
  }

  void count_policies(const History& history) {
    std::map<std::pair<std::int32_t, std::string>, std::string> in_force;
    for (const HistoryRecord& record : history.records) {
      if (record.type != RecordType::kControl) continue;
      const auto control = decode_control(record.value);
      const auto* policy = control ? std::get_if<avro::PolicyInForce>(&control->body) : nullptr;
      if (policy == nullptr) continue;
      std::string& hash = in_force[{record.partition, std::string(policy->market)}];
      if (!hash.empty() && hash != policy->hash) ++world_.counts()["policy changes"];
      hash = policy->hash;
    }
  }

  Found verified() {
    std::vector<std::int32_t> all;
    for (std::int32_t partition = 0; partition < world_.partitions(); ++partition) all.push_back(partition);
    const auto reader = world_.log().reader(all);
    const auto report = verify(store_, *reader, *world_.log().dead_letter_query());
    if (!report) return report.error().message();
    if (report->first.empty()) return std::nullopt;
    return fmt::format("verify: {}: {}", report->first.front().kind, report->first.front().what);
  }

  // ---- The vendor's record ----------------------------------------------------------------------------------------

  Found take_stock() {
    fates_.resize(vendor_.trades().size());
    Found strange;
    const auto fate_of = [&](std::string_view price) -> Fate* {
      const auto trade = vendor_.trade_of(price);
      if (!trade && !strange) strange = fmt::format("a trade at {} that the vendor did not make", price);
      return trade ? &fates_[*trade] : nullptr;
    };
    for (const std::string& symbol : vendor_.symbols()) {
      (void)store_.ticks({symbol}, [&](const Tick& tick) {
        Fate* const fate = fate_of(price_text(tick.trade.price_e9));
        if (fate == nullptr) return false;
        ++fate->stored;
        if (tick.trade.suspect != Suspect::kNone) ++fate->suspects, ++world_.counts()["suspects"];
        const VendorTrade& trade = vendor_.trades()[static_cast<std::size_t>(fate - fates_.data())];
        const bool same = trade.event_ms == tick.trade.event_time_ms && vendor_.symbols()[trade.symbol] == symbol &&
                          trade.volume * 100'000'000 == tick.trade.volume_e8;
        if (!same && !strange) strange = fmt::format("{} {} is not as the vendor sent it", symbol, tick.trade.seq);
        return true;
      });
    }
    (void)world_.log().dead_letter_query()->dead_letters([&](const DeadLetter& letter) {
      if (letter.stage == DeadLetter::Stage::kIngest) {
        const std::size_t begin = letter.raw.find(R"("p":)") + 4;
        const std::size_t end = letter.raw.find(',', begin);
        if (Fate* const fate = fate_of(letter.raw.substr(begin, end - begin))) ++fate->refused_by_ingest;
        return true;
      }
      TradeDecoder decoder;
      Trade trade;
      if (!decoder.decode(letter.raw, trade)) return true;
      if (Fate* const fate = fate_of(price_text(trade.price_e9))) ++fate->refused_by_processor;
      return true;
    });
    return strange;
  }

  // What a living ingest has taken is stored or in the dead letters, each time that it came; nothing else is.
  Found trade_is_accounted_for(std::size_t number) {
    const VendorTrade& trade = vendor_.trades()[number];
    const Fate& fate = fates_[number];
    const HandedOut handed_out = world_.handed_out(number);
    const std::int64_t found = fate.stored + fate.refused_by_ingest + fate.refused_by_processor;
    const auto say = [&](std::string_view what) {
      return fmt::format(
          "{} at {}: {} (taken {} times and {} times by an ingest that died; {} stored, {} + {} refused)", name(trade),
          format_time_ms(trade.event_ms), what, handed_out.whole, handed_out.torn, fate.stored, fate.refused_by_ingest,
          fate.refused_by_processor);
    };
    if (found < handed_out.whole) return say("taken and lost");
    if (found > handed_out.whole + handed_out.torn) return say("there more often than it was taken");
    if (!trade.possible && fate.stored > 0) return say("stored with a stamp that cannot be");
    if (trade.possible && fate.refused_by_ingest > 0 && !world_.clock_leapt()) return say("refused without reason");
    if (fate.suspects > 0 && trade.sent < 2) return say("suspected without reason");
    return std::nullopt;
  }

  [[nodiscard]] std::string name(const VendorTrade& trade) const {
    return fmt::format("{} trade of {} cents", vendor_.symbols()[trade.symbol], trade.price_cents);
  }

  [[nodiscard]] Absence absence_of(const std::string& symbol) {
    Absence absence;
    const std::int32_t partition = partition_of(symbol, world_.partitions());
    const std::vector<SpanRow> rows = store_.load_spans(partition).value();
    for (const SpanRow& row : rows) {
      if (!row.symbol.empty() && row.symbol != symbol) continue;
      absence.absent.add({std::max<std::int64_t>(row.from_ms, 0), row.to_ms});
      if (row.kind == SpanRow::Kind::kGap) absence.gaps.add({row.from_ms, row.to_ms});
    }
    // What is not over yet has no end.
    const auto checkpoint = decode_checkpoint(*store_.load_checkpoint(partition).value()).value();
    const TrustBook::Open& trust = checkpoint.engine.trust;
    if (const auto off = trust.off_since.find(symbol); off != trust.off_since.end()) {
      absence.absent.add({std::max<std::int64_t>(off->second, 0), kEndOfTime});
    }
    if (trust.silent_since_ms) absence.absent.add({*trust.silent_since_ms, kEndOfTime});
    return absence;
  }

  // Whatever is not stored lies in a stated gap, and the bars that lack it say so.
  Found symbol_is_complete(std::size_t symbol) {
    const std::string& name = vendor_.symbols()[symbol];
    const Absence absence = absence_of(name);
    const MarketPolicy always;
    std::map<std::pair<std::size_t, std::int64_t>, std::int64_t> lacking;  // by interval and start
    for (std::size_t number = 0; number < fates_.size(); ++number) {
      const VendorTrade& trade = vendor_.trades()[number];
      if (trade.symbol != symbol || !trade.possible || fates_[number].stored > 0) continue;
      if (fates_[number].refused_by_ingest > 0) continue;
      ++world_.counts()["lost trades"];
      if (!absence.holds(trade.event_ms)) {
        return fmt::format("{} at {}, sent {} times, is neither stored nor in a gap", this->name(trade),
                           format_time_ms(trade.event_ms), trade.sent);
      }
      for (const Interval interval : kIntervals) {
        ++lacking[{index_of(interval), always.window_of(interval, trade.event_ms).start_ms}];
      }
    }
    for (const auto& [place, count] : lacking) {
      Found found;
      (void)store_.bars({name, kIntervals[place.first], place.second, place.second}, [&](const BarRow& row) {
        if (row.bar.missing_ms == 0 && !row.bar.partial) {
          found = fmt::format("{} {} bar at {} lacks {} trades without a flag", name, kIntervalNames[place.first],
                              format_time_ms(place.second), count);
        }
        return true;
      });
      if (found) return found;
    }
    return gaps_are_no_excuse(absence);
  }

  // Gaps that cover everything would be right too, and useless.
  Found gaps_are_no_excuse(const Absence& absence) {
    if (world_.clock_leapt()) return std::nullopt;
    std::int64_t gap_ms = 0;
    const SpanSet gaps = absence.gaps.clipped({world_.market_opened_ms(), world_.market_closed_ms()});
    for (const TimeSpan& span : gaps.spans()) gap_ms += span.to_ms - span.from_ms;
    if (gap_ms <= (world_.outages() + 1) * kMsPerMinute) return std::nullopt;
    return fmt::format("gaps of {} ms in all after {} outages", gap_ms, world_.outages());
  }

  // After all that happened, what came in the last seconds is there.
  Found progress() {
    std::int64_t stored = 0;
    const std::int64_t end_ms = world_.market_closed_ms();
    for (std::size_t number = 0; number < fates_.size(); ++number) {
      const std::int64_t event_ms = vendor_.trades()[number].event_ms;
      if (event_ms < end_ms && event_ms >= end_ms - 5 * kMsPerSecond) stored += fates_[number].stored;
    }
    world_.counts()["trades"] += vendor_.counts().trades;
    return stored > 0 ? std::nullopt : Found("nothing of the last seconds is stored");
  }

  static constexpr std::int64_t kRecords = 2'000;

  World& world_;
  MemoryStore& store_;
  const Vendor& vendor_;
  std::vector<Fate> fates_;  // of the vendor's trades
};

}  // namespace

std::optional<std::string> judge(World& world) { return Judge(world).run(); }

}  // namespace finpipe::simulation
