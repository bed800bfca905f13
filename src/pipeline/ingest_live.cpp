// What an ingest does when its feed is live: sessions on the wall clock, heartbeats without frames, and gaps.
//
// A gap reaches from the last frame before an interruption to one second after the subscriptions were sent again.
// Frames come in order, so everything that was received before the last frame is in the log. Spans are in event time:
// trades that come late push the start back, and a host clock that is behind (trades then seem to come early) the end
// ahead.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "base/hash.h"
#include "base/planted_fault.h"
#include "base/time.h"
#include "pipeline/ingest.h"
#include "pipeline/time_rule.h"

namespace finpipe {
namespace {

constexpr std::int64_t kMaxDriftNs = kNsPerSecond;
constexpr std::int64_t kLagAllowanceMs = kMsPerSecond;    // beyond the lag that was measured
constexpr std::int64_t kUsualDelayMs = 2 * kMsPerSecond;  // from a trade to its receipt
constexpr std::int64_t kSettleMs = kMsPerSecond;          // until a subscription counts

// Whether the newest trade tells how far the vendor has come: nothing else does when the lag is at its limit, for then
// it may be any longer.
bool tells_how_far(const RecentTrades& recent, std::int64_t lag_ms) {
  return recent.busy() || (lag_ms >= kMsPerHour && recent.newest_event_ms() > 0);
}

}  // namespace

// ---- Session -------------------------------------------------------------------------------------------------------

Result<void> Ingest::begin_live_session() {
  const std::int64_t now_ns = options_.clock->now_ns();
  if (!started_) take_over();
  started_ = true;
  ++counts_.sessions;
  first_stamp_ns_ = last_stamp_ns_ = last_repeat_ns_ = now_ns;
  last_heartbeat_ns_ = now_ns - kHeartbeatNs;  // the first one is due at once: it says what state the feed is in
  heartbeat_ordinal_ = 0;
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    partitions_[i].counters = {};
    FINPIPE_TRY(write_session(static_cast<std::int32_t>(i), now_ns, partitions_[i].silent_since_ms));
  }
  FINPIPE_TRY(flush());
  FINPIPE_TRY(check_newer_session());
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    Partition& partition = partitions_[i];
    FINPIPE_TRY(write_policies(static_cast<std::int32_t>(i), now_ns, false));
    for (const MarketPolicy& policy : policies_.all()) partition.tail.policies[policy.market] = policy.hash;
    // What follows is new: nothing of it can be in the log already.
    last_seq_ = std::max(last_seq_, partition.tail.seq);
    partition.last_seq = std::max(partition.last_seq, partition.tail.seq);
    partition.tail.seq = partition.tail.heartbeat = partition.tail.heartbeat_received = 0;
  }
  return {};
}

// Where the log's last writer left off.
void Ingest::take_over() {
  feed_state_ = avro::ConnectionState::kDisconnected;
  feed_since_ns_ = options_.clock->now_ns();
  silence_reason_ = "restart";
  for (const Partition& partition : partitions_) {
    for (const auto& [market, lag_ms] : partition.tail.lags_ms) markets_[market_of(market)].lag_ms = lag_ms;
  }
  restate_lags_ = true;
  for (Partition& partition : partitions_) {
    const LogTail& tail = partition.tail;
    if (tail.empty()) continue;
    // A log of trades alone has no heartbeat that tells when the last frame came.
    const std::int64_t last_ns = tail.last_frame_ns == 0 ? tail.last_stamp_ns : tail.last_frame_ns;
    last_frame_ns_ = std::min(last_frame_ns_.value_or(last_ns), last_ns);
    std::int64_t lag_ms = 0;
    for (const auto& [market, known_ms] : tail.lags_ms) lag_ms = std::max(lag_ms, known_ms);
    std::int64_t until_ms = floor_div(last_ns, kNsPerMs) - lag_ms;
    if (tells_how_far(tail.recent, lag_ms)) until_ms = std::min(until_ms, tail.recent.newest_event_ms());
    until_ms -= kLagAllowanceMs;
    partition.silent_since_ms = std::min(tail.silent_since_ms.value_or(until_ms), until_ms);
  }
}

