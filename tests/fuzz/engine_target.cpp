// The bar engine against the naive model of tests/simulation. The bytes are a script: they choose trades (late, early,
// repeated, backfilled, of old sessions), control records (sessions, policies, subscriptions, gaps, lags, voids) and,
// between any two records, what happens to the engine: a commit, rows that leave memory, a crash in the middle of a
// commit and a new start from what was stored. In the end the stored rows must be those of one undisturbed reading.
#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "base/hash.h"
#include "base/planted_fault.h"
#include "base/time.h"
#include "codec/records.h"
#include "harness.h"
#include "logs/memory_log.h"
#include "pipeline/partition_processor.h"
#include "simulation/differences.h"
#include "simulation/naive_model.h"
#include "stores/memory_store.h"

namespace finpipe {
namespace {

using fuzz::Script;
using simulation::History;
using simulation::HistoryRecord;

constexpr std::size_t kMaxRecords = 64;  // the model's time grows with the square
constexpr std::int64_t kStartNs = 1'717'421'390'000 * kNsPerMs;
constexpr std::array<std::string_view, 4> kSymbols = {"BINANCE:BTCUSDT", "AAPL", "BINANCE:ETHUSDT", "X:1"};
constexpr std::array<std::string_view, 6> kCodes = {"1", "2", "3", "2 3", "4", "1 XT"};

// ---- Policies: small ones, since their text is read at each start --------------------------------------------------

constexpr std::string_view kCryptoText = R"(version = 1
market = "crypto"
allowed_delay_ms = {}
zero_volume_moves_price = {}
[symbols]
prefixes = ["BINANCE:"]
forms = []
[session]
timezone = "UTC"
kind = "always"
trading_day_start = "00:00"
)";
constexpr std::string_view kStockText = R"(version = 1
market = "us_equities"
allowed_delay_ms = {}
zero_volume_moves_price = false
[symbols]
prefixes = []
forms = ["us_ticker"]
[session]
timezone = "UTC"
kind = "always"
trading_day_start = "00:00"
[conditions]
1 = {{ name = "plain", high_low = true, last = "yes", volume = true, vwap = true }}
2 = {{ name = "only if first", high_low = true, last = "first", volume = true, vwap = {} }}
3 = {{ name = "volume only", high_low = false, last = "no", volume = true, vwap = false }}
4 = {{ name = "nothing", high_low = false, last = "no", volume = false, vwap = false }}
)";

struct PolicyText {
  std::string market, text, hash;
};

const std::vector<PolicyText>& policies() {
  static const std::vector<PolicyText> texts = [] {
    std::vector<PolicyText> all;
    for (const int delay_ms : {2'000, 0, 30'000}) {
      for (const bool flag : {false, true}) {
        all.push_back({"crypto", fmt::format(fmt::runtime(kCryptoText), delay_ms, flag), {}});
        all.push_back({"us_equities", fmt::format(fmt::runtime(kStockText), delay_ms, flag), {}});
      }
    }
    for (PolicyText& each : all) each.hash = sha256_hex(each.text);
    return all;
  }();
  return texts;
}

// ---- Bytes -> history ----------------------------------------------------------------------------------------------

enum class Moment : std::uint8_t { kCommit, kListen, kCrash };
struct Disturbance {
  Moment moment;
  std::uint8_t how;
};

class Play {
 public:
  explicit Play(Script script) : script_(script) {
    history_.partitions = 1;
    history_.log_id[0] = std::byte{7};
    session(Writer::kLive);
    policy(0);
    policy(1);
    while (!script_.done() && history_.records.size() < kMaxRecords) {
      pass_time();
      happen();
    }
    finish();
  }

  [[nodiscard]] const History& history() const { return history_; }
  // What happens before the record at this index, in order.
  [[nodiscard]] const std::multimap<std::size_t, Disturbance>& disturbances() const { return disturbances_; }

 private:
  void append_trade(const Trade& trade) {
    HistoryRecord& record = history_.records.emplace_back();
    record.type = RecordType::kTrade;
    record.key = std::string(trade.symbol);
    encode_trade(trade, record.value);
  }

