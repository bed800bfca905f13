#include "world.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/time.h"
#include "codec/policy_file.h"
#include "codec/records.h"

namespace finpipe::simulation {
namespace {

constexpr std::int64_t kStartMs = 1'785'000'000'000;
constexpr std::int64_t kStepMs = 50;
constexpr std::int64_t kCalmMs = 75 * kMsPerSecond;
constexpr std::int64_t kCalmAfterRecords = 2'000;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;

// Parsing takes longer than a whole run.
const MarketPolicy& parsed(const std::string& text, const std::string& market) {
  static thread_local std::map<std::string, MarketPolicy, std::less<>> known;
  const auto found = known.find(text);
  return found != known.end() ? found->second : known.emplace(text, parse_policy(text, market).value()).first->second;
}

const std::vector<PolicyTexts>& all_policy_texts() {
  static const std::vector<PolicyTexts> texts = {policy_texts("crypto", false), policy_texts("us_equities", false)};
  return texts;
}

std::vector<std::string> some_symbols(Random& random) {
  std::vector<std::string> symbols = {"BINANCE:BTCUSDT", "AAPL", "BINANCE:ETHUSDT", "MSFT", "BINANCE:SOLUSDT", "X:1"};
  symbols.resize(static_cast<std::size_t>(random.between(3, 6)));
  return symbols;
}

}  // namespace

World::IngestProcess::IngestProcess(World& world, IngestOptions options)
    : clock(world.host_),
      feed(world.vendor_, world.now_ms_, world.host_, clock, world.random_, world.time_scale_),
      reader(world.log_.reader(world.all_partitions()), fuse),
      writer(world.log_, fuse, world.random_, static_cast<std::size_t>(world.random_.between(500, 100'000))),
      letters(world.log_, fuse),
      ingest(feed, reader, writer, letters, [&] {
        options.clock = &clock;
        return std::move(options);
      }()) {}

World::World(std::uint64_t seed)
    : random_(seed),
      now_ms_(kStartMs),
      vendor_(random_, some_symbols(random_), kStartMs),
      host_((kStartMs + random_.between(-6'000, 6'000)) * kNsPerMs),
      log_(static_cast<std::int32_t>(random_.between(2, 3)), LogId{std::byte{1}}),
      cluster_(log_, host_, random_.next()),
      policy_texts_(all_policy_texts()),
      policy_versions_(policy_texts_.size()),
      time_scale_(static_cast<double>(random_.between(5, 12)) * 0.01),
      received_(vendor_.symbols().size()),
      market_opened_ms_(kStartMs),
      generations_(static_cast<std::size_t>(log_.partitions())) {
  if (std::abs(host_.wall_ns() - kStartMs * kNsPerMs) > 3 * kNsPerSecond) ++counts_["clock skew"];
  const std::uint64_t leap = random_.below(8);
  leap_at_ms_ = now_ms_ + random_.between(10'000, 100'000);
  leap_back_ms_ = leap_at_ms_ + random_.between(5'000, 60'000);
  if (leap == 0) leap_ns_ = -kMsPerHour * kNsPerMs;
  if (leap == 1) leap_ns_ = 30 * kMsPerDay * kNsPerMs;
  reset_at_ms_ = random_.chance(0.2) ? now_ms_ + random_.between(10'000, 120'000) : Wire::kNever;
}

std::vector<std::int32_t> World::all_partitions() const {
  std::vector<std::int32_t> all;
  for (std::int32_t partition = 0; partition < log_.partitions(); ++partition) all.push_back(partition);
  return all;
}

HandedOut World::handed_out(std::size_t trade) const {
  const auto found = handed_out_.find(trade);
  return found == handed_out_.end() ? HandedOut{} : found->second;
}

std::int64_t World::records() {
  const auto reader = log_.reader({});
  std::int64_t records = 0;
  for (const std::int32_t partition : all_partitions()) records += reader->range(partition)->end;
  return records;
}

Result<History> World::history() {
  History history{.log_id = log_.log_id(), .partitions = log_.partitions(), .records = {}};
  const auto reader = log_.reader(all_partitions());
  FINPIPE_TRY(reader->poll(0));
  for (const std::int32_t partition : all_partitions()) FINPIPE_TRY(reader->seek(partition, 0));
  for (bool more = true; more;) {
    FINPIPE_TRY_ASSIGN(read, reader->poll(kReadBytes));
    more = !read.batches.empty();
    for (const LogReader::Batch& batch : read.batches) {
      for (const LogRecord& record : batch.records) {
        history.records.push_back({batch.partition, record.type,
                                   record.key ? std::optional<std::string>(*record.key) : std::nullopt,
                                   std::string(record.value)});
      }
    }
  }
  return history;
}

// ---- Time ----------------------------------------------------------------------------------------------------------

void World::step_clock(std::int64_t by_ms) {
  host_.advance_ns(by_ms * kNsPerMs);
  now_ms_ += by_ms;
}

Result<void> World::run() {
  std::int64_t calm_ms = Wire::kNever;
  while (calm_ms == Wire::kNever || now_ms_ < calm_ms + kCalmMs) {
    step_clock(kStepMs);
    if (calm_ms == Wire::kNever && now_ms_ % kMsPerSecond == 0 && records() >= kCalmAfterRecords) calm_ms = now_ms_;
    const bool settling_in = now_ms_ < kStartMs + 2 * kMsPerSecond;
    FINPIPE_TRY(pass(settling_in || calm_ms != Wire::kNever));
  }
  return drain();
}

Result<void> World::pass(bool calm) {
  vendor_.pass(now_ms_, calm, vendor_may_slow());
  if (!calm) accident();
  if (!calm && random_.chance(0.003)) FINPIPE_TRY(void_something());
  if (now_ms_ >= reset_at_ms_) FINPIPE_TRY(reset());
  FINPIPE_TRY(step_ingests());
  if (random_.chance(0.5)) FINPIPE_TRY(cluster_.round());
  return {};
}

// One that becomes slow before an ingest has seen how fast it is cannot be told from one with nothing to send.
bool World::vendor_may_slow() const {
  constexpr auto kEnough = static_cast<std::int64_t>(RecentTrades::kBusyTrades);
  const Wire* const wire = vendor_.wire().get();
  return wire != nullptr && !wire->subscribed.empty() &&
         std::ranges::all_of(wire->subscribed, [&](std::size_t symbol) { return received_[symbol] > kEnough; });
}

// The feed stops, but time passes.
Result<void> World::drain() {
  vendor_.close_market();
  market_closed_ms_ = now_ms_;
  for (int step = 0; step < 200; ++step) {
    step_clock(kStepMs);
    FINPIPE_TRY(pass(true));
  }
  zombies_.clear();
  if (!ingest_) return fail(ErrorCode::kIo, "no ingest runs in the end");
  for (std::int64_t left = random_.between(5, 20); left > 0; --left) {
    step_clock(random_.between(1, random_.chance(0.5) ? 5'000 : 10 * kMsPerMinute));
    FINPIPE_TRY(pass(true));
  }
  if (random_.chance(0.3)) {
    step_clock(26 * kMsPerHour);
    FINPIPE_TRY(pass(true));
  }
  FINPIPE_TRY(ingest_->ingest.stop());
  return cluster_.settle();
}

// ---- Ingests -------------------------------------------------------------------------------------------------------

std::vector<MarketPolicy> World::policies() const {
  std::vector<MarketPolicy> policies;
  for (std::size_t i = 0; i < policy_texts_.size(); ++i) {
    policies.push_back(parsed(policy_texts_[i].versions[policy_versions_[i]], policy_texts_[i].market));
  }
  return policies;
}

Result<void> World::start_ingest() {
  received_.assign(vendor_.symbols().size(), 0);
  for (std::size_t i = 0; i < policy_texts_.size(); ++i) {
    if (random_.chance(0.3)) policy_versions_[i] = random_.below(policy_texts_[i].versions.size());
  }
  IngestOptions options;
  options.symbols = vendor_.symbols();
  options.policies = policies();
  ingest_ = std::make_unique<IngestProcess>(*this, std::move(options));
  if (random_.chance(0.1)) ingest_->fuse.light(random_.below(30));
  FINPIPE_TRY_ASSIGN(alive, survived(*ingest_, ingest_->ingest.start(), false));
  if (!alive) ingest_.reset();
  return {};
}

Result<bool> World::survived(IngestProcess& process, const Result<void>& outcome, bool zombie) {
  if (outcome) return true;
  if (process.fuse.dead()) {
    ++counts_["ingest crashes"];
    if (process.writer.torn()) ++counts_["torn log tails"];
  } else if (zombie && outcome.error().code == ErrorCode::kNewerIngest) {
    ++counts_["zombies told"];
  } else {
    return fail(outcome.error());
  }
  ++outages_;
  start_ms_ = std::max(start_ms_, now_ms_ + random_.between(100, 30'000));
  return false;
}

Result<bool> World::step(IngestProcess& process, bool zombie) {
  if (now_ms_ < process.asleep_until_ms) return true;
  host_.advance_ns(1);  // no two processes do anything at the same time
  const auto stepped = process.ingest.step();
  for (const std::size_t trade : process.feed.take_handed_out()) {
    HandedOut& handed_out = handed_out_[trade];
    ++(stepped ? handed_out.whole : handed_out.torn);
    if (!zombie) ++received_[vendor_.trades()[trade].symbol];
  }
  return survived(process, stepped ? Result<void>() : fail(stepped.error()), zombie);
}

Result<void> World::step_ingests() {
  if (!ingest_ && now_ms_ >= start_ms_) FINPIPE_TRY(start_ingest());
  if (ingest_) {
    FINPIPE_TRY_ASSIGN(alive, step(*ingest_, false));
    if (!alive) ingest_.reset();
  }
  for (auto zombie = zombies_.begin(); zombie != zombies_.end();) {
    FINPIPE_TRY_ASSIGN(alive, step(**zombie, true));
    zombie = alive && now_ms_ < (*zombie)->dies_ms ? zombie + 1 : zombies_.erase(zombie);
  }
  return {};
}

// It stops in the middle of everything. Somebody takes it for dead and starts another one; then it wakes up.
void World::put_to_sleep() {
  ++outages_;
  ingest_->asleep_until_ms = now_ms_ + random_.between(1'000, 15'000);
  if (random_.chance(0.4)) {
    ++counts_["ingest pauses"];
    return;
  }
  ++counts_["zombie ingests"];
  ingest_->dies_ms = ingest_->asleep_until_ms + random_.between(500, 15'000);
  // What it does not read fills the wire until the vendor gives it up.
  if (vendor_.wire()) vendor_.wire()->vendor_ends_ms = now_ms_ + random_.between(500, 5'000);
  zombies_.push_back(std::move(ingest_));
  start_ms_ = now_ms_ + random_.between(50, 3'000);
}

// ---- Accidents -----------------------------------------------------------------------------------------------------

void World::accident() {
  link_accident();
  clock_accident();
  if (!ingest_ || now_ms_ < ingest_->asleep_until_ms) return;
  if (random_.chance(0.001)) ingest_->fuse.light(random_.below(30));
  if (random_.chance(0.0008)) put_to_sleep();
}

void World::link_accident() {
  if (!vendor_.wire() || !random_.chance(0.002)) return;
  Wire& wire = *vendor_.wire();
  ++outages_;
  switch (random_.below(4)) {
    case 0:
      ++counts_["half-open links"];
      wire.half_open = true;
      return;
    case 1:
      ++counts_["stalls"];
      wire.silent = true;
      return;
    default:
      ++counts_["disconnects"];
      if (random_.chance(0.5)) wire.to_host.clear();
      wire.vendor_ends_ms = now_ms_;
  }
}

void World::clock_accident() {
  if (leap_ns_ != 0 && now_ms_ >= leap_at_ms_) {
    ++counts_[leap_ns_ < 0 ? "clock -1 h" : "clock +30 d"];
    host_.step_wall_ns(leap_ns_);
    leap_at_ms_ = Wire::kNever;
  }
  if (leap_at_ms_ == Wire::kNever && now_ms_ >= leap_back_ms_) {
    host_.step_wall_ns(-leap_ns_);
    leap_back_ms_ = Wire::kNever;
  }
  if (!random_.chance(0.0004)) return;
  ++counts_["clock steps"];
  host_.step_wall_ns(random_.between(-5'000, 5'000) * kNsPerMs);
}

// ---- Operators -----------------------------------------------------------------------------------------------------

Result<void> World::reset() {
  ++counts_["resets"];
  reset_at_ms_ = Wire::kNever;
  FINPIPE_TRY_ASSIGN(history, this->history());
  for (Generation& generation : generations_) {
    generation.policies_from = 0;
    generation.policies.clear();
  }
  for (const HistoryRecord& record : history.records) {
    Generation& generation = generations_[static_cast<std::size_t>(record.partition)];
    ++generation.policies_from;
    if (record.type != RecordType::kControl) continue;
    const auto control = decode_control(record.value);
    const auto* policy = control ? std::get_if<avro::PolicyInForce>(&control->body) : nullptr;
    if (policy != nullptr) generation.policies[std::string(policy->market)] = policy->text;
  }
  const std::vector<MarketPolicy> bundled = policies();
  FINPIPE_TRY_ASSIGN(number, cluster_.reset(bundled));
  for (Generation& generation : generations_) {
    generation.number = number;
    for (const MarketPolicy& policy : bundled) generation.policies.try_emplace(policy.market, policy.text);
  }
  return {};
}

Result<std::optional<avro::VoidTrade>> World::some_trade() {
  const auto partition = static_cast<std::int32_t>(random_.below(static_cast<std::uint64_t>(log_.partitions())));
  const auto reader = log_.reader({partition});
  FINPIPE_TRY(reader->poll(0));
  FINPIPE_TRY_ASSIGN(range, reader->range(partition));
  if (range.end == 0) return std::nullopt;
  FINPIPE_TRY(reader->seek(partition, random_.between(0, range.end - 1)));
  FINPIPE_TRY_ASSIGN(read, reader->poll(1));
  TradeDecoder decoder;
  Trade trade;
  const LogRecord& record = read.batches.front().records.front();
  if (record.type != RecordType::kTrade || !decoder.decode(record.value, trade)) return std::nullopt;
  voided_.emplace_back(trade.symbol, trade.event_time_ms, trade.seq);
  return avro::VoidTrade{std::get<0>(voided_.back()), trade.event_time_ms, trade.seq, "a bad print"};
}

// Voids a trade, or takes a void back, now and then one that was not.
Result<void> World::void_something() {
  if (voided_.empty() || random_.chance(0.6)) {
    FINPIPE_TRY_ASSIGN(body, some_trade());
    if (!body) return {};
    ++counts_["voids"];
    operate(*body);
    return {};
  }
  ++counts_["unvoids"];
  const auto& [symbol, event_time_ms, seq] = voided_[random_.below(voided_.size())];
  operate(avro::UnvoidTrade{symbol, event_time_ms, seq, "it was good"});
  return {};
}

void World::operate(decltype(avro::FeedStatus::body) body) {
  ++operator_session_;
  const auto writer = log_.writer(kReadBytes);
  const auto append = [&](decltype(avro::FeedStatus::body) content) {
    std::string value;
    encode_control({.stamp = host_.wall_ns(),
                    .writer = avro::Writer::kOperator,
                    .session = operator_session_,
                    .body = std::move(content)},
                   value);
    const LogRecord record{RecordType::kControl, std::nullopt, value};
    for (const std::int32_t partition : all_partitions()) (void)writer->append(partition, {&record, 1});
  };
  append(avro::SessionStarted{.id = operator_session_,
                              .origin = "operator",
                              .source_id = "",
                              .start = host_.wall_ns(),
                              .silent_since = std::nullopt,
                              .log_id = log_.log_id()});
  append(std::move(body));
  (void)writer->poll();
}

}  // namespace finpipe::simulation
