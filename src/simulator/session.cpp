#include "simulator/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <utility>
#include <vector>

#include "base/time.h"
#include "codec/flat_json.h"
#include "telemetry/log.h"

namespace finpipe {
namespace {

constexpr std::size_t kFramesAtOnce = 512;
constexpr std::int64_t kSettleMs = 100;
// At full speed: what one connection may have waiting before the tape waits for it.
constexpr std::size_t kFullSpeedQueueBytes = std::size_t{1} << 20;

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::vector<FaultKind> all_faults() {
  std::vector<FaultKind> kinds;
  for (std::size_t i = 0; i < kFaultNames.size(); ++i) kinds.push_back(static_cast<FaultKind>(i));
  return kinds;
}

net::Upgrade refusal_of(const Fault& fault) {
  net::Upgrade upgrade;
  upgrade.never_answer = fault.status == kNeverAnswer;
  if (upgrade.never_answer) return upgrade;
  upgrade.refusal.status = fault.status;
  upgrade.refusal.body = fault.status == 401   ? R"({"error":"Invalid API key."})"
                         : fault.status == 429 ? R"({"error":"API limit reached. Please try again later."})"
                                               : fmt::format(R"({{"error":"simulated {}"}})", fault.status);
  if (fault.retry_after_s) upgrade.refusal.headers.emplace_back("Retry-After", fmt::to_string(*fault.retry_after_s));
  return upgrade;
}

}  // namespace

SimulatorSession::SimulatorSession(net::EventLoop& loop, Clock& clock, const SimulatorOptions& options,
                                   SimulatorRecord record)
    : loop_(loop),
      clock_(clock),
      options_(options),
      record_(std::move(record)),
      subscribers_(loop, options.finnhub, this),
      play_timer_(loop),
      fault_timer_(loop) {
  refusal_.count = 0;
}

void SimulatorSession::begin() {
  if (options_.fault_every_ms > 0) {
    schedule_.emplace(options_.fault_every_ms, options_.faults.empty() ? all_faults() : options_.faults, options_.seed);
    schedule_fault();
  }
  play();
}

// ---- Playing -------------------------------------------------------------------------------------------------------

std::int64_t SimulatorSession::play_time_ns() {
  const std::int64_t now_ns = clock_.now_ns();
  const std::int64_t delay_ns = now_ns < delay_until_ns_ ? delay_ns_ : 0;
  played_to_ns_ = std::max(played_to_ns_, now_ns - delay_ns);
  return played_to_ns_;
}

void SimulatorSession::play() {
  if (player_ && player_->ended()) return;
  const std::int64_t now_ns = clock_.now_ns();
  const bool full_speed = options_.play.speed <= 0;
  // Without listeners these wait; a subscription calls again.
  if ((full_speed || (!player_ && !options_.play.loop && !options_.start_ns)) && !subscribers_.has_listeners()) return;
  if (!player_) player_.emplace(options_.tape, options_.play, options_.start_ns.value_or(now_ns), now_ns);

  bool more = false;
  if (!full_speed) {
    more = player_->play(play_time_ns(), kFramesAtOnce, [this](const auto& frame) { deliver(frame); });
  } else if (now_ns >= delay_until_ns_ && subscribers_.most_queued_bytes() < kFullSpeedQueueBytes) {
    more = player_->play(now_ns, kFramesAtOnce, [this](const auto& frame) { deliver(frame); });
  }
  if (player_->ended()) return record("ended", 0);
  std::int64_t wait_ms = more ? 0 : 1;
  if (const auto due_ns = player_->next_due_ns(); due_ns && !more) {
    wait_ms = std::max<std::int64_t>(-floor_div(play_time_ns() - *due_ns, kNsPerMs), 1);
    // A delay that begins or ends meanwhile must be noticed.
    wait_ms = std::min<std::int64_t>(wait_ms, kMsPerSecond);
  }
  play_timer_.start(wait_ms, [this] { play(); });
}

void SimulatorSession::deliver(const LoopedTape::Rendered& frame) {
  if (frame.trades.empty()) {
    subscribers_.broadcast(std::make_shared<const std::string>(frame.text));
  } else {
    subscribers_.publish(frame.trades);
  }
}

// ---- Connections ---------------------------------------------------------------------------------------------------

net::Upgrade SimulatorSession::upgrade(const net::HttpRequest& request) {
  if (refusal_.count > 0) {
    --refusal_.count;
    ++refused_;
    record("refused", 0, fmt::format("\"status\":{}", refusal_.status));
    return refusal_of(refusal_);
  }
  net::Upgrade upgrade = subscribers_.upgrade(request);
  if (upgrade.handler == nullptr) {
    ++refused_;
    record("refused", 0, fmt::format("\"status\":{}", upgrade.refusal.status));
  }
  return upgrade;
}

void SimulatorSession::record(std::string_view event, ConnectionId id, std::string_view members) {
  std::string text = fmt::format("\"event\":\"{}\"", event);
  if (id != 0) fmt::format_to(std::back_inserter(text), ",\"connection\":{}", id);
  if (!members.empty()) fmt::format_to(std::back_inserter(text), ",{}", members);
  record_.write(clock_.now_ns(), text);
}

void SimulatorSession::on_open(ConnectionId id) {
  peers_.try_emplace(id, loop_).first->second.opened_ns = clock_.now_ns();
  record("open", id);
}

void SimulatorSession::on_close(ConnectionId id) {
  const auto peer = peers_.find(id);
  record("close", id, fmt::format("\"reason\":{}", json_string(peer->second.end_reason)));
  peers_.erase(peer);
}

void SimulatorSession::on_subscribe(ConnectionId id, std::string_view symbol) {
  record("subscribe", id, fmt::format("\"symbol\":{}", json_string(symbol)));
  // A tape that waits for its subscriber begins once all symbols have been asked for.
  if (!player_) {
    play_timer_.start(kSettleMs, [this] { play(); });
  } else if (options_.play.speed <= 0) {
    play_timer_.start(0, [this] { play(); });
  }
}

void SimulatorSession::on_unsubscribe(ConnectionId id, std::string_view symbol) {
  record("unsubscribe", id, fmt::format("\"symbol\":{}", json_string(symbol)));
}

void SimulatorSession::on_trades(ConnectionId id, const FinnhubSubscribers::Frame& frame, std::size_t trades) {
  Peer& peer = peers_.at(id);
  peer.last_frame = frame;
  peer.last_trades = trades;
  record("trades", id, fmt::format("\"trades\":{},\"frame\":{}", trades, json_string(*frame)));
}

void SimulatorSession::on_dropped(ConnectionId id) { peers_.at(id).end_reason = "it took too little"; }

// ---- Faults --------------------------------------------------------------------------------------------------------

void SimulatorSession::schedule_fault() {
  fault_timer_.start(schedule_->next_wait_ms(), [this] {
    commit(schedule_->next());
    schedule_fault();
  });
}

std::int64_t SimulatorSession::commit(const Fault& fault) {
  ++faults_;
  log_info("fault", {{"kind", std::string(to_string(fault.kind))}});
  std::int64_t met = 0;
  if (fault.kind == FaultKind::kRefuse) {
    refusal_ = fault;
    met = fault.count;
  }
  if (fault.kind == FaultKind::kDelay) {
    delay_ns_ = (options_.play.speed <= 0 ? fault.duration_ms : fault.delay_ms) * kNsPerMs;
    delay_until_ns_ = clock_.now_ns() + fault.duration_ms * kNsPerMs;
    met = subscribers_.counts().open;
  }
  record("fault", fault.connection.value_or(0), fmt::format("\"kind\":\"{}\"", to_string(fault.kind)));
  for (const ConnectionId id : subscribers_.connections()) {
    if (fault.connection && *fault.connection != id) continue;
    const auto peer = peers_.find(id);
    if (peer != peers_.end() && commit_on(id, peer->second, fault)) ++met;
  }
  return met;
}

bool SimulatorSession::commit_on(ConnectionId id, Peer& peer, const Fault& fault) {
  const auto sent = [&](auto bytes) {
    if (peer.muted) return false;
    subscribers_.connection(id)->send_raw(std::move(bytes));
    return true;
  };
  switch (fault.kind) {
    case FaultKind::kDisconnect:
    case FaultKind::kDrop: end(id, peer, fault); return true;
    case FaultKind::kRefuse:
      if (fault.drop) end(id, peer, fault);
      return false;
    case FaultKind::kStall:
    case FaultKind::kHalfOpen: silence(id, peer, fault); return true;
    case FaultKind::kMalformed:
      if (peer.muted) return false;
      send_malformed(id, fault.variant);
      return true;
    case FaultKind::kBadOpcode: return sent(bad_opcode_bytes());
    case FaultKind::kBadUtf8: return sent(bad_utf8_bytes());
    case FaultKind::kOversize:
      if (peer.muted) return false;
      subscribers_.connection(id)->send(std::make_shared<const std::string>(kOversizeBytes, ' '));
      return true;
    case FaultKind::kDuplicate: return send_again(id, peer);
    case FaultKind::kDelay: break;
  }
  return false;
}

void SimulatorSession::end(ConnectionId id, Peer& peer, const Fault& fault) {
  net::WebSocketConnection& connection = *subscribers_.connection(id);
  peer.end_reason = to_string(fault.kind);
  // What would be sent from here on would reach nobody, and must not be on record.
  peer.muted = true;
  subscribers_.mute(id, true);
  peer.timer.cancel();
  // A connection that is not read from could not end politely.
  if (fault.kind == FaultKind::kDisconnect && !peer.half_open) {
    connection.close(fault.code, "simulated");
  } else {
    connection.abort();
  }
}

void SimulatorSession::silence(ConnectionId id, Peer& peer, const Fault& fault) {
  if (peer.half_open) return;
  peer.muted = true;
  subscribers_.mute(id, true);
  if (fault.kind == FaultKind::kHalfOpen) {
    peer.half_open = true;
    peer.end_reason = to_string(fault.kind);
    subscribers_.connection(id)->pause_reading(true);
  }
  peer.timer.start(fault.duration_ms, [this, id, &peer] {
    if (peer.half_open) return subscribers_.connection(id)->abort();
    peer.muted = false;
    subscribers_.mute(id, false);
    record("resumed", id);
    play_timer_.start(0, [this] { play(); });
  });
}

bool SimulatorSession::send_again(ConnectionId id, Peer& peer) {
  if (peer.muted || peer.last_frame == nullptr) return false;
  on_trades(id, FinnhubSubscribers::Frame(peer.last_frame), peer.last_trades);
  subscribers_.connection(id)->send(peer.last_frame);
  return true;
}

void SimulatorSession::send_malformed(ConnectionId id, Malformed variant) {
  const std::vector<std::string> symbols = subscribers_.symbols_of(id);
  const std::string_view symbol = symbols.empty() ? std::string_view("NONE") : std::string_view(symbols.front());
  record("malformed", id, fmt::format("\"variant\":\"{}\"", to_string(variant)));
  subscribers_.connection(id)->send(
      std::make_shared<const std::string>(malformed_frame(variant, symbol, clock_.now_ns() / kNsPerMs)));
}

}  // namespace finpipe