  void control(decltype(avro::FeedStatus::body) body, Writer writer = Writer::kLive) {
    avro::FeedStatus status;
    status.stamp = now_ns_;
    status.writer = static_cast<avro::Writer>(writer);
    status.session = session_of(writer);
    status.body = std::move(body);
    HistoryRecord& record = history_.records.emplace_back();
    record.type = RecordType::kControl;
    encode_control(status, record.value);
  }

  [[nodiscard]] std::int64_t& session_of(Writer writer) { return sessions_[static_cast<std::size_t>(writer)]; }
  [[nodiscard]] std::int64_t now_ms() const { return floor_div(now_ns_, kNsPerMs); }

  // A span of time: the low two bits are the unit, the rest how many of it.
  std::int64_t span_ms() {
    constexpr std::array<std::int64_t, 4> kUnitsMs = {1, 40, 1'000, kMsPerMinute};
    const std::uint8_t byte = script_.byte();
    return (byte >> 2) * kUnitsMs[byte & 3U];
  }

  void pass_time() { now_ns_ += span_ms() * kNsPerMs; }

  void happen() {
    const std::uint8_t kind = script_.byte() % 34;
    if (kind < 12) return trade(Writer::kLive, now_ms() - span_ms());
    switch (kind) {
      case 12: return trade(Writer::kLive, now_ms() + span_ms());
      case 13:
      case 14: return trade(Writer::kBackfill, now_ms() - span_ms() * (script_.flag() ? 20 : 1));
      case 15: return trade_again();
      case 16: return trade_of_old_session();
      case 17: return poison();
      case 18:
      case 19: return heartbeat();
      case 20: return session(script_.flag() ? Writer::kLive : Writer::kBackfill);
      case 21: return policy(script_.below(policies().size()));
      case 22: return control(avro::Subscribed{some_symbols()});
      case 23: return control(avro::Unsubscribed{some_symbols()});
      case 24:
        return control(avro::FeedState{static_cast<avro::ConnectionState>(script_.below(3)), now_ms() - span_ms()});
      case 25: return gap();
      case 26: return filled();
      case 27: return control(avro::Refused{{kSymbols[0]}, "no access"});
      case 28: return disturb(Moment::kListen);
      case 29: return disturb(Moment::kCrash);
      case 30:
      case 31: return disturb(Moment::kCommit);
      default: return void_trade();
    }
  }

  void disturb(Moment moment) { disturbances_.emplace(history_.records.size(), Disturbance{moment, script_.byte()}); }

  Trade trade_of(Writer writer, std::int64_t event_time_ms) {
    if (session_of(writer) == 0) session(writer);
    const std::uint8_t what = script_.byte();
    Trade trade;
    trade.symbol = kSymbols[what & 3U];
    trade.event_time_ms = event_time_ms;
    trade.price_e9 = std::int64_t{what >> 2 & 7} * 1'500'000'000;
    trade.volume_e8 = std::int64_t{what >> 5} * 70'000'000;
    const std::uint8_t conditions = script_.byte();
    if (conditions % 4 == 1) trade.conditions.form = Conditions::Form::kNull;
    if (conditions % 4 > 1) trade.conditions = {Conditions::Form::kList, kCodes[conditions / 4 % kCodes.size()]};
    trade.received_at_ns = now_ns_;
    trade.seq = last_seq_ = std::max(last_seq_ + 1, now_ns_);
    trade.session = session_of(writer);
    trade.writer = writer;
    if (conditions > 240) trade.suspect = Suspect::kRepeatedRun;
    return trade;
  }

  void trade(Writer writer, std::int64_t event_time_ms) {
    trades_.push_back(history_.records.size());
    const Trade made = trade_of(writer, event_time_ms);
    trades_.back() = history_.records.size();
    append_trade(made);
  }

  void trade_again() {
    if (trades_.empty()) return;
    const HistoryRecord again = history_.records[trades_[script_.below(std::min<std::size_t>(trades_.size(), 256))]];
    history_.records.push_back(again);
  }

  void trade_of_old_session() {
    Trade old = trade_of(Writer::kLive, now_ms());
    --old.session;
    append_trade(old);
  }

  void poison() {
    append_trade(trade_of(Writer::kLive, script_.flag() ? now_ms() : now_ms() + 90 * kMsPerMinute));
    HistoryRecord& record = history_.records.back();
    if (script_.flag()) record.value.resize(record.value.size() / 2);
    if (script_.flag()) *record.key += "X";
  }

  // Of a trade that is stored, skipped, refused or of no trade at all; also twice.
  void void_trade() {
    if (trades_.empty()) return;
    if (session_of(Writer::kOperator) == 0) session(Writer::kOperator);
    const HistoryRecord& record = history_.records[trades_[script_.byte() % trades_.size()]];
    TradeDecoder decoder;
    Trade trade;
    fuzz::require(decoder.decode(record.value, trade).has_value(), "a trade of the script does not decode");
    const std::string symbol(trade.symbol);
    const std::uint8_t how = script_.byte();
    if (how > 240) ++trade.seq;
    if (how % 3 == 0)
      return control(avro::UnvoidTrade{symbol, trade.event_time_ms, trade.seq, "typo"}, Writer::kOperator);
    control(avro::VoidTrade{symbol, trade.event_time_ms, trade.seq, "typo"}, Writer::kOperator);
  }

  void heartbeat() {
    avro::Heartbeat beat;
    beat.ordinal = ++beats_;
    beat.log_id = history_.log_id;
    const std::uint8_t lags = script_.byte();
    if ((lags & 1U) != 0) beat.lags.push_back({"crypto", span_ms() * ((lags & 4U) != 0 ? -1 : 1)});
    if ((lags & 2U) != 0) beat.lags.push_back({"us_equities", span_ms() * ((lags & 8U) != 0 ? -1 : 1)});
    control(std::move(beat));
  }

  void session(Writer writer) {
    const std::int64_t id = ++session_of(writer);
    if (writer == Writer::kLive && id > 1) now_ns_ -= span_ms() * kNsPerMs;
    avro::SessionStarted body{id, "tape", "", now_ns_, {}, history_.log_id};
    if (id > 1 && script_.flag()) body.silent_since = now_ms() - span_ms();
    control(body, writer);
  }

  void policy(std::size_t number) {
    const PolicyText& text = policies()[number];
    control(avro::PolicyInForce{text.market, text.hash, text.text});
  }

  std::optional<std::vector<std::string_view>> some_symbols() {
    const std::uint8_t which = script_.byte();
    if (which % 32 == 0) return std::nullopt;
    std::vector<std::string_view> names;
    for (std::size_t i = 0; i < kSymbols.size(); ++i) {
      if ((which >> i & 1) != 0) names.push_back(kSymbols[i]);
    }
    return names;
  }

  void gap() {
    avro::Gap body;
    body.to = now_ms() - span_ms() + span_ms();
    body.from = body.to - span_ms();
    body.symbols = some_symbols();
    body.reason = "disconnected";
    last_gap_ = {body.from, body.to};
    control(body);
  }

  void filled() {
    if (session_of(Writer::kBackfill) == 0) session(Writer::kBackfill);
    const std::int64_t from_ms = last_gap_.from_ms + span_ms();
    const std::int64_t to_ms = std::max(from_ms, last_gap_.to_ms + span_ms());
    control(avro::Filled{kSymbols[script_.below(kSymbols.size())], from_ms, to_ms}, Writer::kBackfill);
  }

  // Everything that was open gets its chance to close.
  void finish() {
    now_ns_ += 2 * kMsPerHour * kNsPerMs;
    control(avro::Heartbeat{.ordinal = ++beats_, .log_id = history_.log_id});
    control(avro::End{});
  }

  Script script_;
  History history_;
  std::multimap<std::size_t, Disturbance> disturbances_;
  std::vector<std::size_t> trades_;
  std::array<std::int64_t, kWriterCount> sessions_{};
  std::int64_t now_ns_ = kStartNs;
  std::int64_t last_seq_ = 0;
  std::int64_t beats_ = 0;
  TimeSpan last_gap_{kStartNs / kNsPerMs, kStartNs / kNsPerMs};
};

// The first field in which two bars differ, of those that the model knows; empty when there is none.
std::string difference_of(const Bar& a, const Bar& b) {
  std::string found = simulation::first_difference(a, b);
  return found.find(':') == std::string::npos ? std::string() : found;
}

// ---- History -> stored rows ----------------------------------------------------------------------------------------

class Owner final : public BarListener {
 public:
  explicit Owner(const History& history)
      : log_(1, history.log_id),
        writer_(log_.writer(std::size_t{64} << 20)),
        reader_(log_.reader({0})),
        dead_letters_(log_.dead_letters()) {
    start();
  }

