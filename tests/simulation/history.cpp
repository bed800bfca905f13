#include "history.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "base/random.h"
#include "base/time.h"
#include "codec/records.h"
#include "policy_texts.h"

namespace finpipe::simulation {
namespace {

constexpr std::array<std::string_view, 8> kCryptoSymbols = {"BINANCE:BTCUSDT", "BINANCE:ETHUSDT", "BINANCE:SOLUSDT",
                                                            "BINANCE:XRPUSDT", "BINANCE:ADAUSDT", "BINANCE:LTCUSDT",
                                                            "BINANCE:BNBUSDT", "BINANCE:DOTUSDT"};
constexpr std::array<std::string_view, 8> kUsSymbols = {"AAPL", "MSFT", "TSLA", "NVDA", "AMZN", "BRK.B", "IBM", "F"};
constexpr std::array<std::string_view, 8> kUnclaimedSymbols = {"OANDA:EUR_USD", "OANDA:GBP_USD", "X:1", "X:2",
                                                               "X:3",           "X:4",           "X:5", "X:6"};
// Around what matters on a trading Monday in New York (UTC-4): pre-market, open, close, the end of the trading date.
constexpr std::array<std::int64_t, 5> kStartsMs = {1'717'401'580'000, 1'717'421'390'000, 1'717'444'780'000,
                                                   1'717'459'170'000, 1'717'430'000'000};

class HistoryMaker {
 public:
  explicit HistoryMaker(std::uint64_t seed) : random_(seed) {
    for (std::byte& byte : history_.log_id) byte = static_cast<std::byte>(random_.below(256));
    history_.partitions = static_cast<std::int32_t>(random_.between(2, 3));
    sizes_.resize(static_cast<std::size_t>(history_.partitions));
    trades_.resize(static_cast<std::size_t>(history_.partitions));
    choose_symbols();
    now_ns_ = (pick(kStartsMs) + random_.between(-60'000, 60'000)) * kNsPerMs + random_.between(0, 999'999);
    const bool calendar = random_.chance(0.2);
    policies_ = {policy_texts("crypto", calendar), policy_texts("us_equities", calendar)};
  }

  History make() {
    begin();
    while (std::ranges::min(sizes_) < kRecordsPerPartition) {
      pass_time();
      happen();
    }
    finish();
    return std::move(history_);
  }

 private:
  template <typename Container>
  typename Container::const_reference pick(const Container& from) {
    return from[random_.below(from.size())];
  }

  // Two or three symbols a partition, of every kind over all of them.
  void choose_symbols() {
    std::vector<std::vector<std::string_view>> chosen(sizes_.size());
    const auto offer = [&](std::string_view symbol, std::size_t most) {
      auto& of_partition = chosen[static_cast<std::size_t>(partition_of(symbol, history_.partitions))];
      if (of_partition.size() < most) of_partition.push_back(symbol), symbols_.emplace_back(symbol);
    };
    for (const std::string_view symbol : kCryptoSymbols) offer(symbol, 1);
    for (const std::string_view symbol : kUsSymbols) offer(symbol, 2);
    for (const std::string_view symbol : kUnclaimedSymbols) offer(symbol, random_.chance(0.3) ? 3 : 0);
  }

  // ---- Appending ---------------------------------------------------------------------------------------------------

  void append(std::int32_t partition, RecordType type, std::optional<std::string> key, std::string value) {
    ++sizes_[static_cast<std::size_t>(partition)];
    history_.records.push_back({partition, type, std::move(key), std::move(value)});
  }
  void append_trade(const Trade& trade) {
    std::string value;
    encode_trade(trade, value);
    const std::int32_t partition = partition_of(trade.symbol, history_.partitions);
    trades_[static_cast<std::size_t>(partition)].push_back(history_.records.size());
    append(partition, RecordType::kTrade, std::string(trade.symbol), std::move(value));
  }
  void append_control(std::int32_t partition, avro::FeedStatus status) {
    std::string value;
    encode_control(status, value);
    append(partition, RecordType::kControl, std::nullopt, std::move(value));
  }
  void control(decltype(avro::FeedStatus::body) body, Writer writer = Writer::kLive) {
    avro::FeedStatus status;
    status.stamp = now_ns_;
    status.writer = static_cast<avro::Writer>(writer);
    status.session = session_of(writer);
    status.body = std::move(body);
    for (std::int32_t partition = 0; partition < history_.partitions; ++partition) append_control(partition, status);
  }

  // ---- What happens ------------------------------------------------------------------------------------------------

  // The writer's newest session.
  [[nodiscard]] std::int64_t& session_of(Writer writer) { return sessions_[static_cast<std::size_t>(writer)]; }
  [[nodiscard]] std::int64_t now_ms() const { return floor_div(now_ns_, kNsPerMs); }

  void begin() {
    if (random_.chance(0.1)) backfill_trade();  // before any live record
    session(Writer::kLive);
    for (const PolicyTexts& texts : policies_) policy(texts, 0);
    if (random_.chance(0.8)) subscribed();
    if (random_.chance(0.8)) heartbeat();
  }

  void pass_time() {
    const std::uint64_t kind = random_.below(1000);
    std::int64_t by_ns = 0;
    if (kind >= 350) by_ns = random_.between(1, 900 * kNsPerMs);
    if (kind >= 750) by_ns = random_.between(1'000, 3'000) * kNsPerMs;
    if (kind >= 960) by_ns = random_.between(5'000, 90'000) * kNsPerMs;
    if (kind >= 993) by_ns = random_.between(5, 80) * kMsPerMinute * kNsPerMs;
    now_ns_ += by_ns;
  }

  void happen() {
    const std::uint64_t kind = random_.below(1000);
    if (kind < 600) return live_trade();
    if (kind < 640) return backfill_trade();
    if (kind < 655) return trade_again();
    if (kind < 665) return trade_of_old_session();
    if (kind < 675) return poison();
    if (kind < 680) return record_of_replay();
    if (kind < 880) return heartbeat();
    if (kind < 892) return session(random_.chance(0.3) ? Writer::kBackfill : Writer::kLive);
    if (kind < 896) return session_again();
    if (kind < 908) return policy(pick(policies_), random_.chance(0.6) ? 0 : random_.below(4));
    if (kind < 922) return subscribed();
    if (kind < 932) return unsubscribed();
    if (kind < 950) return feed();
    if (kind < 975) return gap();
    if (kind < 990) return filled();
    if (kind < 994) return control_of_old_session();
    if (kind < 995) return control(avro::Refused{{pick(symbols_)}, "no access"});
    if (kind < 998) return void_trade();
    return bad_policy();
  }

  std::int64_t lateness_ms() {
    const std::uint64_t kind = random_.below(100);
    if (kind < 55) return random_.between(0, 60);
    if (kind < 63) return -random_.between(0, 2'000);
    if (kind < 75) return random_.between(1'000, 5'000);
    if (kind < 86) return random_.between(5'000, 90'000);
    if (kind < 94) return random_.between(1, 60) * kMsPerMinute;
    if (kind < 97) return random_.between(1 * kMsPerHour, 5 * kMsPerHour);
    return -random_.between(0, 70) * kMsPerMinute;
  }

  Trade trade_of(Writer writer, std::int64_t event_time_ms) {
    if (session_of(writer) == 0) session(writer);
    Trade trade;
    trade.symbol = pick(symbols_);
    trade.event_time_ms = event_time_ms;
    trade.price_e9 = random_.between(1, 200'000) * 10'000'000;
    trade.volume_e8 = random_.chance(0.05) ? 0 : random_.between(1, 5'000'000'000);
    trade.conditions = conditions(trade.symbol);
    trade.received_at_ns = now_ns_;
    trade.seq = last_seq_ = std::max(last_seq_ + 1, now_ns_);
    trade.session = session_of(writer);
    trade.writer = writer;
    if (random_.chance(0.03)) trade.suspect = Suspect::kRepeatedRun;
    return trade;
  }

  Conditions conditions(std::string_view symbol) {
    if (symbol.find(':') != std::string_view::npos) return {};
    if (random_.chance(0.4)) return {random_.chance(0.5) ? Conditions::Form::kNull : Conditions::Form::kList, {}};
    codes_ = std::to_string(random_.between(1, 42));
    if (random_.chance(0.3)) codes_ += " " + std::to_string(random_.between(1, 41));
    if (random_.chance(0.1)) codes_ += " XT";
    return {Conditions::Form::kList, codes_};
  }

  void live_trade() {
    std::int64_t event_time_ms = now_ms() - lateness_ms();
    if (random_.chance(0.1) && last_event_ms_ <= now_ms()) event_time_ms = last_event_ms_;
    last_event_ms_ = event_time_ms;
    append_trade(trade_of(Writer::kLive, event_time_ms));
  }

  void backfill_trade() {
    const std::int64_t back_ms =
        random_.chance(0.7) ? random_.between(0, 30 * kMsPerMinute) : random_.between(0, kMsPerDay);
    for (std::int64_t left = random_.between(1, 3); left > 0; --left) {
      append_trade(trade_of(Writer::kBackfill, now_ms() - back_ms + left * 100));
    }
  }

  void record_of_replay() { append_trade(trade_of(Writer::kReplay, now_ms() - random_.between(0, kMsPerHour))); }

  void trade_again() {
    const auto partition = random_.below(trades_.size());
    if (trades_[partition].empty()) return;
    const HistoryRecord record = history_.records[pick(trades_[partition])];
    append(record.partition, record.type, record.key, record.value);
  }

  void trade_of_old_session() {
    Trade trade = trade_of(Writer::kLive, now_ms());
    --trade.session;
    append_trade(trade);
  }

  void poison() {
    Trade trade = trade_of(Writer::kLive, now_ms());
    const std::int32_t home = partition_of(trade.symbol, history_.partitions);
    std::string key(trade.symbol);
    switch (random_.below(7)) {
      case 0: trade.event_time_ms = kYear2000Ms - 1; break;
      case 1: trade.event_time_ms = kLatestEventMs; break;
      case 2: trade.price_e9 = -1; break;
      case 3: key += "X"; break;
      default: break;
    }
    std::string value;
    encode_trade(trade, value);
    switch (random_.below(4)) {
      case 0: value.resize(value.size() / 2); break;
      case 1: value = "no record at all"; break;
      case 2: return append(home, RecordType::kControl, std::nullopt, std::move(value));
      default: break;
    }
    const std::int32_t elsewhere = random_.chance(0.5) ? (home + 1) % history_.partitions : home;
    append(elsewhere, RecordType::kTrade, std::move(key), std::move(value));
  }

  void heartbeat() {
    if (random_.chance(0.9)) now_ns_ += random_.between(0, 500) * kNsPerMs;
    avro::Heartbeat beat;
    beat.ordinal = ++beats_;
    beat.log_id = history_.log_id;
    beat.counters = {beats_, 1, beats_ - 2, 1};
    for (const PolicyTexts& texts : policies_) {
      if (random_.chance(0.6)) beat.lags.push_back({texts.market, lag_ms()});
    }
    control(std::move(beat),
            random_.chance(0.02) && session_of(Writer::kBackfill) > 0 ? Writer::kBackfill : Writer::kLive);
  }

  std::int64_t lag_ms() {
    const std::uint64_t kind = random_.below(100);
    if (kind < 75) return random_.between(20, 2'000);
    if (kind < 85) return -random_.between(1, 1'500);
    if (kind < 94) return random_.between(5'000, 40'000);
    if (kind < 97) return 40 * kMsPerMinute;
    return random_.chance(0.3) ? 2 * kMsPerHour : -random_.between(1, 90) * kMsPerMinute;
  }

  void session(Writer writer) {
    const std::int64_t id = ++session_of(writer);
    if (writer == Writer::kLive && id > 1 && random_.chance(0.3)) {
      now_ns_ -=
          random_.chance(0.8) ? random_.between(1, 5'000 * kNsPerMs) : random_.between(1, 90) * kMsPerMinute * kNsPerMs;
    }
    avro::SessionStarted body{id, "tape", "", now_ns_, {}, history_.log_id};
    if (id > 1 && random_.chance(0.4)) body.silent_since = now_ms() - random_.between(0, 120'000);
    control(body, writer);
  }

  // The hourly repetition, stamped with a time that must not set the clock back.
  void session_again() {
    const std::int64_t now_ns = now_ns_;
    now_ns_ -= random_.between(0, 60'000) * kNsPerMs;
    control(avro::SessionStarted{session_of(Writer::kLive), "tape", "", now_ns_, now_ms(), history_.log_id});
    now_ns_ = now_ns;
  }

  void policy(const PolicyTexts& texts, std::size_t version) {
    const std::string& text = texts.versions[version % texts.versions.size()];
    const std::string hash = sha256_hex(text);
    control(avro::PolicyInForce{texts.market, hash, text});
  }
  void bad_policy() { control(avro::PolicyInForce{"crypto", "0123", "version = 1\n"}); }

  std::optional<std::vector<std::string_view>> some_symbols() {
    if (random_.chance(0.5)) return std::nullopt;
    std::vector<std::string_view> names;
    for (const std::string& symbol : symbols_) {
      if (random_.chance(0.3)) names.emplace_back(symbol);
    }
    return names;
  }
  void subscribed() { control(avro::Subscribed{some_symbols()}); }
  void unsubscribed() { control(avro::Unsubscribed{some_symbols()}); }

  void feed() {
    const std::uint64_t kind = random_.below(3);
    const std::int64_t since = now_ms() - random_.between(0, 20'000);
    control(avro::FeedState{static_cast<avro::ConnectionState>(kind), since});
    if (kind > 0) silent_since_ms_ = since;
  }

  void gap() {
    // Some state what was silent just now, some are learned long after.
    avro::Gap body;
    body.from = now_ms() - random_.between(0, 60'000);
    body.to = now_ms() + random_.between(-1'000, 1'000);
    if (silent_since_ms_ != 0 && random_.chance(0.7)) body.from = std::exchange(silent_since_ms_, 0);
    if (random_.chance(0.4)) {
      body.from = now_ms() - random_.between(0, 4 * kMsPerHour);
      body.to = body.from + random_.between(1, 30 * kMsPerMinute);
    }
    body.symbols = some_symbols();
    body.reason = "disconnected";
    last_gap_ = {body.from, body.to};
    control(body);
  }

  void filled() {
    const std::int64_t from = last_gap_.first + random_.between(-2'000, 2'000);
    const std::int64_t to = last_gap_.second + random_.between(-5'000, 2'000);
    control(avro::Filled{pick(symbols_), from, std::max(from, to)}, Writer::kBackfill);
  }

  // Of a trade that is stored, or not yet, or never; by its operator or, wrongly, by another writer.
  void void_trade() {
    const auto partition = random_.below(trades_.size());
    avro::VoidTrade body{pick(symbols_), now_ms(), now_ns_, "typo"};
    TradeDecoder decoder;
    Trade trade;
    if (!trades_[partition].empty() && random_.chance(0.9)) {
      if (voided_.empty() || random_.chance(0.6)) voided_.push_back(pick(trades_[partition]));
      if (!decoder.decode(history_.records[pick(voided_)].value, trade)) return;
      body.symbol = trade.symbol, body.event_time = trade.event_time_ms, body.seq = trade.seq;
    }
    const Writer writer = random_.chance(0.9) ? Writer::kOperator : Writer::kLive;
    if (session_of(writer) == 0) session(writer);
    if (random_.chance(0.6)) return control(body, writer);
    control(avro::UnvoidTrade{body.symbol, body.event_time, body.seq, "no typo"}, writer);
  }

  void control_of_old_session() {
    --session_of(Writer::kLive);
    heartbeat();
    ++session_of(Writer::kLive);
  }

  // Everything that was open gets its chance to close; what lies days ahead stays provisional.
  void finish() {
    for (std::int64_t left = 5; left > 0; --left) {
      now_ns_ += random_.between(1, 60) * kMsPerMinute * kNsPerMs;
      heartbeat();
    }
    if (random_.chance(0.5)) {
      now_ns_ += 2 * kMsPerDay * kNsPerMs;
      heartbeat();
    }
    if (random_.chance(0.5)) live_trade();
    if (random_.chance(0.5)) gap();
    control(avro::End{});
  }

  Random random_;
  History history_;
  std::vector<std::int64_t> sizes_;               // records by partition
  std::vector<std::vector<std::size_t>> trades_;  // by partition, indexes of well-formed trades
  std::vector<std::size_t> voided_;               // likewise, of those that an operator has named
  std::vector<std::string> symbols_;
  std::vector<PolicyTexts> policies_;
  std::array<std::int64_t, kWriterCount> sessions_{};
  std::int64_t last_seq_ = 0;  // of all writers: a trade's identity is its symbol, event time and seq
  std::int64_t now_ns_ = 0;
  std::int64_t beats_ = 0;
  std::int64_t last_event_ms_ = kLatestEventMs;
  std::int64_t silent_since_ms_ = 0;
  std::pair<std::int64_t, std::int64_t> last_gap_{kYear2000Ms, kYear2000Ms + 1};
  std::string codes_;
};

}  // namespace

History make_history(std::uint64_t seed) { return HistoryMaker(seed).make(); }

}  // namespace finpipe::simulation