// Somebody set the wall clock: stamps must not step within a session, so a new one begins. Event times are the vendor's
// and did not step, so every lag is longer by as much. Bars must not close between the two changes: the longer lag is
// told before the clock moves ahead, the shorter one after it has moved back.
Result<void> Ingest::follow_wall_clock() {
  const std::int64_t drift_ns = options_.clock->drift_ns();
  if (std::abs(drift_ns) <= kMaxDriftNs) return {};
  const std::int64_t drift_ms = drift_ns / kNsPerMs;
  const std::int64_t now_ns = options_.clock->now_ns();
  if (drift_ms < 0) FINPIPE_TRY(write_heartbeats(stamp_now(now_ns)));
  for (Market& market : markets_) {
    (void)market.measure_lag(now_ns);
    market.lag = LagTracker();
    market.recent_lag = LagTracker(kRecentNs);
    if (market.lag_ms) {
      const std::int64_t unlimited_ms = *market.lag_ms + market.lag_beyond_ms + drift_ms;
      market.lag_ms = std::clamp(unlimited_ms, -kMsPerHour, kMsPerHour);
      market.lag_beyond_ms = unlimited_ms - *market.lag_ms;
    }
    market.recent.shift_receipts(drift_ns);
  }
  restate_lags_ = true;
  if (drift_ms >= 0) FINPIPE_TRY(write_heartbeats(stamp_now(options_.clock->now_ns())));
  restate_lags_ = true;
  options_.clock->restart();
  feed_since_ns_ += drift_ns;
  if (last_frame_ns_) *last_frame_ns_ += drift_ns;
  if (subscription_) subscription_->sent_ns += drift_ns;
  asked_ns_ += drift_ns;
  for (auto& [name, symbol] : symbols_) symbol.received_ns += symbol.received_ns == 0 ? 0 : drift_ns;
  for (auto& [symbol, since_ms] : refused_since_ms_) since_ms = std::min(since_ms, since_ms + drift_ms);
  // Not to read again all that was written since this session began.
  FINPIPE_TRY(check_replaced());
  ++session_;
  return begin_live_session();
}

std::int64_t Ingest::stamp_now(std::int64_t at_ns) { return last_stamp_ns_ = std::max(last_stamp_ns_ + 1, at_ns); }

// ---- Rounds --------------------------------------------------------------------------------------------------------

Result<bool> Ingest::step_live() {
  FINPIPE_TRY(follow_wall_clock());
  FINPIPE_TRY_ASSIGN(batch, feed_.poll(options_.frames_per_step));
  const std::int64_t now_ns = options_.clock->now_ns();
  auto event = batch.events.begin();
  for (std::size_t i = 0; i <= batch.frames.size(); ++i) {
    for (; event != batch.events.end() && event->before <= i; ++event) FINPIPE_TRY(take_event(*event));
    if (i == batch.frames.size()) break;
    const bool is_last =
        event != batch.events.end() && event->before == i + 1 && event->kind == FeedEvent::Kind::kDisconnected;
    if (is_last && planted(PlantedFault::kDroppedOnDisconnect)) continue;
    FeedFrame frame = batch.frames[i];
    // A frame that was stamped before the clock was set back.
    if (frame.received_ns) frame.received_ns = std::min(*frame.received_ns, now_ns);
    FINPIPE_TRY(take_frame(frame));
  }
  FINPIPE_TRY(settle_subscription(now_ns));
  if (now_ns - last_heartbeat_ns_ >= kHeartbeatNs) FINPIPE_TRY(write_heartbeats(stamp_now(now_ns)));
  if (batch.end) {
    ended_ = true;
    FINPIPE_TRY(write_heartbeats(stamp_now(now_ns)));  // closes the account of the session
  }
  // At once: nobody sees a trade before it is durable. A feed that goes on does not wait for it.
  FINPIPE_TRY(batch.end ? flush() : send());
  if (others_wrote_) FINPIPE_TRY(check_replaced());
  return !ended_;
}

Result<void> Ingest::take_event(const FeedEvent& event) {
  switch (event.kind) {
    case FeedEvent::Kind::kSubscribed:
      asked_ns_ = event.at_ns;
      subscription_ = Subscription{event.at_ns, {event.symbols.begin(), event.symbols.end()}};
      return {};
    case FeedEvent::Kind::kDisconnected:
    case FeedEvent::Kind::kStalled: return lose_feed(event);
    case FeedEvent::Kind::kRefused: return refuse_symbols(event);
  }
  return {};
}

Result<void> Ingest::lose_feed(const FeedEvent& event) {
  const bool stalled = event.kind == FeedEvent::Kind::kStalled;
  feed_state_ = stalled ? avro::ConnectionState::kStalled : avro::ConnectionState::kDisconnected;
  feed_since_ns_ = event.at_ns;
  counts_.connected = false;
  // A subscription that did not live long enough to count leaves the silence before it open, and its reason.
  subscription_.reset();
  const bool was_on = !partitions_.front().silent_since_ms;
  if (was_on) ++(stalled ? counts_.stalls : counts_.disconnects);
  if (was_on) silence_reason_ = event.detail.empty() ? (stalled ? "stalled" : "disconnected") : event.detail;
  // A feed that has never been there leaves nothing out.
  if (was_on && !last_frame_ns_) return {};
  const std::int64_t stamp_ns = stamp_now(event.at_ns);
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    Partition& partition = partitions_[i];
    const auto p = static_cast<std::int32_t>(i);
    if (!partition.silent_since_ms) partition.silent_since_ms = complete_until_ms();
    const std::int64_t since_ms = *partition.silent_since_ms;
    // Bars that closed before anybody noticed are told by a gap, those that follow by the open silence.
    if (was_on) {
      const std::int64_t to_ms = std::max(floor_div(stamp_ns, kNsPerMs), since_ms + 1);
      FINPIPE_TRY(append_control(
          p, stamp_ns, avro::Gap{.from = since_ms, .to = to_ms, .symbols = std::nullopt, .reason = silence_reason_}));
    }
    FINPIPE_TRY(append_control(p, stamp_ns, avro::FeedState{.state = feed_state_, .since = since_ms}));
  }
  return {};
}