  void apply(const HistoryRecord& record) {
    const LogRecord view = record.view();
    fuzz::require(writer_->append(0, {&view, 1}) == LogWriter::Append::kAccepted, "the log is full");
    must(writer_->poll());
    records_.push_back(&record);
    catch_up();
  }

  void disturb(Disturbance disturbance) {
    switch (disturbance.moment) {
      case Moment::kCommit:
        commit();
        // Not always at once: what is committed may be changed again before its row may leave memory.
        if (disturbance.how % 4 != 0) processor_->acknowledge(commits_ - (disturbance.how % 4 == 1 ? 1 : 0));
        break;
      case Moment::kListen:
        processor_->end_round(0);
        processor_->begin_round();
        break;
      case Moment::kCrash: crash(disturbance.how); break;
    }
  }

  void finish() { commit(); }
  [[nodiscard]] MemoryStore& store() { return store_; }
  [[nodiscard]] MemoryLog& log() { return log_; }

  // A listener sees what is stored under the same version, now or later.
  [[nodiscard]] std::uint64_t interest() const override { return 1; }
  [[nodiscard]] bool wants_bars(std::string_view /*symbol*/) override { return true; }
  [[nodiscard]] bool wants_trades(std::string_view /*symbol*/) override { return true; }
  void on_bar(const BarRow& row) override { remember(versions_, row, row.bar.version); }
  void on_trade(const Trade& /*trade*/) override {}
  void on_round(std::int32_t /*partition*/, std::int64_t /*applied*/, std::int64_t /*committed*/) override {}

