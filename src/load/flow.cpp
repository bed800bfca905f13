#include "load/flow.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/decimal.h"
#include "base/time.h"
#include "codec/finnhub_frame.h"

namespace finpipe {
namespace {

constexpr std::string_view kCryptoBegin = "BINANCE:LOAD", kCryptoEnd = "USDT";
constexpr std::string_view kTickerBegin = "ZZ";
constexpr std::size_t kLetters = 26;

// Lists of codes and how often each comes, in 1/1000. Most trades of US equities are odd lots by now; sweeps and
// trades in extended hours are common, average prices and official prints are rare.
struct ConditionShare {
  std::string_view json;
  std::string_view codes;
  std::uint32_t per_mille;
};
constexpr auto kUsConditions = std::to_array<ConditionShare>({
    {R"(["1"])", "1", 290},
    {R"(["1","12"])", "1 12", 320},
    {R"(["1","8"])", "1 8", 90},
    {R"(["1","8","12"])", "1 8 12", 140},
    {R"(["1","24"])", "1 24", 30},
    {R"(["1","24","12"])", "1 24 12", 40},
    {R"(["1","41"])", "1 41", 30},
    {R"(["1","3"])", "1 3", 10},
    {R"(["1","37"])", "1 37", 10},
    {R"(["1","32"])", "1 32", 10},
    {R"(["1","30"])", "1 30", 5},
    {R"(["16"])", "16", 10},
    {R"(["20"])", "20", 5},
    {R"([])", "", 5},
    {"null", "", 5},
});
// Dealt in turn. Not the huge one: it would be a load of its own kind.
constexpr std::array kBadVariants = {Malformed::kBrokenJson, Malformed::kWrongType, Malformed::kNan,
                                     Malformed::kNegativePrice, Malformed::kUnknownType};

constexpr std::int64_t kFirstPriceE4 = 1'000'000;  // 100, in 1e-4: each trade's price is another one

std::string_view end_of_ticker(std::size_t number, std::array<char, 3>& letters) {
  for (std::size_t i = letters.size(); i-- > 0; number /= kLetters) {
    letters[i] = static_cast<char>('A' + number % kLetters);
  }
  return {letters.data(), letters.size()};
}

}  // namespace

std::vector<std::string> load_symbols(LoadMarket market, std::size_t count) {
  std::vector<std::string> names;
  names.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::array<char, 3> letters{};
    names.push_back(market == LoadMarket::kCrypto ? fmt::format("{}{:04}{}", kCryptoBegin, i, kCryptoEnd)
                                                  : fmt::format("{}{}", kTickerBegin, end_of_ticker(i, letters)));
  }
  return names;
}

bool is_load_symbol(std::string_view symbol) {
  constexpr std::size_t kNumberBytes = 4, kTickerBytes = 5;
  const auto all = [](std::string_view text, char first, char last) {
    return std::ranges::all_of(text, [=](char c) { return c >= first && c <= last; });
  };
  if (symbol.starts_with(kCryptoBegin) && symbol.ends_with(kCryptoEnd)) {
    const std::string_view number = symbol.substr(
        kCryptoBegin.size(), symbol.size() - std::min(symbol.size(), kCryptoBegin.size() + kCryptoEnd.size()));
    return number.size() == kNumberBytes && all(number, '0', '9');
  }
  return symbol.starts_with(kTickerBegin) && symbol.size() == kTickerBytes && all(symbol, 'A', 'Z');
}

Result<std::shared_ptr<const TapeShape>> shape_of(const LoopedTape& tape) {
  TapeShape shape;
  ArrivalShape arrivals;
  FrameParser parser;
  LoopedTape::Rendered rendered;
  std::optional<std::int64_t> first_ns;
  for (std::size_t frame = 0; frame < tape.frames(); ++frame) {
    tape.render(frame, 0, rendered);
    const ParsedFrame& parsed = parser.parse(rendered.text);
    if (parsed.trades.empty()) continue;
    const std::int64_t due_ns = tape.due_ns({0, frame});
    if (!first_ns) first_ns = due_ns;
    shape.frame_sizes.push_back(static_cast<std::int64_t>(parsed.trades.size()));
    for (const Trade& trade : parsed.trades) {
      shape.prints.push_back({trade.price_e9, trade.volume_e8});
      arrivals.offsets_ns.push_back(due_ns - *first_ns);
    }
  }
  if (!first_ns) return fail(ErrorCode::kBadSetting, "the tape has no trades");
  arrivals.loop_ns = tape.loop_ns();
  shape.arrivals = std::make_shared<const ArrivalShape>(std::move(arrivals));
  return std::make_shared<const TapeShape>(std::move(shape));
}

