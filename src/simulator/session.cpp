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

}  // namespace

SimulatorSession::SimulatorSession(net::EventLoop& loop, Clock& clock, const SimulatorOptions& options,
                                   SimulatorRecord record)
    : loop_(loop),
      clock_(clock),
      options_(options),
      record_(std::move(record)),
      subscribers_(loop, options.finnhub, this),
      faults_(
          loop, subscribers_,
          [this](std::string_view event, ConnectionId id, std::string_view members) {
            this->record(event, id, members);
          },
          [this] { play_timer_.start(0, [this] { play(); }); }),
      play_timer_(loop),
      fault_timer_(loop) {}

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
  if (auto refusal = faults_.refuse()) {
    ++refused_;
    return *std::move(refusal);
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
  faults_.opened(id, clock_.now_ns());
  record("open", id);
}

void SimulatorSession::on_close(ConnectionId id) {
  record("close", id, fmt::format("\"reason\":{}", json_string(faults_.closed(id))));
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
  faults_.sent(id, frame, trades);
  record("trades", id, fmt::format("\"trades\":{},\"frame\":{}", trades, json_string(*frame)));
}

void SimulatorSession::on_dropped(ConnectionId id) { faults_.dropped(id); }

// ---- Faults --------------------------------------------------------------------------------------------------------

void SimulatorSession::schedule_fault() {
  fault_timer_.start(schedule_->next_wait_ms(), [this] {
    commit(schedule_->next());
    schedule_fault();
  });
}

std::int64_t SimulatorSession::commit(const Fault& fault) {
  log_info("fault", {{"kind", std::string(to_string(fault.kind))}});
  if (fault.kind == FaultKind::kDelay) {
    delay_ns_ = (options_.play.speed <= 0 ? fault.duration_ms : fault.delay_ms) * kNsPerMs;
    delay_until_ns_ = clock_.now_ns() + fault.duration_ms * kNsPerMs;
  }
  return faults_.commit(fault, clock_.now_ns() / kNsPerMs);
}

}  // namespace finpipe