 private:
  template <typename T>
  static void must(const Result<T>& result) {
    if (!result) fuzz::differ("the processor stopped: " + result.error().message());
  }

  void start() {
    auto started = PartitionProcessor::start(0, *reader_, store_, *dead_letters_, policies_, this);
    must(started);
    processor_.emplace(*std::move(started));
    processor_->begin_round();
    next_ = processor_->first_offset();
  }

  void catch_up() {
    for (; next_ < static_cast<std::int64_t>(records_.size()); ++next_) {
      const LogRecord record = records_[static_cast<std::size_t>(next_)]->view();
      auto applied = processor_->apply(next_, record);
      if (applied && *applied == PartitionProcessor::Applied::kNeedsStore) {
        commit();
        processor_->acknowledge(commits_);
        applied = processor_->apply(next_, record);
      }
      must(applied);
      fuzz::require(*applied == PartitionProcessor::Applied::kApplied, "the store is not what was needed");
    }
  }

  void commit() { write(processor_->take(++commits_)); }

  // Only so much of a commit is written: in this order, and rows of bars one by one.
  void crash(std::uint8_t how) {
    Commit commit = processor_->take(++commits_);
    const bool all_bars = how % 8 >= 4;
    if (!all_bars) {
      BlockList<BarRow> written;
      const std::size_t wanted = commit.bars.size() * (how % 4) / 4;
      for (auto row = commit.bars.begin(); written.size() < wanted; ++row) written.push_back(*row);
      commit.bars = std::move(written);
    }
    if (how % 8 != 7) commit.checkpoints.clear();
    if (how % 16 != 0) write(std::move(commit));
    start();
    catch_up();
  }

  // What stands under a version, or under a revision, never changes.
  using Known = std::map<std::pair<BarKey, std::int64_t>, Bar>;
  static void remember(Known& known, const BarRow& row, std::int64_t number) {
    const auto [at, fresh] = known.try_emplace({row.key, number}, row.bar);
    const std::string difference = fresh ? "" : difference_of(at->second, row.bar);
    if (difference.empty()) return;
    fuzz::differ(
        fmt::format("{}: two contents under number {}: {}", simulation::describe(row.key), number, difference));
  }

  void write(Commit commit) {
    for (const BarRow& row : commit.bars) remember(versions_, row, row.bar.version);
    for (const BarRow& row : commit.revisions) remember(revisions_, row, row.bar.revision);
    must(dead_letters_->flush());
    (void)store_.submit(std::move(commit));
    must(store_.poll());
  }