Flow::Flow(const FlowOptions& options, const PolicySet& policies, std::int64_t trades, std::int64_t start_wall_ns)
    : options_(options),
      trades_(trades),
      start_wall_ns_(start_wall_ns),
      names_(load_symbols(options.market, options.symbols)),
      arrivals_(options.trades_per_second, options.bursts, options.tape ? options.tape->arrivals : nullptr),
      zipf_(options.symbols, options.zipf),
      random_(options.seed) {
  if (options_.market == LoadMarket::kCrypto) return;
  const MarketPolicy& policy = policies.policy_for(names_.front());
  std::uint32_t sum = 0;
  for (const ConditionShare& share : kUsConditions) {
    Trade trade;
    trade.symbol = names_.front();
    trade.event_time_ms = start_wall_ns / kNsPerMs;
    trade.volume_e8 = 1;
    trade.conditions = {Conditions::Form::kList, share.codes};
    conditions_.push_back({share.json, policy.effect_of(trade).intraday.volume});
    condition_weights_.push_back(sum += share.per_mille);
  }
}

std::int64_t Flow::due_by(std::int64_t offset_ns) const { return std::min(arrivals_.due_by(offset_ns), trades_); }

std::int64_t Flow::next_frame_size() {
  if (!options_.tape) return random_.between(1, options_.max_trades_per_frame);
  const std::int64_t size = options_.tape->frame_sizes[tape_frame_];
  tape_frame_ = (tape_frame_ + 1) % options_.tape->frame_sizes.size();
  return size;
}

void Flow::append_trade(std::size_t symbol, std::int64_t event_time_ms) {
  ConditionChoice conditions{"null"};
  if (!conditions_.empty()) {
    const auto drawn = static_cast<std::uint32_t>(random_.below(condition_weights_.back()));
    const auto choice = std::ranges::upper_bound(condition_weights_, drawn);
    conditions = conditions_[static_cast<std::size_t>(choice - condition_weights_.begin())];
  }
  std::string& text = frame_.text;
  const std::size_t begin = text.size();
  const auto out = [&text] { return std::back_inserter(text); };
  if (options_.tape) {
    const auto& prints = options_.tape->prints;
    const TapeShape::Print& print = prints[static_cast<std::size_t>(number_) % prints.size()];
    conditions.in_bars = conditions.in_bars && print.volume_e8 != 0;
    fmt::format_to(out(), R"({{"c":{},"p":)", conditions.json);
    append_decimal(text, print.price_e9, kPriceDigits);
    fmt::format_to(out(), R"(,"s":"{}","t":{},"v":)", names_[symbol], event_time_ms);
    append_decimal(text, print.volume_e8, kVolumeDigits);
    text += '}';
  } else {
    const std::int64_t price_e4 = kFirstPriceE4 + number_;
    fmt::format_to(out(), R"({{"c":{},"p":{}.{:04},"s":"{}","t":{},"v":0.5}})", conditions.json, price_e4 / 10'000,
                   price_e4 % 10'000, names_[symbol], event_time_ms);
  }
  places_.emplace_back(begin, text.size() - begin);
  frame_.trades.push_back({symbol, event_time_ms, {}, conditions.in_bars});
}

void Flow::make_bad_frame() {
  bad_follows_ = false;
  frame_.trades.clear();
  frame_.text = malformed_frame(kBadVariants[bad_dealt_++ % kBadVariants.size()], names_.front(),
                                (start_wall_ns_ + frame_.due_ns) / kNsPerMs);
}

const Flow::Frame& Flow::next() {
  if (bad_follows_) {
    make_bad_frame();
    return frame_;
  }
  frame_.due_ns = arrivals_.due_ns(number_);
  frame_.text = R"({"data":[)";
  frame_.trades.clear();
  places_.clear();
  const std::int64_t event_time_ms = (start_wall_ns_ + frame_.due_ns) / kNsPerMs;
  const std::int64_t end = std::min(trades_, number_ + next_frame_size());
  for (; number_ < end; ++number_) {
    if (!places_.empty()) frame_.text += ',';
    append_trade(zipf_.draw(random_), event_time_ms);
  }
  frame_.text += R"(],"type":"trade"})";
  for (std::size_t i = 0; i < places_.size(); ++i) {
    frame_.trades[i].json = std::string_view(frame_.text).substr(places_[i].first, places_[i].second);
  }
  bad_follows_ = random_.chance(options_.bad);
  return frame_;
}

}  // namespace finpipe
