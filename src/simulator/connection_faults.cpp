#include "simulator/connection_faults.h"

#include <fmt/format.h>

#include <memory>
#include <utility>
#include <vector>

#include "codec/flat_json.h"

namespace finpipe {
namespace {

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

ConnectionFaults::ConnectionFaults(net::EventLoop& loop, FinnhubSubscribers& subscribers, Tell tell,
                                   std::function<void()> resumed)
    : loop_(loop), subscribers_(subscribers), tell_(std::move(tell)), resumed_(std::move(resumed)) {}

void ConnectionFaults::opened(ConnectionId id, std::int64_t now_ns) {
  peers_.try_emplace(id, loop_).first->second.opened_ns = now_ns;
}

std::string_view ConnectionFaults::closed(ConnectionId id) {
  const auto peer = peers_.find(id);
  const std::string_view reason = peer->second.end_reason;
  peers_.erase(peer);
  return reason;
}

void ConnectionFaults::sent(ConnectionId id, const FinnhubSubscribers::Frame& frame, std::size_t trades) {
  Peer& peer = peers_.at(id);
  peer.last_frame = frame;
  peer.last_trades = trades;
}

void ConnectionFaults::dropped(ConnectionId id) { peers_.at(id).end_reason = "it took too little"; }

std::optional<net::Upgrade> ConnectionFaults::refuse() {
  if (refusal_.count == 0) return std::nullopt;
  --refusal_.count;
  tell_("refused", 0, fmt::format("\"status\":{}", refusal_.status));
  return refusal_of(refusal_);
}

std::int64_t ConnectionFaults::commit(const Fault& fault, std::int64_t now_ms) {
  ++committed_;
  std::int64_t met = 0;
  if (fault.kind == FaultKind::kRefuse) {
    refusal_ = fault;
    met = fault.count;
  }
  if (fault.kind == FaultKind::kDelay) met = subscribers_.counts().open;
  tell_("fault", fault.connection.value_or(0), fmt::format("\"kind\":\"{}\"", to_string(fault.kind)));
  for (const ConnectionId id : subscribers_.connections()) {
    if (fault.connection && *fault.connection != id) continue;
    const auto peer = peers_.find(id);
    if (peer != peers_.end() && commit_on(id, peer->second, fault, now_ms)) ++met;
  }
  return met;
}

bool ConnectionFaults::commit_on(ConnectionId id, Peer& peer, const Fault& fault, std::int64_t now_ms) {
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
      send_malformed(id, fault.variant, now_ms);
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

void ConnectionFaults::end(ConnectionId id, Peer& peer, const Fault& fault) {
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

void ConnectionFaults::silence(ConnectionId id, Peer& peer, const Fault& fault) {
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
    tell_("resumed", id, {});
    resumed_();
  });
}

bool ConnectionFaults::send_again(ConnectionId id, Peer& peer) {
  if (peer.muted || peer.last_frame == nullptr) return false;
  std::string frame;
  append_json_string(frame, *peer.last_frame);
  tell_("trades", id, fmt::format("\"trades\":{},\"frame\":{}", peer.last_trades, frame));
  subscribers_.connection(id)->send(peer.last_frame);
  return true;
}

void ConnectionFaults::send_malformed(ConnectionId id, Malformed variant, std::int64_t now_ms) {
  const std::vector<std::string> symbols = subscribers_.symbols_of(id);
  const std::string_view symbol = symbols.empty() ? std::string_view("NONE") : std::string_view(symbols.front());
  tell_("malformed", id, fmt::format("\"variant\":\"{}\"", to_string(variant)));
  subscribers_.connection(id)->send(std::make_shared<const std::string>(malformed_frame(variant, symbol, now_ms)));
}

}  // namespace finpipe