  MemoryLog log_;
  std::unique_ptr<LogWriter> writer_;
  std::unique_ptr<MemoryLogReader> reader_;
  std::unique_ptr<DeadLetters> dead_letters_;
  MemoryStore store_;
  PolicyReader policies_;
  std::optional<PartitionProcessor> processor_;
  std::vector<const HistoryRecord*> records_;
  std::int64_t next_ = 0;
  std::int64_t commits_ = 0;
  Known versions_, revisions_;
};

// ---- Comparison ----------------------------------------------------------------------------------------------------

template <typename Key, typename Name>
void compare(std::string_view what, const std::map<Key, Bar>& expected, const std::map<Key, Bar>& actual, Name name) {
  for (const auto& [key, bar] : expected) {
    const auto at = actual.find(key);
    if (at == actual.end()) fuzz::differ(fmt::format("{} {} is not in the store", what, name(key)));
    const std::string difference = difference_of(bar, at->second);
    if (!difference.empty()) fuzz::differ(fmt::format("{} {}: {} (model, store)", what, name(key), difference));
  }
  for (const auto& [key, bar] : actual) {
    if (!expected.contains(key)) fuzz::differ(fmt::format("{} {} is not in the model", what, name(key)));
  }
}

void compare_with_model(const History& history, Owner& owner) {
  const simulation::NaiveResult model = simulation::run_naive_model(history, 0);
  MemoryStore& store = owner.store();
  std::map<BarKey, Bar> bars;
  std::map<simulation::RevisionKey, Bar> revisions;
  std::map<std::int64_t, ErrorCode> dead_letters;
  std::size_t ticks = 0;
  for (const SymbolRow& row : store.symbols().value()) {
    for (const Interval interval : kIntervals) {
      (void)store.bars({row.symbol, interval},
                       [&](const BarRow& bar) { return bars.emplace(bar.key, bar.bar).second; });
      (void)store.revisions({row.symbol, interval}, [&](const RevisionRow& revision) {
        return revisions.emplace(simulation::RevisionKey{revision.key, revision.bar.revision}, revision.bar).second;
      });
    }
    (void)store.ticks({row.symbol}, [&](const Tick& tick) {
      const auto expected = model.ticks.find({row.symbol, tick.trade.event_time_ms, tick.trade.seq});
      fuzz::require(expected != model.ticks.end() && expected->second.price_e9 == tick.trade.price_e9 &&
                        expected->second.volume_e8 == tick.trade.volume_e8 && expected->second.offset == tick.offset,
                    "a stored trade is not the model's");
      ++ticks;
      return true;
    });
  }
  (void)owner.log().dead_letter_query()->dead_letters([&](const DeadLetter& letter) {
    dead_letters[letter.offset] = letter.reason;
    return true;
  });
  compare("bar", model.bars, bars, [](const BarKey& key) { return simulation::describe(key); });
  compare("revision", model.revisions, revisions, [](const simulation::RevisionKey& key) {
    return fmt::format("{} {}", simulation::describe(key.first), key.second);
  });
  fuzz::require(ticks == model.ticks.size(), "a trade is not stored");
  fuzz::require(store.spans().value() == model.spans, "the spans differ");
  fuzz::require(store.load_voids(0).value() == model.voids, "the voids differ");
  const auto text_of = [](const std::map<std::int64_t, ErrorCode>& letters) {
    std::string text;
    for (const auto& [offset, code] : letters) text += fmt::format(" {} {}", offset, error_info(code).name);
    return text;
  };
  if (dead_letters != model.dead_letters) {
    fuzz::differ(fmt::format("dead letters:{} (model),{} (store)", text_of(model.dead_letters), text_of(dead_letters)));
  }
}

}  // namespace
}  // namespace finpipe

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace finpipe;
  planted_fault = static_cast<PlantedFault>(fuzz::canary());
  const Play play{fuzz::Script({data, size})};
  const History& history = play.history();
  Owner owner(history);
  for (std::size_t i = 0; i < history.records.size(); ++i) {
    const auto [first, last] = play.disturbances().equal_range(i);
    for (auto each = first; each != last; ++each) owner.disturb(each->second);
    owner.apply(history.records[i]);
  }
  owner.finish();
  compare_with_model(history, owner);
  return 0;
}