Result<void> Ingest::refuse_symbols(const FeedEvent& event) {
  const std::int64_t stamp_ns = stamp_now(event.at_ns);
  const std::int64_t now_ms = floor_div(stamp_ns, kNsPerMs);
  for (const std::string& symbol : event.symbols) {
    in_force_.erase(symbol);
    refused_since_ms_.emplace(symbol, undelivered_since_ms(symbol));
    if (subscription_) subscription_->symbols.erase(symbol);
    FINPIPE_TRY(write_refused_gap(symbol, stamp_ns, now_ms, event.detail));
  }
  const avro::Refused refused{.symbols = {event.symbols.begin(), event.symbols.end()}, .message = event.detail};
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    const auto p = static_cast<std::int32_t>(i);
    FINPIPE_TRY(append_control(p, stamp_ns, refused));
    auto& expected = partitions_[i].tail.symbols;
    avro::Unsubscribed lost{.symbols = std::vector<std::string_view>()};
    for (const std::string& symbol : event.symbols) {
      if (expected && expected->erase(symbol) > 0) lost.symbols->push_back(symbol);
    }
    if (!lost.symbols->empty()) FINPIPE_TRY(append_control(p, stamp_ns, std::move(lost)));
  }
  return {};
}

// Event time since which nothing of a refused symbol can have come: since it was asked for, or since its last trade.
std::int64_t Ingest::undelivered_since_ms(const std::string& symbol) {
  const std::int64_t asked_ms = floor_div(asked_ns_, kNsPerMs);
  if (!last_frame_ns_) return asked_ms;
  const auto known = symbols_.find(symbol);
  const bool delivered = known != symbols_.end() && known->second.received_ns >= asked_ns_;
  if (delivered) return complete_until_ms();
  const std::int64_t behind_ms = floor_div(*last_frame_ns_, kNsPerMs) - complete_until_ms();
  return asked_ms - std::max<std::int64_t>(0, behind_ms);
}

// All that is known of it so far; bars say so that closed before anybody noticed.
Result<void> Ingest::write_refused_gap(const std::string& symbol, std::int64_t stamp_ns, std::int64_t to_ms,
                                       std::string_view reason) {
  const std::int64_t from_ms = refused_since_ms_.at(symbol);
  if (from_ms >= to_ms) return {};
  const auto partition = partition_of(symbol, static_cast<std::int32_t>(partitions_.size()));
  const avro::Gap gap{.from = from_ms, .to = to_ms, .symbols = std::vector<std::string_view>{symbol}, .reason = reason};
  return append_control(partition, stamp_ns, gap);
}

// ---- Subscriptions and gaps ----------------------------------------------------------------------------------------

// A subscription counts once it has had time to reach the vendor. Where exactly, in event time, the gap before it ends
// depends on how the clocks stand, which the first trade shows; until then there are no bars that could lack one.
Result<void> Ingest::settle_subscription(std::int64_t now_ns) {
  if (!subscription_ || now_ns - subscription_->sent_ns < kSettleMs * kNsPerMs) return {};
  if (!subscription_->counts) FINPIPE_TRY(count_subscription());
  return subscription_->sampled ? end_gap() : Result<void>();
}

Result<void> Ingest::count_subscription() {
  const std::int64_t stamp_ns = stamp_now(options_.clock->now_ns());
  const std::int64_t sent_ms = floor_div(subscription_->sent_ns, kNsPerMs);
  subscription_->counts = true;
  in_force_ = subscription_->symbols;
  feed_state_ = avro::ConnectionState::kConnected;
  feed_since_ns_ = subscription_->sent_ns;
  counts_.connected = true;
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    const auto p = static_cast<std::int32_t>(i);
    // In a new log nothing is missing before.
    if (!partitions_[i].silent_since_ms) partitions_[i].silent_since_ms = sent_ms, silence_reason_ = "start";
    FINPIPE_TRY(write_joined(p, stamp_ns));
    FINPIPE_TRY(write_symbols(p, stamp_ns));
    FINPIPE_TRY(append_control(p, stamp_ns, avro::FeedState{.state = feed_state_, .since = sent_ms}));
  }
  return {};
}

Result<void> Ingest::end_gap() {
  const std::int64_t stamp_ns = stamp_now(options_.clock->now_ns());
  const std::int64_t to_ms = floor_div(subscription_->sent_ns, kNsPerMs) + kSettleMs + earliest_ms(stamp_ns);
  for (const std::string& symbol : subscription_->symbols) {
    if (!refused_since_ms_.contains(symbol)) continue;
    FINPIPE_TRY(write_refused_gap(symbol, stamp_ns, to_ms, "refused"));
    refused_since_ms_.erase(symbol);
  }
  subscription_.reset();
  ++counts_.gaps;
  for (std::size_t i = 0; i < partitions_.size(); ++i) {
    const std::int64_t from_ms = std::min(*partitions_[i].silent_since_ms, to_ms - 1);
    FINPIPE_TRY(
        append_control(static_cast<std::int32_t>(i), stamp_ns,
                       avro::Gap{.from = from_ms, .to = to_ms, .symbols = std::nullopt, .reason = silence_reason_}));
    partitions_[i].silent_since_ms.reset();
  }
  return {};
}

// Who was not subscribed before is taken to be so from the stamp on, by a host clock that may be behind, while the
// silence begins in event time: what lies between the two was not received either.
Result<void> Ingest::write_joined(std::int32_t partition, std::int64_t stamp_ns) {
  const Partition& at = partitions_[static_cast<std::size_t>(partition)];
  const std::int64_t stamp_ms = floor_div(stamp_ns, kNsPerMs);
  if (!at.tail.symbols || stamp_ms >= *at.silent_since_ms) return {};
  avro::Gap gap{.from = stamp_ms, .to = *at.silent_since_ms, .symbols = std::nullopt, .reason = silence_reason_};
  gap.symbols.emplace();
  std::ranges::set_difference(in_force_, *at.tail.symbols, std::back_inserter(*gap.symbols));
  return gap.symbols->empty() ? Result<void>() : append_control(partition, stamp_ns, std::move(gap));
}

// Who is subscribed now, and who no longer is.
Result<void> Ingest::write_symbols(std::int32_t partition, std::int64_t stamp_ns) {
  auto& expected = partitions_[static_cast<std::size_t>(partition)].tail.symbols;
  avro::Unsubscribed gone;  // all, when all were expected
  if (expected) {
    gone.symbols.emplace();
    std::ranges::set_difference(*expected, in_force_, std::back_inserter(*gone.symbols));
  }
  if (!gone.symbols || !gone.symbols->empty()) FINPIPE_TRY(append_control(partition, stamp_ns, std::move(gone)));
  expected = in_force_;
  if (in_force_.empty()) return {};
  avro::Subscribed on;
  on.symbols.emplace(in_force_.begin(), in_force_.end());
  return append_control(partition, stamp_ns, std::move(on));
}

// Lags as of the last trade of each market, not as of now: what is late is late still when nothing comes any more. A
// market that trades all the time tells more than the vendor's pings do: what it has not sent yet may be lost.
std::int64_t Ingest::complete_until_ms() {
  std::int64_t lag_ms = 0;
  std::int64_t until_ms = floor_div(*last_frame_ns_, kNsPerMs);
  for (Market& market : markets_) {
    const std::int64_t last_ns = market.recent.last_received_ns();
    const std::int64_t market_lag_ms =
        std::max({std::int64_t{0}, market.lag.p99_ms(last_ns).value_or(0),
                  market.lag_ms.value_or(0) + market.lag_beyond_ms, market.recent_lag.p99_ms(last_ns).value_or(0)});
    lag_ms = std::max(lag_ms, market_lag_ms);
    if (tells_how_far(market.recent, market_lag_ms)) until_ms = std::min(until_ms, market.recent.newest_event_ms());
  }
  return std::min(until_ms, floor_div(*last_frame_ns_, kNsPerMs) - lag_ms) - kLagAllowanceMs;
}

std::int64_t Ingest::earliest_ms(std::int64_t now_ns) {
  std::int64_t lag_ms = 0;
  for (Market& market : markets_) {
    lag_ms = std::min({lag_ms, market.lag.percentile_ms(1, now_ns).value_or(0), market.lag_ms.value_or(0)});
  }
  // What is beyond the most that is measured is refused when it exceeds the tolerance too.
  if (lag_ms <= -kMsPerHour) lag_ms -= kFutureToleranceMs;
  // How much of the vendor's own delay hides in it is not known.
  return lag_ms < 0 ? kUsualDelayMs - lag_ms : 0;
}

}  // namespace finpipe
